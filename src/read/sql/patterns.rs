//! Regular expressions of queries: one for all rows, short, and small when compiled, since the engine compiles each pattern that it
//! meets outside of the memory that it accounts for.

use datafusion::common::{Result, exec_err};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs};
use datafusion::sql::sqlparser::ast::BinaryOperator;

/// The longest pattern.
const MAX_CHARS: usize = 256;

/// How often a pattern may repeat a part of it by number, all such repetitions multiplied: as if each stood within the one before.
const MAX_REPEATED: u64 = 100;

/// How many patterns a query may have: each is compiled once for every batch of rows.
pub(crate) const MAX_PATTERNS: usize = 10;

/// What is said of a pattern that is computed from the rows.
pub(super) const ONE: &str = "the pattern of a regular expression must be one text, written out, and not a value of each row";

/// Whether a function takes a pattern.
pub(crate) fn is_function(name: &str) -> bool {
    name.starts_with("regexp_")
}

/// Whether an operator takes a pattern.
pub(super) fn is_operator(op: &BinaryOperator) -> bool {
    use BinaryOperator::{PGRegexIMatch, PGRegexMatch, PGRegexNotIMatch, PGRegexNotMatch, Regexp};
    matches!(op, PGRegexMatch | PGRegexIMatch | PGRegexNotMatch | PGRegexNotIMatch | Regexp)
}

/// What is wrong with a pattern, if anything.
pub(super) fn fault(pattern: &str) -> Option<String> {
    if pattern.chars().count() > MAX_CHARS {
        return Some(format!("the pattern is longer than {MAX_CHARS} characters"));
    }
    let (mut rest, mut product) = (pattern, 1_u64);
    while let Some(at) = rest.find(['\\', '{']) {
        let (sign, behind) = (rest.as_bytes().get(at), rest.get(at + 1..).unwrap_or_default());
        if sign == Some(&b'\\') {
            let mut characters = behind.chars();
            let escaped = characters.next();
            rest = characters.as_str();
            // `\p{Han}` and `\x{4e00}` name a character; their braces repeat nothing.
            if matches!(escaped, Some('p' | 'P' | 'x' | 'u' | 'U'))
                && let Some(name) = rest.strip_prefix('{')
            {
                rest = name.split_once('}').map_or("", |(_, behind)| behind);
            }
            continue;
        }
        let (inner, behind) = behind.split_once('}').unwrap_or((behind, ""));
        let Some(times) = times(inner) else {
            return Some(
                "the pattern repeats a part in a way that is not allowed: write {2} or {2,5}, and \\{ for the sign itself".to_owned(),
            );
        };
        product = product.saturating_mul(times.max(1));
        rest = behind;
    }
    (product > MAX_REPEATED)
        .then(|| format!("the pattern repeats its parts {product} times, all of them multiplied; the most is {MAX_REPEATED}"))
}

/// The larger number of `2`, `2,` or `2,5`.
fn times(inner: &str) -> Option<u64> {
    let number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse::<u64>().unwrap_or(u64::MAX));
    match inner.split_once(',') {
        None => number(inner),
        Some((least, "")) => number(least),
        Some((least, most)) => Some(number(least)?.max(number(most)?)),
    }
}

/// Looks at the pattern of a function before it is compiled.
pub(super) fn check(_name: &str, arguments: &ScalarFunctionArgs) -> Result<()> {
    // Behind the pattern stand numbers and flags, and the flags are written into the pattern.
    for (at, argument) in arguments.args.iter().enumerate().skip(1) {
        if !argument.data_type().is_string() {
            continue;
        }
        let ColumnarValue::Scalar(value) = argument else { return exec_err!("{ONE}") };
        let Some(Some(text)) = value.try_as_str() else { continue };
        if at == 1
            && let Some(fault) = fault(text)
        {
            return exec_err!("{fault}");
        }
        if at > 1 && !(text.len() <= 8 && text.bytes().all(|byte| byte.is_ascii_alphabetic())) {
            return exec_err!("the flags of a regular expression are a few letters, such as 'i'");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_stay_small() {
        for pattern in ["", "^a+b*$", r"\d{4}-\d{2}", r"(\w{10}){10}", r"\p{Han}{2,5}", r"\x{4e00}", r"\{500\}", "路|街", "a{3,}"] {
            assert_eq!(fault(pattern), None, "{pattern}");
        }
        let long = "路".repeat(257);
        for pattern in [
            r"(\w{10}){11}",
            r"((a{1,50}){3})",
            "a{101}",
            "a{5000,}",
            "a{99999999999999999999}",
            "(?x)a{1 0 0 0}",
            "(?x)a{1#}\n000}",
            r"\\{500}",
            r"\pL{500}",
            &long,
        ] {
            assert!(fault(pattern).is_some(), "{pattern}");
        }
    }
}
