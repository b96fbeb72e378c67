//! Settings of requests that the service makes itself, and of what it keeps of their answers.

use std::path::PathBuf;

use anyhow::Result;

use super::values::Values;

/// How the service talks to addresses that others name.
#[derive(Debug, Clone)]
pub struct OutboundSettings {
    /// Whether private addresses are talked to, and loopback without TLS: for tests and development alone.
    pub allow_private: bool,
    /// Certificates of authorities in PEM that are believed besides the system's.
    pub ca_file: Option<PathBuf>,
    /// How long a request may take from the look-up of the name to the last byte.
    pub timeout_seconds: u32,
}

/// The key sets that clients publish.
#[derive(Debug, Clone, Copy)]
pub struct KeySetSettings {
    /// The largest set.
    pub max_bytes: usize,
    /// How long a set is kept at the least, whatever its answer says.
    pub least_seconds: u32,
    /// How long it is kept at the most.
    pub most_seconds: u32,
    /// How long after one request for a client's set the next one is made at the earliest.
    pub cooldown_seconds: u32,
}

impl OutboundSettings {
    pub(super) fn of(values: &Values) -> Result<Self> {
        Ok(OutboundSettings {
            allow_private: values.parse("outbound_allow_private")?,
            ca_file: values.text("outbound_ca_file").map(PathBuf::from),
            timeout_seconds: values.small("outbound_timeout_seconds")?,
        })
    }
}

impl KeySetSettings {
    pub(super) fn of(values: &Values) -> Result<Self> {
        let (least_seconds, most_seconds) = (values.small("jwks_least_seconds")?, values.small("jwks_most_seconds")?);
        if least_seconds > most_seconds {
            anyhow::bail!("setting `jwks_least_seconds`: {least_seconds} is more than jwks_most_seconds, {most_seconds}");
        }
        let (max_bytes, cooldown_seconds) = (values.size("jwks_max_bytes")?, values.small("jwks_cooldown_seconds")?);
        Ok(KeySetSettings { max_bytes, least_seconds, most_seconds, cooldown_seconds })
    }
}
