//! 统一社会信用代码, the unified social credit identifier of an organisation: 18 characters with two check digits.
//!
//! GB 32100-2015: the 18th character makes `Σ value(i)·3^(i-1)` a multiple of 31, over the alphabet without I, O, S, V and Z.
//! GB 11714-1997: characters 9 to 17 are the organisation's own code, whose last character is a check modulo 11.

const ALPHABET: &[u8; 31] = b"0123456789ABCDEFGHJKLMNPQRTUWXY";
const WEIGHTS: [u32; 17] = [1, 3, 9, 27, 19, 26, 16, 17, 20, 29, 25, 13, 8, 24, 10, 30, 28];
const ORGANISATION_WEIGHTS: [u32; 8] = [3, 7, 9, 10, 5, 8, 4, 2];

/// Checks a code.
///
/// # Errors
/// A sentence that says what is wrong: the length, a character, or which of the two check digits.
pub fn check(code: &str) -> Result<(), String> {
    let bytes = code.as_bytes();
    if code.chars().count() != 18 {
        return Err(format!("统一社会信用代码 has 18 characters, this one {}", code.chars().count()));
    }
    let mut values = Vec::with_capacity(18);
    for (at, character) in code.chars().enumerate() {
        let value = ALPHABET.iter().position(|known| char::from(*known) == character);
        let value =
            value.ok_or_else(|| format!("character {} (`{character}`) is not one of {}", at + 1, String::from_utf8_lossy(ALPHABET)))?;
        values.push(value as u32);
    }
    let sum: u32 = values.iter().zip(WEIGHTS).map(|(value, weight)| value * weight).sum();
    let wanted = (31 - sum % 31) % 31;
    if values[17] != wanted {
        return Err("the check digit at the end (character 18, GB 32100) does not fit the other 17 characters".to_owned());
    }
    if bytes[16] != organisation_check(&bytes[8..16]) {
        return Err("the check digit of the organisation code (character 17, GB 11714) does not fit characters 9 to 16".to_owned());
    }
    Ok(())
}

fn organisation_check(code: &[u8]) -> u8 {
    let value = |byte: u8| if byte.is_ascii_digit() { u32::from(byte - b'0') } else { u32::from(byte - b'A') + 10 };
    let sum: u32 = code.iter().zip(ORGANISATION_WEIGHTS).map(|(byte, weight)| value(*byte) * weight).sum();
    match 11 - sum % 11 {
        10 => b'X',
        11 => b'0',
        digit => b'0' + digit as u8,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_of_known_organisations_pass() {
        for code in ["914403001922038216", "9144030071526726XG", "91110108551385082Q", "9131000013221158XC", "911103026605015136"] {
            assert_eq!(check(code), Ok(()), "{code}");
        }
    }

    #[test]
    fn each_mistake_is_named() {
        let cases = [
            ("91440300192203821", "18 characters"),
            ("914403001922038215", "character 18"),
            ("914403001922038261", "character 18"),
            ("91350100M000100Y4Z", "character 18 (`Z`)"),
            ("914403001922038O16", "character 16 (`O`)"),
            ("91440300１22038216", "18 characters"),
            ("9１4403001922038216", "character 2 (`１`)"),
        ];
        for (code, wanted) in cases {
            let reason = check(code).expect_err(code);
            assert!(reason.contains(wanted), "{code}: {reason}");
        }
    }

    #[test]
    fn a_wrong_organisation_code_is_told_apart() {
        // Character 17 changed, and character 18 made to fit again.
        let mut code = b"914403001922038216".to_vec();
        code[16] = b'2';
        let sum: u32 = code[..17]
            .iter()
            .zip(WEIGHTS)
            .map(|(byte, weight)| ALPHABET.iter().position(|known| known == byte).unwrap() as u32 * weight)
            .sum();
        code[17] = ALPHABET[((31 - sum % 31) % 31) as usize];
        let reason = check(std::str::from_utf8(&code).unwrap()).unwrap_err();
        assert!(reason.contains("character 17"), "{reason}");
    }
}
