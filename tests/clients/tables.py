"""What the service was given: the CSV files of the datasets, and one way to write any client's values as their text."""

import csv
import datetime
import decimal
import functools
import io
import json
import tomllib
from dataclasses import dataclass
from pathlib import Path

import duckdb

DATASETS = Path(__file__).resolve().parents[2] / "datasets"
# A closed entry, which the project does not ship.
CLOSED = Path(__file__).resolve().parents[1] / "datasets"


@dataclass(frozen=True)
class Source:
    """A dataset as it lies in its folder."""

    slug: str
    entry: dict
    path: Path

    @property
    def types(self):
        """The declared type of each column, in their order."""
        return {field["name"]: field["type"] for field in self.entry["fields"]}

    @functools.cached_property
    def table(self):
        """The header and the rows, each cell as its exact text."""
        return parse_csv(self.path.read_bytes())


def read_source(folder):
    """Reads a folder with dataset.toml and its data file."""
    entry = tomllib.loads((folder / "dataset.toml").read_text(encoding="utf-8"))
    return Source(folder.name, entry, folder / entry.get("data", ""))


def shipped_sources(open_type):
    """The datasets of the repository with that open type, by slug."""
    folders = sorted(path.parent for path in DATASETS.glob("*/dataset.toml"))
    sources = [read_source(folder) for folder in folders]
    return {source.slug: source for source in sources if source.entry["open_type"] == open_type}


def parse_csv(content):
    """The header and the rows of a CSV file."""
    # newline="" keeps the line breaks inside of cells as they are.
    rows = list(csv.reader(io.TextIOWrapper(io.BytesIO(content), encoding="utf-8", newline="")))
    return rows[0], rows[1:]


def parse_json(text):
    """JSON whose numbers keep every digit."""
    return json.loads(text, parse_float=decimal.Decimal)


def text_of(value):
    """A value of any client as the text that stands for it in a CSV file."""
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case datetime.datetime():
            return value.isoformat(timespec="seconds")
        case datetime.date():
            return value.isoformat()
        case decimal.Decimal():
            return format(value, "f")
        case _:
            return str(value)


def texts(rows):
    """Rows of values as rows of text."""
    return [[text_of(value) for value in row] for row in rows]


def assert_same_rows(rows, expected):
    """Compares tables; on a difference it shows the first one only, and not a hundred thousand rows."""
    for number, (row, wanted) in enumerate(zip(rows, expected)):
        assert row == wanted, f"row {number} differs"
    assert len(rows) == len(expected)


DUCKDB_TYPES = {
    "string": "VARCHAR",
    "integer": "BIGINT",
    "decimal": "DECIMAL(38, 2)",
    "number": "DOUBLE",
    "boolean": "BOOLEAN",
    "date": "DATE",
    "datetime": "TIMESTAMP",
}


def in_duckdb(source):
    """A DuckDB connection whose table `source` is the source's CSV file, typed as declared: a second opinion on queries."""
    columns = {name: DUCKDB_TYPES[kind] for name, kind in source.types.items()}
    connection = duckdb.connect()
    reading = "select * from read_csv(?, header = true, columns = ?, auto_detect = false, parallel = false)"
    connection.execute(f"create table source as {reading}", [str(source.path), columns])
    return connection
