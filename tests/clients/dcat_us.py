"""What DCAT-US 3.0 demands of a catalogue, as a JSON Schema.

A restatement of the official schemas (repository GSA/dcat-us, folder jsonschema/definitions, as of commit e0b389ff): types, what is
required, formats, patterns, enumerations and lengths of every property of the classes below. Titles, descriptions and examples are left
out, and what several properties share is said once. Three things hold throughout, as they do there: a property that is not required may be
null (but for the scheme of a concept), one that is not named here may have any value, and no address may stand in place of a description,
except where a string is one of the forms.

Classes that are only referred to, and that this service does not use (Activity, Attribution, CUIRestriction, DatasetSeries,
QualityMeasurement), are any object here.
"""

import datetime
import re

import jsonschema

NULL = {"type": "null"}
STRING = {"type": "string"}
TEXT = {"type": ["string", "null"]}
IRI = {"type": "string", "format": "iri"}

DATE = {
    "anyOf": [
        {"type": "string", "format": "date-time"},
        {"type": "string", "format": "date"},
        {"type": "string", "pattern": "^[0-9]{4}$"},
        {"type": "string", "pattern": "^[0-9]{4}-[0-9]{2}$"},
    ]
}

# Codes of ISO 19115, repetitions of ISO 8601, and the terms of the Dublin Core vocabulary of frequencies.
FREQUENCY_CODES = "continual daily weekly fortnightly monthly quarterly biannually annually asNeeded irregular notPlanned unknown".split()
FREQUENCY_TERMS = """
    continuous daily weekly biweekly monthly quarterly semiannual annual irregular triennial biennial threeTimesAYear bimonthly semimonthly
    threeTimesAMonth semiweekly threeTimesAWeek
""".split()


def ref(name):
    """An object of that class."""
    return {"$ref": f"#/$defs/{name}"}


def maybe(*forms):
    """One of these forms, or null."""
    return {"anyOf": [NULL, *forms]}


def many(item):
    """A list, or null."""
    return {"type": ["array", "null"], "items": item}


def list_of(item):
    """A list, which is never null."""
    return {"type": "array", "items": item}


LANGUAGE = {"type": "string", "maxLength": 2}
LANGUAGES = maybe(LANGUAGE, list_of(LANGUAGE))
KEYWORDS = many({"type": "string", "minLength": 1})


def described(required=(), **properties):
    """A class with these properties; names that Python does not allow are written with `_` for `-`."""
    named = {name.replace("_", "-"): schema for name, schema in properties.items()}
    return {"type": "object", "properties": {"@id": IRI, "@type": STRING, **named}, "required": list(required)}


def geometry(kind=None, coordinates=None):
    """A place as WKT, GML or GeoJSON in a string, or as GeoJSON."""
    properties = {"type": {"const": kind}, "coordinates": coordinates} if kind else {}
    return maybe(STRING, {"type": "object", "properties": properties, "required": ["type", "coordinates"]})


RESTRICTION = described(
    ["restrictionStatus"], restrictionNote=TEXT, restrictionStatus=ref("Concept"), specificRestriction=maybe(ref("Concept"))
)

