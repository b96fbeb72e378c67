"""CKAN's own client, `ckanapi`, as a library and as a command: every dataset of the list, by list, by search and by dump; and every row of
the datastore, compared with the CSV download and with what pandas computes of it."""

import csv
import decimal
import io
import json
import os
import pathlib
import subprocess
import sys

import ckanapi
import pandas
import pytest
import requests

import api
import samples
import tables

PATH = "/ckan"


@pytest.fixture(scope="module")
def listed(service):
    """The datasets of the list by slug, as our own API tells them."""
    found = {item["slug"]: item for item in api.Api(service.url).items("/api/v1/datasets")}
    assert set(found) > set(tables.shipped_sources("unconditional"))
    return found


@pytest.fixture(scope="module")
def ckan(service):
    with ckanapi.RemoteCKAN(service.url + PATH) as remote:
        yield remote


def command(service, *arguments):
    """What the command answers; it starts itself again by its name."""
    folder = pathlib.Path(sys.executable).parent
    environment = {**os.environ, "PATH": f"{folder}{os.pathsep}{os.environ.get('PATH', '')}"}
    line = [folder / "ckanapi", *arguments, "-r", service.url + PATH]
    ended = subprocess.run(line, env=environment, capture_output=True, text=True, timeout=120)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def test_dump_has_every_dataset(service, listed):
    dumped = [json.loads(line) for line in command(service, "dump", "datasets", "--all").splitlines()]
    assert sorted(package["name"] for package in dumped) == sorted(listed)
    for package in dumped:
        assert package["title_translated"] == listed[package["name"]]["title"]
        assert package["owner_org"] == listed[package["name"]]["publisher"]


def test_search_has_every_dataset(service, listed):
    found = [json.loads(line) for line in command(service, "search", "datasets").splitlines()]
    assert sorted(package["name"] for package in found) == sorted(listed)


def test_dump_has_every_body_and_every_theme(service):
    ours = api.Api(service.url)
    for things, path in (("organizations", "publishers"), ("groups", "themes")):
        dumped = {json.loads(line)["name"] for line in command(service, "dump", things, "--all").splitlines()}
        assert dumped == {item["slug"] for item in ours.get(f"/api/v1/{path}").json()["items"]}


def test_pages_of_a_search_have_every_dataset_once(ckan, listed):
    names = []
    while page := ckan.action.package_search(q="*:*", sort="id asc", rows=2, start=len(names))["results"]:
        names += [package["name"] for package in page]
    assert sorted(names) == sorted(listed)


def test_filters_and_counts_agree_with_the_list(ckan, listed):
    found = ckan.action.package_search(rows=0, **{"facet.field": ["organization", "groups"]})
    assert found["count"] == len(listed)
    for name, field in (("organization", "publisher"), ("groups", "theme")):
        for value, count in found["facets"][name].items():
            expected = sorted(slug for slug, item in listed.items() if item[field] == value)
            assert len(expected) == count
            inside = ckan.action.package_search(fq=f"{name}:{value}", rows=1000)["results"]
            assert sorted(package["name"] for package in inside) == expected
            outside = ckan.action.package_search(fq=f"-{name}:{value}", rows=0)["count"]
            assert outside == len(listed) - count


def test_what_there_is_not_is_told_as_ckan_does(ckan):
    with pytest.raises(ckanapi.NotFound):
        ckan.action.package_show(id="none-of-that-name")
    with pytest.raises(ckanapi.SearchQueryError):
        ckan.action.package_search(fq="colour:red")
    with pytest.raises(ckanapi.ValidationError):
        ckan.action.package_show()
    with pytest.raises(ckanapi.CKANAPIError):
        ckan.action.package_delete(id="working-calendar")


def test_resources_lead_to_the_data(ckan):
    for slug in tables.shipped_sources("unconditional"):
        for resource in ckan.action.package_show(id=slug)["resources"]:
            assert ckan.action.resource_show(id=resource["id"]) == resource
            assert requests.head(resource["url"], timeout=api.SECONDS).status_code == 200


def resource_of(ckan, slug):
    """The one resource of a dataset that the datastore answers."""
    [active] = [resource for resource in ckan.action.package_show(id=slug)["resources"] if resource["datastore_active"]]
    assert active["format"] == "CSV"
    return active["id"]


def pages(ckan, resource, **parameters):
    """All pages, by `next_page` put over the filters."""
    filters = parameters.pop("filters", {})
    while True:
        page = ckan.action.datastore_search(resource_id=resource, filters=filters, **parameters)
        yield page
        if "next_page" not in page:
            return
        filters = {**filters, **page["next_page"]}


