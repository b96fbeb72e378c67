//! Signed URLs: whoever has one reads its file and nothing else, for as long as what it stands for holds.

use qingdan::crypto::unbase64url;
use reqwest::Method;
use serde_json::{Value, json};

use crate::dpop::about;
use crate::support::{Answer, Firm, Folder, GrantOf, TestApp, TestDatabase};

const SLUG: &str = "community-health-visits";
const FIELDS: [&str; 4] = ["path", "size_bytes", "media_type", "sha256"];

async fn sign(app: &TestApp, token: &str, slug: &str, wish: &Value) -> Answer {
    app.post_as(&format!("/api/v1/datasets/{slug}/signed-urls"), token, wish).await
}

/// What an access token says.
fn token_says(token: &str) -> Value {
    let claims = unbase64url(token.split('.').nth(1).unwrap()).unwrap();
    serde_json::from_slice(&claims).unwrap()
}

/// The path of a new one.
async fn signed(app: &TestApp, token: &str, slug: &str, wish: &Value) -> String {
    let answer = sign(app, token, slug, wish).await.expect(201).json();
    answer["url"].as_str().unwrap().strip_prefix(&app.url).unwrap().to_owned()
}

async fn entries(app: &TestApp, kind: &str) -> Vec<Value> {
    let operator = app.operator().await.token;
    let page = app.get_as("/api/v1/ledger/entries?limit=1000", &operator).await.expect(200).json();
    let detail = |entry: &Value| serde_json::from_str(entry["detail_json"].as_str().unwrap()).unwrap();
    page["items"].as_array().unwrap().iter().filter(|entry| entry["kind"] == kind).map(detail).collect()
}

#[tokio::test]
async fn a_signed_url_gives_what_the_token_gives_and_is_in_the_ledger() {
    let app = TestApp::spawn().await;
    let firm = app.firm().await;
    let grant = app.grant(&firm).await;
    let base = format!("/api/v1/datasets/{SLUG}/download");
    let cases = [
        (json!({}), "?format=parquet", "parquet"),
        (json!({ "format": "csv", "spreadsheet": true, "expires_in": 3600 }), "?format=csv&spreadsheet=true", "csv"),
        (json!({ "format": "arrow", "version": 1 }), "?format=arrow", "arrows"),
    ];
    for (wish, query, ending) in cases {
        let url = signed(&app, &grant.token, SLUG, &wish).await;
        assert!(url.ends_with(&format!("/{SLUG}-v1.{ending}")), "{url}");
        assert!(url.chars().all(|sign| sign.is_ascii_alphanumeric() || "/-_.".contains(sign)), "{url}");
        let by_token = app.get_as(&format!("{base}{query}"), &grant.token).await.expect(200);
        let by_url = app.get(&url).await.expect(200);
        assert_eq!(by_url.body, by_token.body, "{query}");
        for name in
            ["etag", "content-type", "content-disposition", "repr-digest", "cache-control", "qingdan-version", "qingdan-citation", "link"]
        {
            assert_eq!(by_url.header(name), by_token.header(name), "{name}");
        }
        let head = app.send(Method::HEAD, &url, None, None, &[]).await.expect(200);
        assert_eq!(head.header("content-length"), by_url.body.len().to_string());
        let part = app.get_with(&url, &[("range", "bytes=2-9")]).await.expect(206);
        assert_eq!(part.body, by_url.body[2..10]);
        app.get_with(&url, &[("if-none-match", by_url.header("etag"))]).await.expect(304);
        // The address says who asks, whatever else comes along.
        app.get_as(&url, "nonsense").await.expect(200);
        app.get_with(&url, &[("cookie", "__Host-session=nonsense")]).await.expect(200);
    }
    let (made, read) = (entries(&app, "url.signed").await, entries(&app, "read.allowed").await);
    let forms: Vec<&Value> = made.iter().map(|url| &url["format"]).collect();
    assert_eq!(forms, ["parquet", "csv+spreadsheet", "arrow"]);
    for url in &made {
        assert_eq!((&url["grant"], &url["version"]), (&json!(grant.id), &json!(1)), "{url}");
        assert!(url["until"].is_string() && url["jti"] == token_says(&grant.token)["jti"], "{url}");
        // GET, HEAD, a part, the condition, and twice with what is not looked at.
        assert_eq!(read.iter().filter(|entry| entry["signed_url"] == url["signed_url"]).count(), 6, "{url}");
    }
    assert_eq!(read.iter().filter(|entry| entry["signed_url"].is_null()).count(), 3, "by the token");
    let used = app.get_as(&format!("/api/v1/grants/{}", grant.id), &firm.token).await.expect(200).json()["used"].clone();
    assert_eq!(used["today"]["calls"], 21, "{used}");
    // Of a HEAD nothing is sent, and it counts as a call alone.
    let url = signed(&app, &grant.token, SLUG, &json!({})).await;
    let head = app.send(Method::HEAD, &url, None, None, &[]).await.expect(200);
    assert!(head.header("content-length").parse::<u64>().unwrap() > 100_000);
    let after = app.get_as(&format!("/api/v1/grants/{}", grant.id), &firm.token).await.expect(200).json()["used"].clone();
    let counted = |used: &Value, what: &str| used["today"][what].as_u64().unwrap();
    assert_eq!(counted(&after, "calls"), 22);
    assert_eq!((counted(&after, "bytes"), counted(&after, "rows")), (counted(&used, "bytes"), counted(&used, "rows")));
}