CLASSES = {
    "Catalog": described(
        ["dataset"],
        accessRights=TEXT,
        catalog=many(ref("Catalog")),
        category=many(ref("Concept")),
        conformsTo=maybe(ref("Standard")),
        contactPoint=many(ref("Kind")),
        creator=many(ref("Agent")),
        dataset=list_of(ref("Dataset")),
        description=TEXT,
        hasPart=many(ref("Catalog")),
        homepage=maybe(ref("Document")),
        identifier=maybe(ref("Identifier")),
        issued=maybe(DATE),
        keyword=KEYWORDS,
        language=LANGUAGES,
        license=TEXT,
        modified=maybe(DATE),
        otherIdentifier=many(ref("Identifier")),
        publisher=maybe(ref("Agent")),
        qualifiedAttribution=many(ref("Attribution")),
        record=many(ref("CatalogRecord")),
        rights=many(STRING),
        rightsHolder=many(ref("Organization")),
        service=many(ref("DataService")),
        spatial=many(ref("Location")),
        subject=many(ref("Concept")),
        temporal=many(ref("PeriodOfTime")),
        theme=many(ref("Concept")),
        themeTaxonomy=many(ref("ConceptScheme")),
        title=TEXT,
    ),
    "Dataset": described(
        # The identifier has to be there, and may be null all the same.
        ["title", "description", "identifier", "publisher", "contactPoint"],
        accessRights=TEXT,
        accrualPeriodicity=maybe({"enum": FREQUENCY_CODES}, {"type": "string", "pattern": "^R/P.+$"}, {"enum": FREQUENCY_TERMS}),
        category=many(ref("Concept")),
        conformsTo=many(ref("Standard")),
        contactPoint={"anyOf": [ref("Kind"), list_of(ref("Kind"))]},
        contributor=many(ref("Agent")),
        created=maybe(DATE),
        creator=maybe(ref("Agent")),
        describedBy=maybe(ref("Distribution")),
        description=STRING,
        distribution=many(ref("Distribution")),
        first=maybe(ref("Dataset")),
        hasCurrentVersion=maybe(ref("Dataset")),
        hasPart=many(ref("Dataset")),
        hasQualityMeasurement=many(ref("QualityMeasurement")),
        hasVersion=many(ref("Dataset")),
        identifier=maybe(ref("Identifier")),
        image=maybe(IRI),
        inSeries=many(ref("DatasetSeries")),
        isReferencedBy=many(IRI),
        issued=maybe(DATE),
        keyword=KEYWORDS,
        landingPage=maybe(ref("Document")),
        language=LANGUAGES,
        liabilityStatement=TEXT,
        metadataDistribution=many(ref("Distribution")),
        modified=maybe(DATE),
        otherIdentifier=many(ref("Identifier")),
        page=many(ref("Document")),
        previousVersion=maybe(ref("Dataset")),
        provenance=many(STRING),
        publisher=ref("Organization"),
        purpose=TEXT,
        qualifiedAttribution=many(ref("Attribution")),
        qualifiedRelation=many(ref("Relationship")),
        relation=many(IRI),
        replaces=many(ref("Dataset")),
        rights=many(STRING),
        rightsHolder=many(ref("Organization")),
        sample=many(ref("Distribution")),
        scopeNote=TEXT,
        source=many(ref("Dataset")),
        spatial=maybe(ref("Location"), list_of(ref("Location"))),
        spatialResolutionInMeters=TEXT,
        status=maybe(ref("Concept")),
        subject=many(ref("Concept")),
        supportedSchema=maybe(ref("Dataset")),
        temporal=many(ref("PeriodOfTime")),
        temporalResolution=TEXT,
        theme=many(ref("Concept")),
        title=STRING,
        version=TEXT,
        versionNotes=TEXT,
        wasAttributedTo=many(ref("Agent")),
        wasGeneratedBy=many(ref("Activity")),
        wasUsedBy=many(ref("Activity")),
    ),
    # Nothing is required of a distribution, and sizes and resolutions are texts.
    "Distribution": described(
        accessRestriction=many(ref("AccessRestriction")),
        accessRights=TEXT,
        accessService=many(ref("DataService")),
        accessURL=maybe(IRI),
        availability=maybe(ref("Concept")),
        byteSize=TEXT,
        characterEncoding=many(STRING),
        checksum=maybe(ref("Checksum")),
        compressFormat=TEXT,
        conformsTo=many(ref("Standard")),
        cuiRestriction=maybe(ref("CUIRestriction")),
        describedBy=maybe(ref("Distribution")),
        description=TEXT,
        downloadURL=maybe(IRI),
        format=TEXT,
        hasQualityMeasurement=many(ref("QualityMeasurement")),
        identifier=maybe(ref("Identifier")),
        image=maybe(IRI),
        issued=maybe(DATE),
        language=LANGUAGES,
        license=TEXT,
        mediaType=TEXT,
        modified=maybe(DATE),
        otherIdentifier=many(ref("Identifier")),
        packageFormat=TEXT,
        page=many(ref("Document")),
        representationTechnique=maybe(ref("Concept")),
        rights=many(STRING),
        spatialResolutionInMeters=TEXT,
        status=maybe(ref("Concept")),
        temporalResolution=TEXT,
        title=TEXT,
        useRestriction=many(ref("UseRestriction")),
    ),
    "DataService": described(
        ["title", "endpointURL", "contactPoint", "publisher"],
        accessRights=TEXT,
        category=many(ref("Concept")),
        conformsTo=many(ref("Standard")),
        contactPoint=list_of(ref("Kind")),
        created=maybe(DATE),
        creator=many(ref("Agent")),
        description=TEXT,
        endpointDescription=many(STRING),
        endpointURL=list_of(IRI),
        hasQualityMeasurement=many(ref("QualityMeasurement")),
        identifier=maybe(ref("Identifier")),
        keyword=KEYWORDS,
        language=LANGUAGES,
        license=TEXT,
        modified=maybe(DATE),
        otherIdentifier=many(ref("Identifier")),
        publisher=ref("Agent"),
        qualifiedAttribution=many(ref("Attribution")),
        rights=many(STRING),
        rightsHolder=many(ref("Organization")),
        servesDataset=many(ref("Dataset")),
        spatial=many(ref("Location")),
        spatialResolutionInMeters=TEXT,
        temporal=many(ref("PeriodOfTime")),
        temporalResolution=TEXT,
        theme=many(ref("Concept")),
        title=STRING,
        wasUsedBy=many(ref("Activity")),
    ),
    "CatalogRecord": described(
        ["primaryTopic", "modified"],
        conformsTo=maybe(ref("Standard")),
        description=many(STRING),
        issued=many(DATE),
        language=LANGUAGES,
        modified=DATE,
        primaryTopic=STRING,
        source=TEXT,
        status=maybe(ref("Concept")),
        title=TEXT,
    ),
    "Kind": described(
        ["fn", "hasEmail"],
        address=many(ref("Address")),
        family_name=TEXT,
        fn=STRING,
        given_name=TEXT,
        hasEmail={"type": "string", "pattern": "^mailto:[A-Za-z0-9_~!$&'()*+,;=:.-]+@[A-Za-z0-9_.-]+[.][A-Za-z0-9_.-]+$"},
        organization_name=TEXT,
        tel=TEXT,
        title=TEXT,
    ),
    "Address": described(country_name=TEXT, locality=TEXT, postal_code=TEXT, region=TEXT, street_address=TEXT),
    "Agent": described(["name"], category=many(ref("Concept")), name=STRING),
    "Organization": described(
        ["name"], altLabel=TEXT, name=STRING, notation=many(STRING), prefLabel=TEXT, subOrganizationOf=many(ref("Organization"))
    ),
    # This class and the next may be a mere string. A scheme is not required, and not null where it stands.
    "Concept": {
        "anyOf": [
            STRING,
            described(
                ["prefLabel"],
                altLabel=TEXT,
                definition=TEXT,
                inScheme=ref("ConceptScheme"),
                notation=many(STRING),
                prefLabel=STRING,
            ),
        ]
    },
    "Identifier": {
        "anyOf": [STRING, described(creator=maybe(ref("Organization")), issued=maybe(DATE), notation=TEXT, schemaAgency=TEXT, version=TEXT)]
    },
    "ConceptScheme": described(
        ["title"], created=maybe(DATE), description=TEXT, issued=maybe(DATE), modified=maybe(DATE), title=STRING, version=TEXT
    ),
    "Location": described(
        altLabel=TEXT,
        bbox=geometry("Polygon", {"type": "array"}),
        centroid=geometry("Point", {"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2}),
        geometry=geometry(),
        identifier=maybe(ref("Identifier")),
        inScheme=maybe(ref("ConceptScheme")),
        otherIdentifier=many(ref("Identifier")),
        prefLabel=TEXT,
    ),
    # One of the two has to be there.
    "PeriodOfTime": {
        **described(startDate=maybe(DATE), endDate=maybe(DATE)),
        "anyOf": [{"required": ["startDate"]}, {"required": ["endDate"]}],
    },
    "Document": described(
        ["title"],
        abstract=TEXT,
        accessURL=maybe(IRI),
        bibliographicCitation=TEXT,
        category=many(ref("Concept")),
        conformsTo=many(ref("Standard")),
        corporateCreator=many(ref("Organization")),
        creator=many(ref("Kind")),
        description=TEXT,
        downloadURL=maybe(IRI),
        identifier=maybe(ref("Identifier")),
        issued=maybe(DATE),
        mediaType=TEXT,
        otherIdentifier=many(ref("Identifier")),
        publisher=many(ref("Organization")),
        title=STRING,
    ),
    "Standard": described(
        category=many(ref("Concept")),
        created=maybe(DATE),
        description=TEXT,
        identifier=maybe(ref("Identifier")),
        inScheme=maybe(ref("ConceptScheme")),
        issued=maybe(DATE),
        modified=maybe(DATE),
        otherIdentifier=many(ref("Identifier")),
        title=TEXT,
    ),
    "AccessRestriction": RESTRICTION,
    "UseRestriction": RESTRICTION,
    "Checksum": described(["algorithm", "checksumValue"], algorithm=STRING, checksumValue=STRING),
    "Relationship": described(["hadRole", "relation"], hadRole=STRING, relation=STRING),
}

NOT_STATED = dict.fromkeys(["Activity", "Attribution", "CUIRestriction", "DatasetSeries", "QualityMeasurement"], {"type": "object"})

SCHEMA = {"$schema": "https://json-schema.org/draft/2020-12/schema", "$ref": "#/$defs/Catalog", "$defs": CLASSES | NOT_STATED}

# Formats are checked here, as the library passes over those for which it lacks another package.
FORMATS = jsonschema.FormatChecker(formats=())


@FORMATS.checks("iri")
def is_iri(value):
    """Whether it is an absolute IRI (RFC 3987), by its scheme, with one fragment at the most and without what has to be escaped."""
    if not isinstance(value, str):
        return True
    letter = r"(?:[^\x00-\x20<>\"{}|\\^`#%\[\]\x7f-\x9f\ue000-\uf8ff\ufff0-\uffff]|%[0-9A-Fa-f]{2})"
    host = rf"(?://(?:{letter}*@)?\[[0-9A-Fa-f:.]+\](?=[:/?#]|\Z))?"
    return bool(re.fullmatch(rf"[A-Za-z][A-Za-z0-9+.-]*:{host}{letter}+(?:\#{letter}*)?", value))


@FORMATS.checks("date", raises=ValueError)
def is_date(value):
    """Whether it is a day (RFC 3339)."""
    return not isinstance(value, str) or bool(re.fullmatch(r"\d{4}-\d\d-\d\d", value, re.ASCII) and datetime.date.fromisoformat(value))


@FORMATS.checks("date-time", raises=ValueError)
def is_date_time(value):
    """Whether it is a moment with its offset from UTC (RFC 3339)."""
    if not isinstance(value, str):
        return True
    moment = re.fullmatch(r"(\d{4}-\d\d-\d\d)[Tt](\d\d:\d\d:\d\d)(?:\.\d+)?(?:[Zz]|([+-]\d\d:\d\d))", value, re.ASCII)
    return bool(moment and datetime.datetime.fromisoformat(f"{moment[1]}T{moment[2]}{moment[3] or '+00:00'}"))


VALIDATOR = jsonschema.Draft202012Validator(SCHEMA, format_checker=FORMATS)


def faults(document):
    """What is wrong with a catalogue: a JSON pointer and the fault that lies deepest there."""
    found = [jsonschema.exceptions.best_match([error]) for error in VALIDATOR.iter_errors(document)]
    return sorted(f"{_pointer(error.absolute_path)}: {error.message[:300]}" for error in found)


def _pointer(path):
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in path) or "/"
