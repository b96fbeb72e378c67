//! What somebody does who has the receipt.

use chrono::NaiveDateTime;
use diesel::prelude::*;
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use super::steps::is_suspended_by;
use super::{FeedbackKind, FeedbackState, Row, Rules, Shown, votes};
use crate::catalog::{self, State};
use crate::clock::now_naive;
use crate::crypto::sha256_hex;
use crate::db::schema::{datasets, feedback as rows};
use crate::db::{Conn, lock_ledger};
use crate::error::{Error, Result};
use crate::ledger::{self, Kind};

/// What somebody filed, as they see it.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Followed {
    /// Never changes.
    pub id: String,
    /// What it is.
    pub kind: FeedbackKind,
    /// Where it stands.
    pub state: FeedbackState,
    /// Whether everybody sees what was written.
    pub shown: Shown,
    /// The dataset that it is about, by slug.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dataset: Option<String>,
    /// Whether that dataset is given out now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dataset_state: Option<State>,
    /// The field that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// Its title.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// What was written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// What the publisher asks, while it waits for a reply.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub question: Option<String>,
    /// The publisher's answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answer: Option<String>,
    /// Of a request that is done, the dataset in which the data is, by slug.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub found_in: Option<String>,
    /// When it was filed.
    #[schema(value_type = String, format = DateTime)]
    #[serde(serialize_with = "crate::clock::serialize")]
    pub filed_at: NaiveDateTime,
    /// Until when the publisher answers.
    #[schema(value_type = Option<String>, format = DateTime)]
    #[serde(serialize_with = "crate::clock::serialize_option")]
    pub due_at: Option<NaiveDateTime>,
    /// What happened, in order.
    pub history: Vec<FeedbackEvent>,
}

/// Something that happened to it.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct FeedbackEvent {
    /// The kind of the ledger's entry, such as `feedback.asked`.
    pub kind: String,
    /// When, in UTC.
    #[schema(format = DateTime)]
    pub at: String,
    /// What was said at it, but what was filed itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub words: Option<String>,
}

/// What happened to something, in order.
pub(super) fn history(conn: &mut Conn, row: &Row) -> Result<Vec<FeedbackEvent>> {
    let found = ledger::history(conn, &row.subject())?;
    let event = |(entry, words): (ledger::LedgerEntry, Option<String>)| {
        let words = words.filter(|_| entry.kind != Kind::FeedbackFiled.as_str());
        FeedbackEvent { kind: entry.kind, at: entry.moment, words }
    };
    Ok(found.into_iter().map(event).collect())
}

fn by_receipt(conn: &mut Conn, receipt: &str) -> Result<Row> {
    let of = rows::table.filter(rows::receipt_sha256.eq(sha256_hex(receipt.trim().as_bytes())));
    let row: Option<Row> = of.select(Row::as_select()).first(conn).optional()?;
    // What was sent is a secret, or nearly one, and is not repeated.
    row.ok_or_else(|| Error::invalid("/receipt", "no feedback has this receipt; it begins with qdf_ and was told once, when it was filed"))
}

/// What somebody filed.
///
/// # Errors
/// When nothing has this receipt.
pub fn follow(conn: &mut Conn, receipt: &str) -> Result<Followed> {
    let row = by_receipt(conn, receipt)?;
    let dataset = match &row.dataset_id {
        Some(id) => {
            let slug: String = datasets::table.find(id).select(datasets::slug).first(conn)?;
            Some(catalog::find_any(conn, &slug)?)
        }
        None => None,
    };
    let (dataset, dataset_state) = dataset.map(|dataset| (dataset.slug, dataset.state)).unzip();
    let asked = row.state == FeedbackState::Asked.as_str();
    Ok(Followed {
        history: history(conn, &row)?,
        kind: row.kind()?,
        state: row.state()?,
        shown: Shown::parse(&row.shown)?,
        dataset,
        dataset_state,
        id: row.id,
        field: row.field,
        title: row.title,
        text: row.words,
        question: row.question.filter(|_| asked),
        answer: row.answer,
        found_in: row.found_in,
        filed_at: row.filed_at,
        due_at: row.due_at,
    })
}

/// Replies to the publisher's question.
///
/// # Errors
/// When nothing has this receipt, or nothing was asked.
pub fn reply(conn: &mut Conn, rules: &Rules, actor: &str, receipt: &str, text: &str) -> Result<Followed> {
    lock_ledger(conn)?;
    let row = by_receipt(conn, receipt)?;
    if row.state != FeedbackState::Asked.as_str() {
        return Err(Error::Conflict("no question waits for a reply".to_owned()));
    }
    let due = rules.due(row.kind()?, now_naive());
    let open = (rows::state.eq(FeedbackState::Open.as_str()), rows::due_at.eq(due));
    diesel::update(rows::table.find(&row.id)).set(open).execute(conn)?;
    ledger::append_with_reason(conn, Kind::FeedbackReplied, actor, &row.subject(), json!({ "kind": row.kind }), text)?;
    follow(conn, receipt)
}

/// Takes back what was filed, but a claim for which a dataset is suspended: that is decided.
///
/// # Errors
/// When nothing has this receipt, or it is decided.
pub fn take_back(conn: &mut Conn, actor: &str, receipt: &str) -> Result<Followed> {
    lock_ledger(conn)?;
    let row = by_receipt(conn, receipt)?;
    let (kind, state) = (row.kind()?, row.state()?);
    let stands = state == FeedbackState::Done && !kind.is_answered();
    if !state.is_under_way() && !stands {
        return Err(Error::Conflict(format!("it is {} already", state.as_str())));
    }
    if is_suspended_by(conn, &row)? {
        return Err(Error::Conflict("the dataset is suspended for this claim, which is decided now; say so when you are asked".to_owned()));
    }
    let gone = (
        rows::state.eq(FeedbackState::Withdrawn.as_str()),
        rows::due_at.eq(None::<NaiveDateTime>),
        rows::voter.eq(None::<String>),
        rows::closed_at.eq(now_naive()),
    );
    diesel::update(rows::table.find(&row.id)).set(gone).execute(conn)?;
    votes::forget(conn, &row.id)?;
    ledger::append(conn, Kind::FeedbackWithdrawn, actor, &row.subject(), &json!({ "kind": row.kind }))?;
    follow(conn, receipt)
}
