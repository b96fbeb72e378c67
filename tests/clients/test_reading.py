"""Open datasets as data tools read them: every format holds what the source holds."""

import io
import urllib.parse

import pandas
import polars
import pyarrow
import pyarrow.ipc
import pyarrow.parquet
import pytest

import duck
from tables import assert_same_rows, parse_csv, parse_json, text_of, texts

ARROW_TYPES = {
    "string": pyarrow.string(),
    "integer": pyarrow.int64(),
    "decimal": pyarrow.decimal128(18, 2),
    "number": pyarrow.float64(),
    "boolean": pyarrow.bool_(),
    "date": pyarrow.date32(),
    "datetime": pyarrow.timestamp("us"),
}

JSON_TYPES = {"string": str, "date": str, "datetime": str, "integer": int, "boolean": bool}


def address(service, slug, file_format):
    """Where the file is."""
    return f"{service.url}/api/v1/datasets/{slug}/download?" + urllib.parse.urlencode({"format": file_format})


def test_the_list_names_every_open_dataset(anyone, sources):
    listed = list(anyone.items("/api/v1/datasets", open_type="unconditional", limit=2))
    assert [item["slug"] for item in listed] == sorted(sources)
    for item in listed:
        detail = anyone.get(f"/api/v1/datasets/{item['slug']}").json()
        assert detail["rows"] == len(sources[item["slug"]].table[1])
        assert {download["format"] for download in detail["downloads"]} == {"parquet", "csv", "ndjson", "json", "arrow", "xlsx"}
        for download in detail["downloads"]:
            assert anyone.call("HEAD", download["href"]).headers["Content-Length"] != "0"


def test_csv_is_the_source(open_file, sources, slug):
    header, rows = parse_csv(open_file(slug, "csv"))
    expected_header, expected_rows = sources[slug].table
    assert header == expected_header
    assert_same_rows(rows, expected_rows)


def test_pyarrow_reads_the_same_rows(open_file, sources, slug):
    table = pyarrow.parquet.read_table(io.BytesIO(open_file(slug, "parquet")))
    header, rows = sources[slug].table
    assert table.column_names == header
    assert_same_rows(texts(zip(*table.to_pydict().values())), rows)


def test_pyarrow_reads_the_arrow_stream(open_file, sources, slug):
    with pyarrow.ipc.open_stream(io.BytesIO(open_file(slug, "arrow"))) as stream:
        table = stream.read_all()
    header, rows = sources[slug].table
    assert table.column_names == header
    assert_same_rows(texts(zip(*table.to_pydict().values())), rows)


def test_parquet_has_the_declared_types(open_file, sources, slug):
    schema = pyarrow.parquet.read_schema(io.BytesIO(open_file(slug, "parquet")))
    expected = {name: ARROW_TYPES[kind] for name, kind in sources[slug].types.items()}
    assert dict(zip(schema.names, schema.types)) == expected


@pytest.mark.parametrize(
    ("slug_of_codes", "code"), [("xuhui-residents-committees", "310104003001"), ("client-samples", "000000000007")]
)
def test_codes_remain_text(service, open_file, slug_of_codes, code):
    content = open_file(slug_of_codes, "parquet")
    by_pyarrow = pyarrow.parquet.read_table(io.BytesIO(content), columns=["code"])["code"].to_pylist()
    by_pandas = pandas.read_parquet(io.BytesIO(content), columns=["code"])["code"].to_list()
    by_polars = polars.read_parquet(io.BytesIO(content), columns=["code"])["code"].to_list()
    query = "select code from read_parquet(?)"
    by_duckdb = [row[0] for row in duck.connect().execute(query, [address(service, slug_of_codes, "parquet")]).fetchall()]
    for codes in [by_pyarrow, by_pandas, by_polars, by_duckdb]:
        assert code in codes
        assert {(type(value), len(value)) for value in codes} == {(str, 12)}


def test_pandas_reads_csv_from_the_address(service, sources, slug):
    # Without type guessing by the client, as codes would lose their zeros there.
    frame = pandas.read_csv(address(service, slug, "csv"), dtype=str, keep_default_na=False)
    header, rows = sources[slug].table
    assert list(frame.columns) == header
    assert_same_rows(frame.to_numpy().tolist(), rows)


def test_polars_reads_parquet(open_file, sources, slug):
    frame = polars.read_parquet(io.BytesIO(open_file(slug, "parquet")))
    header, rows = sources[slug].table
    assert frame.columns == header
    assert_same_rows(texts(frame.rows()), rows)


def test_duckdb_reads_parquet_from_the_address(service, sources, slug):
    relation = duck.connect().execute("select * from read_parquet(?)", [address(service, slug, "parquet")])
    header, rows = sources[slug].table
    assert [column[0] for column in relation.description] == header
    assert_same_rows(texts(relation.fetchall()), rows)


def test_duckdb_reads_csv_from_the_address(service, sources, slug):
    query = "select * from read_csv(?, header = true, all_varchar = true)"
    relation = duck.connect().execute(query, [address(service, slug, "csv")])
    header, rows = sources[slug].table
    assert [column[0] for column in relation.description] == header
    assert_same_rows(texts(relation.fetchall()), rows)


@pytest.mark.parametrize("file_format", ["ndjson", "json"])
def test_json_agrees_with_csv(open_file, sources, slug, file_format):
    text = open_file(slug, file_format).decode("utf-8")
    # Not splitlines(), which also breaks at characters that JSON allows inside of a text.
    objects = parse_json(text) if file_format == "json" else [parse_json(line) for line in text.removesuffix("\n").split("\n")]
    header, rows = sources[slug].table
    assert all(list(item) == header for item in objects)
    assert_same_rows([[text_of(value) for value in item.values()] for item in objects], rows)
    for name, kind in sources[slug].types.items():
        if kind in JSON_TYPES:
            assert {type(item[name]) for item in objects} <= {JSON_TYPES[kind], type(None)}
