//! Identifiers with a check digit or a fixed form: resident IDs, codes of sole traders, bank cards, vehicles, mobile numbers.

use chrono::{Datelike, NaiveDate};

use crate::identity::uscc;

/// What a check says of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Check {
    /// It is something else.
    Other,
    /// The form is right, and the check digit wrong.
    Form,
    /// It is one.
    Valid,
}

impl Check {
    fn of(form: bool, digit: bool) -> Self {
        match (form, digit) {
            (false, _) => Check::Other,
            (true, false) => Check::Form,
            (true, true) => Check::Valid,
        }
    }
}

/// The oldest age that a date of birth may give.
const OLDEST: i32 = 130;

const ID_WEIGHTS: [u32; 17] = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
const ID_CHECKS: &[u8; 11] = b"10X98765432";
const VIN_WEIGHTS: [u32; 17] = [8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2];

/// 居民身份证 (GB 11643), 港澳台居民居住证 (81, 82, 83…) and 外国人永久居留身份证 (9 and a province): 18 characters.
pub fn resident_id(token: &[u8], today: NaiveDate) -> Check {
    let [digits @ .., last] = token else { return Check::Other };
    let proper = digits.len() == 17 && digits.iter().all(u8::is_ascii_digit) && (last.is_ascii_digit() || matches!(last, b'X' | b'x'));
    if !proper {
        return Check::Other;
    }
    let region = if digits[0] == b'9' { is_province(digits[1], digits[2]) } else { is_province(digits[0], digits[1]) };
    let form = region && is_birth_date(number(&digits[6..10]), &digits[10..14], today);
    let sum: u32 = digits.iter().zip(ID_WEIGHTS).map(|(digit, weight)| u32::from(digit - b'0') * weight).sum();
    let digit = ID_CHECKS[(sum % 11) as usize] == last.to_ascii_uppercase();
    if digits[0] == b'9' && form && digit && organisation_code(token) {
        return Check::Other;
    }
    Check::of(form, digit)
}

/// 居民身份证 of the first generation: 15 digits without a check digit.
pub fn is_legacy_id(token: &[u8], today: NaiveDate) -> bool {
    let digits = token.len() == 15 && token.iter().all(u8::is_ascii_digit);
    digits && is_province(token[0], token[1]) && is_birth_date(1900 + number(&token[6..8]), &token[8..12], today)
}

/// 外国人永久居留证 of the first form: the country's three letters and 12 digits.
pub fn is_foreign_permit(token: &[u8]) -> bool {
    token.len() == 15 && token[..3].iter().all(u8::is_ascii_uppercase) && token[3..].iter().all(u8::is_ascii_digit)
}

/// 统一社会信用代码 of a 个体工商户.
pub fn sole_trader(token: &[u8]) -> Check {
    let form = token.len() == 18 && token.starts_with(b"92") && token[2..8].iter().all(u8::is_ascii_digit);
    Check::of(form, form && organisation_code(token))
}

/// Whether both check digits of a 统一社会信用代码 fit.
fn organisation_code(token: &[u8]) -> bool {
    std::str::from_utf8(token).is_ok_and(|code| uscc::check(&code.to_ascii_uppercase()).is_ok())
}

/// A bank card. Without a telling header only UnionPay's 62: one run of digits in ten has a right check digit by chance.
pub fn bank_card(token: &[u8], hinted: bool) -> Check {
    if !(13..=19).contains(&token.len()) || !token.iter().all(u8::is_ascii_digit) {
        return Check::Other;
    }
    let (two, length) = (number(&token[..2]), token.len());
    let form = match two {
        62 => length >= 16,
        40..=49 => hinted && matches!(length, 13 | 16 | 19),
        22..=27 | 35 | 51..=55 | 60 | 65 | 95 => hinted && length >= 16,
        34 | 37 => hinted && length == 15,
        _ => false,
    };
    Check::of(form, form && luhn(token))
}

fn luhn(digits: &[u8]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(at, digit)| match (u32::from(digit - b'0'), at % 2) {
            (digit, 0) => digit,
            (digit, _) => digit * 2 / 10 + digit * 2 % 10,
        })
        .sum();
    sum.is_multiple_of(10)
}

/// 车辆识别代号 (GB 16735): 17 characters without I, O and Q; the ninth is the check digit, the last four are digits.
pub fn vin(token: &[u8]) -> Check {
    let form = token.len() == 17
        && token.iter().all(|byte| byte.is_ascii_alphanumeric() && !matches!(byte.to_ascii_uppercase(), b'I' | b'O' | b'Q'))
        && token.iter().filter(|byte| byte.is_ascii_alphabetic()).count() >= 2
        && token[13..].iter().all(u8::is_ascii_digit)
        && (token[8].is_ascii_digit() || matches!(token[8], b'X' | b'x'));
    if !form {
        return Check::Other;
    }
    let sum: u32 = token.iter().zip(VIN_WEIGHTS).map(|(byte, weight)| vin_value(byte.to_ascii_uppercase()) * weight).sum();
    let wanted = if sum % 11 == 10 { b'X' } else { b'0' + (sum % 11) as u8 };
    Check::of(true, wanted == token[8].to_ascii_uppercase())
}

fn vin_value(byte: u8) -> u32 {
    match byte {
        b'0'..=b'9' => u32::from(byte - b'0'),
        b'A'..=b'H' => u32::from(byte - b'A') + 1,
        b'J'..=b'R' => u32::from(byte - b'J') + 1,
        b'S'..=b'Z' => u32::from(byte - b'S') + 2,
        _ => 0,
    }
}

