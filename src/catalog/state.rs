//! Whether the list gives a dataset out, and the steps between: published → suspended → restored or withdrawn → reopened.

use chrono::NaiveDateTime;
use diesel::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::history::{ChangeCode, Edition, Happened, ListChange, last_of, write_down};
use super::store::{Dataset, find_any};
use super::versions::withdraw_versions;
use crate::clock::{now_naive, shanghai};
use crate::db::schema::datasets;
use crate::db::{Conn, lock_ledger};
use crate::error::{Error, Result};
use crate::ledger::{Kind, actor_of};

/// Whether the list gives a dataset out. 开放状态
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// 已发布: as far as its open type says.
    Published,
    /// 暂停开放: it is listed, and nothing of it is given out.
    Suspended,
    /// 已撤回: it is not in the list any more.
    Withdrawn,
}

impl State {
    /// The state as it is written everywhere.
    pub fn as_str(self) -> &'static str {
        match self {
            State::Published => "published",
            State::Suspended => "suspended",
            State::Withdrawn => "withdrawn",
        }
    }

    pub(super) fn parse(text: &str) -> Result<Self> {
        let found = [State::Published, State::Suspended, State::Withdrawn].into_iter().find(|state| state.as_str() == text);
        found.ok_or_else(|| Error::internal(anyhow::anyhow!("a dataset of the unknown state `{text}`")))
    }
}

/// Why a dataset is suspended or withdrawn. 原因类别
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Ground {
    /// 权益主张: somebody says that it infringes a trade secret, privacy or another right.
    RightsClaim,
    /// 个人信息: it holds personal data that it should not hold.
    PersonalData,
    /// 数据错误: what it says is wrong.
    DataError,
    /// 法规调整: rules do not allow it any more.
    LawChanged,
    /// 已被替代: another dataset takes its place.
    Superseded,
    /// 停止采集: the data is not collected any more.
    Discontinued,
    /// 其他: what the reason says.
    Other,
}

impl Ground {
    /// Every ground.
    pub const ALL: [Ground; 7] = [
        Ground::RightsClaim,
        Ground::PersonalData,
        Ground::DataError,
        Ground::LawChanged,
        Ground::Superseded,
        Ground::Discontinued,
        Ground::Other,
    ];

    /// The ground as it is written everywhere.
    pub fn as_str(self) -> &'static str {
        match self {
            Ground::RightsClaim => "rights_claim",
            Ground::PersonalData => "personal_data",
            Ground::DataError => "data_error",
            Ground::LawChanged => "law_changed",
            Ground::Superseded => "superseded",
            Ground::Discontinued => "discontinued",
            Ground::Other => "other",
        }
    }

    pub(super) fn parse(text: &str) -> Result<Self> {
        let found = Self::ALL.into_iter().find(|ground| ground.as_str() == text);
        found.ok_or_else(|| Error::internal(anyhow::anyhow!("a change of the list on the unknown ground `{text}`")))
    }
}

impl Dataset {
    /// Checks that the list gives it out.
    ///
    /// # Errors
    /// When it is suspended or withdrawn.
    pub fn require_published(&self) -> Result<()> {
        let slug = &self.slug;
        match self.state {
            State::Published => Ok(()),
            State::Suspended => Err(Error::Suspended(format!(
                "`{slug}` is suspended, and nothing of it is given out; GET /api/v1/datasets/{slug} says why"
            ))),
            State::Withdrawn => Err(withdrawn(slug, None)),
        }
    }
}

/// What is said of a dataset that is in the list no longer.
pub(super) fn withdrawn(slug: &str, last: Option<&ListChange>) -> Error {
    let when = last.map(|change| format!(" on {} ({})", day(change.effective_at), change.ground.map_or("other", Ground::as_str)));
    let when = when.unwrap_or_default();
    Error::Withdrawn(format!("`{slug}` was withdrawn from the open list{when}; GET /api/v1/datasets/{slug}/history says why"))
}

