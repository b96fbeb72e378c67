//! The one route table, and every surface. Only this room and `app` know actix.
//!
//! A request goes: `caller::resolve` (id, caller, limits, log) → handler → domain function → answer or problem.

mod accept;
mod browser;
mod caller;
mod ckan;
mod kept;
mod oauth;
mod openapi;
mod page;
mod portal;
mod problem;
mod standards;
mod v1;

use std::net::TcpListener;
use std::sync::Arc;

use actix_web::dev::Server;
use actix_web::middleware::from_fn;
use actix_web::{HttpServer, web};
use utoipa_actix_web::service_config::ServiceConfig;
use utoipa_actix_web::{AppExt, scope};

use crate::app::App;

pub use openapi::{document, document_json};
pub use v1::check_text;

/// The stable names of all kinds of problems.
pub fn problem_slugs() -> impl Iterator<Item = &'static str> {
    problem::KINDS.iter().map(|kind| kind.slug)
}

/// Every documented route.
fn routes(config: &mut ServiceConfig<'_>) {
    config
        .service(v1::operation::healthz)
        .service(v1::operation::readyz)
        .service(oauth::create_token)
        .service(oauth::discovery::find_authorization_server)
        .service(oauth::discovery::find_protected_resource)
        .service(oauth::discovery::list_keys)
        .service(oauth::revoke_token)
        .service(oauth::introspect_token)
        .configure(standards::routes)
        .configure(ckan::routes)
        .service(
            scope::scope("/api/v1")
                .service(v1::listing::list_datasets)
                .service(v1::datasets::find_dataset)
                .service(v1::datasets::find_grading)
                .service(v1::datasets::list_versions)
                .service(v1::versions::find_version)
                .service(v1::versions::find_profile)
                .service(v1::versions::compare_versions)
                .service(v1::citation::find_citation)
                .configure(open_list)
                .configure(feedback)
                .service(v1::datasets::list_publishers)
                .service(v1::datasets::list_themes)
                .service(v1::datasets::list_subject_classes)
                .service(v1::download::download_dataset)
                .service(v1::files::download_archive)
                .service(v1::files::download_file)
                .service(v1::signed_urls::create_signed_url)
                .service(v1::signed_urls::download_signed)
                .service(v1::rows::list_rows)
                .service(v1::sql::run_query)
                .service(v1::sessions::create_session)
                .service(v1::sessions::end_session)
                .service(v1::people::find_me)
                .service(v1::people::set_my_password)
                .service(v1::sessions::list_my_sessions)
                .service(v1::sessions::end_my_session)
                .service(v1::sessions::end_my_other_sessions)
                .service(v1::second_factor::find_my_second_factor)
                .service(v1::second_factor::begin_my_second_factor)
                .service(v1::second_factor::confirm_my_second_factor)
                .service(v1::second_factor::create_my_recovery_codes)
                .service(v1::second_factor::end_my_second_factor)
                .service(v1::firms::create_firm)
                .service(v1::firms::find_my_firm)
                .configure(clients)
                .configure(applications)
                .configure(agreements)
                .configure(register)
                .service(v1::ledger::list_ledger_entries)
                .service(v1::ledger::redact_ledger_entry)
                .service(v1::ledger::show_checkpoint)
                .service(v1::ledger::show_ledger_key)
                .service(v1::ledger::prove)
                .configure(administration),
        );
}

/// The list as a whole: what it was, and what of it is given out.
fn open_list(config: &mut ServiceConfig<'_>) {
    config
        .service(v1::changes::follow_list)
        .service(v1::statutory::show_open_list)
        .service(v1::open_list::list_list_versions)
        .service(v1::open_list::compare_list_versions)
        .service(v1::curation::find_dataset_history)
        .service(v1::curation::suspend_dataset)
        .service(v1::curation::restore_dataset)
        .service(v1::curation::withdraw_dataset)
        .service(v1::curation::reopen_dataset)
        .service(v1::drafts::create_draft)
        .service(v1::drafts::list_drafts)
        .service(v1::drafts::find_draft)
        .service(v1::drafts::change_draft)
        .service(v1::drafts::discard_draft)
        .service(v1::drafts::put_draft_book)
        .service(v1::drafts::submit_draft)
        .service(v1::drafts::recall_draft)
        .service(v1::drafts::return_draft)
        .service(v1::drafts::approve_draft)
        .service(v1::drafts::entries::find_listed_entry)
        .service(v1::drafts::entries::download_book)
        .service(v1::drafts::entries::list_draft_entries)
        .service(v1::drafts::entries::find_draft_entry)
        .service(v1::drafts::entries::put_draft_entry)
        .service(v1::drafts::entries::remove_draft_entry);
}

