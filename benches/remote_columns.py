"""Reads one column of a remote Parquet file with foreign readers and counts the bytes. Start it with benches/run remote_columns."""

import argparse
import importlib.resources
import socket
import sys
import threading
from pathlib import Path
from urllib.parse import urlsplit

import duckdb
import fsspec
import polars
import pyarrow.compute
import pyarrow.fs
import pyarrow.parquet
import requests

import prepared
from common import Failure, add_binary_option, end_with_an_error, find_binary, temporary_folder
from data import duckdb_csv, tpch
from measure import table
from servers import Qingdan

COLUMN = "l_extendedprice"
PIECE = 1 << 16


def main():
    """Reads with each. Ends with 1 when a reader took the whole file, or another sum than the source has."""
    end_with_an_error()
    parser = argparse.ArgumentParser(prog="benches/run remote_columns", description=__doc__)
    add_binary_option(parser)
    parser.add_argument("--scale", type=float, default=1, help="scale of lineitem; 1 by default, 0.1 for a quick run")
    arguments = parser.parse_args()
    binary = find_binary(arguments.binary)
    try:
        with temporary_folder("remote") as folder:
            prepared.with_lineitem(binary, arguments.scale, Path(folder))
            with Qingdan(binary, Path(folder)) as service:
                sound = _read_all(service.url, arguments.scale)
    except Failure as failure:
        sys.exit(str(failure))
    sys.exit(0 if sound else 1)


def _read_all(url, scale):
    path = "/api/v1/datasets/lineitem/download"
    size = int(requests.head(url + path, timeout=600).headers["Content-Length"])
    csv = tpch(scale, ["lineitem"]) / "lineitem.csv"
    expected = duckdb.execute(f"SELECT sum({COLUMN}) FROM {duckdb_csv(csv, 'lineitem')}").fetchone()[0]
    lines, sound = [], True
    for name, read in READERS.items():
        with CountingProxy(url) as proxy:
            try:
                total = read(proxy.url + path)
            except Exception as error:  # Whatever a foreign reader raises is its answer.
                lines.append([name, "–", "–", "–", f"**failed**: {str(error).splitlines()[0][:100]}"])
                sound = False
                continue
        right = total == expected
        fewer = 0 < proxy.received < size
        sound = sound and right and fewer
        verdict = "fewer bytes, right sum" if right and fewer else f"**{'wrong sum' if fewer else 'the whole file'}**"
        lines.append([name, f"{proxy.received:,}", f"{proxy.received / size:.1%}", str(proxy.connections), verdict])
    print(f"One column, {COLUMN}, of lineitem at scale {scale:g} by its address; the file has {size:,} bytes\n")
    print(table(lines, ["reader", "bytes received", "of the file", "connections", ""]))
    print("\nThe bytes are those of all answers, with their headers, counted between the reader and the service.")
    return sound


def _duckdb(address):
    # DuckDB checks the signature of the extension, wherever it comes from.
    place = importlib.resources.files("duckdb_extension_httpfs") / "extensions" / f"v{duckdb.__version__}"
    with duckdb.connect() as connection:
        connection.execute(f"LOAD '{place / 'httpfs.duckdb_extension'}'")
        return connection.execute(f"SELECT sum({COLUMN}) FROM read_parquet(?)", [address]).fetchone()[0]


def _polars(address):
    return polars.scan_parquet(address, glob=False).select(polars.col(COLUMN).sum()).collect().item()


def _pyarrow(address):
    # By default fsspec reads 5 MB ahead, which is most of a small file.
    filesystem = pyarrow.fs.PyFileSystem(pyarrow.fs.FSSpecHandler(fsspec.filesystem("http", cache_type="none")))
    column = pyarrow.parquet.read_table(address, columns=[COLUMN], filesystem=filesystem)
    return pyarrow.compute.sum(column[COLUMN]).as_py()


READERS = {
    f"DuckDB {duckdb.__version__}, httpfs": _duckdb,
    f"Polars {polars.__version__}, scan_parquet": _polars,
    f"PyArrow {pyarrow.__version__}, fsspec": _pyarrow,
}


class CountingProxy:
    """A TCP proxy on the loopback that counts what the server sends."""

    def __init__(self, upstream):
        address = urlsplit(upstream)
        self._upstream = (address.hostname, address.port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._lock = threading.Lock()
        self._open = []
        self.received = 0
        self.connections = 0
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self):
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_):
        self._listener.close()
        with self._lock:
            for connection in self._open:
                connection.close()

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                # The listener was closed: that is the end.
                return
            server = socket.create_connection(self._upstream)
            with self._lock:
                self._open += [client, server]
                self.connections += 1
            threading.Thread(target=self._pass_on, args=(client, server, False), daemon=True).start()
            threading.Thread(target=self._pass_on, args=(server, client, True), daemon=True).start()

    def _pass_on(self, source, target, counted):
        try:
            while piece := source.recv(PIECE):
                target.sendall(piece)
                if counted:
                    with self._lock:
                        self.received += len(piece)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            # One side is gone; the other one will see it.
            return


if __name__ == "__main__":
    main()
