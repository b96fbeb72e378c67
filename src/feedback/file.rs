//! What anybody files.

use chrono::NaiveDateTime;
use diesel::prelude::*;
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use super::{FeedbackKind, FeedbackState, ReuseKind, Right, Row, Rules, Shown, Voter};
use crate::catalog::{self, Dataset, OpenType, State};
use crate::clock::{now_naive, shanghai};
use crate::crypto::{random_token, sha256_hex};
use crate::db::schema::{feedback as rows, feedback_datasets, publishers};
use crate::db::{Conn, lock_ledger};
use crate::error::{Error, Fault, Result};
use crate::intake::{Declared, looks_personal};
use crate::ledger::{self, Kind};

/// What a receipt begins with.
const RECEIPT: &str = "qdf_";

/// How many objections to one dataset may wait at a time: more would help nobody.
const MOST_WAITING: i64 = 100;

/// How many links a text may have.
const MOST_LINKS: usize = 3;

/// How many datasets something may be made with.
const MOST_DATASETS: usize = 50;

/// What is filed. Lengths have been checked.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "the names say it")]
pub enum New {
    Correction { dataset: String, field: Option<String>, words: String },
    Claim { dataset: String, right: Right, words: String },
    Request { title: String, words: String, dataset: Option<String>, publisher: Option<String> },
    Rating { dataset: String, stars: i32, words: Option<String> },
    Reuse { title: String, words: String, link: String, maker: String, sort: ReuseKind, datasets: Vec<String> },
}

/// What was filed, for who filed it.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Filed {
    /// Never changes.
    pub id: String,
    /// Whoever has it follows what becomes of it, answers questions and takes it back. It is told only here: keep it.
    pub receipt: String,
    /// Where it stands.
    pub state: FeedbackState,
    /// Until when the publisher answers; none of ratings and of what was made with data.
    #[schema(value_type = Option<String>, format = DateTime)]
    #[serde(serialize_with = "crate::clock::serialize_option")]
    pub due_at: Option<NaiveDateTime>,
}

/// A row with what all kinds have in common.
fn row(kind: FeedbackKind, filed_by: &str, receipt: &str, rules: &Rules) -> Row {
    let now = now_naive();
    Row {
        id: uuid::Uuid::now_v7().to_string(),
        kind: kind.as_str().to_owned(),
        state: FeedbackState::Open.as_str().to_owned(),
        shown: Shown::Waiting.as_str().to_owned(),
        dataset_id: None,
        publisher: None,
        field: None,
        topic: None,
        title: None,
        words: None,
        link: None,
        maker: None,
        stars: None,
        votes: 0,
        question: None,
        answer: None,
        answered_at: None,
        found_in: None,
        filed_by: filed_by.to_owned(),
        receipt_sha256: sha256_hex(receipt.as_bytes()),
        voter: None,
        filed_at: now,
        due_at: rules.due(kind, now),
        overdue_at: None,
        suspended_seq: None,
        closed_at: None,
    }
}

/// Files what somebody says. `actor` stands in the ledger; `voter` tells ratings of one caller.
///
/// # Errors
/// When what it is about is not there, the text holds personal data or advertising, or the same was filed already.
pub fn file(conn: &mut Conn, rules: &Rules, actor: &str, voter: &Voter, new: New) -> Result<Filed> {
    // Of two that are the same the second finds the first.
    lock_ledger(conn)?;
    let receipt = random_token(RECEIPT)?;
    let made = match new {
        New::Correction { dataset, field, words } => {
            let dataset = catalog::find(conn, &dataset)?;
            let row = row(FeedbackKind::Correction, actor, &receipt, rules);
            (correction(conn, row, &dataset, field, words)?, vec![])
        }
        New::Claim { dataset, right, words } => {
            let dataset = catalog::find(conn, &dataset)?;
            let row = Row {
                topic: Some(right.as_str().to_owned()),
                words: Some(words),
                ..row(FeedbackKind::RightsClaim, actor, &receipt, rules)
            };
            (Row { shown: Shown::Private.as_str().to_owned(), ..about(row, &dataset) }, vec![])
        }
        New::Request { title, words, dataset, publisher } => {
            let row = Row { title: Some(title), words: Some(words), ..row(FeedbackKind::DataRequest, actor, &receipt, rules) };
            (request(conn, row, dataset, publisher)?, vec![])
        }
        New::Rating { dataset, stars, words } => {
            let dataset = catalog::find(conn, &dataset)?;
            let row = Row { stars: Some(stars), words, ..row(FeedbackKind::Rating, actor, &receipt, rules) };
            (rating(conn, row, &dataset, voter)?, vec![])
        }
        New::Reuse { title, words, link, maker, sort, datasets } => {
            let (title, words, link, maker) = (Some(title), Some(words), Some(check_link(&link)?), Some(maker));
            let topic = Some(sort.as_str().to_owned());
            let made = Row { title, words, link, maker, topic, ..row(FeedbackKind::Reuse, actor, &receipt, rules) };
            (made, used(conn, &datasets)?)
        }
    };
    let (row, used) = made;
    put(conn, row, &used, receipt)
}

