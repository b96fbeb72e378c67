//! The page of the register: who was given what, for what purpose, until when.

use actix_web::{HttpRequest, HttpResponse, get, web};
use askama::Template;
use chrono::NaiveDateTime;
use serde::Deserialize;

use super::{Words, headers, words};
use crate::access::Mode;
use crate::access::register::{self, GrantState, RegisterEntry, RegisterFilter};
use crate::access::sanctions::{self, AppealState, PublishedSanction, SanctionKind};
use crate::app::App;
use crate::clock::shanghai;
use crate::error::{Error, Result};
use crate::http::kept::{Made, RegisterAnswers};
use crate::http::v1::register::checked_words;
use crate::identity::Caller;

/// Grants on one page.
const PAGE_ENTRIES: i64 = 50;

/// Which language and which part of the register.
#[derive(Debug, Default, Clone, Deserialize)]
pub struct RegisterPageQuery {
    lang: Option<String>,
    q: Option<String>,
    dataset: Option<String>,
    firm: Option<String>,
    in_force: Option<String>,
    after: Option<String>,
}

impl Words {
    pub(super) fn state(&self, state: &GrantState) -> &'static str {
        match state {
            GrantState::InForce => self.t("有效", "In force"),
            GrantState::Expired => self.t("已到期", "Expired"),
            GrantState::Suspended => self.t("已暂停", "Suspended"),
            GrantState::Revoked => self.t("已撤销", "Revoked"),
        }
    }

    pub(super) fn mode(&self, mode: &Mode) -> &'static str {
        match mode {
            Mode::Download => self.t("下载", "download"),
            Mode::Api => self.t("接口查询", "API"),
            Mode::Sandbox => self.t("数据沙箱", "sandbox"),
        }
    }

    pub(super) fn modes(&self, modes: &[Mode]) -> String {
        modes.iter().map(|mode| self.mode(mode)).collect::<Vec<_>>().join(self.t("、", ", "))
    }

    pub(super) fn sanction(&self, kind: &SanctionKind) -> &'static str {
        match kind {
            SanctionKind::Warning => self.t("警告", "Warning"),
            SanctionKind::Throttle => self.t("限流", "Throttle"),
            SanctionKind::Suspension => self.t("暂停", "Suspension"),
            SanctionKind::Termination => self.t("终止", "Termination"),
            SanctionKind::Publication => self.t("公示", "Publication"),
        }
    }

    /// A day as people in Shanghai read it.
    pub(super) fn day(&self, at: &NaiveDateTime) -> String {
        shanghai(*at).format("%Y-%m-%d").to_string()
    }
}

#[derive(Template)]
#[template(path = "register.html")]
struct RegisterPage {
    w: Words,
    entries: Vec<RegisterEntry>,
    total: i64,
    next: Option<String>,
    q: String,
    dataset: String,
    firm: String,
    in_force: String,
    sanctions: Vec<PublishedSanction>,
}

impl RegisterPage {
    fn is_filtered(&self) -> bool {
        [&self.q, &self.dataset, &self.firm, &self.in_force].iter().any(|text| !text.is_empty())
    }

    /// What was asked for, for an address; begins with `&` where there is any.
    fn asked(&self) -> String {
        let pairs = [("q", &self.q), ("dataset", &self.dataset), ("firm", &self.firm), ("in_force", &self.in_force)];
        let given = pairs.into_iter().filter(|(_, text)| !text.is_empty());
        given.map(|(name, text)| format!("&{name}={}", url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>())).collect()
    }
}

#[get("/register")]
pub async fn register_page(
    _caller: Caller,
    app: web::Data<App>,
    answers: web::Data<RegisterAnswers>,
    query: web::Query<RegisterPageQuery>,
    request: HttpRequest,
) -> Result<HttpResponse> {
    let query = query.into_inner();
    let w = words(&request, query.lang.as_deref());
    let in_force = query.in_force.filter(|text| matches!(text.as_str(), "true" | "false"));
    let query = RegisterPageQuery { lang: None, in_force, ..query };
    let name = format!("page {} {query:?}", w.code());
    let body = answers.0.find(&app, name, async || page_of(&app, w, query).await).await?;
    Ok(body.answer(&request, &headers(w)))
}

async fn page_of(app: &App, w: Words, query: RegisterPageQuery) -> Result<Made> {
    let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    let in_force = match query.in_force.as_deref() {
        Some("true") => Some(true),
        Some("false") => Some(false),
        Some(_) | None => None,
    };
    let filter = RegisterFilter { q: checked_words(query.q.clone())?, dataset: given(&query.dataset), firm: given(&query.firm), in_force };
    let after = given(&query.after);
    let found = app.db.read(move |conn| {
        let sanctions = sanctions::published(conn, filter.firm.as_deref())?;
        Ok((register::list(conn, &filter, after.as_deref(), PAGE_ENTRIES)?, sanctions))
    });
    let (found, sanctions) = found.await?;
    let next = if found.more { found.entries.last().map(|entry| entry.grant.clone()) } else { None };
    let page = RegisterPage {
        w,
        sanctions,
        entries: found.entries,
        total: found.total,
        next,
        q: query.q.unwrap_or_default(),
        dataset: query.dataset.unwrap_or_default(),
        firm: query.firm.unwrap_or_default(),
        in_force: in_force.map(|in_force| in_force.to_string()).unwrap_or_default(),
    };
    Ok(Made { body: page.render().map_err(Error::internal)?.into_bytes(), keep: found.usual, until: found.until })
}
