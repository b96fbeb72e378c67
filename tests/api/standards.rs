//! The list in other catalogues' shapes: the same in each syntax, in pages without gap or repetition, never older than the list, and without
//! anything that is not public. What real clients make of them is in `tests/clients`.

use std::collections::{BTreeSet, HashSet};

use oxjsonld::JsonLdParser;
use oxrdf::{NamedOrBlankNode, Term, Triple};
use oxrdfxml::RdfXmlParser;
use oxttl::TurtleParser;
use serde_json::Value;

use crate::record::full;
use crate::support::{Answer, Folder, TestApp, shipped};

const DCAT: &str = "http://www.w3.org/ns/dcat#";
const DCT: &str = "http://purl.org/dc/terms/";
const HYDRA: &str = "http://www.w3.org/ns/hydra/core#";
const TYPE: &str = "http://www.w3.org/1999/02/22-rdf-syntax-ns#type";

type Triples = BTreeSet<String>;

/// What a document says, whatever its syntax.
fn parsed(answer: &Answer) -> Vec<Triple> {
    let (kind, bytes) = (answer.header("content-type").to_owned(), answer.text());
    if kind.starts_with("text/turtle") {
        return TurtleParser::new().for_slice(&bytes).collect::<Result<_, _>>().unwrap();
    }
    if kind.starts_with("application/rdf+xml") {
        return RdfXmlParser::new().for_slice(&bytes).collect::<Result<_, _>>().unwrap();
    }
    assert_eq!(kind, "application/ld+json");
    let quads = JsonLdParser::new().for_slice(&bytes);
    quads.map(|quad| quad.map(|quad| Triple::new(quad.subject, quad.predicate, quad.object)).unwrap()).collect()
}

/// The triples as lines, without those of the page, which is another in each syntax.
fn lines(triples: &[Triple]) -> Triples {
    let pages: HashSet<&NamedOrBlankNode> =
        triples.iter().filter(|triple| triple.predicate.as_str().starts_with(HYDRA)).map(|triple| &triple.subject).collect();
    triples.iter().filter(|triple| !pages.contains(&triple.subject)).map(ToString::to_string).collect()
}

/// What the subject that ends like this has of a property.
fn values(triples: &[Triple], subject: &str, property: &str) -> Vec<String> {
    let of = |triple: &&Triple| triple.predicate.as_str() == property && triple.subject.to_string().ends_with(&format!("{subject}>"));
    let text = |triple: &Triple| match &triple.object {
        Term::NamedNode(node) => node.as_str().to_owned(),
        other @ (Term::BlankNode(_) | Term::Literal(_)) => other.to_string(),
    };
    triples.iter().filter(of).map(text).collect()
}

fn of_class(triples: &[Triple], class: &str) -> BTreeSet<String> {
    let is = |triple: &&Triple| triple.predicate.as_str() == TYPE && triple.object.to_string() == format!("<{class}>");
    triples.iter().filter(is).map(|triple| triple.subject.to_string()).collect()
}

async fn graph(app: &TestApp, path: &str) -> Vec<Triple> {
    parsed(&app.get(path).await.expect(200))
}

#[tokio::test]
async fn each_syntax_says_the_same() {
    let app = TestApp::with_closed().await;
    for path in ["/catalog", "/datasets/community-health-visits", "/datasets/xuhui-subdistricts", "/datasets/enterprise-inspection-clues"] {
        let turtle = lines(&graph(&app, &format!("{path}.ttl")).await);
        assert!(turtle.len() > 20, "{path}: {turtle:#?}");
        for syntax in ["rdf", "jsonld"] {
            assert_eq!(lines(&graph(&app, &format!("{path}.{syntax}")).await), turtle, "{path}.{syntax}");
        }
    }
    let catalog = graph(&app, "/catalog.ttl").await;
    assert_eq!(of_class(&catalog, &format!("{DCAT}Dataset")).len(), 7);
    // A dataset says the same of itself as the catalogue says of it.
    let (alone, whole) = (lines(&graph(&app, "/datasets/shanghai-districts.ttl").await), lines(&catalog));
    let only: Vec<&String> = alone.difference(&whole).collect();
    assert!(only.is_empty(), "{only:#?}");
}

