//! Datasets as those who keep the list see them: where each stands, and the steps between. 数据集管理

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, get, post, web};
use askama::Template;
use serde::Deserialize;

use super::super::confirm::Confirm;
use super::super::told::Told;
use super::super::visit::{Sent, Visit};
use super::super::{Words, private_page};
use super::{ANY, Rooms, staff_of};
use crate::catalog::{self, Dataset, Ground, Kept, ListChange, State, Turn};
use crate::error::{Error, Result};
use crate::feedback;
use crate::http::browser::{self, Filled};
use crate::http::v1::check_text;
use crate::identity::{Caller, Role};
use crate::release;

/// Datasets on one page.
const SHOWN: i64 = 50;

/// Which part of the list.
#[derive(Deserialize)]
pub struct DatasetsQuery {
    q: Option<String>,
    state: Option<String>,
    after: Option<String>,
}

#[derive(Template)]
#[template(path = "console-datasets.html")]
struct DatasetsPage {
    w: Words,
    rooms: Rooms,
    datasets: Vec<Dataset>,
    total: i64,
    next: Option<String>,
    q: String,
    state: String,
}

impl DatasetsPage {
    fn states(&self) -> [State; 3] {
        [State::Published, State::Suspended, State::Withdrawn]
    }

    /// What was asked for, for an address; begins with `&` where there is any.
    fn asked(&self) -> String {
        let given = [("q", &self.q), ("state", &self.state)].into_iter().filter(|(_, text)| !text.is_empty());
        given.map(|(name, text)| format!("&{name}={}", url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>())).collect()
    }
}

/// The publisher to whose datasets the caller's view is limited: a steward who is nothing else sees their own.
fn publisher_of(caller: &Caller) -> Result<Option<String>> {
    let person = staff_of(caller, &ANY)?;
    let sees_all = caller.with_role(&[Role::Reviewer, Role::Operator, Role::Auditor]).is_ok();
    Ok(if sees_all { None } else { Some(person.publisher.clone().unwrap_or_default()) })
}

#[get("/console/datasets")]
pub async fn datasets_page(Visit { caller, app, w, .. }: Visit, query: web::Query<DatasetsQuery>) -> Result<HttpResponse> {
    let query = query.into_inner();
    let publisher = publisher_of(&caller)?;
    let state = query
        .state
        .as_deref()
        .and_then(|named| [State::Published, State::Suspended, State::Withdrawn].into_iter().find(|state| state.as_str() == named));
    let q = query.q.map(|q| q.trim().chars().take(200).collect::<String>()).unwrap_or_default();
    let kept = Kept { publisher, state, words: q.clone() };
    let after = query.after.filter(|after| !after.is_empty());
    let found = app.db.read(move |conn| Ok((catalog::list_kept(conn, &kept, after.as_deref(), SHOWN)?, Rooms::of(conn, &caller)?)));
    let (found, rooms) = found.await?;
    let page = DatasetsPage {
        w,
        rooms,
        next: if found.more { found.datasets.last().map(|dataset| dataset.slug.clone()) } else { None },
        datasets: found.datasets,
        total: found.total,
        q,
        state: state.map(State::as_str).unwrap_or_default().to_owned(),
    };
    private_page(w, StatusCode::OK, &page)
}

#[derive(Template)]
#[template(path = "console-dataset.html")]
struct StandingPage {
    w: Words,
    csrf: String,
    dataset: Dataset,
    changes: Vec<ListChange>,
    /// Whether the person may suspend it, whatever its state.
    suspends: bool,
    /// Whether the person may take every other step.
    decides: bool,
    told: Told,
}

impl StandingPage {
    fn may_suspend(&self) -> bool {
        self.suspends && self.dataset.state == State::Published
    }

    fn may_restore(&self) -> bool {
        self.decides && self.dataset.state == State::Suspended
    }

    fn may_withdraw(&self) -> bool {
        self.decides && self.dataset.state != State::Withdrawn
    }

    fn may_reopen(&self) -> bool {
        self.decides && self.dataset.state == State::Withdrawn
    }

    fn grounds(&self) -> [Ground; 7] {
        Ground::ALL
    }
}

