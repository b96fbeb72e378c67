"""Rows page by page: every row once, in order, with the true total; queries as DuckDB answers them over the source."""

import pytest

import samples
from tables import assert_same_rows, in_duckdb, parse_json, texts

LIMIT = 100

# (slug, select, where, order_by); the conditions are also DuckDB's, and a `-` stands for descending order.
QUERIES = [
    ("working-calendar", None, "kind = 'workday' and date >= '2010-01-01'", ["-date"]),
    ("working-calendar", None, None, ["name_zh"]),
    ("working-calendar", None, "name_en = 'New Year''s Day' or name_en ilike '%FESTIVAL'", ["name_en", "-date"]),
    (
        "working-calendar",
        ["date", "name_en"],
        "not (name_en like '%Day%' or date between '2015-01-01' and '2019-12-31')",
        ["-kind", "-date"],
    ),
    (
        "xuhui-residents-committees",
        None,
        "name like '%一%' or subdistrict_code in ('310104010', '310104011')",
        ["-subdistrict_name"],
    ),
    ("xuhui-residents-committees", ["name"], None, ["-subdistrict_code", "name"]),
    ("ai-policy-measures", None, "target_value is null or target_value >= 100", ["-target_value", "article"]),
    ("shanghai-districts", None, "code <> '310104'", None),
    # Across the border of two row groups, in the order of the file.
    (samples.SLUG, None, "code >= '000000261900' and code < '000000262400'", None),
    (samples.SLUG, None, "amount > 99500.5 and active", ["-amount", "code"]),
    (samples.SLUG, ["code", "moment", "note"], "moment < '2000-01-20T12:30:00' and note is not null", ["-moment"]),
    (
        samples.SLUG,
        ["serial", "code"],
        "serial >= 9007199254740993 or serial = -9223372036854775808 or ratio = 0.125",
        ["serial", "-code"],
    ),
    (samples.SLUG, None, "note is null and day < '2001-01-01'", ["day"]),
    (samples.SLUG, None, "code = 'no such code'", None),
]


def pages(caller, slug, **parameters):
    """The pages of a query, following the cursor."""
    parameters = {name: value for name, value in parameters.items() if value is not None}
    while True:
        # The text and not the parsed answer, so that numbers keep every digit.
        page = parse_json(caller.get(f"/api/v1/datasets/{slug}/rows", params={"limit": LIMIT, **parameters}).text)
        yield page
        if page["next_cursor"] is None:
            return
        parameters["cursor"] = page["next_cursor"]


def read_all(caller, slug, **parameters):
    """All rows of a query as text, once every page is in order by itself."""
    found = list(pages(caller, slug, **parameters))
    rows = [row for page in found for row in page["rows"]]
    assert {page["total"] for page in found} == {len(rows)}
    assert all(len(page["rows"]) == LIMIT for page in found[:-1])
    assert 0 < len(found[-1]["rows"]) <= LIMIT or not rows
    names = [field["name"] for field in found[0]["fields"]]
    assert all(list(row) == names for row in rows)
    return names, texts(row.values() for row in rows)


def duckdb_answer(source, select, where, order_by):
    """The same query by DuckDB over the source: missing values come last, and all other fields decide between equal rows."""
    names = [name.removeprefix("-") for name in order_by or []]
    terms = [f"{name.removeprefix('-')} {'desc' if name.startswith('-') else 'asc'} nulls last" for name in order_by or []]
    # Without an order it is that of the file.
    terms += [f"{name} asc nulls last" for name in source.types if name not in names] if names else ["rowid"]
    query = f"select {', '.join(select or source.types)} from source where {where or 'true'} order by {', '.join(terms)}"
    return texts(in_duckdb(source).execute(query).fetchall())


@pytest.mark.parametrize("whole", ["working-calendar", "xuhui-residents-committees", "ai-policy-measures", "xuhui-subdistricts"])
def test_paging_gives_every_row_once_and_in_order(anyone, sources, whole):
    header, rows = sources[whole].table
    names, found = read_all(anyone, whole)
    assert names == header
    assert_same_rows(found, rows)


@pytest.mark.parametrize(("of", "select", "where", "order_by"), QUERIES)
def test_queries_give_what_duckdb_gives(anyone, sources, of, select, where, order_by):
    parameters = {"select": select and ",".join(select), "where": where, "order_by": order_by and ",".join(order_by)}
    names, found = read_all(anyone, of, **parameters)
    assert names == (select or list(sources[of].types))
    assert_same_rows(found, duckdb_answer(sources[of], select, where, order_by))


def test_both_ways_to_ask_for_descending_order_are_the_same(anyone):
    minus, word = (read_all(anyone, "working-calendar", order_by=text) for text in ("-kind,date", "kind desc, date asc"))
    assert minus == word


def test_a_cursor_belongs_to_its_query(anyone):
    first = next(pages(anyone, "working-calendar"))
    path = "/api/v1/datasets/working-calendar/rows"
    problem = anyone.get(path, 400, params={"cursor": first["next_cursor"], "where": "kind = 'workday'"}).json()
    assert problem["type"] == "/problems/invalid-value"
    assert [error["pointer"] for error in problem["errors"]] == ["cursor"]
