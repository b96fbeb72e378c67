//! Sanctions against firms that break their agreements: warning, throttle, suspension, termination, and their publication. 违规处理
//!
//! An operator imposes one with a reason. The firm answers and appeals; somebody else than the operator who imposed it decides the appeal.

mod published;
mod steps;

use chrono::{Duration, NaiveDate, NaiveDateTime, NaiveTime};
use diesel::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use crate::catalog::{self, Text};
use crate::clock::{now_naive, shanghai, utc_of_shanghai};
use crate::db::schema::{datasets, sanctions};
use crate::db::{Conn, lock_ledger};
use crate::error::{Error, Result};
use crate::identity::firms;
use crate::identity::{Caller, Role};
use crate::ledger::{self, Kind};
use crate::settings::DutySettings;

pub use published::{AppealState, PublishedSanction, published};
pub use steps::{answer, appeal, decide_appeal, lift, resume};

/// How long ago the notice of a sanction may have been given, in days.
const OLDEST_NOTICE_DAYS: i64 = 60;

const IN_FORCE: &str = "in_force";

const LIFTED: &str = "lifted";

/// What is done about a firm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SanctionKind {
    /// 警告: the firm is told.
    Warning,
    /// 限流: its requests are held to a part of what firms may ask.
    Throttle,
    /// 暂停: it may not act for a while.
    Suspension,
    /// 终止: its registration and its grants end.
    Termination,
    /// 公示: another sanction is shown to everybody.
    Publication,
}

impl SanctionKind {
    /// Every kind, from the mildest.
    const ALL: [SanctionKind; 5] =
        [SanctionKind::Warning, SanctionKind::Throttle, SanctionKind::Suspension, SanctionKind::Termination, SanctionKind::Publication];

    /// The kind as it is written everywhere.
    pub fn as_str(self) -> &'static str {
        match self {
            SanctionKind::Warning => "warning",
            SanctionKind::Throttle => "throttle",
            SanctionKind::Suspension => "suspension",
            SanctionKind::Termination => "termination",
            SanctionKind::Publication => "publication",
        }
    }

    fn named(name: &str) -> Result<Self> {
        let found = Self::ALL.into_iter().find(|kind| kind.as_str() == name);
        found.ok_or_else(|| Error::internal(anyhow::anyhow!("a sanction of the unknown kind `{name}`")))
    }
}

