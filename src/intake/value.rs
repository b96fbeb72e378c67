//! How a cell of text is read as a value. No reader takes a spelling that would lose anything: leading zeros, a plus sign,
//! the sign of a zero, digits behind the point. What is written out again is the same value, if not always in the same spelling.

use chrono::{NaiveDate, NaiveDateTime};

/// Digits that an inferred whole number may have; longer ones are identifiers.
const INFERRED_INTEGER_DIGITS: usize = 15;

/// Digits that a decimal holds in all.
pub const DECIMAL_DIGITS: u8 = 38;

/// A whole number without leading zeros, plus sign or spaces.
pub fn integer(text: &str) -> Option<i64> {
    if !is_plain_integer(text) || text == "-0" {
        return None;
    }
    text.parse().ok()
}

fn is_plain_integer(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) && (digits == "0" || !digits.starts_with('0'))
}

/// A decimal number as an integer of `10^-scale`; more digits behind the point than `scale` are refused.
pub fn decimal(text: &str, scale: usize) -> Option<i128> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let point = whole.len() < text.len();
    let proper = is_plain_integer(whole) && fraction.bytes().all(|byte| byte.is_ascii_digit()) && point != fraction.is_empty();
    if !proper || fraction.len() > scale {
        return None;
    }
    let digits = format!("{whole}{fraction:0<scale$}");
    if digits.trim_start_matches('-').len() > usize::from(DECIMAL_DIGITS) {
        return None;
    }
    digits.parse().ok().filter(|value| *value != 0 || !text.starts_with('-'))
}

/// A double; infinities and "nan" are refused.
pub fn number(text: &str) -> Option<f64> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'-' | b'+' | b'e' | b'E'));
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let canonical = unsigned.starts_with(|first: char| first.is_ascii_digit()) && !unsigned.ends_with('.');
    let leading_zero = unsigned.len() > 1 && unsigned.starts_with('0') && unsigned.as_bytes()[1].is_ascii_digit();
    let value: f64 = text.parse().ok().filter(|value: &f64| plain && canonical && !leading_zero && value.is_finite())?;
    // A double that would be written with other digits is another number.
    (significant(text) == significant(&format!("{value:e}"))).then_some(value)
}

