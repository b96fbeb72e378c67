"""Measures a list of 10,000, 100,000 and 1,000,000 entries on SQLite and on PostgreSQL. Start it with benches/run scale."""

import argparse
import contextlib
import csv
import datetime
import itertools
import json
import os
import pwd
import random
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import quote

import requests

import entries
from api import log_in_operator
from common import CACHE, TREE, Failure, add_binary_option, end_with_an_error, find_binary, temporary_folder
from data import SHIPPED
from machine import describe
from measure import show, table
from servers import Qingdan, end, free_port, resident, run_command, wait_until

SIZES = [10_000, 100_000, 1_000_000]
# So many entries of one `qingdan list import`: a version of the list each.
PORTION = 20_000
ASKED = 300
# So many of the last entries are withdrawn each time; questions are about some of the first.
WITHDRAWN = 10
ASKED_ABOUT = 9_000
RESULTS = TREE / "benches" / "SCALE.md"

NOTES = """\
Entries of `benches/entries.py`: Chinese and English, five or six fields each, without data, beside the shipped datasets. They came by
`qingdan list import --apply` in books of 20,000 entries, each a version of the list.

- Milliseconds are those of whole HTTP requests, one after the other over one connection, with the client in Python on the same cores. Every
  address is asked once: no answer comes from those that are kept.
- `search`: questions of one to three words, some misspelt, some in pinyin, some that find half of the list; 20 results with all seven facets.
- `facets`: the list of a theme and a year with all seven facets. `whole list`: the facets of all entries, the slowest question of all.
- `list`: page after page of 100 by cursor. `dataset`: the entry as JSON. `page`: the dataset's page as HTML.
- `table`: the whole statutory list as CSV. `withdrawal`: from the order to withdraw a dataset until a search has answered without it; ten of them.
- `new index`: from the start of the first search without an index until its answer. `start`: until ready, with an index.
- Memory is resident: after the start; at its most while all of the above was asked; and at its most of what is no file's (`RssAnon`).
- PostgreSQL as its package sets it up, on the same cores and the same disk.
"""


def main():
    """Measures what is asked for, and writes the table."""
    end_with_an_error()
    parser = argparse.ArgumentParser(prog="benches/run scale", description=__doc__)
    add_binary_option(parser)
    parser.add_argument("--sizes", default=",".join(map(str, SIZES)), help="numbers of entries, growing, with commas between")
    parser.add_argument("--databases", default="sqlite,postgres", help="sqlite, postgres, or both with a comma between")
    parser.add_argument("--keep", action="store_true", help="keep each list at its size, and measure one that was kept without importing it again")
    parser.add_argument("--only-import", action="store_true", help="with --keep: import, and measure another time")
    parser.add_argument("--output", type=Path, help=f"where the table is written; {RESULTS.relative_to(TREE)} when all is measured")
    arguments = parser.parse_args()
    binary = find_binary(arguments.binary)
    sizes = [int(size) for size in arguments.sizes.split(",")]
    columns, began = [], time.monotonic()
    for database, size in itertools.product(arguments.databases.split(","), sizes):
        with _folder(f"scale-{database}-{size}", arguments.keep) as folder, DATABASES[database](folder) as url:
            rate = _fill(binary, folder, url, size)
            if not arguments.only_import:
                measured = {"import": [rate]} | _measure(binary, folder, url, size)
                columns.append((database, size, measured))
                print(json.dumps([database, size, measured]), flush=True)
                print(_table(columns), flush=True)
    report = _report(columns, time.monotonic() - began)
    print(report)
    whole = sizes == SIZES and arguments.databases == "sqlite,postgres" and not arguments.only_import
    output = arguments.output or (RESULTS if whole else None)
    if output:
        output.write_text(report, encoding="utf-8")


@contextlib.contextmanager
def _folder(name, keep):
    if not keep:
        with temporary_folder(name) as folder:
            yield Path(folder)
        return
    folder = CACHE / name
    folder.mkdir(parents=True, exist_ok=True)
    yield folder


@contextlib.contextmanager
def _sqlite(folder):
    (folder / "data").mkdir(exist_ok=True)
    yield f"sqlite:{folder / 'data' / 'qingdan.sqlite'}"


