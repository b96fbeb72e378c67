//! The authorisation matrix: every operation of the API document × every kind of caller → status.
//!
//! It is made from the document: an operation without a line here fails the test, and so does a line without an operation.

mod expected;

use std::collections::BTreeMap;

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Firm, KeyPair, OPERATOR_PASSWORD, Service, TestApp, shipped, signature_body};
use expected::EXPECTED;

/// The callers, in the order of the columns below.
const CALLERS: [&str; 9] =
    ["anonymous", "firm", "firm with grant", "other firm", "person of the firm", "steward", "reviewer", "operator", "auditor"];

struct World {
    firm: Firm,
    tokens: [Option<String>; 9],
    grant: String,
    application: String,
    agreement: String,
}

impl World {
    async fn make(app: &TestApp) -> Self {
        let (firm, other) = (app.firm().await, app.firm().await);
        let grant = app.grant(&firm).await;
        let found = app.get_as(&format!("/api/v1/grants/{}", grant.id), &firm.token).await.expect(200).json();
        let agreement = found["agreement_id"].as_str().unwrap().to_owned();
        let found = app.get_as(&format!("/api/v1/agreements/{agreement}"), &firm.token).await.expect(200).json();
        let application = found["application_id"].as_str().unwrap().to_owned();
        let tokens = [
            None,
            Some(firm.token.clone()),
            Some(grant.token),
            Some(other.token),
            Some(firm.person.clone()),
            Some(app.staff(&["steward"], Some("xuhui-health")).await.token),
            Some(app.staff(&["reviewer"], None).await.token),
            Some(app.operator().await.token),
            Some(app.staff(&["auditor"], None).await.token),
        ];
        World { firm, tokens, grant: grant.id, application, agreement }
    }

    /// A warning to the firm, by an operator who is none of the callers.
    async fn warning(&self, app: &Service) -> String {
        let operator = app.staff(&["operator"], None).await;
        let body = json!({ "kind": "warning", "reason": "for the matrix" });
        let path = format!("/api/v1/admin/firms/{}/sanctions", self.firm.id);
        app.post_as(&path, &operator.token, &body).await.expect(201).json()["id"].as_str().unwrap().to_owned()
    }