#[tokio::test]
async fn a_url_opens_one_file_of_a_collection_or_all_of_them() {
    let folder = Folder::new();
    folder.conditional_collection("recordings", "files", &FIELDS.map(|name| (name, "keep")));
    folder.write("recordings/files/a/路 1.bin", b"one");
    folder.write("recordings/files/b.bin", b"two");
    let app = TestApp::start(Some(folder.path()), &[]).await;
    let firm = app.firm().await;
    let token = recordings(&app, &firm, json!({})).await.token;
    let one = signed(&app, &token, "recordings", &json!({ "path": "a/路 1.bin" })).await;
    assert!(one.ends_with("/__1.bin"), "{one}");
    let answer = app.get(&one).await.expect(200);
    assert_eq!(answer.body, b"one");
    assert!(answer.header("content-disposition").contains("%E8%B7%AF%201.bin"));
    let all = signed(&app, &token, "recordings", &json!({ "archive": true })).await;
    assert!(all.ends_with("/recordings-v1.tar"), "{all}");
    let archive = app.get_as("/api/v1/datasets/recordings/archive", &token).await.expect(200);
    assert_eq!(app.get(&all).await.expect(200).body, archive.body);
    sign(&app, &token, "recordings", &json!({ "path": "c.bin" })).await.problem(404, "not-found");
    // What stands in the ledger of a file is the digest of its path.
    let made = entries(&app, "url.signed").await;
    assert_eq!(made[0]["path_sha256"], qingdan::crypto::sha256_hex("a/路 1.bin".as_bytes()));
    assert_eq!(made[1]["files"], "all");
    for (wish, pointer) in [
        (json!({ "path": "b.bin", "archive": true }), "/archive"),
        (json!({ "path": "b.bin", "format": "csv" }), "/path"),
        (json!({ "archive": true, "spreadsheet": false }), "/archive"),
    ] {
        let problem = sign(&app, &token, "recordings", &wish).await.problem(400, "invalid-value");
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{problem}");
    }
}

async fn recordings(app: &TestApp, firm: &Firm, more: Value) -> GrantOf {
    let mut application = json!({ "dataset": "recordings", "purpose": "to test what a signed URL opens", "purposes": ["research"], "fields": FIELDS,
        "modes": ["download", "api"], "term_days": 30, "safeguards": "encrypted disks, two people" });
    application.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    app.grant_for(firm, &application).await
}