async fn show(Visit { caller, app, w, .. }: Visit, slug: String, told: Told) -> Result<HttpResponse> {
    let csrf = browser::csrf_token(&app, &staff_of(&caller, &ANY)?.session);
    let publisher = publisher_of(&caller)?;
    let found = app.db.read(move |conn| {
        let dataset = catalog::find_any(conn, &slug)?;
        if publisher.is_some_and(|publisher| publisher != dataset.entry.publisher) {
            return Err(Error::Forbidden(format!("`{slug}` belongs to another publisher")));
        }
        let may = |conn: &mut crate::db::Conn, step| release::require_may(conn, &caller, &slug, step).is_ok();
        Ok(StandingPage {
            changes: catalog::history_of(conn, &dataset.id)?,
            suspends: may(conn, Turn::Suspend(Ground::Other)),
            decides: may(conn, Turn::Restore),
            dataset,
            w,
            csrf,
            told,
        })
    });
    private_page(w, StatusCode::OK, &found.await?)
}

#[get("/console/datasets/{slug}")]
pub async fn standing_page(visit: Visit, path: web::Path<String>) -> Result<HttpResponse> {
    let told = visit.told();
    show(visit, path.into_inner(), told).await
}

/// Asks once more before a dataset is withdrawn.
async fn ask_again(Visit { caller, app, w, .. }: Visit, slug: String, ground: Ground, reason: String) -> Result<HttpResponse> {
    let csrf = browser::csrf_token(&app, &staff_of(&caller, &[Role::Operator, Role::Reviewer])?.session);
    let name = slug.clone();
    let (dataset, grants) = app.db.read(move |conn| release::affected(conn, &name)).await?;
    let here = format!("/console/datasets/{slug}");
    let page = Confirm {
        w,
        csrf,
        title: w.t("确认撤回数据集？", "Withdraw the dataset?"),
        lead: w.t(
            "撤回后立即生效：该数据集从清单、检索、各类目录和订阅中移除，现有数据版本不再提供，全部授权随即撤销。撤回的数据版本不能恢复；重新开放须由他人决定并发布新的数据。",
            "It takes effect at once: the dataset leaves the list, the search, every catalogue and feed, its data is read no more, and every grant over it is revoked. The versions that it has do not come back; somebody else may reopen it, for new data.",
        ),
        facts: vec![
            (w.t("数据集", "Dataset"), w.text(&dataset.entry.title).to_owned()),
            (w.t("原因类别", "Ground"), w.ground(&ground).to_owned()),
            (w.t("将撤销的授权", "Grants to be revoked"), grants.to_string()),
        ],
        action: format!("{here}/steps/withdrawal"),
        confirmed: slug,
        also: vec![("ground", ground.as_str().to_owned())],
        reason: Some((w.t("撤回理由（公开）", "Why it is withdrawn; everybody reads it"), reason)),
        button: w.t("撤回数据集", "Withdraw the dataset"),
        back: here,
    };
    private_page(w, StatusCode::OK, &page)
}

/// The step that a form means, and why.
fn step_of(filled: &Filled, step: &str) -> Result<(Turn, String)> {
    let named = filled.text("ground");
    let ground = Ground::ALL.into_iter().find(|ground| ground.as_str() == named);
    let ground = || ground.ok_or_else(|| Error::invalid("/ground", "choose one of the grounds"));
    let turn = match step {
        "suspension" => Turn::Suspend(ground()?),
        "restoration" => Turn::Restore,
        "withdrawal" => Turn::Withdraw(ground()?),
        "reopening" => Turn::Reopen,
        other => return Err(Error::not_found("page or operation at", format!("/console/datasets/…/{other}"))),
    };
    Ok((turn, check_text("/reason", &filled.text("reason"), 3, 2000)?))
}

#[post("/console/datasets/{slug}/steps/{step}")]
pub async fn take_step(sent: Sent, path: web::Path<(String, String)>) -> Result<HttpResponse> {
    let (slug, step) = path.into_inner();
    let taken = match step_of(&sent.filled, &step) {
        // What cannot be undone is asked twice.
        Ok((Turn::Withdraw(ground), reason)) if !sent.filled.has("confirmed", &slug) => {
            return ask_again(sent.visit, slug, ground, reason).await;
        }
        Ok((turn, reason)) => {
            let (caller, name) = (sent.visit.caller.clone(), slug.clone());
            sent.visit.app.db.write(move |conn| feedback::turn_dataset(conn, &caller, &name, turn, &reason)).await
        }
        Err(error) => Err(error),
    };
    let (here, done) = (format!("/console/datasets/{slug}"), format!("dataset-{step}"));
    sent.answer(taken, (&here, &done), &step, async |visit, told| show(visit, slug, told).await).await
}
