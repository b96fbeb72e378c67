//! A dataset that is suspended gives nothing out, and one that is withdrawn is gone, everywhere and at once.

use std::time::Instant;

use futures::StreamExt;
use qingdan::catalog::Edition;
use qingdan::release::{import_folder, unwatched};
use serde_json::{Value, json};

use crate::support::{Folder, TestApp, entry};

const SLUG: &str = "ai-policy-measures";
const VISITS: &str = "community-health-visits";

fn ground() -> Value {
    json!({ "ground": "rights_claim", "reason": "甲公司主张商业秘密" })
}

async fn step(app: &TestApp, token: &str, slug: &str, step: &str, body: &Value) -> crate::support::Answer {
    app.post_as(&format!("/api/v1/admin/datasets/{slug}/{step}"), token, body).await
}

/// Where a dataset is named that is in the list.
fn catalogues(slug: &str) -> Vec<String> {
    let mut paths: Vec<String> = [
        "/",
        "/api/v1/datasets?limit=1000",
        "/api/v1/datasets?q=SLUG",
        "/api/v1/datasets?sort=updated",
        "/ckan/api/3/action/package_list",
        "/ckan/api/3/action/package_search?rows=100",
        "/ckan/api/3/action/current_package_list_with_resources",
        "/ckan/api/3/action/package_autocomplete?q=SLUG",
        "/catalog.jsonld",
        "/catalog.ttl",
        "/catalog.rdf",
        "/data.json",
        "/feed.atom",
        "/sitemap.xml",
        "/llms.txt",
    ]
    .iter()
    .map(|path| path.replace("SLUG", slug))
    .collect();
    if slug == SLUG {
        paths.push("/api/v1/datasets/naming".to_owned());
        paths.push("/datasets/naming".to_owned());
        paths.push("/datasets/naming.ttl".to_owned());
    }
    paths
}

/// What is a dataset's own.
const OWN: [&str; 15] = [
    "/api/v1/datasets/SLUG",
    "/api/v1/datasets/SLUG/versions",
    "/api/v1/datasets/SLUG/versions/1",
    "/api/v1/datasets/SLUG/profile",
    "/api/v1/datasets/SLUG/grading",
    "/api/v1/datasets/SLUG/citation",
    "/api/v1/datasets/SLUG/rows?limit=1",
    "/api/v1/datasets/SLUG/download",
    "/api/v1/datasets/SLUG/download?format=csv",
    "/api/v1/datasets/SLUG/download?version=1",
    "/datasets/SLUG",
    "/datasets/SLUG.ttl",
    "/datasets/SLUG.jsonld",
    "/datasets/SLUG/croissant.json",
    "/datasets/SLUG/datapackage.json",
];

/// The shipped datasets, and one that names one of them.
async fn app() -> (TestApp, Folder) {
    let folder = Folder::new();
    folder.open("naming", &["name"], "name\na\n");
    let related = format!("{}[[related]]\ndataset = \"{SLUG}\"\nrelation = \"see_also\"\n", entry("naming", &["name"]));
    folder.write("naming/dataset.toml", related);
    let app = TestApp::spawn().await;
    app.import(&folder).await;
    (app, folder)
}

