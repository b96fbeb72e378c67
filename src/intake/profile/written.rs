//! Values as they are written in CSV.

use chrono::{DateTime, NaiveDate, TimeDelta};

/// Longer texts are cut to so many characters and end in `…`.
pub const LONGEST_TEXT: usize = 200;

/// A decimal with exactly `scale` digits behind the point.
pub fn decimal(value: i128, scale: i8) -> String {
    let scale = usize::try_from(scale).unwrap_or_default();
    if scale == 0 {
        return value.to_string();
    }
    let digits = format!("{:0>width$}", value.unsigned_abs(), width = scale + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    format!("{}{whole}.{fraction}", if value < 0 { "-" } else { "" })
}

/// A double.
pub fn number(value: f64) -> String {
    value.to_string()
}

/// A day, from the days since 1970.
pub fn day(days: i128) -> String {
    let day = i64::try_from(days).ok().and_then(TimeDelta::try_days).and_then(|days| NaiveDate::default().checked_add_signed(days));
    day.map_or_else(|| format!("{days} days since 1970"), |day| day.to_string())
}

/// A moment, from the microseconds since 1970.
pub fn moment(micros: i128) -> String {
    let moment = i64::try_from(micros).ok().and_then(DateTime::from_timestamp_micros);
    moment.map_or_else(|| format!("{micros} µs since 1970"), |moment| moment.naive_utc().format("%Y-%m-%dT%H:%M:%S%.f").to_string())
}

/// A text, cut where it is very long.
pub fn text(text: &str) -> String {
    match text.char_indices().nth(LONGEST_TEXT) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_written_as_in_csv() {
        assert_eq!(decimal(-5, 2), "-0.05");
        assert_eq!(decimal(1250, 2), "12.50");
        assert_eq!(decimal(i128::MAX, 0), i128::MAX.to_string());
        assert_eq!(day(0), "1970-01-01");
        assert_eq!(day(-1), "1969-12-31");
        assert_eq!(moment(1_500_000), "1970-01-01T00:00:01.500");
        assert_eq!(moment(0), "1970-01-01T00:00:00");
        assert_eq!(text("字").chars().count(), 1);
        assert_eq!(text(&"字".repeat(201)), format!("{}…", "字".repeat(200)));
    }
}
