"""The data of the benches: TPC-H tables, a file that does not compress, and the folders in which `qingdan import` reads them."""

import base64
import json
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

from common import CACHE, Failure

TABLES = ["lineitem", "orders", "customer"]

# DECIMAL is decimal(15,2) in the specification; the service keeps the two digits and DuckDB is told the same.
COLUMNS = {
    "lineitem": {
        "l_orderkey": "integer",
        "l_partkey": "integer",
        "l_suppkey": "integer",
        "l_linenumber": "integer",
        "l_quantity": "decimal",
        "l_extendedprice": "decimal",
        "l_discount": "decimal",
        "l_tax": "decimal",
        "l_returnflag": "string",
        "l_linestatus": "string",
        "l_shipdate": "date",
        "l_commitdate": "date",
        "l_receiptdate": "date",
        "l_shipinstruct": "string",
        "l_shipmode": "string",
        "l_comment": "string",
    },
    "orders": {
        "o_orderkey": "integer",
        "o_custkey": "integer",
        "o_orderstatus": "string",
        "o_totalprice": "decimal",
        "o_orderdate": "date",
        "o_orderpriority": "string",
        "o_clerk": "string",
        "o_shippriority": "integer",
        "o_comment": "string",
    },
    "customer": {
        "c_custkey": "integer",
        "c_name": "string",
        "c_address": "string",
        "c_nationkey": "integer",
        "c_phone": "string",
        "c_acctbal": "decimal",
        "c_mktsegment": "string",
        "c_comment": "string",
    },
    "incompressible": {"id": "integer", "payload": "string"},
}

# What a scan for personal data may rightly point at; the values are made by a program.
CLEARED = {"c_name", "c_address", "c_phone", "o_clerk", "payload"}

DUCKDB_TYPES = {"integer": "BIGINT", "decimal": "DECIMAL(15,2)", "string": "VARCHAR", "date": "DATE"}

# Six bits in each character: Parquet's zstd brings it back to the 576 random bytes.
PAYLOAD_BYTES = 576
PAYLOADS_AT_ONCE = 1000

SHIPPED = "datasets"
PUBLISHER = "bench"


def tpch(scale, tables=tuple(TABLES)):
    """The folder with the CSV files of that scale, made at first use."""
    folder = CACHE / f"tpch-{scale:g}"
    missing = [table for table in tables if not (folder / f"{table}.csv").exists()]
    if missing:
        folder.mkdir(parents=True, exist_ok=True)
        making = folder / "making"
        shutil.rmtree(making, ignore_errors=True)
        generator = Path(sys.executable).parent / "tpchgen-cli"
        command = [generator, "csv", "-s", f"{scale:g}", "-o", making, "-T", ",".join(missing)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=1800, check=False)
        if done.returncode != 0:
            raise Failure(f"tpchgen-cli ended with {done.returncode}: {done.stderr[-500:]}")
        for table in missing:
            os.replace(making / f"{table}.csv", folder / f"{table}.csv")
        shutil.rmtree(making)
    return folder


def incompressible(size_bytes):
    """A CSV file whose Parquet has about that many bytes, made at first use; the same bytes each time."""
    path = CACHE / f"incompressible-{size_bytes}.csv"
    if not path.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        making = path.with_suffix(".making")
        source = random.Random(1)
        length = PAYLOAD_BYTES * 4 // 3
        with open(making, "w", encoding="ascii", newline="\n") as file:
            file.write("id,payload\n")
            for start in range(0, size_bytes // PAYLOAD_BYTES, PAYLOADS_AT_ONCE):
                text = base64.b64encode(source.randbytes(PAYLOAD_BYTES * PAYLOADS_AT_ONCE)).decode()
                rows = (f"{start + at},{text[at * length : (at + 1) * length]}\n" for at in range(PAYLOADS_AT_ONCE))
                file.writelines(rows)
        os.replace(making, path)
    return path


def write_folder(folder, datasets):
    """Writes what `qingdan import` reads. `datasets`: for each slug the table, its CSV file and the open type."""
    folder.mkdir(parents=True)
    for file in ["publishers", "themes"]:
        (folder / f"{file}.toml").write_text(f'[{PUBLISHER}]\nname = {{ zh = "性能测试", en = "Benches" }}\n', encoding="utf-8")
    for slug, (table, csv, open_type) in datasets.items():
        (folder / slug).mkdir()
        (folder / slug / "dataset.toml").write_text(_entry(table, open_type), encoding="utf-8")
        target = folder / slug / f"{table}.csv"
        try:
            os.link(csv, target)
        except OSError:
            shutil.copyfile(csv, target)
    return folder


def _entry(table, open_type):
    lines = [
        f'title = {{ zh = "测试数据 {table}", en = "Test data {table}" }}',
        'description = { zh = "由程序生成。", en = "Made by a program." }',
        f'publisher = "{PUBLISHER}"',
        f'theme = "{PUBLISHER}"',
        f'open_type = "{open_type}"',
        'update_frequency = "never"',
        'licence = "CC0-1.0"',
        'source = "benches/data.py"',
        "synthetic = true",
        f'data = "{table}.csv"',
    ]
    if open_type == "conditional":
        lines.append('open_type_reason = { zh = "仅供测试。", en = "For tests only." }')
        lines.append('conditions = { zh = "仅供测试。", en = "For tests only." }')
    for name, kind in COLUMNS[table].items():
        lines += ["", "[[fields]]", f"name = {json.dumps(name)}", f'type = "{kind}"']
        lines += ["scale = 2"] if kind == "decimal" else []
        lines += [f'title = {{ zh = "{name}", en = "{name}" }}', 'sensitivity = "none"']
        lines += ['cleared = "Made by a program."'] if name in CLEARED else []
    return "\n".join(lines) + "\n"


def duckdb_csv(path, table):
    """DuckDB's reader of that table's CSV, with its types declared as ours are."""
    columns = ", ".join(f"'{name}': '{DUCKDB_TYPES[kind]}'" for name, kind in COLUMNS[table].items())
    return f"read_csv('{path}', header = true, columns = {{{columns}}})"
