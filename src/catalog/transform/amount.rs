//! A number of a rule, exact in decimal digits.

use std::cmp::Ordering;
use std::fmt;

use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The most digits: so many are the same as a double.
const MAX_DIGITS: u64 = 1_000_000_000_000_000;

/// The most digits behind the point.
const MAX_SCALE: u32 = 15;

/// A number of up to 15 digits, as `digits` divided by ten to the power of `scale`; written with as few digits as it takes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Amount {
    digits: i64,
    scale: u32,
}

impl Amount {
    /// A whole number; `None` when it is too large.
    pub fn whole(digits: i64) -> Option<Self> {
        (digits.unsigned_abs() <= MAX_DIGITS).then_some(Amount { digits, scale: 0 })
    }

    fn parse(text: &str) -> Option<Self> {
        let (whole, part) = text.split_once('.').unwrap_or((text, ""));
        let part = part.trim_end_matches('0');
        let scale = u32::try_from(part.len()).ok().filter(|scale| *scale <= MAX_SCALE)?;
        let digits: i64 = format!("{whole}{part}").parse().ok()?;
        (digits.unsigned_abs() <= MAX_DIGITS).then_some(Amount { digits, scale })
    }

    /// How many digits stand behind its point.
    pub fn scale(&self) -> u32 {
        self.scale
    }

    /// Whether it is above zero.
    pub fn is_positive(&self) -> bool {
        self.digits > 0
    }

    /// The number in units of ten to the power of minus `scale`; `None` when it lies between two of them.
    pub fn in_units(&self, scale: u32) -> Option<i128> {
        let up = scale.checked_sub(self.scale)?;
        i128::from(self.digits).checked_mul(10i128.checked_pow(up)?)
    }

    /// The nearest double.
    pub fn to_f64(self) -> f64 {
        self.digits as f64 / 10f64.powi(self.scale as i32)
    }
}

impl PartialOrd for Amount {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Amount {
    fn cmp(&self, other: &Self) -> Ordering {
        let up = |one: &Self, other: &Self| i128::from(one.digits) * 10i128.pow(other.scale.saturating_sub(one.scale));
        up(self, other).cmp(&up(other, self))
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&units_text(i128::from(self.digits), self.scale))
    }
}

/// A number of units of ten to the power of minus `scale`, with as few digits as it takes.
pub fn units_text(units: i128, scale: u32) -> String {
    if scale == 0 {
        return units.to_string();
    }
    let one = 10u128.pow(scale);
    let (whole, part) = (units.unsigned_abs() / one, units.unsigned_abs() % one);
    let sign = if units < 0 { "-" } else { "" };
    let part = format!("{part:0width$}", width = scale as usize);
    match part.trim_end_matches('0') {
        "" => format!("{sign}{whole}"),
        part => format!("{sign}{whole}.{part}"),
    }
}

impl Serialize for Amount {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.scale == 0 { serializer.serialize_i64(self.digits) } else { serializer.serialize_f64(self.to_f64()) }
    }
}

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AmountVisitor)
    }
}

struct AmountVisitor;

impl Visitor<'_> for AmountVisitor {
    type Value = Amount;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a number of up to 15 digits")
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Amount, E> {
        Amount::whole(number).ok_or_else(|| E::custom("the number has more than 15 digits"))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Amount, E> {
        i64::try_from(number).ok().and_then(Amount::whole).ok_or_else(|| E::custom("the number has more than 15 digits"))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Amount, E> {
        let text = number.to_string();
        Amount::parse(&text).ok_or_else(|| E::custom(format!("`{text}` has more than 15 digits, or is no number")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_exact() {
        let read = |text: &str| serde_json::from_str::<Amount>(text);
        for (text, shown) in [("5", "5"), ("-0.5", "-0.5"), ("1e3", "1000"), ("0.10", "0.1"), ("12.345", "12.345"), ("-0.05", "-0.05")] {
            let amount = read(text).unwrap();
            assert_eq!(amount.to_string(), shown);
            assert_eq!(read(&serde_json::to_string(&amount).unwrap()).unwrap(), amount);
        }
        for text in ["1e30", "12345678901234567890", "\"5\"", "0.12345678901234567"] {
            assert!(read(text).is_err(), "{text}");
        }
        assert_eq!(read("0.1").unwrap().in_units(2), Some(10));
        assert_eq!(read("0.125").unwrap().in_units(2), None);
        assert!(read("0.5").unwrap() < read("1").unwrap());
        assert!(read("-3").unwrap() < read("-2.5").unwrap());
    }
}