/// What the public files, and what becomes of it.
fn feedback(config: &mut ServiceConfig<'_>) {
    config
        .service(v1::feedback::create_correction)
        .service(v1::feedback::list_corrections)
        .service(v1::feedback::create_claim)
        .service(v1::feedback::create_rating)
        .service(v1::feedback::list_ratings)
        .service(v1::feedback::requests::create_request)
        .service(v1::feedback::requests::list_requests)
        .service(v1::feedback::requests::find_request)
        .service(v1::feedback::requests::create_vote)
        .service(v1::feedback::requests::remove_vote)
        .service(v1::feedback::reuses::create_reuse)
        .service(v1::feedback::reuses::list_reuses)
        .service(v1::feedback::receipts::follow_feedback)
        .service(v1::feedback::receipts::reply_to_question)
        .service(v1::feedback::receipts::withdraw_feedback)
        .service(v1::feedback::desk::list_feedback)
        .service(v1::feedback::desk::moderate_many)
        .service(v1::feedback::desk::find_feedback)
        .service(v1::feedback::desk::ask_about_feedback)
        .service(v1::feedback::desk::answer_feedback)
        .service(v1::feedback::desk::suspend_for_claim)
        .service(v1::feedback::desk::moderate_feedback)
        .service(v1::feedback::desk::dismiss_feedback)
        .service(v1::feedback::desk::assign_request);
}

/// What a firm asks with, and what it is told by.
fn clients(config: &mut ServiceConfig<'_>) {
    config
        .service(v1::webhooks::create_webhook)
        .service(v1::webhooks::list_webhooks)
        .service(v1::webhooks::remove_webhook)
        .service(v1::webhooks::list_dead_letters)
        .service(v1::webhooks::replay_webhook)
        .service(v1::mail::create_mail_subscription)
        .service(v1::mail::list_mail_subscriptions)
        .service(v1::mail::remove_mail_subscription)
        .service(v1::mail::list_dead_mails)
        .service(v1::mail::replay_mail_subscription)
        .service(v1::clients::list_clients)
        .service(v1::clients::create_client)
        .service(v1::clients::revoke_my_client)
        .service(v1::clients::end_my_client_tokens);
}

/// Offers, and applications on both sides.
fn applications(config: &mut ServiceConfig<'_>) {
    config
        .service(v1::applications::create_application)
        .service(v1::applications::list_applications)
        .service(v1::applications::find_application)
        .service(v1::applications::change_application)
        .service(v1::applications::submit_application)
        .service(v1::applications::answer_application)
        .service(v1::applications::withdraw_application)
        .service(v1::applications::appeal_application)
        .service(v1::applications::list_application_steps)
        .service(v1::attachments::create_attachment)
        .service(v1::attachments::list_attachments)
        .service(v1::attachments::download_attachment)
        .service(v1::attachments::remove_attachment)
        .service(v1::reviews::accept_application)
        .service(v1::reviews::ask_about_application)
        .service(v1::reviews::decide_application)
        .service(v1::reviews::decide_application_appeal)
        .service(v1::reviews::create_application_report)
        .service(v1::reviews::list_application_reports)
        .service(v1::offers::find_offer);
}

/// The register, sanctions, and what firms owe.
fn register(config: &mut ServiceConfig<'_>) {
    config
        .service(v1::use_reports::create_use_report)
        .service(v1::use_reports::list_use_reports)
        .service(v1::register::list_register)
        .service(v1::sanctions::list_published_sanctions)
        .service(v1::register::find_register_entry)
        .service(v1::sanctions::list_sanctions)
        .service(v1::sanctions::find_sanction)
        .service(v1::sanctions::answer_sanction)
        .service(v1::sanctions::appeal_sanction)
        .service(v1::sanctions::decide_appeal)
        .service(v1::sanctions::lift_sanction);
}

