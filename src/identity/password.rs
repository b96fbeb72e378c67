//! Passwords: argon2id, and the rules for a new one. Hashing takes a good part of a second of CPU: never on an HTTP worker.

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};

use crate::crypto::{base64url, random_bytes};
use crate::error::{Error, Result};

/// The shortest password that a person may choose.
const MIN_CHARS: usize = 12;

/// The longest; more would only cost time.
const MAX_CHARS: usize = 200;

/// A new one-time password of 120 bits.
///
/// # Errors
/// When the system gives no randomness.
pub fn one_time() -> Result<String> {
    Ok(base64url(&random_bytes::<15>()?))
}

/// Whether a person may choose this password.
///
/// # Errors
/// Says what is asked.
pub fn check_new(pointer: &str, password: &str, username: &str) -> Result<()> {
    let length = password.chars().count();
    if !(MIN_CHARS..=MAX_CHARS).contains(&length) {
        return Err(Error::invalid(pointer, format!("give {MIN_CHARS} to {MAX_CHARS} characters; this has {length}")));
    }
    if password.to_lowercase().contains(&username.to_lowercase()) {
        return Err(Error::invalid(pointer, "it must not contain the username"));
    }
    Ok(())
}

/// The password's argon2id hash with a salt of its own, as a PHC string.
///
/// # Errors
/// When the system gives no randomness.
pub fn hash(password: &str) -> Result<String> {
    let hash = Argon2::default().hash_password(password.as_bytes()).map_err(|cause| Error::internal(anyhow::anyhow!("argon2: {cause}")))?;
    Ok(hash.to_string())
}

/// Whether the password belongs to the hash. Without a hash the same time is spent, so that nobody learns which names exist.
///
/// # Errors
/// When the stored hash cannot be read.
pub fn verify(password: &str, stored: Option<&str>) -> Result<bool> {
    // The hash of a password that nobody has.
    const NOBODY: &str = "$argon2id$v=19$m=19456,t=2,p=1$bm9ib2R5bm9ib2R5bm8$JQp1Y0ktTxS2cFqtVVTLd8wCDLXzPWTBnAwxKYZ1Jq8";
    let parsed =
        PasswordHash::new(stored.unwrap_or(NOBODY)).map_err(|cause| Error::internal(anyhow::anyhow!("stored password hash: {cause}")))?;
    let matches = Argon2::default().verify_password(password.as_bytes(), &parsed).is_ok();
    Ok(matches && stored.is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_verifies_its_password_only() {
        let stored = hash("correct horse battery").unwrap();
        assert!(stored.starts_with("$argon2id$"));
        assert!(verify("correct horse battery", Some(&stored)).unwrap());
        assert!(!verify("correct horse batterz", Some(&stored)).unwrap());
        assert!(!verify("correct horse battery", None).unwrap());
    }

    #[test]
    fn weak_passwords_are_refused() {
        assert!(check_new("/p", "short", "anna").is_err());
        assert!(check_new("/p", "xxxxANNAxxxxxxx", "anna").is_err());
        assert!(check_new("/p", "long enough for us", "anna").is_ok());
    }
}
