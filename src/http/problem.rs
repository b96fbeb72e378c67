//! Errors on the wire: RFC 9457 `application/problem+json` with a stable `type`, a title in the caller's language, and what
//! to do next. The one table of types, titles and statuses is here.

use actix_web::http::StatusCode;
use actix_web::http::header::{ACCEPT_LANGUAGE, ALLOW, CONTENT_RANGE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use actix_web::{HttpRequest, HttpResponse, ResponseError, web};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::error::Error;

/// A problem (RFC 9457).
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// The kind of problem, `/problems/<slug>`: stable, and a page that explains it.
    #[serde(rename = "type")]
    pub problem_type: String,
    /// The kind of problem in words, in the caller's language.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What is wrong in this case, and what to do.
    pub detail: String,
    /// The request's id, to quote when you ask about it.
    pub instance: String,
    /// Each value that is wrong.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<ProblemFault>,
}

/// One value that is wrong.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct ProblemFault {
    /// A JSON pointer into the body, or the name of a parameter.
    pub pointer: String,
    /// What is wrong with it, and what would be right.
    pub detail: String,
}

/// One kind of problem.
pub struct Kind {
    /// Its stable name.
    pub slug: &'static str,
    /// Its status; see [`Kind::status`].
    registered: StatusCode,
    /// A status that stands in no registry, where a protocol asks for one.
    special: Option<u16>,
    /// Its title in Chinese.
    pub zh: &'static str,
    /// Its title in English.
    pub en: &'static str,
}

const fn kind(slug: &'static str, status: StatusCode, zh: &'static str, en: &'static str) -> Kind {
    Kind { slug, registered: status, special: None, zh, en }
}

impl Kind {
    /// Its status.
    pub fn status(&self) -> StatusCode {
        self.special.and_then(|code| StatusCode::from_u16(code).ok()).unwrap_or(self.registered)
    }
}

const MALFORMED: Kind = kind("malformed-request", StatusCode::BAD_REQUEST, "请求无法读取", "The request cannot be read");
const INVALID: Kind = kind("invalid-value", StatusCode::BAD_REQUEST, "请求中有不允许的值", "A value of the request is not allowed");
const UNAUTHENTICATED: Kind = kind("unauthenticated", StatusCode::UNAUTHORIZED, "需要有效的身份凭证", "A valid identity is needed");
const PASSWORD: Kind =
    kind("password-change-required", StatusCode::FORBIDDEN, "须先修改一次性密码", "The one-time password must be changed");
const SECOND_FACTOR: Kind =
    kind("second-factor-required", StatusCode::UNAUTHORIZED, "需要第二因素验证码", "A code of the second factor is needed");
const ENROLMENT: Kind =
    kind("second-factor-enrolment-required", StatusCode::FORBIDDEN, "须先启用第二因素", "A second factor must be set up first");
const FORBIDDEN: Kind = kind("forbidden", StatusCode::FORBIDDEN, "不允许此操作", "This is not allowed");
const NOT_FOUND: Kind = kind("not-found", StatusCode::NOT_FOUND, "未找到", "Not found");
const METHOD: Kind =
    kind("method-not-allowed", StatusCode::METHOD_NOT_ALLOWED, "此地址不支持该方法", "This address does not take the method");
const SUSPENDED: Kind = kind("dataset-suspended", StatusCode::FORBIDDEN, "数据集已暂停开放", "The dataset is suspended");
const WITHDRAWN: Kind = kind("dataset-withdrawn", StatusCode::GONE, "数据集已撤回", "The dataset was withdrawn");
const CONFLICT: Kind = kind("conflict", StatusCode::CONFLICT, "与当前状态冲突", "In conflict with the present state");
const STALE: Kind = kind("stale", StatusCode::PRECONDITION_FAILED, "内容已被他人修改", "Somebody else has changed it");
const CONDITION: Kind =
    kind("condition-missing", StatusCode::PRECONDITION_REQUIRED, "须注明所依据的版本", "Say which state of it you have read");