#[tokio::test]
async fn the_caller_chooses_the_syntax() {
    let app = TestApp::spawn().await;
    let page = "/datasets/shanghai-districts";
    let cases = [
        (page, "text/html,application/xhtml+xml,*/*;q=0.8", "text/html; charset=utf-8"),
        (page, "*/*", "text/html; charset=utf-8"),
        (page, "image/png", "text/html; charset=utf-8"),
        (page, "text/turtle", "text/turtle; charset=utf-8"),
        (page, "text/html;q=0.5, application/rdf+xml", "application/rdf+xml; charset=utf-8"),
        (page, "application/ld+json;q=0.3, text/turtle;q=0.7", "text/turtle; charset=utf-8"),
        (page, "application/ld+json, text/html", "application/ld+json"),
        ("/catalog", "*/*", "application/ld+json"),
        ("/catalog", "text/turtle", "text/turtle; charset=utf-8"),
        ("/catalog", "application/*", "application/ld+json"),
    ];
    for (path, accept, kind) in cases {
        let answer = app.get_with(path, &[("accept", accept)]).await.expect(200);
        assert_eq!(answer.header("content-type"), kind, "{path} {accept}");
        assert!(answer.header("vary").contains("Accept"), "{path} {accept}: {}", answer.header("vary"));
        if path == page && !kind.starts_with("text/html") {
            assert!(answer.header("content-location").starts_with(&format!("{page}.")), "{accept}");
            let named = app.get(answer.header("content-location")).await.expect(200);
            assert_eq!((named.text(), named.header("etag")), (answer.text(), answer.header("etag")), "{accept}");
        }
    }
    app.get_with("/catalog", &[("accept", "image/png")]).await.problem(406, "not-acceptable");
    for path in ["/catalog.foo", "/catalog.ttlx", "/datasets/shanghai-districts.foo", "/datasets/nothing.ttl"] {
        app.get(path).await.problem(404, "not-found");
    }
    app.get_with("/datasets/nothing", &[("accept", "text/turtle")]).await.expect(404);
    let known = app.get("/catalog.ttl").await.expect(200);
    app.get_with("/catalog.ttl", &[("if-none-match", known.header("etag"))]).await.expect(304);
}

#[tokio::test]
async fn pages_hold_every_dataset_once() {
    let app = TestApp::with_closed().await;
    let (mut found, mut next, mut pages) = (Vec::new(), Some("/catalog.ttl?limit=3".to_owned()), 0);
    while let Some(path) = next.take() {
        let page = graph(&app, &path).await;
        let datasets = of_class(&page, &format!("{DCAT}Dataset"));
        assert!(datasets.len() <= 3, "{datasets:?}");
        found.extend(datasets);
        pages += 1;
        let view = of_class(&page, &format!("{HYDRA}PartialCollectionView"));
        assert_eq!(view.len(), 1);
        let view = view.first().unwrap().trim_matches(['<', '>']).to_owned();
        assert_eq!(view, format!("{}{path}", app.url), "a page is called by its own address");
        let number = |property: &str| values(&page, &view, &format!("{HYDRA}{property}"));
        assert_eq!(number("totalItems").len(), 1);
        assert!(number("totalItems")[0].starts_with("\"7\""), "{:?}", number("totalItems"));
        let behind = number("next");
        assert!(behind.len() <= 1, "{behind:?}");
        next = behind.first().map(|address| address.strip_prefix(&app.url).unwrap().to_owned());
    }
    assert_eq!((pages, found.len(), found.iter().collect::<BTreeSet<_>>().len()), (3, 7, 7));
    for (query, pointer) in
        [("limit=0", "limit"), ("limit=1001", "limit"), ("cursor=x", "cursor"), ("modified_since=yesterday", "modified_since")]
    {
        let problem = app.get(&format!("/catalog.ttl?{query}")).await.problem(400, "invalid-value");
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{problem}");
    }
    let none = graph(&app, "/catalog.ttl?modified_since=2099-01-01").await;
    assert_eq!(of_class(&none, &format!("{DCAT}Dataset")).len(), 0);
    assert_eq!(of_class(&graph(&app, "/catalog.ttl?modified_since=2020-01-01T00:00:00%2B08:00").await, &format!("{DCAT}Dataset")).len(), 7);
    // A cursor belongs to the filter that it was made under.
    let page = graph(&app, "/catalog.ttl?limit=3&modified_since=2020-01-01").await;
    let view = of_class(&page, &format!("{HYDRA}PartialCollectionView")).first().unwrap().trim_matches(['<', '>']).to_owned();
    let next = values(&page, &view, &format!("{HYDRA}next")).remove(0);
    let next = next.strip_prefix(&app.url).unwrap();
    assert_eq!(of_class(&graph(&app, next).await, &format!("{DCAT}Dataset")).len(), 3);
    app.get(&next.replace("2020-01-01", "2021-01-01")).await.problem(400, "invalid-value");
}