    /// A thing that the operation can act on with success, fresh where the operation uses it up.
    #[expect(clippy::too_many_lines, reason = "a line for each operation")]
    async fn id(&self, app: &Service, operation: &str) -> String {
        match operation {
            "find_application" | "list_application_reports" | "list_application_steps" => self.application.clone(),
            "find_agreement" | "find_agreement_bundle" | "confirm_agreement" => self.agreement.clone(),
            "find_grant" | "list_use_reports" => self.grant.clone(),
            "create_use_report" | "renew_grant" => app.grant(&self.firm).await.id,
            "prove_deletion" => {
                let id = app.grant(&self.firm).await.id;
                let reason = json!({ "reason": "for the matrix" });
                let operator = app.operator().await;
                app.post_as(&format!("/api/v1/grants/{id}/revocation"), &operator.token, &reason).await.expect(200);
                id
            }
            "decide_application"
            | "create_application_report"
            | "withdraw_application"
            | "accept_application"
            | "ask_about_application" => app.apply(&self.firm.token).await,
            "change_application" | "submit_application" => app.draft(&self.firm.token).await,
            "answer_application" => app.apply_and(&self.firm, &[("questions", json!({ "question": "for the matrix" }))]).await,
            "appeal_application" => {
                app.apply_and(&self.firm, &[("decision", json!({ "approve": false, "reason": "for the matrix" }))]).await
            }
            "decide_application_appeal" => {
                let id = app.apply_and(&self.firm, &[("decision", json!({ "approve": false, "reason": "for the matrix" }))]).await;
                let reason = json!({ "reason": "for the matrix" });
                app.post_as(&format!("/api/v1/applications/{id}/appeal"), &self.firm.token, &reason).await.expect(200);
                id
            }
            "revoke_grant" | "suspend_grant" => app.grant(&self.firm).await.id,
            "resume_grant" => {
                let id = app.grant(&self.firm).await.id;
                app.suspend(&format!("/api/v1/grants/{id}")).await;
                id
            }
            "create_sanction" | "list_firm_sanctions" => self.firm.id.clone(),
            "find_sanction" | "answer_sanction" | "appeal_sanction" | "lift_sanction" => self.warning(app).await,
            "decide_appeal" => {
                let id = self.warning(app).await;
                let appeal = json!({ "text": "for the matrix" });
                app.post_as(&format!("/api/v1/sanctions/{id}/appeal"), &self.firm.person, &appeal).await.expect(200);
                id
            }
            "decide_firm" => app.pending_firm().await.0,
            "resume_firm" => {
                let (id, _) = app.pending_firm().await;
                app.approve_firm(&id).await;
                app.suspend(&format!("/api/v1/admin/firms/{id}")).await;
                id
            }
            "resume_client" => {
                let id = app.register_client(&self.firm.person, &KeyPair::ed25519()).await;
                app.suspend(&format!("/api/v1/admin/clients/{id}")).await;
                id
            }
            "revoke_firm" | "suspend_firm" => {
                let (id, _) = app.pending_firm().await;
                app.approve_firm(&id).await;
                id
            }
            "find_draft" | "change_draft" | "discard_draft" | "put_draft_book" | "submit_draft" | "recall_draft" | "return_draft"
            | "approve_draft" | "list_draft_entries" | "find_draft_entry" | "put_draft_entry" | "remove_draft_entry" => "none".to_owned(),
            "find_request" | "create_vote" | "remove_vote" | "find_feedback" | "ask_about_feedback" | "answer_feedback"
            | "suspend_for_claim" | "moderate_feedback" | "dismiss_feedback" | "assign_request" => "none".to_owned(),
            "end_my_session" | "remove_webhook" | "list_dead_letters" | "replay_webhook" => "none".to_owned(),
            "remove_mail_subscription" | "list_dead_mails" | "replay_mail_subscription" => "none".to_owned(),
            "revoke_person" | "reset_person_password" | "reset_second_factor" => app.new_person(&["auditor"], None).await.0,
            "revoke_my_client" | "revoke_client" | "suspend_client" | "end_my_client_tokens" | "end_client_tokens" => {
                app.register_client(&self.firm.person, &KeyPair::ed25519()).await
            }
            "find_upload" | "append_upload" | "remove_upload" | "find_job" | "follow_job" | "cancel_job" | "retry_job" => "none".to_owned(),
            other => panic!("{other} has an id in its path, and this test does not know of what"),
        }
    }

