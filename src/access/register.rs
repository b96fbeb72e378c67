//! The register: what everybody may know of every grant that there ever was. 公示
//!
//! It names firms, datasets, fields, purposes and terms. Of people, of contacts and of reasons it says nothing.

mod csv;

use chrono::NaiveDateTime;
use diesel::dsl::min;
use diesel::prelude::*;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Mode;
use crate::catalog::{Policy, Text};
use crate::clock::now_naive;
use crate::db::Conn;
use crate::db::schema::{agreements, applications, datasets, firms as firm_rows, grants, publishers};
use crate::error::{Error, Result};
use crate::identity::firms;
use crate::ledger::{self, Kind, Moment};

pub use csv::{BATCH, RegisterFile, csv};

/// The state of a grant that was neither suspended nor revoked.
const ACTIVE: &str = "active";

/// The kinds of entries that the history of a grant shows.
const SHOWN: [Kind; 10] = [
    Kind::ApplicationSubmitted,
    Kind::ApplicationApproved,
    Kind::AgreementDrawn,
    Kind::AgreementSigned,
    Kind::GrantCreated,
    Kind::GrantSuspended,
    Kind::GrantResumed,
    Kind::GrantRevoked,
    Kind::GrantRenewed,
    Kind::GrantEnded,
];

/// The kinds of entries of a firm that stop its grants, or let them go on.
const SHOWN_OF_FIRM: [Kind; 4] = [Kind::FirmSuspended, Kind::FirmResumed, Kind::FirmRevoked, Kind::FirmReinstated];

/// Whether a grant gives anything now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum GrantState {
    /// It gives what it says.
    InForce,
    /// Its term is over.
    Expired,
    /// It, or its firm, is suspended.
    Suspended,
    /// It, or its firm, was revoked before the end of the term.
    Revoked,
}

impl GrantState {
    /// The state as it is written everywhere.
    pub fn as_str(self) -> &'static str {
        match self {
            GrantState::InForce => "in_force",
            GrantState::Expired => "expired",
            GrantState::Suspended => "suspended",
            GrantState::Revoked => "revoked",
        }
    }
}

/// A firm, as everybody may know it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct RegisterFirm {
    /// Its registered name.
    pub name: String,
    /// Its 统一社会信用代码.
    pub uscc: String,
}

/// A dataset that was given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct RegisterDataset {
    /// Its name in addresses.
    pub slug: String,
    /// Its title.
    pub title: Text,
    /// The publisher's name.
    pub publisher: Text,
}

/// A field that was given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct RegisterField {
    /// The column.
    pub name: String,
    /// Its title; its name where the dataset has it no more.
    pub title: Text,
    /// How it leaves, in words.
    pub leaves: Text,
}

/// The agreement under which it was given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct RegisterAgreement {
    /// Its number.
    pub id: String,
    /// SHA-256 of its text, which the firm signed.
    pub sha256: String,
    /// When the firm signed it.
    #[schema(value_type = Option<String>, format = DateTime)]
    #[serde(serialize_with = "crate::clock::serialize_option")]
    pub signed_at: Option<NaiveDateTime>,
}

/// A grant, as everybody may know it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct RegisterEntry {
    /// The grant's id.
    pub grant: String,
    /// To whom.
    pub firm: RegisterFirm,
    /// Of which dataset.
    pub dataset: RegisterDataset,
    /// Which fields, and how each leaves.
    pub fields: Vec<RegisterField>,
    /// For what purpose, in the firm's words.
    pub purpose: String,
    /// In which ways it is handed over.
    pub modes: Vec<Mode>,
    /// From when.
    #[schema(value_type = String, format = DateTime)]
    #[serde(serialize_with = "crate::clock::serialize")]
    pub starts_at: NaiveDateTime,
    /// Until when, by the agreement.
    #[schema(value_type = String, format = DateTime)]
    #[serde(serialize_with = "crate::clock::serialize")]
    pub expires_at: NaiveDateTime,
    /// Whether it gives anything now.
    pub state: GrantState,
    /// Since when it is in that state.
    #[schema(value_type = String, format = DateTime)]
    #[serde(serialize_with = "crate::clock::serialize")]
    pub state_since: NaiveDateTime,
    /// Under which agreement.
    pub agreement: RegisterAgreement,
}