#[tokio::test]
async fn only_the_token_of_a_grant_signs_and_only_for_what_the_grant_gives() {
    let app = TestApp::spawn().await;
    let (firm, other) = (app.firm().await, app.firm().await);
    let grant = app.grant(&firm).await;
    app.post(&format!("/api/v1/datasets/{SLUG}/signed-urls"), &json!({})).await.problem(401, "unauthenticated");
    let operator = app.operator().await.token;
    for token in [&firm.token, &firm.person, &other.token, &operator] {
        sign(&app, token, SLUG, &json!({})).await.problem(403, "forbidden");
    }
    let mut queries = app.application();
    queries["modes"] = json!(["api"]);
    let of_queries = app.grant_for(&firm, &queries).await;
    sign(&app, &of_queries.token, SLUG, &json!({})).await.problem(403, "forbidden");
    // Each refusal is in the ledger, but those of nobody.
    assert_eq!(entries(&app, "read.refused").await.iter().filter(|entry| entry["signing"] == true).count(), 5);
    let open = sign(&app, &grant.token, "shanghai-districts", &json!({})).await.problem(400, "invalid-value");
    assert!(open["detail"].as_str().unwrap().contains("open to everybody"), "{open}");
    sign(&app, &grant.token, "nothing-of-that-name", &json!({})).await.problem(404, "not-found");
    sign(&app, &grant.token, SLUG, &json!({ "version": 2 })).await.problem(404, "not-found");
    sign(&app, &grant.token, SLUG, &json!({ "archive": true })).await.problem(404, "not-found");
    sign(&app, &grant.token, SLUG, &json!({ "path": "a.txt" })).await.problem(404, "not-found");
    for (wish, pointer) in [
        (json!({ "expires_in": 0 }), "/expires_in"),
        (json!({ "expires_in": 3601 }), "/expires_in"),
        (json!({ "format": "geojson" }), "/format"),
        (json!({ "version": 0 }), "/version"),
        (json!({ "format": "json", "spreadsheet": true }), "/spreadsheet"),
    ] {
        let problem = sign(&app, &grant.token, SLUG, &wish).await.problem(400, "invalid-value");
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{problem}");
    }
    for wish in [json!({ "format": "exe" }), json!({ "until": "2030-01-01" }), json!({ "expires_in": 1.5 })] {
        assert!(matches!(sign(&app, &grant.token, SLUG, &wish).await.status.as_u16(), 400 | 422), "{wish}");
    }
    assert!(entries(&app, "url.signed").await.is_empty());
}

#[tokio::test]
async fn a_url_that_was_changed_or_is_over_opens_nothing() {
    let app = TestApp::spawn().await;
    let firm = app.firm().await;
    let grant = app.grant(&firm).await;
    let url = signed(&app, &grant.token, SLUG, &json!({})).await;
    let file = format!("{SLUG}-v1.parquet");
    let seal = url.strip_prefix("/api/v1/signed/").unwrap().strip_suffix(&format!("/{file}")).unwrap();
    let csv = signed(&app, &grant.token, SLUG, &json!({ "format": "csv" })).await;
    let (csv_seal, csv_file) = csv.strip_prefix("/api/v1/signed/").unwrap().split_once('/').unwrap();
    for changed in [
        format!("{seal}/{csv_file}"),
        format!("{csv_seal}/{file}"),
        format!("{}{}/{file}", &seal[..60], &csv_seal[60..]),
        format!("{}/{file}", &seal[..seal.len() - 4]),
        format!("{seal}AAAA/{file}"),
        format!("{seal}%20/{file}"),
        format!("%{:02x}{}/{file}", seal.as_bytes()[0], &seal[1..]),
        format!("{seal}/{}", file.replace('-', "%2D")),
        format!("{seal}/"),
        format!("x/{file}"),
    ] {
        let answer = app.get(&format!("/api/v1/signed/{changed}")).await;
        assert!(matches!(answer.status.as_u16(), 401 | 404), "{changed}: {}", answer.status);
    }
    // Written in another way it is an address without a signature.
    app.get(&url.replace("/signed/", "/%73igned/")).await.problem(401, "unauthenticated");
    // It is no token for anything else.
    app.get_as(&format!("/api/v1/datasets/{SLUG}/rows"), seal).await.problem(401, "unauthenticated");
    app.post(&url, &json!({})).await.problem(405, "method-not-allowed");
    app.get(&url).await.expect(200);
    let mut said = app.app.url_key.verify(seal).unwrap();
    said.until -= chrono::Duration::hours(1);
    let over = app.get(&format!("/api/v1/signed/{}/{file}", app.app.url_key.sign(&said).unwrap())).await.problem(401, "unauthenticated");
    assert!(over["detail"].as_str().unwrap().contains("expired"), "{over}");
}