/// A sanction against a firm, as the firm and the public body see it.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Sanction {
    /// Never changes.
    pub id: String,
    /// The firm.
    pub firm_id: String,
    /// What is done.
    pub kind: SanctionKind,
    /// The dataset that it is about, by slug, where it is about one.
    pub dataset: Option<String>,
    /// Of a publication: the sanction that is shown.
    pub publishes: Option<String>,
    /// Of a publication: the operator's words for everybody.
    pub public_text: Option<Text>,
    /// Why; not for everybody.
    pub reason: String,
    /// `in_force` or `lifted`.
    pub status: String,
    /// The day on which the firm was given notice, in Shanghai.
    pub notice_date: String,
    /// Until when the firm may answer.
    #[schema(value_type = String, format = DateTime)]
    #[serde(serialize_with = "crate::clock::serialize")]
    pub answer_until: NaiveDateTime,
    /// Until when the firm may appeal.
    #[schema(value_type = String, format = DateTime)]
    #[serde(serialize_with = "crate::clock::serialize")]
    pub appeal_until: NaiveDateTime,
    /// When it was imposed.
    #[schema(value_type = String, format = DateTime)]
    #[serde(serialize_with = "crate::clock::serialize")]
    pub imposed_at: NaiveDateTime,
    /// What the firm answered.
    pub answer: Option<String>,
    /// When it answered.
    #[schema(value_type = Option<String>, format = DateTime)]
    #[serde(serialize_with = "crate::clock::serialize_option")]
    pub answered_at: Option<NaiveDateTime>,
    /// The firm's appeal.
    pub appeal: Option<String>,
    /// When it appealed.
    #[schema(value_type = Option<String>, format = DateTime)]
    #[serde(serialize_with = "crate::clock::serialize_option")]
    pub appealed_at: Option<NaiveDateTime>,
    /// Whether the appeal was granted; null before the decision.
    pub appeal_granted: Option<bool>,
    /// Why the appeal was decided so.
    pub appeal_reason: Option<String>,
    /// When it was decided.
    #[schema(value_type = Option<String>, format = DateTime)]
    #[serde(serialize_with = "crate::clock::serialize_option")]
    pub appeal_decided_at: Option<NaiveDateTime>,
    /// When it was lifted.
    #[schema(value_type = Option<String>, format = DateTime)]
    #[serde(serialize_with = "crate::clock::serialize_option")]
    pub lifted_at: Option<NaiveDateTime>,
    /// Why it was lifted, where that was not by the appeal.
    pub lifting_reason: Option<String>,
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = sanctions)]
struct SanctionRow {
    id: String,
    firm_id: String,
    dataset_id: Option<String>,
    kind: String,
    publishes: Option<String>,
    public_zh: Option<String>,
    public_en: Option<String>,
    reason: String,
    status: String,
    notice_date: String,
    answer_until: NaiveDateTime,
    appeal_until: NaiveDateTime,
    imposed_by: String,
    imposed_at: NaiveDateTime,
    answer: Option<String>,
    answered_at: Option<NaiveDateTime>,
    appeal: Option<String>,
    appealed_at: Option<NaiveDateTime>,
    appeal_granted: Option<bool>,
    appeal_reason: Option<String>,
    appeal_decided_by: Option<String>,
    appeal_decided_at: Option<NaiveDateTime>,
    lifted_at: Option<NaiveDateTime>,
    lifting_reason: Option<String>,
    firm_before: Option<String>,
}

fn view((row, dataset): (SanctionRow, Option<String>)) -> Result<Sanction> {
    Ok(Sanction {
        kind: SanctionKind::named(&row.kind)?,
        public_text: row.public_zh.zip(row.public_en).map(|(zh, en)| Text { zh, en }),
        id: row.id,
        firm_id: row.firm_id,
        dataset,
        publishes: row.publishes,
        reason: row.reason,
        status: row.status,
        notice_date: row.notice_date,
        answer_until: row.answer_until,
        appeal_until: row.appeal_until,
        imposed_at: row.imposed_at,
        answer: row.answer,
        answered_at: row.answered_at,
        appeal: row.appeal,
        appealed_at: row.appealed_at,
        appeal_granted: row.appeal_granted,
        appeal_reason: row.appeal_reason,
        appeal_decided_at: row.appeal_decided_at,
        lifted_at: row.lifted_at,
        lifting_reason: row.lifting_reason,
    })
}

/// What an operator imposes.
pub struct NewSanction {
    /// What is done.
    pub kind: SanctionKind,
    /// The dataset that it is about, by slug.
    pub dataset: Option<String>,
    /// Why; not for everybody.
    pub reason: String,
    /// The day on which the firm was given notice, in Shanghai; today without it.
    pub notice_date: Option<NaiveDate>,
    /// Of a publication: the sanction that is to be shown.
    pub publishes: Option<String>,
    /// Of a publication: the words for everybody.
    pub public_text: Option<Text>,
}

/// The end of a day in Shanghai so many days after another.
fn end_of_day(date: NaiveDate, days: u32) -> NaiveDateTime {
    utc_of_shanghai((date + Duration::days(i64::from(days) + 1)).and_time(NaiveTime::MIN))
}

fn notice_date(given: Option<NaiveDate>, today: NaiveDate) -> Result<NaiveDate> {
    let date = given.unwrap_or(today);
    let age = (today - date).num_days();
    if (0..=OLDEST_NOTICE_DAYS).contains(&age) {
        return Ok(date);
    }
    Err(Error::invalid("/notice_date", format!("give a day that is not in the future and at most {OLDEST_NOTICE_DAYS} days ago")))
}