const TOO_LARGE: Kind = kind("too-large", StatusCode::PAYLOAD_TOO_LARGE, "请求过大", "Too large");
const MEDIA_TYPE: Kind =
    kind("unsupported-media-type", StatusCode::UNSUPPORTED_MEDIA_TYPE, "不支持的媒体类型", "The media type is not taken");
/// The tus protocol's own status.
const CHECKSUM: Kind =
    Kind { special: Some(460), ..kind("checksum-mismatch", StatusCode::BAD_REQUEST, "校验和不符", "The checksum does not match") };
/// As the tus protocol has it.
const PROTOCOL: Kind =
    kind("wrong-protocol-version", StatusCode::PRECONDITION_FAILED, "协议版本不符", "Another version of the protocol is spoken here");
const ACCEPT: Kind =
    kind("not-acceptable", StatusCode::NOT_ACCEPTABLE, "没有可接受的媒体类型", "No media type that is accepted can be answered");
const RANGE: Kind =
    kind("range-not-satisfiable", StatusCode::RANGE_NOT_SATISFIABLE, "请求的范围超出文件", "The range lies outside of the file");
const LIMITED: Kind = kind("rate-limited", StatusCode::TOO_MANY_REQUESTS, "请求过多", "Too many requests");
const TIMEOUT: Kind = kind("query-timeout", StatusCode::UNPROCESSABLE_ENTITY, "查询超时", "The query took too long");
const DAMAGED: Kind = kind("damaged", StatusCode::INTERNAL_SERVER_ERROR, "存储内容已损坏", "What was stored is damaged");
const UNAVAILABLE: Kind = kind("unavailable", StatusCode::SERVICE_UNAVAILABLE, "暂时不可用", "Not available at the moment");
const INTERNAL: Kind = kind("internal", StatusCode::INTERNAL_SERVER_ERROR, "内部错误", "An internal error occurred");

/// Every kind of problem, each with a page of its own.
pub const KINDS: &[Kind] = &[
    MALFORMED,
    INVALID,
    UNAUTHENTICATED,
    PASSWORD,
    SECOND_FACTOR,
    ENROLMENT,
    FORBIDDEN,
    NOT_FOUND,
    METHOD,
    SUSPENDED,
    WITHDRAWN,
    CONFLICT,
    STALE,
    CONDITION,
    TOO_LARGE,
    MEDIA_TYPE,
    CHECKSUM,
    PROTOCOL,
    ACCEPT,
    RANGE,
    LIMITED,
    TIMEOUT,
    DAMAGED,
    UNAVAILABLE,
    INTERNAL,
];

impl Error {
    /// Its kind of problem.
    pub fn kind(&self) -> Kind {
        match self {
            Error::Malformed(_) => MALFORMED,
            Error::Invalid(_) => INVALID,
            Error::Unauthenticated(_) => UNAUTHENTICATED,
            Error::PasswordChangeRequired => PASSWORD,
            Error::SecondFactorRequired => SECOND_FACTOR,
            Error::SecondFactorEnrolmentRequired => ENROLMENT,
            Error::Forbidden(_) => FORBIDDEN,
            Error::NotFound { .. } => NOT_FOUND,
            Error::Suspended(_) => SUSPENDED,
            Error::Withdrawn(_) => WITHDRAWN,
            Error::Conflict(_) => CONFLICT,
            Error::Stale { .. } => STALE,
            Error::ConditionMissing(_) => CONDITION,
            Error::TooLarge(_) => TOO_LARGE,
            Error::UnsupportedMediaType(_) => MEDIA_TYPE,
            Error::ChecksumMismatch => CHECKSUM,
            Error::WrongProtocol { .. } => PROTOCOL,
            Error::NotAcceptable(_) => ACCEPT,
            Error::RangeNotSatisfiable { .. } => RANGE,
            Error::RateLimited { .. } => LIMITED,
            Error::QueryTimeout { .. } => TIMEOUT,
            Error::Damaged(_) => DAMAGED,
            Error::Unavailable(_) => UNAVAILABLE,
            Error::Internal(_) => INTERNAL,
        }
    }
}

