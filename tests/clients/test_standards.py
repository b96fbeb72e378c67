"""How others know the datasets: catalogues, search engines, data tools and readers of news, each by a program made for its standard."""

import collections
import datetime
import hashlib
import html
import importlib
import io
import logging
import subprocess
import sys
import urllib.parse
import xml.etree.ElementTree as ElementTree

import extruct
import feedparser
import frictionless
import pytest
import rdflib
import requests
from rdflib.compare import isomorphic
from rdflib.namespace import DCTERMS

import api
import dcat_ap
import dcat_us
import mqa
import tables
from dcat_ap import DCAT, SPDX
from service import Service, binary
from standards import (
    AWKWARD,
    COLLECTION,
    DESCRIPTION,
    HYDRA,
    PLACES,
    SYNTAXES,
    TABLE_TYPES,
    TITLE,
    alternates_of,
    as_list,
    description,
    instances,
    markdown_links,
    media_type,
    of_type,
    page_in,
    plain,
    read_graph,
    read_page,
    scripts_of,
    varies_by,
    without_page,
    words_of,
    write_folder,
)

CONTACT = "opendata@example.org"
LANGUAGES = ["zh", "en"]
UNCONDITIONAL = [*tables.shipped_sources("unconditional"), AWKWARD, PLACES]
(CONDITIONAL,) = tables.shipped_sources("conditional")
(CLOSED,) = [path.parent.name for path in tables.CLOSED.glob("*/dataset.toml")]

ACCESS_RIGHTS = {"unconditional": "PUBLIC", "conditional": "RESTRICTED", "closed": "NON_PUBLIC"}

SITEMAP = "{http://www.sitemaps.org/schemas/sitemap/0.9}"
ATOM = "{http://www.w3.org/2005/Atom}"


class Reader:
    """Someone who reads addresses, and remembers which of them answer."""

    def __init__(self, base):
        self.base = base
        self.api = api.Api(base)
        self.statuses = {}

    def get(self, address, accept="*/*", status=200):
        """The answer of an address, or of a path; it leads nowhere else."""
        address = urllib.parse.urljoin(self.base, address)
        answer = requests.get(address, headers={"Accept": accept}, allow_redirects=False, timeout=api.SECONDS)
        assert answer.status_code == status, f"{address} as {accept}: {answer.status_code} {answer.text[:2000]}"
        return answer

    def status(self, address):
        """What an address answers, asked once; it may lead elsewhere."""
        if address not in self.statuses:
            with requests.get(address, stream=True, timeout=api.SECONDS) as answer:
                self.statuses[address] = answer.status_code
        return self.statuses[address]

    def page_of(self, slug):
        """The address of a dataset, which is also its name."""
        return f"{self.base}/datasets/{slug}"

    def graphs(self, path):
        """The pages of a catalogue from a path on, as the catalogue says which one is next."""
        address = self.base + path
        while address:
            graph = read_graph(self.get(address))
            yield graph
            following = list(graph.objects(page_in(graph), HYDRA.next))
            assert len(following) <= 1
            address = str(following[0]) if following else None


@pytest.fixture(scope="module")
def reader(tmp_path_factory):
    """A reader of a service with the shipped datasets, a closed one and those of `standards`, and with an address for those who give none."""
    running = Service(binary(), tmp_path_factory.mktemp("standards"), {"QINGDAN_CONTACT_EMAIL": CONTACT})
    for folder in [tables.DATASETS, tables.CLOSED, write_folder(tmp_path_factory.mktemp("entries"))]:
        running.run("import", folder)
    running.start()
    found = Reader(running.url)
    # Every file is made beforehand, as descriptions say more of one that is there.
    for item in found.api.items("/api/v1/datasets", open_type="unconditional"):
        for download in found.api.get(f"/api/v1/datasets/{item['slug']}").json()["downloads"]:
            found.api.call("HEAD", download["href"])
    yield found
    running.stop()


@pytest.fixture(scope="module")
def details(reader):
    """Each dataset as the API shows it."""
    slugs = [item["slug"] for item in reader.api.items("/api/v1/datasets")]
    return {slug: reader.api.get(f"/api/v1/datasets/{slug}").json() for slug in slugs}


