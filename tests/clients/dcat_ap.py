"""What DCAT-AP 3 demands of a description, as far as one graph alone can show it.

The profile publishes its demands as SHACL shapes (repository SEMICeu/DCAT-AP, folder releases/3.0.1/shacl, and for the kinds of dates
releases/3.0.0/html/shacl). They are stated here anew, as rules for the classes and properties that a catalogue of open data uses. One
demand is stricter than the shapes: addresses and terms of a vocabulary have to be IRIs, where the shapes also take blank nodes. One is
milder: nobody has to say of what others describe, such as a page or a term of a vocabulary, which class it has. Where the shapes of 3.0.0
and 3.0.1 differ (the type of `byteSize`, the algorithm of a checksum), 3.0.1 and the text of the specification count.
"""

from dataclasses import dataclass

from rdflib import BNode, Literal, Namespace, URIRef
from rdflib.namespace import DCTERMS, FOAF, PROV, RDF, SKOS, TIME, XSD

# Not the one that comes with rdflib, which warns of terms of DCAT 3.
DCAT = Namespace("http://www.w3.org/ns/dcat#")
ADMS = Namespace("http://www.w3.org/ns/adms#")
DCATAP = Namespace("http://data.europa.eu/r5r/")
LOCN = Namespace("http://www.w3.org/ns/locn#")
ODRL = Namespace("http://www.w3.org/ns/odrl/2/")
SPDX = Namespace("http://spdx.org/rdf/terms#")
VCARD = Namespace("http://www.w3.org/2006/vcard/ns#")

RESOURCES = (DCAT.Catalog, DCAT.Dataset, DCAT.DataService, DCAT.DatasetSeries)

# What is of one of these is of the class too: the shapes import FOAF and vCard, which say so, and ODRL says it of policies.
SUBCLASSES = {
    FOAF.Agent: (FOAF.Organization, FOAF.Person, FOAF.Group),
    VCARD.Kind: (VCARD.Organization, VCARD.Individual, VCARD.Group, VCARD.Location),
    ODRL.Policy: (ODRL.Offer, ODRL.Agreement, ODRL.Set),
}
MOMENTS = (XSD.date, XSD.dateTime, XSD.gYear, XSD.gYearMonth)


@dataclass(frozen=True)
class Rule:
    """What values a property may have, and how many."""

    kind: str
    least: int = 0
    most: int | None = None
    # The types that a literal may have; any when empty.
    datatypes: tuple = ()
    # The classes of which the value has to be one; what the graph does not describe belongs to somebody else, and its class is not seen.
    classes: tuple = ()
    # Whether the graph has to describe the value.
    described: bool = False


def text(least=0, most=None):
    """Words, in any language."""
    return Rule("literal", least, most)


def typed(*datatypes, least=0, most=1):
    """A literal of one of these types."""
    return Rule("literal", least, most, datatypes)


def iri(least=0, most=None, *classes):
    """An address, or a term of a vocabulary."""
    return Rule("iri", least, most, classes=classes)


def node(*classes, least=0, most=None, described=False):
    """Something that has a description of its own."""
    return Rule("node", least, most, classes=classes, described=described)


MOMENT = typed(*MOMENTS)
AGENT = node(FOAF.Agent, most=1, described=True)

OF_RESOURCES = {
    DCTERMS.title: text(least=1),
    DCTERMS.description: text(),
    DCTERMS.publisher: AGENT,
    DCTERMS.creator: node(FOAF.Agent, described=True),
    DCTERMS.issued: MOMENT,
    DCTERMS.modified: MOMENT,
    DCTERMS.language: iri(),
    DCTERMS.accessRights: iri(0, 1),
    DCTERMS.spatial: node(DCTERMS.Location),
    DCTERMS.temporal: node(DCTERMS.PeriodOfTime, described=True),
    DCTERMS.conformsTo: node(DCTERMS.Standard),
    DCTERMS.identifier: text(),
    DCAT.keyword: text(),
    DCAT.theme: iri(0, None, SKOS.Concept),
    DCAT.contactPoint: node(VCARD.Kind, described=True),
    DCAT.landingPage: iri(),
    DCAT.qualifiedRelation: node(DCAT.Relationship, described=True),
    PROV.qualifiedAttribution: node(PROV.Attribution, described=True),
    FOAF.page: iri(),
    DCATAP.applicableLegislation: iri(),
}

