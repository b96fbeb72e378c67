//! CKAN's Action API: what `ckanapi` and harvesters ask, and how errors are told. `ckanapi` itself is in `tests/clients`.

use serde_json::{Value, json};

use crate::support::{TestApp, with_query};

const ACTIONS: &str = "/ckan/api/3/action";

async fn ask(app: &TestApp, action: &str, parameters: &[(&str, &str)]) -> Value {
    let answer = app.get(&with_query(&format!("{ACTIONS}/{action}"), parameters)).await.expect(200).json();
    assert_eq!(answer["success"], true);
    assert_eq!(answer["help"], format!("{}/ckan/api/3/action/help_show?name={action}", app.url));
    answer["result"].clone()
}

fn names(packages: &Value) -> Vec<&str> {
    packages.as_array().unwrap().iter().map(|package| package["name"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn every_dataset_is_found_by_name_and_by_id() {
    let app = TestApp::with_closed().await;
    let listed = ask(&app, "package_list", &[]).await;
    assert_eq!(listed.as_array().unwrap().len(), 7);
    for name in listed.as_array().unwrap() {
        let package = ask(&app, "package_show", &[("id", name.as_str().unwrap())]).await;
        assert_eq!(package["name"], *name);
        assert_eq!(package["num_resources"], package["resources"].as_array().unwrap().len());
        assert_eq!(ask(&app, "package_show", &[("id", package["id"].as_str().unwrap())]).await, package);
        for resource in package["resources"].as_array().unwrap() {
            assert_eq!(&ask(&app, "resource_show", &[("id", resource["id"].as_str().unwrap())]).await, resource);
            let status = if package["name"] == "community-health-visits" { 401 } else { 200 };
            app.get(resource["url"].as_str().unwrap().strip_prefix(&app.url).unwrap()).await.expect(status);
        }
        let organization =
            ask(&app, "organization_show", &[("id", package["owner_org"].as_str().unwrap()), ("include_datasets", "true")]).await;
        assert!(names(&organization["packages"]).contains(&name.as_str().unwrap()));
        assert_eq!(organization["package_count"], organization["packages"].as_array().unwrap().len());
    }
    assert_eq!(ask(&app, "package_list", &[("limit", "2"), ("offset", "1")]).await, json!([listed[1], listed[2]]));
    let current = ask(&app, "current_package_list_with_resources", &[("limit", "3")]).await;
    assert_eq!(current.as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn packages_are_searched_as_harvesters_do() {
    let app = TestApp::with_closed().await;
    // In pages, until one is empty.
    let (mut found, mut start) = (Vec::new(), 0);
    loop {
        let page = ask(&app, "package_search", &[("q", "*:*"), ("sort", "id asc"), ("rows", "3"), ("start", &start.to_string())]).await;
        assert_eq!(page["count"], 7);
        let some = names(&page["results"]).into_iter().map(str::to_owned).collect::<Vec<_>>();
        if some.is_empty() {
            break;
        }
        start += some.len();
        found.extend(some);
    }
    assert_eq!((found.len(), found.iter().collect::<std::collections::BTreeSet<_>>().len()), (7, 7));
    let cases: [(&[(&str, &str)], usize); 14] = [
        (&[("fq", "license_id:*")], 6),
        (&[("fq", "-license_id:*")], 1),
        (&[("fq", "organization:xuhui-civil-affairs")], 2),
        (&[("fq", "organization:xuhui-civil-affairs OR organization:xuhui-health")], 3),
        (&[("fq", "-organization:xuhui-civil-affairs")], 5),
        (&[("fq", "groups:administrative-divisions")], 2),
        (&[("fq", "res_format:CSV")], 6),
        (&[("fq", "tags:\"division code\"")], 2),
        (&[("fq", "metadata_modified:[2020-01-01T00:00:00Z TO *]")], 7),
        (&[("fq", "metadata_modified:[2099-01-01T00:00:00Z TO *]")], 0),
        (&[("fq", "+type:dataset +state:active"), ("fq_list", "[\"open_type:closed\"]")], 1),
        (&[("q", "\"居委会\"")], 1),
        (&[("q", "name:working-calendar")], 1),
        (&[("q", "*)("), ("fq", "")], 400),
    ];
    for (parameters, count) in cases {
        let path = with_query(&format!("{ACTIONS}/package_search"), parameters);
        if count == 400 {
            let refused = app.get(&path).await.expect(400).json();
            assert_eq!(
                (&refused["success"], refused["error"]["__type"].as_str()),
                (&json!(false), Some("Search Query Error")),
                "{refused}"
            );
            continue;
        }
        let answer = app.get(&path).await.expect(200).json();
        assert_eq!(answer["result"]["count"], count, "{parameters:?}: {}", answer["result"]["count"]);
    }
    let counted = ask(&app, "package_search", &[("rows", "0"), ("facet.field", "[\"organization\",\"res_format\",\"groups\"]")]).await;
    assert_eq!(counted["results"], json!([]));
    assert_eq!(counted["facets"]["organization"]["xuhui-civil-affairs"], 2);
    assert_eq!(counted["facets"]["res_format"]["CSV"], 6);
    let items = counted["search_facets"]["groups"]["items"].as_array().unwrap();
    assert!(items.contains(&json!({ "name": "administrative-divisions", "display_name": "行政区划", "count": 2 })), "{items:?}");
    let few = ask(&app, "package_search", &[("rows", "0"), ("facet.field", "[\"organization\"]"), ("facet.limit", "1")]).await;
    assert_eq!(few["facets"]["organization"].as_object().unwrap().len(), 1);
}

#[tokio::test]
async fn both_addresses_and_both_methods_answer_the_same() {
    let app = TestApp::spawn().await;
    let by_get = ask(&app, "package_search", &[("q", "calendar"), ("rows", "1")]).await;
    for path in [ACTIONS, "/ckan/api/action"] {
        let by_post = app.post(&format!("{path}/package_search"), &json!({ "q": "calendar", "rows": 1 })).await.expect(200).json();
        assert_eq!(by_post["result"], by_get, "{path}");
        let by_form = app.form(&format!("{path}/package_search"), &[("q", "calendar"), ("rows", "1")], &[]).await.expect(200).json();
        assert_eq!(by_form["result"], by_get, "{path}");
    }
    assert_eq!(app.get("/ckan/api/3").await.expect(200).json(), json!({ "version": 3 }));
    assert_eq!(ask(&app, "site_read", &[]).await, true);
    assert_eq!(ask(&app, "status_show", &[]).await["site_url"], app.url);
    assert!(ask(&app, "license_list", &[]).await.as_array().unwrap().iter().any(|licence| licence["id"] == "MIT"));
    assert!(ask(&app, "tag_list", &[("query", "code")]).await.as_array().unwrap().contains(&json!("division code")));
    assert_eq!(
        ask(&app, "tag_show", &[("id", "division code"), ("include_datasets", "true")]).await["packages"].as_array().unwrap().len(),
        2
    );
    assert_eq!(ask(&app, "group_list", &[("all_fields", "true")]).await.as_array().unwrap().len(), 9);
    assert_eq!(ask(&app, "resource_search", &[("query", "format:csv")]).await["results"].as_array().unwrap().len(), 6);
    assert_eq!(names(&ask(&app, "package_autocomplete", &[("q", "subdis")]).await)[0], "xuhui-subdistricts");
}

#[tokio::test]
async fn what_has_no_end_is_refused_or_empty() {
    let app = TestApp::with_closed().await;
    for start in ["7", "100000000000000", "9223372036854775807"] {
        let page = ask(&app, "package_search", &[("rows", "1000"), ("start", start)]).await;
        assert_eq!((&page["count"], &page["results"]), (&json!(7), &json!([])), "{start}");
        assert_eq!(ask(&app, "package_list", &[("offset", start), ("limit", "5")]).await, json!([]), "{start}");
        assert_eq!(ask(&app, "current_package_list_with_resources", &[("offset", start)]).await, json!([]), "{start}");
        assert_eq!(ask(&app, "resource_search", &[("query", "format:csv"), ("offset", start)]).await["results"], json!([]), "{start}");
    }
    let search = format!("{ACTIONS}/package_search");
    let many = vec!["title:\"some words to look for\""; 780];
    let long = "word ".repeat(100);
    let nine = vec!["title:words"; 9];
    for body in [json!({ "fq_list": many }), json!({ "q": many.join(" OR ") }), json!({ "q": long }), json!({ "fq_list": nine })] {
        let refused = app.post(&search, &body).await.expect(400).json();
        assert_eq!(refused["error"]["__type"], "Search Query Error", "{refused}");
        assert!(refused["error"]["message"].as_str().unwrap().contains("the most are"), "{refused}");
    }
    let tags = vec!["tags"; 20_000];
    let counted = app.post(&search, &json!({ "rows": 0, "facet.field": tags })).await.expect(200).json();
    assert_eq!(counted["result"]["facets"].as_object().unwrap().len(), 1);
}

#[tokio::test]
async fn errors_are_told_as_ckan_does() {
    let app = TestApp::spawn().await;
    let cases = [
        ("package_show?id=nothing", 404, "Not Found Error"),
        ("package_show?id=01890000-0000-7000-8000-000000000000", 404, "Not Found Error"),
        ("package_show", 409, "Validation Error"),
        ("resource_show?id=x-csv", 404, "Not Found Error"),
        ("organization_show?id=nothing", 404, "Not Found Error"),
        ("group_show?id=nothing", 404, "Not Found Error"),
        ("tag_show?id=nothing", 404, "Not Found Error"),
        ("package_search?rows=many", 409, "Validation Error"),
        ("package_search?fq=nothing:x", 400, "Search Query Error"),
        ("package_search?sort=colour", 400, "Search Query Error"),
        ("resource_search?query=CSV", 409, "Validation Error"),
        ("help_show?name=nothing", 404, "Not Found Error"),
    ];
    for (path, status, kind) in cases {
        let answer = app.get(&format!("{ACTIONS}/{path}")).await.expect(status).json();
        assert_eq!((&answer["success"], answer["error"]["__type"].as_str()), (&json!(false), Some(kind)), "{path}: {answer}");
        assert!(answer["error"]["message"].as_str().is_some_and(|message| !message.is_empty()), "{path}: {answer}");
    }
    assert_eq!(app.get(&format!("{ACTIONS}/nothing")).await.expect(400).json(), "Bad request - Action name not known: nothing");
    let bad = app.post(&format!("{ACTIONS}/package_list"), &json!([1])).await.expect(400).json();
    assert!(bad.as_str().is_some_and(|text| text.starts_with("Bad request - JSON Error")), "{bad}");
}
