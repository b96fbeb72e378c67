//! Documents of an application on pages: a firm adds and removes them, and the publisher downloads them.

use serde_json::Value;

use crate::support::{FirmBrowser, SAME_SITE, TestApp, shipped};

const PDF: &[u8] = b"%PDF-1.7\nwhat we do to keep it safe\r\n--lin is not the end\r\n";

/// A PDF of so many bytes.
fn pdf(size: usize) -> Vec<u8> {
    let mut bytes = b"%PDF-1.7\n".to_vec();
    bytes.extend((bytes.len()..size).map(|at| (at / 7 + at) as u8));
    bytes
}

fn of(application: &str) -> String {
    format!("/firm/applications/{application}/attachments")
}

async fn known(app: &TestApp, firm: &FirmBrowser, application: &str) -> Vec<Value> {
    let found = app.get_as(&format!("/api/v1/applications/{application}/attachments"), &firm.token).await.expect(200).json();
    found["items"].as_array().unwrap().clone()
}

#[tokio::test]
async fn a_document_is_added_seen_by_the_publisher_and_removed() {
    let app = TestApp::spawn().await;
    let firm = app.firm_browser().await;
    let id = app.draft(&firm.token).await;
    let page = format!("/firm/applications/{id}?lang=en");
    assert!(firm.page(&page).await.contains("enctype=\"multipart/form-data\""));
    let large = pdf(700_000);
    for (name, bytes) in [("安全措施 <1>.pdf", PDF), ("large.PDF", large.as_slice()), ("note.txt", "措施".as_bytes())] {
        let led = firm.upload(&format!("{}?lang=en", of(&id)), name, bytes).await.expect(303);
        assert_eq!(led.header("location"), format!("{page}&done=attached"));
    }
    let shown = firm.page(&format!("{page}&done=attached")).await;
    for text in ["The document is added.", "安全措施 &#60;1&#62;.pdf", "683.6 KiB", "note.txt"] {
        assert!(shown.contains(text), "{text}: {shown}");
    }
    let documents = known(&app, &firm, &id).await;
    let (first, second) = (documents[0]["id"].as_str().unwrap(), documents[1]["id"].as_str().unwrap());
    assert_eq!(documents[0]["media_type"], "application/pdf");
    assert_eq!(documents[0]["sha256"], qingdan::crypto::sha256_hex(PDF));
    let link = |document: &str| format!("/api/v1/applications/{id}/attachments/{document}");
    assert!(shown.contains(&format!("href=\"{}\"", link(first))));
    assert!(firm.get(&link(second)).await.expect(200).body == large);
    let led = firm.done(&format!("{}/{second}/removal?lang=en", of(&id)), &[]).await;
    assert!(firm.page(&led).await.contains("The document is removed."));
    firm.get(&link(second)).await.expect(404);

    // Those who decide read it once it is submitted; a steward alone does not.
    let staff = ["reviewer", "operator", "auditor"];
    let reviewer = app.staff_browser(&staff[..1], None).await;
    reviewer.get(&link(first)).await.expect(404);
    firm.done(&format!("/firm/applications/{id}/steps/submission"), &[]).await;
    let review = format!("/console/applications/{id}?lang=en");
    for role in staff {
        let who = app.staff_browser(&[role], None).await;
        let seen = who.page(&review).await;
        assert!(seen.contains("安全措施 &#60;1&#62;.pdf") && seen.contains(&link(first)), "{role}: {seen}");
        assert!(who.get(&link(first)).await.expect(200).body == PDF, "{role}");
        who.upload(&of(&id), "a.pdf", PDF).await.expect(403);
        who.send(&format!("{}/{first}/removal", of(&id)), &[]).await.expect(403);
    }
    let steward = app.staff_browser(&["steward"], Some("xuhui-health")).await;
    let seen = steward.page(&review).await;
    assert!(!seen.contains("安全措施 &#60;1&#62;.pdf") && !seen.contains(&link(first)), "{seen}");
    steward.get(&link(first)).await.expect(403);
    // A submitted application takes none, and loses none; one that was asked about does again.
    assert!(!firm.page(&page).await.contains("multipart/form-data"));
    firm.upload(&of(&id), "late.pdf", PDF).await.expect(409);
    firm.send(&format!("{}/{first}/removal", of(&id)), &[]).await.expect(409);
    reviewer.done(&format!("/console/applications/{id}/steps/questions"), &[("question", "What of backups?")]).await;
    firm.upload(&of(&id), "backups.pdf", PDF).await.expect(303);
    assert!(reviewer.page(&review).await.contains("backups.pdf"));
}

