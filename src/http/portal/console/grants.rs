//! Grants as the publisher sees them: the list, and one of them with what can be done about it.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, get, post, web};
use askama::Template;
use chrono::NaiveDateTime;
use serde::Deserialize;

use super::super::confirm::Confirm;
use super::super::told::Told;
use super::super::visit::{Sent, Visit};
use super::super::{Words, private_page};
use super::{OVER_GRANTS, Rooms, staff_of};
use crate::access::desk::{self, Happened};
use crate::access::duties::{self, UseReport};
use crate::access::grants::{self, Grant};
use crate::access::register::{self, RegisterEntry, RegisterFilter};
use crate::clock::now_naive;
use crate::error::{Error, Result};
use crate::http::browser;
use crate::http::v1::check_text;
use crate::http::v1::register::checked_words;
use crate::identity::Role;

/// Grants on one page, and reports of a grant.
const SHOWN: i64 = 50;

/// Which part of the list.
#[derive(Deserialize)]
pub struct GrantsQuery {
    q: Option<String>,
    in_force: Option<String>,
    after: Option<String>,
}

#[derive(Template)]
#[template(path = "console-grants.html")]
struct GrantsPage {
    w: Words,
    rooms: Rooms,
    entries: Vec<RegisterEntry>,
    total: i64,
    next: Option<String>,
    q: String,
    in_force: String,
}

impl GrantsPage {
    /// What was asked for, for an address; begins with `&` where there is any.
    fn asked(&self) -> String {
        let given = [("q", &self.q), ("in_force", &self.in_force)].into_iter().filter(|(_, text)| !text.is_empty());
        given.map(|(name, text)| format!("&{name}={}", url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>())).collect()
    }
}

#[get("/console/grants")]
pub async fn grants_page(Visit { caller, app, w, .. }: Visit, query: web::Query<GrantsQuery>) -> Result<HttpResponse> {
    let query = query.into_inner();
    staff_of(&caller, &OVER_GRANTS)?;
    let in_force = query.in_force.as_deref().and_then(|in_force| in_force.parse::<bool>().ok());
    let filter = RegisterFilter { q: checked_words(query.q.clone())?, in_force, ..RegisterFilter::default() };
    let after = query.after.filter(|after| !after.is_empty());
    let found = app.db.read(move |conn| Ok((register::list(conn, &filter, after.as_deref(), SHOWN)?, Rooms::of(conn, &caller)?)));
    let (found, rooms) = found.await?;
    let page = GrantsPage {
        w,
        rooms,
        next: if found.more { found.entries.last().map(|entry| entry.grant.clone()) } else { None },
        entries: found.entries,
        total: found.total,
        q: query.q.unwrap_or_default(),
        in_force: in_force.map(|in_force| in_force.to_string()).unwrap_or_default(),
    };
    private_page(w, StatusCode::OK, &page)
}

#[derive(Template)]
#[template(path = "console-grant.html")]
struct GrantPage {
    w: Words,
    csrf: String,
    grant: Grant,
    entry: RegisterEntry,
    history: Vec<Happened>,
    due: Option<NaiveDateTime>,
    reports: Vec<UseReport>,
    /// Whether the person may suspend and revoke.
    acts: bool,
    told: Told,
}

impl GrantPage {
    fn may_suspend(&self) -> bool {
        self.acts && self.grant.status == "active"
    }

    fn may_resume(&self) -> bool {
        self.acts && self.grant.status == "suspended"
    }

    fn may_revoke(&self) -> bool {
        self.acts && self.grant.status != "revoked"
    }

    fn is_late(&self) -> bool {
        self.due.is_some_and(|due| due < now_naive())
    }
}

async fn show(Visit { caller, app, w, .. }: Visit, id: String, told: Told) -> Result<HttpResponse> {
    let csrf = browser::csrf_token(&app, &staff_of(&caller, &OVER_GRANTS)?.session);
    let days = app.settings.duties;
    let found = app.db.read(move |conn| {
        let grant = grants::find_for(conn, &caller, &id)?;
        Ok(GrantPage {
            history: desk::history(conn, &grant.application_id, Some(&grant.agreement_id), Some(&id))?,
            due: duties::due_of(conn, &grant, &days)?,
            reports: duties::list_for(conn, &caller, &id, None, SHOWN)?.0,
            entry: register::find(conn, &id)?.0.entry,
            acts: caller.with_role(&[Role::Operator, Role::Reviewer]).is_ok(),
            grant,
            w,
            csrf,
            told,
        })
    });
    private_page(w, StatusCode::OK, &found.await?)
}

#[get("/console/grants/{id}")]
pub async fn grant_page(visit: Visit, path: web::Path<String>) -> Result<HttpResponse> {
    let told = visit.told();
    show(visit, path.into_inner(), told).await
}

/// Asks once more before a grant is revoked.
async fn ask_again(Visit { caller, app, w, .. }: Visit, id: String, reason: String) -> Result<HttpResponse> {
    let csrf = browser::csrf_token(&app, &staff_of(&caller, &[Role::Operator, Role::Reviewer])?.session);
    let entry = app.db.read(move |conn| Ok(register::find(conn, &id)?.0.entry)).await?;
    let here = format!("/console/grants/{}", entry.grant);
    let lead = w.t(
        "撤销后不能恢复：企业的令牌从下一次请求起失效，正在传输的数据随即中断，公示中将显示为已撤销。",
        "This cannot be undone. The firm’s tokens stop at the next request, what is being sent breaks off, and the register shows the grant as revoked.",
    );
    let page = Confirm {
        w,
        csrf,
        title: w.t("确认撤销授权？", "Revoke the grant?"),
        lead,
        facts: vec![
            (w.t("企业", "Firm"), format!("{} {}", entry.firm.name, entry.firm.uscc)),
            (w.t("数据集", "Dataset"), w.text(&entry.dataset.title).to_owned()),
            (w.t("有效期至", "Until"), w.moment(&entry.expires_at)),
        ],
        action: format!("{here}/steps/revocation"),
        confirmed: entry.grant,
        also: Vec::new(),
        reason: Some((w.t("撤销理由", "Why it is revoked"), reason)),
        button: w.t("撤销授权", "Revoke the grant for good"),
        back: here,
    };
    private_page(w, StatusCode::OK, &page)
}

/// Does what a form of the page says.
async fn act(Visit { caller, app, .. }: Visit, id: String, step: &str, reason: String) -> Result<()> {
    match step {
        "suspension" => app.db.write(move |conn| grants::suspend(conn, &caller, &id, true, &reason)).await?,
        "resumption" => app.db.write(move |conn| grants::suspend(conn, &caller, &id, false, &reason)).await?,
        "revocation" => app.db.write(move |conn| grants::revoke(conn, &caller, &id, &reason)).await?,
        other => return Err(Error::not_found("page or operation at", format!("/console/grants/{id}/{other}"))),
    };
    Ok(())
}

#[post("/console/grants/{id}/steps/{step}")]
pub async fn take_step(sent: Sent, path: web::Path<(String, String)>) -> Result<HttpResponse> {
    let (id, step) = path.into_inner();
    let taken = match check_text("/reason", &sent.filled.text("reason"), 3, 2000) {
        // What cannot be undone is asked twice.
        Ok(reason) if step == "revocation" && !sent.filled.has("confirmed", &id) => return ask_again(sent.visit, id, reason).await,
        Ok(reason) => act(sent.visit.clone(), id.clone(), &step, reason).await,
        Err(error) => Err(error),
    };
    let here = format!("/console/grants/{id}");
    sent.answer(taken, (&here, &step), &step, async |visit, told| show(visit, id, told).await).await
}
