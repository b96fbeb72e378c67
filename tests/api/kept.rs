//! What is kept in memory is never older than the database: a change shows at the next request, whoever made it.

use qingdan::db::Db;
use qingdan::release::{Tools, import_folder, unwatched};
use serde_json::{Value, json};

use crate::support::{Folder, KeyPair, TestApp};

const LIST: &str = "/api/v1/datasets";

/// Imports as another replica would; with SQLite, where there is one process only, as the service itself.
async fn import_elsewhere(app: &TestApp, folder: &Folder) {
    let tools = app.app.tools();
    let url = app.app.settings.database_url.expose();
    let db = if url.starts_with("postgres") { Db::connect(url).unwrap() } else { tools.db.clone() };
    let report =
        import_folder(&Tools { db, ..tools }, folder.path(), qingdan::catalog::Edition::by("service").because("a test"), unwatched)
            .await
            .unwrap();
    assert!(report.mistakes.is_empty(), "{:?}", report.mistakes);
}

#[tokio::test]
async fn a_change_of_the_list_shows_at_the_next_request() {
    let folder = Folder::new();
    folder.open("one", &["a"], "a\nfirst-row\n");
    let app = TestApp::start(Some(folder.path()), &[]).await;
    for _ in 0..2 {
        let page = app.get("/datasets/one?lang=en").await.expect(200).text();
        assert!(page.contains("first-row") && page.contains("Office") && page.contains("Things"), "{page}");
        assert_eq!(app.get(LIST).await.expect(200).json()["total"], 1);
        assert!(app.get("/?lang=en").await.expect(200).text().contains("Office"));
        app.get("/datasets/two?lang=en").await.expect(404);
    }
    // A version, a new dataset, a publisher's name, a theme's: each by itself.
    folder.open("one", &["a"], "a\nsecond-row\n");
    import_elsewhere(&app, &folder).await;
    let page = app.get("/datasets/one?lang=en").await.expect(200).text();
    assert!(page.contains("second-row") && !page.contains("first-row"), "{page}");
    assert_eq!(app.get(LIST).await.expect(200).json()["items"][0]["version"], 2);
    folder.open("two", &["a"], "a\n1\n");
    import_elsewhere(&app, &folder).await;
    assert_eq!(app.get(LIST).await.expect(200).json()["total"], 2);
    app.get("/datasets/two?lang=en").await.expect(200);
    folder.write("publishers.toml", "[office]\nname = { zh = \"办公室\", en = \"Bureau\" }\n");
    import_elsewhere(&app, &folder).await;
    let (home, page) = (app.get("/?lang=en").await.text(), app.get("/datasets/one?lang=en").await.text());
    assert!(home.contains("Bureau") && !home.contains("Office"), "{home}");
    assert!(page.contains("Bureau") && !page.contains("Office"), "{page}");
    folder.write("themes.toml", "[things]\nname = { zh = \"事物\", en = \"Matters\" }\n");
    import_elsewhere(&app, &folder).await;
    assert!(app.get("/?lang=en").await.text().contains("Matters"));
    assert!(app.get("/datasets/one?lang=en").await.text().contains("Matters"));
}

#[tokio::test]
async fn a_dataset_that_is_open_no_longer_shows_no_rows() {
    let folder = Folder::new();
    folder.open("one", &["a"], "a\nsome-row\n");
    let app = TestApp::start(Some(folder.path()), &[]).await;
    for _ in 0..2 {
        assert!(app.get("/datasets/one").await.expect(200).text().contains("some-row"));
    }
    let closed = std::fs::read_to_string(folder.file("one/dataset.toml")).unwrap();
    let closed = closed.replace("\"unconditional\"", "\"closed\"").replace("data = \"data.csv\"\n", "");
    let reason = "open_type_reason = { zh = \"原因\", en = \"A reason\" }\n";
    folder.write("one/dataset.toml", format!("{reason}{}", closed.replace("licence = \"CC0-1.0\"\n", "")));
    import_elsewhere(&app, &folder).await;
    assert!(!app.get("/datasets/one").await.expect(200).text().contains("some-row"));
    assert_eq!(app.get(&format!("{LIST}?open_type=unconditional")).await.expect(200).json()["total"], 0);
}

