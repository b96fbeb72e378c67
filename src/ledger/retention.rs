//! How long words of people are kept: so many days, and as long as what they were said of is not over. The entries stay, and with them what they
//! have committed to.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use serde_json::json;

use super::words::take_out;
use super::{Kind, append};
use crate::clock::format;
use crate::db::schema::{applications, datasets, feedback, grants, ledger, ledger_words, list_changes, sanctions, use_reports};
use crate::db::{Conn, lock_ledger};
use crate::error::Result;

/// How many entries are looked at in one go.
const BATCH: i64 = 500;

/// Takes out words that were said before a moment, behind the entry `after`, with an entry for each that says so. Answers how many were taken out, and where to go on.
///
/// # Errors
/// When the database does not take it.
pub fn forget_old(conn: &mut Conn, before: DateTime<Utc>, after: i64) -> Result<(usize, Option<i64>)> {
    let before = format(before);
    let old = ledger_words::table.inner_join(ledger::table.on(ledger::seq.eq(ledger_words::seq)));
    let old = old.filter(ledger::moment.lt(&before)).filter(ledger::seq.gt(after)).order(ledger::seq).limit(BATCH);
    let old: Vec<(i64, String, String)> = old.select((ledger::seq, ledger::kind, ledger::subject)).distinct().load(conn)?;
    let Some((last, ..)) = old.last() else { return Ok((0, None)) };
    let (last, mut count) = (*last, 0);
    lock_ledger(conn)?;
    for (seq, kind, subject) in old {
        // Another replica may have been faster.
        if is_over(conn, seq, &kind, &subject)? && take_out(conn, seq, &kind, &subject)? {
            append(conn, Kind::EntryRedacted, "service", &format!("entry:{seq}"), &json!({ "said_before": before }))?;
            count += 1;
        }
    }
    Ok((count, Some(last)))
}

/// Whether what an entry is about has come to its end.
fn is_over(conn: &mut Conn, seq: i64, said_in: &str, subject: &str) -> Result<bool> {
    let (kind, id) = subject.split_once(':').unwrap_or((subject, ""));
    let alive: i64 = match kind {
        "grant" => grants::table.find(id).filter(grants::ended_at.is_null()).count().get_result(conn)?,
        "application" => {
            let renewed = applications::table.find(id).filter(applications::renews_id.is_not_null()).select(applications::renews_id);
            let renewed: Option<String> = renewed.first::<Option<String>>(conn).optional()?.flatten();
            let of_it = grants::application_id.eq(id).or(grants::id.eq(renewed.unwrap_or_default()));
            grants::table.filter(grants::ended_at.is_null()).filter(of_it).count().get_result(conn)?
        }
        "use_report" => {
            let grant = use_reports::table.find(id).select(use_reports::grant_id);
            grants::table.filter(grants::id.eq_any(grant)).filter(grants::ended_at.is_null()).count().get_result(conn)?
        }
        // Why a dataset is not given out is told for as long as it is not.
        "dataset" => {
            let of_it = list_changes::table.inner_join(datasets::table).filter(list_changes::entry_seq.eq(seq));
            of_it.filter(list_changes::code.eq(datasets::state)).count().get_result(conn)?
        }
        // What everybody still reads, and what is not done with.
        "feedback" => {
            let read = feedback::shown.eq("shown").and(feedback::state.ne_all(["withdrawn", "dismissed"]));
            let shows = [Kind::FeedbackFiled, Kind::FeedbackAnswered].iter().any(|kind| kind.as_str() == said_in);
            let open: i64 = feedback::table.find(id).filter(feedback::closed_at.is_null()).count().get_result(conn)?;
            let read: i64 = feedback::table.find(id).filter(read).count().get_result(conn)?;
            if shows { open + read } else { open }
        }
        "sanction" => sanctions::table.find(id).filter(sanctions::status.eq("in_force")).count().get_result(conn)?,
        _ => 0,
    };
    Ok(alive == 0)
}