#[tokio::test]
async fn every_part_of_a_record_has_its_term() {
    let folder = full();
    let app = TestApp::with_datasets(folder.path()).await;
    let said = graph(&app, "/datasets/homes.ttl").await;
    let of = |subject: &str, property: &str| values(&said, subject, property);
    let page = format!("{}/datasets/homes", app.url);
    assert_eq!(of("/homes", &format!("{DCT}identifier")), ["\"29200/01103512\""]);
    assert_eq!(of("/homes", &format!("{DCT}language")).len(), 2);
    assert_eq!(of("/homes", &format!("{DCT}source")), [format!("{}/datasets/areas", app.url)]);
    assert_eq!(of("#registration", "http://www.w3.org/2004/02/skos/core#notation"), ["\"GGSJ-2025-000123\""]);
    assert_eq!(of("#department", "http://xmlns.com/foaf/0.1/name"), ["\"数据科\"@zh", "\"Data section\"@en"]);
    let wkt = "\"POLYGON((121.38 31.1,121.48 31.1,121.48 31.22,121.38 31.22,121.38 31.1))\"";
    assert_eq!(of("#place-1", &format!("{DCAT}bbox")), [format!("{wkt}^^<http://www.opengis.net/ont/geosparql#wktLiteral>")]);
    assert_eq!(of("#place-1", &format!("{DCT}identifier")), ["\"310104\""]);
    assert_eq!(of("#period", &format!("{DCAT}startDate")), ["\"2020-01-01\"^^<http://www.w3.org/2001/XMLSchema#date>"]);
    assert_eq!(of("/homes", "http://data.europa.eu/r5r/applicableLegislation"), ["https://example.org/law"]);
    assert_eq!(of("/homes", "http://data.europa.eu/r5r/hvdCategory"), ["http://data.europa.eu/bna/c_e1da4e07"]);
    assert_eq!(of("/homes", &format!("{DCT}subject")), [format!("{}/api/v1/subject-classes#community", app.url)]);
    assert_eq!(of("#contact", "http://www.w3.org/2006/vcard/ns#hasTelephone"), ["tel:021-12345678"]);
    assert_eq!(of("publishers#office", &format!("{DCT}identifier")), ["\"91310000132260250X\""]);
    assert!(of("/homes", &format!("{DCAT}distribution")).contains(&format!("{page}#csv")));
    // The other end of a relation.
    assert_eq!(values(&graph(&app, "/datasets/areas.ttl").await, "/areas", &format!("{DCT}relation")), [page]);
}

