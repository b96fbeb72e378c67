//! What is revoked ends at once, also what is under way.

use futures::StreamExt;
use serde_json::json;

use crate::support::{Firm, Folder, GrantOf, TestApp};

/// More than what lies in the buffers between two ends of a connection.
const BYTES: usize = 48 << 20;

async fn app_with_a_large_file() -> TestApp {
    let folder = Folder::new();
    folder.conditional_collection("recordings", "files", &["path", "size_bytes", "media_type", "sha256"].map(|name| (name, "keep")));
    folder.write("recordings/files/long.bin", vec![7; BYTES]);
    TestApp::start(Some(folder.path()), &[]).await
}

async fn grant(app: &TestApp, firm: &Firm) -> GrantOf {
    let application = json!({ "dataset": "recordings", "purpose": "to test what revocation ends", "purposes": ["research"], "fields": ["path", "size_bytes", "media_type", "sha256"],
        "modes": ["download", "api"], "term_days": 30, "safeguards": "encrypted disks, two people" });
    app.grant_for(firm, &application).await
}

/// Reads to the end, or to where it breaks off; answers how many bytes came, and whether all did.
async fn rest(mut body: impl futures::Stream<Item = reqwest::Result<bytes::Bytes>> + Unpin) -> (usize, bool) {
    let mut taken = 0;
    while let Some(piece) = body.next().await {
        match piece {
            Ok(bytes) => taken += bytes.len(),
            Err(_broken) => return (taken, false),
        }
    }
    (taken, true)
}

#[tokio::test]
async fn a_running_download_breaks_off_when_what_allowed_it_ends() {
    let app = app_with_a_large_file().await;
    let operator = app.operator().await.token;
    let path = "/api/v1/datasets/recordings/files/long.bin";
    let whats = ["grant", "client", "firm", "suspended", "tokens", "keys", "nothing"];
    for (what, by_url) in whats.into_iter().flat_map(|what| [(what, false), (what, true)]) {
        let firm = app.firm().await;
        let grant = grant(&app, &firm).await;
        let answer = if by_url {
            let body = json!({ "path": "long.bin" });
            let signed = app.post_as("/api/v1/datasets/recordings/signed-urls", &grant.token, &body).await.expect(201).json();
            app.open(signed["url"].as_str().unwrap().strip_prefix(&app.url).unwrap()).await
        } else {
            app.open_as(path, &grant.token).await
        };
        assert_eq!(answer.status(), 200);
        let mut body = Box::pin(answer.bytes_stream());
        let first = body.next().await.unwrap().unwrap().len();
        let address = match what {
            "grant" => Some(format!("/api/v1/grants/{}/revocation", grant.id)),
            "client" => Some(format!("/api/v1/admin/clients/{}/revocation", firm.client_id)),
            "firm" => Some(format!("/api/v1/admin/firms/{}/revocation", firm.id)),
            "suspended" => Some(format!("/api/v1/grants/{}/suspension", grant.id)),
            "tokens" => Some(format!("/api/v1/admin/clients/{}/token-revocation", firm.client_id)),
            "keys" => Some("/api/v1/admin/keys/rotation".to_owned()),
            _ => None,
        };
        if let Some(address) = &address {
            let body = if what == "keys" { json!({ "emergency": true }) } else { json!({ "reason": "an incident" }) };
            assert!(app.post_as(address, &operator, &body).await.status.is_success(), "{what}");
        }
        let (more, whole) = rest(body).await;
        assert_eq!(whole, address.is_none(), "{what}: {} of {BYTES} bytes", first + more);
        assert_eq!(first + more == BYTES, address.is_none(), "{what}");
        if address.is_some() {
            let entries = app.get_as("/api/v1/ledger/entries?limit=1000", &operator).await.expect(200).json();
            let last = entries["items"].as_array().unwrap().iter().rfind(|entry| entry["kind"] == "read.refused").unwrap().clone();
            let detail = last["detail_json"].as_str().unwrap();
            assert!(detail.contains("\"running\":true") && detail.contains(&grant.id), "{detail}");
            assert_eq!(detail.contains("\"signed_url\""), by_url, "{detail}");
        }
    }
}

#[tokio::test]
async fn what_is_suspended_stops_at_once_and_goes_on_when_it_is_resumed() {
    let app = TestApp::spawn().await;
    let operator = app.operator().await.token;
    let firm = app.firm().await;
    let grant = app.grant(&firm).await;
    let reason = json!({ "reason": "an incident" });
    let path = "/api/v1/datasets/community-health-visits/rows?limit=1";
    let first = app.get_as(path, &grant.token).await.expect(200).json();
    let next = format!("{path}&cursor={}", first["next_cursor"].as_str().unwrap());
    let things = [
        (format!("/api/v1/grants/{}", grant.id), 403),
        (format!("/api/v1/admin/clients/{}", firm.client_id), 401),
        (format!("/api/v1/admin/firms/{}", firm.id), 401),
    ];
    for (thing, status) in &things {
        let step = async |name: &str| app.post_as(&format!("{thing}/{name}"), &operator, &reason).await;
        step("resumption").await.problem(409, "conflict");
        assert_eq!(step("suspension").await.expect(200).json()["status"], "suspended");
        step("suspension").await.problem(409, "conflict");
        for path in [path, next.as_str(), "/api/v1/datasets/community-health-visits/download"] {
            assert_eq!(app.get_as(path, &grant.token).await.status, *status, "{thing} {path}");
        }
        // No new token either.
        let assertion = firm.key.sign(&crate::support::assertion_claims(&app, &firm.client_id));
        assert!(app.assert(&assertion, Some(&grant.id)).await.status.is_client_error(), "{thing}");
        step("resumption").await.expect(200);
        app.get_as(&next, &grant.token).await.expect(200);
        app.client_token(&firm.client_id, &firm.key, Some(&grant.id)).await;
    }
    // What is suspended can be revoked, and what is revoked cannot be resumed.
    for (thing, _) in &things {
        let step = async |name: &str| app.post_as(&format!("{thing}/{name}"), &operator, &reason).await;
        step("suspension").await.expect(200);
        step("revocation").await.expect(200);
        step("resumption").await.problem(409, "conflict");
    }
    let ledger = app.get_as("/api/v1/ledger/entries?limit=1000", &operator).await.expect(200).text();
    for kind in ["grant.suspended", "grant.resumed", "client.suspended", "client.resumed", "firm.suspended", "firm.resumed"] {
        assert!(ledger.contains(kind), "{kind}");
    }
}
