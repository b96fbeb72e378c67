"""Data files of every kind that a publisher may send, and what readers other than the service find in them."""

import codecs
import csv
import datetime
import gzip
import io
import json
import re
import zipfile
from decimal import Decimal

import duckdb
import openpyxl
import pandas
import polars
import pyarrow
import pyarrow.parquet
import shapely
import shapely.geometry
import xlsxwriter
import zstandard

# Python's reader of CSV otherwise stops at cells of 128 KiB.
csv.field_size_limit(8 << 20)

# One table with what files lose most easily. `decimal:2` is a decimal of scale 2.
TYPES = {
    "code": "string",
    "identifier": "string",
    "serial": "integer",
    "visits": "integer",
    "amount": "decimal:2",
    "exact": "decimal:25",
    "ratio": "number",
    "valid": "boolean",
    "day": "date",
    "moment": "datetime",
    "name": "string",
    "note": "string",
}

# Whole numbers of more than fifteen digits are text, unless their type is declared.
INFERRED = {**TYPES, "serial": "string"}

ROWS = [
    ["007", "310104000000000017", "9223372036854775807", "12", "1.50", "0.1234567890123456789012345"]
    + ["0.125", "true", "2024-02-29", "2024-02-29T08:00:00", "上海市徐汇区", 'he said "yes"'],
    ["0010", "000000000000000000", "-9223372036854775808", "-3", "-20.25", "1234567890123.0000000000000000000000001"]
    + ["-2.5", "false", "0001-01-01", "1999-12-31T23:59:59.500000", "𠮷野家，漕溪北路", "one, two; three | four"],
    ["310104003", "123456789012345678", "9007199254740993", "0", "0.05", "-0.0000000000000000000000001"]
    + ["1234.0625", "true", "9999-12-31", "2026-01-01T00:00:00.123456", "两行\n文字", '"quoted", \'too\''],
    ["", "100000000000000001", "1", "999999999999999", "9999999999.99", "1.0000000000000000000000000"]
    + ["0.1", "false", "1969-12-31", "1969-12-31T23:59:59", " spaces on both sides ", "two\n\n\nbreaks"],
    ["1e5", "", "-1", "7", "0.00", "9.9999999999999999999999999"]
    + ["3.5", "true", "2000-01-01", "2000-01-01T12:00:00", "NULL", "=1+1"],
    ["N/A", "999999999999999999", "", "-999999999", "7.00", "5.5000000000000000000000000"]
    + ["6.25", "", "1900-03-01", "", "NaN", "tab\tinside"],
    ["true", "12", "42", "", "-0.01", ""]
    + ["", "false", "", "1900-01-01T00:00:00", "e\u0301 in two code points", "back\\slash"],
    ["-0", "1.0", "0", "1", "", "0.5000000000000000000000000"]
    + ["-0.75", "true", "2038-01-19", "2038-01-19T03:14:08", "", "#comment"],
    ["0x1F", "+1", "5", "2", "3.14", "3.1415926535897932384626433"]
    + ["100.001", "true", "2025-01-31", "2025-01-31T09:30:00", "一二三㐀䶵", ""],
]


def value(kind, cell):
    """A cell as the value of its type; what is written as text is read as such, and everything else is put into one form."""
    if cell is None or (isinstance(cell, str) and cell == ""):
        return None
    match kind.partition(":")[0]:
        case "integer":
            return int(cell)
        case "decimal":
            # Of a double, the number that it is written as.
            return Decimal(str(cell))
        case "number":
            return float(cell)
        case "boolean":
            return {"true": True, "false": False}[cell] if isinstance(cell, str) else cell
        case "date":
            if isinstance(cell, datetime.datetime):
                assert cell.time() == datetime.time(), cell
                return cell.date()
            return datetime.date.fromisoformat(cell) if isinstance(cell, str) else cell
        case "datetime":
            moment = datetime.datetime.fromisoformat(cell) if isinstance(cell, str) else cell
            return moment.astimezone(datetime.UTC).replace(tzinfo=None) if moment.tzinfo else moment
        case "json":
            return load_json(cell) if isinstance(cell, str) else load_json(json.dumps(cell))
        case "geometry":
            return _mapping(cell)
        case _:
            # In a sheet, some cells of a column of text may be whole numbers.
            return str(cell)


