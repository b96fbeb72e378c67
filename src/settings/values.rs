//! The text of every setting, read as what it says.

use std::collections::BTreeMap;
use std::str::FromStr;

use anyhow::{Result, anyhow};

use super::{KEYS, TierLimits, is_secret};

/// The text of every setting and where it was found.
pub(super) struct Values(pub(super) BTreeMap<&'static str, (String, String)>);

impl Values {
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(|(text, _)| text.as_str()).filter(|text| !text.is_empty())
    }

    pub(super) fn wrong(&self, name: &str) -> anyhow::Error {
        let from = self.0.get(name).map_or("default", |(_, from)| from.as_str());
        let allowed = KEYS.iter().find(|key| key.name == name).map_or("", |key| key.allowed);
        let shown = if is_secret(name) { "the value" } else { self.text(name).unwrap_or("an empty value") };
        anyhow!("setting `{name}` ({from}): `{shown}` is not allowed; allowed is {allowed}")
    }

    pub(super) fn parse<T: FromStr>(&self, name: &str) -> Result<T> {
        self.text(name).and_then(|text| text.trim().parse().ok()).ok_or_else(|| self.wrong(name))
    }

    pub(super) fn number(&self, name: &str) -> Result<u64> {
        let value: u64 = self.parse(name)?;
        let allowed = KEYS.iter().find(|key| key.name == name).map_or("", |key| key.allowed);
        let bounds: Vec<u64> = allowed.split_whitespace().filter_map(|word| word.parse().ok()).collect();
        match bounds.as_slice() {
            [low, high] if value < *low || value > *high => Err(self.wrong(name)),
            _ => Ok(value),
        }
    }

    pub(super) fn share(&self, name: &str) -> Result<f64> {
        let share: f64 = self.parse(name)?;
        let allowed = KEYS.iter().find(|key| key.name == name).map_or("", |key| key.allowed);
        let bounds: Vec<f64> = allowed.split_whitespace().filter_map(|word| word.parse().ok()).collect();
        match bounds.as_slice() {
            [low, high] if (*low..=*high).contains(&share) => Ok(share),
            _ => Err(self.wrong(name)),
        }
    }

    pub(super) fn small(&self, name: &str) -> Result<u32> {
        u32::try_from(self.number(name)?).map_err(|_unreadable| self.wrong(name))
    }

    pub(super) fn size(&self, name: &str) -> Result<usize> {
        usize::try_from(self.number(name)?).map_err(|_unreadable| self.wrong(name))
    }

    pub(super) fn tier(&self, tier: &str) -> Result<TierLimits> {
        Ok(TierLimits {
            per_second: self.small(&format!("limits_{tier}_per_second"))?,
            burst: self.small(&format!("limits_{tier}_burst"))?,
            bytes_per_day: self.number(&format!("limits_{tier}_bytes_per_day"))?,
            queries: self.size(&format!("limits_{tier}_queries"))?,
            query_seconds: self.number(&format!("limits_{tier}_query_seconds"))?,
            query_rows: self.number(&format!("limits_{tier}_query_rows"))?,
            query_bytes: self.number(&format!("limits_{tier}_query_bytes"))?,
        })
    }
}
