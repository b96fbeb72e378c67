"""Compares the service's answers to TPC-H queries with DuckDB's over the same CSV files. Start it with benches/run tpch_answers."""

import argparse
import json
import sys
import time
from decimal import Decimal
from pathlib import Path

import duckdb
import requests

import tpch
from common import Failure, add_binary_option, end_with_an_error, find_binary, temporary_folder
from data import TABLES, duckdb_csv, write_folder
from data import tpch as tables_of
from measure import table
from servers import Qingdan, require_released, run_command

RELATIVE = Decimal("1e-9")
SHOWN = 5


def main():
    """Loads, asks both, compares. Ends with 1 when an answer differs or is missing."""
    end_with_an_error()
    parser = argparse.ArgumentParser(prog="benches/run tpch_answers", description=__doc__)
    add_binary_option(parser)
    parser.add_argument("--scale", type=float, default=1, help="scale of the tables; 1 by default, 0.1 for a quick run")
    arguments = parser.parse_args()
    binary = find_binary(arguments.binary)
    try:
        with temporary_folder("answers") as folder:
            sound = _compare_all(binary, arguments.scale, Path(folder))
    except Failure as failure:
        sys.exit(str(failure))
    sys.exit(0 if sound else 1)


def _compare_all(binary, scale, folder):
    csv = tables_of(scale)
    source = write_folder(folder / "source", {name: (name, csv / f"{name}.csv", "unconditional") for name in TABLES})
    run_command(binary, folder, "import", source)
    connection = duckdb.connect()
    for name in TABLES:
        connection.execute(f"CREATE TABLE {name} AS FROM {duckdb_csv(csv / f'{name}.csv', name)}")
    lines, differences = [], []
    with Qingdan(binary, folder) as service:
        require_released(service, *TABLES)
        for name, query in tpch.QUERIES.items():
            found = _check(service.url, connection, name, query, lines)
            differences += [f"{name}: {difference}" for difference in found]
    print(f"TPC-H at scale {scale:g}, ours through POST /api/v1/sql, DuckDB {duckdb.__version__} over the same CSV files\n")
    print(table(lines, ["query", "rows", "values compared", "ours, ms", "DuckDB, ms", ""]))
    print("\nDecimals are compared exactly, doubles to 1e-9 of their value. Where DuckDB answers a mean as a double and we as a decimal,")
    print("ours may differ by one in its last digit.")
    for difference in differences:
        print(difference, file=sys.stderr)
    return not differences


def _check(url, connection, name, query, lines):
    """Asks both. Answers the differences and adds a line to the table."""
    began = time.perf_counter()
    result = connection.execute(query)
    names, expected = [column[0] for column in result.description], result.fetchall()
    middle = time.perf_counter()
    answer = requests.post(f"{url}/api/v1/sql", json={"sql": query}, timeout=600)
    ended = time.perf_counter()
    theirs, ours = f"{(middle - began) * 1000:,.0f}", f"{(ended - middle) * 1000:,.0f}"
    if answer.status_code != 200:
        lines.append([name, str(len(expected)), "0", "–", theirs, "**no answer**"])
        return [f"{answer.status_code} {answer.text[:500]}"]
    # Numbers are kept as they are written.
    body = json.loads(answer.text, parse_float=Decimal)
    differences = _differences(body, names, expected, tpch.ORDERED_BY[name])
    compared = len(expected) * len(names)
    lines.append([name, str(len(expected)), str(compared), ours, theirs, "**different**" if differences else "equal"])
    return differences[:SHOWN]


def _differences(body, names, expected, ordered_by):
    fields = {field["name"]: field for field in body["fields"]}
    if list(fields) != names:
        return [f"our columns are {list(fields)}, DuckDB's are {names}"]
    if body.get("truncated"):
        return ["our answer says that it is not whole"]
    rows = body["rows"]
    if len(rows) != len(expected):
        return [f"we have {len(rows)} rows, DuckDB has {len(expected)}"]
    # Rows that are equal in what they are sorted by may stand in any order.
    position = [names.index(name) for name in ordered_by]
    rest = [at for at in range(len(names)) if at not in position]
    ours = [[row[name] for name in names] for row in rows]
    keys = [[_plain(row[at]) for at in position] for row in expected]
    if keys != [[_like(row[at], wanted) for at, wanted in zip(position, key, strict=True)] for row, key in zip(ours, keys, strict=True)]:
        return ["the rows stand in another order"]
    tied = len({tuple(map(str, key)) for key in keys}) < len(keys)
    if tied:
        order = [*position, *rest]
        ours.sort(key=lambda row: [str(row[at]) for at in order])
        expected = sorted(expected, key=lambda row: [str(_plain(row[at])) for at in order])
    found = []
    for at, (row, wanted) in enumerate(zip(ours, expected, strict=True)):
        for name, value, other in zip(names, row, wanted, strict=True):
            if not _equal(value, other, fields[name]):
                found.append(f"row {at + 1}, {name}: we have {value}, DuckDB has {other}")
    return found


def _plain(value):
    """DuckDB's value as it is written in JSON; numbers as exact decimals."""
    if value is None or isinstance(value, str):
        return value
    return Decimal(value) if isinstance(value, (int, float, Decimal)) else str(value)


def _like(value, wanted):
    return _number(value) if isinstance(wanted, Decimal) else value


def _number(value):
    """Our value as a number; exact numbers may stand in a text."""
    try:
        return Decimal(value) if isinstance(value, (int, str, Decimal)) and not isinstance(value, bool) else None
    except ArithmeticError:
        return None


def _equal(value, other, field):
    if not isinstance(other, (int, float, Decimal)) or value is None:
        return value == _plain(other)
    number, wanted = _number(value), Decimal(other)
    if number is None:
        return False
    if not isinstance(other, float):
        return number == wanted
    allowed = abs(wanted) * RELATIVE
    if str(field.get("type", "")).lower().startswith("decimal"):
        allowed = max(allowed, Decimal(1).scaleb(number.as_tuple().exponent))
    return abs(number - wanted) <= allowed


if __name__ == "__main__":
    main()
