//! What kind of file it is: told by its first bytes; of a text, which has no telling ones, by the ending of its name.

use encoding_rs::{Encoding, UTF_8};

/// Media types of texts by the ending of the name.
const TEXTS: &[(&str, &str)] = &[
    ("css", "text/css"),
    ("csv", "text/csv"),
    ("geojson", "application/geo+json"),
    ("htm", "text/html"),
    ("html", "text/html"),
    ("js", "text/javascript"),
    ("json", "application/json"),
    ("jsonl", "application/x-ndjson"),
    ("jsonld", "application/ld+json"),
    ("kml", "application/vnd.google-earth.kml+xml"),
    ("md", "text/markdown"),
    ("ndjson", "application/x-ndjson"),
    ("rdf", "application/rdf+xml"),
    ("srt", "application/x-subrip"),
    ("svg", "image/svg+xml"),
    ("tsv", "text/tab-separated-values"),
    ("ttl", "text/turtle"),
    ("txt", "text/plain"),
    ("vtt", "text/vtt"),
    ("xml", "application/xml"),
    ("yaml", "application/yaml"),
    ("yml", "application/yaml"),
];

/// Media types of what may consist of text and is none.
const WRITTEN_AS_TEXT: [&str; 3] = ["application/pdf", "application/postscript", "application/rtf"];

/// What nobody knows anything about.
const UNKNOWN: &str = "application/octet-stream";

/// The media type of a file that begins with these bytes; `is_all` when it has no more.
pub fn media_type(path: &str, start: &[u8], is_all: bool) -> &'static str {
    let told = infer::get(start).map(|kind| kind.mime_type());
    if !is_text(start, is_all) {
        return told.filter(|told| !told.starts_with("text/")).unwrap_or(UNKNOWN);
    }
    let ending = path.rsplit('/').next().and_then(|last| last.rsplit_once('.')).map(|(_, ending)| ending.to_ascii_lowercase());
    let named = ending.and_then(|ending| TEXTS.iter().find(|(known, _)| *known == ending));
    // Two letters at the beginning of a text, such as BM, are no picture.
    let told = told.filter(|told| told.starts_with("text/") || WRITTEN_AS_TEXT.contains(told));
    named.map(|(_, name)| *name).or(told).unwrap_or("text/plain")
}

/// Whether a media type is of texts.
pub fn is_text_type(media_type: &str) -> bool {
    media_type.starts_with("text/") || TEXTS.iter().any(|(_, known)| *known == media_type)
}

/// Whether bytes are the beginning of a text.
fn is_text(start: &[u8], is_all: bool) -> bool {
    if let Some(encoding) = utf16(start) {
        let (text, _, is_broken) = encoding.decode(&start[..start.len() & !1]);
        // The last character may be cut in two.
        return (!is_all || !is_broken) && !text.chars().any(is_binary);
    }
    let text = match std::str::from_utf8(start) {
        Ok(text) => text,
        // The last character may be cut in two.
        Err(cause) if !is_all && cause.error_len().is_none() => std::str::from_utf8(&start[..cause.valid_up_to()]).unwrap_or_default(),
        Err(_) => return is_gb18030(start, is_all),
    };
    !text.is_empty() && !text.chars().any(is_binary)
}

/// The encoding of a text in UTF-16, as the mark at its beginning tells it.
pub fn utf16(start: &[u8]) -> Option<&'static Encoding> {
    Encoding::for_bom(start).map(|(encoding, _)| encoding).filter(|encoding| *encoding != UTF_8)
}

/// Whether the bytes are Chinese text in GB18030: bytes of other files seldom decode, and seldom to Han characters alone.
fn is_gb18030(start: &[u8], is_all: bool) -> bool {
    let cut = if is_all { start } else { start.iter().rposition(u8::is_ascii).map_or(start, |at| &start[..at]) };
    encoding_rs::GB18030.decode_without_bom_handling_and_without_replacement(cut).is_some_and(|text| {
        text.chars()
            .all(|letter| letter.is_ascii() || ('\u{3000}'..='\u{9FFF}').contains(&letter) || ('\u{FF00}'..='\u{FFEF}').contains(&letter))
            && !text.chars().any(is_binary)
    })
}

fn is_binary(letter: char) -> bool {
    letter.is_control() && !matches!(letter, '\t' | '\n' | '\r' | '\u{C}')
}

/// Whether a text has the form of a media type (RFC 6838 §4.2), without parameters.
pub fn is_media_type(text: &str) -> bool {
    let proper = |part: &str| {
        (1..=127).contains(&part.len())
            && part.starts_with(|letter: char| letter.is_ascii_alphanumeric())
            && part.chars().all(|letter| letter.is_ascii_alphanumeric() || "!#$&-^_.+".contains(letter))
    };
    text.split_once('/').is_some_and(|(kind, rest)| proper(kind) && proper(rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_tells_what_a_file_is() {
        let png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR";
        for (path, start, wanted) in [
            ("a.png", &png[..], "image/png"),
            ("a.txt", png, "image/png"),
            ("a.pdf", b"%PDF-1.7\n%\xE2\xE3\xCF\xD3\n", "application/pdf"),
            ("a.csv", b"a,b\n1,2\n", "text/csv"),
            ("a.CSV", "名称,数量\n".as_bytes(), "text/csv"),
            ("a.txt", b"\xD0\xEC\xBB\xE3\xC7\xF8", "text/plain"),
            ("a.svg", b"<svg xmlns='http://www.w3.org/2000/svg'/>", "image/svg+xml"),
            ("page", b"<!DOCTYPE html><html></html>", "text/html"),
            ("README", b"read me", "text/plain"),
            ("notes.log", b"BMI of everybody", "text/plain"),
            ("a", b"%PDF-1.4 all of it in ASCII", "application/pdf"),
            ("a.csv", b"\x00\x01\x02\x03", "application/octet-stream"),
            ("a.csv", b"\xFF\xFD\xFE", "application/octet-stream"),
            ("empty.txt", b"", "application/octet-stream"),
            ("a.txt", b"\xFF\xFE\x90\x5F\x47\x6C", "text/plain"),
            ("a.csv", b"\xFE\xFF\x5F\x90\x00,\x00\n", "text/csv"),
            ("a.csv", b"\xFF\xFE\x00\xD8", "application/octet-stream"),
        ] {
            assert_eq!(media_type(path, start, true), wanted, "{path} {start:?}");
        }
        assert_eq!(media_type("a.txt", &"徐".as_bytes()[..2], false), "application/octet-stream", "no whole character");
        assert_eq!(media_type("a.txt", &"徐汇".as_bytes()[..5], false), "text/plain");
    }

    #[test]
    fn media_types_have_a_form() {
        assert!(["image/png", "application/vnd.oasis.opendocument.text", "image/svg+xml"].iter().all(|text| is_media_type(text)));
        assert!(
            !["", "image", "image/", "/png", "image/png; a=b", "image/p ng", "a/b/c", "图/png", "a/b\r\nX: y"]
                .iter()
                .any(|text| is_media_type(text))
        );
    }
}
