"""What all programs of this folder share: places, the binary, and a failure."""

import os
import signal
import sys
import tempfile
from pathlib import Path

TREE = Path(__file__).resolve().parent.parent
CACHE = Path(os.environ.get("BENCH_CACHE", TREE / "target" / "bench"))
DEFAULT_BINARY = TREE / "target" / "release" / "qingdan"
CORES = os.cpu_count() or 1


class Failure(Exception):
    """Something that could not be measured or checked, with the reason."""


def add_binary_option(parser):
    """The option that all programs have."""
    parser.add_argument("--binary", type=Path, default=DEFAULT_BINARY, help="the built service; target/release/qingdan by default")


def find_binary(path):
    """The binary under test, or the end of the program with what to do."""
    if not path.is_file() or not os.access(path, os.X_OK):
        sys.exit(f"there is no program at {path}; build it with `cargo build --release`, or name another with --binary")
    return path.resolve()


def end_with_an_error():
    """A SIGTERM unwinds like an exception, so that everything that was started is ended."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended by SIGTERM"))


def temporary_folder(name):
    """A folder for one run. It lies beside the cache, not in a memory file system, and goes with the run."""
    CACHE.mkdir(parents=True, exist_ok=True)
    return tempfile.TemporaryDirectory(prefix=f"{name}-", dir=CACHE)