#[tokio::test]
async fn a_url_ends_with_whatever_it_stands_for() {
    let app = TestApp::spawn().await;
    let operator = app.operator().await.token;
    let reason = json!({ "reason": "an incident" });
    for what in ["grant", "client", "firm", "client's tokens", "token", "keys", "term"] {
        let firm = app.firm().await;
        let grant = app.grant(&firm).await;
        let url = signed(&app, &grant.token, SLUG, &json!({})).await;
        app.get(&url).await.expect(200);
        let order = async |path: String, body: &Value| assert!(app.post_as(&path, &operator, body).await.status.is_success(), "{what}");
        match what {
            "grant" => order(format!("/api/v1/grants/{}/revocation", grant.id), &reason).await,
            "client" => order(format!("/api/v1/admin/clients/{}/revocation", firm.client_id), &reason).await,
            "firm" => order(format!("/api/v1/admin/firms/{}/revocation", firm.id), &reason).await,
            "client's tokens" => order(format!("/api/v1/admin/clients/{}/token-revocation", firm.client_id), &reason).await,
            "token" => _ = about(&app, &firm, "/oauth2/revoke", &grant.token).await.expect(200),
            "keys" => order("/api/v1/admin/keys/rotation".to_owned(), &json!({ "emergency": true })).await,
            _ => {
                let sql = format!("UPDATE grants SET expires_at = '2026-01-02 00:00:00' WHERE id = '{}'", grant.id);
                TestDatabase::tamper(app.app.settings.database_url.expose(), &sql);
                app.app.end_grants().await.unwrap();
            }
        }
        let status = if matches!(what, "grant" | "term") { 403 } else { 401 };
        assert_eq!(app.get(&url).await.status, status, "{what}");
        assert_eq!(sign(&app, &grant.token, SLUG, &json!({})).await.status, status, "{what}");
    }
}

#[tokio::test]
async fn a_url_rests_while_its_grant_is_suspended_and_outlasts_an_orderly_rotation() {
    let app = TestApp::spawn().await;
    let (operator, firm) = (app.operator().await.token, app.firm().await);
    let grant = app.grant(&firm).await;
    let url = signed(&app, &grant.token, SLUG, &json!({ "expires_in": 3600 })).await;
    let things = [
        (format!("grants/{}", grant.id), 403),
        (format!("admin/clients/{}", firm.client_id), 401),
        (format!("admin/firms/{}", firm.id), 401),
    ];
    for (thing, status) in things {
        let step =
            async |name: &str| app.post_as(&format!("/api/v1/{thing}/{name}"), &operator, &json!({ "reason": "a test" })).await.expect(200);
        step("suspension").await;
        assert_eq!(app.get(&url).await.status, status, "{thing}");
        step("resumption").await;
        app.get(&url).await.expect(200);
    }
    let rotation = app.post_as("/api/v1/admin/keys/rotation", &operator, &json!({})).await.expect(201).json();
    app.get(&url).await.expect(200);
    // A token of the key lasts 15 minutes, and a URL that is signed at its end an hour more.
    let moment = |name: &str| chrono::DateTime::parse_from_rfc3339(rotation[name].as_str().unwrap()).unwrap();
    assert!(moment("others_until") - moment("signs_from") > chrono::Duration::minutes(75), "{rotation}");
}

