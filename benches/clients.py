"""Clients that put load on a server: wrk for requests, curl for files."""

import re
import subprocess
import time
from contextlib import contextmanager
from dataclasses import dataclass

import requests

from common import Failure

CURL_SECONDS = 900


@dataclass(frozen=True)
class Load:
    """What wrk saw."""

    requests: int
    per_second: float
    median_us: float


def wrk(url, seconds, connections, header_file=None, script_folder=None, headers=()):
    """Asks for one address as fast as it is answered. Every answer must be a success."""
    command = ["wrk", "-t", "1", "-c", str(connections), "-d", f"{seconds}s", "--latency"]
    lines = [f'wrk.headers["{name}"] = "{value}"' for name, value in headers]
    if header_file:
        # From a file, so that no token is an argument of a program.
        name, _, value = header_file.read_text(encoding="ascii").strip().partition(": ")
        lines.append(f'wrk.headers["{name}"] = "{value}"')
    if lines:
        script = script_folder / "wrk.lua"
        script.touch(mode=0o600)
        script.write_text("\n".join(lines) + "\n", encoding="ascii")
        command += ["-s", script]
    done = subprocess.run([*command, url], capture_output=True, text=True, timeout=seconds + 60, check=False)
    refused = re.search(r"Non-2xx or 3xx responses: (\d+)|Socket errors: (.+)", done.stdout)
    if done.returncode != 0 or refused:
        raise Failure(f"wrk at {url}: {refused[0] if refused else done.stdout + done.stderr}")
    return Load(
        int(re.search(r"(\d+) requests in", done.stdout)[1]),
        float(re.search(r"Requests/sec:\s+([\d.]+)", done.stdout)[1]),
        _microseconds(re.search(r"^\s+50%\s+([\d.]+)(us|ms|s)$", done.stdout, re.MULTILINE)),
    )


@contextmanager
def wrk_beside(url, connections=16):
    """Keeps the service busy until the block ends."""
    process = subprocess.Popen(["wrk", "-t", "1", "-c", str(connections), "-d", "3600s", url], stdout=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.terminate()
        process.wait()


def save(url, path):
    """Downloads a file to keep it."""
    with requests.get(url, stream=True, timeout=CURL_SECONDS) as answer, open(path, "wb") as file:
        if answer.status_code != 200:
            raise Failure(f"{url}: {answer.status_code} {answer.text[:500]}")
        for piece in answer.iter_content(1 << 20):
            file.write(piece)


def _microseconds(found):
    return float(found[1]) * {"us": 1, "ms": 1e3, "s": 1e6}[found[2]]


def download(url, clients=1, header_file=None):
    """Downloads a file with so many clients at once. Answers the bytes of all of them and the seconds until the last had its own."""
    command = ["curl", "--silent", "--show-error", "--output", "/dev/null", "--write-out", "%{http_code} %{size_download}\n"]
    command += ["--max-time", str(CURL_SECONDS)]
    if header_file:
        command += ["--header", f"@{header_file}"]
    began = time.perf_counter()
    running = [subprocess.Popen([*command, url], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(clients)]
    size = 0
    try:
        for process in running:
            out, error = process.communicate(timeout=CURL_SECONDS + 60)
            status, _, count = out.strip().partition(" ")
            if process.returncode != 0 or status != "200":
                raise Failure(f"curl at {url} ended with {process.returncode}, status {status}: {error.strip()}")
            size += int(count)
    finally:
        for process in running:
            if process.poll() is None:
                process.kill()
                process.wait()
    return size, time.perf_counter() - began