@pytest.fixture(scope="module")
def catalog(reader):
    """The whole catalogue."""
    return read_graph(reader.get("/catalog.ttl"))


def problem_of(answer):
    """The problem that an answer is."""
    assert media_type(answer) == "application/problem+json"
    return answer.json()


# The catalogue (DCAT-AP 3).


def test_every_syntax_says_the_same(reader, catalog):
    for suffix in SYNTAXES:
        answer = reader.get(f"/catalog.{suffix}")
        assert media_type(answer) == SYNTAXES[suffix][0]
        assert isomorphic(without_page(read_graph(answer)), without_page(catalog)), suffix


def test_the_catalog_has_every_dataset(reader, catalog, details):
    total = reader.api.get("/api/v1/datasets").json()["total"]
    assert instances(catalog, DCAT.Catalog) == {f"{reader.base}/catalog"}
    assert instances(catalog, DCAT.Dataset) == {reader.page_of(slug) for slug in details}
    assert len(details) == total == int(catalog.value(page_in(catalog), HYDRA.totalItems))
    for slug, detail in details.items():
        rights = catalog.value(rdflib.URIRef(reader.page_of(slug)), DCTERMS.accessRights)
        assert str(rights) == f"{mqa.ACCESS_RIGHTS}{ACCESS_RIGHTS[detail['open_type']]}", slug


def expected_distributions(reader, detail):
    """The distributions of a dataset by their names, each with where it gives access."""
    page = reader.page_of(detail["slug"])
    match detail["open_type"]:
        case "unconditional":
            files = {f"{page}#{download['format']}": reader.base + download["href"] for download in detail["downloads"]}
            return files | ({f"{page}#archive": reader.base + detail["archive"]} if "archive" in detail else {})
        case "conditional":
            return {f"{page}#parquet": page, f"{page}#csv": page}
        case _:
            return {}


def test_the_catalog_has_every_file(reader, catalog, details):
    expected = {slug: expected_distributions(reader, detail) for slug, detail in details.items()}
    assert f"{reader.page_of(COLLECTION)}#archive" in expected[COLLECTION]
    assert f"{reader.page_of(PLACES)}#geojson" in expected[PLACES]
    assert instances(catalog, DCAT.Distribution) == {name for files in expected.values() for name in files}
    for slug, files in expected.items():
        named = catalog.objects(rdflib.URIRef(reader.page_of(slug)), DCAT.distribution)
        assert {str(name) for name in named} == set(files)
        for name, address in files.items():
            assert {str(found) for found in catalog.objects(rdflib.URIRef(name), DCAT.accessURL)} == {address}


def test_a_download_is_of_the_version_that_is_described(reader, catalog, details):
    for slug, detail in details.items():
        for name in expected_distributions(reader, detail):
            (address,) = catalog.objects(rdflib.URIRef(name), DCAT.downloadURL)
            if slug == CONDITIONAL:
                assert reader.status(str(address)) == 401
                continue
            query = urllib.parse.parse_qs(urllib.parse.urlsplit(address).query)
            assert query["version"] == [str(detail["version"])], name
            assert reader.status(str(address)) == 200, name


@pytest.mark.parametrize("open_slug", UNCONDITIONAL)
def test_size_and_checksum_are_those_of_the_file(reader, catalog, open_slug):
    parquet = rdflib.URIRef(f"{reader.page_of(open_slug)}#parquet")
    content = reader.get(str(catalog.value(parquet, DCAT.downloadURL))).content
    checksum = catalog.value(parquet, SPDX.checksum)
    assert int(catalog.value(parquet, DCAT.byteSize)) == len(content)
    assert catalog.value(checksum, SPDX.algorithm) == SPDX.checksumAlgorithm_sha256
    assert str(catalog.value(checksum, SPDX.checksumValue)).lower() == hashlib.sha256(content).hexdigest()


def test_the_catalog_has_what_dcat_ap_demands(catalog):
    assert dcat_ap.mandatory(catalog) == []


