//! Sanctions: operators impose and lift them, firms answer and appeal, somebody else decides the appeal.

use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use actix_web::{HttpRequest, HttpResponse, get, post, web};
use chrono::NaiveDate;
use serde::Deserialize;
use utoipa::ToSchema;

use super::{Decision, IdPath, Reason, check_text};
use crate::access::sanctions::{self, NewSanction, PublishedSanction, Sanction, SanctionKind};
use crate::app::App;
use crate::catalog::Text;
use crate::error::Result;
use crate::http::kept::{Made, RegisterAnswers};
use crate::http::page::{Page, PageQuery};
use crate::identity::{Caller, Role};

/// A new sanction.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SanctionOrder {
    /// What is done.
    kind: SanctionKind,
    /// The dataset that it is about, by slug.
    dataset: Option<String>,
    /// Why, in 3 to 2000 characters: for the firm and the ledger, and not for everybody.
    #[schema(min_length = 3, max_length = 2000)]
    reason: String,
    /// The day on which the firm was given notice, in Shanghai; today by default. The terms to answer and to appeal count from it,
    /// or from today where it is earlier.
    #[schema(value_type = Option<String>, format = Date)]
    notice_date: Option<NaiveDate>,
    /// For `publication`: the sanction of the same firm that is to be shown.
    publishes: Option<String>,
    /// For `publication`: what everybody is to read beside the text that is made of kind, dataset and date; 3 to 500 characters in each language.
    public_text: Option<Text>,
}

/// What a firm says of a sanction.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Statement {
    /// In 3 to 4000 characters.
    #[schema(min_length = 3, max_length = 4000)]
    text: String,
}

impl Statement {
    fn checked(&self) -> Result<String> {
        check_text("/text", &self.text, 3, 4000)
    }
}

impl SanctionOrder {
    fn checked(self) -> Result<NewSanction> {
        let line = |pointer: &str, text: &str| {
            let words = check_text(pointer, text, 3, 500)?;
            Ok::<_, crate::error::Error>(words.split_whitespace().collect::<Vec<_>>().join(" "))
        };
        let public_text = match self.public_text {
            None => None,
            Some(text) => Some(Text { zh: line("/public_text/zh", &text.zh)?, en: line("/public_text/en", &text.en)? }),
        };
        Ok(NewSanction {
            reason: check_text("/reason", &self.reason, 3, 2000)?,
            kind: self.kind,
            dataset: self.dataset,
            notice_date: self.notice_date,
            publishes: self.publishes,
            public_text,
        })
    }
}

/// Impose a sanction
///
/// By an operator: `warning`, `throttle` (the firm's requests are held to a part of what firms may ask), `suspension`, `termination`, or the
/// `publication` of one of these. It works from the firm's next request on. The firm may answer and appeal within the terms that it names.
#[utoipa::path(
    tag = "administration",
    params(IdPath),
    security(("session" = [])),
    responses((status = CREATED, body = Sanction))
)]
#[post("/admin/firms/{id}/sanctions")]
pub async fn create_sanction(
    caller: Caller,
    app: web::Data<App>,
    path: web::Path<IdPath>,
    body: web::Json<SanctionOrder>,
) -> Result<HttpResponse> {
    caller.with_role(&[Role::Operator])?;
    let (id, new, duties) = (path.into_inner().id, body.into_inner().checked()?, app.settings.duties);
    let sanction = app.db.write(move |conn| sanctions::impose(conn, &caller, &id, new, &duties)).await?;
    Ok(HttpResponse::Created().json(sanction))
}

/// List the sanctions of a firm
///
/// To operators, reviewers and auditors, oldest first.
#[utoipa::path(
    tag = "administration",
    params(IdPath, PageQuery),
    security(("session" = [])),
    responses((status = OK, body = Page<Sanction>))
)]
#[get("/admin/firms/{id}/sanctions")]
pub async fn list_firm_sanctions(
    caller: Caller,
    app: web::Data<App>,
    path: web::Path<IdPath>,
    page: web::Query<PageQuery>,
) -> Result<web::Json<Page<Sanction>>> {
    caller.with_role(&[Role::Operator, Role::Reviewer, Role::Auditor])?;
    list_of(&app, caller, Some(path.into_inner().id), &page).await
}

/// List sanctions
///
/// A firm's own; all of them for reviewers, operators and auditors. Oldest first.
#[utoipa::path(
    tag = "access",
    params(PageQuery),
    security(("session" = []), ("oauth2" = [])),
    responses((status = OK, body = Page<Sanction>))
)]
#[get("/sanctions")]
pub async fn list_sanctions(caller: Caller, app: web::Data<App>, page: web::Query<PageQuery>) -> Result<web::Json<Page<Sanction>>> {
    list_of(&app, caller, None, &page).await
}