def values(types, rows):
    """Rows of cells as rows of values."""
    return [[value(kind, cell) for kind, cell in zip(types.values(), row, strict=True)] for row in rows]


def _mapping(cell):
    """A shape as its type and all its coordinates, exactly."""
    match cell:
        case bytes():
            shape = shapely.from_wkb(cell)
        case str():
            shape = shapely.from_geojson(cell)
        case _:
            shape = shapely.geometry.shape(cell)
    return shapely.geometry.mapping(shape)


def load_json(text):
    """JSON in which every number is the text that it is written as."""
    return json.loads(text, parse_int=str, parse_float=str)


# Writers.


# Long enough that a character lies across every border of what is read at a time: two, three and four bytes, and surrogates.
LONG_TYPES = {"code": "string", "name": "string"}
LONG_ROWS = [["1", "漕" * 200_000], ["22", "𠮷" * 200_000], ["333", "x" + "汇𠮷é" * 100_000]]


def csv_text(rows=ROWS, types=None, **dialect):
    """The table as CSV."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, **{"lineterminator": "\n", **dialect})
    writer.writerow(types or TYPES)
    writer.writerows(rows)
    return text.getvalue()


def zipped(*members):
    """A zip archive."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return packed.getvalue()


def gzipped(content):
    """A gzip file."""
    return gzip.compress(content, mtime=0)


def zstd(content):
    """A zstd file as a stream makes it, which does not know its size."""
    packer = zstandard.ZstdCompressor().compressobj()
    return packer.compress(content) + packer.flush()


def utf_16(text, order, mark):
    """UTF-16 in either order, with byte order mark or without."""
    marks = {"le": codecs.BOM_UTF16_LE, "be": codecs.BOM_UTF16_BE}
    return (marks[order] if mark else b"") + text.encode(f"utf-16-{order}")


def workbook(rows=ROWS, types=None):
    """The table as openpyxl writes it: a cell of its own kind where a spreadsheet holds the value exactly, and text otherwise."""
    types = types or TYPES
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.append(list(types))
    for number, row in enumerate(rows, 2):
        for place, (kind, cell) in enumerate(zip(types.values(), row, strict=True), 1):
            content = _cell(kind, cell)
            if content is not None:
                written = sheet.cell(number, place, content)
                if isinstance(content, str):
                    # Or else a text that begins with = would be a formula.
                    written.data_type = "s"
    return saved(book)


def _cell(kind, cell):
    content = value(kind, cell)
    match content:
        case Decimal():
            return float(content) if kind == "decimal:2" else cell
        case bool() | float():
            return content
        case int():
            return content if len(cell) <= 15 else cell
        # A spreadsheet's days begin with March 1900, and its moments have no small fractions.
        case datetime.datetime():
            return content if content.year > 1900 and not content.microsecond else cell
        case datetime.date():
            return content if content >= datetime.date(1900, 3, 1) else cell
        case _:
            return content


def saved(book):
    """The bytes of a workbook of openpyxl."""
    content = io.BytesIO()
    book.save(content)
    return content.getvalue()


def workbook_with_formulas():
    """A workbook whose formulas have stored values, as a spreadsheet program leaves them."""
    content = io.BytesIO()
    with xlsxwriter.Workbook(content) as book:
        sheet = book.add_worksheet("数据")
        sheet.write_row(0, 0, ["code", "visits", "doubled", "label", "day"])
        day = book.add_format({"num_format": "yyyy年m月d日"})
        for row in range(1, 6):
            sheet.write_string(row, 0, f"{row:06}")
            sheet.write_number(row, 1, row * 7)
            sheet.write_formula(row, 2, f"=B{row + 1}*2", None, row * 14)
            sheet.write_formula(row, 3, f'=A{row + 1}&"号"', None, f"{row:06}号")
            sheet.write_datetime(row, 4, datetime.date(2024, 2, 24 + row), day)
    return content.getvalue()


