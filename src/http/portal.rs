//! The portal: pages for people who look for data, and for those who log in. They work without script.

pub mod account;
mod confirm;
pub mod console;
pub mod factor;
pub mod feedback;
pub mod firm;
pub mod home;
pub mod login;
pub mod mail;
pub mod open_list;
mod record;
pub mod register;
pub mod registration;
mod sheet;
mod told;
mod visit;
mod wording;

use actix_web::dev::ServiceRequest;
use actix_web::http::header::{
    ACCEPT, CACHE_CONTROL, CONTENT_LANGUAGE, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, LOCATION, VARY,
};
use actix_web::http::{Method, StatusCode};
use actix_web::{HttpRequest, HttpResponse, get, web};
use askama::Template;
use chrono::NaiveDateTime;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::caller::limit_key;
use super::kept::{Made, PageAnswers};
use super::problem::{KINDS, Language};
use super::standards::{self, Syntax};
use super::v1::datasets::{DatasetDetail, combination, detail};
use crate::access::Read;
use crate::app::App;
use crate::catalog::{
    self, Field, Grading, LoweredBy, OpenType, Publisher, ReleaseRule, Sensitivity, SubjectClass, Text, Theme, UpdateFrequency,
};
use crate::clock::shanghai;
use crate::error::{Error, Result};
use crate::feedback::{self as heard, PublicFeedback};
use crate::identity::Caller;
use crate::intake::collection::PATH;
use crate::read::{self, RowsQuery};

/// Everything comes from here, and nothing runs.
const POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// How much of what the public says a dataset's page shows of each kind.
const SAID: i64 = 5;

/// Rows of a preview.
const PREVIEW_ROWS: usize = 10;

/// In which language.
#[derive(Default, Deserialize)]
pub struct PortalQuery {
    lang: Option<String>,
}

/// The words of a page in one language.
#[derive(Clone, Copy)]
struct Words(Language);

impl Words {
    fn t<'a>(&self, zh: &'a str, en: &'a str) -> &'a str {
        match self.0 {
            Language::Zh => zh,
            Language::En => en,
        }
    }

    fn text<'a>(&self, text: &'a Text) -> &'a str {
        self.t(&text.zh, &text.en)
    }

    fn other<'a>(&self, text: &'a Text) -> &'a str {
        self.t(&text.en, &text.zh)
    }

    fn code(&self) -> &'static str {
        self.t("zh-CN", "en")
    }

    fn short(&self) -> &'static str {
        self.t("zh", "en")
    }

    fn open_type(&self, open_type: &OpenType) -> &'static str {
        match open_type {
            OpenType::Unconditional => self.t("无条件开放", "Unconditional"),
            OpenType::Conditional => self.t("有条件开放", "Conditional"),
            OpenType::Closed => self.t("非开放", "Closed"),
        }
    }

    fn frequency(&self, frequency: &UpdateFrequency) -> &'static str {
        match frequency {
            UpdateFrequency::Realtime => self.t("实时", "Real time"),
            UpdateFrequency::Daily => self.t("每日", "Daily"),
            UpdateFrequency::Weekly => self.t("每周", "Weekly"),
            UpdateFrequency::Monthly => self.t("每月", "Monthly"),
            UpdateFrequency::Quarterly => self.t("每季度", "Quarterly"),
            UpdateFrequency::HalfYearly => self.t("每半年", "Half-yearly"),
            UpdateFrequency::Yearly => self.t("每年", "Yearly"),
            UpdateFrequency::Irregular => self.t("不定期", "Irregular"),
            UpdateFrequency::Never => self.t("不更新", "Never"),
        }
    }

    fn sensitivity(&self, sensitivity: &Sensitivity) -> &'static str {
        match sensitivity {
            Sensitivity::None => self.t("无", "None"),
            Sensitivity::Quasi => self.t("准标识符", "Quasi-identifier"),
            Sensitivity::Direct => self.t("直接标识符", "Direct identifier"),
            Sensitivity::Sensitive => self.t("敏感信息", "Sensitive"),
        }
    }

    fn rule(&self, rule: &ReleaseRule) -> String {
        let words = rule.words();
        let mut letters = self.text(&words).chars();
        letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
    }

    /// A moment as people in Shanghai read it.
    fn moment(&self, at: &NaiveDateTime) -> String {
        format!("{} {}", shanghai(*at).format("%Y-%m-%d %H:%M"), self.t("（北京时间）", "(UTC+8)"))
    }

    /// A number with its thousands apart.
    fn number(&self, number: &i64) -> String {
        let digits = number.to_string();
        let first = digits.len() % 3;
        let groups = digits.as_bytes()[first..].chunks(3).map(|group| String::from_utf8_lossy(group).into_owned());
        let head = (first > 0).then(|| digits[..first].to_owned());
        head.into_iter().chain(groups).collect::<Vec<_>>().join(",")
    }

    fn field_type(&self, field: &Field) -> &'static str {
        field.field_type.map_or("", |kind| kind.as_str())
    }
}

