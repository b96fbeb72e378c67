//! One notice of a sanction as its firm sees it; the firm answers and appeals.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, get, post, web};
use askama::Template;

use super::super::told::Told;
use super::super::visit::{Sent, Visit};
use super::super::{Words, private_page};
use super::firm_of;
use crate::access::sanctions::{self, Sanction};
use crate::clock::now_naive;
use crate::error::{Error, Result};
use crate::http::browser;
use crate::http::v1::check_text;

#[derive(Template)]
#[template(path = "firm-notice.html")]
struct NoticePage {
    w: Words,
    csrf: String,
    notice: Sanction,
    told: Told,
}

impl NoticePage {
    fn holds(&self) -> bool {
        self.notice.status == "in_force"
    }

    fn may_answer(&self) -> bool {
        self.holds() && self.notice.answered_at.is_none() && self.notice.answer_until > now_naive()
    }

    fn may_appeal(&self) -> bool {
        self.holds() && self.notice.appealed_at.is_none() && self.notice.appeal_until > now_naive()
    }
}

async fn show(Visit { caller, app, w, .. }: Visit, id: String, told: Told) -> Result<HttpResponse> {
    let csrf = browser::csrf_token(&app, &firm_of(&caller)?.0.session);
    let notice = app.db.read(move |conn| sanctions::find_for(conn, &caller, &id)).await?;
    private_page(w, StatusCode::OK, &NoticePage { w, csrf, notice, told })
}

#[get("/firm/notices/{id}")]
pub async fn notice_page(visit: Visit, path: web::Path<String>) -> Result<HttpResponse> {
    let told = visit.told();
    show(visit, path.into_inner(), told).await
}

/// Does what a form of the page says.
async fn act(Sent { visit, filled }: &Sent, id: String, step: &str) -> Result<()> {
    let (app, caller) = (&visit.app, visit.caller.clone());
    let text = check_text("/text", &filled.text("text"), 3, 4000)?;
    match step {
        "statement" => app.db.write(move |conn| sanctions::answer(conn, &caller, &id, &text)).await?,
        "appeal" => app.db.write(move |conn| sanctions::appeal(conn, &caller, &id, &text)).await?,
        other => return Err(Error::not_found("page or operation at", format!("/firm/notices/{id}/{other}"))),
    };
    Ok(())
}

#[post("/firm/notices/{id}/steps/{step}")]
pub async fn take_step(sent: Sent, path: web::Path<(String, String)>) -> Result<HttpResponse> {
    let (id, step) = path.into_inner();
    let taken = act(&sent, id.clone(), &step).await;
    let here = format!("/firm/notices/{id}");
    sent.answer(taken, (&here, &step), &step, async |visit, told| show(visit, id, told).await).await
}
