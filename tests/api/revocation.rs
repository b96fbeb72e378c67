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
    let application = json!({ "dataset": "recordings", "purpose": "to test what revocation ends", "fields": ["path", "size_bytes", "media_type", "sha256"],
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
async fn a_running_download_breaks_off_when_grant_client_or_firm_is_revoked() {
    let app = app_with_a_large_file().await;
    let operator = app.operator().await.token;
    let path = "/api/v1/datasets/recordings/files/long.bin";
    for what in ["grant", "client", "firm", "nothing"] {
        let firm = app.firm().await;
        let grant = grant(&app, &firm).await;
        let answer = app.open_as(path, &grant.token).await;
        assert_eq!(answer.status(), 200);
        let mut body = Box::pin(answer.bytes_stream());
        let first = body.next().await.unwrap().unwrap().len();
        let address = match what {
            "grant" => Some(format!("/api/v1/grants/{}/revocation", grant.id)),
            "client" => Some(format!("/api/v1/admin/clients/{}/revocation", firm.client_id)),
            "firm" => Some(format!("/api/v1/admin/firms/{}/revocation", firm.id)),
            _ => None,
        };
        if let Some(address) = &address {
            app.post_as(address, &operator, &json!({ "reason": "an incident" })).await.expect(200);
        }
        let (more, whole) = rest(body).await;
        assert_eq!(whole, address.is_none(), "{what}: {} of {BYTES} bytes", first + more);
        assert_eq!(first + more == BYTES, address.is_none(), "{what}");
        if address.is_some() {
            let entries = app.get_as("/api/v1/ledger/entries?limit=1000", &operator).await.expect(200).json();
            let last = entries["items"].as_array().unwrap().iter().rfind(|entry| entry["kind"] == "read.refused").unwrap().clone();
            let detail = last["detail_json"].as_str().unwrap();
            assert!(detail.contains("\"running\":true") && detail.contains(&grant.id), "{detail}");
        }
    }
}