#[tokio::test]
async fn a_withdrawn_dataset_is_gone_everywhere_at_once() {
    let (app, _folder) = app().await;
    let (reviewer, firm) = (app.staff(&["reviewer"], None).await.token, app.firm().await);
    let grant = app.grant(&firm).await;
    let signed = app.post_as(&format!("/api/v1/datasets/{VISITS}/signed-urls"), &grant.token, &json!({})).await.expect(201).json();
    let signed = signed["url"].as_str().unwrap().strip_prefix(&app.url).unwrap().to_owned();
    let rows = format!("/api/v1/datasets/{VISITS}/rows?limit=1&select=cost_cny");
    app.get(&signed).await.expect(200);
    app.get_as(&rows, &grant.token).await.expect(200);
    let sql = json!({ "sql": format!("SELECT count(*) AS n FROM \"{SLUG}\"") });
    app.post("/api/v1/sql", &sql).await.expect(200);
    let package = format!("/ckan/api/3/action/package_show?id={SLUG}");
    app.get(&package).await.expect(200);
    for slug in [SLUG, VISITS] {
        for path in catalogues(slug) {
            assert!(app.get(&path).await.expect(200).text().contains(slug), "{path} does not name {slug}");
        }
    }
    for path in OWN {
        app.get(&path.replace("SLUG", SLUG)).await.expect(200);
    }
    let versions = app.get("/api/v1/open-list/versions").await.expect(200).json()["items"][0]["version"].as_i64().unwrap();
    let mut slowest = 0;
    for slug in [SLUG, VISITS] {
        let answer = step(&app, &reviewer, slug, "withdrawal", &ground()).await.expect(200).json();
        assert_eq!(answer["state"], "withdrawn");
        // From here on each request is the first one after the answer.
        let begun = Instant::now();
        for path in OWN {
            app.get(&path.replace("SLUG", slug)).await.expect(410);
        }
        for path in catalogues(slug) {
            assert!(!app.get(&path).await.expect(200).text().contains(slug), "{path} still names {slug}");
        }
        slowest = slowest.max(begun.elapsed().as_millis());
    }
    println!("two datasets gone from every address within {slowest} ms of the answer, asked one after the other");
    app.get(&format!("/api/v1/datasets/{VISITS}/offer")).await.problem(410, "dataset-withdrawn");
    app.get(&signed).await.problem(410, "dataset-withdrawn");
    app.get_as(&rows, &grant.token).await.problem(410, "dataset-withdrawn");
    app.post("/api/v1/sql", &sql).await.problem(410, "dataset-withdrawn");
    app.get(&package).await.expect(404);
    // The keys: the grant is over, and no token is given for it any more.
    let shown = app.get_as(&format!("/api/v1/grants/{}", grant.id), &firm.token).await.expect(200).json();
    assert_eq!(shown["status"], "revoked");
    assert!(!shown["reason"].as_str().unwrap().contains("甲公司"), "{shown}");
    let assertion = crate::support::assertion_claims(&app, &firm.client_id);
    app.assert(&firm.key.sign(&assertion), Some(&grant.id)).await.expect(400);
    // The list says what was done and why, by name alone.
    let diff = app.get(&format!("/api/v1/open-list/diff?from={versions}")).await.expect(200).json();
    assert_eq!(diff["total"], 2);
    for (change, slug) in diff["items"].as_array().unwrap().iter().zip([SLUG, VISITS]) {
        assert_eq!(change["slug"], slug);
        assert_eq!(change["difference"], "removed");
        assert_eq!(change["values"], json!([]));
        assert_eq!(change["steps"][0]["code"], "withdrawn");
        assert_eq!(change["steps"][0]["ground"], "rights_claim");
        assert_eq!(change["steps"][0]["reason"], "甲公司主张商业秘密");
    }
    let page = app.get_with(&format!("/datasets/{SLUG}"), &[("accept", "text/html")]).await.expect(410);
    assert!(page.header("content-type").starts_with("text/html"), "{}", page.header("content-type"));
    let history = app.get(&format!("/api/v1/datasets/{SLUG}/history")).await.expect(200).json();
    assert_eq!((&history["items"][0]["code"], &history["items"][1]["code"]), (&json!("withdrawn"), &json!("new")));
    // Nobody who answers for releases is told otherwise.
    step(&app, &reviewer, SLUG, "withdrawal", &ground()).await.problem(409, "conflict");
}

#[tokio::test]
async fn a_running_public_download_breaks_off_at_a_suspension() {
    let folder = Folder::new();
    folder.collection("recordings", "files", "", &["path", "size_bytes", "media_type", "sha256"]);
    folder.write("recordings/files/long.bin", vec![7; 48 << 20]);
    let app = TestApp::start(Some(folder.path()), &[]).await;
    let operator = app.operator().await.token;
    let body = app.open("/api/v1/datasets/recordings/files/long.bin").await;
    assert_eq!(body.status(), 200);
    let mut body = Box::pin(body.bytes_stream());
    body.next().await.unwrap().unwrap();
    step(&app, &operator, "recordings", "suspension", &ground()).await.expect(200);
    let mut broken = false;
    while let Some(piece) = body.next().await {
        broken |= piece.is_err();
    }
    assert!(broken, "the download came to its end");
}

