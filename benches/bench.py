"""The benches: runs them, prints the table and writes it to benches/RESULTS.md. Start it with benches/run."""

import argparse
import datetime
import sqlite3
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

import suite_access
import suite_data
import suite_files
import suite_queries
from common import CORES, TREE, Failure, add_binary_option, end_with_an_error, find_binary, temporary_folder
from machine import describe, versions
from measure import HEADER, table

BENCHES = {
    "pages": suite_files.pages,
    "downloads": suite_files.downloads,
    "memory": suite_files.memory,
    "rows": suite_queries.rows,
    "sql": suite_queries.sql,
    "intake": suite_data.intake,
    "export": suite_data.export,
    "token": suite_access.token,
    "ledger": suite_access.ledger,
    "revocation": suite_access.revocation,
    "start": suite_access.start,
}

# What a bench may end with: our own failure, an unexpected answer, a program that hangs, a connection that breaks.
FAILURES = (Failure, AssertionError, LookupError, ValueError, OSError, subprocess.SubprocessError, sqlite3.Error)

RESULTS = TREE / "benches" / "RESULTS.md"

NOTES = f"""\
Each line was measured in turns, ours and the peer's one after the other, after one unmeasured run of each. The numbers are the median
and, in parentheses, the smallest and the greatest. The ratio is our median through the peer's.

- Server and client share the {CORES} cores, for us and for the peer alike: what a client takes, a server lacks.
- Everything goes over the loopback. Files are in the page cache, since every run before has read them.
- Limits are counted at every request; where they end is raised, so that no run meets one. Both nginx and we write an access log.
- `rows`: our answer holds the true total besides the rows, theirs the rows only. We read from the file; roapi keeps the table in memory by
  default, and reads from the file where it says so. All found the same rows.
- `sql`: our time is that of the whole HTTP request; DuckDB's is inside of its process, with its rows fetched.
- `intake`: our time is that of the whole command, with types checked, profile and scan; DuckDB's is the `COPY` alone.
- `export`: our time ends when the client has the last byte of a format that nobody asked for before; DuckDB writes a file.
- `token`: the difference of the medians of one request at a time, with a firm's token and without; both are counted against a limit.
- `ledger`: after each run the entries were counted, and after all of them the chain was verified.
- `revocation`: the time ends with the last good answer or byte that the reader got, what lay in buffers included, and begins when the order is sent.
"""


@dataclass(frozen=True)
class Run:
    """How much is measured."""

    binary: Path
    folder: Path | None = None
    rounds: int = 5
    seconds: int = 5
    short_seconds: int = 3
    scale: float = 1
    big_bytes: int = 1_000_000_000
    stream_bytes: int = 1_000_000_000
    small_bytes: int = 1_000_000
    memory_rounds: int = 3
    crowd: int = 100_000
    revocations: int = 200


def main():
    """Runs what is asked for."""
    end_with_an_error()
    arguments = _arguments()
    binary = find_binary(arguments.binary)
    names = arguments.benches or list(BENCHES)
    unknown = [name for name in names if name not in BENCHES]
    if unknown:
        sys.exit(f"there is no bench {', '.join(unknown)}; there are {', '.join(BENCHES)}")
    run = _run(binary, arguments)
    began = time.monotonic()
    rows, failures = [], {}
    for name in names:
        print(f"{name} …", flush=True)
        started = time.monotonic()
        try:
            found = _one(name, run)
        except FAILURES as failure:
            # The other benches go on; this one is listed as not measured, and the run ends with 1.
            failures[name] = str(failure) or repr(failure)
            print(f"{name}: {failure!r}", file=sys.stderr, flush=True)
            continue
        rows += found
        for row in found:
            print("  " + " | ".join(row.cells()), flush=True)
        print(f"{name}: {time.monotonic() - started:.0f} s", flush=True)
    report = _report(run, rows, failures, time.monotonic() - began)
    print(report)
    output = arguments.output or (RESULTS if not arguments.benches and not arguments.quick else None)
    if output:
        output.write_text(report, encoding="utf-8")
    sys.exit(1 if failures else 0)


def _arguments():
    parser = argparse.ArgumentParser(prog="benches/run", description=__doc__)
    parser.add_argument("benches", nargs="*", metavar="BENCH", help=f"which benches; all by default: {', '.join(BENCHES)}")
    add_binary_option(parser)
    parser.add_argument("--rounds", type=int, default=5, help="measured runs of each side; 5 by default")
    parser.add_argument("--stream-gb", type=float, default=1, help="size of the file of the bench `memory`; 1 by default")
    parser.add_argument("--quick", action="store_true", help="little data and short runs: shows that all works, measures nothing")
    parser.add_argument("--output", type=Path, help="where the table is written; RESULTS.md by default when all benches are run")
    return parser.parse_args()


def _run(binary, arguments):
    run = Run(binary, rounds=arguments.rounds, stream_bytes=int(arguments.stream_gb * 1e9))
    if arguments.quick:
        return replace(
            run,
            rounds=2,
            seconds=1,
            short_seconds=1,
            scale=0.01,
            big_bytes=20_000_000,
            stream_bytes=20_000_000,
            memory_rounds=1,
            crowd=1000,
            revocations=5,
        )
    return run


def _one(name, run):
    with temporary_folder(name) as folder:
        return BENCHES[name](replace(run, folder=Path(folder)))


def _report(run, rows, failures, seconds):
    missed = sum("missed" in row.verdict for row in rows)
    lines = [
        "# Results",
        "",
        f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d %H:%M} UTC, `benches/run`, {run.rounds} rounds, {seconds / 60:.0f} minutes.",
        "",
        table([list(pair) for pair in describe() + versions(run.binary)], ["what", "value"]),
        "",
        table([row.cells() for row in rows], HEADER),
        "",
        f"Budgets missed: {missed}.",
        "",
        *[f"Not measured: `{name}`: {reason.splitlines()[0]}\n" for name, reason in failures.items()],
        NOTES,
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
