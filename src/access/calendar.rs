//! Working days: Monday to Friday, but for public holidays, and the weekend days that are worked in exchange.

use std::collections::BTreeSet;

use chrono::{Datelike, Days, FixedOffset, NaiveDate, NaiveDateTime, Weekday};

/// The calendar that comes with the service: the State Council's notices on holidays, as `datasets/working-calendar` has them.
const SHIPPED: &str = include_str!("../../datasets/working-calendar/working_calendar.csv");

/// Shanghai is eight hours ahead of UTC, all year.
const OFFSET_SECONDS: i32 = 8 * 3600;

/// The most days that are looked through for a working day; no holiday is so long.
const LONGEST: u64 = 4000;

/// Which days are worked.
#[derive(Debug, Clone)]
pub struct Calendar {
    holidays: BTreeSet<NaiveDate>,
    workdays: BTreeSet<NaiveDate>,
}

impl Calendar {
    /// The calendar that comes with the service.
    ///
    /// # Errors
    /// When it cannot be read; a test keeps that from happening.
    pub fn shipped() -> anyhow::Result<Self> {
        Self::read(SHIPPED)
    }

    /// Reads a calendar: CSV with the columns `date` (`YYYY-MM-DD`) and `kind` (`holiday` or `workday`), and any others.
    ///
    /// # Errors
    /// Names the line that cannot be read.
    pub fn read(text: &str) -> anyhow::Result<Self> {
        let (mut lines, mut calendar) = (text.lines().enumerate(), Calendar { holidays: BTreeSet::new(), workdays: BTreeSet::new() });
        let head = lines.next().map(|(_, line)| line).unwrap_or_default();
        let at = |name: &str| {
            let found = head.trim_start_matches('\u{feff}').split(',').position(|column| column.trim() == name);
            found.ok_or_else(|| anyhow::anyhow!("the calendar has no column `{name}` in its first line"))
        };
        let (date_at, kind_at) = (at("date")?, at("kind")?);
        for (number, line) in lines.filter(|(_, line)| !line.trim().is_empty()) {
            let cells: Vec<&str> = line.split(',').map(str::trim).collect();
            let wrong = |what: &str| anyhow::anyhow!("line {} of the calendar: {what}", number + 1);
            let date = cells.get(date_at).and_then(|cell| cell.parse().ok()).ok_or_else(|| wrong("its date is not YYYY-MM-DD"))?;
            match cells.get(kind_at).copied() {
                Some("holiday") => calendar.holidays.insert(date),
                Some("workday") => calendar.workdays.insert(date),
                Some(_) | None => return Err(wrong("its kind is neither holiday nor workday")),
            };
        }
        Ok(calendar)
    }

    /// Whether a day is worked.
    pub fn is_working(&self, day: NaiveDate) -> bool {
        let weekend = matches!(day.weekday(), Weekday::Sat | Weekday::Sun);
        if weekend { self.workdays.contains(&day) } else { !self.holidays.contains(&day) }
    }

    /// When the last of so many working days is over that follow the day of a moment in UTC: the day itself does not count.
    pub fn due(&self, from: NaiveDateTime, working_days: u32) -> NaiveDateTime {
        let shift = chrono::Duration::seconds(i64::from(OFFSET_SECONDS));
        let today = (from + shift).date();
        let following = (1..LONGEST).filter_map(|ahead| today.checked_add_days(Days::new(ahead)));
        let mut worked = following.filter(|day| self.is_working(*day));
        let last = match working_days {
            0 => Some(today),
            days => worked.nth(days as usize - 1),
        };
        let last = last.unwrap_or(today);
        let midnight = last.checked_add_days(Days::new(1)).unwrap_or(last).and_time(chrono::NaiveTime::MIN);
        midnight - shift
    }

    /// How many working days are left from a moment in UTC until what [`Calendar::due`] gave: none when that is over, or on its last day.
    pub fn left(&self, from: NaiveDateTime, due: NaiveDateTime) -> u32 {
        let shift = chrono::Duration::seconds(i64::from(OFFSET_SECONDS));
        let (today, last) = ((from + shift).date(), (due + shift).date());
        let following = (1..LONGEST).filter_map(|ahead| today.checked_add_days(Days::new(ahead))).take_while(|day| *day < last);
        u32::try_from(following.filter(|day| self.is_working(*day)).count()).unwrap_or(u32::MAX)
    }

    /// Whether the holidays of a moment's year are known; where they are not, Monday to Friday count as worked.
    pub fn knows(&self, at: NaiveDateTime) -> bool {
        let year = FixedOffset::east_opt(OFFSET_SECONDS).map_or(at.year(), |shanghai| at.and_utc().with_timezone(&shanghai).year());
        self.holidays.iter().next_back().is_some_and(|last| last.year() >= year)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn due(from: &str, days: u32) -> String {
        let from = NaiveDateTime::parse_from_str(from, "%Y-%m-%d %H:%M").unwrap();
        Calendar::shipped().unwrap().due(from, days).to_string()
    }

    #[test]
    fn holidays_and_make_up_days_count() {
        // The National Day of 2025 was 1 to 8 October; Sunday 28 September and Saturday 11 October were worked.
        assert_eq!(due("2025-09-26 02:00", 1), "2025-09-28 16:00:00");
        assert_eq!(due("2025-09-30 02:00", 1), "2025-10-09 16:00:00");
        assert_eq!(due("2025-09-30 02:00", 3), "2025-10-11 16:00:00");
        // A Friday at 23:00 in UTC is a Saturday in Shanghai.
        assert_eq!(due("2025-11-07 02:00", 1), "2025-11-10 16:00:00");
        assert_eq!(due("2025-11-07 23:00", 1), "2025-11-10 16:00:00");
        assert_eq!(due("2025-11-07 02:00", 0), "2025-11-07 16:00:00");
    }

    #[test]
    fn what_is_left_gives_the_same_end_again() {
        let calendar = Calendar::shipped().unwrap();
        let at = |text: &str| NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M").unwrap();
        let due = calendar.due(at("2025-09-26 02:00"), 10);
        assert_eq!(calendar.left(at("2025-09-26 02:00"), due), 10);
        assert_eq!(calendar.left(at("2025-09-30 02:00"), due), 7, "28 (make-up), 29 and 30 September have gone by");
        assert_eq!(calendar.due(at("2025-09-30 02:00"), 7), due);
        assert_eq!(calendar.left(due - chrono::Duration::hours(1), due), 0);
        assert_eq!(calendar.left(due + chrono::Duration::days(9), due), 0);
    }

    #[test]
    fn a_year_that_nobody_has_announced_is_said_to_be_unknown() {
        let calendar = Calendar::shipped().unwrap();
        let at = |year| NaiveDate::from_ymd_opt(year, 6, 1).unwrap().and_hms_opt(0, 0, 0).unwrap();
        assert!(calendar.knows(at(2026)) && !calendar.knows(at(2030)));
    }

    #[test]
    fn what_is_no_calendar_names_its_line() {
        for (text, wanted) in [
            ("day,kind\n", "no column `date`"),
            ("date,kind\n2026-01-01,holiday\n2026-13-01,holiday\n", "line 3"),
            ("date,kind\n2026-01-01,feast\n", "line 2"),
        ] {
            assert!(Calendar::read(text).unwrap_err().to_string().contains(wanted), "{text}");
        }
    }
}
