"""What the measuring was done on and with."""

import importlib.metadata
import platform
import re
import subprocess
from pathlib import Path

from common import CORES


def describe():
    """The machine, as pairs of what and value."""
    cpu = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(encoding="utf-8"), re.MULTILINE)
    memory = re.search(r"^MemTotal:\s*(\d+) kB$", Path("/proc/meminfo").read_text(encoding="utf-8"), re.MULTILINE)
    return [
        ("processor", f"{cpu[1] if cpu else platform.machine()}, {CORES} cores"),
        ("memory", f"{int(memory[1]) / 2**20:.1f} GiB" if memory else "unknown"),
        ("kernel", f"{platform.system()} {platform.release()}"),
    ]


def versions(binary):
    """The versions of everybody who takes part."""
    return [
        ("qingdan", _first_line([binary, "--version"]).removeprefix("qingdan ")),
        ("nginx", _first_line(["/usr/sbin/nginx", "-v"]).rpartition("/")[2]),
        ("wrk", _first_line(["wrk", "-v"]).split()[1].removeprefix("debian/")),
        ("curl", _first_line(["curl", "--version"]).split()[1]),
        *((name, importlib.metadata.version(name)) for name in ["duckdb", "roapi", "tpchgen-cli"]),
        ("Python", platform.python_version()),
    ]


def _first_line(command):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60, check=False)
    return done.stdout.splitlines()[0].strip()
