//! A firm's webhooks.

use actix_web::{HttpResponse, delete, get, post, web};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::IdPath;
use crate::access::webhooks::{self, DeadLetter, NewWebhook, Webhook};
use crate::app::App;
use crate::error::{Error, Result};
use crate::http::page::{Page, PageQuery};
use crate::identity::Caller;

/// A webhook that was registered.
#[derive(Serialize, ToSchema)]
pub struct RegisteredWebhook {
    /// The webhook.
    #[serde(flatten)]
    pub webhook: Webhook,
    /// The secret by which a receiver verifies what comes: `whsec_` and 32 bytes in base64. It is shown this once.
    pub secret: String,
}

/// From where on everything is sent again.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Replay {
    /// The entry of the ledger after which it begins, such as `sent_to` of the webhook at a time when all was well, or 0.
    #[schema(minimum = 0)]
    pub(super) since: i64,
}

/// Register a webhook
///
/// By a person of an approved firm. Each change of the list from now on is sent as a POST, as `GET /changes` has it, in order and one at a time:
/// `{"type": "version.published", "timestamp": "…", "data": {…}}`, signed by Standard Webhooks (`webhook-id`, `webhook-timestamp`,
/// `webhook-signature`). Any status from 200 to 299 means that it was taken. Everything else is tried again after 1, 2, 4 … seconds, up to an hour, and what
/// comes later waits; so an event may come twice, under the same `webhook-id`. An event that is refused ten times (a status from 300 to 499, other
/// than 408, 425 and 429) is laid aside as a dead letter. After 410, or 72 hours in vain, the webhook is disabled until a replay.
#[utoipa::path(tag = "firms", security(("session" = [])), responses((status = CREATED, body = RegisteredWebhook)))]
#[post("/firms/me/webhooks")]
pub async fn create_webhook(caller: Caller, app: web::Data<App>, body: web::Json<NewWebhook>) -> Result<HttpResponse> {
    Ok(HttpResponse::Created().json(register(&app, &caller, body.into_inner()).await?))
}

/// Registers a webhook for the firm of the person who asks.
///
/// # Errors
/// When the caller is no person of an approved firm, a value is not allowed, or the firm has ten already.
pub async fn register(app: &App, caller: &Caller, mut new: NewWebhook) -> Result<RegisteredWebhook> {
    caller.person()?;
    new.url = app.outbound.address("/url", &new.url)?.to_string();
    let caller = caller.clone();
    let webhook = app.db.write(move |conn| webhooks::register(conn, &caller, new)).await?;
    let secret = webhooks::secret_of(&app.master, &webhook.id);
    Ok(RegisteredWebhook { webhook, secret })
}

/// List the own firm's webhooks
///
/// How far each has come, and why the last try was in vain, where it was.
#[utoipa::path(tag = "firms", security(("session" = []), ("oauth2" = [])), responses((status = OK, body = Page<Webhook>)))]
#[get("/firms/me/webhooks")]
pub async fn list_webhooks(caller: Caller, app: web::Data<App>) -> Result<web::Json<Page<Webhook>>> {
    Ok(web::Json(Page::whole(app.db.read(move |conn| webhooks::list(conn, &caller)).await?)))
}

/// Remove a webhook
///
/// Nothing more is sent to it, and its secret is of no use any more.
#[utoipa::path(tag = "firms", params(IdPath), security(("session" = [])), responses((status = NO_CONTENT)))]
#[delete("/firms/me/webhooks/{id}")]
pub async fn remove_webhook(caller: Caller, app: web::Data<App>, path: web::Path<IdPath>) -> Result<HttpResponse> {
    let id = path.into_inner().id;
    app.db.write(move |conn| webhooks::remove(conn, &caller, &id)).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// List a webhook's dead letters
///
/// Events that it would not take, oldest first.
#[utoipa::path(tag = "firms", params(IdPath, PageQuery), security(("session" = []), ("oauth2" = [])), responses((status = OK, body = Page<DeadLetter>)))]
#[get("/firms/me/webhooks/{id}/dead-letters")]
pub async fn list_dead_letters(
    caller: Caller,
    app: web::Data<App>,
    path: web::Path<IdPath>,
    page: web::Query<PageQuery>,
) -> Result<web::Json<Page<DeadLetter>>> {
    const LIST: &str = "dead-letters";
    let (id, limit) = (path.into_inner().id, page.limit()?);
    let after =
        page.after(LIST)?.map(|seq| seq.parse::<i64>().map_err(|_cause| Error::invalid("cursor", "this is no cursor of this list")));
    let after = after.transpose()?.unwrap_or(0);
    let (items, total) = app.db.read(move |conn| webhooks::letters(conn, &caller, &id, after, limit + 1)).await?;
    Ok(web::Json(Page::cut(LIST, items, total, limit, |letter| letter.seq.to_string())))
}

/// Send to a webhook again
///
/// Everything after an entry of the ledger, under the same `webhook-id`s; its dead letters from there on are forgotten, and a disabled webhook is active
/// again.
#[utoipa::path(tag = "firms", params(IdPath), security(("session" = [])), responses((status = OK, body = Webhook)))]
#[post("/firms/me/webhooks/{id}/replay")]
pub async fn replay_webhook(
    caller: Caller,
    app: web::Data<App>,
    path: web::Path<IdPath>,
    body: web::Json<Replay>,
) -> Result<web::Json<Webhook>> {
    let (id, since) = (path.into_inner().id, body.since);
    Ok(web::Json(app.db.write(move |conn| webhooks::replay(conn, &caller, &id, since)).await?))
}