/// Agreements, and the grants that they give.
fn agreements(config: &mut ServiceConfig<'_>) {
    config
        // Before the agreements by id.
        .service(v1::agreements::list_agreement_keys)
        .service(v1::agreements::find_agreement)
        .service(v1::agreements::sign_agreement)
        .service(v1::agreements::confirm_agreement)
        .service(v1::agreements::find_agreement_bundle)
        .service(v1::grants::list_grants)
        .service(v1::grants::find_grant)
        .service(v1::grants::renew_grant)
        .service(v1::grants::prove_deletion)
        .service(v1::grants::list_overdue_proofs)
        .service(v1::grants::suspend_grant)
        .service(v1::grants::resume_grant)
        .service(v1::grants::revoke_grant);
}

/// What people with a role do.
fn administration(config: &mut ServiceConfig<'_>) {
    config
        .service(v1::uploads::describe_uploads)
        .service(v1::uploads::create_upload)
        .service(v1::uploads::list_uploads)
        .service(v1::uploads::find_upload)
        .service(v1::uploads::append_upload)
        .service(v1::uploads::remove_upload)
        .service(v1::publishing::publish_version)
        .service(v1::publishing::list_all_versions)
        .service(v1::publishing::resolve_version)
        .service(v1::publishing::download_rejects)
        .service(v1::jobs::list_jobs)
        .service(v1::jobs::find_job)
        .service(v1::jobs::follow_job)
        .service(v1::jobs::cancel_job)
        .service(v1::jobs::retry_job)
        .service(v1::jobs::collect_orphans)
        .service(v1::admin::list_firms)
        .service(v1::admin::decide_firm)
        .service(v1::admin::suspend_firm)
        .service(v1::admin::resume_firm)
        .service(v1::admin::revoke_firm)
        .service(v1::sanctions::create_sanction)
        .service(v1::sanctions::list_firm_sanctions)
        .service(v1::use_reports::list_overdue_reports)
        .service(v1::admin::suspend_client)
        .service(v1::admin::resume_client)
        .service(v1::admin::revoke_client)
        .service(v1::admin::end_client_tokens)
        .service(v1::admin::rotate_keys)
        .service(v1::admin::list_people)
        .service(v1::admin::create_person)
        .service(v1::admin::revoke_person)
        .service(v1::admin::reset_person_password)
        .service(v1::second_factor::reset_second_factor);
}

/// The pages of drafts of the list.
fn draft_pages(config: &mut web::ServiceConfig) {
    config
        .service(portal::console::drafts::drafts_page)
        .service(portal::console::drafts::begin_draft)
        .service(portal::console::drafts::draft_page)
        .service(portal::console::drafts::take_draft_step)
        .service(portal::console::drafts::add_entry)
        .service(portal::console::drafts::upload_book)
        .service(portal::console::drafts::entry::entry_page)
        .service(portal::console::drafts::entry::save_entry)
        .service(portal::console::drafts::entry::remove_entry);
}

/// The pages of what the public files.
fn feedback_pages(config: &mut web::ServiceConfig) {
    config
        .service(portal::feedback::feedback_page)
        .service(portal::feedback::file_of_dataset)
        .service(portal::feedback::requests::requests_page)
        .service(portal::feedback::requests::file_request)
        .service(portal::feedback::requests::vote_for_request)
        .service(portal::feedback::reuses::reuses_page)
        .service(portal::feedback::reuses::file_reuse)
        .service(portal::feedback::receipt::receipt_page)
        .service(portal::feedback::receipt::follow_receipt)
        .service(portal::feedback::receipt::take_receipt_step)
        .service(portal::console::feedback::feedback_list_page)
        .service(portal::console::feedback::take_bulk_step)
        .service(portal::console::feedback::feedback_case_page)
        .service(portal::console::feedback::take_feedback_step);
}

/// The pages that letters lead to.
fn mail_pages(config: &mut web::ServiceConfig) {
    config
        .service(portal::mail::mail_confirmation_page)
        .service(portal::mail::confirm_mail)
        .service(portal::mail::mail_end_page)
        .service(portal::mail::end_mail);
}

/// The pages on which an operator looks after firms.
fn firms_pages(config: &mut web::ServiceConfig) {
    config
        .service(portal::console::firms::firms_page)
        .service(portal::console::firms::firm_page)
        .service(portal::console::firms::take_step)
        .service(portal::console::firms::take_client_step);
}