/// A grant with what became of it.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct RegisterRecord {
    /// The grant.
    #[serde(flatten)]
    pub entry: RegisterEntry,
    /// What became of it, from the application on, oldest first: entries of the ledger.
    pub history: Vec<Moment>,
}

/// Which grants.
#[derive(Debug, Clone, Default)]
pub struct RegisterFilter {
    /// Words of the firm's name, its code, the dataset's slug or titles, or the purpose.
    pub q: Option<String>,
    /// Of this dataset, by slug.
    pub dataset: Option<String>,
    /// Of this firm, by 统一社会信用代码.
    pub firm: Option<String>,
    /// Only those that are in force, or only those that are not.
    pub in_force: Option<bool>,
}

/// A page of the register.
pub struct RegisterPage {
    /// The grants, the newest first.
    pub entries: Vec<RegisterEntry>,
    /// How many there are in all.
    pub total: i64,
    /// Whether more follow.
    pub more: bool,
    /// Whether it is one of the pages that there are a limited number of: nothing was searched for, and what was named is there.
    pub usual: bool,
    /// When the next term ends: until then the page holds, unless something is written.
    pub until: Option<NaiveDateTime>,
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = grants)]
struct GrantPart {
    id: String,
    agreement_id: String,
    policy_json: String,
    modes_json: String,
    status: String,
    starts_at: NaiveDateTime,
    expires_at: NaiveDateTime,
    revoked_at: Option<NaiveDateTime>,
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = firm_rows)]
struct FirmPart {
    name: String,
    uscc: String,
    status: String,
    decided_at: Option<NaiveDateTime>,
}

type DatasetPart = (String, String, String, String);
type AgreementPart = (String, Option<NaiveDateTime>, String);
type Row = (GrantPart, FirmPart, DatasetPart, AgreementPart);

/// What the register needs of a dataset's entry.
#[derive(Deserialize)]
struct Titles {
    title: Text,
    #[serde(default)]
    fields: Vec<FieldTitle>,
}

#[derive(Deserialize)]
struct FieldTitle {
    name: String,
    title: Text,
}

diesel::define_sql_function! {
    /// The text in lower case.
    fn lower(text: diesel::sql_types::Text) -> diesel::sql_types::Text;
}

/// The state of a grant at a moment, and since when, but for the moment at which the grant itself was suspended, which the ledger knows.
fn state_of(grant: &GrantPart, firm: &FirmPart, now: NaiveDateTime) -> (GrantState, NaiveDateTime) {
    let firm_revoked = if firm.status == firms::REVOKED { firm.decided_at } else { None };
    let revoked = [grant.revoked_at, firm_revoked].into_iter().flatten().min();
    // Of two ends the first one counts.
    if let Some(at) = revoked.filter(|at| *at < grant.expires_at) {
        return (GrantState::Revoked, at);
    }
    if grant.expires_at <= now {
        return (GrantState::Expired, grant.expires_at);
    }
    if grant.status != ACTIVE {
        return (GrantState::Suspended, grant.starts_at);
    }
    if firm.status != firms::APPROVED {
        return (GrantState::Suspended, firm.decided_at.unwrap_or(grant.starts_at));
    }
    (GrantState::InForce, grant.starts_at)
}

fn view(row: Row, now: NaiveDateTime) -> Result<RegisterEntry> {
    let (grant, firm, (slug, entry_json, publisher_zh, publisher_en), (sha256, signed_at, purpose)) = row;
    let (state, state_since) = state_of(&grant, &firm, now);
    let titles: Titles = serde_json::from_str(&entry_json)?;
    let policy: Policy = serde_json::from_str(&grant.policy_json)?;
    let title_of = |name: &str| {
        let known = titles.fields.iter().find(|field| field.name == name);
        known.map_or_else(|| Text { zh: name.to_owned(), en: name.to_owned() }, |field| field.title.clone())
    };
    let field = |name: String, leaves: Text| RegisterField { title: title_of(&name), name, leaves };
    Ok(RegisterEntry {
        fields: policy.fields.into_iter().map(|leaving| field(leaving.name, leaving.rule.words())).collect(),
        modes: serde_json::from_str(&grant.modes_json)?,
        firm: RegisterFirm { name: firm.name, uscc: firm.uscc },
        dataset: RegisterDataset { slug, title: titles.title, publisher: Text { zh: publisher_zh, en: publisher_en } },
        agreement: RegisterAgreement { id: grant.agreement_id, sha256, signed_at },
        grant: grant.id,
        purpose,
        starts_at: grant.starts_at,
        expires_at: grant.expires_at,
        state,
        state_since,
    })
}

