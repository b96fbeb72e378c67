//! What the public says of the list, and what becomes of it: corrections (异议), rights claims (权益主张), requests for data that is not open
//! (数据需求), ratings (评价), and what was made with data (应用成果).
//!
//! Anybody files without an account, and nothing is asked of who they are: a **receipt**, a random code that is shown once, is what they follow
//! and answer with. What they write is shown to everybody only after a reviewer or an operator has looked at it; that there is an objection shows
//! at once, since it is a fact without words.

mod bulk;
mod clock;
mod desk;
mod file;
mod filer;
mod public;
mod steps;
mod votes;

use chrono::{Duration, NaiveDateTime};
use diesel::prelude::*;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::access::calendar::Calendar;
use crate::clock::now_naive;
use crate::db::Conn;
use crate::db::schema::{datasets, feedback as rows};
use crate::error::{Error, Result};

pub use bulk::{BulkOutcome, BulkStep, PassedOver, take_with_all};
pub use clock::{any_over, forget_old, note_overdue};
pub use desk::{DeskFilter, DeskSort, FeedbackCase, find_for, list_for, waiting};
pub use file::{Filed, New, file};
pub use filer::{FeedbackEvent, Followed, follow, reply, take_back};
pub use public::{
    Objections, PublicFeedback, Ratings, RequestSort, Wanted, corrections_of, list_requests, list_reuses, objections, objections_to,
    ratings, ratings_of, request, reuses_of,
};
pub use steps::{Answer, Outcome, answer, ask, assign, dismiss, moderate, suspend, turn_dataset};
pub use votes::{Voter, take_vote_back, vote};

/// Working days for the reply to a question.
const REPLY_DAYS: u32 = 10;

/// What is filed. 类别
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum FeedbackKind {
    /// 异议: data or its entry is wrong, or something is missing.
    Correction,
    /// 权益主张: data infringes a trade secret, privacy or another right.
    RightsClaim,
    /// 数据需求: data that is not open is wanted.
    DataRequest,
    /// 评价: how good a dataset is.
    Rating,
    /// 应用成果: something was made with data.
    Reuse,
}

impl FeedbackKind {
    /// Every kind.
    pub const ALL: [FeedbackKind; 5] =
        [FeedbackKind::Correction, FeedbackKind::RightsClaim, FeedbackKind::DataRequest, FeedbackKind::Rating, FeedbackKind::Reuse];

    /// The kind as it is written everywhere.
    pub fn as_str(self) -> &'static str {
        match self {
            FeedbackKind::Correction => "correction",
            FeedbackKind::RightsClaim => "rights_claim",
            FeedbackKind::DataRequest => "data_request",
            FeedbackKind::Rating => "rating",
            FeedbackKind::Reuse => "reuse",
        }
    }

    fn parse(text: &str) -> Result<Self> {
        let found = Self::ALL.into_iter().find(|kind| kind.as_str() == text);
        found.ok_or_else(|| Error::internal(anyhow::anyhow!("feedback of the unknown kind `{text}`")))
    }

    /// Whether the publisher answers it within a term.
    pub fn is_answered(self) -> bool {
        match self {
            FeedbackKind::Correction | FeedbackKind::RightsClaim | FeedbackKind::DataRequest => true,
            FeedbackKind::Rating | FeedbackKind::Reuse => false,
        }
    }
}

/// Where it stands. 办理状态
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum FeedbackState {
    /// 待办理: it waits for the publisher, or what was made with data for a moderator.
    Open,
    /// 待补充: it waits for who filed it.
    Asked,
    /// 已采纳: it is right, and what follows from it is still to be done.
    Accepted,
    /// 已办结: what follows from it is done.
    Done,
    /// 不予采纳: it was turned down, with reasons.
    Rejected,
    /// 已撤回: who filed it took it back, or rated anew.
    Withdrawn,
    /// 不予受理: it was none, such as advertising or abuse.
    Dismissed,
}

impl FeedbackState {
    /// Every state.
    pub const ALL: [FeedbackState; 7] = [
        FeedbackState::Open,
        FeedbackState::Asked,
        FeedbackState::Accepted,
        FeedbackState::Done,
        FeedbackState::Rejected,
        FeedbackState::Withdrawn,
        FeedbackState::Dismissed,
    ];

    /// Those in which something is still to be done.
    const UNDER_WAY: [&str; 3] = ["open", "asked", "accepted"];

    /// The state as it is written everywhere.
    pub fn as_str(self) -> &'static str {
        match self {
            FeedbackState::Open => "open",
            FeedbackState::Asked => "asked",
            FeedbackState::Accepted => "accepted",
            FeedbackState::Done => "done",
            FeedbackState::Rejected => "rejected",
            FeedbackState::Withdrawn => "withdrawn",
            FeedbackState::Dismissed => "dismissed",
        }
    }

    fn parse(text: &str) -> Result<Self> {
        let found = Self::ALL.into_iter().find(|state| state.as_str() == text);
        found.ok_or_else(|| Error::internal(anyhow::anyhow!("feedback in the unknown state `{text}`")))
    }

    /// Whether something is still to be done.
    pub fn is_under_way(self) -> bool {
        Self::UNDER_WAY.contains(&self.as_str())
    }
}

/// Whether everybody sees what was written. 公开情况
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Shown {
    /// 待审核: nobody has looked at it yet.
    Waiting,
    /// 已公开: everybody sees it.
    Shown,
    /// 不公开: it was looked at and is not shown.
    Hidden,
    /// 不公开: nobody but those who deal with it ever sees it, as the words of a rights claim.
    Private,
}

