"""DuckDB with its HTTP reader."""

import importlib.resources

import duckdb


def connect():
    """A connection that reads from addresses. DuckDB checks the signature of the extension, wherever it comes from."""
    place = importlib.resources.files("duckdb_extension_httpfs") / "extensions" / f"v{duckdb.__version__}"
    connection = duckdb.connect()
    connection.execute(f"load '{place / 'httpfs.duckdb_extension'}'")
    return connection