#[tokio::test]
async fn a_document_that_is_not_taken_says_why() {
    let settings = [("attachments_most", "2"), ("attachment_max_bytes", "300000")];
    let app = TestApp::start(Some(&shipped()), &settings).await;
    let firm = app.firm_browser().await;
    let id = app.draft(&firm.token).await;
    let (en, zh) = (format!("{}?lang=en", of(&id)), format!("{}?lang=zh", of(&id)));
    assert!(firm.page(&format!("/firm/applications/{id}?lang=en")).await.contains("of at most 293 KiB, and at most 2"));
    for (name, bytes, status, said, in_chinese) in [
        ("large.pdf", pdf(300_001), 413, "A document may have 300000 bytes at the most", "文件过大"),
        ("far-larger.pdf", pdf(9_000_000), 413, "A document may have 300000 bytes at the most", "文件过大"),
        ("page.html", b"<p>".to_vec(), 415, "Taken are pdf", "不接受此类文件"),
        ("pdf", pdf(100), 415, "Taken are pdf", "不接受此类文件"),
        ("program.pdf", b"MZ\x90\x00\x03 a program".to_vec(), 400, "The document begins like", "文件内容与其扩展名不符"),
        ("empty.txt", Vec::new(), 400, "The document begins like", "文件内容与其扩展名不符"),
        (".txt", b"text".to_vec(), 400, "Give the name of the file alone", "文件名须为"),
        ("", Vec::new(), 400, "Choose a file.", "请选择一个文件。"),
    ] {
        let page = firm.upload(&en, name, &bytes).await.expect(status);
        assert!(page.header("content-type").starts_with("text/html"), "{name}");
        let text = page.text();
        assert!(text.to_lowercase().contains(&said.to_lowercase()) && text.contains("class=\"wrong\""), "{name}: {text}");
        let text = firm.upload(&zh, name, &bytes).await.expect(status).text();
        assert!(text.contains(in_chinese), "{name}: {text}");
    }
    assert!(known(&app, &firm, &id).await.is_empty());
    firm.upload(&en, "exact.pdf", &pdf(300_000)).await.expect(303);
    firm.upload(&en, "second.pdf", PDF).await.expect(303);
    assert!(firm.page(&format!("/firm/applications/{id}?lang=en")).await.contains("There are as many as there may be"));
    let full = firm.upload(&en, "third.pdf", PDF).await.expect(409).text();
    assert!(full.contains("has 2 attachments"), "{full}");
    assert_eq!(known(&app, &firm, &id).await.len(), 2);
}

#[tokio::test]
async fn no_document_comes_from_another_site_or_another_firm() {
    let app = TestApp::spawn().await;
    let (firm, other) = (app.firm_browser().await, app.firm_browser().await);
    let id = app.draft(&firm.token).await;
    let path = of(&id);
    let (own, foreign) = (firm.csrf().await, other.csrf().await);
    let file = ("a.pdf", PDF);
    for fields in [&[][..], &[("csrf", "")], &[("csrf", &foreign)], &[("other", "x"), ("csrf", &own)]] {
        let refused = firm.upload_bare(&path, fields, file, SAME_SITE).await;
        assert!(matches!(refused.status.as_u16(), 400 | 403), "{fields:?}: {}", refused.status);
    }
    firm.upload_bare(&path, &[("csrf", &"0".repeat(300))], file, SAME_SITE).await.expect(400);
    for site in [("sec-fetch-site", "cross-site"), ("sec-fetch-site", "same-site"), ("x-nothing", "x")] {
        firm.upload_bare(&path, &[("csrf", &own)], file, site).await.expect(403);
    }
    // Another kind of form is none.
    firm.send(&path, &[("document", "a.pdf")]).await.expect(400);
    other.upload(&path, "a.pdf", PDF).await.expect(404);
    let nobody = [("accept", "text/html"), SAME_SITE];
    let led = app.send_file(&path, &[("csrf", &own)], file, &nobody).await.expect(303);
    assert!(led.header("location").starts_with("/login"));
    assert!(known(&app, &firm, &id).await.is_empty());
    // What looks like an end and is none, or is not all, is not kept.
    let cut = b"%PDF-1.7\n\r\n--line and what comes then";
    firm.upload(&path, "a.pdf", cut).await.expect(400);
    let two = b"%PDF-1.7\n\r\n--line\r\nContent-Disposition: form-data; name=\"document\"; filename=\"b.pdf\"\r\n\r\n%PDF-1.7\n";
    firm.upload(&path, "a.pdf", two).await.expect(400);
    assert!(known(&app, &firm, &id).await.is_empty());
    firm.upload(&path, "a.pdf", PDF).await.expect(303);
    let document = known(&app, &firm, &id).await[0]["id"].as_str().unwrap().to_owned();
    let removal = format!("{path}/{document}/removal");
    for csrf in ["", foreign.as_str()] {
        firm.send_bare(&removal, &[("csrf", csrf)], SAME_SITE).await.expect(403);
    }
    other.send(&removal, &[]).await.expect(404);
    assert_eq!(known(&app, &firm, &id).await.len(), 1);
}
