"""Rows by query against roapi, and SQL against DuckDB, over one and the same Parquet file: the one that the service made."""

import time

import requests

import prepared
import tpch
from clients import save
from common import Failure
from measure import Row, alternate, at_most
from servers import DuckDb, Qingdan, roapi

# A short request is asked several times, and their mean taken.
REPEATS = 5
ENOUGH_SECONDS = 0.5
SECONDS = 600


def filters(scale):
    """Five selective conditions: our `where`, roapi's REST query, and SQL. None matches more rows than a page of ours holds."""
    order, part = 32 * max(1, int(93_750 * scale)), max(1, int(155_190 * scale))
    supplier = max(1, int(7_500 * scale))
    return [
        ("one order", f"l_orderkey = {order}", {"filter[l_orderkey]": order}),
        ("one part", f"l_partkey = {part}", {"filter[l_partkey]": part}),
        (
            "one supplier, one quarter",
            f"l_suppkey = {supplier} AND l_shipdate >= '1995-01-01' AND l_shipdate < '1995-04-01'",
            {"filter[l_suppkey]": supplier, "filter[l_shipdate]gte": "'1995-01-01'", "filter[l_shipdate]lt": "'1995-04-01'"},
        ),
        (
            "one day, one mode, one discount",
            "l_shipdate = '1995-03-15' AND l_shipmode = 'AIR' AND l_discount = 0.10",
            {"filter[l_shipdate]": "'1995-03-15'", "filter[l_shipmode]": "'AIR'", "filter[l_discount]": "0.10"},
        ),
        (
            "highest prices, returned",
            "l_extendedprice >= 104500 AND l_returnflag = 'R'",
            {"filter[l_extendedprice]gte": "104500.0", "filter[l_returnflag]": "'R'"},
        ),
    ]


def rows(run):
    """Milliseconds for filtered rows with the true total, against roapi's REST query and its SQL, table in memory and from the file."""
    prepared.with_lineitem(run.binary, run.scale, run.folder)
    parquet = run.folder / "lineitem.parquet"
    lines = []
    with Qingdan(run.binary, run.folder) as service:
        save(f"{service.url}/api/v1/datasets/lineitem/download", parquet)
        with roapi(parquet, run.folder / "memory") as memory, roapi(parquet, run.folder / "file", in_memory=False) as file:
            for name, where, rest in filters(run.scale):
                lines += _compare(run, name, _sides(service.url, memory, file, where, rest))
    return lines


def _sides(ours, memory, file, where, rest):
    session = requests.Session()
    limit = {"limit": 1000}

    def get(url, parameters):
        return lambda: session.get(url, params=parameters, timeout=SECONDS)

    def post(url):
        return lambda: session.post(url, data=f"SELECT * FROM lineitem WHERE {where} LIMIT 1000", timeout=SECONDS)

    return {
        "ours": get(f"{ours}/api/v1/datasets/lineitem/rows", {"where": where, **limit}),
        "roapi REST, in memory": get(f"{memory}/api/tables/lineitem", {**rest, **limit}),
        "roapi SQL, in memory": post(f"{memory}/api/sql"),
        "roapi SQL, from the file": post(f"{file}/api/sql"),
    }


def _compare(run, name, sides):
    found = {side: _keys(ask()) for side, ask in sides.items()}
    expected = found["ours"]
    for side, keys in found.items():
        if keys != expected:
            raise Failure(f"{name}: {side} found {len(keys)} rows, we found {len(expected)}")
    measured = alternate(run.rounds, **{side: lambda ask=ask: _milliseconds(ask) for side, ask in sides.items()})
    what = f"{name}: {len(expected)} rows of lineitem at scale {run.scale:g}"
    ours = measured.pop("ours")
    return [Row("rows", what, "ms", ours, at_most(0.5), side, theirs) for side, theirs in measured.items()]


def _keys(answer):
    if answer.status_code != 200:
        raise Failure(f"{answer.url}: {answer.status_code} {answer.text[:500]}")
    items = answer.json()
    items = items["rows"] if isinstance(items, dict) else items
    return sorted((int(item["l_orderkey"]), int(item["l_linenumber"])) for item in items)


def _milliseconds(ask):
    began = time.perf_counter()
    asked = passed = 0
    while asked < REPEATS and passed < ENOUGH_SECONDS:
        asked += 1
        if ask().status_code != 200:
            raise Failure("a query that worked before does not any more")
        passed = time.perf_counter() - began
    return passed / asked * 1000


def sql(run):
    """Milliseconds for TPC-H Q1 and Q6 over HTTP, against DuckDB in its own process."""
    prepared.with_lineitem(run.binary, run.scale, run.folder)
    parquet = run.folder / "lineitem.parquet"
    lines = []
    with Qingdan(run.binary, run.folder) as service, DuckDb() as duck:
        save(f"{service.url}/api/v1/datasets/lineitem/download", parquet)
        duck.run(f"CREATE VIEW lineitem AS FROM read_parquet('{parquet}')")
        session = requests.Session()

        def ask(query):
            began = time.perf_counter()
            answer = session.post(f"{service.url}/api/v1/sql", json={"sql": query}, timeout=SECONDS)
            seconds = time.perf_counter() - began
            if answer.status_code != 200:
                raise Failure(f"POST /api/v1/sql: {answer.status_code} {answer.text[:500]}")
            return seconds * 1000, len(answer.json()["rows"])

        for name in ["Q1", "Q6"]:
            query = tpch.QUERIES[name]
            if ask(query)[1] != duck.run(query)[1]:
                raise Failure(f"{name} has another number of rows than DuckDB's")
            measured = alternate(run.rounds, ours=lambda query=query: ask(query)[0], duckdb=lambda query=query: duck.run(query)[0] * 1000)
            what = f"TPC-H {name} at scale {run.scale:g}"
            lines.append(Row("sql", what, "ms", measured["ours"], at_most(1.3), "DuckDB", measured["duckdb"]))
    return lines