/// Imposes a sanction: it works from the firm's next request on.
///
/// # Errors
/// When the caller is no operator, the firm is in no state for it, or what is said does not belong to its kind.
pub fn impose(conn: &mut Conn, caller: &Caller, firm_id: &str, new: NewSanction, duties: &DutySettings) -> Result<Sanction> {
    let operator = caller.with_role(&[Role::Operator])?;
    // Nobody lifts what is to be shown, or resumes the firm, between this and the end.
    lock_ledger(conn)?;
    let firm = firms::find(conn, firm_id)?;
    if ![firms::APPROVED, firms::SUSPENDED, firms::REVOKED].contains(&firm.status.as_str()) {
        return Err(Error::Conflict(format!("the firm is {}; only a firm that was approved can be sanctioned", firm.status)));
    }
    let today = shanghai(now_naive()).date();
    let date = notice_date(new.notice_date, today)?;
    // The firm learns of the sanction here: a notice of long ago, which is the operator's word, leaves it no less time.
    let heard = date.max(today);
    let subject = subject_of(conn, firm_id, &new)?;
    let id = uuid::Uuid::now_v7().to_string();
    let (public_zh, public_en) = new.public_text.map(|text| (text.zh, text.en)).unzip();
    let row = SanctionRow {
        firm_id: firm_id.to_owned(),
        dataset_id: subject.as_ref().map(|(id, _)| id.clone()),
        kind: new.kind.as_str().to_owned(),
        publishes: new.publishes,
        public_zh,
        public_en,
        reason: new.reason,
        status: IN_FORCE.to_owned(),
        notice_date: date.to_string(),
        answer_until: end_of_day(heard, duties.answer_days),
        appeal_until: end_of_day(heard, duties.appeal_days),
        imposed_by: operator.id.clone(),
        imposed_at: now_naive(),
        answer: None,
        answered_at: None,
        appeal: None,
        appealed_at: None,
        appeal_granted: None,
        appeal_reason: None,
        appeal_decided_by: None,
        appeal_decided_at: None,
        lifted_at: None,
        lifting_reason: None,
        firm_before: steps::before(conn, new.kind, &firm)?,
        id,
    };
    diesel::insert_into(sanctions::table).values(&row).execute(conn)?;
    record(conn, caller, &row, subject.map(|(_, slug)| slug))?;
    steps::take_effect(conn, caller, new.kind, &row)?;
    find(conn, &row.id)
}

/// The entries of a new sanction. The words for everybody have one of their own, so that they can be taken out by themselves.
fn record(conn: &mut Conn, caller: &Caller, row: &SanctionRow, dataset: Option<String>) -> Result<()> {
    let detail = json!({
        "firm": row.firm_id, "kind": row.kind, "dataset": dataset, "notice_date": row.notice_date, "publishes": row.publishes,
    });
    let subject = format!("sanction:{}", row.id);
    ledger::append_with_reason(conn, Kind::SanctionImposed, &caller.actor(), &subject, detail, &row.reason)?;
    if let (Some(zh), Some(en)) = (&row.public_zh, &row.public_en) {
        let detail = json!({ "firm": row.firm_id, "publishes": row.publishes });
        ledger::append_with_reason(conn, Kind::SanctionPublished, &caller.actor(), &subject, detail, &format!("{zh}\n{en}"))?;
    }
    Ok(())
}