#[tokio::test]
async fn a_suspended_dataset_is_listed_and_gives_nothing_out() {
    let folder = Folder::new();
    let text = entry("things", &["name", "value"]).replace("name = \"value\"", "name = \"value\"\nexample = \"seen-in-data\"");
    folder.open("things", &["name", "value"], "name,value\na,red\nb,red\nc,blue\n");
    folder.write("things/dataset.toml", text);
    let app = TestApp::start(Some(folder.path()), &[]).await;
    let (steward, reviewer) = (app.staff(&["steward"], Some("office")).await.token, app.staff(&["reviewer"], None).await.token);
    assert!(app.get("/api/v1/datasets/things").await.expect(200).text().contains("seen-in-data"));
    assert_eq!(app.get("/api/v1/datasets?q=red").await.expect(200).json()["total"], 1);
    let changed = step(&app, &steward, "things", "suspension", &ground()).await.expect(200).json();
    assert_eq!((&changed["state"], &changed["changes"][0]["code"]), (&json!("suspended"), &json!("suspended")));
    let shown = app.get("/api/v1/datasets/things").await.expect(200).json();
    assert_eq!((&shown["state"], &shown["version"], &shown["rows"]), (&json!("suspended"), &Value::Null, &Value::Null));
    assert_eq!(shown["suspension"]["reason"], "甲公司主张商业秘密");
    assert_eq!(shown["downloads"], json!([]));
    assert!(!shown.to_string().contains("seen-in-data"), "{shown}");
    for language in ["zh", "en"] {
        let page = app.get(&format!("/datasets/things?lang={language}")).await.expect(200).text();
        assert!(page.contains("甲公司主张商业秘密") && !page.contains("seen-in-data") && !page.contains("download?"), "{page}");
        assert!(app.get(&format!("/?lang={language}")).await.expect(200).text().contains(if language == "zh" {
            "暂停开放"
        } else {
            "Suspended"
        }));
    }
    let day = "2999-01-01";
    for path in [
        "versions".to_owned(),
        "versions/1".to_owned(),
        "profile".to_owned(),
        "profile?version=1".to_owned(),
        "rows".to_owned(),
        "rows?version=1".to_owned(),
        format!("rows?version={day}"),
        "download".to_owned(),
        "download?format=csv".to_owned(),
        format!("download?version={day}"),
        "diff?from=1&to=1".to_owned(),
        "citation?version=1".to_owned(),
        format!("citation?version={day}"),
    ] {
        app.get(&format!("/api/v1/datasets/things/{path}")).await.problem(403, "dataset-suspended");
    }
    app.get("/api/v1/datasets/things/citation").await.expect(200);
    app.post("/api/v1/sql", &json!({ "sql": "SELECT * FROM things" })).await.problem(403, "dataset-suspended");
    assert_eq!(app.get("/api/v1/datasets?q=red").await.expect(200).json()["total"], 0, "a value of its data is found");
    assert_eq!(app.get("/api/v1/datasets?q=things").await.expect(200).json()["items"][0]["state"], "suspended");
    let turtle = app.get("/datasets/things.ttl").await.expect(200).text();
    assert!(!turtle.contains("dcat:Distribution") && !turtle.contains("seen-in-data"), "{turtle}");
    let package = app.get("/ckan/api/3/action/package_show?id=things").await.expect(200).json();
    assert_eq!(package["result"]["resources"], json!([]));
    // A steward mends the data meanwhile, and somebody else gives it out again.
    let upload = app.upload(&steward, "data.csv", b"name,value\na,green\n").await;
    assert_eq!(app.publish(&steward, "things", &upload, "replace").await["state"], "done");
    app.get("/api/v1/datasets/things/rows").await.problem(403, "dataset-suspended");
    let why = json!({ "reason": "已核实并更正" });
    step(&app, &steward, "things", "restoration", &why).await.problem(403, "forbidden");
    step(&app, &reviewer, "things", "restoration", &why).await.expect(200);
    assert_eq!(app.get("/api/v1/datasets/things/rows").await.expect(200).json()["rows"], json!([{ "name": "a", "value": "green" }]));
    assert_eq!(app.get("/api/v1/datasets?q=green").await.expect(200).json()["total"], 1);
    assert!(app.get("/api/v1/datasets/things").await.expect(200).json().get("suspension").is_none());
}