async fn list_of(app: &App, caller: Caller, firm: Option<String>, page: &PageQuery) -> Result<web::Json<Page<Sanction>>> {
    let list = format!("sanctions {firm:?}");
    let (limit, after) = (page.limit()?, page.after(&list)?);
    let (items, total) = app.db.read(move |conn| sanctions::list_for(conn, &caller, firm, after.as_deref(), limit + 1)).await?;
    Ok(web::Json(Page::cut(&list, items, total, limit, |item| item.id.clone())))
}

/// Show a sanction
///
/// To its firm, reviewers, operators and auditors.
#[utoipa::path(tag = "access", params(IdPath), security(("session" = []), ("oauth2" = [])), responses((status = OK, body = Sanction)))]
#[get("/sanctions/{id}")]
pub async fn find_sanction(caller: Caller, app: web::Data<App>, path: web::Path<IdPath>) -> Result<web::Json<Sanction>> {
    let id = path.into_inner().id;
    Ok(web::Json(app.db.read(move |conn| sanctions::find_for(conn, &caller, &id)).await?))
}

/// Answer a sanction
///
/// By its firm, once, within the term that the sanction names. A firm that is suspended logs in as its person.
#[utoipa::path(tag = "access", params(IdPath), security(("session" = []), ("oauth2" = [])), responses((status = OK, body = Sanction)))]
#[post("/sanctions/{id}/answer")]
pub async fn answer_sanction(
    caller: Caller,
    app: web::Data<App>,
    path: web::Path<IdPath>,
    body: web::Json<Statement>,
) -> Result<web::Json<Sanction>> {
    caller.firm()?;
    let (id, text) = (path.into_inner().id, body.checked()?);
    Ok(web::Json(app.db.write(move |conn| sanctions::answer(conn, &caller, &id, &text)).await?))
}

/// Appeal against a sanction
///
/// By its firm, once, within the term that the sanction names. The sanction holds until the decision.
#[utoipa::path(tag = "access", params(IdPath), security(("session" = []), ("oauth2" = [])), responses((status = OK, body = Sanction)))]
#[post("/sanctions/{id}/appeal")]
pub async fn appeal_sanction(
    caller: Caller,
    app: web::Data<App>,
    path: web::Path<IdPath>,
    body: web::Json<Statement>,
) -> Result<web::Json<Sanction>> {
    caller.firm()?;
    let (id, text) = (path.into_inner().id, body.checked()?);
    Ok(web::Json(app.db.write(move |conn| sanctions::appeal(conn, &caller, &id, &text)).await?))
}

/// Decide an appeal
///
/// By an operator or a reviewer who did not impose the sanction (four eyes). `"approve": true` grants the appeal, which lifts the sanction
/// and what it did to the firm.
#[utoipa::path(tag = "access", params(IdPath), security(("session" = [])), responses((status = OK, body = Sanction)))]
#[post("/sanctions/{id}/appeal/decision")]
pub async fn decide_appeal(
    caller: Caller,
    app: web::Data<App>,
    path: web::Path<IdPath>,
    body: web::Json<Decision>,
) -> Result<web::Json<Sanction>> {
    caller.with_role(&[Role::Operator, Role::Reviewer])?;
    let (id, reason, grant) = (path.into_inner().id, check_text("/reason", &body.reason, 3, 2000)?, body.approve);
    Ok(web::Json(app.db.write(move |conn| sanctions::decide_appeal(conn, &caller, &id, grant, &reason)).await?))
}

/// Lift a sanction
///
/// By an operator. What it did to the firm ends with it, and so does its publication.
#[utoipa::path(tag = "access", params(IdPath), security(("session" = [])), responses((status = OK, body = Sanction)))]
#[post("/sanctions/{id}/lifting")]
pub async fn lift_sanction(
    caller: Caller,
    app: web::Data<App>,
    path: web::Path<IdPath>,
    body: web::Json<Reason>,
) -> Result<web::Json<Sanction>> {
    caller.with_role(&[Role::Operator])?;
    let (id, reason) = (path.into_inner().id, body.checked()?);
    Ok(web::Json(app.db.write(move |conn| sanctions::lift(conn, &caller, &id, &reason)).await?))
}

/// Show the published sanctions
///
/// Those that are in force and were made public, the newest first: which firm, what was done, when, over which dataset.
#[utoipa::path(
    tag = "register",
    responses(
        (status = OK, body = Page<PublishedSanction>, headers(("ETag" = String))),
        (status = NOT_MODIFIED, description = "The list that you have is the same"),
    )
)]
#[get("/register/sanctions")]
pub async fn list_published_sanctions(
    _caller: Caller,
    app: web::Data<App>,
    answers: web::Data<RegisterAnswers>,
    request: HttpRequest,
) -> Result<HttpResponse> {
    let make = async || {
        let items = app.db.read(|conn| sanctions::published(conn, None)).await?;
        Ok(Made { body: serde_json::to_vec(&Page::whole(items))?, keep: true, until: None })
    };
    let body = answers.0.find(&app, "sanctions".to_owned(), make).await?;
    Ok(body.answer(&request, &[(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "no-cache")]))
}
