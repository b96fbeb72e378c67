//! The API document, made from the real routes, and the page that shows it.
//!
//! `openapi/openapi.json` is a copy that `qingdan openapi` writes; a test fails when it is stale.

use actix_web::{HttpResponse, get};
use utoipa::openapi::path::Operation;
use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, ClientCredentials, Flow, Http, HttpAuthScheme, OAuth2, Scopes, SecurityRequirement, SecurityScheme,
};
use utoipa::openapi::{Content, OpenApi as Document, Ref, RefOr, ResponseBuilder};
use utoipa::{Modify, OpenApi};
use utoipa_actix_web::AppExt;
use utoipa_swagger_ui::{Config, SwaggerUi};

use super::problem::Problem;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "qingdan",
        description = "清单: a district's open-data list, and the lawful release of its sensitive datasets to registered AI firms.\n\n\
            Errors are `application/problem+json` (RFC 9457) with a stable `type`; those of `/oauth2/…` have the shape of RFC 6749 §5.2. \
            Lists answer `{items, total, next_cursor}`. Moments are UTC, in RFC 3339. \
            Every counted answer carries `RateLimit` and `RateLimit-Policy`; a refusal by limit is 429 with `Retry-After` in seconds.",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    components(schemas(Problem)),
    modifiers(&Security),
    tags(
        (name = "catalog", description = "The open list 公共数据资源开放清单"),
        (name = "standards", description = "The list in other catalogues' shapes: DCAT-AP, DCAT-US, Croissant, data packages, feeds"),
        (name = "feedback", description = "What the public says 公众反馈: objections, rights claims, requests for data, ratings, and what was made with data"),
        (name = "curation", description = "Drafts of the list 清单变更草稿: who prepares a change, who looks at it, when it takes effect"),
        (name = "reading", description = "Releases 发布件: files and rows"),
        (name = "firms", description = "Firms 人工智能企业 and their clients 接入凭证"),
        (name = "access", description = "Applications 开放申请, agreements 数据利用协议, grants 授权"),
        (name = "register", description = "The register 公示: who was given what, and which sanctions were made public"),
        (name = "oauth2", description = "Tokens, discovery, keys"),
        (name = "people", description = "Log-in and own account"),
        (name = "administration", description = "What operators do"),
        (name = "ledger", description = "The ledger 台账"),
        (name = "operation", description = "Whether the service lives and is ready")
    )
)]
struct Api;

struct Security;

impl Modify for Security {
    fn modify(&self, document: &mut Document) {
        let components = document.components.get_or_insert_default();
        let flow = Flow::ClientCredentials(ClientCredentials::new("/oauth2/token", Scopes::new()));
        components.add_security_scheme(
            "oauth2",
            SecurityScheme::OAuth2(OAuth2::with_description([flow], "A firm's client; a token with authorization_details reads its grant")),
        );
        let mut session = Http::new(HttpAuthScheme::Bearer);
        session.description = Some("A person's session token from POST /api/v1/sessions".to_owned());
        components.add_security_scheme("session", SecurityScheme::Http(session));
        let cookie = ApiKeyValue::with_description(
            "__Host-qingdan",
            "A browser's session, from the page /login. What changes something also sends X-CSRF-Token, from GET /api/v1/people/me",
        );
        components.add_security_scheme("browser", SecurityScheme::ApiKey(ApiKey::Cookie(cookie)));
    }
}

/// The document of all routes.
pub fn document() -> Document {
    let (_, mut document) = actix_web::App::new().into_utoipa_app().openapi(Api::openapi()).configure(super::routes).split_for_parts();
    for (path, item) in &mut document.paths.paths {
        let operations = [
            ("get", &mut item.get),
            ("head", &mut item.head),
            ("post", &mut item.post),
            ("put", &mut item.put),
            ("patch", &mut item.patch),
            ("delete", &mut item.delete),
            ("options", &mut item.options),
        ];
        for (method, operation) in operations {
            if let Some(operation) = operation {
                finish(path, method, operation);
            }
        }
    }
    document
}

/// What holds for every operation is written once, here.
fn finish(path: &str, method: &str, operation: &mut Operation) {
    if method == "head" {
        // The same handler answers GET; ids must differ.
        operation.operation_id = operation.operation_id.take().map(|id| format!("head_{id}"));
    }
    let oauth = path.starts_with("/oauth2/");
    let mut error = |status: &str, description: &str| {
        let schema = RefOr::Ref(Ref::from_schema_name("Problem"));
        let mut response = ResponseBuilder::new().description(description);
        if !oauth {
            response = response.content("application/problem+json", Content::new(Some(schema)));
        }
        operation.responses.responses.entry(status.to_owned()).or_insert_with(|| RefOr::T(response.build()));
    };
    error("default", if oauth { "An error in the shape of RFC 6749 §5.2" } else { "A problem; its type says which" });
    let in_path = path.contains('{');
    let mut named = |status: &str, description: &str| {
        let response = ResponseBuilder::new()
            .description(description)
            .content("application/problem+json", Content::new(Some(RefOr::Ref(Ref::from_schema_name("Problem")))));
        operation.responses.responses.entry(status.to_owned()).or_insert_with(|| RefOr::T(response.build()));
    };
    if in_path {
        named("404", "There is no such thing, or the caller may not know of it");
    }
    if let Some(security) = &mut operation.security {
        // Whatever a program does with a session's token, a page does with the cookie.
        if security.contains(&SecurityRequirement::new("session", Vec::<String>::new())) {
            security.push(SecurityRequirement::new("browser", Vec::<String>::new()));
        }
        named("401", "No identity, or one that does not hold");
        named("403", "The identity may not do this");
    }
}

/// The document as text, as it is committed.
///
/// # Errors
/// When it cannot be written as JSON.
pub fn document_json() -> anyhow::Result<String> {
    Ok(document().to_pretty_json()? + "\n")
}

/// The page at `/docs/`, with all of its parts inside the program.
pub fn swagger_ui() -> SwaggerUi {
    // Without a validator: the page asks no outside address.
    let config = Config::new(["/openapi.json"]).validator_url("none").try_it_out_enabled(true).deep_linking(true);
    SwaggerUi::new("/docs/{_:.*}").config(config)
}

#[get("/docs")]
pub async fn docs_redirect() -> HttpResponse {
    HttpResponse::PermanentRedirect().insert_header((actix_web::http::header::LOCATION, "/docs/")).finish()
}

#[get("/openapi.json")]
pub async fn serve_document() -> Result<HttpResponse, crate::error::Error> {
    static TEXT: std::sync::OnceLock<String> = std::sync::OnceLock::new();
    let text = match TEXT.get() {
        Some(text) => text,
        None => {
            let made = document_json().map_err(crate::error::Error::Internal)?;
            TEXT.get_or_init(|| made)
        }
    };
    Ok(HttpResponse::Ok().content_type("application/json").body(text.as_str()))
}