@pytest.mark.parametrize("suffix", SYNTAXES)
def test_pages_of_the_catalog_give_every_dataset_once(reader, catalog, details, suffix):
    pages = list(reader.graphs(f"/catalog.{suffix}?limit=2"))
    found = [dataset for graph in pages for dataset in sorted(instances(graph, DCAT.Dataset))]
    assert [len(instances(graph, DCAT.Dataset)) for graph in pages[:-1]] == [2] * (len(pages) - 1)
    assert 1 <= len(instances(pages[-1], DCAT.Dataset)) <= 2
    assert collections.Counter(found) == collections.Counter(reader.page_of(slug) for slug in details)
    for graph in pages:
        page = page_in(graph)
        assert isomorphic(read_graph(reader.get(str(page))), graph), "a page is named by an address of its own"
        assert (int(graph.value(page, HYDRA.totalItems)), int(graph.value(page, HYDRA.itemsPerPage))) == (len(details), 2)
        first = read_graph(reader.get(str(graph.value(page, HYDRA.first))))
        assert instances(first, DCAT.Dataset) == instances(pages[0], DCAT.Dataset)
        assert dcat_ap.mandatory(graph) == []
        for dataset in instances(graph, DCAT.Dataset):
            assert isomorphic(description(graph, dataset), description(catalog, dataset)), dataset


def test_the_catalog_answers_in_the_syntax_that_is_asked_for(reader, catalog):
    cases = {name: name for name, _ in SYNTAXES.values()} | {
        None: "application/ld+json",
        "*/*": "application/ld+json",
        "text/turtle;q=0.2, application/rdf+xml;q=0.9": "application/rdf+xml",
    }
    for accept, expected in cases.items():
        answer = reader.get("/catalog", accept)
        assert (media_type(answer), "accept" in varies_by(answer)) == (expected, True), accept
        assert isomorphic(without_page(read_graph(answer)), without_page(catalog)), accept


@pytest.mark.parametrize("moment", ["2999-01-01", "2999-01-01T00:00:00Z"])
def test_nothing_was_modified_in_the_future(reader, moment):
    for suffix in SYNTAXES:
        (graph,) = reader.graphs(f"/catalog.{suffix}?modified_since={moment}")
        assert instances(graph, DCAT.Dataset) == set()
        assert instances(graph, DCAT.Distribution) == set()


def test_everything_was_modified_since_the_past(reader, details):
    (graph,) = reader.graphs("/catalog.ttl?modified_since=2001-01-01")
    assert instances(graph, DCAT.Dataset) == {reader.page_of(slug) for slug in details}


@pytest.mark.parametrize(("parameter", "value"), [("modified_since", "yesterday"), ("limit", "0"), ("cursor", "none of ours")])
def test_a_malformed_parameter_is_named(reader, parameter, value):
    for suffix in SYNTAXES:
        problem = problem_of(reader.get(f"/catalog.{suffix}?{urllib.parse.urlencode({parameter: value})}", status=400))
        assert [error["pointer"] for error in problem["errors"]] == [parameter]


# One dataset.


def test_a_dataset_is_described_as_in_the_catalog(reader, catalog, details):
    for slug in details:
        dataset = reader.page_of(slug)
        for suffix, (name, _) in SYNTAXES.items():
            answer = reader.get(f"/datasets/{slug}.{suffix}")
            graph = read_graph(answer)
            assert media_type(answer) == name
            assert instances(graph, DCAT.Dataset) >= {dataset}
            assert isomorphic(description(graph, dataset), description(catalog, dataset)), (slug, suffix)
            assert dcat_ap.mandatory(graph) == []


BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        (None, "text/html"),
        ("*/*", "text/html"),
        (BROWSER, "text/html"),
        ("text/turtle", "text/turtle"),
        ("TEXT/Turtle", "text/turtle"),
        ("application/rdf+xml", "application/rdf+xml"),
        ("application/ld+json", "application/ld+json"),
        ("application/ld+json, */*;q=0.1", "application/ld+json"),
        ("text/turtle;q=0.5, text/html", "text/html"),
        ("text/html;q=0.1, application/ld+json;q=0.9", "application/ld+json"),
        ("application/rdf+xml;q=0.3, text/turtle; q=0.9, text/html;q=0.2", "text/turtle"),
        ("text/turtle;q=0, */*", "text/html"),
    ],
)
def test_a_dataset_answers_in_the_form_that_is_asked_for(reader, accept, expected):
    answer = reader.get("/datasets/working-calendar", accept)
    assert media_type(answer) == expected
    assert "accept" in varies_by(answer)
    if expected != "text/html":
        (suffix,) = [suffix for suffix, (name, _) in SYNTAXES.items() if name == expected]
        assert isomorphic(read_graph(answer), read_graph(reader.get(f"/datasets/working-calendar.{suffix}")))


