//! The terms of the vocabularies that a catalogue is described in.

macro_rules! terms {
    ($($vocabulary:ident = $base:literal { $($name:ident = $term:literal,)* })*) => { $(
        pub mod $vocabulary {
            use oxrdf::NamedNodeRef;
            $(pub const $name: NamedNodeRef<'static> = NamedNodeRef::new_unchecked(concat!($base, $term));)*
        }
    )* };
}

terms! {
    adms = "http://www.w3.org/ns/adms#" {
        IDENTIFIER = "identifier",
        IDENTIFIER_CLASS = "Identifier",
    }
    dcat = "http://www.w3.org/ns/dcat#" {
        ACCESS_SERVICE = "accessService",
        ACCESS_URL = "accessURL",
        BBOX = "bbox",
        BYTE_SIZE = "byteSize",
        CATALOG = "Catalog",
        CATALOG_RECORD = "CatalogRecord",
        CONTACT_POINT = "contactPoint",
        DATASET = "Dataset",
        DATASET_OF = "dataset",
        DATA_SERVICE = "DataService",
        DISTRIBUTION = "Distribution",
        DISTRIBUTION_OF = "distribution",
        DOWNLOAD_URL = "downloadURL",
        END_DATE = "endDate",
        ENDPOINT_DESCRIPTION = "endpointDescription",
        ENDPOINT_URL = "endpointURL",
        KEYWORD = "keyword",
        LANDING_PAGE = "landingPage",
        MEDIA_TYPE = "mediaType",
        RECORD = "record",
        SERVES_DATASET = "servesDataset",
        SERVICE = "service",
        START_DATE = "startDate",
        THEME = "theme",
        THEME_TAXONOMY = "themeTaxonomy",
        VERSION = "version",
    }
    dcatap = "http://data.europa.eu/r5r/" {
        APPLICABLE_LEGISLATION = "applicableLegislation",
        HVD_CATEGORY = "hvdCategory",
    }
    dct = "http://purl.org/dc/terms/" {
        ACCESS_RIGHTS = "accessRights",
        ACCRUAL_PERIODICITY = "accrualPeriodicity",
        CONFORMS_TO = "conformsTo",
        CREATED = "created",
        CREATOR = "creator",
        DESCRIPTION = "description",
        FORMAT = "format",
        HAS_PART = "hasPart",
        IDENTIFIER = "identifier",
        IS_PART_OF = "isPartOf",
        IS_REPLACED_BY = "isReplacedBy",
        ISSUED = "issued",
        LANGUAGE = "language",
        LICENSE = "license",
        LOCATION = "Location",
        MODIFIED = "modified",
        PERIOD_OF_TIME = "PeriodOfTime",
        PROVENANCE = "provenance",
        PROVENANCE_STATEMENT = "ProvenanceStatement",
        PUBLISHER = "publisher",
        RELATION = "relation",
        REPLACES = "replaces",
        RIGHTS = "rights",
        RIGHTS_STATEMENT = "RightsStatement",
        SOURCE = "source",
        SPATIAL = "spatial",
        SUBJECT = "subject",
        TEMPORAL = "temporal",
        TITLE = "title",
    }
    dqv = "http://www.w3.org/ns/dqv#" {
        HAS_QUALITY_ANNOTATION = "hasQualityAnnotation",
        QUALITY_ASSESSMENT = "qualityAssessment",
        USER_QUALITY_FEEDBACK = "UserQualityFeedback",
    }
    eli = "http://data.europa.eu/eli/ontology#" {
        LEGAL_RESOURCE = "LegalResource",
    }
    foaf = "http://xmlns.com/foaf/0.1/" {
        AGENT = "Agent",
        DOCUMENT = "Document",
        HOMEPAGE = "homepage",
        NAME = "name",
        ORGANIZATION = "Organization",
        PAGE = "page",
        PRIMARY_TOPIC = "primaryTopic",
    }
    geo = "http://www.opengis.net/ont/geosparql#" {
        WKT_LITERAL = "wktLiteral",
    }
    hydra = "http://www.w3.org/ns/hydra/core#" {
        FIRST = "first",
        ITEMS_PER_PAGE = "itemsPerPage",
        NEXT = "next",
        PARTIAL_COLLECTION_VIEW = "PartialCollectionView",
        PAGED_COLLECTION = "PagedCollection",
        TOTAL_ITEMS = "totalItems",
    }
    oa = "http://www.w3.org/ns/oa#" {
        HAS_BODY = "hasBody",
        HAS_TARGET = "hasTarget",
        MOTIVATED_BY = "motivatedBy",
    }
    odrl = "http://www.w3.org/ns/odrl/2/" {
        ACTION = "action",
        ASSIGNER = "assigner",
        ATTRIBUTE = "attribute",
        CONSTRAINT = "constraint",
        CONSTRAINT_CLASS = "Constraint",
        DELETE = "delete",
        DUTY = "Duty",
        DUTY_OF = "duty",
        ELAPSED_TIME = "elapsedTime",
        HAS_POLICY = "hasPolicy",
        INFORM = "inform",
        IS_ANY_OF = "isAnyOf",
        LEFT_OPERAND = "leftOperand",
        LTEQ = "lteq",
        OFFER = "Offer",
        OPERATOR = "operator",
        PERMISSION = "permission",
        PERMISSION_CLASS = "Permission",
        PURPOSE = "purpose",
        RIGHT_OPERAND = "rightOperand",
        TARGET = "target",
        UID = "uid",
        USE = "use",
    }
    org = "http://www.w3.org/ns/org#" {
        UNIT_OF = "unitOf",
    }
    skos = "http://www.w3.org/2004/02/skos/core#" {
        CONCEPT = "Concept",
        CONCEPT_SCHEME = "ConceptScheme",
        CLOSE_MATCH = "closeMatch",
        IN_SCHEME = "inScheme",
        NOTATION = "notation",
        PREF_LABEL = "prefLabel",
    }
    spdx = "http://spdx.org/rdf/terms#" {
        ALGORITHM = "algorithm",
        CHECKSUM = "checksum",
        CHECKSUM_CLASS = "Checksum",
        CHECKSUM_VALUE = "checksumValue",
        SHA256 = "checksumAlgorithm_sha256",
    }
    vcard = "http://www.w3.org/2006/vcard/ns#" {
        FN = "fn",
        HAS_EMAIL = "hasEmail",
        HAS_TELEPHONE = "hasTelephone",
        HAS_URL = "hasURL",
        KIND = "Kind",
        ORGANIZATION = "Organization",
    }
}