#[tokio::test]
async fn a_url_stays_with_its_version() {
    let folder = Folder::new();
    folder.conditional_collection("recordings", "files", &FIELDS.map(|name| (name, "keep")));
    folder.write("recordings/files/a.bin", b"one");
    let app = TestApp::start(Some(folder.path()), &[]).await;
    let firm = app.firm().await;
    let token = recordings(&app, &firm, json!({})).await.token;
    let url = signed(&app, &token, "recordings", &json!({ "path": "a.bin" })).await;
    folder.write("recordings/files/a.bin", b"two");
    app.import(&folder).await;
    assert_eq!(app.get_as("/api/v1/datasets/recordings/files/a.bin", &token).await.expect(200).body, b"two");
    assert_eq!(app.get(&url).await.expect(200).body, b"one");
}

#[tokio::test]
async fn a_token_that_has_expired_still_ends_its_urls() {
    let app = TestApp::spawn().await;
    let firm = app.firm().await;
    let grant = app.grant(&firm).await;
    let url = signed(&app, &grant.token, SLUG, &json!({ "expires_in": 3600 })).await;
    let ring = app.app.keys.ring(&app.app.db, &app.app.follower).await.unwrap();
    let (kid, key) = ring.signing().unwrap();
    let mut header = jsonwebtoken::Header::new(jsonwebtoken::Algorithm::EdDSA);
    (header.typ, header.kid) = (Some("at+jwt".to_owned()), Some(kid.to_owned()));
    // The same token, as it is when it was issued so many seconds ago.
    let aged = |seconds: i64| {
        let mut claims = token_says(&grant.token);
        for moment in ["iat", "exp"] {
            claims[moment] = json!(claims[moment].as_i64().unwrap() - seconds);
        }
        jsonwebtoken::encode(&header, &claims, key).unwrap()
    };
    app.get_as(&format!("/api/v1/datasets/{SLUG}/rows"), &aged(1000)).await.problem(401, "unauthenticated");
    // Its URLs are over by themselves.
    about(&app, &firm, "/oauth2/revoke", &aged(900 + 3600 + 100)).await.expect(200);
    app.get(&url).await.expect(200);
    about(&app, &firm, "/oauth2/revoke", &aged(1000)).await.expect(200);
    let ended = app.get(&url).await.problem(401, "unauthenticated");
    assert!(ended["detail"].as_str().unwrap().contains("ask for a new URL"), "{ended}");
    assert_eq!(entries(&app, "token.revoked").await.len(), 1);
}

#[tokio::test]
async fn a_url_follows_the_version_of_the_grant_its_quota_and_the_list() {
    let folder = Folder::new();
    folder.conditional_collection("recordings", "files", &FIELDS.map(|name| (name, "keep")));
    folder.write("recordings/files/a.bin", b"one");
    let app = TestApp::start(Some(folder.path()), &[("accel_prefix", "/objects")]).await;
    let firm = app.firm().await;
    let token = recordings(&app, &firm, json!({ "versions": "this", "quota": { "calls_per_day": 3 } })).await.token;
    folder.write("recordings/files/b.bin", b"two");
    app.import(&folder).await;
    let wish = |version: Option<i32>| json!({ "path": "a.bin", "version": version });
    sign(&app, &token, "recordings", &wish(Some(2))).await.problem(403, "forbidden");
    let url = signed(&app, &token, "recordings", &wish(None)).await;
    for _ in 0..3 {
        let answer = app.get(&url).await.expect(200);
        assert_eq!((answer.header("qingdan-version"), answer.header("x-accel-redirect")), ("1", ""));
    }
    app.get(&url).await.problem(429, "rate-limited");
    let more = recordings(&app, &firm, json!({})).await.token;
    let url = signed(&app, &more, "recordings", &wish(None)).await;
    app.get(&url).await.expect(200);
    let entry = std::fs::read_to_string(folder.file("recordings/dataset.toml")).unwrap();
    // The curator has learnt that something must not leave.
    folder.write("recordings/dataset.toml", entry.replacen("release = \"keep\"", "release = \"drop\"", 1));
    app.import(&folder).await;
    app.get(&url).await.problem(403, "forbidden");
}