fn put(conn: &mut Conn, row: Row, used: &[Dataset], receipt: String) -> Result<Filed> {
    check_words(&row)?;
    refuse_again(conn, &row)?;
    diesel::insert_into(rows::table).values(&row).execute(conn)?;
    for dataset in used {
        let of = (feedback_datasets::feedback_id.eq(&row.id), feedback_datasets::dataset_id.eq(&dataset.id));
        diesel::insert_into(feedback_datasets::table).values(of).execute(conn)?;
    }
    let slugs = super::slugs(conn, row.dataset_id.as_slice())?;
    let about: Vec<&str> = slugs.values().map(String::as_str).chain(used.iter().map(|dataset| dataset.slug.as_str())).collect();
    let detail = json!({ "kind": row.kind, "datasets": about, "stars": row.stars, "topic": row.topic });
    let said: Vec<&str> = [&row.title, &row.maker, &row.link, &row.words].into_iter().filter_map(|text| text.as_deref()).collect();
    if said.is_empty() {
        ledger::append(conn, Kind::FeedbackFiled, &row.filed_by, &row.subject(), &detail)?;
    } else {
        ledger::append_with_reason(conn, Kind::FeedbackFiled, &row.filed_by, &row.subject(), detail, &said.join("\n"))?;
    }
    Ok(Filed { state: row.state()?, due_at: row.due_at, id: row.id, receipt })
}

/// The same as something about a dataset, for its publisher.
fn about(row: Row, dataset: &Dataset) -> Row {
    Row { dataset_id: Some(dataset.id.clone()), publisher: Some(dataset.entry.publisher.clone()), ..row }
}

fn correction(conn: &mut Conn, row: Row, dataset: &Dataset, field: Option<String>, words: String) -> Result<Row> {
    if let Some(name) = &field
        && !dataset.entry.fields.iter().any(|field| field.name == *name)
    {
        return Err(Error::invalid(
            "/field",
            format!("`{}` has no field `{name}`; leave it out where it is about something else", dataset.slug),
        ));
    }
    let waiting = rows::table.filter(rows::dataset_id.eq(&dataset.id)).filter(rows::kind.eq(&row.kind));
    let waiting: i64 = waiting.filter(rows::state.eq_any(FeedbackState::UNDER_WAY)).count().get_result(conn)?;
    if waiting >= MOST_WAITING {
        return Err(Error::Conflict(format!(
            "{waiting} objections to `{}` wait for an answer already; come back when some are answered",
            dataset.slug
        )));
    }
    Ok(Row { field, words: Some(words), ..about(row, dataset) })
}

fn request(conn: &mut Conn, row: Row, dataset: Option<String>, publisher: Option<String>) -> Result<Row> {
    if let Some(slug) = dataset {
        let dataset = catalog::find(conn, &slug)?;
        if dataset.state == State::Published && dataset.entry.open_type != OpenType::Closed {
            let how = if dataset.entry.open_type == OpenType::Conditional { "a firm applies for it" } else { "anybody downloads it" };
            return Err(Error::invalid("/dataset", format!("`{slug}` is open already: {how}, at /datasets/{slug}")));
        }
        return Ok(about(row, &dataset));
    }
    if let Some(slug) = &publisher {
        let known: i64 = publishers::table.filter(publishers::slug.eq(slug)).count().get_result(conn)?;
        if known == 0 {
            return Err(Error::invalid("/publisher", format!("there is no publisher `{slug}`; GET /api/v1/publishers names them")));
        }
    }
    Ok(Row { publisher, ..row })
}

