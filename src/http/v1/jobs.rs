//! Jobs: what is being done, how far it is, and to stop it or try it again.

use std::time::Duration;

use actix_web::http::header::{CACHE_CONTROL, LOCATION};
use actix_web::{HttpResponse, get, post, web};
use bytes::Bytes;
use serde::Deserialize;
use utoipa::IntoParams;

use super::IdPath;
use crate::app::App;
use crate::catalog;
use crate::db::Conn;
use crate::error::{Error, Result};
use crate::http::page::{Page, PageQuery};
use crate::identity::{Caller, Role};
use crate::jobs::{self, Job, JobFilter, JobKind, JobState};

/// How often a job is looked at while somebody follows it.
const LOOK: Duration = Duration::from_millis(250);

/// Which jobs.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct JobsQuery {
    /// Jobs in this state only.
    state: Option<JobState>,
    /// How many items at the most.
    #[param(value_type = Option<i64>, minimum = 1, maximum = 1000, example = 100)]
    limit: Option<String>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// List jobs
///
/// Newest first: to a steward those about the own publisher's datasets, to operators and auditors all.
#[utoipa::path(tag = "publishing", params(JobsQuery), security(("session" = [])), responses((status = OK, body = Page<Job>)))]
#[get("/admin/jobs")]
pub async fn list_jobs(caller: Caller, app: web::Data<App>, query: web::Query<JobsQuery>) -> Result<web::Json<Page<Job>>> {
    caller.with_role(&[Role::Steward, Role::Operator, Role::Auditor])?;
    let query = query.into_inner();
    let list = format!("jobs {:?}", query.state);
    let page = PageQuery { limit: query.limit, cursor: query.cursor };
    let (limit, after) = (page.limit()?, page.after(&list)?);
    let found = app.db.read(move |conn| {
        let filter = JobFilter { state: query.state, subjects: scope(conn, &caller)? };
        jobs::list(conn, &filter, after.as_deref(), limit + 1)
    });
    let (items, total) = found.await?;
    Ok(web::Json(Page::cut(&list, items, total, limit, |item| item.id.clone())))
}

/// Show a job
///
/// How far it is, and what came of it.
#[utoipa::path(tag = "publishing", params(IdPath), security(("session" = [])), responses((status = OK, body = Job)))]
#[get("/admin/jobs/{id}")]
pub async fn find_job(caller: Caller, app: web::Data<App>, path: web::Path<IdPath>) -> Result<web::Json<Job>> {
    let id = path.into_inner().id;
    Ok(web::Json(app.db.read(move |conn| visible(conn, &caller, &id)).await?))
}

/// Follow a job
///
/// Server-sent events: each is named `progress` or, the last one, `end`, and holds the job as JSON. The stream ends with the job.
#[utoipa::path(tag = "publishing", params(IdPath), security(("session" = [])), responses((status = OK, content_type = "text/event-stream", body = String)))]
#[get("/admin/jobs/{id}/events")]
pub async fn follow_job(caller: Caller, app: web::Data<App>, path: web::Path<IdPath>) -> Result<HttpResponse> {
    let id = path.into_inner().id;
    let first = app.db.read(move |conn| visible(conn, &caller, &id)).await?;
    let events = futures::stream::unfold((app, Some(first), None), next_event);
    Ok(HttpResponse::Ok().content_type("text/event-stream").insert_header((CACHE_CONTROL, "no-store")).streaming(events))
}

/// The job to tell of next (`None`: the end), and the one that was told last.
type Following = (web::Data<App>, Option<Job>, Option<Job>);

async fn next_event((app, told, last): Following) -> Option<(Result<Bytes>, Following)> {
    let mut job = told?;
    while last.as_ref() == Some(&job) {
        tokio::time::sleep(LOOK).await;
        let id = job.id.clone();
        job = match app.db.read(move |conn| jobs::find(conn, &id)).await {
            Ok(job) => job,
            Err(error) => return Some((Err(error), (app, None, None))),
        };
    }
    let name = if job.state.is_final() { "end" } else { "progress" };
    let text = match serde_json::to_string(&job) {
        Ok(text) => text,
        Err(error) => return Some((Err(error.into()), (app, None, None))),
    };
    let event = Bytes::from(format!("event: {name}\ndata: {text}\n\n"));
    let next = (!job.state.is_final()).then(|| job.clone());
    Some((Ok(event), (app, next, Some(job))))
}

/// Cancel a job
///
/// A waiting one is cancelled at once, a running one at its next step; nothing of it is left over.
#[utoipa::path(tag = "publishing", params(IdPath), security(("session" = [])), responses((status = OK, body = Job)))]
#[post("/admin/jobs/{id}/cancellation")]
pub async fn cancel_job(caller: Caller, app: web::Data<App>, path: web::Path<IdPath>) -> Result<web::Json<Job>> {
    caller.with_role(&[Role::Steward, Role::Operator])?;
    let id = path.into_inner().id;
    let asked = app.db.write(move |conn| {
        visible(conn, &caller, &id)?;
        jobs::ask_cancel(conn, &id)
    });
    Ok(web::Json(asked.await?))
}

/// Try a job again
///
/// One that failed or was cancelled goes back into the queue.
#[utoipa::path(tag = "publishing", params(IdPath), security(("session" = [])), responses((status = OK, body = Job)))]
#[post("/admin/jobs/{id}/retry")]
pub async fn retry_job(caller: Caller, app: web::Data<App>, path: web::Path<IdPath>) -> Result<web::Json<Job>> {
    caller.with_role(&[Role::Steward, Role::Operator])?;
    let id = path.into_inner().id;
    let again = app.db.write(move |conn| {
        visible(conn, &caller, &id)?;
        jobs::retry(conn, &id)
    });
    let job = again.await?;
    app.wake();
    Ok(web::Json(job))
}

/// Collect orphans
///
/// By an operator: a job removes files of the store that nothing points at, and uploads whose time is over. It runs by itself every six
/// hours; setting `orphan_hours` says how old an orphan must be.
#[utoipa::path(tag = "administration", security(("session" = [])), responses((status = ACCEPTED, body = Job, headers(("Location" = String)))))]
#[post("/admin/orphan-collections")]
pub async fn collect_orphans(caller: Caller, app: web::Data<App>) -> Result<HttpResponse> {
    caller.with_role(&[Role::Operator])?;
    let job = app.enqueue(JobKind::Collect, "service".to_owned(), serde_json::json!({}), caller.actor()).await?;
    let location = format!("{}/api/v1/admin/jobs/{}", app.issuer, job.id);
    Ok(HttpResponse::Accepted().insert_header((LOCATION, location)).json(job))
}

/// The subjects whose jobs the caller sees; `None` for all.
fn scope(conn: &mut Conn, caller: &Caller) -> Result<Option<Vec<String>>> {
    let person = caller.with_role(&[Role::Steward, Role::Operator, Role::Auditor])?;
    if caller.with_role(&[Role::Operator, Role::Auditor]).is_ok() {
        return Ok(None);
    }
    let slugs = catalog::slugs_of(conn, person.publisher.as_deref().unwrap_or_default())?;
    Ok(Some(slugs.into_iter().map(|slug| format!("dataset:{slug}")).collect()))
}

fn visible(conn: &mut Conn, caller: &Caller, id: &str) -> Result<Job> {
    let scope = scope(conn, caller)?;
    let job = jobs::find(conn, id)?;
    match scope {
        Some(subjects) if !subjects.contains(&job.subject) => Err(Error::not_found("job", id)),
        Some(_) | None => Ok(job),
    }
}