#[tokio::test]
async fn who_may_take_which_step() {
    let folder = Folder::new();
    folder.open("things", &["name"], "name\na\n");
    let publishers = "[office]\nname = { zh = \"办公室\", en = \"Office\" }\n[bureau]\nname = { zh = \"局\", en = \"Bureau\" }\n";
    folder.write("publishers.toml", publishers);
    let app = TestApp::start(Some(folder.path()), &[]).await;
    let other = app.staff(&["steward"], Some("bureau")).await.token;
    let steward = app.staff(&["steward"], Some("office")).await.token;
    let (reviewer, operator) = (app.staff(&["reviewer"], None).await.token, app.operator().await.token);
    let why = json!({ "reason": "已核实" });
    step(&app, &other, "things", "suspension", &ground()).await.problem(403, "forbidden");
    step(&app, &steward, "things", "withdrawal", &ground()).await.problem(403, "forbidden");
    step(&app, &reviewer, "things", "restoration", &why).await.problem(409, "conflict");
    // Who suspends does not restore, and who withdraws does not reopen.
    step(&app, &reviewer, "things", "suspension", &ground()).await.expect(200);
    step(&app, &reviewer, "things", "suspension", &ground()).await.problem(409, "conflict");
    step(&app, &reviewer, "things", "restoration", &why).await.problem(403, "forbidden");
    step(&app, &operator, "things", "restoration", &why).await.expect(200);
    // One person in two roles is one person.
    let both = app.staff(&["steward", "reviewer"], Some("office")).await.token;
    step(&app, &both, "things", "suspension", &ground()).await.expect(200);
    step(&app, &both, "things", "restoration", &why).await.problem(403, "forbidden");
    step(&app, &operator, "things", "withdrawal", &ground()).await.expect(200);
    step(&app, &operator, "things", "reopening", &why).await.problem(403, "forbidden");
    for (body, pointer) in [
        (json!({ "ground": "other", "reason": "x" }), Some("/reason")),
        (json!({ "ground": "because", "reason": "a reason" }), None),
        (json!({ "reason": "a reason" }), None),
    ] {
        let problem = step(&app, &reviewer, "things", "withdrawal", &body).await.expect(400).json();
        assert_eq!(problem["errors"][0]["pointer"].as_str(), pointer, "{problem}");
    }
}

#[tokio::test]
async fn a_reopened_dataset_does_not_have_the_data_that_was_withdrawn() {
    let folder = Folder::new();
    folder.open("things", &["name"], "name\nsecret\n");
    let app = TestApp::start(Some(folder.path()), &[]).await;
    let steward = app.staff(&["steward"], Some("office")).await.token;
    let (reviewer, operator) = (app.staff(&["reviewer"], None).await.token, app.operator().await.token);
    app.get("/api/v1/datasets/things/download?format=csv").await.expect(200);
    step(&app, &reviewer, "things", "withdrawal", &ground()).await.expect(200);
    // A folder that still holds it, and a steward who still has the file.
    let report = import_folder(&app.app.tools(), folder.path(), Edition::by("service").because("nightly"), unwatched).await.unwrap();
    assert!(report.outcomes.is_empty() && report.mistakes[0].detail.contains("was withdrawn"), "{report:?}");
    let upload = app.upload(&steward, "data.csv", b"name\nsecret\n").await;
    let path = "/api/v1/admin/datasets/things/versions";
    app.post_as(path, &steward, &json!({ "upload": upload })).await.problem(410, "dataset-withdrawn");
    step(&app, &operator, "things", "reopening", &json!({ "reason": "已去除有关内容" })).await.expect(200);
    let shown = app.get("/api/v1/datasets/things").await.expect(200).json();
    assert_eq!((&shown["state"], &shown["version"]), (&json!("published"), &Value::Null));
    assert_eq!(app.get("/api/v1/datasets/things/versions").await.expect(200).json()["total"], 0);
    for path in ["rows", "download", "download?version=1", "versions/1", "profile?version=1"] {
        app.get(&format!("/api/v1/datasets/things/{path}")).await.problem(404, "not-found");
    }
    let job = app.publish(&steward, "things", &upload, "replace").await;
    assert_eq!(job["state"], "failed", "{job}");
    assert!(job.to_string().contains("which was withdrawn"), "{job}");
    let upload = app.upload(&steward, "data.csv", b"name\nharmless\n").await;
    assert_eq!(app.publish(&steward, "things", &upload, "replace").await["state"], "done");
    let shown = app.get("/api/v1/datasets/things/rows").await.expect(200).json();
    assert_eq!(shown["rows"], json!([{ "name": "harmless" }]));
    // The folder still has the file, and so has the steward: it is no newer version, and nothing to append.
    let report = import_folder(&app.app.tools(), folder.path(), Edition::by("service"), unwatched).await.unwrap();
    assert!(report.outcomes.is_empty() && report.mistakes[0].detail.contains("which was withdrawn"), "{report:?}");
    for mode in ["replace", "append"] {
        let upload = app.upload(&steward, "data.csv", b"name\nsecret\n").await;
        assert_eq!(app.publish(&steward, "things", &upload, mode).await["state"], "failed", "{mode}");
    }
    app.get("/api/v1/datasets/things/download?version=1").await.problem(404, "not-found");
    let versions = app.get_as(path, &steward).await.expect(200).json();
    assert_eq!((&versions["items"][1]["version"], &versions["items"][1]["status"]), (&json!(1), &json!("withdrawn")));
}

