//! What somebody does who has a receipt. It stands in the body, never in an address: addresses are written down in many places.

use actix_web::http::header::CACHE_CONTROL;
use actix_web::{HttpResponse, post, web};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::error::Result;
use crate::feedback::{self, Followed};
use crate::http::caller::limit_key;
use crate::http::v1::check_text;
use crate::identity::Caller;

/// A receipt.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Receipt {
    /// As it was answered when something was filed.
    receipt: String,
}

/// A reply to the publisher's question.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReceiptReply {
    /// As it was answered when something was filed.
    receipt: String,
    /// The reply, in 2 to 4000 characters; it is not shown to everybody.
    #[schema(min_length = 2, max_length = 4000)]
    text: String,
}

fn private(followed: Followed) -> HttpResponse {
    HttpResponse::Ok().insert_header((CACHE_CONTROL, "no-store")).json(followed)
}

/// Follow what you filed
///
/// Where it stands, what is asked or answered, and what happened.
#[utoipa::path(tag = "feedback", responses((status = OK, body = Followed)))]
#[post("/receipts")]
pub async fn follow_feedback(_caller: Caller, app: web::Data<App>, body: web::Json<Receipt>) -> Result<HttpResponse> {
    let receipt = body.into_inner().receipt;
    Ok(private(app.db.read(move |conn| feedback::follow(conn, &receipt)).await?))
}

/// Reply to a question
///
/// The publisher's term begins anew.
#[utoipa::path(tag = "feedback", responses((status = OK, body = Followed)))]
#[post("/receipts/reply")]
pub async fn reply_to_question(caller: Caller, app: web::Data<App>, body: web::Json<ReceiptReply>) -> Result<HttpResponse> {
    let ReceiptReply { receipt, text } = body.into_inner();
    Ok(private(take_reply(&app, &caller, receipt, &text).await?))
}

/// Takes a reply.
///
/// # Errors
/// What is wrong with it.
pub async fn take_reply(app: &App, caller: &Caller, receipt: String, text: &str) -> Result<Followed> {
    let text = check_text("/text", text, 2, 4000)?;
    app.limits.feedback(&limit_key(caller), true)?;
    let (rules, actor) = (app.hearing.clone(), caller.actor());
    app.db.write(move |conn| feedback::reply(conn, &rules, &actor, &receipt, &text)).await
}

/// Take back what you filed
///
/// A mark on a dataset goes with its objection. Not a claim for which the dataset is suspended: that is decided.
#[utoipa::path(tag = "feedback", responses((status = OK, body = Followed)))]
#[post("/receipts/withdrawal")]
pub async fn withdraw_feedback(caller: Caller, app: web::Data<App>, body: web::Json<Receipt>) -> Result<HttpResponse> {
    let (receipt, actor) = (body.into_inner().receipt, caller.actor());
    Ok(private(app.db.write(move |conn| feedback::take_back(conn, &actor, &receipt)).await?))
}
