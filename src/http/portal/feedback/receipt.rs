//! Where somebody follows what they filed, by its receipt. The receipt goes in the body of a form and never in an address. 办理查询

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, get, post, web};
use askama::Template;

use super::super::told::{Told, again};
use super::super::visit::Visit;
use super::super::{Words, private_page};
use super::opened;
use crate::error::{Error, Result};
use crate::feedback::{self, FeedbackKind, FeedbackState, Followed};
use crate::http::browser::OpenForm;
use crate::http::v1::feedback::receipts::take_reply;

#[derive(Template)]
#[template(path = "receipt.html")]
struct ReceiptPage {
    w: Words,
    told: Told,
    /// What has the receipt.
    found: Option<Followed>,
    receipt: String,
}

impl ReceiptPage {
    fn is_asked(&self, found: &Followed) -> bool {
        found.state == FeedbackState::Asked
    }

    fn may_take_back(&self, found: &Followed) -> bool {
        let stands = matches!(found.kind, FeedbackKind::Rating | FeedbackKind::Reuse) && found.state == FeedbackState::Done;
        found.state.is_under_way() || stands
    }
}

async fn show(visit: Visit, receipt: String, told: Told) -> Result<HttpResponse> {
    let Visit { app, w, .. } = visit;
    let asked = receipt.clone();
    let found = match app.db.read(move |conn| feedback::follow(conn, &asked)).await {
        Ok(found) => Some(found),
        // Which is said beside the form.
        Err(Error::Invalid(_)) => None,
        Err(error) => return Err(error),
    };
    private_page(w, StatusCode::OK, &ReceiptPage { w, told, found, receipt })
}

#[get("/receipt")]
pub async fn receipt_page(visit: Visit) -> Result<HttpResponse> {
    let (w, told) = (visit.w, visit.told());
    private_page(w, StatusCode::OK, &ReceiptPage { w, told, found: None, receipt: String::new() })
}

#[post("/receipt")]
pub async fn follow_receipt(visit: Visit, request: HttpRequest, form: web::Form<OpenForm>) -> Result<HttpResponse> {
    let filled = opened(&visit, &request, form)?;
    let (receipt, w) = (filled.one("receipt").trim().to_owned(), visit.w);
    let asked = receipt.clone();
    match visit.app.db.read(move |conn| feedback::follow(conn, &asked)).await {
        Ok(_found) => show(visit, receipt, Told::done(w, None)).await,
        Err(error) => again(w, "receipt", filled.without("receipt"), error, async |told| show(visit, String::new(), told).await).await,
    }
}

#[post("/receipt/{step}")]
pub async fn take_receipt_step(
    visit: Visit,
    request: HttpRequest,
    path: web::Path<String>,
    form: web::Form<OpenForm>,
) -> Result<HttpResponse> {
    let filled = opened(&visit, &request, form)?;
    let (receipt, step, w) = (filled.one("receipt").trim().to_owned(), path.into_inner(), visit.w);
    let (actor, own) = (visit.caller.actor(), receipt.clone());
    let taken = match step.as_str() {
        "reply" => take_reply(&visit.app, &visit.caller, own, &filled.text("text")).await,
        "withdrawal" => visit.app.db.write(move |conn| feedback::take_back(conn, &actor, &own)).await,
        other => Err(Error::not_found("page or operation at", format!("/receipt/{other}"))),
    };
    match taken {
        Ok(_followed) => show(visit, receipt, Told::done(w, Some(&format!("feedback-{step}")))).await,
        Err(error) => again(w, &step, filled.without("receipt"), error, async |told| show(visit, receipt, told).await).await,
    }
}