/// The language that an answer is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// Chinese.
    Zh,
    /// English.
    En,
}

impl Language {
    /// The first language of `Accept-Language` that we have, English otherwise.
    pub fn of(headers: &HeaderMap) -> Self {
        let text = headers.get(ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let mut ranked: Vec<(f32, Language)> = text
            .split(',')
            .filter_map(|part| {
                let (tag, weight) = part.split_once(';').unwrap_or((part, "q=1"));
                let weight = weight.trim().strip_prefix("q=").unwrap_or("1");
                let weight = weight.trim().parse().ok().filter(|weight: &f32| *weight > 0.0)?;
                match tag.trim().split('-').next().unwrap_or_default().to_ascii_lowercase().as_str() {
                    "zh" => Some((weight, Language::Zh)),
                    "en" => Some((weight, Language::En)),
                    _ => None,
                }
            })
            .collect();
        // The sort is stable: of equal weights the first named comes first.
        ranked.sort_by(|a, b| b.0.total_cmp(&a.0));
        ranked.first().map_or(Language::En, |(_, language)| *language)
    }
}

/// The answer for an error.
#[expect(clippy::wildcard_enum_match_arm, reason = "few errors have more than the common answer")]
pub fn respond(error: &Error, language: Language, request_id: &str) -> HttpResponse {
    let errors = match error {
        Error::Invalid(faults) | Error::Stale { differences: faults, .. } => {
            faults.iter().map(|fault| ProblemFault { pointer: fault.pointer.clone(), detail: fault.detail.clone() }).collect()
        }
        _ => Vec::new(),
    };
    let mut response = write(&error.kind(), language, error.to_string(), request_id, errors);
    let headers = response.headers_mut();
    match error {
        Error::RateLimited { retry_after_seconds, .. } => {
            headers.insert(RETRY_AFTER, HeaderValue::from(*retry_after_seconds));
        }
        Error::Unavailable(_) => {
            headers.insert(RETRY_AFTER, HeaderValue::from(5));
        }
        Error::WrongProtocol { spoken, .. } => {
            for name in ["tus-version", "tus-resumable"] {
                headers.insert(HeaderName::from_static(name), HeaderValue::from_static(spoken));
            }
        }
        Error::RangeNotSatisfiable { size_bytes } => {
            if let Ok(value) = HeaderValue::try_from(format!("bytes */{size_bytes}")) {
                headers.insert(CONTENT_RANGE, value);
            }
        }
        _ => {}
    }
    response
}

fn write(kind: &Kind, language: Language, detail: String, request_id: &str, errors: Vec<ProblemFault>) -> HttpResponse {
    let problem = Problem {
        problem_type: format!("/problems/{}", kind.slug),
        title: match language {
            Language::Zh => kind.zh.to_owned(),
            Language::En => kind.en.to_owned(),
        },
        status: kind.status().as_u16(),
        detail,
        instance: format!("urn:uuid:{request_id}"),
        errors,
    };
    HttpResponse::build(kind.status()).content_type("application/problem+json").json(problem)
}

impl ResponseError for Error {
    fn status_code(&self) -> StatusCode {
        self.kind().status()
    }