#[tokio::test]
async fn a_change_shows_at_once_and_sizes_when_they_are_known() {
    let folder = Folder::new();
    folder.open("one", &["a"], "a\n1\n");
    let app = TestApp::with_datasets(folder.path()).await;
    let before = graph(&app, "/datasets/one.ttl").await;
    assert_eq!(values(&before, "/one", &format!("{DCAT}version")), ["\"1\""]);
    assert_eq!(values(&before, "#parquet", &format!("{DCAT}byteSize")).len(), 1);
    assert_eq!(values(&before, "#csv", &format!("{DCAT}byteSize")).len(), 0);
    let csv = app.get("/api/v1/datasets/one/download?format=csv").await.expect(200);
    let known = graph(&app, "/datasets/one.rdf").await;
    let size = format!("\"{}\"^^<http://www.w3.org/2001/XMLSchema#nonNegativeInteger>", csv.text().len());
    assert_eq!(values(&known, "#csv", &format!("{DCAT}byteSize")), [size]);
    let sum = values(&known, "#csv-checksum", "http://spdx.org/rdf/terms#checksumValue").remove(0);
    assert!(csv.header("etag").contains(sum.split('"').nth(1).unwrap()), "{sum}");

    folder.open("one", &["a"], "a\n1\n2\n");
    app.import(&folder).await;
    let after = graph(&app, "/datasets/one.ttl").await;
    assert_eq!(values(&after, "/one", &format!("{DCAT}version")), ["\"2\""]);
    let pinned = values(&after, "#parquet", &format!("{DCAT}downloadURL")).remove(0);
    assert!(pinned.ends_with("format=parquet&version=2"), "{pinned}");
    assert_eq!(app.get("/datasets/one/croissant.json").await.json()["version"], "2.0.0");
    assert_eq!(app.get("/datasets/one/datapackage.json").await.json()["version"], "2.0.0");
    assert_eq!(app.get("/data.json").await.json()["dataset"][0]["version"], "2");
    assert!(app.get("/llms.txt").await.text().contains("(open, 2 rows)"));
    // Both ends of a relation in one catalogue, and a dataset without data.
    let entry = std::fs::read_to_string(folder.file("one/dataset.toml")).unwrap();
    let closed = entry.replace("\"unconditional\"", "\"closed\"").replace("data = \"data.csv\"\n", "");
    folder.write("one/dataset.toml", format!("open_type_reason = {{ zh = \"由\", en = \"reason\" }}\n{closed}"));
    app.import(&folder).await;
    for path in ["/catalog.ttl", "/datasets/one.ttl", "/catalog.jsonld"] {
        let text = app.get(path).await.expect(200).text();
        assert!(text.contains("NON_PUBLIC") && !text.contains("download") && !text.contains("istribution"), "{path}: {text}");
    }
    app.get("/datasets/one/croissant.json").await.problem(404, "not-found");
    app.get("/datasets/one/datapackage.json").await.problem(404, "not-found");
    assert_eq!(app.get("/data.json").await.json()["dataset"][0]["distribution"], serde_json::json!([]));
}

const DOCUMENTS: [&str; 9] = [
    "/catalog.ttl",
    "/catalog.rdf",
    "/catalog.jsonld",
    "/data.json",
    "/datasets/community-health-visits.ttl",
    "/datasets/community-health-visits/croissant.json",
    "/datasets/community-health-visits?lang=zh",
    "/feed.atom",
    "/llms.txt",
];

#[tokio::test]
async fn no_document_says_more_of_a_conditional_dataset_than_its_terms() {
    let app = TestApp::spawn().await;
    let said = graph(&app, "/datasets/community-health-visits.ttl").await;
    assert_eq!(of_class(&said, &format!("{DCAT}Distribution")).len(), 2);
    for property in ["byteSize", "accessService"] {
        assert!(values(&said, "#parquet", &format!("{DCAT}{property}")).is_empty(), "{property}");
    }
    assert!(!said.iter().any(|triple| triple.predicate.as_str().contains("checksum")));
    assert_eq!(
        values(&said, "#offer-term", "http://www.w3.org/ns/odrl/2/rightOperand"),
        ["\"P180D\"^^<http://www.w3.org/2001/XMLSchema#duration>"]
    );
    let purposes = values(&said, "#offer-purpose", "http://www.w3.org/ns/odrl/2/rightOperand");
    assert!(purposes.contains(&"\"evaluation\"".to_owned()) && !purposes.contains(&"\"pre_training\"".to_owned()), "{purposes:?}");
    let croissant = app.get("/datasets/community-health-visits/croissant.json").await.expect(200).json();
    assert_eq!(croissant["isLiveDataset"], true);
    assert_eq!(croissant["distribution"].as_array().unwrap().len(), 1);
    assert!(croissant["distribution"][0].get("sha256").is_none() && croissant["distribution"][0].get("contentSize").is_none());
    assert_eq!(croissant["usageInfo"][0]["@type"], "odrl:Offer");
    let fields: BTreeSet<&str> =
        croissant["recordSet"][0]["field"].as_array().unwrap().iter().map(|field| field["name"].as_str().unwrap()).collect();
    // Name and number never leave.
    assert!(fields.contains("visit_id") && !fields.contains("mobile"), "{fields:?}");
    let dataset = app.get("/data.json").await.json()["dataset"]
        .as_array()
        .unwrap()
        .iter()
        .find(|one| one["accessRights"] == "restricted public")
        .cloned();
    let file = &dataset.unwrap()["distribution"][0];
    assert!(file.get("byteSize").is_none() && file.get("checksum").is_none(), "{file}");
    // The bytes of the version are named nowhere.
    let versions: Vec<(String, i64)> = app.app.tools().db.read_now(versions_of_conditional).unwrap();
    for path in DOCUMENTS {
        let text = app.get(path).await.expect(200).text();
        for (sha256, size) in &versions {
            assert!(!text.contains(sha256) && !text.contains(&format!("\"{size}\"")), "{path}");
        }
    }
}

