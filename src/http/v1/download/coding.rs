//! Which content coding a caller likes best (RFC 9110 §12.5.3).

use actix_web::http::header::{ACCEPT_ENCODING, HeaderMap};

use crate::read::Coding;

/// What a caller accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Accepted {
    /// The coding that it likes best of ours, and not less than none.
    pub coding: Option<Coding>,
    /// Whether it takes a file without content coding. One who takes nothing that we have gets that all the same (RFC 9110 §15.5.7).
    pub plain: bool,
}

/// Weighs `Accept-Encoding`. What cannot be read is left out.
pub fn accepted(headers: &HeaderMap) -> Accepted {
    let mut weights: Vec<(String, f32)> = Vec::new();
    for line in headers.get_all(ACCEPT_ENCODING).filter_map(|line| line.to_str().ok()) {
        weights.extend(line.split(',').filter_map(weight));
    }
    let named = |name: &str| weights.iter().find(|(other, _)| other == name).map(|(_, weight)| *weight);
    let others = named("*");
    let of = |coding: Coding| {
        // An old name of the same coding.
        let alias = if coding == Coding::Gzip { named("x-gzip") } else { None };
        named(coding.as_str()).or(alias).or(others).unwrap_or(0.0)
    };
    // Without a word on it, a file without coding is always welcome, but less than any coding that is named.
    let plain = named("identity").or(others.filter(|weight| *weight == 0.0));
    let best = Coding::ALL.into_iter().filter(|coding| of(*coding) > 0.0).fold(None, |best: Option<Coding>, coding| match best {
        Some(best) if of(best) >= of(coding) => Some(best),
        _ => Some(coding),
    });
    let coding = best.filter(|coding| of(*coding) >= plain.unwrap_or(0.0));
    Accepted { coding, plain: coding.is_none() || plain != Some(0.0) }
}

fn weight(part: &str) -> Option<(String, f32)> {
    let mut parts = part.split(';');
    let name = parts.next()?.trim().to_ascii_lowercase();
    let mut weight = 1.0;
    for parameter in parts {
        let (key, value) = parameter.split_once('=')?;
        if key.trim().eq_ignore_ascii_case("q") {
            weight = value.trim().parse().ok().filter(|weight| (0.0..=1.0).contains(weight))?;
        }
    }
    (!name.is_empty()).then_some((name, weight))
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use super::*;

    #[test]
    fn weights_are_honoured() {
        let cases: &[(&[&str], Option<Coding>, bool)] = &[
            (&[], None, true),
            (&[""], None, true),
            (&["identity"], None, true),
            (&["gzip"], Some(Coding::Gzip), true),
            (&["x-gzip"], Some(Coding::Gzip), true),
            (&["gzip, deflate"], Some(Coding::Gzip), true),
            (&["gzip, deflate, br, zstd"], Some(Coding::Zstd), true),
            (&["gzip", "br"], Some(Coding::Brotli), true),
            (&["GZIP;Q=0.5, br;q=0.4"], Some(Coding::Gzip), true),
            (&["gzip;q=0.5, zstd;q=0"], Some(Coding::Gzip), true),
            (&["gzip;q=0"], None, true),
            (&["*"], Some(Coding::Zstd), true),
            (&["*;q=0.5, gzip"], Some(Coding::Gzip), true),
            (&["*;q=0, gzip"], Some(Coding::Gzip), false),
            (&["identity;q=0, gzip;q=0.1"], Some(Coding::Gzip), false),
            (&["identity, gzip;q=0.5"], None, true),
            (&["identity;q=0.5, gzip;q=0.5"], Some(Coding::Gzip), true),
            (&["identity;q=0"], None, true),
            (&["*;q=0"], None, true),
            (&["deflate, compress"], None, true),
            (&["gzip;q=2, br;q=x, zstd;q"], None, true),
        ];
        for (lines, coding, plain) in cases {
            let mut headers = HeaderMap::new();
            for line in *lines {
                headers.append(ACCEPT_ENCODING, HeaderValue::from_static(line));
            }
            assert_eq!(accepted(&headers), Accepted { coding: *coding, plain: *plain }, "{lines:?}");
        }
    }
}
