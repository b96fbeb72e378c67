//! How a cell of text is read as a value. No reader takes a spelling that would lose anything: leading zeros, a plus sign,
//! the sign of a zero, digits behind the point. What is written out again is the same value, if not always in the same spelling.

use chrono::{NaiveDate, NaiveDateTime};

/// Digits that an inferred whole number may have; longer ones are identifiers.
const INFERRED_INTEGER_DIGITS: usize = 15;

/// Digits that a decimal holds in all.
pub const DECIMAL_DIGITS: u8 = 38;

/// A whole number without leading zeros, plus sign or spaces.
pub fn integer(text: &str) -> Option<i64> {
    let (negative, digits) = match text.as_bytes() {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    if digits.is_empty() || (digits[0] == b'0' && (digits.len() > 1 || negative)) {
        return None;
    }
    // Eighteen digits fit whatever they are.
    if digits.len() > 18 {
        return if digits.iter().all(u8::is_ascii_digit) { text.parse().ok() } else { None };
    }
    let value = unsigned(digits)?;
    Some(if negative { -value } else { value })
}

/// Up to eighteen digits as a number.
fn unsigned(digits: &[u8]) -> Option<i64> {
    let mut value = 0;
    for byte in digits {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value * 10 + i64::from(digit);
    }
    Some(value)
}

fn is_plain_integer(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) && (digits == "0" || !digits.starts_with('0'))
}

/// A decimal number as an integer of `10^-scale`; more digits behind the point than `scale` are refused.
pub fn decimal(text: &str, scale: usize) -> Option<i128> {
    if text.len() <= 18 && scale <= 18 { short_decimal(text, scale) } else { long_decimal(text, scale) }
}

fn short_decimal(text: &str, scale: usize) -> Option<i128> {
    let (negative, digits) = match text.as_bytes() {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    let (whole, fraction) = match digits.iter().position(|byte| *byte == b'.') {
        Some(point) => (&digits[..point], &digits[point + 1..]),
        None => (digits, &digits[digits.len()..]),
    };
    let point = whole.len() < digits.len();
    if whole.is_empty() || (whole[0] == b'0' && whole.len() > 1) || point == fraction.is_empty() || fraction.len() > scale {
        return None;
    }
    let value = i128::from(unsigned(whole)?) * POWERS[scale] + i128::from(unsigned(fraction)?) * POWERS[scale - fraction.len()];
    match (negative, value) {
        (true, 0) => None,
        (true, value) => Some(-value),
        (false, value) => Some(value),
    }
}

/// The powers of ten up to the eighteenth.
const POWERS: [i128; 19] = {
    let mut powers = [1; 19];
    let mut at = 1;
    while at < powers.len() {
        powers[at] = powers[at - 1] * 10;
        at += 1;
    }
    powers
};

fn long_decimal(text: &str, scale: usize) -> Option<i128> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let point = whole.len() < text.len();
    let proper = is_plain_integer(whole) && fraction.bytes().all(|byte| byte.is_ascii_digit()) && point != fraction.is_empty();
    if !proper || fraction.len() > scale {
        return None;
    }
    let digits = format!("{whole}{fraction:0<scale$}");
    // The zero before the point is no digit that has to be kept.
    if digits.trim_start_matches(['-', '0']).len() > usize::from(DECIMAL_DIGITS) {
        return None;
    }
    digits.parse().ok().filter(|value| *value != 0 || !text.starts_with('-'))
}

/// A double; infinities and "nan" are refused.
pub fn number(text: &str) -> Option<f64> {
    // Up to fifteen digits come back from a double as they are, so that nothing needs to be compared.
    if text.len() <= 15 && is_plain_decimal(text.as_bytes()) {
        return text.parse().ok();
    }
    long_number(text)
}

/// Digits, with a point among them or not, without leading zeros.
fn is_plain_decimal(text: &[u8]) -> bool {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    let point = digits.iter().position(|byte| *byte == b'.').unwrap_or(digits.len());
    let (whole, fraction) = (&digits[..point], digits.get(point + 1..));
    let proper = !whole.is_empty() && (whole[0] != b'0' || whole.len() == 1) && whole.iter().all(u8::is_ascii_digit);
    proper && fraction.is_none_or(|fraction| !fraction.is_empty() && fraction.iter().all(u8::is_ascii_digit))
}

