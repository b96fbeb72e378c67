//! What the record says beside the entry's texts and fields: codes, contact, coverage, licence, sharing.

use super::{Faults, both};
use crate::catalog::entry::{Entry, Field, FieldType, Sensitivity};
use crate::catalog::record::{Contact, Place, SharingType};
use crate::catalog::subjects::SubjectClass;
use crate::clock::{now_naive, shanghai};
use crate::intake::{Declared, looks_personal, value};
use crate::settings::is_email;

pub(super) fn check(entry: &Entry, classes: &[SubjectClass], faults: &mut Faults) {
    let mut fault = |key: &str, detail: String| faults.push((key.to_owned(), detail));
    if let Some(code) = &entry.code
        && !is_resource_code(code)
    {
        fault(
            "code",
            "give the class and the number with `/` between them, as in `29200/01103512`: letters and digits, 1 to 20 each".into(),
        );
    }
    if let Some(code) = &entry.registration_code
        && !is_token(code, 64, b"-_./")
    {
        fault("registration_code", "give up to 64 letters, digits and `-` `_` `.` `/`".into());
    }
    if let Some(class) = &entry.subject_class
        && !classes.iter().any(|known| known.slug == *class)
    {
        fault("subject_class", format!("`{class}` is not in subjects.toml"));
    }
    for (at, tag) in entry.languages.iter().enumerate() {
        if !is_language(tag) {
            fault(&format!("languages[{at}]"), format!("`{tag}` is no language tag such as `zh` or `en`"));
        } else if entry.languages[..at].contains(tag) {
            fault(&format!("languages[{at}]"), format!("`{tag}` stands twice"));
        }
    }
    if let Some(period) = entry.temporal {
        match (period.start, period.end) {
            (None, None) => fault("temporal", "give start, end or both".into()),
            (Some(start), Some(end)) if end < start => fault("temporal", format!("it ends on {end}, before it starts on {start}")),
            (Some(_) | None, Some(_) | None) => {}
        }
    }
    for (at, basis) in entry.legal_basis.iter().enumerate() {
        both(&format!("legal_basis[{at}].title"), Some(&basis.title), faults);
        check_address(&format!("legal_basis[{at}].url"), basis.url.as_deref(), faults);
    }
    both("department", entry.department.as_ref(), faults);
    both("high_value.reason", entry.high_value.as_ref().map(|mark| &mark.reason), faults);
    entry.spatial.iter().enumerate().for_each(|(at, place)| check_place(&format!("spatial[{at}]"), place, faults));
    check_sharing(entry, faults);
    if let Some(contact) = &entry.contact {
        faults.extend(check_contact("contact", contact));
        if !contact.is_reachable() {
            faults.push(("contact".into(), "give email, phone or url; without the key the publisher's contact is shown".into()));
        }
    }
    for (at, one) in entry.related.iter().enumerate() {
        if entry.related[..at].contains(one) {
            faults.push((format!("related[{at}]"), format!("`{}` stands twice", one.dataset)));
        }
    }
}

fn check_sharing(entry: &Entry, faults: &mut Faults) {
    let Some(sharing) = &entry.sharing else { return };
    both("sharing.conditions", sharing.conditions.as_ref(), faults);
    both("sharing.way", sharing.way.as_ref(), faults);
    let detail = match (sharing.sharing_type, &sharing.conditions) {
        (SharingType::Conditional, None) => "say on which conditions it is shared",
        (SharingType::None, None) => "say by which rule it is not shared",
        (SharingType::Unconditional, Some(_)) => "what is shared without conditions has none",
        (SharingType::Conditional | SharingType::None, Some(_)) | (SharingType::Unconditional, None) => return,
    };
    faults.push(("sharing.conditions".into(), detail.into()));
}

fn check_place(at: &str, place: &Place, faults: &mut Faults) {
    both(&format!("{at}.name"), Some(&place.name), faults);
    if let Some(code) = &place.code
        && !(matches!(code.len(), 2 | 4 | 6 | 9 | 12) && code.bytes().all(|byte| byte.is_ascii_digit()))
    {
        faults.push((format!("{at}.code"), "a division code has 2, 4, 6, 9 or 12 digits".into()));
    }
    if let Some([west, south, east, north]) = place.bbox {
        let longitudes = (-180.0..=180.0).contains(&west) && (-180.0..=180.0).contains(&east);
        let latitudes = (-90.0..=90.0).contains(&south) && (-90.0..=90.0).contains(&north) && south <= north;
        if !longitudes || !latitudes {
            faults.push((format!("{at}.bbox"), "give west, south, east, north in degrees: [121.38, 31.10, 121.50, 31.22]".into()));
        }
    }
}

/// What is wrong with a contact.
pub(in crate::catalog) fn check_contact(key: &str, contact: &Contact) -> Faults {
    let mut faults = Faults::new();
    both(&format!("{key}.name"), contact.name.as_ref(), &mut faults);
    check_address(&format!("{key}.url"), contact.url.as_deref(), &mut faults);
    let mut fault = |of: &str, detail: &str| faults.push((format!("{key}.{of}"), detail.to_owned()));
    if contact.email.as_deref().is_some_and(|email| !is_email(email)) {
        fault("email", "no e-mail address; leave it out where there is none");
    }
    if let Some(phone) = &contact.phone {
        let digits: String = phone.chars().filter(char::is_ascii_digit).collect();
        let shape = phone.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'+' | b'-' | b' ' | b'(' | b')'));
        if !shape || !(3..=15).contains(&digits.len()) {
            fault("phone", "no telephone number; leave it out where there is none");
        } else if is_mobile(&digits) {
            fault("phone", "a mobile number belongs to a person: give the office's number");
        }
    }
    faults
}

