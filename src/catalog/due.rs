//! When the next data is due: what the list promises, held against what has come.

use chrono::{Days, Months, NaiveDate};
use serde::Serialize;
use utoipa::ToSchema;

use super::entry::{Entry, UpdateFrequency};

/// The day for which new data is promised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct Due {
    /// The day, in Shanghai.
    pub day: NaiveDate,
    /// How many days it is over; 0 on the day and before it.
    pub late_days: i64,
}

/// When the next data is due, by the day on which the newest version was taken in. None where nothing is promised for a day: data that is
/// irregular, never updated or in real time, without a day in the entry, and a closed dataset.
///
/// The entry's own day counts until a version has come on it or later; then it is one period after the newest version.
pub fn due(entry: &Entry, newest: Option<NaiveDate>, today: NaiveDate) -> Option<Due> {
    entry.data.as_ref()?;
    let promised = entry.next_due.filter(|day| newest.is_none_or(|newest| newest < *day));
    let day = match (promised, newest) {
        (Some(day), _) => day,
        (None, Some(newest)) => after(newest, entry.update_frequency)?,
        (None, None) => return None,
    };
    Some(Due { day, late_days: (today - day).num_days().max(0) })
}

/// The day one period after another.
fn after(day: NaiveDate, frequency: UpdateFrequency) -> Option<NaiveDate> {
    match frequency {
        UpdateFrequency::Daily => day.checked_add_days(Days::new(1)),
        UpdateFrequency::Weekly => day.checked_add_days(Days::new(7)),
        UpdateFrequency::Monthly => day.checked_add_months(Months::new(1)),
        UpdateFrequency::Quarterly => day.checked_add_months(Months::new(3)),
        UpdateFrequency::HalfYearly => day.checked_add_months(Months::new(6)),
        UpdateFrequency::Yearly => day.checked_add_months(Months::new(12)),
        UpdateFrequency::Realtime | UpdateFrequency::Irregular | UpdateFrequency::Never => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    #[test]
    fn the_promise_is_kept_by_the_entry_or_by_its_period() {
        type Case = (UpdateFrequency, Option<&'static str>, Option<&'static str>, Option<(&'static str, i64)>);
        let table: [Case; 9] = [
            (UpdateFrequency::Monthly, None, Some("2026-01-31"), Some(("2026-02-28", 12))),
            (UpdateFrequency::Yearly, None, Some("2025-11-30"), Some(("2026-11-30", 0))),
            (UpdateFrequency::Weekly, None, Some("2026-03-05"), Some(("2026-03-12", 0))),
            (UpdateFrequency::Daily, None, None, None),
            (UpdateFrequency::Never, None, Some("2026-01-31"), None),
            (UpdateFrequency::Irregular, Some("2026-03-01"), Some("2026-01-31"), Some(("2026-03-01", 11))),
            (UpdateFrequency::Irregular, Some("2026-03-01"), Some("2026-03-01"), None),
            (UpdateFrequency::Yearly, Some("2026-03-01"), Some("2026-03-01"), Some(("2027-03-01", 0))),
            (UpdateFrequency::Yearly, Some("2026-03-01"), None, Some(("2026-03-01", 11))),
        ];
        for (frequency, next_due, newest, wanted) in table {
            let entry: Entry = serde_json::from_value(serde_json::json!({
                "title": { "zh": "", "en": "" }, "description": { "zh": "", "en": "" }, "publisher": "p", "theme": "t", "data": "d.csv",
                "open_type": "unconditional", "update_frequency": frequency, "next_due": next_due,
            }))
            .unwrap();
            let today = if matches!(wanted, Some((_, late)) if late > 0) || next_due.is_some() { "2026-03-12" } else { "2026-03-05" };
            let found = due(&entry, newest.map(day), day(today));
            assert_eq!(found, wanted.map(|(at, late_days)| Due { day: day(at), late_days }), "{frequency:?} {next_due:?} {newest:?}");
        }
    }
}