RULES = {
    DCAT.Catalog: {
        **OF_RESOURCES,
        DCTERMS.description: text(least=1),
        DCTERMS.publisher: node(FOAF.Agent, least=1, most=1, described=True),
        DCTERMS.license: iri(0, 1),
        DCTERMS.rights: node(DCTERMS.RightsStatement, most=1),
        DCTERMS.hasPart: iri(0, None, DCAT.Catalog),
        DCTERMS.isPartOf: iri(0, 1, DCAT.Catalog),
        DCAT.catalog: iri(0, None, DCAT.Catalog),
        DCAT.dataset: iri(0, None, DCAT.Dataset),
        DCAT.service: iri(0, None, DCAT.DataService),
        DCAT.record: node(DCAT.CatalogRecord, described=True),
        DCAT.themeTaxonomy: iri(0, None, SKOS.ConceptScheme),
        FOAF.homepage: iri(0, 1),
    },
    DCAT.CatalogRecord: {
        FOAF.primaryTopic: node(*RESOURCES, least=1, most=1, described=True),
        DCTERMS.modified: typed(*MOMENTS, least=1),
        DCTERMS.issued: MOMENT,
        DCTERMS.title: text(),
        DCTERMS.description: text(),
        DCTERMS.conformsTo: node(DCTERMS.Standard),
        DCTERMS.language: iri(),
        DCTERMS.source: node(DCAT.CatalogRecord, most=1),
        ADMS.status: iri(0, 1),
    },
    DCAT.Dataset: {
        **OF_RESOURCES,
        DCTERMS.description: text(least=1),
        DCTERMS.accrualPeriodicity: iri(0, 1),
        DCTERMS.isReferencedBy: iri(),
        DCTERMS.provenance: node(DCTERMS.ProvenanceStatement),
        DCTERMS.relation: iri(),
        DCTERMS.source: iri(0, None, DCAT.Dataset),
        DCTERMS.type: iri(),
        DCAT.distribution: node(DCAT.Distribution, described=True),
        DCAT.hasVersion: iri(0, None, DCAT.Dataset),
        DCAT.inSeries: iri(0, None, DCAT.DatasetSeries),
        DCAT.spatialResolutionInMeters: typed(XSD.decimal),
        DCAT.temporalResolution: typed(XSD.duration),
        DCAT.version: text(most=1),
        DCATAP.hvdCategory: iri(),
        ADMS.identifier: node(ADMS.Identifier, described=True),
        ADMS.sample: node(DCAT.Distribution),
        ADMS.versionNotes: text(),
        PROV.wasGeneratedBy: node(PROV.Activity),
    },
    DCAT.Distribution: {
        DCAT.accessURL: iri(least=1),
        DCAT.downloadURL: iri(),
        DCAT.accessService: node(DCAT.DataService),
        DCAT.byteSize: typed(XSD.nonNegativeInteger),
        DCAT.compressFormat: iri(0, 1),
        DCAT.mediaType: iri(0, 1),
        DCAT.packageFormat: iri(0, 1),
        DCAT.spatialResolutionInMeters: typed(XSD.decimal),
        DCAT.temporalResolution: typed(XSD.duration),
        DCATAP.applicableLegislation: iri(),
        DCATAP.availability: iri(0, 1),
        DCTERMS.title: text(),
        DCTERMS.description: text(),
        DCTERMS.format: iri(0, 1),
        DCTERMS.license: iri(0, 1),
        DCTERMS.rights: node(DCTERMS.RightsStatement, most=1),
        DCTERMS.issued: MOMENT,
        DCTERMS.modified: MOMENT,
        DCTERMS.language: iri(),
        DCTERMS.conformsTo: node(DCTERMS.Standard),
        SPDX.checksum: node(SPDX.Checksum, most=1, described=True),
        ODRL.hasPolicy: node(ODRL.Policy, most=1),
        ADMS.status: iri(0, 1),
        FOAF.page: iri(),
    },
    DCAT.DataService: {
        **OF_RESOURCES,
        DCAT.endpointURL: iri(least=1),
        DCAT.endpointDescription: iri(),
        DCAT.servesDataset: iri(0, None, DCAT.Dataset),
        DCTERMS.license: iri(0, 1),
        DCTERMS.format: iri(),
    },
    DCAT.Relationship: {
        DCAT.hadRole: iri(1, None, DCAT.Role),
        DCTERMS.relation: iri(least=1),
    },
    FOAF.Agent: {FOAF.name: text(least=1), DCTERMS.type: iri(0, 1)},
    SPDX.Checksum: {SPDX.algorithm: iri(1, 1), SPDX.checksumValue: typed(XSD.hexBinary, least=1)},
    SKOS.Concept: {SKOS.prefLabel: text(least=1)},
    SKOS.ConceptScheme: {DCTERMS.title: text(least=1)},
    ADMS.Identifier: {SKOS.notation: text(least=1, most=1)},
    DCTERMS.Location: {DCAT.bbox: text(most=1), DCAT.centroid: text(most=1), LOCN.geometry: text(most=1)},
    DCTERMS.PeriodOfTime: {
        DCAT.startDate: MOMENT,
        DCAT.endDate: MOMENT,
        TIME.hasBeginning: node(TIME.Instant, most=1),
        TIME.hasEnd: node(TIME.Instant, most=1),
    },
}


