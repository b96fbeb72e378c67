//! Which format a caller takes, by `Accept` (RFC 9110 §12.5.1).

use actix_web::http::header::{ACCEPT, HeaderMap};

use crate::error::{Error, Result};
use crate::read::Encoding;

/// The format that the caller likes best. Without `Accept`, and where anything goes, it is JSON.
///
/// # Errors
/// When the caller takes none of ours.
pub fn encoding(headers: &HeaderMap) -> Result<Encoding> {
    let text = headers.get_all(ACCEPT).filter_map(|value| value.to_str().ok()).collect::<Vec<_>>().join(",");
    choose(&text).ok_or_else(|| {
        let ours: Vec<&str> = Encoding::ALL.iter().map(|encoding| encoding.media_type()).collect();
        Error::NotAcceptable(format!("`Accept: {text}` names none of {}", ours.join(", ")))
    })
}

/// Which of these media types the caller likes best. Without `Accept`, and where anything goes, it is the first.
pub fn best_of(headers: &HeaderMap, offered: &[&str]) -> Option<usize> {
    let text = headers.get_all(ACCEPT).filter_map(|value| value.to_str().ok()).collect::<Vec<_>>().join(",");
    best(&text, offered)
}

fn choose(text: &str) -> Option<Encoding> {
    let offered: Vec<&str> = Encoding::ALL.iter().map(|encoding| encoding.media_type()).collect();
    best(text, &offered).map(|at| Encoding::ALL[at])
}

fn best(text: &str, offered: &[&str]) -> Option<usize> {
    let ranges: Vec<(String, f32)> = text.split(',').filter(|part| !part.trim().is_empty()).map(range).collect();
    if ranges.is_empty() {
        return (!offered.is_empty()).then_some(0);
    }
    let rank = |exact: &str| {
        let kind = format!("{}/*", exact.split('/').next().unwrap_or_default());
        // The most specific range that fits decides.
        let fitting = [(exact, 2), (kind.as_str(), 1), ("*/*", 0)];
        fitting.into_iter().find_map(|(name, precision)| {
            let at = ranges.iter().position(|(range, _)| range == name)?;
            Some((ranges[at].1, precision, at))
        })
    };
    let taken =
        offered.iter().enumerate().filter_map(|(index, exact)| rank(exact).map(|rank| (index, rank))).filter(|(_, (q, ..))| *q > 0.0);
    // Of equal ones the first named; of those that a wildcard names, the first offered.
    let best = taken.reduce(|best, next| {
        let ((q, precision, at), (next_q, next_precision, next_at)) = (best.1, next.1);
        let better = next_q.total_cmp(&q).then(next_precision.cmp(&precision)).then(at.cmp(&next_at)).is_gt();
        if better { next } else { best }
    });
    best.map(|(index, _)| index)
}

fn range(part: &str) -> (String, f32) {
    let mut words = part.split(';').map(str::trim);
    let name = words.next().unwrap_or_default().to_ascii_lowercase();
    let q = words.find_map(|word| word.strip_prefix("q=").or_else(|| word.strip_prefix("Q="))).map_or(Some(1.0), |q| q.trim().parse().ok());
    (name, q.unwrap_or(0.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_caller_chooses() {
        let cases = [
            ("", Some(Encoding::Json)),
            ("*/*", Some(Encoding::Json)),
            ("text/html,application/xhtml+xml,*/*;q=0.8", Some(Encoding::Json)),
            ("text/csv", Some(Encoding::Csv)),
            ("TEXT/CSV; charset=utf-8", Some(Encoding::Csv)),
            ("text/*", Some(Encoding::Csv)),
            ("text/csv, */*", Some(Encoding::Csv)),
            ("application/x-ndjson;q=0.5, application/vnd.apache.arrow.stream;q=0.9", Some(Encoding::Arrow)),
            ("application/x-ndjson, application/json", Some(Encoding::Ndjson)),
            ("application/json;q=0, */*", Some(Encoding::Csv)),
            ("text/html", None),
            ("text/csv;q=0", None),
        ];
        for (text, wanted) in cases {
            assert_eq!(choose(text), wanted, "{text}");
        }
    }
}
