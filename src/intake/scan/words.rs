//! What is found by its form inside of longer text: plates, e-mail addresses, addresses down to a room, addresses of the network.

use std::net::{Ipv4Addr, Ipv6Addr};

/// The characters that begin a plate.
const PROVINCES: &str = "京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼";

/// The end of a plate that begins with the character at `at` (GA 36), also of new-energy vehicles; a `·`, a space or a dash may stand
/// behind the letter.
pub fn plate_end(text: &str, at: usize) -> Option<usize> {
    let mut characters = text[at..].chars();
    let (province, letter) = (characters.next()?, characters.next()?);
    if !PROVINCES.contains(province) || !is_plate_letter(letter.to_ascii_uppercase()) {
        return None;
    }
    let rest = characters.as_str();
    let rest = rest.strip_prefix(['·', ' ', '-', '.']).unwrap_or(rest);
    let start = text.len() - rest.len();
    let length = rest.bytes().take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'*').count();
    let (body, after) = rest.split_at(length);
    let body = body.to_ascii_uppercase();
    let marked = after.chars().next().is_some_and(|mark| "挂学警港澳".contains(mark));
    let proper = body.chars().all(|character| is_plate_letter(character) || character.is_ascii_digit() || character == '*');
    if !proper || !body.contains(|character: char| character.is_ascii_digit()) {
        return None;
    }
    match length {
        4 if marked => Some(start + length + after.chars().next().map_or(0, char::len_utf8)),
        5 => Some(start + length),
        6 if is_new_energy(body.as_bytes()) => Some(start + length),
        _ => None,
    }
}

fn is_plate_letter(letter: char) -> bool {
    letter.is_ascii_uppercase() && !matches!(letter, 'I' | 'O')
}

fn is_new_energy(body: &[u8]) -> bool {
    let series = |byte: u8| matches!(byte, b'A'..=b'H' | b'J' | b'K' | b'*');
    let digit = |byte: &u8| byte.is_ascii_digit() || *byte == b'*';
    (series(body[0]) && body[2..].iter().all(digit)) || (body[..5].iter().all(digit) && series(body[5]))
}

/// The range of the e-mail address whose `@` stands at `at`.
pub fn email(bytes: &[u8], at: usize) -> Option<(usize, usize)> {
    let local = bytes[..at].iter().rev().take_while(|byte| byte.is_ascii_alphanumeric() || b"._%+-*".contains(byte)).count();
    let mut domain = bytes[at + 1..].iter().take_while(|byte| byte.is_ascii_alphanumeric() || b".-".contains(byte)).count();
    while domain > 0 && matches!(bytes[at + domain], b'.' | b'-') {
        domain -= 1;
    }
    let host = &bytes[at + 1..at + 1 + domain];
    let last = host.rsplit(|byte| *byte == b'.').next().unwrap_or_default();
    let proper = local > 0 && host.contains(&b'.') && last.len() >= 2 && last.iter().all(u8::is_ascii_alphabetic);
    let doubled = host.starts_with(b".") || host.windows(2).any(|pair| pair == b"..");
    (proper && !doubled).then_some((at - local, at + 1 + domain))
}

/// Whether a text is an address down to a room: a house, a building or a lane with a number, and a room or flat behind it.
pub fn is_room(text: &str) -> bool {
    let house = |part: &str| ["号", "弄", "幢", "栋", "座", "楼", "单元"].iter().any(|unit| numbered(part, unit).is_some());
    ["室", "单元"].iter().any(|unit| numbered(text, unit).is_some_and(|before| house(&text[..before])))
}

/// The same without the word for a room, or in English: for columns whose header asks for addresses.
pub fn is_flat(text: &str) -> bool {
    if text.is_ascii() { is_english_flat(text) } else { is_numbered_flat(text) }
}

/// Where the number before a unit begins: `36` of `36号`.
fn numbered(text: &str, unit: &str) -> Option<usize> {
    text.match_indices(unit).find_map(|(at, _)| {
        let number = text[..at].bytes().rev().take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'-').count();
        text[at - number..at].bytes().any(|byte| byte.is_ascii_digit()).then_some(at - number)
    })
}

/// 88弄12号301.
fn is_numbered_flat(text: &str) -> bool {
    let trimmed = text.trim_end();
    let digits = trimmed.bytes().rev().take_while(u8::is_ascii_digit).count();
    let before = &trimmed[..trimmed.len() - digits];
    (3..=4).contains(&digits)
        && ["号", "幢", "栋", "座", "单元"].iter().any(|unit| before.ends_with(unit) && numbered(before, unit).is_some())
}