/// Whether digits are a mobile number of the mainland, with or without its country's prefix.
fn is_mobile(digits: &str) -> bool {
    let number = digits.strip_prefix("0086").or_else(|| digits.strip_prefix("86")).unwrap_or(digits);
    number.len() == 11 && number.starts_with('1') && !number.starts_with("10") && !number.starts_with("12")
}

fn check_address(key: &str, url: Option<&str>, faults: &mut Faults) {
    if url.is_some_and(|url| !super::is_address(url)) {
        faults.push((key.to_owned(), "give an address that begins with https://, in which what has to be is written as %XX".to_owned()));
    }
}

fn is_token(text: &str, most: usize, more: &[u8]) -> bool {
    (1..=most).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || more.contains(&byte))
}

fn is_resource_code(code: &str) -> bool {
    code.split_once('/').is_some_and(|(class, number)| is_token(class, 20, b"") && is_token(number, 20, b""))
}

/// Whether it is a language, with a script or a region where these matter: `zh`, `zh-Hans`, `en-GB`.
fn is_language(tag: &str) -> bool {
    let mut parts = tag.split('-');
    let language = parts.next().is_some_and(|part| matches!(part.len(), 2 | 3) && part.bytes().all(|byte| byte.is_ascii_lowercase()));
    language && parts.all(|part| matches!(part.len(), 2..=8) && part.bytes().all(|byte| byte.is_ascii_alphanumeric()))
}

/// What is wrong with a field's codes and example.
pub(super) fn check_field(entry: &Entry, at: usize, field: &Field, faults: &mut Faults) {
    let mut fault = |key: String, detail: String| faults.push((format!("fields[{at}].{key}"), format!("field `{}`: {detail}", field.name)));
    if !field.codes.is_empty() && field.codes_of.is_some() {
        fault("codes_of".into(), "the codes are listed here, or in another dataset, not in both".into());
    }
    // Before anything that would repeat the value: everybody sees codes and examples.
    let telling = !entry.synthetic && matches!(field.sensitivity, Sensitivity::Direct | Sensitivity::Sensitive);
    let personal = |text: &str| !entry.synthetic && field.cleared.is_none() && is_personal(field, text);
    let hidden = "it looks like an identifier or contact of a person, and everybody sees it";
    for (number, code) in field.codes.iter().enumerate().take(super::words::CODES) {
        if personal(&code.code) {
            fault(format!("codes[{number}].code"), hidden.into());
        } else if field.codes[..number].iter().any(|other| other.code == code.code) {
            fault(format!("codes[{number}].code"), format!("`{}` stands twice", code.code));
        } else if let Some(detail) = not_of_its_type(field, &code.code) {
            fault(format!("codes[{number}].code"), detail);
        }
        if code.title.zh.trim().is_empty() || code.title.en.trim().is_empty() {
            fault(format!("codes[{number}].title"), "both zh and en need a text".into());
        }
    }
    if field.sensitivity == Sensitivity::Direct && !entry.synthetic && !field.codes.is_empty() {
        fault("codes".into(), "everybody sees codes: a field that names somebody has none".into());
    }
    let Some(example) = &field.example else { return };
    if telling {
        fault("example".into(), "everybody sees an example: a field that names somebody, or can harm, has none".into());
    } else if personal(example) {
        fault("example".into(), hidden.into());
    } else if let Some(detail) = not_of_its_type(field, example) {
        fault("example".into(), detail);
    } else if !field.codes.is_empty() && !field.codes.iter().any(|code| code.code == *example) {
        fault("example".into(), format!("`{example}` is none of its codes"));
    }
}

fn not_of_its_type(field: &Field, text: &str) -> Option<String> {
    let field_type = field.field_type?;
    let fits = match field_type {
        FieldType::Integer => value::integer(text).is_some(),
        FieldType::Decimal => value::decimal(text, field.scale.and_then(|scale| usize::try_from(scale).ok()).unwrap_or_default()).is_some(),
        FieldType::Number => value::number(text).is_some(),
        FieldType::Boolean => value::boolean(text).is_some(),
        FieldType::Date => value::date(text).is_some(),
        FieldType::Datetime => value::datetime(text).is_some(),
        FieldType::String | FieldType::Geometry => true,
    };
    (!fits).then(|| format!("`{text}` is no {}", field_type.as_str()))
}

fn is_personal(field: &Field, text: &str) -> bool {
    let declared = Declared {
        name: field.name.clone(),
        field_type: field.field_type,
        scale: field.scale,
        personal: false,
        titles: vec![field.title.zh.clone(), field.title.en.clone()],
        key: false,
        cleared: false,
    };
    looks_personal(&declared, text, shanghai(now_naive()).date())
}