fn versions_of_conditional(conn: &mut qingdan::db::Conn) -> qingdan::error::Result<Vec<(String, i64)>> {
    let dataset = qingdan::catalog::find(conn, "community-health-visits")?;
    let version = qingdan::catalog::latest_version(conn, &dataset)?.unwrap().0;
    Ok(version.parts.iter().map(|part| (part.object.sha256.clone(), part.object.size_bytes as i64)).collect())
}

#[tokio::test]
async fn a_version_that_is_held_is_in_no_document() {
    // An identity number in an open dataset holds the version.
    let folder = Folder::new();
    folder.open("held", &["a:string"], "a\n11010519491231002X\n");
    let app = TestApp::with_datasets(folder.path()).await;
    assert_eq!(app.get("/api/v1/datasets/held").await.json()["version"], Value::Null);
    for path in ["/catalog.ttl", "/datasets/held.ttl", "/data.json", "/datasets/held", "/llms.txt"] {
        let text = app.get(path).await.expect(200).text();
        assert!(!text.contains("held/download") && !text.contains("11010519491231002X"), "{path}: {text}");
    }
    app.get("/datasets/held/croissant.json").await.problem(404, "not-found");
    app.get("/datasets/held/datapackage.json").await.problem(404, "not-found");
}

#[tokio::test]
async fn texts_come_through_unchanged() {
    let folder = Folder::new();
    folder.open("one", &["a"], "a\n1\n");
    let title = "</script><b>&amp; ]]> \\\"徐汇\\\" 🏙 {{7*7}}";
    let entry = std::fs::read_to_string(folder.file("one/dataset.toml")).unwrap();
    let titled = format!("title = {{ zh = \"{title}\", en = \"{title}\" }}");
    folder.write("one/dataset.toml", entry.replacen("title = { zh = \"one\", en = \"one\" }", &titled, 1));
    let app = TestApp::with_datasets(folder.path()).await;
    let meant = title.replace("\\\"", "\"");
    assert_eq!(app.get("/api/v1/datasets/one").await.json()["title"]["en"], meant);
    for syntax in ["ttl", "rdf", "jsonld"] {
        let said = graph(&app, &format!("/datasets/one.{syntax}")).await;
        let titles: Vec<String> = said
            .iter()
            .filter(|triple| triple.subject.to_string().ends_with("/one>") && triple.predicate.as_str() == format!("{DCT}title"))
            .map(|triple| match &triple.object {
                Term::Literal(literal) => literal.value().to_owned(),
                other @ (Term::NamedNode(_) | Term::BlankNode(_)) => panic!("{other}"),
            })
            .collect();
        assert_eq!(titles, [meant.as_str(), meant.as_str()], "{syntax}");
    }
    for lang in ["zh", "en"] {
        let page = app.get(&format!("/datasets/one?lang={lang}")).await.expect(200).text();
        let (_, rest) = page.split_once("<script type=\"application/ld+json\">").unwrap();
        let (script, _) = rest.split_once("</script>").unwrap();
        let said: Value = serde_json::from_str(script).unwrap();
        assert_eq!((said["name"].as_str(), said["@type"].as_str()), (Some(meant.as_str()), Some("Dataset")));
        assert_eq!(page.matches("<script").count(), 1, "{page}");
    }
    let feed = app.get("/feed.atom").await.expect(200).text();
    let escaped = "&lt;/script&gt;&lt;b&gt;&amp;amp; ]]&gt;";
    assert!(feed.contains(escaped), "{feed}");
    assert_eq!(app.get("/data.json").await.json()["dataset"][0]["titleMap"]["zh"], meant);
    let llms = app.get("/llms.txt").await.text();
    assert!(llms.contains("\\</script\\>\\<b\\>&amp; \\]\\]\\>"), "{llms}");
}