@contextlib.contextmanager
def _postgres(folder):
    """A server as its package sets it up, in the folder."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: float(path.parts[-3]))
    if not found:
        raise Failure("PostgreSQL is not installed: apt-get install postgresql")
    programs, port, place = found[-1].parent, free_port(), folder / "postgres"
    place.mkdir(exist_ok=True)
    # It refuses to run as root.
    user = {}
    if os.geteuid() == 0:
        account = pwd.getpwnam("postgres")
        user = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
        os.chown(place, account.pw_uid, account.pw_gid)
        for parent in [folder, *folder.parents]:
            if parent == TREE:
                break
            parent.chmod(parent.stat().st_mode | 0o011)
    is_new = not (place / "data").exists()
    base = [programs / "initdb", "-D", place / "data", "-U", "bench", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8"]
    if is_new:
        subprocess.run(base, check=True, stdout=subprocess.DEVNULL, cwd="/", **user)
    log = folder / "postgres.log"
    command = [programs / "postgres", "-D", place / "data", "-p", str(port), "-c", "listen_addresses=127.0.0.1", "-k", place]
    with open(log, "wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, cwd="/", start_new_session=True, **user)
    ready = [programs / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(port), "-U", "bench", "-d", "postgres"]
    try:
        wait_until(lambda: subprocess.run(ready, check=False).returncode == 0, process, "PostgreSQL", log, 60)
        yield f"postgres://bench@127.0.0.1:{port}/postgres"
    finally:
        end(process)


DATABASES = {"sqlite": _sqlite, "postgres": _postgres}


def _fill(binary, folder, url, size):
    """Imports a list of a size; answers how fast that was."""
    option, done = ["--database-url", url], folder / "imported"
    if done.exists():
        return done.read_text(encoding="utf-8")
    run_command(binary, folder, "import", TREE / SHIPPED, *option)
    run_command(binary, folder, "list", "export", folder / "columns", "--format", "csv", *option)
    headers = {name: _header(folder / "columns" / f"{name}.csv") for name in ("datasets", "fields")}
    entries.write_vocabulary(folder / "vocabulary", TREE / SHIPPED)
    run_command(binary, folder, "import", folder / "vocabulary", *option)
    source, seconds = entries.made(size), 0.0
    while portion := list(itertools.islice(source, PORTION)):
        seconds += _import(binary, folder, portion, headers, option)
    rate = f"{size / seconds:,.0f} entries/s"
    done.write_text(rate, encoding="utf-8")
    return rate


def _header(path):
    with open(path, encoding="utf-8-sig", newline="") as file:
        return next(csv.reader(file))


def _import(binary, folder, portion, headers, option):
    """Imports a book; answers the seconds that the command took."""
    book = folder / "book"
    entries.write_book(portion, book, headers)
    began = time.monotonic()
    run_command(binary, folder, "list", "import", book, "--apply", *option)
    taken = time.monotonic() - began
    shutil.rmtree(book)
    return taken


def _measure(binary, folder, url, size):
    """Everything at one size: name and what was found."""
    found = {}
    shutil.rmtree(folder / "data" / "search", ignore_errors=True)
    with Qingdan(binary, folder, database_url=url) as service, requests.Session() as client:
        began = time.monotonic()
        _ask(client, f"{service.url}/api/v1/datasets?q={quote('医院')}")
        found["new index"] = [f"{time.monotonic() - began:.1f} s"]
        found["new index: memory"] = [f"{_peak(service.pid):,.0f} MiB"]
    found["index on disk"] = [f"{_bytes(folder / 'data' / 'search') / 2**20:,.0f} MiB"]
    starts = []
    for _ in range(3):
        with Qingdan(binary, folder, database_url=url) as service:
            starts.append(service.start_seconds)
    found["start"] = [f"{statistics.median(starts):.2f} s"]
    with Qingdan(binary, folder, database_url=url) as service, requests.Session() as client:
        found["memory: after the start"] = [f"{resident(service.pid)['VmRSS']:,.0f} MiB"]
        # Now: a list that was kept may have another password, and it takes long until somebody withdraws.
        operator = log_in_operator(service.url)
        anonymous = 0.0
        for name, addresses in _addresses(size).items():
            times = [_ask(client, service.url + address) for address in addresses]
            found[name] = _quantiles(times)
            anonymous = max(anonymous, resident(service.pid)["RssAnon"])
        found["list"] = _quantiles(_pages(client, service.url))
        found["whole list"] = [f"{_ask(client, service.url + '/api/v1/datasets?facets=true&limit=20'):,.0f} ms"]
        found["withdrawal"] = _quantiles([_withdraw(client, service.url, operator, one) for one in _to_withdraw(folder, size)])
        began, length = time.monotonic(), 0
        with client.get(f"{service.url}/api/v1/open-list?format=csv", stream=True, timeout=1800) as answer:
            answer.raise_for_status()
            for piece in answer.iter_content(1 << 20):
                length += len(piece)
                anonymous = max(anonymous, resident(service.pid)["RssAnon"])
        found["table"] = [f"{time.monotonic() - began:.1f} s, {length / 2**20:,.0f} MiB"]
        found["memory: most"] = [f"{_peak(service.pid):,.0f} MiB"]
        found["memory: most of no file"] = [f"{anonymous:,.0f} MiB"]
    return found


def _to_withdraw(folder, size):
    """The last entries that are there still: a list that was kept was measured before."""
    log = folder / "withdrawn"
    gone = int(log.read_text(encoding="utf-8")) if log.exists() else 0
    log.write_text(str(gone + WITHDRAWN), encoding="utf-8")
    return list(itertools.islice(entries.made(size), size - gone - WITHDRAWN, size - gone))


def _withdraw(client, url, operator, one):
    """Milliseconds from the order to withdraw a dataset until the search has answered without it."""
    search = f"{url}/api/v1/datasets?limit=1&q=" + quote(f'"{entries.title(one)}"')
    if client.get(search, timeout=600).json()["total"] != 1:
        raise Failure(f"{one.slug} is not found")
    began = time.perf_counter()
    operator.post(f"/api/v1/admin/datasets/{one.slug}/withdrawal", {"ground": "other", "reason": "For benches."}, 200)
    answer = client.get(search, timeout=600).json()
    taken = (time.perf_counter() - began) * 1000
    if answer["total"] != 0:
        raise Failure(f"{one.slug} was withdrawn and is still found")
    return taken


def _addresses(size):
    """What is asked, by name: the same for the same size."""
    dice = random.Random(size)
    there = list(itertools.islice(entries.made(size), min(ASKED_ABOUT, size - WITHDRAWN)))
    some = dice.sample(there, ASKED)
    themes = list(itertools.product(entries.WORDS["subjects"], entries.YEARS))
    search = "/api/v1/datasets?limit=20&facets=true&q="
    return {
        "search, Chinese": [search + quote(question) for question in _chinese(dice, some)],
        "search, English": [search + quote(question) for question in _english(dice, some)],
        "facets": [f"/api/v1/datasets?limit=20&facets=true&theme={theme}&year={year}" for theme, year in themes],
        "dataset": [f"/api/v1/datasets/{one.slug}" for one in some],
        "page": [f"/datasets/{one.slug}" for one in dice.sample(there, ASKED)],
    }


def _chinese(dice, some):
    ways = [
        lambda one: f"{one.place[2]}{one.subject[1]}",
        lambda one: f"{one.subject[1]} {one.year}",
        lambda one: f"{one.place[2]} {one.kind['zh']} {one.year}",
        lambda one: f"{one.subject[1]}{one.kind['zh']}",
        lambda one: f"{one.place[0].replace('-', ' ')} {one.subject[1]}",
        lambda one: f"{one.place[2]}的{one.kind['zh']}",
    ]
    return _different(dice, some, ways)


def _english(dice, some):
    def misspelt(one):
        word = one.subject[2].split()[-1]
        at = dice.randrange(1, len(word))
        return f"{word[:at]}{word[at + 1 :]} {one.place[3].split()[0]}"

    ways = [
        lambda one: f"{one.subject[2]} {one.place[3].split()[0]}",
        lambda one: f"{one.subject[2]} {one.year}",
        lambda one: f"{one.kind['en']} {one.subject[2]}",
        lambda one: f"records kept in {one.place[3].split()[0]} {one.year}",
        misspelt,
        lambda one: f"{one.place[3].split()[0]} district {one.kind['fields'][-1].replace('_', ' ')}",
    ]
    return _different(dice, some, ways)


def _different(dice, some, ways):
    """A question about each, all different."""
    return list(dict.fromkeys(dice.choice(ways)(one) for one in some))


def _ask(client, address):
    """Milliseconds of a request with its whole answer."""
    began = time.perf_counter()
    answer = client.get(address, timeout=3600)
    taken = (time.perf_counter() - began) * 1000
    if answer.status_code != 200:
        raise Failure(f"{address}: {answer.status_code} {answer.text[:300]}")
    return taken


def _pages(client, url):
    """Milliseconds of each page of the list."""
    cursor, times = None, []
    for _ in range(ASKED):
        began = time.perf_counter()
        answer = client.get(f"{url}/api/v1/datasets", params={"limit": 100, "cursor": cursor} if cursor else {"limit": 100}, timeout=600)
        times.append((time.perf_counter() - began) * 1000)
        cursor = answer.json()["next_cursor"]
        if cursor is None:
            break
    return times


def _quantiles(times):
    """p50 and p99, with how many were asked."""
    ordered = sorted(times)
    return [show(statistics.median(ordered)), f"{show(ordered[-(len(ordered) // 100) - 1])} ms"]


def _peak(pid):
    """The most that was ever resident of a process, in MiB."""
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise Failure("the service has ended")


def _bytes(folder):
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _table(columns):
    names = list(dict.fromkeys(name for *_, found in columns for name in found))
    lines = [[name, *(" / ".join(found.get(name, ["–"])) for *_, found in columns)] for name in names]
    return table(lines, ["what", *(f"{database}, {size:,}" for database, size, _ in columns)])


def _report(columns, seconds):
    day = datetime.datetime.now(datetime.UTC).date()
    return f"# The list at scale\n\n{day}, {', '.join(value for _, value in describe())}, in {seconds / 60:.0f} minutes. p50 / p99 where there are two.\n\n{_table(columns)}\n\n{NOTES}"


if __name__ == "__main__":
    try:
        main()
    except Failure as failure:
        sys.exit(str(failure))