@pytest.mark.parametrize(
    "path", ["/datasets/working-calendar.foo", "/datasets/working-calendar.ttl.ttl", "/datasets/no-such-dataset.ttl", "/catalog.foo"]
)
def test_what_there_is_not_is_not_found(reader, path):
    assert problem_of(reader.get(path, status=404))["status"] == 404


# The assessment of data.europa.eu.

CLOSED_POINTS = {
    "keyword": 30,
    "theme": 30,
    "spatial": 20,
    "DCAT-AP": 30,
    "access rights": 10,
    "access rights of a vocabulary": 5,
    "contact point": 20,
    "publisher": 10,
    "issued": 5,
    "modified": 5,
}


def test_the_assessment_calls_every_shipped_dataset_excellent(reader, catalog):
    shipped = [path.parent.name for path in sorted(tables.DATASETS.glob("*/dataset.toml"))]
    assert set(shipped) == {*tables.shipped_sources("unconditional"), CONDITIONAL}
    found = {slug: mqa.points(catalog, rdflib.URIRef(reader.page_of(slug)), reader.status) for slug in shipped}
    print(table_of(found))
    for slug, points in found.items():
        assert sum(points.values()) >= mqa.EXCELLENT, (slug, points)


def test_a_closed_dataset_gets_every_point_that_needs_no_file(reader, catalog):
    found = mqa.points(catalog, rdflib.URIRef(reader.page_of(CLOSED)), reader.status)
    assert list(catalog.objects(rdflib.URIRef(reader.page_of(CLOSED)), DCAT.distribution)) == []
    assert {name: points for name, points in found.items() if points} == CLOSED_POINTS


def table_of(found):
    """The points as a table: an indicator in each row, a dataset in each column."""
    indicators = list(next(iter(found.values())))
    width = max(map(len, indicators))
    heads = [f"{number}: {slug}" for number, slug in enumerate(found, start=1)]
    rows = [[name, *(points[name] for points in found.values())] for name in indicators]
    rows += [["sum", *(sum(points.values()) for points in found.values())]]
    lines = [f"{name:{width}}" + "".join(f"{number:6}" for number in numbers) for name, *numbers in rows]
    return "\n".join(["", *heads, " " * width + "".join(f"{number:6}" for number in range(1, len(found) + 1)), *lines])


# DCAT-US 3.0.


@pytest.fixture(scope="module")
def data_json(reader):
    """The catalogue as data.gov takes it in."""
    answer = reader.get("/data.json")
    assert media_type(answer) == "application/json"
    return answer.json()


def names_of(dataset):
    """By which names a catalogue of DCAT-US knows a dataset."""
    identifier = dataset.get("identifier")
    values = identifier.values() if isinstance(identifier, dict) else [identifier]
    return {str(name) for name in [dataset.get("@id"), *values] if name}


def test_data_json_keeps_its_schema(data_json):
    assert dcat_us.faults(data_json) == []


def test_data_json_has_every_dataset(reader, data_json, details):
    assert len(data_json["dataset"]) == len(details)
    for slug, detail in details.items():
        (dataset,) = [dataset for dataset in data_json["dataset"] if reader.page_of(slug) in names_of(dataset)]
        files = expected_distributions(reader, detail)
        assert len(dataset.get("distribution") or []) == len(files), slug
        assert dataset["title"] in detail["title"].values()


def test_data_json_names_an_address_where_nobody_gave_one(data_json, details):
    for dataset in data_json["dataset"]:
        assert {contact["hasEmail"] for contact in as_list(dataset["contactPoint"])} == {f"mailto:{CONTACT}"}, dataset["title"]
    assert all("email" not in (detail.get("contact") or {}) for detail in details.values()), "no dataset here has an address of its own"


