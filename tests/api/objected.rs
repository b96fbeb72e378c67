//! An objection shows wherever its dataset does, for as long as it is not settled.

use serde_json::{Value, json};

use crate::support::{Service, TestApp};

const SLUG: &str = "ai-policy-measures";
const OTHER: &str = "shanghai-districts";
const ANNOTATION: &str = "http://www.w3.org/ns/dqv#hasQualityAnnotation";

/// What a list of the API says of each dataset.
async fn listed(app: &Service, query: &str) -> Vec<(String, Option<Value>)> {
    let found = app.get(&format!("/api/v1/datasets?{query}")).await.expect(200).json();
    let of_one = |item: &Value| (item["slug"].as_str().unwrap().to_owned(), item.get("objections").cloned());
    found["items"].as_array().unwrap().iter().map(of_one).collect()
}

/// The extras of a dataset in CKAN's shape that are about objections.
fn extras(package: &Value) -> Vec<(&str, &str)> {
    let all = package["extras"].as_array().unwrap().iter();
    let all = all.map(|extra| (extra["key"].as_str().unwrap(), extra["value"].as_str().unwrap()));
    all.filter(|(key, _)| key.starts_with("objections")).collect()
}

/// The annotations of datasets in a document of JSON-LD: the dataset, and what is said of the annotation.
fn annotations(document: &Value) -> Vec<(String, Value)> {
    let nodes = document["@graph"].as_array().unwrap();
    let id = |value: &Value| value["@id"].as_str().unwrap_or_default().rsplit('/').next().unwrap_or_default().to_owned();
    let of_one = |node: &Value| {
        let named = [ANNOTATION, "dqv:hasQualityAnnotation"].into_iter().find_map(|name| node.get(name))?;
        let named = named.as_array().and_then(|all| all.first()).unwrap_or(named)["@id"].as_str()?;
        let said = nodes.iter().find(|node| node["@id"] == named)?;
        Some((id(node), said.clone()))
    };
    nodes.iter().filter_map(of_one).collect()
}

/// How many objections each place shows to the dataset, and that none shows any to another.
async fn shown(app: &Service) -> Vec<(&'static str, i64)> {
    let mut shown = Vec::new();
    for (place, query) in [("list", "limit=1000"), ("search", "q=xuhui%20shanghai&facets=true"), ("newest", "sort=updated")] {
        let found = listed(app, query).await;
        assert!(found.iter().any(|(slug, _)| slug == SLUG) && found.iter().any(|(slug, _)| slug == OTHER), "{place}: {found:?}");
        assert!(found.iter().all(|(slug, objections)| slug == SLUG || objections.is_none()), "{place}: {found:?}");
        let marked = found.into_iter().find_map(|(_, objections)| objections);
        shown.push((place, marked.map_or(0, |marked| marked["count"].as_i64().unwrap())));
    }
    for (place, path) in [("portal", "/?lang=en"), ("portal, found", "/?lang=zh&q=%E5%BE%90%E6%B1%87")] {
        let page = app.get(path).await.expect(200).text();
        let mark = format!("<a class=\"type objected\" href=\"/datasets/{SLUG}?");
        assert_eq!(page.matches("class=\"type objected\"").count(), page.matches(&mark).count(), "{place}");
        shown.push((place, page.matches(&mark).count() as i64));
    }
    for (place, path) in [("catalogue", "/catalog.jsonld".to_owned()), ("description", format!("/datasets/{SLUG}.jsonld"))] {
        let found = annotations(&app.get(&path).await.expect(200).json());
        assert!(found.iter().all(|(dataset, _)| dataset == SLUG), "{place}: {found:?}");
        shown.push((place, found.len() as i64));
    }
    for action in [format!("package_show?id={SLUG}"), format!("package_search?fq=name:{SLUG}")] {
        let result = app.get(&format!("/ckan/api/3/action/{action}")).await.expect(200).json()["result"].clone();
        let package = result["results"].get(0).unwrap_or(&result);
        let count = extras(package).into_iter().find(|(key, _)| *key == "objections");
        shown.push(("ckan", count.map_or(0, |(_, count)| count.parse().unwrap())));
    }
    shown
}

/// The same number at every place; where something is there or not, one.
fn everywhere(count: i64) -> Vec<(&'static str, i64)> {
    let is = count.min(1);
    let marks = [("portal", is), ("portal, found", is), ("catalogue", is), ("description", is)];
    [("list", count), ("search", count), ("newest", count)].into_iter().chain(marks).chain([("ckan", count), ("ckan", count)]).collect()
}

#[tokio::test]
async fn an_objection_shows_wherever_the_dataset_does_until_it_is_settled() {
    let app = TestApp::spawn().await;
    let operator = app.operator().await.token;
    // What is kept of these answers has to go each time.
    assert_eq!(shown(&app).await, everywhere(0));
    let mut ids = Vec::new();
    for text in ["The third measure is of another year.", "Two measures are missing."] {
        let filed = app.post(&format!("/api/v1/datasets/{SLUG}/corrections"), &json!({ "text": text })).await.expect(201).json();
        ids.push(filed["id"].as_str().unwrap().to_owned());
        assert_eq!(shown(&app).await, everywhere(ids.len() as i64));
    }
    let answer = async |id: &str, outcome: &str| {
        let said = json!({ "outcome": outcome, "text": "It is looked into." });
        app.post_as(&format!("/api/v1/admin/feedback/{id}/answer"), &operator, &said).await.expect(200);
    };
    answer(&ids[0], "accepted").await;
    let since = app.get(&format!("/api/v1/datasets/{SLUG}")).await.json()["objections"]["since"].as_str().unwrap().to_owned();
    let marked = listed(&app, "q=xuhui").await.into_iter().find_map(|(_, objections)| objections).unwrap();
    assert_eq!(marked, json!({ "count": 2, "accepted": 1, "since": since }));
    let package = app.get(&format!("/ckan/api/3/action/package_show?id={SLUG}")).await.json()["result"].clone();
    let [count, accepted, (key, value)] = extras(&package).try_into().unwrap();
    assert_eq!((count, accepted, key), (("objections", "2"), ("objections_accepted", "1"), "objections_since"));
    assert_eq!(value[..19], since[..19]);
    let described = annotations(&app.get(&format!("/datasets/{SLUG}.jsonld")).await.json());
    let said = described[0].1.to_string();
    for part in
        [&format!("/datasets/{SLUG}/corrections"), "UserQualityFeedback", "qualityAssessment", &since[..19], "2条异议", "settled: 2"]
    {
        assert!(said.contains(part), "{part}: {said}");
    }
    // No word of what was filed: nobody has looked at it.
    assert!(!said.contains("another year") && !package.to_string().contains("another year"));

    answer(&ids[0], "done").await;
    assert_eq!(shown(&app).await, everywhere(1));
    answer(&ids[1], "rejected").await;
    assert_eq!(shown(&app).await, everywhere(0));
}
