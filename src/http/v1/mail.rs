//! A firm's mail subscriptions.

use actix_web::{HttpResponse, delete, get, post, web};

use super::IdPath;
use super::webhooks::Replay;
use crate::access::mail::{self, DeadMail, MailSubscription, NewMailSubscription};
use crate::app::App;
use crate::error::{Error, Result};
use crate::http::page::{Page, PageQuery};
use crate::identity::Caller;
use crate::outbound::mail::mail_address;

/// Subscribe an address to mail
///
/// By a person of an approved firm. The address is sent one letter with a link; nothing else is sent until somebody who reads it has followed the link and
/// pressed the button there, within three days. From then on each change of the list is told, in Chinese and English, as `GET /changes` has it; what
/// happens within a minute comes in one letter. Each letter has a link that ends the subscription, also with one click (RFC 8058). A letter that is not
/// taken is tried again after 1, 2, 4 … seconds, up to an hour, under the same `Message-ID`, and what comes later waits. One that is refused ten times is
/// laid aside. When the mail server says that there is no such address, or takes nothing for 72 hours, the subscription is disabled. An address gets one
/// confirmation a day from a firm, and three from all.
#[utoipa::path(tag = "firms", security(("session" = [])), responses((status = CREATED, body = MailSubscription)))]
#[post("/firms/me/mail-subscriptions")]
pub async fn create_mail_subscription(caller: Caller, app: web::Data<App>, body: web::Json<NewMailSubscription>) -> Result<HttpResponse> {
    Ok(HttpResponse::Created().json(subscribe(&app, &caller, body.into_inner()).await?))
}

/// Subscribes an address for the firm of the person who asks.
///
/// # Errors
/// When the caller is no person of an approved firm, no mail is sent here, a value is not allowed, or the address was asked enough.
pub async fn subscribe(app: &App, caller: &Caller, mut new: NewMailSubscription) -> Result<MailSubscription> {
    caller.person()?;
    caller.firm()?;
    app.require_mail()?;
    new.address = mail_address("/address", &new.address)?;
    let (master, caller) = (app.master.clone(), caller.clone());
    app.db.write(move |conn| mail::subscribe(conn, &caller, &master, &new)).await
}

/// List the own firm's mail subscriptions
///
/// For people of the firm, since addresses stand in it: how far each has come, and why the last try was in vain, where it was.
#[utoipa::path(tag = "firms", security(("session" = [])), responses((status = OK, body = Page<MailSubscription>)))]
#[get("/firms/me/mail-subscriptions")]
pub async fn list_mail_subscriptions(caller: Caller, app: web::Data<App>) -> Result<web::Json<Page<MailSubscription>>> {
    let master = app.master.clone();
    Ok(web::Json(Page::whole(app.db.read(move |conn| mail::list(conn, &caller, &master)).await?)))
}

/// Remove a mail subscription
///
/// Nothing more is sent, and the address is forgotten.
#[utoipa::path(tag = "firms", params(IdPath), security(("session" = [])), responses((status = NO_CONTENT)))]
#[delete("/firms/me/mail-subscriptions/{id}")]
pub async fn remove_mail_subscription(caller: Caller, app: web::Data<App>, path: web::Path<IdPath>) -> Result<HttpResponse> {
    let id = path.into_inner().id;
    app.db.write(move |conn| mail::remove(conn, &caller, &id)).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// List a mail subscription's dead letters
///
/// Letters that the mail server would not take, oldest first.
#[utoipa::path(tag = "firms", params(IdPath, PageQuery), security(("session" = [])), responses((status = OK, body = Page<DeadMail>)))]
#[get("/firms/me/mail-subscriptions/{id}/dead-letters")]
pub async fn list_dead_mails(
    caller: Caller,
    app: web::Data<App>,
    path: web::Path<IdPath>,
    page: web::Query<PageQuery>,
) -> Result<web::Json<Page<DeadMail>>> {
    const LIST: &str = "dead-mails";
    let (id, limit) = (path.into_inner().id, page.limit()?);
    let after =
        page.after(LIST)?.map(|seq| seq.parse::<i64>().map_err(|_cause| Error::invalid("cursor", "this is no cursor of this list")));
    let after = after.transpose()?.unwrap_or(0);
    let (items, total) = app.db.read(move |conn| mail::letters(conn, &caller, &id, after, limit + 1)).await?;
    Ok(web::Json(Page::cut(LIST, items, total, limit, |letter| letter.to.to_string())))
}

/// Tell it by mail again
///
/// Everything after an entry of the ledger, which is not before the one at which the address was confirmed; the dead letters from there on are forgotten,
/// and a disabled subscription is active again.
#[utoipa::path(tag = "firms", params(IdPath), security(("session" = [])), responses((status = OK, body = MailSubscription)))]
#[post("/firms/me/mail-subscriptions/{id}/replay")]
pub async fn replay_mail_subscription(
    caller: Caller,
    app: web::Data<App>,
    path: web::Path<IdPath>,
    body: web::Json<Replay>,
) -> Result<web::Json<MailSubscription>> {
    Ok(web::Json(replay(&app, &caller, path.into_inner().id, body.since).await?))
}

/// Tells everything after an entry of the ledger once more.
///
/// # Errors
/// When the caller is no person of the firm, there is none of that id, `since` is not allowed, or the firm has done it often enough.
pub async fn replay(app: &App, caller: &Caller, id: String, since: i64) -> Result<MailSubscription> {
    caller.person()?;
    app.limits.replay(caller.firm()?)?;
    let (master, caller) = (app.master.clone(), caller.clone());
    app.db.write(move |conn| mail::replay(conn, &caller, &master, &id, since)).await
}
