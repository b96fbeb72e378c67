"""Intake: files of every kind hold the same values behind the service as other readers find in them, and hostile files are refused."""

import csv
import hashlib
import io
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import CompletedProcess

import pyarrow
import pyarrow.parquet
import pytest
import shapely
import shapely.geometry

import api
import intake_files as files
from intake_files import INFERRED, TYPES, csv_text, value, values
from samples import PUBLISHERS, THEMES
from service import Service, binary
from tables import assert_same_rows, parse_csv

ENTRY = """\
title = {{ zh = "接收测试", en = "Intake test" }}
description = {{ zh = "由测试程序生成。", en = "Made by a test program." }}
publisher = "client-tests"
theme = "client-tests"
open_type = "unconditional"
update_frequency = "never"
licence = "CC0-1.0"
source = "tests/clients/test_intake.py"
synthetic = true
data = "{data}"
max_reject_share = {share}
"""


@dataclass(frozen=True)
class Case:
    """A file that is taken in."""

    slug: str
    data: str
    content: Callable[[], bytes]
    # The types of its columns as they come out; declared in the entry or inferred.
    types: dict[str, str]
    declared: bool
    # Reads the file for comparison.
    read: Callable
    options: dict = field(default_factory=dict)
    rejects: int = 0


# A spreadsheet knows no scale: 1.50 is 1.5.
IN_SHEETS = {**INFERRED, "amount": "number"}


def table(slug, data, content, read, declared=True, **options):
    """A case with the one table."""
    return Case(slug, data, content, TYPES if declared else INFERRED, declared, read, options)


def long_table(slug, encode, **options):
    """A case whose cells are longer than what is read at a time."""

    def content():
        return encode(csv_text(files.LONG_ROWS, files.LONG_TYPES))

    return Case(slug, "t.csv", content, files.LONG_TYPES, True, files.by_pandas, options)


# The line breaks and the delimiter of each are also inside of cells.
UTF_8 = csv_text().encode()
CRLF_ROWS = [[cell.replace("\n", "\r\n") for cell in row] for row in files.ROWS]

# Six of its sixteen rows cannot be read.
BAD_ROWS = """\
code,visits,day
001,1,2024-01-01
002,x,2024-01-01
003,3,2024-02-30
004,4,2024-01-01,too many
005,5
"006"x,6,2024-01-01

008,,
009,9,2024-01-09
"0
10",10,2024-01-10
011,11,2024-01-11
012,12,2024-01-12
013,13,2024-01-13
014,14,2024-01-14
015,15,2024-01-15
016,16,2024-01-16
"""

BAD_TYPES = {"code": "string", "visits": "integer", "day": "date"}