#[tokio::test]
async fn a_suspended_conditional_dataset_gives_nothing_under_its_grants() {
    let app = TestApp::spawn().await;
    let (operator, reviewer, firm) = (app.operator().await.token, app.staff(&["reviewer"], None).await, app.firm().await);
    let grant = app.grant(&firm).await;
    let drawn = app.drawn_agreement(&firm).await;
    let waiting = app.apply(&firm.token).await;
    app.post_as(&format!("/api/v1/applications/{waiting}/acceptance"), &reviewer.token, &json!({})).await.expect(200);
    let approval = app.approval(&reviewer, &waiting).await;
    let signed = app.post_as(&format!("/api/v1/datasets/{VISITS}/signed-urls"), &grant.token, &json!({})).await.expect(201).json();
    let signed = signed["url"].as_str().unwrap().strip_prefix(&app.url).unwrap().to_owned();
    let (rows, download) =
        (format!("/api/v1/datasets/{VISITS}/rows?limit=1&select=cost_cny"), format!("/api/v1/datasets/{VISITS}/download"));
    let sql = json!({ "sql": format!("SELECT count(*) AS n FROM \"{VISITS}\"") });
    for path in [&rows, &download] {
        app.get_as(path, &grant.token).await.expect(200);
    }
    app.get(&signed).await.expect(200);
    step(&app, &operator, VISITS, "suspension", &ground()).await.expect(200);
    for path in [&rows, &download] {
        app.get_as(path, &grant.token).await.problem(403, "dataset-suspended");
    }
    app.get(&signed).await.problem(403, "dataset-suspended");
    app.post_as("/api/v1/sql", &grant.token, &sql).await.problem(403, "dataset-suspended");
    app.post_as(&format!("/api/v1/datasets/{VISITS}/signed-urls"), &grant.token, &json!({})).await.problem(403, "dataset-suspended");
    let entries = app.get_as("/api/v1/ledger/entries?limit=1000", &operator).await.expect(200).json();
    let refused = entries["items"].as_array().unwrap().iter().filter(|entry| entry["kind"] == "read.refused").count();
    assert!(refused >= 5, "{refused} refusals are on record");
    // Nobody is bound to what cannot be had, and nobody loses it for that.
    app.post_as("/api/v1/applications", &firm.token, &app.application()).await.problem(403, "dataset-suspended");
    app.sign(&firm, &drawn).await.problem(403, "dataset-suspended");
    app.post_as(&format!("/api/v1/applications/{waiting}/decision"), &reviewer.token, &approval).await.problem(403, "dataset-suspended");
    step(&app, &reviewer.token, VISITS, "restoration", &json!({ "reason": "已核实" })).await.expect(200);
    for path in [&rows, &download] {
        app.get_as(path, &grant.token).await.expect(200);
    }
    app.get(&signed).await.expect(200);
    // A withdrawal ends what waits for the firm's signature.
    step(&app, &operator, VISITS, "withdrawal", &ground()).await.expect(200);
    let application = app.get_as(&format!("/api/v1/applications/{}", drawn["application_id"].as_str().unwrap()), &firm.token).await;
    assert_eq!(application.expect(200).json()["status"], "expired");
}

#[tokio::test]
async fn who_names_a_withdrawn_dataset_is_imported_all_the_same_and_its_history_is_not_told_again() {
    let (app, folder) = app().await;
    let operator = app.operator().await.token;
    let text = std::fs::read_to_string(folder.file("naming/dataset.toml")).unwrap();
    folder.write("naming/dataset.toml", text.replace("About", "About a person"));
    app.import(&folder).await;
    step(&app, &operator, SLUG, "withdrawal", &ground()).await.expect(200);
    folder.write("naming/dataset.toml", text.replace("About", "About nothing"));
    folder.write("naming/data.csv", "name\nb\n");
    app.import(&folder).await;
    assert_eq!(app.get("/api/v1/datasets/naming/rows").await.expect(200).json()["rows"], json!([{ "name": "b" }]));
    let newest = app.get("/api/v1/open-list/versions").await.expect(200).json()["items"][0]["version"].as_i64().unwrap();
    let told = async |from: i64, to: i64| app.get(&format!("/api/v1/open-list/diff?from={from}&to={to}")).await.expect(200).text();
    assert!(told(newest - 3, newest - 2).await.contains("About a person"));
    step(&app, &operator, "naming", "withdrawal", &ground()).await.expect(200);
    for from in 0..=newest {
        let text = told(from, newest + 1).await + &told(from, newest).await + &told(from, from).await;
        assert!(!text.contains("About a person"), "{from}: {text}");
    }
    assert!(!app.get("/open-list").await.expect(200).text().contains("About a person"));
    let whole = app.get(&format!("/api/v1/open-list/diff?to={}", newest + 1)).await.expect(200).json();
    let naming = whole["items"].as_array().unwrap().iter().find(|change| change["slug"] == "naming").unwrap();
    assert_eq!((&naming["difference"], &naming["state"]), (&json!("passed"), &json!("withdrawn")));
}

