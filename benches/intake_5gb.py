"""Takes in a CSV of 5 GB and hands the result to 16 clients at once, with the memory of both. Start it with benches/run intake_5gb."""

import argparse
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import requests

from clients import download
from common import Failure, add_binary_option, end_with_an_error, find_binary, temporary_folder
from data import TABLES, tpch, write_folder
from measure import table
from servers import IMPORT_SECONDS, Memory, Qingdan, end, require_released, resident
from service import environment

CLIENTS = 16
PIECE = 1 << 24

# Bytes of lineitem's CSV at scale 1.
BYTES_AT_ONE = 759_000_000


def main():
    """Takes in, counts the rows, downloads. Ends with 1 when something was lost."""
    end_with_an_error()
    parser = argparse.ArgumentParser(prog="benches/run intake_5gb", description=__doc__)
    add_binary_option(parser)
    parser.add_argument("--gb", type=float, default=5, help="size of the CSV; 5 by default")
    parser.add_argument("--keep", action="store_true", help="keep the CSV for another run")
    arguments = parser.parse_args()
    binary = find_binary(arguments.binary)
    try:
        with temporary_folder("intake-large") as folder:
            sound = _run(binary, arguments, Path(folder))
    except Failure as failure:
        sys.exit(str(failure))
    sys.exit(0 if sound else 1)


def _run(binary, arguments, folder):
    # TPC-H tables grow by their scale: every order has a key of its own.
    scale = round(arguments.gb * 1e9 / BYTES_AT_ONE + 0.05, 1)
    csv = tpch(scale, TABLES[:1]) / "lineitem.csv"
    try:
        size, rows = os.path.getsize(csv), _lines(csv) - 1
        source = write_folder(folder / "source", {"lineitem": ("lineitem", csv, "unconditional")})
        seconds, intake = _import(binary, folder, source)
    finally:
        if not arguments.keep:
            shutil.rmtree(csv.parent)
    with Qingdan(binary, folder) as service:
        require_released(service, "lineitem")
        found = requests.get(f"{service.url}/api/v1/datasets/lineitem", timeout=60).json()["rows"]
        idle = resident(service.pid)
        with Memory(service.pid) as reading:
            taken, reading_seconds = download(f"{service.url}/api/v1/datasets/lineitem/download", CLIENTS)
    file = taken // CLIENTS
    lines = [
        ["intake", f"CSV of {size:,} bytes, {rows:,} rows", f"{seconds:.1f}", f"{size / seconds / 1e6:,.0f}", *_peaks(intake.peaks)],
        ["idle", "the service after its start", "–", "–", *_peaks(idle)],
        [
            "download",
            f"Parquet of {file:,} bytes to {CLIENTS} clients at once",
            f"{reading_seconds:.1f}",
            f"{taken / reading_seconds / 1e6:,.0f}",
            *_peaks(reading.peaks),
        ],
    ]
    print(table(lines, ["what", "of what", "s", "MB/s", *(f"peak {kind}, MiB" for kind in Memory.KINDS)]))
    print(f"\nRows in the file: {rows:,}. Rows in the release: {found:,}. {'Nothing is lost.' if rows == found else 'THEY DIFFER.'}")
    return rows == found


def _import(binary, folder, source):
    command = [binary, "import", source, "--data-dir", folder / "data"]
    began = time.perf_counter()
    with open(folder / "import.log", "w+b") as log:
        process = subprocess.Popen(command, cwd=folder, env=environment(), stdout=log, stderr=log, start_new_session=True)
        try:
            with Memory(process.pid) as sampled:
                status = process.wait(timeout=IMPORT_SECONDS)
        finally:
            end(process)
        seconds = time.perf_counter() - began
        log.seek(0)
        if status != 0:
            raise Failure(f"`qingdan import` ended with {status}: {log.read()[-1500:].decode(errors='replace')}")
    return seconds, sampled


def _lines(path):
    count = 0
    with open(path, "rb") as file:
        while piece := file.read(PIECE):
            count += piece.count(b"\n")
    return count


def _peaks(values):
    return [f"{values[kind]:,.0f}" for kind in Memory.KINDS]


if __name__ == "__main__":
    main()