impl Shown {
    /// As it is written everywhere.
    pub fn as_str(self) -> &'static str {
        match self {
            Shown::Waiting => "waiting",
            Shown::Shown => "shown",
            Shown::Hidden => "hidden",
            Shown::Private => "private",
        }
    }

    fn parse(text: &str) -> Result<Self> {
        let found = [Shown::Waiting, Shown::Shown, Shown::Hidden, Shown::Private].into_iter().find(|shown| shown.as_str() == text);
        found.ok_or_else(|| Error::internal(anyhow::anyhow!("feedback that is `{text}`")))
    }
}

/// Which right a claim is about. 权益类别
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Right {
    /// 商业秘密.
    TradeSecret,
    /// 个人隐私、个人信息.
    Privacy,
    /// 知识产权.
    IntellectualProperty,
    /// 其他合法权益.
    Other,
}

impl Right {
    /// Every right.
    pub const ALL: [Right; 4] = [Right::TradeSecret, Right::Privacy, Right::IntellectualProperty, Right::Other];

    /// As it is written everywhere.
    pub fn as_str(self) -> &'static str {
        match self {
            Right::TradeSecret => "trade_secret",
            Right::Privacy => "privacy",
            Right::IntellectualProperty => "intellectual_property",
            Right::Other => "other",
        }
    }
}

/// What was made with data. 成果类型
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReuseKind {
    /// 应用或服务.
    Application,
    /// 模型或算法.
    Model,
    /// 可视化.
    Visualisation,
    /// 研究报告或论文.
    Research,
    /// 新闻报道.
    Article,
    /// 其他.
    Other,
}

impl ReuseKind {
    /// Every kind.
    pub const ALL: [ReuseKind; 6] =
        [ReuseKind::Application, ReuseKind::Model, ReuseKind::Visualisation, ReuseKind::Research, ReuseKind::Article, ReuseKind::Other];

    /// As it is written everywhere.
    pub fn as_str(self) -> &'static str {
        match self {
            ReuseKind::Application => "application",
            ReuseKind::Model => "model",
            ReuseKind::Visualisation => "visualisation",
            ReuseKind::Research => "research",
            ReuseKind::Article => "article",
            ReuseKind::Other => "other",
        }
    }
}

/// By what terms the public is answered.
pub struct Rules {
    /// Which days are worked.
    pub calendar: Calendar,
    /// Working days for the answer to a correction.
    pub correction_days: u32,
    /// Working days for the decision on a rights claim.
    pub claim_days: u32,
    /// Working days for the answer to a request for data.
    pub request_days: u32,
    /// Days after which what was not shown, and is done with, is forgotten.
    pub retention_days: u32,
}

impl Rules {
    /// Until when a question that is put now is to be replied to; then it is the publisher's turn again.
    fn reply_due(&self, from: NaiveDateTime) -> NaiveDateTime {
        self.calendar.due(from, REPLY_DAYS)
    }

    /// What was done with before is forgotten.
    fn kept_since(&self) -> NaiveDateTime {
        now_naive() - Duration::days(i64::from(self.retention_days))
    }

    /// Until when something of this kind is to be answered that comes or comes back now.
    fn due(&self, kind: FeedbackKind, from: NaiveDateTime) -> Option<NaiveDateTime> {
        let days = match kind {
            FeedbackKind::Correction => self.correction_days,
            FeedbackKind::RightsClaim => self.claim_days,
            FeedbackKind::DataRequest => self.request_days,
            FeedbackKind::Rating | FeedbackKind::Reuse => return None,
        };
        Some(self.calendar.due(from, days))
    }
}

#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = rows)]
struct Row {
    id: String,
    kind: String,
    state: String,
    shown: String,
    dataset_id: Option<String>,
    publisher: Option<String>,
    field: Option<String>,
    topic: Option<String>,
    title: Option<String>,
    words: Option<String>,
    link: Option<String>,
    maker: Option<String>,
    stars: Option<i32>,
    votes: i32,
    question: Option<String>,
    answer: Option<String>,
    answered_at: Option<NaiveDateTime>,
    found_in: Option<String>,
    filed_by: String,
    receipt_sha256: String,
    voter: Option<String>,
    filed_at: NaiveDateTime,
    due_at: Option<NaiveDateTime>,
    overdue_at: Option<NaiveDateTime>,
    suspended_seq: Option<i64>,
    closed_at: Option<NaiveDateTime>,
}

impl Row {
    fn kind(&self) -> Result<FeedbackKind> {
        FeedbackKind::parse(&self.kind)
    }

    fn state(&self) -> Result<FeedbackState> {
        FeedbackState::parse(&self.state)
    }

    /// What the ledger calls it.
    fn subject(&self) -> String {
        format!("feedback:{}", self.id)
    }

    /// Whether the publisher has let the time go by.
    fn is_overdue(&self, now: NaiveDateTime) -> bool {
        let late = self.state != FeedbackState::Asked.as_str() && self.due_at.is_some_and(|due| due <= now);
        self.closed_at.is_none() && (late || self.overdue_at.is_some())
    }
}

fn find(conn: &mut Conn, id: &str) -> Result<Row> {
    let row: Option<Row> = rows::table.find(id).select(Row::as_select()).first(conn).optional()?;
    row.ok_or_else(|| Error::not_found("feedback", id))
}

/// The slugs of datasets, by id.
fn slugs(conn: &mut Conn, ids: &[String]) -> Result<std::collections::HashMap<String, String>> {
    let found: Vec<(String, String)> =
        datasets::table.filter(datasets::id.eq_any(ids)).select((datasets::id, datasets::slug)).load(conn)?;
    Ok(found.into_iter().collect())
}
