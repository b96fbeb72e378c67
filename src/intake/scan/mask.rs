//! Values with characters replaced by `*`: those of a publisher, which are recognised, and those of a finding, which are made here.

use super::codes;
use super::hints::Hints;
use crate::intake::FindingKind;

/// What a run of digits, `*` and a last `X` stands for; `None` when it is no masked identifier.
pub fn kind_of(token: &[u8], hints: &Hints) -> Option<FindingKind> {
    let stars = token.iter().filter(|byte| **byte == b'*').count();
    let digits = token.iter().filter(|byte| byte.is_ascii_digit()).count();
    let rest = token.len() - stars - digits;
    let last_x = rest == 1 && matches!(token.last(), Some(b'X' | b'x'));
    if stars < 3 || digits < 2 || (rest > 0 && !last_x) {
        return None;
    }
    for kind in [FindingKind::ResidentId, FindingKind::Mobile, FindingKind::BankCard] {
        if hints.is_exact(kind) {
            return Some(kind);
        }
    }
    let begins = |test: fn(u8, u8) -> bool| token[0].is_ascii_digit() && token[1].is_ascii_digit() && test(token[0], token[1]);
    let hidden_start = token[0] == b'*';
    match token.len() {
        18 | 15 if begins(codes::is_province) || (hidden_start && token.len() == 18) => Some(FindingKind::ResidentId),
        11 if begins(|first, second| first == b'1' && second >= b'3') || hidden_start => Some(FindingKind::Mobile),
        16..=19 if !last_x && begins(|first, second| first == b'6' && second == b'2') => Some(FindingKind::BankCard),
        _ => None,
    }
}

/// A value of a finding as it may be shown: of a long one, the first three characters and the last two.
pub fn hide(kind: FindingKind, value: &str) -> String {
    let characters: Vec<char> = value.chars().collect();
    let length = characters.len();
    let (first, last) = match kind {
        FindingKind::Name => (1, 0),
        FindingKind::Address => (3, 0),
        FindingKind::Network => (2, 0),
        FindingKind::Email => return hide_email(value),
        FindingKind::ResidentId
        | FindingKind::SoleTraderCode
        | FindingKind::BankCard
        | FindingKind::Mobile
        | FindingKind::Plate
        | FindingKind::Vin
        | FindingKind::Document
        | FindingKind::Whereabouts => match length {
            11.. => (3, 2),
            6..11 => (2, 1),
            _ => (1, 0),
        },
    };
    // A name of one character would be shown whole.
    let first = if length <= first { 0 } else { first };
    let hidden = (length - first).saturating_sub(last).min(16);
    let mut shown: String = characters[..first].iter().collect();
    shown.extend(std::iter::repeat_n('*', hidden.max(1)));
    shown.extend(&characters[length - last..]);
    shown
}

fn hide_email(value: &str) -> String {
    let first = value.chars().next().filter(|first| *first != '@').map(String::from).unwrap_or_default();
    let last = value.rsplit('.').next().unwrap_or_default();
    format!("{first}***@***.{last}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_of_publishers() {
        let none = Hints::default();
        let cases = [
            ("310***********1234", Some(FindingKind::ResidentId)),
            ("31010419********1X", Some(FindingKind::ResidentId)),
            ("138****0000", Some(FindingKind::Mobile)),
            ("*******0000", Some(FindingKind::Mobile)),
            ("6222************444", Some(FindingKind::BankCard)),
            ("12**34", None),
            ("****", None),
            ("99****123456789012", None),
        ];
        for (token, wanted) in cases {
            assert_eq!(kind_of(token.as_bytes(), &none), wanted, "{token}");
        }
        let mobile = Hints::new("手机号", &[]);
        assert_eq!(kind_of(b"138***0000", &mobile), Some(FindingKind::Mobile));
    }

    #[test]
    fn what_is_shown() {
        let cases = [
            (FindingKind::ResidentId, "11010519491231002X", "110*************2X"),
            (FindingKind::Mobile, "13812345678", "138******78"),
            (FindingKind::Plate, "沪A12345", "沪A****5"),
            (FindingKind::Name, "张三", "张*"),
            (FindingKind::Name, "张", "*"),
            (FindingKind::Email, "zhang.san@example.com", "z***@***.com"),
            (FindingKind::Network, "10.12.13.14", "10*********"),
            (FindingKind::Address, "漕宝路36号2401室", "漕宝路********"),
        ];
        for (kind, value, wanted) in cases {
            assert_eq!(hide(kind, value), wanted, "{value}");
        }
    }
}