def test_every_row_comes_once_by_next_page(ckan, slug, open_file):
    header, wanted = tables.parse_csv(open_file(slug, "csv"))
    resource = resource_of(ckan, slug)
    rows, totals = [], []
    for page in pages(ckan, resource, limit=32_000, records_format="csv"):
        assert [field["id"] for field in page["fields"]] == ["_id", *header]
        totals.append(page["total"] + len(rows))
        rows += csv.reader(io.StringIO(page["records"], newline=""))
    tables.assert_same_rows(rows, [[str(number), *row] for number, row in enumerate(wanted, start=1)])
    assert set(totals) == {len(wanted)}


def test_every_row_comes_once_by_offset(ckan, slug, open_file):
    header, wanted = tables.parse_csv(open_file(slug, "csv"))
    resource, records = resource_of(ckan, slug), []
    # As clients of all versions of CKAN do: until a page has no rows.
    while page := ckan.action.datastore_search(resource_id=resource, limit=20_000, offset=len(records))["records"]:
        records += page
    assert [record["_id"] for record in records] == list(range(1, len(wanted) + 1))
    assert all(list(record) == ["_id", *header] for record in records)
    texts = [name for name, value in tables_types(ckan, resource).items() if value == "text"]
    places = [header.index(name) for name in texts]
    got = [["" if record[name] is None else record[name] for name in texts] for record in records]
    tables.assert_same_rows(got, [[row[place] for place in places] for row in wanted])


def tables_types(ckan, resource):
    """CKAN's type of each column."""
    info = ckan.action.datastore_info(id=resource)
    return {field["id"]: field["type"] for field in info["fields"]}


def test_links_lead_to_the_last_row(service, ckan):
    link, numbers = f"/ckan/api/3/action/datastore_search?resource_id={resource_of(ckan, samples.SLUG)}&limit=30000&fields=_id", []
    while True:
        page = requests.get(service.url + link, timeout=api.SECONDS).json()["result"]
        if not page["records"]:
            break
        numbers += [record["_id"] for record in page["records"]]
        link = page["_links"]["next"]
    assert numbers == list(range(1, samples.ROWS + 1))


@pytest.fixture(scope="module")
def frame(open_file):
    """The generated dataset in pandas, with the number of each row."""
    types = {"code": str, "serial": "Int64", "amount": float, "ratio": float, "active": str, "day": str, "moment": str, "note": str}
    missing = {name: [""] for name in ("serial", "amount", "ratio")}
    read = pandas.read_csv(io.BytesIO(open_file(samples.SLUG, "csv")), dtype=types, keep_default_na=False, na_values=missing)
    read.index += 1
    return read


def test_the_dump_is_what_pandas_reads_of_the_download(service, ckan, frame):
    url = f"{service.url}/ckan/datastore/dump/{resource_of(ckan, samples.SLUG)}"
    for kind, separator in (("csv", ","), ("tsv", "\t")):
        dumped = pandas.read_csv(f"{url}?format={kind}&bom=true", sep=separator, index_col="_id", dtype={"code": str, "note": str}, keep_default_na=False)
        assert list(dumped.index) == list(frame.index)
        assert list(dumped["code"]) == list(frame["code"])
        assert list(dumped["note"]) == list(frame["note"])
    answer = requests.get(f"{url}?format=json", timeout=api.SECONDS)
    document = json.loads(answer.content, parse_float=decimal.Decimal)
    assert [field["id"] for field in document["fields"]] == ["_id", *samples.FIELDS]
    assert [row[1] for row in document["records"]] == list(frame["code"])
    wanted = [None if pandas.isna(value) else decimal.Decimal(f"{value:.2f}") for value in frame["amount"]]
    assert [row[3] for row in document["records"]] == wanted
    few = pandas.read_xml(io.BytesIO(requests.get(f"{url}?format=xml&limit=100", timeout=api.SECONDS).content), parser="etree", dtype={"code": str})
    assert list(few["_id"]) == list(range(1, 101))
    assert list(few["code"]) == list(frame["code"][:100])


def numbers_of(ckan, **parameters):
    """The numbers of all rows that match."""
    resource = resource_of(ckan, samples.SLUG)
    return [row[0] for page in pages(ckan, resource, limit=32_000, fields="_id", records_format="lists", **parameters) for row in page["records"]]