#[tokio::test]
async fn the_feed_goes_from_the_latest_change_to_the_first() {
    let folder = Folder::new();
    for slug in ["a", "b", "c", "d", "e"] {
        folder.open(slug, &["a"], "a\n1\n");
    }
    let app = TestApp::with_datasets(folder.path()).await;
    folder.open("b", &["a"], "a\n2\n");
    app.import(&folder).await;
    let slugs = |feed: &str| -> Vec<String> {
        let entries = feed.split("<entry>").skip(1);
        entries.map(|entry| entry.split_once("</id>").unwrap().0.rsplit('/').next().unwrap().to_owned()).collect()
    };
    let whole = slugs(&app.get("/feed.atom").await.expect(200).text());
    assert_eq!((whole[0].as_str(), whole.len()), ("b", 5));
    let (mut found, mut next) = (Vec::new(), Some("/feed.atom?lang=zh&limit=2".to_owned()));
    while let Some(path) = next.take() {
        let answer = app.get(&path).await.expect(200);
        assert_eq!(answer.header("content-language"), "zh-CN");
        let feed = answer.text();
        found.extend(slugs(&feed));
        next = feed.split_once("rel=\"next\"").map(|(_, rest)| {
            let (_, rest) = rest.split_once("href=\"").unwrap();
            rest.split_once('"').unwrap().0.replace("&amp;", "&").strip_prefix(&app.url).unwrap().to_owned()
        });
    }
    assert_eq!(found, whole);
    app.get("/feed.atom?cursor=x").await.problem(400, "invalid-value");
}

#[tokio::test]
async fn crawlers_find_every_page_and_nothing_else() {
    let app = TestApp::with_closed().await;
    let map = app.get("/sitemap.xml").await.expect(200).text();
    let pages: Vec<&str> = map.split("<loc>").skip(1).map(|rest| rest.split_once("</loc>").unwrap().0).collect();
    assert_eq!(pages.len(), 9, "{pages:?}");
    for page in &pages {
        app.get(page.strip_prefix(&app.url).unwrap()).await.expect(200);
    }
    let rest = app.get("/sitemap.xml?behind=shanghai-districts").await.expect(200).text();
    assert_eq!(rest.matches("<loc>").count(), 3, "{rest}");
    app.get("/sitemap.xml?behind=anything").await.problem(404, "not-found");
    let robots = app.get("/robots.txt").await.expect(200).text();
    assert!(robots.contains(&format!("Sitemap: {}/sitemap.xml", app.url)) && robots.contains("Disallow: /console\n"), "{robots}");
}

#[tokio::test]
async fn dcat_us_names_an_address_only_where_there_is_one() {
    let app = TestApp::with_closed().await;
    let list = app.get("/data.json").await.expect(200).json();
    let datasets = list["dataset"].as_array().unwrap();
    assert_eq!(datasets.len(), 7);
    assert!(datasets.iter().all(|dataset| dataset["contactPoint"].get("hasEmail").is_none() && dataset["contactPoint"]["fn"].is_string()));
    let app = TestApp::start(Some(&shipped()), &[("contact_email", "opendata@example.org")]).await;
    let list = app.get("/data.json").await.expect(200).json();
    assert!(list["dataset"].as_array().unwrap().iter().all(|dataset| dataset["contactPoint"]["hasEmail"] == "mailto:opendata@example.org"));
    assert_eq!(list["publisher"]["name"], "Xuhui District Data Bureau");
}