JSON_TYPES = {
    "identifier": "string",
    "price": "decimal:19",
    "visits": "integer",
    "ratio": "number",
    "valid": "boolean",
    "tags": "json",
    "name": "string",
}

JSON_RECORDS = [
    '{"identifier":310104000000000017,"price":0.1234567890123456789,"visits":1,"ratio":0.125,"valid":true,"tags":["a",{"b":null}],'
    '"name":"徐汇区"}',
    '{"visits":-2,"identifier":"000000000000000018","valid":null,"name":"\\u5f90\\ud842\\udfb7 \\"\\n\\/","price":12.0000000000000000001}',
    '{"ratio":-2.5,"name":"","tags":{"深":[1.50,1e3,{}]},"identifier":"x"}',
    "{}",
    '{ "price" : null , "visits" : 999999999999999 , "tags" : [ ] , "name" : "line\\u2028separator" , "valid" : false }',
]

# Without the long decimals, which DuckDB reads from JSON as doubles.
ARRAY_TYPES = {name: kind for name, kind in JSON_TYPES.items() if name != "price"}

ARRAY_RECORDS = [
    '{"identifier":310104000000000017,"visits":1,"ratio":0.125,"valid":true,"tags":["a",{"b":null}],"name":"徐汇区"}',
    '{"visits":-2, "name":"\\u5f90\\ud842\\udfb7 \\"\\n\\/","identifier":"000000000000000018",\n"valid":null}',
    '{"ratio":-2.5,"name":"", "tags":{"深":[1,[],{}]}, "identifier":"x"}',
    "{}",
]


def json_array():
    """A JSON array."""
    return ("[" + ",\n".join(ARRAY_RECORDS) + "]").encode()


def ndjson():
    """An object on each line."""
    return "\n".join(JSON_RECORDS).encode()


GEO_TYPES = {"code": "string", "visits": "integer", "geometry": "geometry"}

_RING = [[121.4, 31.1], [121.5, 31.1], [121.43650000000001, 31.2], [121.4, 31.1]]
_HOLE = [[121.43, 31.12], [121.44, 31.13], [121.45, 31.12], [121.43, 31.12]]

GEO_FEATURES = [
    ({"code": "007", "visits": 1}, {"type": "Point", "coordinates": [121.43650000000001, 31.188412345678901]}),
    ({"code": "008", "visits": None}, {"type": "Polygon", "coordinates": [_RING, _HOLE]}),
    ({"visits": 3}, {"type": "MultiPolygon", "coordinates": [[_RING], [[[0, 0], [1e-7, 0], [0, 1], [0, 0]]]]}),
    ({"code": "010"}, None),
    ({"code": "011", "visits": 5}, {"type": "Point", "coordinates": [-180, -90]}),
]


def geojson():
    """A feature collection."""
    features = [{"type": "Feature", "properties": properties, "geometry": shape} for properties, shape in GEO_FEATURES]
    return json.dumps({"type": "FeatureCollection", "features": features}, indent=1).encode()


