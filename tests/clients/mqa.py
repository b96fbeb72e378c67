"""The Metadata Quality Assessment of data.europa.eu: up to 405 points for the description of a dataset.

The points of each indicator are those of its published methodology. The distribution that gets the most points of a dimension stands for
all of the dataset. From 351 points on the rating is "excellent", from 221 "good", from 121 "sufficient".

Vocabularies are the authority tables of the EU (for formats, licences and access rights) and the media types of IANA. A licence also counts
as one of a vocabulary where it is an SPDX address, which the original counts only where its own list has it.
"""

from collections.abc import Callable

import rdflib
from rdflib.namespace import DCTERMS

import dcat_ap
from dcat_ap import DCAT

EXCELLENT = 351

AUTHORITY = "http://publications.europa.eu/resource/authority/"
FILE_TYPES = f"{AUTHORITY}file-type/"
MEDIA_TYPES = ("https://www.iana.org/assignments/media-types/", "http://www.iana.org/assignments/media-types/")
LICENCES = (f"{AUTHORITY}licence/", "http://spdx.org/licenses/", "https://spdx.org/licenses/")
ACCESS_RIGHTS = f"{AUTHORITY}access-right/"

# The file types that belong to nobody, by the assessment's own list (edp-non-proprietary-format). It has neither XLSX nor PARQUET.
NON_PROPRIETARY = frozenset(
    """
    BMP CSV DBF GEOJSON GZIP HTML ICS JPEG2000 JSON JSON_LD KML KMZ NETCDF ODS PNG RDF_N_QUADS RDF_N_TRIPLES RDF_TRIG RDF_TURTLE RDF_XML RSS
    RTF TAR TIFF TSV TXT WMS_SRVC XML ZIP
    """.split()
)

# The file types that programs read, by the assessment's own list (edp-machine-readable-format). It has XLSX, and not PARQUET.
MACHINE_READABLE = frozenset(
    """
    CSV GEOJSON ICS JSON JSON_LD KML KMZ NETCDF ODS RDFA RDF_N_QUADS RDF_N_TRIPLES RDF_TRIG RDF_TURTLE RDF_XML RSS SHP XLS XLSX XML
    """.split()
)


def points(graph: rdflib.Graph, dataset: rdflib.URIRef, fetch: Callable[[str], int]) -> dict[str, int]:
    """The points of a dataset by indicator; `fetch` answers the status of an address."""
    # Where there is none, one that says nothing stands for it.
    distributions = sorted(set(graph.objects(dataset, DCAT.distribution)), key=str) or [rdflib.BNode()]

    def best(indicators):
        """The points of the distribution that gets the most."""
        return max(map(indicators, distributions), key=lambda found: sum(found.values()))

    def has(subject, path):
        return (subject, path, None) in graph

    def value(subject, path):
        return str(graph.value(subject, path) or "")

    def answers(subject, path):
        return any(200 <= fetch(str(address)) < 300 for address in graph.objects(subject, path))

    def accessibility(distribution):
        return {
            "access URL answers": 50 * answers(distribution, DCAT.accessURL),
            "download URL": 20 * has(distribution, DCAT.downloadURL),
            "download URL answers": 30 * answers(distribution, DCAT.downloadURL),
        }

    def interoperability(distribution):
        file_type = value(distribution, DCTERMS.format)
        code = file_type.removeprefix(FILE_TYPES)
        known = file_type.startswith(FILE_TYPES) and value(distribution, DCAT.mediaType).startswith(MEDIA_TYPES)
        return {
            "format": 20 * has(distribution, DCTERMS.format),
            "media type": 10 * has(distribution, DCAT.mediaType),
            "format and media type of a vocabulary": 10 * known,
            "non-proprietary": 20 * (code in NON_PROPRIETARY),
            "machine-readable": 20 * (code in MACHINE_READABLE),
        }

    def reusability(distribution):
        return {
            "licence": 20 * has(distribution, DCTERMS.license),
            "licence of a vocabulary": 10 * value(distribution, DCTERMS.license).startswith(LICENCES),
        }

    def contextuality(distribution):
        dated = [dataset, distribution]
        return {
            "rights": 5 * has(distribution, DCTERMS.rights),
            "byte size": 5 * has(distribution, DCAT.byteSize),
            "issued": 5 * any(has(subject, DCTERMS.issued) for subject in dated),
            "modified": 5 * any(has(subject, DCTERMS.modified) for subject in dated),
        }

    return {
        "keyword": 30 * has(dataset, DCAT.keyword),
        "theme": 30 * has(dataset, DCAT.theme),
        "spatial": 20 * has(dataset, DCTERMS.spatial),
        "temporal": 20 * has(dataset, DCTERMS.temporal),
        **best(accessibility),
        **best(interoperability),
        "DCAT-AP": 30 * (not dcat_ap.mandatory(graph, dcat_ap.about(graph, dataset))),
        **best(reusability),
        "access rights": 10 * has(dataset, DCTERMS.accessRights),
        "access rights of a vocabulary": 5 * value(dataset, DCTERMS.accessRights).startswith(ACCESS_RIGHTS),
        "contact point": 20 * has(dataset, DCAT.contactPoint),
        "publisher": 10 * has(dataset, DCTERMS.publisher),
        **best(contextuality),
    }