/// The dataset that a new sanction is about: its id and its slug. Checks that what is said belongs to its kind.
fn subject_of(conn: &mut Conn, firm_id: &str, new: &NewSanction) -> Result<Option<(String, String)>> {
    if new.kind != SanctionKind::Publication {
        for (pointer, given) in [("/publishes", new.publishes.is_some()), ("/public_text", new.public_text.is_some())] {
            if given {
                return Err(Error::invalid(pointer, "this belongs to a publication; leave it out"));
            }
        }
        let Some(slug) = &new.dataset else { return Ok(None) };
        return match catalog::find_any(conn, slug) {
            Ok(dataset) => Ok(Some((dataset.id, dataset.slug))),
            Err(Error::NotFound { .. }) => Err(Error::invalid("/dataset", format!("there is no dataset `{slug}`"))),
            Err(other) => Err(other),
        };
    }
    if new.dataset.is_some() {
        return Err(Error::invalid("/dataset", "a publication is about the dataset of the sanction that it shows; leave it out"));
    }
    if new.public_text.is_none() {
        return Err(Error::invalid("/public_text", "say in both languages what everybody is to read"));
    }
    let id = new.publishes.as_deref().ok_or_else(|| Error::invalid("/publishes", "name the sanction that is to be shown"))?;
    let none = || Error::invalid("/publishes", "this is no sanction of the firm that is in force and can be shown");
    let row: Option<SanctionRow> = sanctions::table.find(id).select(SanctionRow::as_select()).first(conn).optional()?;
    let shown = row.filter(|row| row.firm_id == firm_id && row.status == IN_FORCE && row.publishes.is_none()).ok_or_else(none)?;
    let again = sanctions::table.filter(sanctions::publishes.eq(id)).filter(sanctions::status.eq(IN_FORCE));
    if again.count().get_result::<i64>(conn)? > 0 {
        return Err(Error::Conflict("this sanction is shown already".to_owned()));
    }
    let Some(dataset_id) = shown.dataset_id else { return Ok(None) };
    let slug: String = datasets::table.find(&dataset_id).select(datasets::slug).first(conn)?;
    Ok(Some((dataset_id, slug)))
}

/// One sanction.
fn find(conn: &mut Conn, id: &str) -> Result<Sanction> {
    let row: Option<(SanctionRow, Option<String>)> = sanctions::table
        .left_join(datasets::table)
        .filter(sanctions::id.eq(id))
        .select((SanctionRow::as_select(), datasets::slug.nullable()))
        .first(conn)
        .optional()?;
    view(row.ok_or_else(|| Error::not_found("sanction", id))?)
}

/// The sanction, when the caller may see it: its firm, and those who decide or audit.
///
/// # Errors
/// When there is none, or it is another firm's.
pub fn find_for(conn: &mut Conn, caller: &Caller, id: &str) -> Result<Sanction> {
    let only_firm = super::firm_scope(caller)?;
    let sanction = find(conn, id)?;
    match only_firm {
        Some(firm) if firm != sanction.firm_id => Err(Error::not_found("sanction", id)),
        Some(_) | None => Ok(sanction),
    }
}

/// The sanctions that the caller may see, of one firm where one is named, oldest first, after the one named `after`; and how many there
/// are in all.
///
/// # Errors
/// When the caller may see none.
pub fn list_for(conn: &mut Conn, caller: &Caller, firm: Option<String>, after: Option<&str>, limit: i64) -> Result<(Vec<Sanction>, i64)> {
    let firm = super::firm_scope(caller)?.or(firm);
    let matching = || {
        let mut query = sanctions::table.left_join(datasets::table).into_boxed::<<Conn as Connection>::Backend>();
        if let Some(firm) = &firm {
            query = query.filter(sanctions::firm_id.eq(firm.clone()));
        }
        query
    };
    let total = matching().count().get_result(conn)?;
    let mut page = matching();
    if let Some(after) = after {
        page = page.filter(sanctions::id.gt(after.to_owned()));
    }
    let columns = (SanctionRow::as_select(), datasets::slug.nullable());
    let rows: Vec<(SanctionRow, Option<String>)> = page.order(sanctions::id).limit(limit).select(columns).load(conn)?;
    Ok((rows.into_iter().map(view).collect::<Result<_>>()?, total))
}