    /// The address and body with which the operation succeeds for those who may.
    #[expect(clippy::too_many_lines, reason = "a line for each operation")]
    async fn request(&self, app: &Service, operation: &str, template: &str) -> (String, Option<Value>) {
        if operation == "sign_agreement" {
            let agreement = app.drawn_agreement(&self.firm).await;
            let path = template.replace("{id}", agreement["id"].as_str().unwrap());
            return (path, Some(signature_body(&self.firm, &agreement)));
        }
        if template.contains("/attachments") {
            let (id, attachment) = app.draft_with_attachment(&self.firm).await;
            if matches!(operation, "list_attachments" | "download_attachment") {
                app.post_as(&format!("/api/v1/applications/{id}/submission"), &self.firm.token, &json!({})).await.expect(200);
            }
            let path = template.replace("{id}", &id).replace("{attachment}", &attachment);
            return match operation {
                "create_attachment" => (path + "?name=a.txt", Some(json!({}))),
                _ => (path, None),
            };
        }
        if template.contains("{signature}") {
            let signing = "/api/v1/datasets/community-health-visits/signed-urls";
            let grant = self.tokens[2].as_deref().unwrap();
            let url = app.post_as(signing, grant, &json!({})).await.expect(201).json()["url"].as_str().unwrap().to_owned();
            return (url.strip_prefix(&app.url).unwrap().to_owned(), None);
        }
        let slug = match operation {
            "suspend_dataset" | "restore_dataset" | "withdraw_dataset" | "reopen_dataset" => "none",
            _ => "community-health-visits",
        };
        let mut path = template
            .replace("{slug}", slug)
            .replace("{version}", "1")
            .replace("{syntax}", "ttl")
            .replace("{action}", "nothing")
            .replace("{resource_id}", "nothing")
            .replace("{path}", "a.txt")
            .replace("{grant}", &self.grant)
            .replace("{seq}", "1");
        if path.contains("{id}") {
            path = path.replace("{id}", &self.id(app, operation).await);
        }
        if operation == "compare_versions" {
            path += "?from=1";
        }
        if operation == "prove" {
            path += "?entry=1";
        }
        assert!(!path.contains('{'), "{path}");
        let body = match operation {
            "create_signed_url" | "create_vote" => Some(json!({})),
            "create_correction" => Some(json!({ "text": format!("wrong in {}", uuid::Uuid::now_v7()) })),
            "create_claim" => Some(json!({ "right": "other", "text": format!("ours is {}", uuid::Uuid::now_v7()) })),
            "create_rating" => Some(json!({ "stars": 3 })),
            "create_request" => Some(json!({ "title": "for the matrix", "text": format!("wanted: {}", uuid::Uuid::now_v7()) })),
            "create_reuse" => Some(json!({
                "title": "for the matrix", "text": format!("made: {}", uuid::Uuid::now_v7()), "link": "https://example.org/",
                "maker": "Example", "kind": "other", "datasets": ["community-health-visits"],
            })),
            "follow_feedback" | "withdraw_feedback" => Some(json!({ "receipt": "none" })),
            "reply_to_question" => Some(json!({ "receipt": "none", "text": "for the matrix" })),
            "ask_about_feedback" => Some(json!({ "question": "for the matrix" })),
            "answer_feedback" => Some(json!({ "outcome": "done", "text": "for the matrix" })),
            "suspend_for_claim" | "dismiss_feedback" => Some(json!({ "reason": "for the matrix" })),
            "moderate_many" => Some(json!({ "ids": ["none"], "step": "show" })),
            "moderate_feedback" => Some(json!({ "show": true })),
            "assign_request" => Some(json!({ "publisher": "xuhui-health" })),
            "run_query" => Some(json!({ "sql": "select count(*) from \"community-health-visits\"" })),
            "create_session" => Some(json!({ "username": "operator", "password": OPERATOR_PASSWORD })),
            "set_my_password" => Some(json!({ "current": "this is not it", "new": "a long new password" })),
            "begin_my_second_factor" => Some(json!({ "password": "this is not it" })),
            "confirm_my_second_factor" | "create_my_recovery_codes" => Some(json!({ "code": "000000" })),
            "confirm_agreement" => Some(json!({ "sha256": "0".repeat(64), "code": "000000" })),
            "end_my_second_factor" => Some(json!({ "password": "this is not it", "code": "000000" })),
            "create_firm" => Some(app.registration()),
            // A name that leads nowhere outside.
            "create_webhook" => Some(json!({ "url": "https://localhost/hook" })),
            "create_mail_subscription" => Some(json!({ "address": "matrix@example.com" })),
            "replay_webhook" | "replay_mail_subscription" => Some(json!({ "since": 0 })),
            "create_client" => Some(json!({ "name": "for the matrix" })),
            "create_application" => Some(app.application()),
            "decide_application" => {
                let reviewer = app.staff(&["reviewer"], None).await;
                let application = path.split('/').rev().nth(1).unwrap();
                Some(app.approval(&reviewer, application).await)
            }
            "submit_application" | "accept_application" => Some(json!({})),
            "change_application" => Some(app.application()),
            "answer_application" => Some(json!({ "answer": "for the matrix" })),
            "ask_about_application" => Some(json!({ "question": "for the matrix" })),
            "decide_application_appeal" => Some(json!({ "approve": false, "reason": "for the matrix" })),
            "withdraw_application" | "appeal_application" => Some(json!({ "reason": "for the matrix" })),
            "decide_firm" | "decide_appeal" => Some(json!({ "approve": true, "reason": "for the matrix" })),
            "create_use_report" => {
                let today = (chrono::Utc::now() + chrono::Duration::hours(8)).date_naive().to_string();
                Some(json!({ "period": { "from": today, "to": today }, "used_for": "for the matrix of callers" }))
            }
            "renew_grant" => {
                let (purpose, safeguards) = ("for the matrix of callers", "encrypted disks, two people");
                Some(json!({ "term_days": 5, "purpose": purpose, "safeguards": safeguards }))
            }
            "prove_deletion" => {
                let today = (chrono::Utc::now() + chrono::Duration::hours(8)).date_naive().to_string();
                Some(json!({ "deleted_on": today, "method": "the disks were shredded", "copies": "there were no copies" }))
            }
            "create_sanction" => Some(json!({ "kind": "warning", "reason": "for the matrix" })),
            "answer_sanction" | "appeal_sanction" => Some(json!({ "text": "for the matrix" })),
            "revoke_grant"
            | "revoke_firm"
            | "revoke_person"
            | "reset_person_password"
            | "reset_second_factor"
            | "redact_ledger_entry"
            | "lift_sanction"
            | "suspend_grant"
            | "resume_grant"
            | "suspend_firm"
            | "resume_firm"
            | "suspend_client"
            | "resume_client" => Some(json!({ "reason": "for the matrix" })),
            "create_application_report" | "rotate_keys" => Some(json!({})),
            "suspend_dataset" | "withdraw_dataset" => Some(json!({ "ground": "other", "reason": "for the matrix" })),
            "restore_dataset" | "reopen_dataset" => Some(json!({ "reason": "for the matrix" })),
            "create_draft" | "change_draft" => Some(json!({ "title": "for the matrix" })),
            "return_draft" => Some(json!({ "remark": "for the matrix" })),
            "approve_draft" | "put_draft_book" => Some(json!({})),
            "put_draft_entry" => {
                let reviewer = app.staff(&["reviewer"], None).await;
                let listed = app.get_as("/api/v1/admin/datasets/working-calendar/entry", &reviewer.token).await.expect(200).json();
                Some(json!({ "entry": listed["entry"] }))
            }
            "publish_version" => Some(json!({ "upload": "none" })),
            "resolve_version" => Some(json!({ "publish": true, "reason": "for the matrix" })),
            "create_person" => {
                let username = format!("matrix{}", uuid::Uuid::new_v4().simple());
                Some(json!({ "username": username, "display_name": "M", "roles": ["auditor"] }))
            }
            _ => None,
        };
        (path, body)
    }
}