#[derive(Template)]
#[template(path = "dataset.html")]
struct DatasetPage {
    w: Words,
    /// The dataset in the terms of schema.org.
    described: String,
    /// Whether there is a data package of it.
    has_package: bool,
    d: DatasetDetail,
    publisher: Option<Publisher>,
    theme: Option<Theme>,
    subject_class: Option<SubjectClass>,
    preview: Option<Preview>,
    issuer: String,
    today: String,
    /// On what terms a firm may have it: a label and a text for each point.
    offer: Vec<(String, String)>,
    grading: Grading,
    /// What the public says of it, as far as the page shows it.
    said: Said,
}

/// What the public says of a dataset: the newest of each.
struct Said {
    corrections: Vec<PublicFeedback>,
    ratings: Vec<PublicFeedback>,
    reuses: Vec<PublicFeedback>,
}

impl DatasetPage {
    /// What would lower each grade that a field has, once for each.
    fn ways_down(&self) -> Vec<(&str, &[LoweredBy])> {
        let mut ways: Vec<(&str, &[LoweredBy])> = Vec::new();
        for field in self.grading.fields.iter().filter(|field| !field.lowered_by.is_empty()) {
            if ways.iter().all(|(code, _)| *code != field.grade.code) {
                ways.push((&field.grade.code, &field.lowered_by));
            }
        }
        ways
    }
}

struct Preview {
    names: Vec<String>,
    rows: Vec<Vec<String>>,
    /// Whether the rows are files, each at its path.
    lists_files: bool,
}

impl Preview {
    /// The address of the file whose path stands in this column.
    fn file_at(&self, column: &usize, path: &str, slug: &str) -> Option<String> {
        let is_path = self.lists_files && self.names.get(*column).is_some_and(|name| name == PATH);
        is_path.then(|| {
            let parts: Vec<String> = path.split('/').map(|part| utf8_percent_encode(part, NON_ALPHANUMERIC).to_string()).collect();
            format!("/api/v1/datasets/{slug}/files/{}", parts.join("/"))
        })
    }
}

#[derive(Template)]
#[template(path = "problem.html")]
struct ProblemPage {
    w: Words,
    title: &'static str,
    slug: &'static str,
    status: u16,
}

#[derive(Template)]
#[template(path = "error.html")]
struct ErrorPage<'a> {
    w: Words,
    title: &'static str,
    detail: String,
    id: &'a str,
}

/// Whether an error is shown to a person: the address is a page's, and the caller asks for HTML.
pub fn shows_errors(path: &str, headers: &HeaderMap) -> bool {
    let program = ["/api/", "/oauth2/", "/.well-known/", "/openapi.json"].iter().any(|start| path.starts_with(start));
    !program && headers.get(ACCEPT).and_then(|value| value.to_str().ok()).is_some_and(|accept| accept.contains("text/html"))
}

/// The language of a page: the one that its address names, or the caller's.
pub fn language(query: &str, headers: &HeaderMap) -> Language {
    let named = url::form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "lang").map(|(_, value)| value);
    match named.as_deref() {
        Some("zh") => Language::Zh,
        Some("en") => Language::En,
        Some(_) | None => Language::of(headers),
    }
}

/// The page in whose place an error is shown.
pub struct Shown {
    language: Language,
    /// Where to go on after a log-in, where that can be said.
    next: Option<String>,
}

impl Shown {
    /// The page that was asked for.
    pub fn of(request: &ServiceRequest) -> Self {
        let next = Some(request.path()).filter(|path| request.method() == Method::GET && login::may_follow(path));
        Shown { language: language(request.query_string(), request.headers()), next: next.map(str::to_owned) }
    }
}