#[tokio::test]
async fn the_console_takes_the_steps_and_asks_twice_before_a_withdrawal() {
    let folder = Folder::new();
    folder.open("things", &["name"], "name\na\n");
    folder.open("others", &["name"], "name\na\n");
    let publishers = "[office]\nname = { zh = \"办公室\", en = \"Office\" }\n[bureau]\nname = { zh = \"局\", en = \"Bureau\" }\n";
    folder.write("publishers.toml", publishers);
    folder.write("others/dataset.toml", entry("others", &["name"]).replace("\"office\"", "\"bureau\""));
    let app = TestApp::start(Some(folder.path()), &[]).await;
    let steward = app.staff_browser(&["steward"], Some("office")).await;
    let (reviewer, auditor) = (app.staff_browser(&["reviewer"], None).await, app.staff_browser(&["auditor"], None).await);
    let list = steward.page("/console/datasets").await;
    assert!(list.contains("/console/datasets/things") && !list.contains("/console/datasets/others"), "{list}");
    steward.get("/console/datasets/others").await.expect(403);
    app.get("/console/datasets").await.problem(401, "unauthenticated");
    for (words, found) in [("th", true), ("_h", false), ("%", false), ("x", false)] {
        let list = reviewer.page(&format!("/console/datasets?q={}", words.replace('%', "%25"))).await;
        assert_eq!(list.contains("/console/datasets/things"), found, "{words}");
    }
    let page = steward.page("/console/datasets/things").await;
    assert!(page.contains("steps/suspension") && !page.contains("steps/withdrawal"), "{page}");
    assert!(!auditor.page("/console/datasets/things").await.contains("steps/"));
    let send = async |who: &crate::support::Browser, step: &str, fields: &[(&str, &str)]| {
        who.send(&format!("/console/datasets/things/steps/{step}?lang=zh"), fields).await
    };
    // What is wrong is told beside what was typed.
    let page = send(&steward, "suspension", &[("ground", ""), ("reason", "因故")]).await.expect(400).text();
    assert!(page.contains("请选择原因类别") && page.contains("因故"), "{page}");
    send(&auditor, "suspension", &[("ground", "other"), ("reason", "a reason")]).await.expect(403);
    send(&steward, "suspension", &[("ground", "data_error"), ("reason", "有错误")]).await.expect(303);
    app.get("/api/v1/datasets/things/rows").await.problem(403, "dataset-suspended");
    assert!(reviewer.page("/console/datasets?state=suspended").await.contains("/console/datasets/things"));
    send(&reviewer, "restoration", &[("reason", "已更正")]).await.expect(303);
    let asked = send(&reviewer, "withdrawal", &[("ground", "superseded"), ("reason", "另有数据集")]).await.expect(200).text();
    assert!(asked.contains("确认撤回数据集") && asked.contains("另有数据集"), "{asked}");
    app.get("/api/v1/datasets/things").await.expect(200);
    let confirmed = [("ground", "superseded"), ("reason", "另有数据集"), ("confirmed", "things")];
    send(&reviewer, "withdrawal", &confirmed).await.expect(303);
    app.get("/api/v1/datasets/things").await.problem(410, "dataset-withdrawn");
    let page = reviewer.page("/console/datasets/things?done=dataset-withdrawal&lang=zh").await;
    assert!(page.contains("数据集已撤回") && page.contains("steps/reopening") && page.contains("已被替代"), "{page}");
    let operator = app.operator_browser().await;
    send(&operator, "reopening", &[("reason", "重新整理")]).await.expect(303);
    app.get("/api/v1/datasets/things").await.expect(200);
    let history = app.get("/open-list").await.expect(200).text();
    assert!(history.contains("另有数据集") && history.contains("重新整理"), "{history}");
}