/// Every operation of the document: id → method and path.
fn operations(document: &Value) -> BTreeMap<String, (Method, String)> {
    let mut found = BTreeMap::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let method = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
            found.insert(operation["operationId"].as_str().unwrap().to_owned(), (method, path.clone()));
        }
    }
    found
}

#[tokio::test]
async fn every_operation_answers_every_caller_as_it_should() {
    // No mail server is there: what is sent waits.
    let app = TestApp::start(Some(&shipped()), &[("smtp_url", "smtp://127.0.0.1:9"), ("smtp_from", "list@example.org")]).await;
    let operations = operations(&app.get("/openapi.json").await.expect(200).json());
    let known: std::collections::BTreeSet<&str> = EXPECTED.iter().map(|(id, _)| *id).collect();
    for id in operations.keys() {
        assert!(known.contains(id.as_str()), "the operation `{id}` has no line in the matrix");
    }
    for id in &known {
        assert!(operations.contains_key(*id), "the matrix has a line for `{id}`, which is no operation");
    }
    let world = World::make(&app).await;
    let mut wrong = Vec::new();
    for (operation, statuses) in EXPECTED {
        let (method, template) = &operations[*operation];
        let mut line = format!("{operation:28}");
        // What nobody has used up yet is there for the next caller.
        let mut ready = None;
        for ((caller, token), wanted) in CALLERS.iter().zip(&world.tokens).zip(statuses) {
            let (path, body) = match ready.take() {
                Some(unused) => unused,
                None => world.request(&app, operation, template).await,
            };
            let answer = if matches!(*operation, "create_token" | "revoke_token" | "introspect_token") {
                let headers: Vec<(&str, String)> = token.iter().map(|token| ("authorization", format!("Bearer {token}"))).collect();
                let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
                let form = [("grant_type", "client_credentials"), ("token", "z"), ("client_id", "x"), ("client_secret", "y")];
                app.form(&path, &form, &headers).await
            } else {
                app.send(method.clone(), &path, token.as_deref(), body.as_ref(), &[]).await
            };
            line += &format!(" {}", answer.status.as_u16());
            ready = (method.is_safe() || !answer.status.is_success()).then_some((path, body));
            if answer.status.as_u16() != *wanted {
                wrong.push(format!("{operation} by {caller}: {} and not {wanted}: {}", answer.status, answer.text()));
            }
        }
        println!("{line}");
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