/// An error as a page, with the status and headers of the problem. Who has to log in first, or to see to their account, is led there.
#[expect(clippy::wildcard_enum_match_arm, reason = "most errors say the same in both languages")]
pub fn error_page(error: &Error, page: &Shown, id: &str, mut response: HttpResponse) -> HttpResponse {
    let w = Words(page.language);
    match error {
        Error::Unauthenticated(_) => return see(&login::address(w, page.next.as_deref())),
        Error::PasswordChangeRequired | Error::SecondFactorEnrolmentRequired => return see(&format!("/account?lang={}", w.short())),
        _ => {}
    }
    let kind = error.kind();
    let detail = match (error, page.language) {
        (Error::NotFound { name, .. }, Language::Zh) => format!("没有找到“{name}”。请核对地址，或者返回清单查找。"),
        (Error::Withdrawn(_), Language::Zh) => "该数据集已从开放清单中撤回，原因见“清单变更”（/open-list）。".to_owned(),
        (Error::Suspended(_), Language::Zh) => "该数据集已暂停开放，原因见其页面。".to_owned(),
        (Error::Forbidden(_), Language::Zh) => format!("当前账户不能使用此页面，或不能进行此操作。如有疑问，请联系系统管理员。（{error}）"),
        (other, Language::Zh | Language::En) => other.to_string(),
    };
    let template = ErrorPage { w, title: w.t(kind.zh, kind.en), detail, id };
    let Ok(text) = template.render() else { return response };
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    response.headers_mut().insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    response.set_body(actix_web::body::BoxBody::new(text))
}

fn words(request: &HttpRequest, lang: Option<&str>) -> Words {
    let named = lang.map(|lang| format!("lang={lang}")).unwrap_or_default();
    Words(language(&named, request.headers()))
}

