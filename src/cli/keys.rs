//! `qingdan keys`.

use anyhow::Result;

use super::End;
use crate::app::Parts;
use crate::clock;
use crate::identity::keys;
use crate::settings::Settings;

/// Makes a new key for tokens, and says from when on it signs.
pub(super) fn rotate(settings: &Settings, emergency: bool) -> Result<End> {
    let parts = Parts::open(settings)?;
    let rotation = parts.db.write_now(|conn| keys::rotate(conn, &parts.master, "service", emergency))?;
    let (from, until) = (clock::format(rotation.signs_from.and_utc()), clock::format(rotation.others_until.and_utc()));
    println!("key {} signs from {from}; tokens of the keys before it are taken until {until}", rotation.kid);
    Ok(End::Well)
}