# Croissant.


@pytest.fixture(scope="module")
def croissant(tmp_path_factory):
    """The reference client. It never asks twice for an address, so what it downloads is kept in a folder of this run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CROISSANT_CACHE", str(tmp_path_factory.mktemp("croissant")))
        yield importlib.import_module("mlcroissant")


def read_croissant(croissant, caplog, reader, slug):
    """A dataset as Croissant describes it, without a mistake, a warning, or a word that the client does not know."""
    with caplog.at_level(logging.WARNING):
        dataset = croissant.Dataset(jsonld=f"{reader.page_of(slug)}/croissant.json")
    assert (dataset.metadata.ctx.issues.errors, dataset.metadata.ctx.issues.warnings) == (set(), set())
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == []
    return dataset


@pytest.mark.parametrize("open_slug", [*UNCONDITIONAL, COLLECTION])
def test_croissant_loads_every_record(croissant, caplog, reader, details, open_slug):
    conforms_to = reader.get(f"/datasets/{open_slug}/croissant.json").json()["conformsTo"]
    assert "http://mlcommons.org/croissant/1.1" in as_list(conforms_to)
    dataset = read_croissant(croissant, caplog, reader, open_slug)
    for record_set in dataset.metadata.record_sets:
        assert list(dataset.records(record_set.id)), record_set.id
    # Others are lists of codes, which stand in the document itself.
    (main,) = [record_set for record_set in dataset.metadata.record_sets if record_set.data is None]
    columns = {field.id: field.source.extract.column for field in main.fields}
    records = list(dataset.records(main.id))
    answer = tables.parse_json(reader.get(f"/api/v1/datasets/{open_slug}/rows?limit=1").text)
    kinds = {field["name"]: field["type"] for field in answer["fields"]}
    assert list(columns.values()) == list(kinds)
    assert len(records) == details[open_slug]["rows"] == answer["total"]
    loaded = {columns[name]: plain(value, kinds[columns[name]]) for name, value in records[0].items()}
    assert loaded == {name: plain(value, kinds[name]) for name, value in answer["rows"][0].items()}


@pytest.mark.parametrize("open_slug", [*UNCONDITIONAL, COLLECTION])
def test_the_digests_of_croissant_are_those_of_the_files(reader, open_slug):
    document = reader.get(f"/datasets/{open_slug}/croissant.json").json()
    # A set of files within an archive has no address of its own, and the archive is made anew for each reader.
    files = [file for file in as_list(document["distribution"]) if "contentUrl" in file]
    known = [file for file in files if "sha256" in file]
    assert known
    assert [file["@id"] for file in files if file not in known] == (["archive"] if open_slug == COLLECTION else [])
    for file in known:
        assert hashlib.sha256(reader.get(file["contentUrl"]).content).hexdigest() == file["sha256"], file["contentUrl"]


def test_croissant_describes_conditional_data_without_giving_it(croissant, caplog, reader):
    dataset = read_croissant(croissant, caplog, reader, CONDITIONAL)
    (main,) = [record_set for record_set in dataset.metadata.record_sets if record_set.data is None]
    with pytest.raises(croissant.GenerationError) as failure:
        list(dataset.records(main.id))
    cause = failure.value
    while cause.__cause__ is not None:
        cause = cause.__cause__
    assert isinstance(cause, requests.HTTPError)
    assert cause.response.status_code == 401


# Data packages.


@pytest.mark.parametrize("open_slug", UNCONDITIONAL)
def test_frictionless_finds_no_fault_in_the_table(reader, details, open_slug):
    detail, address = details[open_slug], f"{reader.page_of(open_slug)}/datapackage.json"
    report = frictionless.validate(address)
    assert report.valid, report.flatten(["type", "title", "message"])
    assert [task.stats["rows"] for task in report.tasks] == [detail["rows"]]
    (resource,) = frictionless.Package(address).resources
    fields = [(field.name, field.type) for field in resource.schema.fields]
    assert fields == [(field["name"], TABLE_TYPES[field["type"]]) for field in detail["fields"]]
    # A title has one language only here, the same one for all.
    titles = [field.title for field in resource.schema.fields]
    assert titles in [[field["title"][language] for field in detail["fields"]] for language in LANGUAGES]


def test_the_command_of_frictionless_is_content(reader):
    address = f"{reader.page_of('working-calendar')}/datapackage.json"
    command = [sys.executable, "-m", "frictionless", "validate", address]
    done = subprocess.run(command, capture_output=True, text=True, timeout=api.SECONDS)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    "path", [f"{CLOSED}/croissant.json", f"{CLOSED}/datapackage.json", f"{CONDITIONAL}/datapackage.json", "no-such-dataset/croissant.json"]
)
def test_what_is_not_given_has_no_description_for_loading(reader, path):
    assert problem_of(reader.get(f"/datasets/{path}", status=404))["status"] == 404


# Search engines.


def schema_org_of(reader, slug, language):
    """The dataset that a search engine finds in the page."""
    answer = reader.get(f"/datasets/{slug}?lang={language}", BROWSER)
    documents = extruct.extract(answer.text, base_url=answer.url, syntaxes=["json-ld"])["json-ld"]
    (dataset,) = of_type(documents, "Dataset")
    return dataset


@pytest.mark.parametrize("language", LANGUAGES)
def test_search_engines_find_the_dataset_in_its_page(reader, details, language):
    for slug, detail in details.items():
        dataset = schema_org_of(reader, slug, language)
        assert detail["title"][language] in words_of(dataset["name"]), slug
        assert detail["description"][language] in words_of(dataset["description"]), slug
        files = as_list(dataset.get("distribution"))
        if detail["open_type"] == "unconditional":
            assert [licence for licence in as_list(dataset["license"]) if isinstance(licence, dict) or "://" in licence], slug
            assert len(files) == len(expected_distributions(reader, detail))
            assert {reader.status(file["contentUrl"]) for file in files} == {200}, slug
        if detail["open_type"] == "closed":
            assert files == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_words_of_a_page_are_no_program(reader, language):
    answer = reader.get(f"/datasets/{AWKWARD}?lang={language}", BROWSER)
    page = read_page(answer)
    documents, others = scripts_of(page)
    assert len(documents) == 1
    assert TITLE[language] in words_of(of_type(documents, "Dataset")[0]["name"])
    assert [address for address in others if not (address or "").startswith("/assets/")] == []
    assert {"粗体", "bold"}.isdisjoint("".join(bold.itertext()) for bold in page.iter("b"))
    assert TITLE[language] in ["".join(heading.itertext()).strip() for heading in page.iter("h1")]
    assert schema_org_of(reader, AWKWARD, language)


def test_a_page_names_its_other_forms(reader, details):
    for slug, detail in details.items():
        page = reader.page_of(slug)
        found = {urllib.parse.urljoin(page, address) for address in alternates_of(read_page(reader.get(page, BROWSER)))}
        expected = {f"{page}.{suffix}" for suffix in SYNTAXES}
        expected |= {f"{page}/croissant.json"} if detail["open_type"] != "closed" else set()
        expected |= {f"{page}/datapackage.json"} if detail["open_type"] == "unconditional" else set()
        assert found >= expected, slug
        assert {reader.status(address) for address in found} == {200}, found


def test_the_sitemap_has_every_page_once(reader, details):
    answer = reader.get("/sitemap.xml")
    assert media_type(answer) in ("application/xml", "text/xml")
    tree = ElementTree.fromstring(answer.content)
    assert tree.tag == f"{SITEMAP}urlset"
    paths = [urllib.parse.urlsplit(place.text.strip()) for place in tree.iter(f"{SITEMAP}loc")]
    assert {f"{path.scheme}://{path.netloc}" for path in paths} == {reader.base}
    datasets = [path.path for path in paths if path.path.startswith("/datasets/")]
    assert sorted(datasets) == sorted(f"/datasets/{slug}" for slug in details)
    assert {reader.status(path.geturl()) for path in paths} == {200}


def test_robots_are_led_to_the_sitemap(reader):
    lines = [line.partition(":") for line in reader.get("/robots.txt").text.splitlines()]
    assert [value.strip() for name, _, value in lines if name.strip().lower() == "sitemap"] == [f"{reader.base}/sitemap.xml"]


def test_language_models_are_led_to_what_there_is(reader, details):
    answer = reader.get("/llms.txt")
    assert media_type(answer) in ("text/markdown", "text/plain")
    lines = [line for line in answer.text.splitlines() if line.strip()]
    assert lines[0].startswith("# ")
    assert lines[1].startswith("> ")
    assert [line for line in lines if line.startswith("# ")] == lines[:1]
    assert [line for line in lines if line.startswith("## ")]
    links = [link for link in markdown_links(answer.text) if link.startswith(f"{reader.base}/")]
    assert links
    assert {link: reader.status(link) for link in links if reader.status(link) != 200} == {}


# Readers of news.


def feed_pages(reader, path):
    """The pages of the feed as a reader of news takes them in, each following its link to the next."""
    address = reader.base + path
    while address:
        answer = reader.get(address)
        assert media_type(answer) == "application/atom+xml"
        headers = {"content-type": answer.headers["Content-Type"], "content-location": address}
        feed = feedparser.parse(io.BytesIO(answer.content), response_headers=headers)
        assert not feed.bozo, feed.get("bozo_exception")
        yield feed
        address = next((link.href for link in feed.feed.links if link.rel == "next"), None)


def test_the_feed_has_the_newest_first(reader, details):
    entries = [entry for feed in feed_pages(reader, "/feed.atom") for entry in feed.entries]
    moments = [datetime.datetime.fromisoformat(entry.updated) for entry in entries]
    assert moments == sorted(moments, reverse=True)
    assert len({entry.id for entry in entries}) == len(entries)
    linked = {urllib.parse.urlsplit(link.href).path for entry in entries for link in entry.links}
    assert linked >= {f"/datasets/{slug}" for slug in details}


def test_pages_of_the_feed_give_every_entry_once(reader):
    whole = [entry.id for feed in feed_pages(reader, "/feed.atom") for entry in feed.entries]
    pages = [[entry.id for entry in feed.entries] for feed in feed_pages(reader, "/feed.atom?limit=2")]
    assert [entry for page in pages for entry in page] == whole
    assert [len(page) for page in pages[:-1]] == [2] * (len(pages) - 1)
    assert 1 <= len(pages[-1]) <= 2
    problem = problem_of(reader.get("/feed.atom?limit=none", status=400))
    assert [error["pointer"] for error in problem["errors"]] == ["limit"]


# Words that are hard to write.


@pytest.mark.parametrize("suffix", SYNTAXES)
def test_awkward_words_come_through_rdf(reader, suffix):
    graph, dataset = read_graph(reader.get(f"/datasets/{AWKWARD}.{suffix}")), rdflib.URIRef(reader.page_of(AWKWARD))
    for path, words in [(DCTERMS.title, TITLE), (DCTERMS.description, DESCRIPTION)]:
        found = {str(literal): (literal.language or "")[:2] for literal in graph.objects(dataset, path)}
        assert found == {text: language for language, text in words.items()}


def test_awkward_words_come_through_the_feed(reader):
    entries = ElementTree.fromstring(reader.get("/feed.atom?limit=1000").content).iter(f"{ATOM}entry")
    ours = [entry for entry in entries if any(f"/datasets/{AWKWARD}" in link.get("href", "") for link in entry.iter(f"{ATOM}link"))]
    assert ours
    texts = [(part.get("type", "text"), "".join(part.itertext())) for entry in ours for part in entry]
    # HTML in a feed is escaped once more.
    shown = [html.unescape(text) if kind == "html" else text for kind, text in texts]
    for words in [TITLE, DESCRIPTION]:
        assert [text for text in shown if any(word in text for word in words.values())], words


def test_awkward_words_come_through_data_json(reader, data_json):
    (dataset,) = [dataset for dataset in data_json["dataset"] if reader.page_of(AWKWARD) in names_of(dataset)]
    assert dataset["title"] in TITLE.values()
    assert any(text in dataset["description"] for text in DESCRIPTION.values())