fn long_number(text: &str) -> Option<f64> {
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

/// A day as `YYYY-MM-DD`, from the year 1 on.
pub fn date(text: &str) -> Option<NaiveDate> {
    let [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2] = text.as_bytes() else { return None };
    let two = |tens: &u8, ones: &u8| unsigned(&[*tens, *ones]);
    let year = unsigned(&[*y1, *y2, *y3, *y4]).filter(|year| *year > 0)?;
    NaiveDate::from_ymd_opt(i32::try_from(year).ok()?, u32::try_from(two(m1, m2)?).ok()?, u32::try_from(two(d1, d2)?).ok()?)
}

/// A moment as `YYYY-MM-DDTHH:MM:SS`, with up to six digits of a second's fraction.
pub fn datetime(text: &str) -> Option<NaiveDateTime> {
    let (day, time) = (text.get(..10)?, text.as_bytes().get(10..)?);
    let [b'T', h1, h2, b':', m1, m2, b':', s1, s2, fraction @ ..] = time else { return None };
    let micros = match fraction {
        [] => 0,
        [b'.', digits @ ..] if (1..=6).contains(&digits.len()) => unsigned(digits)? * 10_i64.pow(6 - digits.len() as u32),
        _ => return None,
    };
    let two = |tens: &u8, ones: &u8| unsigned(&[*tens, *ones]).and_then(|value| u32::try_from(value).ok());
    date(day)?.and_hms_micro_opt(two(h1, h2)?, two(m1, m2)?, two(s1, s2)?, u32::try_from(micros).ok()?)
}

fn is_inferred_number(text: &str) -> bool {
    text != "-0"
        && text.bytes().filter(u8::is_ascii_digit).count() <= INFERRED_INTEGER_DIGITS
        && number(text).is_some_and(|value| value.to_string() == text)
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
        self.integer = self.integer && text.len() <= INFERRED_INTEGER_DIGITS && integer(text).is_some();
        self.number = self.number && is_inferred_number(text);
        self.boolean = self.boolean && boolean(text).is_some();
        self.date = self.date && date(text).is_some();
        self.datetime = self.datetime && datetime(text).is_some();
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
        for text in ["0000-01-01", "2024- 1- 1", "+024-01-01", "-001-01-01", "2024-1-1", "2024-02-30", "2024-01-01 "] {
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

    /// The fast ways answer what the careful ways answer.
    #[test]
    fn short_values_are_read_as_long_ones() {
        let mut texts: Vec<String> =
            ["", "-", ".", "-.", "0", "-0", "00", "0.", ".0", "-0.0", "1.2.3", "1-2", "--1", "999999999999999", "0.00000000001"]
                .iter()
                .map(|text| (*text).to_owned())
                .collect();
        let mut state = 1_u64;
        for _ in 0..20_000 {
            let mut text = String::new();
            for _ in 0..=state % 14 {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                text.push(char::from(b"0123456789.-0123"[(state >> 33) as usize % 16]));
            }
            texts.push(text);
        }
        for text in &texts {
            assert_eq!(number(text).map(f64::to_bits), long_number(text).map(f64::to_bits), "{text}");
            for scale in [0, 2, 18] {
                assert_eq!(short_decimal(text, scale), long_decimal(text, scale), "{text}");
            }
            let careful = if is_plain_integer(text) && text != "-0" { text.parse().ok() } else { None };
            assert_eq!(integer(text), careful, "{text}");
        }
        assert_eq!(integer("9223372036854775807"), Some(i64::MAX));
        assert_eq!(integer("-9223372036854775808"), Some(i64::MIN));
        assert_eq!(integer("9223372036854775808"), None);
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
        let most = 10_i128.pow(38) - 1;
        assert_eq!(decimal(&format!("-0.{}", "9".repeat(38)), 38), Some(-most));
        assert_eq!(decimal(&format!("0.{}", "9".repeat(38)), 38), Some(most));
        assert_eq!(decimal("0.5", 38), Some(5 * 10_i128.pow(37)));
        assert_eq!(decimal("1.0", 38), None);
    }
}