fn day(at: NaiveDateTime) -> chrono::NaiveDate {
    shanghai(at).date()
}

/// The change that suspended a dataset or took it from the list; `None` of one that is published.
///
/// # Errors
/// When the database does not answer.
pub fn standing(conn: &mut Conn, dataset: &Dataset) -> Result<Option<ListChange>> {
    match dataset.state {
        State::Published => Ok(None),
        State::Suspended => last_of(conn, &dataset.id, ChangeCode::Suspended),
        State::Withdrawn => last_of(conn, &dataset.id, ChangeCode::Withdrawn),
    }
}

/// A step from one state to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// From published to suspended.
    Suspend(Ground),
    /// From suspended to published; by somebody else than who suspended it.
    Restore,
    /// From published or suspended to withdrawn.
    Withdraw(Ground),
    /// From withdrawn to published, without the data that it had; by somebody else than who withdrew it.
    Reopen,
}

impl Turn {
    fn to(self) -> (State, Kind, ChangeCode, Option<Ground>) {
        match self {
            Turn::Suspend(ground) => (State::Suspended, Kind::DatasetSuspended, ChangeCode::Suspended, Some(ground)),
            Turn::Restore => (State::Published, Kind::DatasetRestored, ChangeCode::Restored, None),
            Turn::Withdraw(ground) => (State::Withdrawn, Kind::DatasetWithdrawn, ChangeCode::Withdrawn, Some(ground)),
            Turn::Reopen => (State::Published, Kind::DatasetReopened, ChangeCode::Reopened, None),
        }
    }

    fn starts_from(self, state: State) -> bool {
        match self {
            Turn::Suspend(_) => state == State::Published,
            Turn::Restore => state == State::Suspended,
            Turn::Withdraw(_) => state != State::Withdrawn,
            Turn::Reopen => state == State::Withdrawn,
        }
    }

    fn needs_another_person(self) -> bool {
        matches!(self, Turn::Restore | Turn::Reopen)
    }
}

/// Takes a step. `edition` says who does it and why.
///
/// # Errors
/// When the dataset is not in the state that the step starts from, or the same person took the step before it.
pub fn turn(conn: &mut Conn, edition: &mut Edition, slug: &str, step: Turn) -> Result<Dataset> {
    lock_ledger(conn)?;
    let dataset = find_any(conn, slug)?;
    if !step.starts_from(dataset.state) {
        return Err(Error::Conflict(format!("`{slug}` is {} already", dataset.state.as_str())));
    }
    if step.needs_another_person()
        && let Some(change) = standing(conn, &dataset)?
        && actor_of(conn, change.entry_seq)?.as_deref() == Some(edition.actor())
    {
        return Err(Error::Forbidden(format!(
            "you {} `{slug}` yourself; somebody else gives it out again",
            if dataset.state == State::Suspended { "suspended" } else { "withdrew" }
        )));
    }
    let sha256: String = datasets::table.find(&dataset.id).select(datasets::entry_sha256).first(conn)?;
    let (state, kind, code, ground) = step.to();
    diesel::update(datasets::table.find(&dataset.id))
        .set((datasets::state.eq(state.as_str()), datasets::updated_at.eq(now_naive())))
        .execute(conn)?;
    let versions = if state == State::Withdrawn { withdraw_versions(conn, &dataset.id)? } else { 0 };
    let detail = match step {
        Turn::Withdraw(_) => json!({ "versions_withdrawn": versions }),
        Turn::Restore => json!({ "version": dataset.version }),
        Turn::Suspend(_) | Turn::Reopen => json!({}),
    };
    let (before, after) = (dataset.state != State::Withdrawn, state != State::Withdrawn);
    let happened = Happened {
        kind,
        code,
        ground,
        dataset_id: &dataset.id,
        slug,
        before: before.then_some(sha256.as_str()),
        after: after.then_some(sha256.as_str()),
        detail,
    };
    write_down(conn, edition, happened)?;
    find_any(conn, slug)
}