    /// Handlers' errors pass through here first; `caller::resolve` writes them again with language and request id.
    fn error_response(&self) -> HttpResponse {
        respond(self, Language::En, "")
    }
}

/// Makes the framework's own errors ours, so that every one leaves as a problem.
#[expect(clippy::wildcard_enum_match_arm, reason = "the library may name more kinds of errors")]
pub fn extractor_errors(config: &mut web::ServiceConfig, body_limit_bytes: usize) {
    use actix_web::error::{JsonPayloadError, PathError, QueryPayloadError, UrlencodedError};
    let json = web::JsonConfig::default().limit(body_limit_bytes).error_handler(|cause, _| {
        let error = match &cause {
            JsonPayloadError::ContentType => Error::UnsupportedMediaType("send the body as application/json".to_owned()),
            JsonPayloadError::Overflow { .. } | JsonPayloadError::OverflowKnownLength { .. } => {
                Error::TooLarge("the body is larger than the limit".to_owned())
            }
            JsonPayloadError::Deserialize(cause) => Error::Malformed(format!("the body is not the JSON that is asked for: {cause}")),
            _ => Error::Malformed("the body could not be read".to_owned()),
        };
        error.into()
    });
    let query = web::QueryConfig::default().error_handler(|cause, _| {
        let QueryPayloadError::Deserialize(cause) = &cause else {
            return Error::Malformed("the query could not be read".to_owned()).into();
        };
        Error::Malformed(format!("the query string: {cause}")).into()
    });
    let path = web::PathConfig::default().error_handler(|cause, _| {
        let PathError::Deserialize(cause) = &cause else { return Error::Malformed("the address could not be read".to_owned()).into() };
        Error::Malformed(format!("the address: {cause}")).into()
    });
    let form = web::FormConfig::default().limit(body_limit_bytes).error_handler(|cause, _| {
        let error = match &cause {
            UrlencodedError::ContentType => Error::UnsupportedMediaType("send the body as application/x-www-form-urlencoded".to_owned()),
            UrlencodedError::Overflow { .. } => Error::TooLarge("the body is larger than the limit".to_owned()),
            _ => Error::Malformed("the form could not be read".to_owned()),
        };
        error.into()
    });
    config.app_data(json).app_data(query).app_data(path).app_data(form);
}

/// Which methods each documented address takes, to tell a wrong method (405) from a wrong address (404).
pub struct RouteIndex(Vec<(actix_web::dev::ResourceDef, Vec<&'static str>)>);

impl RouteIndex {
    /// The index of a document's paths.
    pub fn new(document: &utoipa::openapi::OpenApi) -> Self {
        let routes = document.paths.paths.iter().map(|(path, item)| {
            let methods = [
                ("GET", &item.get),
                ("HEAD", &item.head),
                ("POST", &item.post),
                ("PUT", &item.put),
                ("PATCH", &item.patch),
                ("DELETE", &item.delete),
            ];
            let allows = |method: &str, operation: &Option<_>| operation.is_some() || (method == "HEAD" && item.get.is_some());
            let allowed = methods.into_iter().filter(|(method, operation)| allows(method, operation)).map(|(method, _)| method);
            // The document does not say of a parameter that it has slashes in it: a path of a file does.
            let pattern = path.replace("{path}", "{path:.+}");
            (actix_web::dev::ResourceDef::new(pattern.as_str()), allowed.collect())
        });
        RouteIndex(routes.collect())
    }

    fn allowed(&self, path: &str) -> Option<&[&'static str]> {
        self.0.iter().find(|(route, _)| route.is_match(path)).map(|(_, methods)| methods.as_slice())
    }
}

/// What answers where no route does.
pub async fn no_route(request: HttpRequest, index: web::Data<RouteIndex>) -> Result<HttpResponse, Error> {
    let (language, id) = (Language::of(request.headers()), super::caller::request_id(&request));
    if let Some(methods) = index.allowed(request.path()) {
        let allowed = methods.join(", ");
        let detail = format!("this address takes {allowed}");
        let mut response = write(&METHOD, language, detail, &id, Vec::new());
        if let Ok(value) = HeaderValue::try_from(allowed) {
            response.headers_mut().insert(ALLOW, value);
        }
        return Ok(response);
    }
    Err(Error::not_found("page or operation at", super::caller::told_path(request.path())))
}