def mandatory(graph, nodes=None):
    """Every violation, in words; with `nodes`, of those nodes only."""
    found = []
    for described_class, rules in RULES.items():
        for subject in sorted(_instances(graph, described_class), key=str):
            if nodes is None or subject in nodes:
                found += [f"{_name(subject)}, a {_short(described_class)}: {fault}" for fault in _faults(graph, subject, rules)]
    return found


def about(graph, dataset):
    """The nodes that together are the description of a dataset: itself, its distributions, and what these and it say further."""
    nodes = {dataset}
    for _ in range(3):
        nodes |= {value for subject in nodes for value in graph.objects(subject) if _belongs(graph, value)}
    return nodes


def _with_subclasses(classes):
    return {subclass for one in classes for subclass in (one, *SUBCLASSES.get(one, ()))}


def _instances(graph, described_class):
    return {subject for one in _with_subclasses([described_class]) for subject in graph.subjects(RDF.type, one)}


def _belongs(graph, value):
    kinds = set(graph.objects(value, RDF.type))
    return not isinstance(value, Literal) and bool(kinds) and kinds.isdisjoint(RESOURCES)


def _faults(graph, subject, rules):
    for path, rule in rules.items():
        values = sorted(set(graph.objects(subject, path)), key=str)
        if len(values) < rule.least:
            yield f"{_short(path)} is missing"
        if rule.most is not None and len(values) > rule.most:
            yield f"{_short(path)} has {len(values)} values, and may have {rule.most}"
        for value in values:
            fault = _fault_of(graph, value, rule)
            if fault:
                yield f"{_short(path)} {fault}: {str(value)[:120]}"


def _fault_of(graph, value, rule):
    if rule.kind == "literal":
        if not isinstance(value, Literal):
            return "is no literal"
        if rule.datatypes and value.datatype not in rule.datatypes:
            return f"has the type {_short(value.datatype or XSD.string)}"
        if value.ill_typed:
            return f"is no {_short(value.datatype)}"
        return None if value.strip() else "is empty"
    if isinstance(value, Literal) or (rule.kind == "iri" and not isinstance(value, URIRef)):
        return "is no IRI" if rule.kind == "iri" else "is no node"
    if isinstance(value, URIRef) and not _is_absolute(value):
        return "is no absolute IRI"
    classes = set(graph.objects(value, RDF.type))
    if rule.classes and (classes or rule.described or isinstance(value, BNode)) and classes.isdisjoint(_with_subclasses(rule.classes)):
        return f"is no {' or '.join(map(_short, rule.classes))}"
    return None


def _is_absolute(value):
    scheme, colon, rest = value.partition(":")
    return bool(colon and rest) and scheme[:1].isalpha() and not any(character in value for character in ' <>"{}|\\^`\n\t')


def _name(subject):
    return "a blank node" if isinstance(subject, BNode) else str(subject)


PREFIXES = {
    "adms": ADMS,
    "dcat": DCAT,
    "dcatap": DCATAP,
    "dct": DCTERMS,
    "foaf": FOAF,
    "locn": LOCN,
    "odrl": ODRL,
    "prov": PROV,
    "skos": SKOS,
    "spdx": SPDX,
    "time": TIME,
    "vcard": VCARD,
    "xsd": XSD,
}


def _short(name):
    for prefix, namespace in PREFIXES.items():
        if name.startswith(str(namespace)):
            return f"{prefix}:{name.removeprefix(str(namespace))}"
    return str(name)