PARQUET_COLUMNS = {
    "tiny": (pyarrow.int8(), "integer", [-128, None, 127]),
    "small": (pyarrow.int16(), "integer", [-32768, None, 32767]),
    "middle": (pyarrow.int32(), "integer", [-(2**31), None, 2**31 - 1]),
    "large": (pyarrow.int64(), "integer", [-(2**63), None, 2**63 - 1]),
    "byte": (pyarrow.uint8(), "integer", [0, None, 255]),
    "unsigned_that_fits": (pyarrow.uint64(), "integer", [0, None, 2**63 - 1]),
    "unsigned": (pyarrow.uint64(), "decimal:0", [0, None, 2**64 - 1]),
    "single": (pyarrow.float32(), "number", [0.1, None, 3.4e38]),
    "double": (pyarrow.float64(), "number", [0.1, None, 5e-324]),
    "price": (pyarrow.decimal128(20, 5), "decimal:5", [Decimal("-123456789012345.00001"), None, Decimal("0.10000")]),
    "longest": (pyarrow.decimal128(38, 30), "decimal:30", [Decimal("12345678." + "1" * 30), None, Decimal("-0." + "9" * 30)]),
    "valid": (pyarrow.bool_(), "boolean", [True, None, False]),
    "day": (pyarrow.date32(), "date", [datetime.date(1, 1, 1), None, datetime.date(9999, 12, 31)]),
    "day_in_millis": (pyarrow.date64(), "date", [datetime.date(1969, 12, 31), None, datetime.date(2024, 2, 29)]),
    "in_seconds": (pyarrow.timestamp("s"), "datetime", [datetime.datetime(1969, 12, 31, 23, 59, 59), None, datetime.datetime(2024, 2, 29)]),
    "in_millis": (pyarrow.timestamp("ms"), "datetime", [datetime.datetime(2024, 2, 29, 1, 2, 3, 4000), None, datetime.datetime(1, 1, 1)]),
    "in_micros": (pyarrow.timestamp("us"), "datetime", [datetime.datetime(2024, 2, 29, 1, 2, 3, 456789), None, datetime.datetime(1, 1, 1)]),
    "in_nanos": (pyarrow.timestamp("ns"), "datetime", [datetime.datetime(1900, 1, 1, 0, 0, 0, 1), None, datetime.datetime(2024, 1, 1)]),
    "with_zone": (
        pyarrow.timestamp("us", tz="Asia/Shanghai"),
        "datetime",
        [datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC), None, datetime.datetime(1986, 5, 4, 12, tzinfo=datetime.UTC)],
    ),
    "kind": (pyarrow.dictionary(pyarrow.int8(), pyarrow.string()), "string", ["007", None, "徐汇"]),
    "text": (pyarrow.large_string(), "string", ["two\r\nlines", None, "310104000000000017"]),
    "list": (pyarrow.list_(pyarrow.list_(pyarrow.int32())), "json", [[[1, None], []], None, []]),
    "struct": (pyarrow.struct({"a": pyarrow.string()}), "json", [{"a": '"徐"'}, None, {"a": "x"}]),
    "nothing": (pyarrow.null(), "string", [None, None, None]),
}

PARQUET_TYPES = {name: kind for name, (_, kind, _) in PARQUET_COLUMNS.items()}



def parquet():
    """A Parquet file of PyArrow with every type, in several row groups."""
    return _parquet({name: pyarrow.array(cells * 100, arrow_type) for name, (arrow_type, _, cells) in PARQUET_COLUMNS.items()})


def parquet_of_fractions():
    """A Parquet file with a decimal whose digits all stand behind the point."""
    return _parquet({"share": pyarrow.array([Decimal("0." + "1" * 38), Decimal("-0." + "9" * 38), None], pyarrow.decimal128(38, 38))})


NESTED_TYPES = {"pairs": "json", "record": "json", "records": "json"}


def parquet_of_nested_nulls():
    """A Parquet file whose missing values lie within nested ones."""
    record = pyarrow.struct({"a": pyarrow.int64(), "b": pyarrow.string()})
    return _parquet(
        {
            "pairs": pyarrow.array([[("k", 1), ("徐", None)], None], pyarrow.map_(pyarrow.string(), pyarrow.int64())),
            "record": pyarrow.array([{"a": 1, "b": None}, None], record),
            "records": pyarrow.array([[{"a": None, "b": None}, None], []], pyarrow.list_(record)),
        }
    )


def _parquet(columns):
    content = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.table(columns), content, row_group_size=70, compression="zstd", store_schema=True)
    return content.getvalue()


# Writers of hostile files.


def sheet(*rows):
    """A workbook with these rows."""
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    return saved(book)


def merged_header():
    """A workbook with a title over both columns."""
    book = openpyxl.Workbook()
    book.active["A1"] = "一个标题"
    book.active.merge_cells("A1:B1")
    book.active.append(["code", "name"])
    book.active.append(["007", "x"])
    return saved(book)


