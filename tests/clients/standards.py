"""What the tests of the standards share: entries that are hard to write down, and ways to take an answer apart."""

import json
import re

import html5lib
import rdflib
import shapely
from rdflib.namespace import RDF, SKOS

import samples
from dcat_ap import DCAT, RESOURCES

HYDRA = rdflib.Namespace("http://www.w3.org/ns/hydra/core#")

# By the suffix of an address: the media type, and the parser's name for it.
SYNTAXES = {
    "ttl": ("text/turtle", "turtle"),
    "rdf": ("application/rdf+xml", "xml"),
    "jsonld": ("application/ld+json", "json-ld"),
}

AWKWARD = "awkward-words"
COLLECTION = "files-of-standards"
PLACES = "places-of-standards"

# Each ends what it stands in, unless it is written with care; the second begins a comment that hides the end of a script.
TITLE = {
    "zh": '</script><script>alert("标题")</script><b>粗体</b> & 🙂',
    "en": "</script><!--<script>alert('title')</script><b>bold</b> & \"quoted\"",
}

DESCRIPTION = {
    "zh": (
        "第一行：a & b，<标签>，]]>，“引号”、\"直引号\"和'单引号'，&amp; 不是 &，𠮷 与 🙂。\n"
        "第二行：1 < 2 && 3 > 2，反斜杠 \\n，花括号 {{ x }}，百分号 %3C。"
    ),
    "en": (
        "First line: a & b, <tag>, ]]>, “quotes”, \"straight ones\" and 'single ones', &amp; is not &, 𠮷 and 🙂.\n"
        "Second line: 1 < 2 && 3 > 2, a backslash \\n, braces {{ x }}, a percent sign %3C."
    ),
}

ENTRY = """\
title = {title}
description = {description}
publisher = "client-tests"
theme = "client-tests"
open_type = "unconditional"
update_frequency = "never"
licence = "CC0-1.0"
source = "tests/clients/standards.py"
keywords = {{ zh = ["<关键词> & 其他"], en = ["<keyword> & more"] }}
synthetic = true
"""

WORDS = """\
data = "words.csv"

[[fields]]
name = "word"
type = "string"
title = { zh = "<词> & 字", en = "<word> & letters" }
description = { zh = "含 ]]> 与引号", en = "Holds ]]> and quotes" }
sensitivity = "none"

[[fields]]
name = "count"
type = "integer"
title = { zh = "次数", en = "Count" }
sensitivity = "none"
"""

# A code with leading zeros, a missing value, and text that CSV has to quote.
WORDS_CSV = '''word,count
007,1
"a ""quoted"", <tag> & ]]>",
🙂,-3
'''


SHAPES = """\
data = "places.geojson"

[[fields]]
name = "name"
type = "string"
title = { zh = "名称", en = "Name" }
sensitivity = "none"

[[fields]]
name = "geometry"
type = "geometry"
title = { zh = "位置", en = "Place" }
sensitivity = "none"
"""

SHAPES_GEOJSON = {
    "type": "FeatureCollection",
    "features": [
        {"type": "Feature", "properties": {"name": "a"}, "geometry": {"type": "Point", "coordinates": [121.4375, 31.1875]}},
        {"type": "Feature", "properties": {"name": "b"}, "geometry": None},
    ],
}


def write_folder(folder):
    """Writes what `qingdan import` reads: publishers, themes, an entry whose words are hard to write, one with shapes, and a collection."""
    words, places, files = folder / AWKWARD, folder / PLACES, folder / COLLECTION
    for dataset in [words, places, files / "files"]:
        dataset.mkdir(parents=True)
    (folder / "publishers.toml").write_text(samples.PUBLISHERS, encoding="utf-8")
    (folder / "themes.toml").write_text(samples.THEMES, encoding="utf-8")
    (words / "dataset.toml").write_text(_entry(TITLE, DESCRIPTION) + WORDS, encoding="utf-8")
    (words / "words.csv").write_text(WORDS_CSV, encoding="utf-8", newline="")
    few = {"zh": "简短", "en": "Short"}
    (places / "dataset.toml").write_text(_entry(few, few) + SHAPES, encoding="utf-8")
    (places / "places.geojson").write_text(json.dumps(SHAPES_GEOJSON), encoding="utf-8")
    (files / "dataset.toml").write_text(_entry(few, few) + 'kind = "collection"\ndata = "files"\n', encoding="utf-8")
    for name in ["a.txt", "b.txt"]:
        (files / "files" / name).write_text(f"This is {name}.\n", encoding="utf-8")
    return folder