CASES = [
    table("csv-utf-8", "t.csv", lambda: UTF_8, files.by_duckdb),
    table("csv-utf-8-inferred", "t.csv", lambda: UTF_8, files.by_duckdb, declared=False),
    table("csv-utf-8-bom", "t.csv", lambda: b"\xef\xbb\xbf" + UTF_8, files.by_polars),
    table("csv-crlf", "t.csv", lambda: csv_text(CRLF_ROWS, lineterminator="\r\n").encode(), files.by_pandas),
    table("csv-gb18030", "t.csv", lambda: csv_text().encode("gb18030"), files.by_pandas, encoding="gb18030"),
    table("csv-gb18030-inferred", "t.csv", lambda: csv_text().encode("gb18030"), files.by_pandas, declared=False, encoding="gb18030"),
    table("csv-utf-16-le", "t.csv", lambda: files.utf_16(csv_text(), "le", True), files.by_pandas, encoding="utf-16"),
    table("csv-utf-16-be", "t.csv", lambda: files.utf_16(csv_text(), "be", True), files.by_pandas, encoding="utf-16"),
    table("csv-utf-16-no-mark", "t.csv", lambda: files.utf_16(csv_text(), "be", False), files.by_pandas, False, encoding="utf-16-be"),
    long_table("csv-gb18030-long", lambda text: text.encode("gb18030"), encoding="gb18030"),
    long_table("csv-utf-16-long", lambda text: files.utf_16(text, "le", True), encoding="utf-16"),
    long_table("csv-utf-8-long", str.encode),
    table("tsv", "t.tsv", lambda: csv_text(delimiter="\t").encode(), files.by_duckdb, delim="\t"),
    table("tsv-inferred", "t.tsv", lambda: csv_text(delimiter="\t").encode(), files.by_pandas, False, sep="\t"),
    table("csv-semicolons", "t.csv", lambda: csv_text(delimiter=";").encode(), files.by_polars, False, separator=";"),
    table("csv-bars", "t.csv", lambda: csv_text(delimiter="|").encode(), files.by_duckdb, False, delim="|"),
    table("csv-single-quotes", "t.csv", lambda: csv_text(quotechar="'", quoting=csv.QUOTE_ALL).encode(), files.by_duckdb, quote="'", escape="'"),
    table("csv-gz", "t.csv.gz", lambda: files.gzipped(UTF_8), files.by_duckdb, compression="gzip"),
    table("csv-zst", "t.csv.zst", lambda: files.zstd(UTF_8), files.by_duckdb, False, compression="zstd"),
    table("csv-zip", "t.zip", lambda: files.zipped(("表/数据.csv", UTF_8)), files.by_pandas, compression="zip"),
    table("xlsx", "t.xlsx", files.workbook, files.by_openpyxl),
    Case("xlsx-inferred", "t.xlsx", files.workbook, IN_SHEETS, False, files.by_openpyxl),
    Case(
        "xlsx-formulas",
        "t.xlsx",
        files.workbook_with_formulas,
        {"code": "string", "visits": "integer", "doubled": "integer", "label": "string", "day": "date"},
        False,
        files.by_openpyxl,
    ),
    Case("json", "t.json", files.json_array, files.ARRAY_TYPES, True, files.by_duckdb_json),
    Case("json-inferred", "t.json", files.json_array, files.ARRAY_TYPES, False, files.by_duckdb_json),
    Case("ndjson", "t.ndjson", files.ndjson, files.JSON_TYPES, True, files.by_python_json),
    Case("ndjson-inferred", "t.ndjson", files.ndjson, files.JSON_TYPES, False, files.by_python_json),
    Case("parquet", "t.parquet", files.parquet, files.PARQUET_TYPES, False, files.by_polars_parquet),
    Case("parquet-fractions", "t.parquet", files.parquet_of_fractions, {"share": "decimal:38"}, False, files.by_duckdb_parquet),
    Case("parquet-nested", "t.parquet", files.parquet_of_nested_nulls, files.NESTED_TYPES, False, files.by_duckdb_parquet),
    Case("geojson", "t.geojson", files.geojson, files.GEO_TYPES, True, files.by_shapely),
    Case("geojson-inferred", "t.geojson", files.geojson, files.GEO_TYPES, False, files.by_shapely),
    Case("csv-rejects", "t.csv", BAD_ROWS.encode, BAD_TYPES, True, files.by_duckdb, {"ignore_errors": True}, rejects=6),
]


@dataclass(frozen=True)
class Hostile:
    """A file that is refused."""

    slug: str
    data: str
    content: Callable[[], bytes]
    # Of each line of the message that must be there, what follows the name of the file.
    told: list[str]
    types: dict[str, str | None] = field(default_factory=lambda: {"code": None, "name": None})
    share: float = 0.0


# Does not compress well, so that half of it is some rows.
TRUNCATED = files.gzipped(b"code,name\n" + b"".join(f"{hashlib.sha256(bytes([row])).hexdigest()},x\n".encode() for row in range(256)))

NOISE = b"".join(hashlib.sha256(bytes([row])).digest() for row in range(200))

REJECTED_LINES = [
    ":3: visits: `x` is not a whole number",
    ":4: day: `2024-02-30` is not a day",
    ":5: the row has 4 cells, and the header 3",
    ":6: the row has 2 cells, and the header 3",
    ":7: text stands behind a closing quote",
    ":8: the line is empty",
]

