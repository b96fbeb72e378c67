//! CKAN's Action API, the reading side: what `ckanapi`, harvesters and other clients of CKAN ask. Answers and errors have CKAN's shapes.

mod actions;
mod datastore;
mod params;
mod search;
mod shapes;
mod solr;

use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER};
use actix_web::{HttpRequest, HttpResponse, get, post, web};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::IntoParams;
use utoipa_actix_web::service_config::ServiceConfig;

use crate::app::App;
use crate::error::Error;
use crate::identity::Caller;
use datastore::Asking;
use params::Params;

/// What an answer of an action is.
const CONTENT: &str = "application/json;charset=utf-8";

/// What the API says it is: the version whose answers these are.
const CKAN_VERSION: &str = "2.11.0";

/// The documented routes.
pub fn routes(config: &mut ServiceConfig<'_>) {
    config.service(ask_ckan).service(ask_ckan_by_post).service(dump_datastore);
}

/// The same under the address without a version, which `ckanapi` takes, and what says which version there is.
pub fn unversioned(config: &mut web::ServiceConfig) {
    config
        .route("/ckan/api/action/{action}", web::get().to(by_get))
        .route("/ckan/api/action/{action}", web::post().to(by_post))
        .route("/ckan/api", web::get().to(version))
        .route("/ckan/api/3", web::get().to(version));
}

async fn version(_caller: Caller) -> HttpResponse {
    HttpResponse::Ok().json(json!({ "version": 3 }))
}

/// Which action.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub struct ActionPath {
    /// The action's name.
    #[param(example = "package_search")]
    action: String,
}

/// Ask as a client of CKAN
///
/// The reading actions of CKAN's Action API, for clients that know CKAN: `package_list`, `package_show`, `package_search` (with `q`, `fq`, `sort`, `start`, `rows`
/// and facets), `current_package_list_with_resources`, `resource_show`, `resource_search`, `organization_*`, `group_*`, `tag_*`, `license_list`, `status_show` and
/// `help_show`; and of the datastore `datastore_search`, `datastore_search_sql` and `datastore_info`, by the limits of reading rows. Answers and errors are CKAN's. `/ckan/api/action/{action}` is the same; give `/ckan` as the site's address.
#[utoipa::path(tag = "standards", params(ActionPath), security((), ("oauth2" = [])), responses((status = OK, body = Object)))]
#[get("/ckan/api/3/action/{action}")]
pub async fn ask_ckan(caller: Caller, app: web::Data<App>, path: web::Path<ActionPath>, request: HttpRequest) -> HttpResponse {
    by_get(caller, app, path, request).await
}

/// Ask as a client of CKAN by POST
///
/// The same with the parameters as a JSON object or a form.
#[utoipa::path(tag = "standards", params(ActionPath), request_body = Object, security((), ("oauth2" = [])), responses((status = OK, body = Object)))]
#[post("/ckan/api/3/action/{action}")]
pub async fn ask_ckan_by_post(
    caller: Caller,
    app: web::Data<App>,
    path: web::Path<ActionPath>,
    request: HttpRequest,
    body: Body,
) -> HttpResponse {
    by_post(caller, app, path, request, body).await
}

async fn by_get(caller: Caller, app: web::Data<App>, path: web::Path<ActionPath>, request: HttpRequest) -> HttpResponse {
    answer(&app, &caller, &path.action, Ok(Params::of_query(request.query_string()))).await
}

/// What was sent, or why it was not read to its end.
type Body = Result<Bytes, actix_web::Error>;

async fn by_post(caller: Caller, app: web::Data<App>, path: web::Path<ActionPath>, request: HttpRequest, body: Body) -> HttpResponse {
    let kind = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let params = match body {
        Ok(body) => Params::of_body(kind, &body),
        Err(cause) if cause.as_response_error().status_code() == StatusCode::PAYLOAD_TOO_LARGE => Err(Fault::TooLong),
        Err(_broken_off) => Err(Fault::Bad("Bad request - the body could not be read".to_owned())),
    };
    answer(&app, &caller, &path.action, params).await
}

/// Which resource.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub struct ResourcePath {
    /// The resource's id, as `package_show` tells it.
    #[param(example = "01890000-0000-7000-8000-000000000000-csv")]
    resource_id: String,
}

/// Download a resource from the datastore
///
/// All rows of a resource with their row numbers (`_id`), sent while they are read: `format` is `csv` (by default), `tsv`, `json` or `xml`; `bom=true` begins
/// the file with a byte order mark. `filters`, `q`, `plain`, `language`, `distinct`, `fields`, `sort`, `limit` and `offset` are those of `datastore_search`; without
/// `limit` it is all rows. An answer that ends early breaks off. Errors have CKAN's shape.
#[utoipa::path(
    tag = "standards",
    params(
        ResourcePath,
        ("format" = Option<String>, Query, description = "csv, tsv, json or xml"),
        ("bom" = Option<bool>, Query, description = "Whether the file begins with a byte order mark"),
        ("filters" = Option<String>, Query, description = "A JSON object of what has to hold"),
        ("q" = Option<String>, Query, description = "Words that stand in a row"),
        ("fields" = Option<String>, Query, description = "The columns, with commas between them"),
        ("sort" = Option<String>, Query, description = "What the rows are sorted by, such as `name desc`"),
        ("limit" = Option<i64>, Query, description = "How many rows there are at the most"),
        ("offset" = Option<i64>, Query, description = "How many rows are left out"),
    ),
    security((), ("oauth2" = [])),
    responses((status = OK, content(
        (String = "text/csv"), (String = "text/tab-separated-values"), (Object = "application/json"), (String = "text/xml"),
    ), headers(("Qingdan-Version" = i32), ("Qingdan-Citation" = String))))
)]
#[get("/ckan/datastore/dump/{resource_id}")]
pub async fn dump_datastore(caller: Caller, app: web::Data<App>, path: web::Path<ResourcePath>, request: HttpRequest) -> HttpResponse {
    let help = help_of(&app, "datastore_search");
    let (params, resource) = (Params::of_query(request.query_string()), path.into_inner().resource_id);
    let dumped = Box::pin(datastore::dump(Asking { app: &app, caller: &caller, help: &help }, resource, &params)).await;
    dumped.unwrap_or_else(|fault| refused(fault, &help))
}