/// The digits of a number without the zeros at either end, and the power of ten of the first of them.
fn significant(text: &str) -> (String, i64) {
    let text = text.trim_start_matches('-').to_ascii_lowercase();
    let (mantissa, exponent) = text.split_once('e').unwrap_or((text.as_str(), "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    let leading = digits.len() - digits.trim_start_matches('0').len();
    let kept = digits.trim_matches('0').to_owned();
    if kept.is_empty() {
        return (kept, 0);
    }
    let power = whole.len() as i64 - leading as i64 + exponent.parse::<i64>().unwrap_or(i64::MAX / 2);
    (kept, power)
}

/// `true` or `false`.
pub fn boolean(text: &str) -> Option<bool> {
    match text {
        "true" => Some(true),
        "false" => Some(false),
        _ => None,
    }
}

/// A day as `YYYY-MM-DD`.
pub fn date(text: &str) -> Option<NaiveDate> {
    NaiveDate::parse_from_str(text, "%Y-%m-%d").ok().filter(|day| text.len() == 10 && day.format("%Y-%m-%d").to_string() == text)
}

/// A moment as `YYYY-MM-DDTHH:MM:SS`, with up to six digits of a second's fraction.
pub fn datetime(text: &str) -> Option<NaiveDateTime> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let moment = NaiveDateTime::parse_from_str(whole, "%Y-%m-%dT%H:%M:%S").ok()?;
    let exact = whole.len() == 19 && moment.format("%Y-%m-%dT%H:%M:%S").to_string() == whole && !whole.ends_with(":60");
    let digits =
        fraction.len() <= 6 && fraction.bytes().all(|byte| byte.is_ascii_digit()) && (whole.len() == text.len()) == fraction.is_empty();
    let micros: i64 = if fraction.is_empty() { 0 } else { format!("{fraction:0<6}").parse().ok()? };
    (exact && digits).then(|| moment + chrono::Duration::microseconds(micros))
}

/// The types that every value of a column has allowed so far.
#[derive(Debug, Clone)]
pub struct Guess {
    seen: bool,
    integer: bool,
    decimal: Option<usize>,
    number: bool,
    boolean: bool,
    date: bool,
    datetime: bool,
}

impl Default for Guess {
    fn default() -> Self {
        Guess { seen: false, integer: true, decimal: None, number: true, boolean: true, date: true, datetime: true }
    }
}

impl Guess {
    /// Looks at one value that is not empty.
    pub fn look(&mut self, text: &str) {
        let scale = text.split_once('.').map_or(0, |(_, fraction)| fraction.len());
        // One decimal scale for the whole column, or none: `1.5` and `1.50` are told apart only as text.
        let fits = scale > 0 && decimal(text, scale).is_some();
        self.decimal = if !self.seen { fits.then_some(scale) } else { self.decimal.filter(|known| fits && *known == scale) };
        self.seen = true;
        self.integer &= text.len() <= INFERRED_INTEGER_DIGITS && integer(text).is_some();
        self.number &= number(text).is_some_and(|value| value.to_string() == text)
            && text != "-0"
            && text.bytes().filter(u8::is_ascii_digit).count() <= INFERRED_INTEGER_DIGITS;
        self.boolean &= boolean(text).is_some();
        self.date &= date(text).is_some();
        self.datetime &= datetime(text).is_some();
    }

    /// The narrowest type that keeps every value exactly, with the scale of a decimal.
    pub fn conclude(&self) -> (super::FieldType, Option<i8>) {
        use super::FieldType;
        let scale = self.decimal.and_then(|scale| i8::try_from(scale).ok());
        let kind = match self {
            Guess { seen: false, .. } => FieldType::String,
            Guess { boolean: true, .. } => FieldType::Boolean,
            Guess { integer: true, .. } => FieldType::Integer,
            Guess { date: true, .. } => FieldType::Date,
            Guess { datetime: true, .. } => FieldType::Datetime,
            Guess { decimal: Some(_), .. } => FieldType::Decimal,
            Guess { number: true, .. } if !self.integer => FieldType::Number,
            Guess { .. } => FieldType::String,
        };
        (kind, if kind == FieldType::Decimal { scale } else { None })
    }
}

#[cfg(test)]
mod tests {
    use super::super::FieldType;
    use super::*;

    fn guess(values: &[&str]) -> FieldType {
        let mut guess = Guess::default();
        values.iter().for_each(|value| guess.look(value));
        guess.conclude().0
    }

    #[test]
    fn inference_keeps_what_a_number_would_lose() {
        let cases: &[(&[&str], FieldType)] = &[
            (&["1", "-20", "0"], FieldType::Integer),
            (&["007", "12"], FieldType::String),
            (&["310104003001", "310104003002"], FieldType::Integer),
            (&["110105194912310021"], FieldType::String),
            (&["1.50", "2.25"], FieldType::Decimal),
            (&["1.5", "2.25"], FieldType::Number),
            (&["1.5", "2.50"], FieldType::String),
            (&["3.10105E+17"], FieldType::String),
            (&["true", "false"], FieldType::Boolean),
            (&["True"], FieldType::String),
            (&["2024-02-29"], FieldType::Date),
            (&["2023-02-29"], FieldType::String),
            (&["2024-02-29T10:00:00"], FieldType::Datetime),
            (&["1", "x"], FieldType::String),
            (&["+1"], FieldType::String),
            (&["-0"], FieldType::String),
            (&[], FieldType::String),
            (&["1234567890123456"], FieldType::String),
        ];
        for (values, wanted) in cases {
            assert_eq!(guess(values), *wanted, "{values:?}");
        }
    }

    #[test]
    fn numbers_have_one_plain_spelling() {
        assert_eq!(number("1.5e-3"), Some(0.0015));
        for text in ["0", "0.0", "-3.25", "0.30000000000000004", "100", "1E5", "9007199254740992", "0.10"] {
            assert!(number(text).is_some(), "{text}");
        }
        for text in ["+1", ".5", "1.", "007", "nan", "inf", "1e999", "1 ", "", "9007199254740993", "0.1234567890123456789012345", "1e-400"]
        {
            assert_eq!(number(text), None, "{text}");
        }
    }

    #[test]
    fn days_and_moments_have_one_spelling() {
        assert!(date("0001-01-01").is_some() && date("9999-12-31").is_some());
        for text in ["2024- 1- 1", "+024-01-01", "-001-01-01", "2024-1-1", "2024-02-30", "2024-01-01 "] {
            assert_eq!(date(text), None, "{text}");
        }
        assert!(datetime("2024-01-01T00:00:00.123456").is_some());
        for text in [
            "2024-12-31T23:59:60",
            "2024-1-1T1:1:1.123456789",
            "2024-01-01T00:00:00.1234567",
            "2024-01-01T00:00:00.",
            "2024-01-01 00:00:00",
        ] {
            assert_eq!(datetime(text), None, "{text}");
        }
    }

    #[test]
    fn decimals_are_exact() {
        assert_eq!(decimal("12.5", 2), Some(1250));
        assert_eq!(decimal("-0.05", 2), Some(-5));
        assert_eq!(decimal("12.345", 2), None);
        assert_eq!(decimal("12.", 2), None);
        assert_eq!(decimal(".5", 2), None);
        assert_eq!(decimal("1e3", 2), None);
        assert_eq!(decimal("-0", 2), None);
        assert_eq!(decimal("-0.00", 2), None);
        assert_eq!(decimal("007.5", 2), None);
        assert_eq!(decimal(&"9".repeat(39), 0), None);
    }
}
