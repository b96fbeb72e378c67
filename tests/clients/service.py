"""Starts the built service as an operator does, and ends it."""

import json
import os
import re
import subprocess
import time
from pathlib import Path

OPERATOR = "operator"
OPERATOR_PASSWORD = "a very long password 1"
START_SECONDS = 60

# Limits that no test runs into; what they do is tested elsewhere.
LIMITS = {
    "--limits-login-per-minute": "1000",
    "--limits-anonymous-per-second": "1000",
    "--limits-anonymous-burst": "1000",
    "--limits-anonymous-queries": "16",
}


class Service:
    """A running service."""

    def __init__(self, binary, folder, settings=None):
        """`settings` are variables of its environment."""
        self.binary = binary
        self.folder = folder
        self.environment = {**environment(), **(settings or {})}
        self.log = folder / "stderr.log"
        self.process = None
        self.url = None

    def run(self, *arguments):
        """Runs a command of the binary to its end, which must be a good one."""
        done = self.attempt(*arguments)
        assert done.returncode == 0, f"{arguments} ended with {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def attempt(self, *arguments):
        """Runs a command of the binary to its end, whatever it says."""
        command = [self.binary, *arguments, "--data-dir", self.folder / "data"]
        return subprocess.run(command, cwd=self.folder, env=self.environment, capture_output=True, text=True, timeout=300)

    def start(self):
        """Starts the service on a free port and waits until it is ready."""
        command = [self.binary, "serve", "--listen", "127.0.0.1:0", "--data-dir", self.folder / "data"]
        command += ["--operator-password", OPERATOR_PASSWORD]
        for flag, value in LIMITS.items():
            command += [flag, value]
        with open(self.log, "wb") as stderr, open(self.folder / "stdout.log", "wb") as stdout:
            self.process = subprocess.Popen(command, cwd=self.folder, env=self.environment, stdout=stdout, stderr=stderr)
        try:
            self.url = f"http://{self._wait_for_address()}"
        except BaseException:
            self.process.kill()
            self.process.wait()
            raise

    def _wait_for_address(self):
        until = time.monotonic() + START_SECONDS
        while time.monotonic() < until:
            for line in self.log_lines():
                if line.get("message") == "ready":
                    return line["address"]
            if self.process.poll() is not None:
                break
            time.sleep(0.05)
        raise AssertionError(f"the service did not become ready:\n{self.log.read_text(encoding='utf-8')}")

    def log_lines(self):
        """The log so far."""
        # The last line may be in the middle of being written.
        complete = re.findall(r"^(.+)\n", self.log.read_text(encoding="utf-8"), re.MULTILINE)
        return [json.loads(line) for line in complete]

    def stop(self):
        """Ends the service as a supervisor does, which must succeed."""
        self.process.terminate()
        try:
            status = self.process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise
        assert status == 0, f"the service ended with {status}"


def binary():
    """The binary under test."""
    path = os.environ.get("QINGDAN_BINARY")
    assert path, "set QINGDAN_BINARY to the built service, or start the tests with tests/clients/run.sh"
    return Path(path).resolve()


def environment():
    """Our own environment without variables that the service would take as settings."""
    return {name: value for name, value in os.environ.items() if not name.startswith("QINGDAN_")}
