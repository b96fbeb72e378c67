//! What an entry may say and would better not: each remark with its key, while somebody edits it. An import takes such an entry all the same.

use pinyin::ToPinyin;

use super::entry::{Entry, Field, FieldType, OpenType};
use super::record::Contact;
use super::store::Publisher;

/// Words that stand where something should be said.
const FILLERS: [&str; 16] =
    ["暂无", "无", "空", "不详", "未知", "待补充", "待定", "略", "none", "n/a", "na", "nil", "tbd", "todo", "unknown", "test"];

/// What somebody who edits the entry should look at: the key, and why.
pub fn advice(entry: &Entry, publisher: Option<&Publisher>) -> Vec<(String, String)> {
    let mut advice = Vec::new();
    texts(entry, &mut advice);
    contact(entry, publisher, &mut advice);
    licence(entry, &mut advice);
    coverage(entry, &mut advice);
    for (at, field) in entry.fields.iter().enumerate() {
        names(at, field, &mut advice);
    }
    advice
}

type Remarks = Vec<(String, String)>;

fn is_filler(text: &str) -> bool {
    let plain = text.trim().trim_matches(['-', '—', '/', '.', '。', '*']).to_lowercase();
    plain.is_empty() || FILLERS.contains(&plain.as_str())
}

fn is_han(character: char) -> bool {
    matches!(character, '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}')
}

fn texts(entry: &Entry, remarks: &mut Remarks) {
    let mut remark = |key: &str, detail: &str| remarks.push((key.to_owned(), detail.to_owned()));
    for (key, text) in [("title", &entry.title), ("description", &entry.description)] {
        if is_filler(&text.zh) || is_filler(&text.en) {
            remark(key, "it says nothing");
        } else if !text.zh.chars().any(is_han) {
            remark(&format!("{key}.zh"), "there is no Chinese in it");
        } else if !text.en.chars().any(|character| character.is_ascii_alphabetic()) {
            remark(&format!("{key}.en"), "there is no English in it");
        }
    }
    if entry.description.zh.chars().count() < 20 {
        remark("description.zh", "a summary says what a row is, what is covered and what to beware of; this is shorter than 20 characters");
    }
    if entry.keywords.zh.is_empty() || entry.keywords.en.is_empty() {
        remark("keywords", "there are none in one of the languages; many find data by them");
    }
}

fn contact(entry: &Entry, publisher: Option<&Publisher>, remarks: &mut Remarks) {
    let none = Contact::default();
    let own = entry.contact.clone().unwrap_or_default();
    let contact = own.or(publisher.map_or(&none, |publisher| &publisher.contact));
    let parts = [contact.email.as_deref(), contact.phone.as_deref(), contact.url.as_deref()];
    if !contact.is_reachable() || parts.into_iter().flatten().all(is_filler) {
        remarks.push((
            "contact".to_owned(),
            "nobody can be asked: neither the entry nor its publisher has an e-mail address, telephone or address".to_owned(),
        ));
    }
}

fn licence(entry: &Entry, remarks: &mut Remarks) {
    let Some(licence) = &entry.licence else { return };
    if spdx::license_id(licence).is_none() {
        let detail = "an address by itself does not tell a program what is allowed: name an SPDX identifier where the terms are those of a known licence";
        remarks.push(("licence".to_owned(), detail.to_owned()));
    } else if spdx::license_id(licence).is_some_and(|known| known.is_deprecated()) {
        remarks.push(("licence".to_owned(), format!("`{licence}` is given up; name the identifier that took its place")));
    } else if licence.contains("-NC") || licence.contains("-ND") {
        let detail = format!("`{licence}` forbids uses that open data is for: say in `description` why it has to");
        remarks.push(("licence".to_owned(), detail));
    }
}

fn coverage(entry: &Entry, remarks: &mut Remarks) {
    let mut remark = |key: &str, detail: &str| remarks.push((key.to_owned(), detail.to_owned()));
    if entry.spatial.is_empty() {
        remark("spatial", "say which places the data is about");
    }
    if entry.temporal.is_none() {
        remark("temporal", "say which time the data is about");
    }
    if entry.legal_basis.is_empty() {
        remark("legal_basis", "say by which rule the data is collected or opened");
    }
    if entry.high_value.is_some() && entry.open_type != OpenType::Unconditional {
        remark("high_value", "data of high value is open to everybody, free of charge, as a file and by the API");
    }
}

fn names(at: usize, field: &Field, remarks: &mut Remarks) {
    let mut remark = |key: &str, detail: String| remarks.push((format!("fields[{at}].{key}"), format!("field `{}`: {detail}", field.name)));
    if is_initials(&field.name, &field.title.zh) {
        remark("name", format!("these are the initials of “{}” in pinyin, which nobody can read: name it by a word", field.title.zh));
    }
    if field.title.en.trim().eq_ignore_ascii_case(&field.name) && field.description.is_none() && !is_word(&field.name) {
        remark("title.en", "the English title repeats the name".to_owned());
    }
    if is_filler(&field.title.zh) || is_filler(&field.title.en) {
        remark("title", "it says nothing".to_owned());
    }
    let number = matches!(field.field_type, Some(FieldType::Decimal | FieldType::Number));
    if number && field.unit.is_none() && field.description.is_none() {
        remark("unit", "a measured value without a unit: give `unit`, or say in `description` what is counted".to_owned());
    }
}

/// Whether a name is the first letters of the syllables of a title, whole or of its beginning.
fn is_initials(name: &str, title: &str) -> bool {
    let letters: String = name.chars().filter(char::is_ascii_alphabetic).collect::<String>().to_lowercase();
    let initials: String = title.to_pinyin().flatten().map(|syllable| syllable.first_letter()).collect();
    letters.len() >= 2 && initials.len() >= 2 && (initials == letters || (letters.len() >= 4 && initials.starts_with(&letters)))
}

/// Whether a name can be read: it has a vowel, or is of two letters.
fn is_word(name: &str) -> bool {
    name.chars().count() <= 2 || name.to_lowercase().contains(['a', 'e', 'i', 'o', 'u', 'y'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn initials_are_told_from_words() {
        for (name, title) in
            [("xzqhdm", "行政区划代码"), ("XM", "姓名"), ("DWMC", "单位名称"), ("djrq_1", "登记日期"), ("tyshxy", "统一社会信用代码")]
        {
            assert!(is_initials(name, title), "{name} {title}");
        }
        for (name, title) in [("code", "区代码"), ("name_zh", "节日名称（中文）"), ("sex", "性别"), ("date", "日期"), ("id", "编号")]
        {
            assert!(!is_initials(name, title), "{name} {title}");
        }
    }

    #[test]
    fn fillers_are_told_whatever_they_are_wrapped_in() {
        for text in ["暂无", " 无 ", "-", "N/A", "—", "tbd.", ""] {
            assert!(is_filler(text), "{text:?}");
        }
        assert!(!is_filler("无线局域网热点"));
    }
}