def _entry(title, description):
    return ENTRY.format(title=_toml(title), description=_toml(description))


def _toml(words):
    # A string of JSON is one of TOML too.
    return "{ " + ", ".join(f"{language} = {json.dumps(text, ensure_ascii=False)}" for language, text in words.items()) + " }"


def media_type(answer):
    """The media type of an answer, without parameters."""
    return answer.headers["Content-Type"].split(";")[0].strip().lower()


def varies_by(answer):
    """The request headers that an answer depends on."""
    return {name.strip().lower() for name in answer.headers.get("Vary", "").split(",")}


def read_graph(answer):
    """The graph of an answer, by its media type."""
    parsers = dict(SYNTAXES.values())
    return rdflib.Graph().parse(data=answer.content, format=parsers[media_type(answer)], publicID=answer.url)


def page_in(graph):
    """The one page of a catalogue that the graph says it is."""
    (page,) = graph.subjects(RDF.type, HYDRA.PartialCollectionView)
    return page


def without_page(graph):
    """The graph without what it says of its page, which is another one in each syntax; a catalogue at the same address stays."""
    page, rest = page_in(graph), rdflib.Graph()
    names = set() if (page, RDF.type, DCAT.Catalog) in graph else {page}
    for triple in graph:
        if names.isdisjoint(triple) and not any(node.startswith(str(HYDRA)) for node in triple):
            rest.add(triple)
    return rest


def instances(graph, described_class):
    """The addresses of what the graph has of a class."""
    return {str(subject) for subject in graph.subjects(RDF.type, described_class)}


def description(graph, dataset):
    """The part of a graph that describes one dataset: what it says of it, of its distributions, and of what these lead to."""
    others = {*RESOURCES, SKOS.ConceptScheme, DCAT.CatalogRecord}
    part, open_nodes, seen = rdflib.Graph(), [rdflib.URIRef(dataset)], set()
    while open_nodes:
        subject = open_nodes.pop()
        seen.add(subject)
        for triple in graph.triples((subject, None, None)):
            part.add(triple)
            value = triple[2]
            described = not isinstance(value, rdflib.Literal) and value not in seen and (value, None, None) in graph
            if described and others.isdisjoint(graph.objects(value, RDF.type)):
                open_nodes.append(value)
    return part


def read_page(answer):
    """The tree of a page, as a browser makes it."""
    return html5lib.parse(answer.text, namespaceHTMLElements=False)


def scripts_of(page):
    """What a page has in scripts: the JSON-LD documents, and the addresses of all others, `None` for one that stands in the page itself."""
    scripts = list(page.iter("script"))
    documents = [json.loads("".join(script.itertext())) for script in scripts if script.get("type") == "application/ld+json"]
    return documents, [script.get("src") for script in scripts if script.get("type") != "application/ld+json"]


def alternates_of(page):
    """The addresses of the other forms of a page."""
    return [link.get("href") for link in page.iter("link") if "alternate" in (link.get("rel") or "").split()]


def as_list(value):
    """A value of JSON-LD as a list, as it may be one or none."""
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def words_of(value):
    """The texts of a value of JSON-LD, in whichever languages."""
    return [item.get("@value", "") if isinstance(item, dict) else item for item in as_list(value)]


def of_type(documents, name):
    """The nodes of a type in documents of JSON-LD."""
    nodes = [node for document in documents for node in as_list(document.get("@graph", document))]
    return [node for node in nodes if name in {str(kind).rpartition("/")[2] for kind in as_list(node.get("@type"))}]


def markdown_links(text):
    """The addresses of the links in Markdown."""
    return re.findall(r"\[(?:[^\]\\\n]|\\.)*\]\(<?([^)\s>]+)>?\)", text)


# As a data package has them.
TABLE_TYPES = {
    "string": "string",
    "integer": "integer",
    "decimal": "number",
    "number": "number",
    "boolean": "boolean",
    "date": "date",
    "datetime": "datetime",
    "geometry": "geojson",
}


def plain(value, kind):
    """A value as every client can say it, by its field's type: a fraction as a double, a day, a moment and a shape as text."""
    if value is None:
        return None
    match kind:
        case "integer":
            return int(value)
        case "decimal" | "number":
            return float(value)
        case "boolean":
            return bool(value)
        case "geometry":
            return (shapely.from_wkb(value) if isinstance(value, bytes) else shapely.from_geojson(json.dumps(value, default=float))).wkt
        case "date" if not isinstance(value, str):
            return value.date().isoformat()
        case "datetime" if not isinstance(value, str):
            return value.isoformat()
    return value.decode("utf-8") if isinstance(value, bytes) else value