#[tokio::test]
async fn answers_differ_by_everything_that_was_asked() {
    let app = TestApp::spawn().await;
    let mut seen: Vec<String> = Vec::new();
    let paths = [
        "/?lang=en",
        "/?lang=zh",
        "/?lang=en&open_type=conditional",
        "/?lang=en&theme=none-such",
        "/?lang=en&publisher=none-such",
        "/?lang=en&after=xuhui-s",
        "/datasets/xuhui-subdistricts?lang=en",
        "/datasets/xuhui-subdistricts?lang=zh",
        "/datasets/xuhui-residents-committees?lang=en",
        "/api/v1/datasets",
        "/api/v1/datasets?limit=1",
        "/api/v1/datasets?open_type=conditional",
        "/api/v1/datasets?theme=none-such",
    ];
    for path in paths {
        let first = app.get(path).await.expect(200);
        assert_eq!(app.get(path).await.expect(200).body, first.body, "{path}");
        let tag = first.header("etag").to_owned();
        assert!(!seen.contains(&tag), "{path} is answered like another address");
        for sent in [tag.clone(), format!("\"x\", W/{tag}")] {
            let again = app.get_with(path, &[("if-none-match", &sent)]).await.expect(304);
            assert_eq!((again.header("etag"), again.body.len()), (tag.as_str(), 0), "{path}");
        }
        app.get_with(path, &[("if-none-match", "\"x\"")]).await.expect(200);
        seen.push(tag);
    }
    let (zh, en) = (app.get_with("/", &[("accept-language", "zh")]).await, app.get_with("/", &[("accept-language", "en")]).await);
    assert_ne!(zh.header("etag"), en.header("etag"));
    let page = app.get(LIST).await.json();
    let (first, rest) = (app.get(&format!("{LIST}?limit=1")).await.json(), page["items"][1].clone());
    let second = app.query(LIST, &[("limit", "1"), ("cursor", first["next_cursor"].as_str().unwrap())]).await.json();
    assert_eq!((&first["items"][0], &second["items"][0]), (&page["items"][0], &rest));
}

#[tokio::test]
async fn a_page_without_preview_is_not_kept_for_the_next_caller() {
    let folder = Folder::new();
    folder.open("one", &["a"], "a\nsome-row\n");
    let app = TestApp::start(Some(folder.path()), &[("limits_anonymous_queries", "1")]).await;
    let key = qingdan::limits::LimitKey::for_address("127.0.0.1".parse().unwrap());
    let place = app.app.limits.query(&key).unwrap();
    assert!(!app.get("/datasets/one").await.expect(200).text().contains("some-row"));
    drop(place);
    assert!(app.get("/datasets/one").await.expect(200).text().contains("some-row"));
}

#[tokio::test]
async fn a_token_that_was_checked_before_stops_with_its_client_and_its_firm() {
    let app = TestApp::spawn().await;
    let operator = app.operator().await;
    let firm = app.firm().await;
    let key = KeyPair::ed25519();
    let other = app.register_client(&firm.person, &key).await;
    let other_token = app.client_token(&other, &key, None).await;
    let asked = async |token: &str| app.get_as("/api/v1/grants", token).await.status.as_u16();
    for _ in 0..3 {
        assert_eq!((asked(&firm.token).await, asked(&other_token).await), (200, 200));
    }
    // Nearly one that is known: the signature of one token under what the other says.
    let (said, signature) = (firm.token.rsplit_once('.').unwrap().0, other_token.rsplit_once('.').unwrap().1);
    assert_eq!(asked(&format!("{said}.{signature}")).await, 401);
    let none: Value = json!({});
    app.post_as(&format!("/api/v1/admin/clients/{other}/revocation"), &operator.token, &none).await.expect(200);
    assert_eq!((asked(&firm.token).await, asked(&other_token).await), (200, 401));
    let reason = json!({ "reason": "for a test" });
    app.post_as(&format!("/api/v1/admin/firms/{}/revocation", firm.id), &operator.token, &reason).await.expect(200);
    assert_eq!((asked(&firm.token).await, asked(&other_token).await), (401, 401));
}
