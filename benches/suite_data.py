"""Files on their way in and out, against DuckDB."""

import os
import shutil
import time

import prepared
from clients import download, save
from data import duckdb_csv, tpch, write_folder
from measure import Row, alternate, at_least, at_most
from servers import DuckDb, Qingdan, run_command


def intake(run):
    """Seconds from CSV to Parquet: ours with types checked, profile and scan; DuckDB's a plain copy."""
    csv = tpch(run.scale, ["lineitem"]) / "lineitem.csv"
    size = os.path.getsize(csv)
    source = write_folder(run.folder / "source", {"lineitem": ("lineitem", csv, "unconditional")})

    def ours():
        folder = run.folder / "ours"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        began = time.perf_counter()
        run_command(run.binary, folder, "import", source)
        return time.perf_counter() - began

    def copy():
        folder = run.folder / "duckdb"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        target = folder / "lineitem.parquet"
        with DuckDb() as duck:
            return duck.run(f"COPY (FROM {duckdb_csv(csv, 'lineitem')}) TO '{target}' (FORMAT parquet, COMPRESSION zstd)")[0]

    measured = alternate(run.rounds, ours=ours, duckdb=copy)
    what = f"CSV of {size / 1e6:.0f} MB to Parquet"
    speeds = {name: [size / 1e6 / seconds for seconds in values] for name, values in measured.items()}
    return [
        Row("intake", what, "s", measured["ours"], at_most(2), "DuckDB COPY", measured["duckdb"]),
        Row("intake", f"the same as speed of {what}", "MB/s", speeds["ours"], None, "DuckDB COPY", speeds["duckdb"]),
    ]


def export(run):
    """Megabytes of CSV a second: ours at the first download of that format, DuckDB's a copy to a file."""
    parquet = run.folder / "lineitem.parquet"
    target = run.folder / "lineitem.csv"

    def ours():
        folder = run.folder / "ours"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        prepared.with_lineitem(run.binary, run.scale, folder)
        with Qingdan(run.binary, folder) as service:
            if not parquet.exists():
                save(f"{service.url}/api/v1/datasets/lineitem/download", parquet)
            size, seconds = download(f"{service.url}/api/v1/datasets/lineitem/download?format=csv")
        return size / seconds / 1e6

    def copy():
        target.unlink(missing_ok=True)
        with DuckDb() as duck:
            seconds, _ = duck.run(f"COPY (FROM read_parquet('{parquet}')) TO '{target}' (FORMAT csv, HEADER)")
        return os.path.getsize(target) / seconds / 1e6

    measured = alternate(run.rounds, ours=ours, duckdb=copy)
    what = f"Parquet to CSV of {os.path.getsize(target) / 1e6:.0f} MB, first download"
    return [Row("export", what, "MB/s", measured["ours"], at_least(1), "DuckDB COPY", measured["duckdb"])]
