//! Texts brought into one shape before anything is looked for in them.

use std::borrow::Cow;

/// The text with full-width forms as ASCII, every dash as `-`, every space as ` `, every mask as `*`, and without zero-width characters.
pub fn plain(text: &str) -> Cow<'_, str> {
    // Han characters begin with other bytes than the forms that change here.
    if !text.bytes().any(|byte| matches!(byte, 0xC2 | 0xC3 | 0xE2 | 0xE3 | 0xEF | b'\t' | b'\n' | b'\r')) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.chars().filter_map(one).collect())
}

fn one(character: char) -> Option<char> {
    Some(match character {
        '\u{200B}'..='\u{200F}' | '\u{2060}' | '\u{FEFF}' | '\u{AD}' => return None,
        '\t' | '\n' | '\r' | '\u{A0}' | '\u{2000}'..='\u{200A}' | '\u{202F}' | '\u{3000}' => ' ',
        '\u{2010}'..='\u{2015}' | '\u{2212}' | '－' => '-',
        '＊' | '×' | '●' | '■' | '█' | '✱' | '※' => '*',
        '‧' | '•' | '・' => '·',
        '！'..='～' => char::from_u32(character as u32 - 0xFEE0).unwrap_or(character),
        other => other,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_shape() {
        let cases = [
            ("１１０１０５ｘ", "110105x"),
            ("138\u{200B}0000\u{FEFF}0000", "13800000000"),
            ("138–0000—0000", "138-0000-0000"),
            ("138\u{3000}0000\t0000", "138 0000 0000"),
            ("张×三＊", "张*三*"),
            ("沪A•12345", "沪A·12345"),
            ("上海市徐汇区", "上海市徐汇区"),
        ];
        for (text, wanted) in cases {
            assert_eq!(plain(text), wanted, "{text}");
        }
        assert!(matches!(plain("上海市漕宝路36号"), Cow::Borrowed(_)));
    }
}