/// Puts the moments of suspensions in, which only the ledger has.
fn date_suspensions(conn: &mut Conn, entries: &mut [RegisterEntry]) -> Result<()> {
    let subject = |entry: &RegisterEntry| format!("grant:{}", entry.grant);
    let suspended = entries.iter().filter(|entry| entry.state == GrantState::Suspended);
    let subjects: Vec<String> = suspended.map(subject).collect();
    let moments = ledger::moments(conn, &subjects, &[Kind::GrantSuspended])?;
    for entry in entries.iter_mut().filter(|entry| entry.state == GrantState::Suspended) {
        let name = subject(entry);
        if let Some(last) = moments.iter().rfind(|moment| moment.subject == name) {
            entry.state_since = entry.state_since.max(last.moment);
        }
    }
    Ok(())
}

type Backend = <Conn as Connection>::Backend;

/// All tables of the register, joined.
macro_rules! joined {
    () => {
        grants::table
            .inner_join(firm_rows::table)
            .inner_join(datasets::table.inner_join(publishers::table))
            .inner_join(agreements::table.inner_join(applications::table))
    };
}

/// The columns that make an entry.
macro_rules! columns {
    () => {
        (
            GrantPart::as_select(),
            FirmPart::as_select(),
            (datasets::slug, datasets::entry_json, publishers::name_zh, publishers::name_en),
            (agreements::sha256, agreements::signed_at, applications::purpose),
        )
    };
}

/// What a text has to be like, in lower case, that has these words in it.
fn pattern(words: &str) -> String {
    let plain = words.to_lowercase().replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
    format!("%{plain}%")
}

/// The datasets of grants that have these words in their titles.
fn titled(conn: &mut Conn, words: &str) -> Result<Vec<String>> {
    let words = words.to_lowercase();
    let given = datasets::table.filter(datasets::id.eq_any(grants::table.select(grants::dataset_id)));
    let rows: Vec<(String, String)> = given.select((datasets::id, datasets::entry_json)).load(conn)?;
    let mut found = Vec::new();
    for (id, entry_json) in rows {
        let Titles { title, .. } = serde_json::from_str(&entry_json)?;
        if title.zh.to_lowercase().contains(&words) || title.en.to_lowercase().contains(&words) {
            found.push(id);
        }
    }
    Ok(found)
}

/// A search that has begun: what all its pages have in common.
struct Search<'f> {
    filter: &'f RegisterFilter,
    /// The datasets that have the words in their titles.
    titled: Vec<String>,
    now: NaiveDateTime,
}

/// What a search finds, before it is said in which order and how much of it.
macro_rules! matching {
    ($search:expr) => {{
        let Search { filter, titled, now } = $search;
        let mut query = joined!().into_boxed::<Backend>();
        if let Some(slug) = &filter.dataset {
            query = query.filter(datasets::slug.eq(slug.clone()));
        }
        if let Some(uscc) = &filter.firm {
            query = query.filter(firm_rows::uscc.eq(uscc.clone()));
        }
        if let Some(words) = filter.q.as_deref().map(pattern) {
            let of_firm =
                lower(firm_rows::name).like(words.clone()).escape('\\').or(lower(firm_rows::uscc).like(words.clone()).escape('\\'));
            let of_data = datasets::slug.like(words.clone()).escape('\\').or(datasets::id.eq_any(titled.clone()));
            query = query.filter(of_firm.or(of_data).or(lower(applications::purpose).like(words).escape('\\')));
        }
        let holds = grants::status.eq(ACTIVE).and(grants::expires_at.gt(*now)).and(firm_rows::status.eq(firms::APPROVED));
        match filter.in_force {
            None => query,
            Some(true) => query.filter(holds),
            Some(false) => query.filter(diesel::dsl::not(holds)),
        }
    }};
}