/// What goes wrong, as CKAN says it.
#[derive(Debug)]
pub enum Fault {
    /// There is no such thing.
    NotFound(String),
    /// A parameter is wrong: its name, and why.
    Validation(String, String),
    /// The caller may not read this.
    Forbidden(String),
    /// A search cannot be read.
    Search(String),
    /// There is no such action, or the body is no JSON object: CKAN answers these with a text.
    Bad(String),
    /// The body is longer than any that is needed.
    TooLong,
    /// Something of ours.
    Other(Error),
}

impl Fault {
    /// A parameter is wrong.
    pub fn validation(name: &str, why: impl Into<String>) -> Self {
        Fault::Validation(name.to_owned(), why.into())
    }
}

impl From<Error> for Fault {
    #[expect(clippy::wildcard_enum_match_arm, reason = "every other error is what it is")]
    fn from(error: Error) -> Self {
        let text = error.to_string();
        match error {
            Error::NotFound { .. } | Error::Withdrawn(_) => Fault::NotFound(text),
            Error::Unauthenticated(_) | Error::Forbidden(_) | Error::Suspended(_) => Fault::Forbidden(text),
            Error::QueryTimeout { .. } => Fault::validation("query", format!("Search took too long: {text}")),
            Error::TooLarge(_) => Fault::validation("limit", text),
            Error::Invalid(faults) => {
                let name = faults.first().map_or("query", |fault| if fault.pointer == "/sql" { "query" } else { fault.pointer.as_str() });
                let why: Vec<&str> = faults.iter().map(|fault| fault.detail.as_str()).collect();
                Fault::validation(name, why.join("; "))
            }
            other => Fault::Other(other),
        }
    }
}

/// Where an action is explained.
fn help_of(app: &App, action: &str) -> String {
    format!("{}/ckan/api/3/action/help_show?name={action}", app.issuer)
}

async fn answer(app: &web::Data<App>, caller: &Caller, action: &str, params: Result<Params, Fault>) -> HttpResponse {
    let help = help_of(app, action);
    let answered = match params {
        Ok(params) if datastore::knows(action) => Box::pin(Asking { app, caller, help: &help }.act(action, &params)).await,
        Ok(params) => Box::pin(actions::act(app, action, &params)).await.map(|result| {
            let body = json!({ "help": help, "success": true, "result": result });
            HttpResponse::Ok().content_type(CONTENT).insert_header((CACHE_CONTROL, "no-cache")).body(body.to_string())
        }),
        Err(fault) => Err(fault),
    };
    answered.unwrap_or_else(|fault| refused(fault, &help))
}

/// The answer for what goes wrong.
fn refused(fault: Fault, help: &str) -> HttpResponse {
    let wait = match &fault {
        Fault::Other(Error::RateLimited { retry_after_seconds, .. }) => Some(*retry_after_seconds),
        Fault::NotFound(_)
        | Fault::Validation(..)
        | Fault::Forbidden(_)
        | Fault::Search(_)
        | Fault::Bad(_)
        | Fault::TooLong
        | Fault::Other(_) => None,
    };
    let (status, body) = told(fault, help);
    let mut response = HttpResponse::build(status);
    response.content_type(CONTENT).insert_header((CACHE_CONTROL, "no-cache"));
    wait.into_iter().for_each(|seconds| _ = response.insert_header((RETRY_AFTER, seconds.to_string())));
    response.body(body.to_string())
}

fn told(fault: Fault, help: &str) -> (StatusCode, Value) {
    let error = |status: StatusCode, kind: &str, mut value: Value| {
        value["__type"] = kind.into();
        (status, json!({ "help": help, "success": false, "error": value }))
    };
    match fault {
        Fault::NotFound(what) => error(StatusCode::NOT_FOUND, "Not Found Error", json!({ "message": format!("Not found: {what}") })),
        Fault::Validation(name, why) => {
            let mut value = json!({ "message": format!("{name}: {why}") });
            value[name.as_str()] = json!([why]);
            error(StatusCode::CONFLICT, "Validation Error", value)
        }
        Fault::Forbidden(why) => error(StatusCode::FORBIDDEN, "Authorization Error", json!({ "message": format!("Access denied: {why}") })),
        Fault::Search(why) => {
            error(StatusCode::BAD_REQUEST, "Search Query Error", json!({ "message": format!("Search Query is invalid: {why}") }))
        }
        Fault::TooLong => {
            let why = "the body is longer than 256 KiB; ask for less at once";
            error(StatusCode::PAYLOAD_TOO_LARGE, "Validation Error", json!({ "message": why, "body": [why] }))
        }
        Fault::Bad(text) => (StatusCode::BAD_REQUEST, text.into()),
        Fault::Other(Error::RateLimited { reason, .. }) => {
            error(StatusCode::TOO_MANY_REQUESTS, "Rate Limit Error", json!({ "message": reason }))
        }
        Fault::Other(cause) => {
            tracing::error!(error = ?cause, "an action of CKAN failed");
            let status = cause.kind().status();
            let is_for_them = status.is_client_error() || matches!(cause, Error::Unavailable(_));
            error(status, "Internal Server Error", json!({ "message": if is_for_them { cause.to_string() } else { status.to_string() } }))
        }
    }
}
