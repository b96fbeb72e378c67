//! Finds the key of a client that publishes its keys (`jwks_uri`): in the set as it was seen last, or by a look at the address. Whoever sends
//! names of keys that nobody has cannot make us look again and again: after one look the next one has to wait, whatever came of it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use url::Url;

use super::App;
use crate::clock::now_naive;
use crate::error::{Error, Result};
use crate::identity::clients;
use crate::identity::jwk::{self, PublicKey};
use crate::identity::key_sets::{self, Kept, KeySet};
use crate::identity::tokens::PublishedKey;
use crate::settings::KeySetSettings;

/// The media types of a key set.
const ACCEPT: &str = "application/jwk-set+json, application/json";

/// After so many clients it is looked whose turns can be forgotten.
const MANY: usize = 1000;

/// The turns at looking for clients' keys, one for each client.
#[derive(Default)]
pub struct KeyTurns {
    turns: Mutex<HashMap<String, Arc<tokio::sync::Mutex<Turn>>>>,
}

/// The last look at a client's address.
#[derive(Default)]
struct Turn {
    at: Option<Instant>,
    /// Why nothing came of it, in words for the client.
    failure: Option<String>,
}

impl KeyTurns {
    fn of(&self, client_id: &str, cooldown: Duration) -> Arc<tokio::sync::Mutex<Turn>> {
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        if turns.len() >= MANY {
            let recent = |turn: &Turn| turn.at.is_some_and(|at| at.elapsed() < cooldown);
            turns.retain(|_, turn| Arc::strong_count(turn) > 1 || turn.try_lock().is_ok_and(|turn| recent(&turn)));
        }
        Arc::clone(turns.entry(client_id.to_owned()).or_default())
    }
}

/// A client that publishes its keys, and the name of the one that is looked for.
struct Search {
    client_id: String,
    address: String,
    kid: Option<String>,
}

impl Search {
    /// The key in a set that still holds.
    fn in_fresh(&self, kept: Option<&Kept>) -> Option<PublicKey> {
        kept.filter(|kept| kept.is_fresh()).and_then(|kept| kept.set.find(self.kid.as_deref())).cloned()
    }
}

impl App {
    /// The key with which a client that publishes its keys says that it has made `jws`, or why there is none; nothing of other clients, and of those
    /// that may not act. With `firm`, of that firm's clients alone.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn published_key(&self, client_id: &str, firm: Option<&str>, jws: &str) -> Result<Option<PublishedKey>> {
        let (id, firm) = (client_id.to_owned(), firm.map(str::to_owned));
        let known = self.db.read(move |conn| {
            let client = match clients::require_active(conn, &id) {
                Ok(client) => client,
                Err(Error::Unauthenticated(_)) => return Ok(None),
                Err(other) => return Err(other),
            };
            let asked = firm.is_none_or(|firm| firm == client.firm_id);
            let Some(address) = client.jwks_uri.filter(|_| asked) else { return Ok(None) };
            Ok(Some((address, key_sets::find(conn, &id)?)))
        });
        let Some((address, kept)) = known.await? else { return Ok(None) };
        let search = Search { client_id: client_id.to_owned(), address, kid: jwk::key_id("", jws).ok() };
        match search.in_fresh(kept.as_ref()) {
            Some(key) => Ok(Some(Ok(key))),
            None => Ok(Some(self.look_again(&search).await?)),
        }
    }

    /// Looks at the client's address, unless somebody did just now.
    async fn look_again(&self, search: &Search) -> Result<PublishedKey> {
        let cooldown = Duration::from_secs(self.settings.key_sets.cooldown_seconds.into());
        let turn = self.key_turns.of(&search.client_id, cooldown);
        let mut turn = turn.lock().await;
        // Whoever had the turn before has perhaps found what this one looks for.
        let id = search.client_id.clone();
        let kept = self.db.read(move |conn| key_sets::find(conn, &id)).await?;
        if let Some(key) = search.in_fresh(kept.as_ref()) {
            return Ok(Ok(key));
        }
        // Also when another replica, or this one before a restart, was the last to look.
        let seen = kept.as_ref().and_then(|kept| (now_naive() - kept.fetched_at).to_std().ok());
        let last = turn.at.map(|at| at.elapsed()).into_iter().chain(seen).min();
        if let Some(waits) = last.and_then(|last| cooldown.checked_sub(last)).filter(|waits| !waits.is_zero()) {
            return Ok(Err(nothing(search, turn.failure.as_deref(), waits)));
        }
        turn.at = Some(Instant::now());
        let (kept, failure) = match self.fetch(search).await? {
            Ok(kept) => (Some(kept), None),
            Err(failure) => (kept, Some(failure)),
        };
        turn.failure = failure;
        Ok(search.in_fresh(kept.as_ref()).ok_or_else(|| nothing(search, turn.failure.as_deref(), cooldown)))
    }

    /// Fetches the set and keeps it. A failure is in words for the client, who learns nothing about what the address answered unless it is a key set
    /// from the public network; the operator finds the rest in the log.
    async fn fetch(&self, search: &Search) -> Result<std::result::Result<Kept, String>> {
        let KeySetSettings { max_bytes, least_seconds, most_seconds, .. } = self.settings.key_sets;
        let url = Url::parse(&search.address).map_err(Error::internal)?;
        let host = url.host_str().unwrap_or_default();
        let fetched = match self.outbound.get(&url, ACCEPT, max_bytes).await {
            Ok(fetched) => fetched,
            Err(refusal) => {
                tracing::warn!(client.id = %search.client_id, host, reason = %refusal, "a client's key set could not be fetched");
                let seconds = self.settings.outbound.timeout_seconds;
                return Ok(Err(format!(
                    "the address has to answer 200 with a key set, without a redirect, over https in the public network, within {seconds} s and {max_bytes} bytes"
                )));
            }
        };
        let set = match KeySet::parse(&fetched.body) {
            Ok(set) => set,
            Err(reason) => {
                tracing::warn!(client.id = %search.client_id, host, reason, "a client's key set is not taken");
                return Ok(Err(format!("what is there is no key set that is taken: {reason}")));
            }
        };
        let least = Duration::from_secs(least_seconds.into());
        let kept_for = fetched.kept_for.unwrap_or(least).clamp(least, Duration::from_secs(most_seconds.into()));
        let fetched_at = now_naive();
        let kept = Kept { set, fetched_at, fresh_until: fetched_at + kept_for };
        let (id, new) = (search.client_id.clone(), kept.clone());
        self.db.write(move |conn| key_sets::keep(conn, &id, &new)).await?;
        Ok(Ok(kept))
    }
}

/// Why there is no key, and when it is worth while to come back.
fn nothing(search: &Search, failure: Option<&str>, waits: Duration) -> String {
    let seconds = waits.as_secs_f64().ceil() as u64;
    let reason = match (failure, &search.kid) {
        (Some(failure), _) => format!("the client's keys could not be had from its jwks_uri: {failure}"),
        (None, Some(_)) => "the key that its header names by `kid` is not at the client's jwks_uri".to_owned(),
        (None, None) => "its header names no key by `kid`, and there is not exactly one at the client's jwks_uri".to_owned(),
    };
    format!("{reason}; that address is asked again in {seconds} s at the earliest")
}