/// The pages of a firm's desk.
fn firm_pages(config: &mut web::ServiceConfig) {
    config
        .service(portal::firm::desk_page)
        .service(portal::firm::clients::clients_page)
        .service(portal::firm::clients::register)
        .service(portal::firm::clients::client_page)
        .service(portal::firm::clients::take_step)
        .service(portal::firm::following::following_page)
        .service(portal::firm::following::subscribe)
        .service(portal::firm::following::register)
        .service(portal::firm::following::take_step)
        .service(portal::firm::apply::apply_page)
        .service(portal::firm::apply::save_new)
        .service(portal::firm::apply::edit_page)
        .service(portal::firm::apply::save_changes)
        .service(portal::firm::application::application_page)
        .service(portal::firm::application::take_step)
        .service(portal::firm::application::confirm)
        .service(portal::firm::documents::attach)
        .service(portal::firm::documents::remove)
        .service(portal::firm::grant::grant_page)
        .service(portal::firm::grant::take_step)
        .service(portal::firm::grant::hand_in)
        .service(portal::firm::notice::notice_page)
        .service(portal::firm::notice::take_step);
}

/// The pages, which are no part of the API document.
fn pages(config: &mut web::ServiceConfig) {
    config
        .service(portal::home::home)
        .service(portal::dataset_page)
        .service(portal::register::register_page)
        .service(portal::open_list::open_list_page)
        .service(portal::problem_type)
        .configure(mail_pages)
        .service(portal::registration::registration_page)
        .service(portal::registration::register)
        .service(portal::login::login_page)
        .service(portal::login::log_in)
        .service(portal::login::log_out)
        .service(portal::account::account_page)
        .service(portal::account::change_password)
        .service(portal::account::end_session)
        .service(portal::account::end_other_sessions)
        .service(portal::factor::begin)
        .service(portal::factor::enrolment_page)
        .service(portal::factor::confirm)
        .service(portal::factor::renew_codes)
        .service(portal::factor::end)
        .configure(firm_pages)
        .service(portal::console::queue::queue_page)
        .service(portal::console::application::review_page)
        .service(portal::console::application::take_step)
        .service(portal::console::application::try_out)
        .service(portal::console::grants::grants_page)
        .service(portal::console::grants::grant_page)
        .service(portal::console::grants::take_step)
        .service(portal::console::datasets::datasets_page)
        .service(portal::console::datasets::standing_page)
        .service(portal::console::datasets::take_step)
        .configure(draft_pages)
        .configure(feedback_pages)
        .configure(firms_pages)
        .service(portal::asset)
        .configure(ckan::unversioned)
        .service(openapi::serve_document)
        .service(openapi::docs_redirect)
        .service(openapi::swagger_ui());
}

/// The server on an open listener, not running yet.
///
/// # Errors
/// When the server cannot take the listener.
pub fn server(app: Arc<App>, listener: TcpListener) -> anyhow::Result<Server> {
    let (workers, shutdown_seconds) = (app.settings.workers, app.settings.shutdown_seconds);
    let data = web::Data::from(app);
    let index = web::Data::new(problem::RouteIndex::new(&document()));
    let answers = web::Data::new(kept::Answers::of_list());
    let pages_of_datasets = web::Data::new(kept::PageAnswers::new());
    let register = web::Data::new(kept::RegisterAnswers::new());
    let factory = move || {
        actix_web::App::new()
            .into_utoipa_app()
            .map(|app| app.configure(|config| problem::extractor_errors(config, data.settings.body_limit_bytes)))
            .app_data(data.clone())
            .app_data(index.clone())
            .app_data(answers.clone())
            .app_data(pages_of_datasets.clone())
            .app_data(register.clone())
            .configure(routes)
            .map(|app| app.configure(pages).default_service(web::to(problem::no_route)).wrap(from_fn(caller::resolve)))
            .into_app()
    };
    // A small answer leaves at once, and does not wait for the acknowledgement of what went before.
    let mut server = HttpServer::new(factory).tcp_nodelay(true).shutdown_timeout(shutdown_seconds);
    if workers > 0 {
        server = server.workers(workers);
    }
    Ok(server.listen(listener)?.run())
}