impl<'f> Search<'f> {
    fn begin(conn: &mut Conn, filter: &'f RegisterFilter) -> Result<Self> {
        let titled = filter.q.as_deref().map(|words| titled(conn, words)).transpose()?.unwrap_or_default();
        Ok(Search { filter, titled, now: now_naive() })
    }

    fn total(&self, conn: &mut Conn) -> Result<i64> {
        Ok(matching!(self).count().get_result(conn)?)
    }

    /// The newest grants behind the one named `after`, and whether more follow.
    fn batch(&self, conn: &mut Conn, after: Option<&str>, limit: i64) -> Result<(Vec<RegisterEntry>, bool)> {
        let mut page = matching!(self);
        if let Some(after) = after {
            page = page.filter(grants::id.lt(after.to_owned()));
        }
        let mut rows: Vec<Row> = page.order(grants::id.desc()).limit(limit + 1).select(columns!()).load(conn)?;
        let more = rows.len() as i64 > limit;
        rows.truncate(limit as usize);
        let mut entries = rows.into_iter().map(|row| view(row, self.now)).collect::<Result<Vec<_>>>()?;
        date_suspensions(conn, &mut entries)?;
        Ok((entries, more))
    }
}

/// The grants that there ever were, the newest first, after the one named `after`.
///
/// # Errors
/// When the database does not answer.
pub fn list(conn: &mut Conn, filter: &RegisterFilter, after: Option<&str>, limit: i64) -> Result<RegisterPage> {
    let search = Search::begin(conn, filter)?;
    let (entries, more) = search.batch(conn, after, limit)?;
    let total = search.total(conn)?;
    let behind = match after {
        None => true,
        Some(after) => grants::table.find(after).count().get_result::<i64>(conn)? > 0,
    };
    let usual = behind && filter.q.is_none() && (total > 0 || (filter.dataset.is_none() && filter.firm.is_none()));
    Ok(RegisterPage { entries, total, more, usual, until: next_end(conn, search.now)? })
}

/// When the next term ends.
fn next_end(conn: &mut Conn, now: NaiveDateTime) -> Result<Option<NaiveDateTime>> {
    Ok(grants::table.filter(grants::expires_at.gt(now)).select(min(grants::expires_at)).first(conn)?)
}

/// One grant with what became of it; and when the next term ends.
///
/// # Errors
/// When there is none.
pub fn find(conn: &mut Conn, id: &str) -> Result<(RegisterRecord, Option<NaiveDateTime>)> {
    let now = now_naive();
    let keys: Option<(String, String)> =
        joined!().filter(grants::id.eq(id)).select((grants::firm_id, grants::application_id)).first(conn).optional()?;
    let (firm, application) = keys.ok_or_else(|| Error::not_found("grant", id))?;
    let row: Row = joined!().filter(grants::id.eq(id)).select(columns!()).first(conn)?;
    let mut entries = [view(row, now)?];
    date_suspensions(conn, &mut entries)?;
    let [entry] = entries;
    let renewals: Vec<String> = applications::table.filter(applications::renews_id.eq(id)).select(applications::id).load(conn)?;
    let signed: Vec<String> = agreements::table.filter(agreements::grant_id.eq(id)).select(agreements::id).load(conn)?;
    let applied = std::iter::once(application).chain(renewals).map(|id| format!("application:{id}"));
    let own: Vec<String> = applied.chain(signed.into_iter().map(|id| format!("agreement:{id}"))).chain([format!("grant:{id}")]).collect();
    let mut history = ledger::moments(conn, &own, &SHOWN)?;
    let of_firm = ledger::moments(conn, &[format!("firm:{firm}")], &SHOWN_OF_FIRM)?;
    history.extend(of_firm.into_iter().filter(|moment| moment.moment >= entry.starts_at));
    history.sort_by_key(|moment| moment.moment);
    Ok((RegisterRecord { entry, history }, next_end(conn, now)?))
}
