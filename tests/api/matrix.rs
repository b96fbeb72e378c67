//! The authorisation matrix: every operation of the API document × every kind of caller → status.
//!
//! It is made from the document: an operation without a line here fails the test, and so does a line without an operation.

use std::collections::BTreeMap;

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Firm, KeyPair, OPERATOR_PASSWORD, Service, TestApp, shipped, signature_body};

/// The callers, in the order of the columns below.
const CALLERS: [&str; 9] =
    ["anonymous", "firm", "firm with grant", "other firm", "person of the firm", "steward", "reviewer", "operator", "auditor"];

/// What is done with a reason and nothing else.
const REASONED: &str = "revoke_grant revoke_firm revoke_person reset_person_password reset_second_factor redact_ledger_entry lift_sanction \
     suspend_grant resume_grant suspend_firm resume_firm suspend_client resume_client";

type Line = (&'static str, [u16; 9]);

/// What each operation answers each caller.
const EXPECTED: &[Line] = &[
    // operation                        anon firm grant other person stew rev  oper audi
    ("healthz", [200; 9]),
    ("readyz", [200; 9]),
    ("show_catalog", [200; 9]),
    ("show_catalog_in", [200; 9]),
    ("show_dcat_us", [200; 9]),
    ("show_dataset_in", [200; 9]),
    ("show_croissant", [200; 9]),
    // Of the conditional dataset, of which nobody has a file to name.
    ("show_data_package", [404; 9]),
    ("show_feed", [200; 9]),
    // CKAN answers with 400 what it does not know.
    ("ask_ckan", [400; 9]),
    ("ask_ckan_by_post", [400; 9]),
    ("show_site_map", [200; 9]),
    ("show_robots", [200; 9]),
    ("show_llms", [200; 9]),
    ("find_authorization_server", [200; 9]),
    ("find_protected_resource", [200; 9]),
    ("list_keys", [200; 9]),
    ("list_datasets", [200; 9]),
    ("find_dataset", [200; 9]),
    ("find_grading", [200; 9]),
    ("list_versions", [200; 9]),
    ("find_version", [200; 9]),
    // Of the conditional dataset.
    ("find_profile", [403; 9]),
    ("compare_versions", [401, 403, 200, 403, 403, 403, 403, 403, 403]),
    ("find_offer", [200; 9]),
    ("find_citation", [200; 9]),
    ("follow_list", [200; 9]),
    ("show_open_list", [200; 9]),
    ("list_list_versions", [200; 9]),
    ("compare_list_versions", [200; 9]),
    ("find_dataset_history", [200; 9]),
    // Of a dataset that is not there: 404 means that the caller got that far.
    ("suspend_dataset", [401, 403, 403, 403, 403, 404, 404, 404, 403]),
    ("restore_dataset", [401, 403, 403, 403, 403, 403, 404, 404, 403]),
    ("withdraw_dataset", [401, 403, 403, 403, 403, 403, 404, 404, 403]),
    ("reopen_dataset", [401, 403, 403, 403, 403, 403, 404, 404, 403]),
    ("find_listed_entry", [401, 403, 403, 403, 403, 200, 200, 200, 200]),
    ("download_book", [401, 403, 403, 403, 403, 200, 200, 200, 200]),
    // Of no draft, and without If-Match: 404 and 428 mean that the caller got that far.
    ("create_draft", [401, 403, 403, 403, 403, 201, 201, 201, 403]),
    ("list_drafts", [401, 403, 403, 403, 403, 200, 200, 200, 200]),
    ("find_draft", [401, 403, 403, 403, 403, 404, 404, 404, 404]),
    ("change_draft", [401, 403, 403, 403, 403, 428, 428, 428, 403]),
    ("discard_draft", [401, 403, 403, 403, 403, 428, 428, 428, 403]),
    ("put_draft_book", [401, 403, 403, 403, 403, 404, 404, 404, 403]),
    ("submit_draft", [401, 403, 403, 403, 403, 428, 428, 428, 403]),
    ("recall_draft", [401, 403, 403, 403, 403, 428, 428, 428, 403]),
    ("return_draft", [401, 403, 403, 403, 403, 403, 428, 428, 403]),
    ("approve_draft", [401, 403, 403, 403, 403, 403, 428, 428, 403]),
    ("list_draft_entries", [401, 403, 403, 403, 403, 404, 404, 404, 404]),
    ("find_draft_entry", [401, 403, 403, 403, 403, 404, 404, 404, 404]),
    ("put_draft_entry", [401, 403, 403, 403, 403, 404, 404, 404, 403]),
    ("remove_draft_entry", [401, 403, 403, 403, 403, 428, 428, 428, 403]),
    ("list_publishers", [200; 9]),
    ("list_themes", [200; 9]),
    ("list_subject_classes", [200; 9]),
    // Of the conditional dataset; nobody but the holder of a grant reads it, whatever their role.
    ("download_dataset", [401, 403, 200, 403, 403, 403, 403, 403, 403]),
    ("head_download_dataset", [401, 403, 200, 403, 403, 403, 403, 403, 403]),
    // A table has no files: 404 means that the caller got that far.
    ("download_file", [401, 403, 404, 403, 403, 403, 403, 403, 403]),
    ("head_download_file", [401, 403, 404, 403, 403, 403, 403, 403, 403]),
    ("download_archive", [401, 403, 404, 403, 403, 403, 403, 403, 403]),
    ("head_download_archive", [401, 403, 404, 403, 403, 403, 403, 403, 403]),
    ("create_signed_url", [401, 403, 201, 403, 403, 403, 403, 403, 403]),
    // Whoever has it reads, and without it nobody does.
    ("download_signed", [200; 9]),
    ("head_download_signed", [200; 9]),
    ("list_rows", [401, 403, 200, 403, 403, 403, 403, 403, 403]),
    ("run_query", [401, 403, 200, 403, 403, 403, 403, 403, 403]),
    ("create_token", [401; 9]),
    // No client proves itself here.
    ("revoke_token", [401; 9]),
    ("introspect_token", [401; 9]),
    ("create_session", [201; 9]),
    ("find_me", [401, 403, 403, 403, 200, 200, 200, 200, 200]),
    // With a wrong present password, so that nobody's changes: 400 means that the caller got that far.
    ("set_my_password", [401, 403, 403, 403, 400, 400, 400, 400, 400]),
    ("list_my_sessions", [401, 403, 403, 403, 200, 200, 200, 200, 200]),
    // Of nobody: 404 means that the caller got that far.
    ("end_my_session", [401, 403, 403, 403, 404, 404, 404, 404, 404]),
    ("end_my_other_sessions", [401, 403, 403, 403, 204, 204, 204, 204, 204]),
    ("find_my_second_factor", [401, 403, 403, 403, 200, 200, 200, 200, 200]),
    // With a wrong password, and then for want of a second factor.
    ("begin_my_second_factor", [401, 403, 403, 403, 400, 400, 400, 400, 400]),
    ("confirm_my_second_factor", [401, 403, 403, 403, 409, 409, 409, 409, 409]),
    ("create_my_recovery_codes", [401, 403, 403, 403, 409, 409, 409, 409, 409]),
    ("end_my_second_factor", [401, 403, 403, 403, 400, 400, 400, 400, 400]),
    ("create_firm", [201; 9]),
    // A token for a grant reads that grant's releases and does nothing else for the firm.
    ("find_my_firm", [401, 200, 403, 200, 200, 403, 403, 403, 403]),
    ("list_clients", [401, 200, 403, 200, 200, 403, 403, 403, 403]),
    ("create_client", [401, 403, 403, 403, 201, 403, 403, 403, 403]),
    ("revoke_my_client", [401, 403, 403, 403, 200, 403, 403, 403, 403]),
    ("end_my_client_tokens", [401, 403, 403, 403, 200, 403, 403, 403, 403]),
    ("create_webhook", [401, 403, 403, 403, 201, 403, 403, 403, 403]),
    ("list_webhooks", [401, 200, 403, 200, 200, 403, 403, 403, 403]),
    // Of no webhook: 404 means that the caller got that far.
    ("remove_webhook", [401, 403, 403, 403, 404, 403, 403, 403, 403]),
    ("list_dead_letters", [401, 404, 403, 404, 404, 403, 403, 403, 403]),
    ("replay_webhook", [401, 403, 403, 403, 404, 403, 403, 403, 403]),
    ("create_mail_subscription", [401, 403, 403, 403, 201, 403, 403, 403, 403]),
    ("list_mail_subscriptions", [401, 403, 403, 403, 200, 403, 403, 403, 403]),
    ("remove_mail_subscription", [401, 403, 403, 403, 404, 403, 403, 403, 403]),
    ("list_dead_mails", [401, 403, 403, 403, 404, 403, 403, 403, 403]),
    ("replay_mail_subscription", [401, 403, 403, 403, 404, 403, 403, 403, 403]),
    ("create_application", [401, 201, 403, 201, 201, 403, 403, 403, 403]),
    ("list_applications", [401, 200, 403, 200, 200, 403, 200, 200, 200]),
    ("find_application", [401, 200, 403, 404, 200, 403, 200, 200, 200]),
    ("list_application_steps", [401, 200, 403, 404, 200, 403, 200, 200, 200]),
    ("change_application", [401, 200, 403, 404, 200, 403, 403, 403, 403]),
    ("submit_application", [401, 200, 403, 404, 200, 403, 403, 403, 403]),
    ("answer_application", [401, 200, 403, 404, 200, 403, 403, 403, 403]),
    ("withdraw_application", [401, 200, 403, 404, 200, 403, 403, 403, 403]),
    ("appeal_application", [401, 200, 403, 404, 200, 403, 403, 403, 403]),
    // By JSON, which is no kind of document that is taken: 415 means that the caller got that far. What is listed and read was submitted.
    ("create_attachment", [401, 415, 403, 415, 415, 403, 403, 403, 403]),
    ("list_attachments", [401, 200, 403, 404, 200, 403, 200, 200, 200]),
    ("download_attachment", [401, 200, 403, 404, 200, 403, 200, 200, 200]),
    ("remove_attachment", [401, 204, 403, 404, 204, 403, 403, 403, 403]),
    ("accept_application", [401, 403, 403, 403, 403, 403, 200, 403, 403]),
    ("ask_about_application", [401, 403, 403, 403, 403, 403, 200, 403, 403]),
    ("decide_application_appeal", [401, 403, 403, 403, 403, 403, 200, 403, 403]),
    ("decide_application", [401, 403, 403, 403, 403, 403, 200, 403, 403]),
    // What a release would be is for those who decide, and not for the firm: its counts are of rows that it may not have.
    ("create_application_report", [401, 403, 403, 403, 403, 403, 201, 403, 403]),
    ("list_application_reports", [401, 403, 403, 403, 403, 403, 200, 403, 200]),
    ("find_agreement", [401, 200, 403, 404, 200, 403, 200, 200, 200]),
    ("find_agreement_bundle", [401, 200, 403, 404, 200, 403, 200, 200, 200]),
    ("list_agreement_keys", [200; 9]),
    // Of an agreement that is signed: 409 means that the caller got that far.
    ("confirm_agreement", [401, 403, 403, 403, 409, 403, 403, 403, 403]),
    ("sign_agreement", [401, 200, 403, 404, 200, 403, 403, 403, 403]),
    ("list_grants", [401, 200, 403, 200, 200, 403, 200, 200, 200]),
    ("find_grant", [401, 200, 403, 404, 200, 403, 200, 200, 200]),
    ("suspend_grant", [401, 403, 403, 403, 403, 403, 200, 200, 403]),
    ("resume_grant", [401, 403, 403, 403, 403, 403, 200, 200, 403]),
    ("revoke_grant", [401, 403, 403, 403, 403, 403, 200, 200, 403]),
    ("renew_grant", [401, 201, 403, 404, 201, 403, 403, 403, 403]),
    ("prove_deletion", [401, 201, 403, 404, 201, 403, 403, 403, 403]),
    ("list_overdue_proofs", [401, 403, 403, 403, 403, 403, 403, 200, 200]),
    ("create_use_report", [401, 201, 403, 404, 201, 403, 403, 403, 403]),
    ("list_use_reports", [401, 200, 403, 404, 200, 403, 200, 200, 200]),
    ("list_overdue_reports", [401, 403, 403, 403, 403, 403, 403, 200, 200]),
    ("list_register", [200; 9]),
    ("find_register_entry", [200; 9]),
    ("list_published_sanctions", [200; 9]),
    ("create_sanction", [401, 403, 403, 403, 403, 403, 403, 201, 403]),
    ("list_firm_sanctions", [401, 403, 403, 403, 403, 403, 200, 200, 200]),
    ("list_sanctions", [401, 200, 403, 200, 200, 403, 200, 200, 200]),
    ("find_sanction", [401, 200, 403, 404, 200, 403, 200, 200, 200]),
    ("answer_sanction", [401, 200, 403, 404, 200, 403, 403, 403, 403]),
    ("appeal_sanction", [401, 200, 403, 404, 200, 403, 403, 403, 403]),
    ("decide_appeal", [401, 403, 403, 403, 403, 403, 200, 200, 403]),
    ("lift_sanction", [401, 403, 403, 403, 403, 403, 403, 200, 403]),
    ("list_ledger_entries", [401, 403, 403, 403, 403, 403, 403, 200, 200]),
    // An entry without words: 409 means that the caller got that far.
    ("redact_ledger_entry", [401, 403, 403, 403, 403, 403, 403, 409, 403]),
    ("show_checkpoint", [200; 9]),
    ("show_ledger_key", [200; 9]),
    ("prove", [200; 9]),
    // Without the protocol's headers, or with the id of nothing: 400 and 404 mean that the caller got that far.
    ("describe_uploads", [204; 9]),
    ("create_upload", [401, 403, 403, 403, 403, 400, 403, 403, 403]),
    ("list_uploads", [401, 403, 403, 403, 403, 200, 403, 403, 403]),
    ("find_upload", [401, 403, 403, 403, 403, 404, 403, 403, 403]),
    ("append_upload", [401, 403, 403, 403, 403, 404, 403, 403, 403]),
    ("remove_upload", [401, 403, 403, 403, 403, 404, 403, 403, 403]),
    ("publish_version", [401, 403, 403, 403, 403, 404, 403, 403, 403]),
    ("list_all_versions", [401, 403, 403, 403, 403, 200, 200, 403, 200]),
    ("resolve_version", [401, 403, 403, 403, 403, 409, 403, 403, 403]),
    ("download_rejects", [401, 403, 403, 403, 403, 404, 403, 403, 403]),
    ("list_jobs", [401, 403, 403, 403, 403, 200, 403, 200, 200]),
    ("find_job", [401, 403, 403, 403, 403, 404, 403, 404, 404]),
    ("follow_job", [401, 403, 403, 403, 403, 404, 403, 404, 404]),
    ("cancel_job", [401, 403, 403, 403, 403, 404, 403, 404, 403]),
    ("retry_job", [401, 403, 403, 403, 403, 404, 403, 404, 403]),
    ("collect_orphans", [401, 403, 403, 403, 403, 403, 403, 202, 403]),
    ("list_firms", [401, 403, 403, 403, 403, 403, 403, 200, 200]),
    ("decide_firm", [401, 403, 403, 403, 403, 403, 403, 200, 403]),
    ("suspend_firm", [401, 403, 403, 403, 403, 403, 403, 200, 403]),
    ("resume_firm", [401, 403, 403, 403, 403, 403, 403, 200, 403]),
    ("revoke_firm", [401, 403, 403, 403, 403, 403, 403, 200, 403]),
    ("suspend_client", [401, 403, 403, 403, 403, 403, 403, 200, 403]),
    ("resume_client", [401, 403, 403, 403, 403, 403, 403, 200, 403]),
    ("revoke_client", [401, 403, 403, 403, 403, 403, 403, 200, 403]),
    ("end_client_tokens", [401, 403, 403, 403, 403, 403, 403, 200, 403]),
    ("rotate_keys", [401, 403, 403, 403, 403, 403, 403, 201, 403]),
    ("list_people", [401, 403, 403, 403, 403, 403, 403, 200, 200]),
    ("create_person", [401, 403, 403, 403, 403, 403, 403, 201, 403]),
    ("reset_person_password", [401, 403, 403, 403, 403, 403, 403, 200, 403]),
    ("revoke_person", [401, 403, 403, 403, 403, 403, 403, 200, 403]),
    // Of somebody who has none.
    ("reset_second_factor", [401, 403, 403, 403, 403, 403, 403, 409, 403]),
    // Last, since it ends the sessions.
    ("end_session", [401, 401, 401, 401, 204, 204, 204, 204, 204]),
];

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
            "create_signed_url" => Some(json!({})),
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
            with_reason if REASONED.split(' ').any(|known| known == with_reason) => Some(json!({ "reason": "for the matrix" })),
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
        for ((caller, token), wanted) in CALLERS.iter().zip(&world.tokens).zip(statuses) {
            let (path, body) = world.request(&app, operation, template).await;
            let answer = if matches!(*operation, "create_token" | "revoke_token" | "introspect_token") {
                let headers: Vec<(&str, String)> = token.iter().map(|token| ("authorization", format!("Bearer {token}"))).collect();
                let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
                let form = [("grant_type", "client_credentials"), ("token", "z"), ("client_id", "x"), ("client_secret", "y")];
                app.form(&path, &form, &headers).await
            } else {
                app.send(method.clone(), &path, token.as_deref(), body.as_ref(), &[]).await
            };
            line += &format!(" {}", answer.status.as_u16());
            if answer.status.as_u16() != *wanted {
                wrong.push(format!("{operation} by {caller}: {} and not {wanted}: {}", answer.status, answer.text()));
            }
        }
        println!("{line}");
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