/// A rating counts at once; what is said with it waits. One caller has one rating of a dataset: another one takes the place of the first.
fn rating(conn: &mut Conn, row: Row, dataset: &Dataset, voter: &Voter) -> Result<Row> {
    if dataset.entry.open_type == OpenType::Closed {
        return Err(Error::Conflict(format!(
            "`{}` is not open, so that nobody can have used it; POST /api/v1/requests asks for it",
            dataset.slug
        )));
    }
    let now = now_naive();
    let tag = voter.tag(&format!("rating:{}", dataset.id));
    let before = rows::table.filter(rows::dataset_id.eq(&dataset.id)).filter(rows::voter.eq(&tag));
    let before: Vec<Row> = before.filter(rows::state.eq(FeedbackState::Done.as_str())).select(Row::as_select()).load(conn)?;
    for one in before {
        let gone = (rows::state.eq(FeedbackState::Withdrawn.as_str()), rows::voter.eq(None::<String>));
        diesel::update(rows::table.find(&one.id)).set(gone).execute(conn)?;
        ledger::append(conn, Kind::FeedbackWithdrawn, &row.filed_by, &one.subject(), &json!({ "kind": one.kind, "replaced_by": row.id }))?;
    }
    let shown = if row.words.is_some() { Shown::Waiting } else { Shown::Shown };
    Ok(Row {
        state: FeedbackState::Done.as_str().to_owned(),
        shown: shown.as_str().to_owned(),
        voter: Some(tag),
        closed_at: Some(now),
        ..about(row, dataset)
    })
}

fn used(conn: &mut Conn, slugs: &[String]) -> Result<Vec<Dataset>> {
    let mut wanted: Vec<String> = slugs.to_vec();
    wanted.sort();
    wanted.dedup();
    if wanted.is_empty() || wanted.len() > MOST_DATASETS {
        return Err(Error::invalid("/datasets", format!("name 1 to {MOST_DATASETS} datasets of the list by their slugs")));
    }
    let found = catalog::named(conn, &wanted)?;
    let unknown: Vec<&str> = wanted.iter().filter(|slug| !found.iter().any(|one| one.slug == **slug)).map(String::as_str).collect();
    if unknown.is_empty() {
        return Ok(found);
    }
    Err(Error::invalid(
        "/datasets",
        format!("the list has no dataset {}", unknown.iter().map(|slug| format!("`{slug}`")).collect::<Vec<_>>().join(", ")),
    ))
}

fn check_link(link: &str) -> Result<String> {
    let wrong = |why: &str| Error::invalid("/link", format!("{why}; give an address such as https://example.org/app"));
    let url = url::Url::parse(link.trim()).map_err(|cause| wrong(&format!("this is no address ({cause})")))?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return Err(wrong("only http and https addresses are shown"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong("an address with a name or password in it is not shown"));
    }
    if url.as_str().len() > 1000 {
        return Err(wrong("it has more than 1000 characters"));
    }
    Ok(url.into())
}

/// Whether a text holds what the scan for personal data looks for.
pub(super) fn is_personal(text: &str) -> bool {
    let declared = Declared {
        name: "text".to_owned(),
        field_type: None,
        scale: None,
        personal: false,
        titles: Vec::new(),
        key: false,
        cleared: false,
    };
    looks_personal(&declared, text, shanghai(now_naive()).date())
}

/// What may be shown to everybody must not name anybody. A rights claim has to say what it is about, and is never shown.
fn check_words(row: &Row) -> Result<()> {
    let mut faults = Vec::new();
    if row.shown == Shown::Private.as_str() {
        return Ok(());
    }
    let texts = [("/title", &row.title), ("/maker", &row.maker), ("/link", &row.link), ("/text", &row.words)];
    for (pointer, text) in texts.into_iter().filter_map(|(pointer, text)| text.as_deref().map(|text| (pointer, text))) {
        if is_personal(text) {
            let detail = "it seems to hold personal data (such as a telephone or identity number, or an e-mail address); leave it out, everybody may come to read this";
            faults.push(Fault { pointer: pointer.to_owned(), detail: detail.to_owned() });
        }
        if text.matches("http://").count() + text.matches("https://").count() > MOST_LINKS {
            faults.push(Fault {
                pointer: pointer.to_owned(),
                detail: format!("it has more than {MOST_LINKS} links; keep those that matter"),
            });
        }
    }
    if faults.is_empty() { Ok(()) } else { Err(Error::Invalid(faults)) }
}

/// The same words about the same thing wait already.
fn refuse_again(conn: &mut Conn, row: &Row) -> Result<()> {
    let Some(words) = row.words.as_ref().filter(|_| row.kind != FeedbackKind::Rating.as_str() && row.shown != Shown::Private.as_str())
    else {
        return Ok(());
    };
    let same =
        rows::table.filter(rows::kind.eq(&row.kind)).filter(rows::words.eq(words)).filter(rows::state.eq_any(FeedbackState::UNDER_WAY));
    let same: i64 = match &row.dataset_id {
        Some(id) => same.filter(rows::dataset_id.eq(id)).count().get_result(conn)?,
        None => same.filter(rows::dataset_id.is_null()).count().get_result(conn)?,
    };
    if same == 0 { Ok(()) } else { Err(Error::Conflict("the same was filed already and waits for an answer".to_owned())) }
}