HOSTILE = [
    Hostile("bad-rows-refused", "t.csv", BAD_ROWS.encode, REJECTED_LINES, BAD_TYPES),
    Hostile("bad-rows-above-the-share", "t.csv", BAD_ROWS.encode, REJECTED_LINES, BAD_TYPES, share=0.3),
    Hostile("gzip-cut-off", "t.csv.gz", lambda: TRUNCATED[: len(TRUNCATED) // 2], [": the gzip file is cut off after"]),
    Hostile(
        "zip-leads-out", "t.zip", lambda: files.zipped(("../evil.csv", b"code,name\n")), [": `../evil.csv` in the archive leads out of it"]
    ),
    Hostile("nul-byte", "t.csv", lambda: b"code,name\n007,a\n008,b\0c\n", [":3: name: the cell holds a NUL byte"]),
    Hostile("nul-bytes", "t.csv", lambda: b"code,name\n" + b"\0" * 4096, [": `t.csv` is a binary file"]),
    Hostile("binary", "t.csv", lambda: bytes(range(256)) * 64, [":1: the name of column number 1 holds a NUL byte; the file is no text"]),
    Hostile("random", "t.csv", lambda: NOISE, [":1: the header is not UTF-8, nor is the file GB18030 as a whole"]),
    Hostile("same-name-twice", "t.csv", lambda: b"code,name,code\n1,2,3\n", [":1: the name of column number 3 stands twice"]),
    Hostile("lone-carriage-returns", "t.csv", lambda: b"code,name\r007,a\r008,b\r", [":1: a lone carriage return"]),
    Hostile("terminal-escapes", "t.csv", lambda: b"code\n\x1b[31mred\x07\n", [":2: code: "], {"code": "integer"}),
    Hostile("too-many-cells", "t.csv", lambda: b"code,name\n007,a\n008,b,c\n", [":3: the row has 3 cells, and the header 2"]),
    Hostile("empty", "t.csv", lambda: b"", [": the file is empty"]),
    Hostile("bomb", "t.zip", files.zip_bomb, [": the file unpacks to more than 200 times its size"]),
    Hostile(
        "lone-surrogate",
        "t.json",
        lambda: b'[{"code":"1","name":"a"},\n{"code":"2","name":"\\ud800"}]',
        [":2: name: a text holds half of a pair of UTF-16 (a lone surrogate)"],
    ),
    Hostile("year-0", "t.csv", lambda: b"day\n2024-01-01\n0000-01-01\n", [":3: day: `0000-01-01` is not a day"], {"day": "date"}),
    Hostile(
        "many-columns",
        "t.csv",
        lambda: ",".join(f"c{at}" for at in range(5000)).encode() + b"\n",
        [":1: the file has 5000 columns; at most 2000 are allowed"],
    ),
    Hostile("many-texts", "t.xlsx", files.workbook_of_many_texts, [": the workbook is damaged"]),
    Hostile("damaged-page", "t.parquet", files.damaged_parquet, [": the Parquet file is damaged or cut off"], {"code": None}),
    Hostile("merged-header", "t.xlsx", files.merged_header, [":1: the cells A1:B1 of the header are merged"]),
    Hostile(
        "lost-digits",
        "t.xlsx",
        lambda: files.sheet(["code"], ["310104000000000017"], [3.10104e17]),
        [":3: code: `3.10104E17` is an identifier in scientific notation"],
        {"code": "string"},
    ),
    Hostile(
        "serial-days",
        "t.xlsx",
        lambda: files.sheet(["day"], [45123]),
        [":2: day: the cell A2: `45123` is not a day as YYYY-MM-DD; it looks like a spreadsheet's serial number of the day 2023-07-16"],
        {"day": "date"},
    ),
]

# The same table in three kinds of file.
SAME = ["csv-utf-8", "csv-gb18030", "xlsx"]


def entry(data, types, declared, share):
    """The text of dataset.toml."""
    text = ENTRY.format(data=data, share=share)
    for name, kind in types.items():
        text += f'\n[[fields]]\nname = "{name}"\ntitle = {{ zh = "{name}", en = "{name}" }}\nsensitivity = "none"\n'
        # Long digits look like numbers of people, and are none here.
        text += 'cleared = "Made by a test program."\n'
        if declared and kind:
            name_of_type, _, scale = kind.replace("json", "string").partition(":")
            text += f'type = "{name_of_type}"\n' + (f"scale = {scale}\n" if scale else "")
    return text


@dataclass
class Taken:
    """What `qingdan import` did with a folder of one dataset."""

    path: Path
    done: CompletedProcess
    seconds: float
    # Files in the data folder that are new.
    left: set


class Intake:
    """A service of its own, with all cases and all hostile files imported."""

    def __init__(self, folder):
        self.folder = folder
        self.service = Service(binary(), folder)
        self.taken = {}
        self.summary = {}

    def take(self, slug, data, content, types, declared=True, share=0.0):
        """Writes a folder with one dataset and imports it."""
        folder = self.folder / "folders" / slug
        path = folder / slug / data
        path.parent.mkdir(parents=True)
        (folder / "publishers.toml").write_text(PUBLISHERS, encoding="utf-8")
        (folder / "themes.toml").write_text(THEMES, encoding="utf-8")
        (path.parent / "dataset.toml").write_text(entry(data, types, declared, share), encoding="utf-8")
        path.write_bytes(content())
        before, start = self.kept(), time.monotonic()
        done = self.service.attempt("import", folder)
        self.taken[slug] = Taken(path, done, time.monotonic() - start, self.kept() - before)

    def kept(self):
        """The files that the service keeps, without those of the database."""
        data = self.folder / "data"
        return {str(path.relative_to(data)) for path in data.rglob("*") if path.is_file() and ".sqlite" not in path.name}

    def published(self, slugs):
        """Those of the slugs that were taken in; a test of its own says of each that it must be."""
        return {slug for slug in slugs if self.taken[slug].done.returncode == 0}

    def lines(self):
        """The table of what was taken in."""
        head = ["kind", "rows in", "rows out", "rejects", "seconds", "inferred types"]
        rows = [head, *([slug, *(str(cell) for cell in row)] for slug, row in self.summary.items())]
        widths = [max(len(row[at]) for row in rows) for at in range(5)] + [0]
        return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows]


@pytest.fixture(scope="module")
def intake(tmp_path_factory, pytestconfig):
    """The service; at its end it shows what it has taken in."""
    intake = Intake(tmp_path_factory.mktemp("intake"))
    for case in CASES:
        intake.take(case.slug, case.data, case.content, case.types, case.declared, 0.5 if case.rejects else 0.0)
    for case in HOSTILE:
        intake.take(case.slug, case.data, case.content, case.types, True, case.share)
    intake.service.start()
    yield intake
    intake.service.stop()
    with pytestconfig.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
        print("", *intake.lines(), sep="\n")


@pytest.fixture(scope="module")
def public(intake):
    """The API as the public sees it."""
    return api.Api(intake.service.url)


WORDS = {
    pyarrow.string(): "string",
    pyarrow.int64(): "integer",
    pyarrow.float64(): "number",
    pyarrow.bool_(): "boolean",
    pyarrow.date32(): "date",
    pyarrow.timestamp("us"): "datetime",
    pyarrow.binary(): "geometry",
}


def in_words(kind):
    """A type of Arrow in the words of the entry; how many digits of a decimal fit is left to the service."""
    return f"decimal:{kind.scale}" if pyarrow.types.is_decimal(kind) else WORDS.get(kind, str(kind))


def cases(of):
    """Runs a test once for each of the files."""
    return pytest.mark.parametrize("case", [pytest.param(case, id=case.slug) for case in of])


@cases(CASES)
def test_a_file_holds_what_other_readers_find_in_it(intake, public, case):
    taken = intake.taken[case.slug]
    expected = values(case.types, case.read(taken.path, case.types, **case.options))
    rejected = f", {case.rejects} rows rejected" if case.rejects else ""
    rows_in, seconds = len(expected) + case.rejects, f"{taken.seconds:.2f}"
    intake.summary[case.slug] = [rows_in, "-", "-", seconds, "not as expected"]
    assert taken.done.stdout == f"{case.slug}: created, version 1 with {len(expected)} rows{rejected}\n", taken.done.stderr
    assert (taken.done.returncode, taken.done.stderr) == (0, "")
    parquet = pyarrow.parquet.read_table(io.BytesIO(public.download(case.slug, format="parquet").content))
    found = {name: in_words(kind) for name, kind in zip(parquet.column_names, parquet.schema.types)}
    shown = "declared" if case.declared else ", ".join(f"{name} {kind}" for name, kind in found.items())
    intake.summary[case.slug] = [rows_in, parquet.num_rows, case.rejects, seconds, shown]
    assert list(found.items()) == [(name, kind.replace("json", "string")) for name, kind in case.types.items()]
    rows = [list(row) for row in zip(*(column.to_pylist() for column in parquet.columns))]
    # What is missing is missing, and no empty text.
    assert not any("" in row for row in rows)
    assert_same_rows(values(case.types, rows), expected)
    # True is 1 and 1 is 1.0 for Python.
    assert_same_rows([[type(cell) for cell in row] for row in values(case.types, rows)], [[type(cell) for cell in row] for row in expected])
    header, texts = parse_csv(public.download(case.slug, format="csv").content)
    assert header == list(case.types)
    assert_same_rows(values(case.types, texts), expected)


def test_the_readers_find_the_table(intake):
    """Two readers could be wrong together: what was written is compared too."""
    for case in CASES:
        if case.types in (TYPES, INFERRED):
            written_rows = CRLF_ROWS if case.slug == "csv-crlf" else files.ROWS
            read = case.read(intake.taken[case.slug].path, case.types, **case.options)
            assert_same_rows(values(case.types, read), values(case.types, written_rows))


def test_the_same_table_is_the_same_file(public):
    contents = {slug: public.download(slug, format="parquet").content for slug in SAME}
    assert len({hashlib.sha256(content).hexdigest() for content in contents.values()}) == 1


def test_an_inferred_table_is_the_same_in_every_text_file(intake, public):
    slugs = intake.published(case.slug for case in CASES if case.types is INFERRED)
    assert len(slugs) >= 6
    assert len({hashlib.sha256(public.download(slug, format="parquet").content).hexdigest() for slug in slugs}) == 1


@pytest.mark.parametrize("of_shapes", ["geojson", "geojson-inferred"])
def test_the_shapes_are_geoparquet(public, of_shapes):
    file = pyarrow.parquet.ParquetFile(io.BytesIO(public.download(of_shapes, format="parquet").content))
    geo = json.loads(file.metadata.metadata[b"geo"])
    shapes = [shapely.geometry.shape(shape) for _, shape in files.GEO_FEATURES if shape]
    column = geo["columns"]["geometry"]
    assert (geo["version"], geo["primary_column"], column["encoding"]) == ("1.1.0", "geometry", "WKB")
    assert set(column["geometry_types"]) == {shape.geom_type for shape in shapes}
    assert column["bbox"] == shapely.total_bounds(shapes).tolist()
    # Absent, it means longitude and latitude on WGS 84.
    assert "crs" not in column


def test_rejected_rows_are_handed_to_the_publisher(intake, public):
    steward = api.add_steward(api.log_in_operator(intake.service.url), "steward-of-intake", "client-tests")
    header, rejects = parse_csv(steward.get("/api/v1/admin/datasets/csv-rejects/versions/1/rejects").content)
    assert header == ["line", "reason", *BAD_TYPES]
    assert [row[0] for row in rejects] == ["3", "4", "5", "6", "7", "8"]
    assert all(row[1] for row in rejects)
    # Whatever went in is either here or there.
    taken = parse_csv(public.download("csv-rejects", format="csv").content)[1]
    assert len(taken) + len(rejects) == len(parse_csv(BAD_ROWS.encode())[1])


@cases(HOSTILE)
def test_a_hostile_file_is_refused_and_leaves_nothing(intake, public, case):
    taken = intake.taken[case.slug]
    assert (taken.done.returncode, taken.done.stdout) == (1, ""), taken.done.stderr
    lines = taken.done.stderr.splitlines()
    assert len(lines) <= 21
    for told in case.told:
        assert any(line.startswith(f"{taken.path}{told}") for line in lines), f"{told} is not among {lines}"
    # Nothing but what is wrong with the file, and in characters that a terminal shows.
    assert all(line.startswith(f"{taken.path}:") and len(line) < 1000 and line.isprintable() for line in lines), lines
    assert taken.left == set()
    public.get(f"/api/v1/datasets/{case.slug}", expect=404)


def test_nothing_is_kept_of_what_was_refused(intake, public):
    published = intake.published(intake.taken)
    assert published <= {case.slug for case in CASES}
    assert {item["slug"] for item in public.items("/api/v1/datasets")} == published
    downloaded = {hashlib.sha256(public.download(slug, format="parquet").content).hexdigest() for slug in published}
    assert {Path(name).stem for name in intake.kept() if name.endswith(".parquet")} == downloaded
    assert not any(name.startswith("scratch/") for name in intake.kept())