def workbook_of_many_texts():
    """A workbook that says of itself that it holds four thousand million texts."""
    content, source = io.BytesIO(), zipfile.ZipFile(io.BytesIO(workbook_with_formulas()))
    with zipfile.ZipFile(content, "w") as archive:
        for name in source.namelist():
            part = source.read(name)
            if name.endswith("sharedStrings.xml"):
                part = re.sub(rb'uniqueCount="\d+"', b'uniqueCount="4000000000"', part)
            archive.writestr(name, part)
    return content.getvalue()


def damaged_parquet():
    """A Parquet file whose footer is sound and whose only page is not."""
    content = bytearray(_parquet({"code": pyarrow.array([1, 2**63 - 1], pyarrow.uint64())}))
    content[4:8] = b"\xff" * 4
    return bytes(content)


def zip_bomb():
    """A GiB of the digit 0 in one cell, packed piece by piece."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        with archive.open("t.csv", "w", force_zip64=True) as text:
            text.write(b"code,name\n007,")
            for _ in range(1024):
                text.write(b"0" * (1 << 20))
            text.write(b"\n")
    return packed.getvalue()


# Readers: each gives the rows of a file as cells, which `values` turns into values.

_DUCKDB = {
    "string": "VARCHAR",
    "integer": "BIGINT",
    "number": "DOUBLE",
    "boolean": "BOOLEAN",
    "date": "DATE",
    "datetime": "TIMESTAMP",
    "json": "JSON",
}


def _duckdb_types(types):
    return {name: f"DECIMAL(38, {kind[8:]})" if kind.startswith("decimal") else _DUCKDB[kind] for name, kind in types.items()}


def by_duckdb(path, types, **options):
    """CSV as DuckDB reads it, which makes the values itself."""
    settings = {"header": True, "auto_detect": False, "parallel": False, "quote": '"', "escape": '"', "delim": ",", **options}
    named = "".join(f", {name} = ${name}" for name in settings)
    query = f"select * from read_csv($path, columns = $columns{named})"
    return duckdb.connect().execute(query, {"path": str(path), "columns": _duckdb_types(types), **settings}).fetchall()


def by_duckdb_json(path, types):
    """A JSON array as DuckDB reads it."""
    query = "select * from read_json($path, format = 'array', columns = $columns)"
    return duckdb.connect().execute(query, {"path": str(path), "columns": _duckdb_types(types)}).fetchall()


def by_pandas(path, _types, **options):
    """CSV as pandas reads it."""
    return pandas.read_csv(path, dtype=str, keep_default_na=False, **options).to_numpy().tolist()


def by_polars(path, _types, **options):
    """CSV as Polars reads it."""
    return polars.read_csv(path, infer_schema=False, **options).rows()


def by_polars_parquet(path, _types):
    """Parquet as Polars reads it."""
    return polars.read_parquet(path).rows()


def by_duckdb_parquet(path, _types):
    """Parquet as DuckDB reads it."""
    return duckdb.connect().execute("select * from read_parquet($path)", {"path": str(path)}).fetchall()


def by_openpyxl(path, _types):
    """A workbook as openpyxl reads it, with the stored values of formulas."""
    rows = openpyxl.load_workbook(path, data_only=True).active.iter_rows(min_row=2, values_only=True)
    return list(rows)


def by_python_json(path, types):
    """NDJSON as Python reads it, with every digit: DuckDB, pandas and Polars read decimals as doubles."""
    records = [load_json(line) for line in path.read_text(encoding="utf-8").split("\n") if line]
    return [[record.get(name) for name in types] for record in records]


def by_shapely(path, types):
    """A feature collection as Python and shapely read it."""
    features = json.loads(path.read_text(encoding="utf-8"))["features"]
    names = [name for name in types if name != "geometry"]
    return [[*(feature["properties"].get(name) for name in names), feature["geometry"]] for feature in features]
