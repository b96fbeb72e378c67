"""Starts the service and its peers on free ports of the loopback, and ends each by its id, also after an error."""

import contextlib
import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import requests

from common import CORES, Failure
from service import OPERATOR_PASSWORD, environment

START_SECONDS = 300
IMPORT_SECONDS = 1800

# Limits that no bench runs into. They are counted all the same; what is raised is where they end.
SETTINGS = {
    "--operator-password": OPERATOR_PASSWORD,
    "--limits-login-per-minute": "1000000",
    **{f"--limits-{tier}-per-second": "1000000" for tier in ("anonymous", "firm", "staff")},
    **{f"--limits-{tier}-burst": "1000000" for tier in ("anonymous", "firm", "staff")},
    **{f"--limits-{tier}-bytes-per-day": "1000000000000000" for tier in ("anonymous", "firm")},
    **{f"--limits-{tier}-queries": "10000" for tier in ("anonymous", "firm")},
    **{f"--limits-{tier}-query-seconds": "600" for tier in ("anonymous", "firm")},
}


def end(process):
    """Ends a process that we started."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(timeout=40)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_until(ready, process, what, log, seconds=START_SECONDS):
    """Asks `ready` every few milliseconds until it has an answer."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        answer = ready()
        if answer:
            return answer
        if process.poll() is not None:
            break
        time.sleep(0.002)
    end(process)
    raise Failure(f"{what} did not become ready:\n{log.read_text(encoding='utf-8', errors='replace')[-2000:]}")


def free_port():
    """A port that nobody has at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Qingdan:
    """A running service over a data folder."""

    def __init__(self, binary, folder, **settings):
        self.folder = folder
        log = folder / "stderr.log"
        given = {**SETTINGS, **{"--" + name.replace("_", "-"): str(value) for name, value in settings.items()}}
        command = [binary, "serve", "--listen", "127.0.0.1:0", "--data-dir", folder / "data", "--datasets-dir", folder / "none"]
        command += [word for pair in given.items() for word in pair]
        began = time.monotonic()
        with open(log, "wb") as stderr:
            # The group of a shell's Ctrl-C is ours; the service is ended by us.
            self.process = subprocess.Popen(
                command, cwd=folder, env=environment(), stdout=subprocess.DEVNULL, stderr=stderr, start_new_session=True
            )
        found = wait_until(lambda: _address(log), self.process, "the service", log)
        self.url = f"http://{found}"
        if requests.get(f"{self.url}/readyz", timeout=60).status_code != 200:
            end(self.process)
            raise Failure("the service says that it is not ready")
        self.start_seconds = time.monotonic() - began

    @property
    def pid(self):
        """Its process."""
        return self.process.pid

    def __enter__(self):
        return self

    def __exit__(self, *_):
        end(self.process)


def _address(log):
    found = re.search(rb'^(\{.*"message":"ready".*\})\n', log.read_bytes(), re.MULTILINE)
    return json.loads(found[1])["address"] if found else None


def run_command(binary, folder, *arguments):
    """Runs a command of the binary over the folder's data to its end. Answers its output."""
    command = [binary, *arguments, "--data-dir", folder / "data"]
    done = subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True, timeout=IMPORT_SECONDS, check=False)
    if done.returncode != 0:
        raise Failure(f"`qingdan {arguments[0]}` ended with {done.returncode}: {done.stdout[-500:]}{done.stderr[-1500:]}")
    return done.stdout


def require_released(service, *slugs):
    """Checks that imported datasets can be read: a finding of the scan would hold them back."""
    for slug in slugs:
        answer = requests.head(f"{service.url}/api/v1/datasets/{slug}/download", timeout=300)
        if answer.status_code != 200:
            raise Failure(f"the dataset {slug} was imported but cannot be downloaded: {answer.status_code}")


@contextlib.contextmanager
def nginx(root, folder):
    """nginx over a folder of files, as Debian sets it up: sendfile, a worker for each core, an access log."""
    port = free_port()
    # Started by root it would give its work to another user, who may not read our folder.
    user = "user root;" if os.geteuid() == 0 else ""
    folder.mkdir()
    config = f"""
        {user} worker_processes {CORES}; daemon off; pid {folder}/pid; error_log {folder}/error.log;
        events {{ worker_connections 1024; }}
        http {{
            sendfile on; tcp_nopush on; keepalive_requests 1000000000; access_log {folder}/access.log;
            types {{ text/html html; application/json json; application/vnd.apache.arrow.parquet parquet; }}
            client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;
            uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
            server {{ listen 127.0.0.1:{port}; root {root}; }}
        }}
    """
    (folder / "nginx.conf").write_text(config, encoding="utf-8")
    log = folder / "output.log"
    with open(log, "wb") as output:
        command = ["/usr/sbin/nginx", "-p", folder, "-c", folder / "nginx.conf", "-e", folder / "error.log"]
        process = subprocess.Popen(command, stdout=output, stderr=output, start_new_session=True)
    try:
        wait_until(lambda: _listens(port), process, "nginx", log, 20)
        yield f"http://127.0.0.1:{port}"
    finally:
        end(process)


@contextlib.contextmanager
def roapi(parquet, folder, in_memory=True):
    """roapi over one Parquet file as the table `lineitem`; by default in memory, which is its own default."""
    port = free_port()
    folder.mkdir()
    log = folder / "output.log"
    option = "" if in_memory else ",use_memory_table=false"
    program = Path(sys.executable).parent / "roapi"
    command = [program, "--addr-http", f"127.0.0.1:{port}", "--addr-postgres", f"127.0.0.1:{free_port()}"]
    command += ["--addr-flight-sql", f"127.0.0.1:{free_port()}", "--table", f"lineitem={parquet},format=parquet{option}"]
    with open(log, "wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, cwd=folder, start_new_session=True)
    try:
        wait_until(lambda: _listens(port), process, "roapi", log)
        yield f"http://127.0.0.1:{port}"
    finally:
        end(process)


def _listens(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


class DuckDb:
    """DuckDB in a process of its own, with as many threads as there are cores."""

    def __init__(self):
        command = [sys.executable, "-B", Path(__file__).parent / "duck.py", str(CORES)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True)

    def run(self, sql):
        """Runs a statement. Answers the seconds that it took inside of DuckDB, with its rows fetched, and the number of rows."""
        self.process.stdin.write(json.dumps(sql) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise Failure("the process of DuckDB has ended")
        answer = json.loads(line)
        if "error" in answer:
            raise Failure(f"DuckDB: {answer['error']}")
        return answer["seconds"], answer["rows"]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        end(self.process)


class Memory:
    """Samples the resident memory of a process, in MiB, until the block ends."""

    KINDS = ("VmRSS", "RssAnon", "RssFile")

    def __init__(self, pid):
        self.pid = pid
        self.peaks = dict.fromkeys(self.KINDS, 0.0)
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)

    def _sample(self):
        while not self._done.wait(0.01):
            for kind, value in resident(self.pid).items():
                self.peaks[kind] = max(self.peaks[kind], value)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._done.set()
        self._thread.join()


def resident(pid):
    """What of a process is in memory at this moment, in MiB; nothing once it has ended."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return {}
    found = dict(re.findall(r"^(\w+):\s+(\d+) kB$", status, re.MULTILINE))
    return {kind: int(found[kind]) / 1024 for kind in Memory.KINDS if kind in found}
