//! The two pages that letters lead to: one on which an address is confirmed, and one on which a subscription ends. Whoever has the link needs no account.
//!
//! To look at a page changes nothing, since programs that look after mail follow links; a button does. The provider of a mailbox may press that of the
//! second page itself (RFC 8058): it comes from no page and without a cookie, and the token in the address is all that it has.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, get, post, web};
use askama::Template;
use serde::Deserialize;

use super::visit::Visit;
use super::{Words, private_page};
use crate::access::mail::{self, Confirmation};
use crate::error::{Error, Result};
use crate::http::browser::OpenForm;

/// What the link of a letter says.
#[derive(Deserialize)]
pub struct LinkQuery {
    #[serde(default)]
    token: String,
}

#[derive(Template)]
#[template(path = "mail-page.html")]
struct MailPage<'a> {
    w: Words,
    here: &'static str,
    token: &'a str,
    title: &'static str,
    lead: &'static str,
    /// What the button does, where there is something to do.
    button: Option<&'static str>,
}

fn confirmation_page(w: Words, token: &str, state: Confirmation) -> Result<HttpResponse> {
    let (title, lead) = match state {
        Confirmation::Open => (
            w.t("确认邮件订阅", "Confirm the subscription"),
            w.t(
                "确认后，清单的变更将发送到您的邮箱；每封邮件中都有取消订阅的链接。",
                "Once you confirm, changes of the list are sent to your mailbox. Each letter has a link that ends this.",
            ),
        ),
        Confirmation::Given => (
            w.t("订阅已确认", "The subscription is confirmed"),
            w.t("今后清单的变更将发送到您的邮箱。", "From now on changes of the list are sent to your mailbox."),
        ),
        Confirmation::Over => (
            w.t("链接已失效", "This link holds no longer"),
            w.t(
                "链接在三天后失效，订阅也可能已经取消。如需订阅，请由企业重新申请。",
                "A link holds for three days, and the subscription may have been ended. If you want it, have the firm ask for it again.",
            ),
        ),
    };
    let button = (state == Confirmation::Open).then(|| w.t("确认订阅", "Confirm"));
    let status = if state == Confirmation::Over { StatusCode::NOT_FOUND } else { StatusCode::OK };
    private_page(w, status, &MailPage { w, here: "/mail/confirm", token, title, lead, button })
}

#[get("/mail/confirm")]
pub async fn mail_confirmation_page(visit: Visit, query: web::Query<LinkQuery>) -> Result<HttpResponse> {
    let token = query.token.clone();
    let state = visit.app.db.read(move |conn| mail::confirmation(conn, &token)).await?;
    confirmation_page(visit.w, &query.token, state)
}

#[post("/mail/confirm")]
pub async fn confirm_mail(visit: Visit, request: HttpRequest, form: web::Form<OpenForm>) -> Result<HttpResponse> {
    let Visit { caller, app, w, .. } = visit;
    // Another site must not confirm anything either.
    let token = form.into_inner().open(&app, request.headers())?.one("token").to_owned();
    let given = token.clone();
    let state = app.db.write(move |conn| mail::confirm(conn, &caller, &given)).await?;
    confirmation_page(w, &token, state)
}

fn end_page(w: Words, token: &str, known: Result<bool>) -> Result<HttpResponse> {
    let here = "/mail/unsubscribe";
    let (status, title, lead, button) = match known {
        Ok(false) => (
            StatusCode::OK,
            w.t("取消邮件订阅", "Unsubscribe"),
            w.t("取消后不再发送邮件，您的邮箱地址将被删除。", "No more mail is sent then, and your address is forgotten."),
            Some(w.t("取消订阅", "Unsubscribe")),
        ),
        Ok(true) => (
            StatusCode::OK,
            w.t("订阅已取消", "You are unsubscribed"),
            w.t("不再发送邮件，您的邮箱地址已被删除。", "No more mail is sent, and your address is forgotten."),
            None,
        ),
        Err(Error::NotFound { .. }) => (
            StatusCode::NOT_FOUND,
            w.t("链接不完整", "This link is not whole"),
            w.t("请从邮件中完整复制链接。", "Copy the whole link from the letter."),
            None,
        ),
        Err(other) => return Err(other),
    };
    private_page(w, status, &MailPage { w, here, token, title, lead, button })
}

#[get("/mail/unsubscribe")]
pub async fn mail_end_page(visit: Visit, query: web::Query<LinkQuery>) -> Result<HttpResponse> {
    end_page(visit.w, &query.token, mail::unsubscribes(&visit.app.master, &query.token).map(|_id| false))
}

#[post("/mail/unsubscribe")]
pub async fn end_mail(visit: Visit, query: web::Query<LinkQuery>) -> Result<HttpResponse> {
    let Visit { caller, app, w, .. } = visit;
    let ended = match mail::unsubscribes(&app.master, &query.token).map(str::to_owned) {
        Ok(id) => app.db.write(move |conn| mail::unsubscribe(conn, &caller, &id)).await.map(|()| true),
        Err(unknown) => Err(unknown),
    };
    end_page(w, &query.token, ended)
}
