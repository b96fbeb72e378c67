//! CKAN's Action API, the reading side: what `ckanapi`, harvesters and other clients of CKAN ask. Answers and errors have CKAN's shapes.

mod actions;
mod params;
mod search;
mod shapes;
mod solr;

use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use actix_web::{HttpRequest, HttpResponse, get, post, web};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::IntoParams;
use utoipa_actix_web::service_config::ServiceConfig;

use crate::app::App;
use crate::error::Error;
use crate::identity::Caller;
use params::Params;

/// What the API says it is: the version whose answers these are.
const CKAN_VERSION: &str = "2.11.0";

/// The documented routes.
pub fn routes(config: &mut ServiceConfig<'_>) {
    config.service(ask_ckan).service(ask_ckan_by_post);
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
/// `help_show`. Answers and errors are CKAN's. `/ckan/api/action/{action}` is the same; give `/ckan` as the site's address.
#[utoipa::path(tag = "standards", params(ActionPath), responses((status = OK, body = Object)))]
#[get("/ckan/api/3/action/{action}")]
pub async fn ask_ckan(caller: Caller, app: web::Data<App>, path: web::Path<ActionPath>, request: HttpRequest) -> HttpResponse {
    by_get(caller, app, path, request).await
}

/// Ask as a client of CKAN by POST
///
/// The same with the parameters as a JSON object or a form.
#[utoipa::path(tag = "standards", params(ActionPath), request_body = Object, responses((status = OK, body = Object)))]
#[post("/ckan/api/3/action/{action}")]
pub async fn ask_ckan_by_post(
    caller: Caller,
    app: web::Data<App>,
    path: web::Path<ActionPath>,
    request: HttpRequest,
    body: Bytes,
) -> HttpResponse {
    by_post(caller, app, path, request, body).await
}

async fn by_get(_caller: Caller, app: web::Data<App>, path: web::Path<ActionPath>, request: HttpRequest) -> HttpResponse {
    answer(&app, &path.action, Ok(Params::of_query(request.query_string()))).await
}

async fn by_post(_caller: Caller, app: web::Data<App>, path: web::Path<ActionPath>, request: HttpRequest, body: Bytes) -> HttpResponse {
    let kind = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    answer(&app, &path.action, Params::of_body(kind, &body)).await
}

/// What goes wrong, as CKAN says it.
#[derive(Debug)]
pub enum Fault {
    /// There is no such thing.
    NotFound(String),
    /// A parameter is wrong: its name, and why.
    Validation(String, String),
    /// A search cannot be read.
    Search(String),
    /// There is no such action, or the body is no JSON object: CKAN answers these with a text.
    Bad(String),
    /// Something of ours.
    Other(Error),
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        if matches!(error, Error::NotFound { .. } | Error::Withdrawn(_)) { Fault::NotFound(error.to_string()) } else { Fault::Other(error) }
    }
}

async fn answer(app: &web::Data<App>, action: &str, params: Result<Params, Fault>) -> HttpResponse {
    let help = format!("{}/ckan/api/3/action/help_show?name={action}", app.issuer);
    let result = match params {
        Ok(params) => Box::pin(actions::act(app, action, &params)).await,
        Err(fault) => Err(fault),
    };
    let (status, body) = match result {
        Ok(result) => (StatusCode::OK, json!({ "help": help, "success": true, "result": result })),
        Err(fault) => refused(fault, &help),
    };
    HttpResponse::build(status)
        .content_type("application/json;charset=utf-8")
        .insert_header((CACHE_CONTROL, "no-cache"))
        .body(body.to_string())
}

fn refused(fault: Fault, help: &str) -> (StatusCode, Value) {
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
        Fault::Search(why) => {
            error(StatusCode::BAD_REQUEST, "Search Query Error", json!({ "message": format!("Search Query is invalid: {why}") }))
        }
        Fault::Bad(text) => (StatusCode::BAD_REQUEST, text.into()),
        Fault::Other(cause) => {
            tracing::error!(error = ?cause, "an action of CKAN failed");
            let status = cause.kind().status();
            error(
                status,
                "Internal Server Error",
                json!({ "message": if status.is_client_error() { cause.to_string() } else { status.to_string() } }),
            )
        }
    }
}