def test_filters_are_what_pandas_computes(ckan, frame):
    serial, ratio = frame["serial"], frame["ratio"]
    cases = [
        ({"active": True}, frame["active"] == "true"),
        ({"active": "false", "serial": {"gte": 0, "lt": 10_000_000}}, (frame["active"] == "false") & (serial >= 0) & (serial < 10_000_000)),
        ({"serial": 2**53 + 1}, serial == 2**53 + 1),
        ({"ratio": {"gt": 900.125}}, ratio > 900.125),
        ({"day": {"lte": "2000-01-31"}}, (frame["day"] <= "2000-01-31") & (frame["day"] != "")),
        ({"moment": {"gt": "2031-09-01T00:00:00"}}, frame["moment"] > "2031-09-01T00:00:00"),
        ({"note": ["NaN", "徐汇区", "two\nlines"]}, frame["note"].isin(["NaN", "徐汇区", "two\nlines"])),
        ({"serial": None}, serial.isna()),
        ({"$or": [{"code": "000000000007"}, {"_id": {"gt": samples.ROWS - 2}}]}, (frame["code"] == "000000000007") | (frame.index > samples.ROWS - 2)),
        ({"$and": [{"amount": {"gte": "99999.00"}}, {"_id": {"lte": 200_000}}]}, (frame["amount"] >= 99999) & (frame.index <= 200_000)),
        ({"_id": {"gt": 100_000, "lte": 140_000}, "active": True}, (frame["active"] == "true") & (frame.index > 100_000) & (frame.index <= 140_000)),
    ]
    for filters, mask in cases:
        wanted = list(frame.index[mask.fillna(False)])
        assert numbers_of(ckan, filters=filters) == wanted, filters
        total = ckan.action.datastore_search(resource_id=resource_of(ckan, samples.SLUG), filters=filters, limit=0)["total"]
        assert total == len(wanted), filters


def test_words_are_what_pandas_finds(ckan, frame):
    def wanted(word, columns):
        return frame[columns].apply(lambda column: column.str.contains(word, case=False, regex=False)).any(axis=1)

    assert numbers_of(ckan, q={"note": "AB12"}) == list(frame.index[wanted("ab12", ["note"])])
    assert numbers_of(ckan, q={"note": "ab1", "code": "00001"}) == list(frame.index[wanted("ab1", ["note"]) & wanted("00001", ["code"])])
    assert numbers_of(ckan, q={"note": "徐汇"}) == list(frame.index[wanted("徐汇", ["note"])])


def test_orders_are_what_pandas_sorts(ckan, frame):
    resource = resource_of(ckan, samples.SLUG)

    def first(sort, offset=0):
        return [row[0] for row in ckan.action.datastore_search(resource_id=resource, sort=sort, offset=offset, limit=2_000, fields="_id", records_format="lists")["records"]]

    for sort, columns, ascending, missing in (
        ("serial", ["serial"], [True], "last"),
        ("serial desc", ["serial"], [False], "first"),
        ("serial desc nulls last", ["serial"], [False], "last"),
        ("ratio desc nulls last, serial", ["ratio", "serial"], [False, True], "last"),
        ("code desc", ["code"], [False], "last"),
    ):
        ordered = frame.assign(_id=frame.index).sort_values([*columns, "_id"], ascending=[*ascending, True], na_position=missing)
        assert first(sort) == list(ordered.index[:2_000]), sort
        assert first(sort, 5_000) == list(ordered.index[5_000:7_000]), sort
    distinct = ckan.action.datastore_search(resource_id=resource, fields=["day"], distinct=True, sort="day", limit=32_000)
    days = sorted(set(frame["day"]) - {""})
    assert [record["day"] for record in distinct["records"]] == [*days, None]


def test_sql_is_what_pandas_sums(ckan, frame):
    resource = resource_of(ckan, samples.SLUG)
    sql = f'SELECT active, count(*) AS rows, max("_id") AS last FROM "{resource}" WHERE active IS NOT NULL GROUP BY active ORDER BY active'
    for record in ckan.action.datastore_search_sql(sql=sql)["records"]:
        mask = frame["active"] == ("true" if record["active"] else "false")
        assert (record["rows"], record["last"]) == (mask.sum(), frame.index[mask].max())


def test_what_the_datastore_has_not_is_told_as_ckan_does(ckan):
    resource = resource_of(ckan, samples.SLUG)
    search = ckan.action.datastore_search
    for wrong in ({"filters": "{nothing"}, {"filters": {"nothing": 1}}, {"sort": "nothing"}, {"limit": "many"}, {"q": '"*)(' * 2_500}, {"fields": "a\0"}):
        with pytest.raises(ckanapi.ValidationError):
            search(resource_id=resource, **wrong)
    with pytest.raises(ckanapi.NotFound):
        search(resource_id="none")
    [closed] = [resource for resource in ckan.action.package_show(id=api.CONDITIONAL)["resources"] if resource["format"] == "CSV"]
    assert not closed["datastore_active"]
    for ask in (lambda: search(resource_id=closed["id"]), lambda: ckan.action.datastore_search_sql(sql=f'SELECT 1 AS one FROM "{closed["id"]}"')):
        with pytest.raises(ckanapi.NotAuthorized):
            ask()