/// The headers of every page.
fn headers(w: Words) -> [(HeaderName, &'static str); 5] {
    [
        (CONTENT_TYPE, "text/html; charset=utf-8"),
        (CONTENT_LANGUAGE, w.code()),
        (VARY, "Accept-Language"),
        (CACHE_CONTROL, "no-cache"),
        (CONTENT_SECURITY_POLICY, POLICY),
    ]
}

fn page(w: Words, template: &impl Template) -> Result<HttpResponse> {
    let mut response = HttpResponse::Ok();
    headers(w).into_iter().for_each(|header| _ = response.insert_header(header));
    Ok(response.body(template.render().map_err(Error::internal)?))
}

/// A page for one person: nobody keeps it.
fn private_page(w: Words, status: StatusCode, template: &impl Template) -> Result<HttpResponse> {
    let mut response = page(w, template)?;
    *response.status_mut() = status;
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response.headers_mut().insert(VARY, HeaderValue::from_static("Accept-Language, Cookie"));
    Ok(response)
}

/// Leads the browser to another page, by GET.
fn see(address: &str) -> HttpResponse {
    HttpResponse::SeeOther().insert_header((LOCATION, address)).insert_header((CACHE_CONTROL, "no-store")).finish()
}

fn made(template: &impl Template, keep: bool) -> Result<Made> {
    Ok(Made { body: template.render().map_err(Error::internal)?.into_bytes(), keep, until: None })
}

#[get("/datasets/{slug}")]
pub async fn dataset_page(
    caller: Caller,
    app: web::Data<App>,
    answers: web::Data<PageAnswers>,
    path: web::Path<String>,
    query: web::Query<PortalQuery>,
    request: HttpRequest,
) -> Result<HttpResponse> {
    let (w, slug) = (words(&request, query.lang.as_deref()), path.into_inner());
    if let Some(syntax) = Syntax::instead_of_html(request.headers()) {
        return standards::datasets::negotiated(&app, &answers, slug, syntax, &request).await;
    }
    let today = shanghai(crate::clock::now_naive()).format("%Y-%m-%d").to_string();
    let name = format!("dataset {} {today} {slug}", w.code());
    let body = answers.0.find(&app, name, async || Box::pin(dataset_of(&app, &caller, w, slug, today)).await).await?;
    let mut response = body.answer(&request, &headers(w));
    response.headers_mut().insert(VARY, HeaderValue::from_static("Accept, Accept-Language"));
    Ok(response)
}

async fn dataset_of(app: &web::Data<App>, caller: &Caller, w: Words, slug: String, today: String) -> Result<Made> {
    let (site, card) = standards::card::one(app, slug.clone()).await?;
    let described = standards::embedded(&standards::schema_org(&site, &card, w.0 == Language::Zh));
    let reading = app.db.read(move |conn| {
        let dataset = catalog::find(conn, &slug)?;
        let (d, found) = (detail(conn, &slug)?, combination(conn, &dataset)?);
        let said = Said {
            corrections: heard::corrections_of(conn, &dataset, None, SAID)?.0,
            ratings: heard::ratings_of(conn, &dataset, None, SAID)?.0,
            reuses: heard::list_reuses(conn, Some(&dataset), None, SAID)?.0,
        };
        Ok((d, found, said, catalog::themes(conn)?, catalog::subject_classes(conn)?, catalog::publishers(conn)?))
    });
    let (d, found, said, themes, classes, publishers) = reading.await?;
    let open = d.entry.open_type == OpenType::Unconditional && d.version.is_some();
    // A preview is a query and counts as one; a page without it is better than no page, but not for the next caller.
    let (preview, keep) = match if open { Some(preview(app, caller, &d.slug).await) } else { None } {
        None => (None, true),
        Some(Err(Error::RateLimited { .. })) => (None, false),
        Some(preview) => (Some(preview?), true),
    };
    let template = DatasetPage {
        w,
        described,
        has_package: card.is_open() && !card.files.is_empty(),
        publisher: publishers.into_iter().find(|publisher| publisher.slug == d.entry.publisher),
        theme: themes.into_iter().find(|theme| theme.slug == d.entry.theme),
        subject_class: classes.into_iter().find(|class| Some(&class.slug) == d.entry.subject_class.as_ref()),
        preview,
        issuer: app.issuer.clone(),
        today,
        offer: if d.entry.open_type == OpenType::Conditional { sheet::offer(w, &d.entry, app.terms.fingerprint_share) } else { Vec::new() },
        said,
        grading: app.grades.explain(&d.entry, found.as_ref()),
        d,
    };
    // Sizes of files come to be known without any change of the list.
    Ok(Made { until: Some(crate::clock::now_naive() + chrono::Duration::minutes(10)), ..made(&template, keep)? })
}

/// The first rows of the public release, through the same check and reader as the API.
async fn preview(app: &App, caller: &Caller, slug: &str) -> Result<Preview> {
    let _place = app.limits.query(&limit_key(caller))?;
    let release = app.release(caller, slug, Read::rows(None)).await?.release;
    let query = RowsQuery { limit: PREVIEW_ROWS, ..RowsQuery::default() };
    let seconds = app.settings.anonymous.query_seconds;
    let sealing = app.master.derive("cursor");
    let rows = read::query(&app.engine, &release, query, sealing, std::time::Duration::from_secs(seconds)).await?;
    // Rows can be wide: they are written where no other request waits for it.
    let lists_files = release.parts().iter().any(|part| part.members.is_some());
    app.engine.run(None, async move { preview_of(&rows, lists_files) }).await
}

fn preview_of(rows: &read::Rows, lists_files: bool) -> Result<Preview> {
    let names: Vec<String> = rows.fields.iter().map(|field| field.name.clone()).collect();
    let objects: Vec<Map<String, Value>> = rows.objects()?;
    let cell = |object: &Map<String, Value>, name: &String| match object.get(name) {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    };
    let rows = objects.iter().map(|object| names.iter().map(|name| cell(object, name)).collect()).collect();
    Ok(Preview { names, rows, lists_files })
}

#[get("/problems/{slug}")]
pub async fn problem_type(path: web::Path<String>, query: web::Query<PortalQuery>, request: HttpRequest) -> Result<HttpResponse> {
    let w = words(&request, query.lang.as_deref());
    let kind = KINDS.iter().find(|kind| kind.slug == path.as_str()).ok_or_else(|| Error::not_found("kind of problem", path.as_str()))?;
    page(w, &ProblemPage { w, title: w.t(kind.zh, kind.en), slug: kind.slug, status: kind.status().as_u16() })
}

#[get("/assets/{name}")]
pub async fn asset(path: web::Path<String>) -> Result<HttpResponse> {
    let (media_type, bytes) = match path.as_str() {
        "portal.css" => ("text/css; charset=utf-8", include_str!("../../assets/portal.css")),
        "mark.svg" => ("image/svg+xml", include_str!("../../assets/mark.svg")),
        other => return Err(Error::not_found("asset", other)),
    };
    Ok(HttpResponse::Ok().content_type(media_type).insert_header((CACHE_CONTROL, "public, max-age=3600")).body(bytes))
}