fn is_english_flat(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    let words: Vec<&str> = lower.split(|letter: char| !letter.is_ascii_alphanumeric()).filter(|word| !word.is_empty()).collect();
    let road = words.iter().any(|word| matches!(*word, "road" | "rd" | "street" | "st" | "lane" | "avenue" | "ave"));
    let number = |word: &str| word.starts_with(|first: char| first.is_ascii_digit());
    let room = words.windows(2).any(|pair| matches!(pair[0], "room" | "rm" | "flat" | "apt" | "apartment") && number(pair[1]));
    road && room
}

/// The ranges of the network addresses in a text. Without a telling header, short IPv4 addresses are taken for numbers of sections.
pub fn network(text: &str, hinted: bool, mut hit: impl FnMut(usize, usize)) {
    let mut start = 0;
    for piece in text.split(|letter: char| !(letter.is_ascii_alphanumeric() || matches!(letter, '.' | ':' | '-' | '%'))) {
        let trimmed = piece.trim_end_matches(['.', ':', '-']);
        if is_ipv4(trimmed, hinted) || is_ipv6(trimmed) || is_mac(trimmed, hinted) {
            hit(start, start + trimmed.len());
        }
        start += piece.len() + text[start + piece.len()..].chars().next().map_or(0, char::len_utf8);
    }
}

fn is_ipv4(text: &str, hinted: bool) -> bool {
    let (host, port) = text.split_once(':').unwrap_or((text, ""));
    let digits = host.bytes().filter(u8::is_ascii_digit).count();
    (hinted || digits >= 7) && port.bytes().all(|byte| byte.is_ascii_digit()) && host.parse::<Ipv4Addr>().is_ok()
}

fn is_ipv6(text: &str) -> bool {
    let host = text.split('%').next().unwrap_or_default();
    host.matches(':').count() >= 3 && host.parse::<Ipv6Addr>().is_ok()
}

fn is_mac(text: &str, hinted: bool) -> bool {
    let hex = |byte: u8| byte.is_ascii_hexdigit();
    let bytes = text.as_bytes();
    if hinted && bytes.len() == 12 {
        return bytes.iter().all(|byte| hex(*byte));
    }
    bytes.len() == 17
        && matches!(bytes[2], b':' | b'-')
        && bytes.iter().enumerate().all(|(at, byte)| if at % 3 == 2 { *byte == bytes[2] } else { hex(*byte) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plates() {
        for text in ["沪A12345", "沪A·12345", "粤Z1234港", "沪AD12345", "沪A12345D", "京A1234学", "沪a12345", "沪A***45"] {
            assert_eq!(plate_end(text, 0), Some(text.len()), "{text}");
        }
        for text in ["沪I12345", "沪A1234", "沪A123456", "沪A1234567", "沪A", "东A12345", "沪ABCDEF", "沪A1234O"] {
            assert_eq!(plate_end(text, 0), None, "{text}");
        }
    }

    #[test]
    fn emails() {
        let found = |text: &str| email(text.as_bytes(), text.find('@').unwrap()).map(|(start, end)| text[start..end].to_owned());
        assert_eq!(found("写信给zhang.san@example.com。").as_deref(), Some("zhang.san@example.com"));
        assert_eq!(found("a@b.cn.").as_deref(), Some("a@b.cn"));
        for text in ["@example.com", "a@b", "a@b.1", "a@.cn", "a@b..cn", "a @ b.cn"] {
            assert_eq!(found(text), None, "{text}");
        }
    }

    #[test]
    fn rooms() {
        for text in ["上海市徐汇区漕宝路36号2401室", "田林路88弄12号301室", "3栋2单元501", "桂林路100号A楼205室", "12弄5号2室"]
        {
            assert!(is_room(text), "{text}");
        }
        for text in ["漕宝路36号", "第三会议室", "3号会议室", "501室", "漕宝路36弄", "办公室", "2号线"] {
            assert!(!is_room(text), "{text}");
        }
        for text in ["88弄12号301", "Room 501, No. 36 Caobao Road"] {
            assert!(is_flat(text) && !is_room(text), "{text}");
        }
    }

    #[test]
    fn network_addresses() {
        let found = |text: &str, hinted| {
            let mut all = Vec::new();
            network(text, hinted, |start, end| all.push(text[start..end].to_owned()));
            all
        };
        assert_eq!(found("自 192.168.10.20 与2001:db8::1:2登录", false), ["192.168.10.20", "2001:db8::1:2"]);
        assert_eq!(found("00:1A:2b:3C:4d:5E 00-1A-2B-3C-4D-5E", false).len(), 2);
        assert_eq!(found("10.1.2.3:8080", true), ["10.1.2.3:8080"]);
        for text in ["v10.12.13.14", "1.1.2.3", "999.12.13.14", "10.12.13.14.15", "2025-01-01T10:00:00", "10:00:00:00"] {
            assert!(found(text, false).is_empty(), "{text}");
        }
    }
}
