//! One notice of a sanction as its firm sees it; the firm answers and appeals.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, get, post, web};
use askama::Template;

use super::super::login::LanguageQuery;
use super::super::told::{Told, again, onwards};
use super::super::{Words, private_page, words};
use super::application::DoneQuery;
use super::firm_of;
use crate::access::sanctions::{self, Sanction};
use crate::app::App;
use crate::clock::now_naive;
use crate::error::{Error, Result};
use crate::http::browser::{self, Filled, GuardedForm};
use crate::http::v1::check_text;
use crate::identity::Caller;

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

async fn show(app: &App, w: Words, caller: Caller, id: String, told: Told) -> Result<HttpResponse> {
    let csrf = browser::csrf_token(app, &firm_of(&caller)?.0.session);
    let notice = app.db.read(move |conn| sanctions::find_for(conn, &caller, &id)).await?;
    private_page(w, StatusCode::OK, &NoticePage { w, csrf, notice, told })
}

#[get("/firm/notices/{id}")]
pub async fn notice_page(
    caller: Caller,
    app: web::Data<App>,
    path: web::Path<String>,
    query: web::Query<DoneQuery>,
    request: HttpRequest,
) -> Result<HttpResponse> {
    let w = words(&request, query.lang.as_deref());
    show(&app, w, caller, path.into_inner(), Told::done(w, query.done.as_deref())).await
}

/// Does what a form of the page says.
async fn act(app: &App, caller: Caller, id: String, step: &str, filled: &Filled) -> Result<()> {
    let text = check_text("/text", &filled.text("text"), 3, 4000)?;
    match step {
        "statement" => app.db.write(move |conn| sanctions::answer(conn, &caller, &id, &text)).await?,
        "appeal" => app.db.write(move |conn| sanctions::appeal(conn, &caller, &id, &text)).await?,
        other => return Err(Error::not_found("page or operation at", format!("/firm/notices/{id}/{other}"))),
    };
    Ok(())
}

#[post("/firm/notices/{id}/steps/{step}")]
pub async fn take_step(
    caller: Caller,
    app: web::Data<App>,
    path: web::Path<(String, String)>,
    query: web::Query<LanguageQuery>,
    request: HttpRequest,
    form: web::Form<GuardedForm>,
) -> Result<HttpResponse> {
    let (w, (id, step)) = (words(&request, query.lang.as_deref()), path.into_inner());
    let filled = form.into_inner().open(&app, &caller)?;
    let Err(error) = act(&app, caller.clone(), id.clone(), &step, &filled).await else {
        return Ok(onwards(w, &format!("/firm/notices/{id}"), &step));
    };
    again(w, &step, filled, error, async |told| show(&app, w, caller, id, told).await).await
}