/// 手机号, also behind 86 or 0086. Without a check digit, only the second digit tells it from other runs of eleven digits;
/// under a header that says so, any second digit will do.
pub fn mobile(token: &[u8], hinted: bool) -> Check {
    let token = match token.len() {
        13 => token.strip_prefix(b"86"),
        14 => token.strip_prefix(b"086"),
        15 => token.strip_prefix(b"0086"),
        _ => Some(token),
    };
    match token {
        Some(digits) if digits.len() == 11 && digits[0] != b'0' && digits.iter().all(u8::is_ascii_digit) => {
            Check::of(true, digits[0] == b'1' && (hinted || digits[1] >= b'3'))
        }
        _ => Check::Other,
    }
}

/// Whether two digits begin a region of GB/T 2260.
pub fn is_province(first: u8, second: u8) -> bool {
    matches!(number(&[first, second]), 11..=15 | 21..=23 | 31..=37 | 41..=46 | 50..=54 | 61..=65 | 71 | 81..=83)
}

fn is_birth_date(year: i32, month_day: &[u8], today: NaiveDate) -> bool {
    let (month, day) = (number(&month_day[..2]) as u32, number(&month_day[2..]) as u32);
    let born = NaiveDate::from_ymd_opt(year, month, day);
    born.is_some_and(|born| born <= today && today.year() - year <= OLDEST)
}

fn number(digits: &[u8]) -> i32 {
    digits.iter().fold(0, |sum, digit| sum * 10 + i32::from(digit.wrapping_sub(b'0')))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn today() -> NaiveDate {
        NaiveDate::from_ymd_opt(2026, 11, 25).unwrap()
    }

    #[test]
    fn resident_ids() {
        let cases = [
            ("11010519491231002X", Check::Valid),
            ("11010519491231002x", Check::Valid),
            ("440524188001010014", Check::Other), // Printed in the standard; nobody is 146 years old.
            ("110105194912310021", Check::Form),
            ("110105194902300021", Check::Other), // 30 February.
            ("110105204912310021", Check::Other), // Not born yet.
            ("991105194912310021", Check::Other), // No such region.
            ("914403001922038216", Check::Other), // A company.
            ("11010519491231002", Check::Other),
        ];
        for (token, wanted) in cases {
            assert_eq!(resident_id(token.as_bytes(), today()), wanted, "{token}");
        }
        // With an older calendar the second vector of the standard is one.
        let then = NaiveDate::from_ymd_opt(1999, 7, 1).unwrap();
        assert_eq!(resident_id(b"440524188001010014", then), Check::Valid);
        assert_eq!(resident_id(b"440524188001010015", then), Check::Form);
    }

    #[test]
    fn permits_of_residents_from_elsewhere() {
        for (stem, wanted) in
            [("81000019900307123", true), ("83000019900307123", true), ("93115619900307123", true), ("84000019900307123", false)]
        {
            let valid = (b"0123456789X").iter().filter(|last| {
                let token = [stem.as_bytes(), &[**last]].concat();
                resident_id(&token, today()) == Check::Valid
            });
            assert_eq!(valid.count(), usize::from(wanted), "{stem}");
        }
        assert!(is_foreign_permit(b"USA310078010112") && !is_foreign_permit(b"US3100780101123"));
    }

    #[test]
    fn legacy_ids() {
        assert!(is_legacy_id(b"110105491231002", today()));
        assert!(!is_legacy_id(b"110105491331002", today()));
        assert!(!is_legacy_id(b"990105491231002", today()));
    }

    #[test]
    fn sole_traders() {
        // The organisation's vectors with another class have other check digits: only the form is right.
        assert_eq!(sole_trader(b"914403001922038216"), Check::Other);
        assert_eq!(sole_trader(b"924403001922038216"), Check::Form);
        let valid: Vec<u8> = b"0123456789ABCDEFGHJKLMNPQRTUWXY"
            .iter()
            .copied()
            .filter(|last| sole_trader(&[b"92440300192203821", &[*last][..]].concat()) == Check::Valid)
            .collect();
        assert_eq!(valid.len(), 1);
    }

    #[test]
    fn bank_cards() {
        let cases = [
            ("6222600260001072444", false, Check::Valid),
            ("6228480402564890018", false, Check::Valid),
            ("6222021234567890123", false, Check::Form),
            ("4111111111111111", false, Check::Other),
            ("4111111111111111", true, Check::Valid),
            ("4111111111111112", true, Check::Form),
            ("622260026000107", true, Check::Other),
            ("1234567890123452", true, Check::Other),
        ];
        for (token, hinted, wanted) in cases {
            assert_eq!(bank_card(token.as_bytes(), hinted), wanted, "{token}");
        }
    }

    #[test]
    fn vehicles() {
        assert_eq!(vin(b"1M8GDM9AXKP042788"), Check::Valid);
        assert_eq!(vin(b"1m8gdm9axkp042788"), Check::Valid);
        assert_eq!(vin(b"1M8GDM9A1KP042788"), Check::Form);
        assert_eq!(vin(b"1M8GDM9AXKP04278O"), Check::Other);
        assert_eq!(vin(b"11111111111111111"), Check::Other);
    }

    #[test]
    fn mobile_numbers() {
        let cases = [
            ("13800000000", false, Check::Valid),
            ("8613800000000", false, Check::Valid),
            ("008613800000000", false, Check::Valid),
            ("12800000000", false, Check::Form),
            ("10018225957", false, Check::Form),
            ("10018225957", true, Check::Valid),
            ("02164391234", false, Check::Other),
            ("1380000000", false, Check::Other),
            ("1064812345678", false, Check::Other),
        ];
        for (token, hinted, wanted) in cases {
            assert_eq!(mobile(token.as_bytes(), hinted), wanted, "{token}");
        }
    }
}
