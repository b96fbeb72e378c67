//! Limits by tier: requests a second (`governor`), queries at once, bytes a day. One key for each caller that it cannot mint
//! itself: its firm, its person, or its address (IPv6 by /64).

mod metering;
mod usage;

use std::collections::HashMap;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use governor::clock::{Clock, DefaultClock};
use governor::middleware::StateInformationMiddleware;
use governor::state::keyed::DefaultKeyedStateStore;
use governor::{Quota, RateLimiter};

use crate::error::{Error, Result};
use crate::settings::{Settings, TierLimits};

pub use metering::{Amounts, Meter, Metering, ReadQuota, Used};
pub use usage::Usage;

type Limiter = RateLimiter<String, DefaultKeyedStateStore<String>, DefaultClock, StateInformationMiddleware>;

/// The tiers of callers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tier {
    /// Nobody in particular, by address.
    Anonymous,
    /// A registered firm, whatever its client.
    Firm,
    /// A registered firm that is throttled for what it has done.
    Throttled,
    /// A person with a role.
    Staff,
}

impl Tier {
    /// The tier as it stands in a policy's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Tier::Anonymous => "anonymous",
            Tier::Firm => "firm",
            Tier::Throttled => "throttled",
            Tier::Staff => "staff",
        }
    }
}

/// Whom a limit counts against.
#[derive(Debug, Clone)]
pub struct LimitKey {
    /// The tier.
    pub tier: Tier,
    /// The caller's own name in it.
    pub name: String,
}

impl LimitKey {
    /// The key of an address; IPv6 addresses of one /64 are one caller.
    pub fn for_address(address: IpAddr) -> Self {
        let name = match address.to_canonical() {
            IpAddr::V4(address) => format!("address:{address}"),
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                format!("address:{a:x}:{b:x}:{c:x}:{d:x}::/64")
            }
        };
        LimitKey { tier: Tier::Anonymous, name }
    }

    /// The key of a registered firm.
    pub fn for_firm(id: &str, throttled: bool) -> Self {
        LimitKey { tier: if throttled { Tier::Throttled } else { Tier::Firm }, name: format!("firm:{id}") }
    }
}

/// The state of a limit after a request was counted.
#[derive(Debug, Clone, Copy)]
pub struct Standing {
    /// The policy's name.
    pub policy: &'static str,
    /// How many requests are let through at once.
    pub burst: u32,
    /// How many seconds refill all of them.
    pub window_seconds: u64,
    /// How many more are let through now.
    pub remaining: u32,
}

struct TierState {
    requests: Limiter,
    limits: TierLimits,
    queries: Mutex<HashMap<String, usize>>,
}

impl TierState {
    fn new(limits: TierLimits) -> Self {
        let quota = Quota::per_second(at_least_one(limits.per_second)).allow_burst(at_least_one(limits.burst));
        let requests = RateLimiter::keyed(quota).with_middleware::<StateInformationMiddleware>();
        TierState { requests, limits, queries: Mutex::default() }
    }
}

fn hourly(number: u32) -> Limiter {
    RateLimiter::keyed(Quota::per_hour(at_least_one(number))).with_middleware::<StateInformationMiddleware>()
}

fn at_least_one(number: u32) -> NonZeroU32 {
    NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN)
}

/// How often a firm has mail sent once more, an hour.
const REPLAYS: u32 = 6;

/// All limits of this process.
pub struct Limits {
    anonymous: Arc<TierState>,
    firm: Arc<TierState>,
    throttled: Arc<TierState>,
    staff: Arc<TierState>,
    logins: Limiter,
    feedback: Limiter,
    feedback_of_all: Limiter,
    votes: Limiter,
    replays: Limiter,
    clock: DefaultClock,
}

impl Limits {
    /// The limits of the settings.
    pub fn new(settings: &Settings) -> Self {
        let logins = Quota::per_minute(at_least_one(settings.login_per_minute));
        Limits {
            anonymous: Arc::new(TierState::new(settings.anonymous)),
            firm: Arc::new(TierState::new(settings.firm)),
            throttled: Arc::new(TierState::new(settings.duties.throttled(settings.firm))),
            staff: Arc::new(TierState::new(settings.staff)),
            logins: RateLimiter::keyed(logins).with_middleware::<StateInformationMiddleware>(),
            feedback: hourly(settings.feedback.per_hour),
            feedback_of_all: hourly(settings.feedback.per_hour_total),
            replays: hourly(REPLAYS),
            votes: hourly(settings.feedback.votes_per_hour),
            clock: DefaultClock::default(),
        }
    }

    fn tier(&self, tier: Tier) -> &Arc<TierState> {
        match tier {
            Tier::Anonymous => &self.anonymous,
            Tier::Firm => &self.firm,
            Tier::Throttled => &self.throttled,
            Tier::Staff => &self.staff,
        }
    }

    /// The limits of a tier.
    pub fn of(&self, tier: Tier) -> TierLimits {
        self.tier(tier).limits
    }

    /// Counts one request.
    ///
    /// # Errors
    /// When the caller's requests are used up for now. The standing is answered beside the error.
    pub fn request(&self, key: &LimitKey) -> (Standing, Result<()>) {
        let tier = self.tier(key.tier);
        let TierLimits { per_second, burst, .. } = tier.limits;
        let window_seconds = u64::from(burst.div_ceil(per_second.max(1))).max(1);
        let mut standing = Standing { policy: key.tier.as_str(), burst, window_seconds, remaining: 0 };
        match tier.requests.check_key(&key.name) {
            Ok(snapshot) => {
                standing.remaining = snapshot.remaining_burst_capacity();
                (standing, Ok(()))
            }
            Err(not_until) => (standing, Err(self.refuse("too many requests", not_until.wait_time_from(self.clock.now())))),
        }
    }

    /// Counts one attempt to prove an identity: log-in, registration, token.
    ///
    /// # Errors
    /// When the address has tried too often.
    pub fn login(&self, address: IpAddr) -> Result<()> {
        let key = LimitKey::for_address(address);
        match self.logins.check_key(&key.name) {
            Ok(_) => Ok(()),
            Err(not_until) => Err(self.refuse("too many attempts from this address", not_until.wait_time_from(self.clock.now()))),
        }
    }

    /// Counts one thing that a caller files: objection, claim, request, rating or reuse. What those file who are not logged in counts together
    /// too, rights claims by themselves.
    ///
    /// # Errors
    /// When the caller has filed too often, or all of them have.
    pub fn feedback(&self, key: &LimitKey, claim: bool) -> Result<()> {
        let refused = |wait| self.refuse("too much was filed by this caller", wait);
        self.feedback.check_key(&key.name).map_err(|not_until| refused(not_until.wait_time_from(self.clock.now())))?;
        if key.tier != Tier::Anonymous {
            return Ok(());
        }
        let refused = |wait| self.refuse("too much is filed at the moment by callers who are not logged in", wait);
        // Whoever fills one up does not keep anybody from claiming a right.
        let all = self.feedback_of_all.check_key(&if claim { "claims" } else { "rest" }.to_owned());
        all.map(|_| ()).map_err(|not_until| refused(not_until.wait_time_from(self.clock.now())))
    }

    /// Counts that a firm has mail sent once more: each time it may be many letters.
    ///
    /// # Errors
    /// When the firm has done so too often.
    pub fn replay(&self, firm_id: &str) -> Result<()> {
        let refused = |wait| self.refuse("too many replays of this firm", wait);
        self.replays.check_key(&firm_id.to_owned()).map(|_| ()).map_err(|not_until| refused(not_until.wait_time_from(self.clock.now())))
    }

    /// Counts one vote of a caller.
    ///
    /// # Errors
    /// When the caller has voted too often.
    pub fn vote(&self, key: &LimitKey) -> Result<()> {
        let refused = |wait| self.refuse("too many votes of this caller", wait);
        self.votes.check_key(&key.name).map(|_| ()).map_err(|not_until| refused(not_until.wait_time_from(self.clock.now())))
    }

    fn refuse(&self, reason: &str, wait: Duration) -> Error {
        let retry_after_seconds = (wait.as_millis().div_ceil(1000) as u64).max(1);
        Error::RateLimited { reason: format!("{reason}; come back in {retry_after_seconds} s"), retry_after_seconds }
    }

    /// Takes one of the caller's places for a query; it is free again when the answer is dropped.
    ///
    /// # Errors
    /// When all are taken.
    pub fn query(&self, key: &LimitKey) -> Result<QueryPlace> {
        let tier = Arc::clone(self.tier(key.tier));
        let mut running = tier.queries.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = running.entry(key.name.clone()).or_insert(0);
        if *taken >= tier.limits.queries {
            let reason = format!("{} queries of this caller are running, which is the limit; wait for one to end", tier.limits.queries);
            return Err(Error::RateLimited { reason, retry_after_seconds: 1 });
        }
        *taken += 1;
        drop(running);
        Ok(QueryPlace { tier, name: key.name.clone() })
    }

    /// Forgets callers that have been away for long enough; run it now and then.
    pub fn tidy(&self) {
        for limiter in [
            &self.anonymous.requests,
            &self.firm.requests,
            &self.throttled.requests,
            &self.staff.requests,
            &self.logins,
            &self.feedback,
            &self.votes,
            &self.replays,
        ] {
            limiter.retain_recent();
            limiter.shrink_to_fit();
        }
    }
}

/// A place for a query.
pub struct QueryPlace {
    tier: Arc<TierState>,
    name: String,
}

impl Drop for QueryPlace {
    fn drop(&mut self) {
        let mut running = self.tier.queries.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(taken) = running.get_mut(&self.name) {
            *taken -= 1;
            if *taken == 0 {
                running.remove(&self.name);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_one_ipv6_network_are_one_caller() {
        let name = |text: &str| LimitKey::for_address(text.parse().unwrap()).name;
        assert_eq!(name("2001:db8:1:2::1"), name("2001:db8:1:2:ffff::9"));
        assert_ne!(name("2001:db8:1:2::1"), name("2001:db8:1:3::1"));
        assert_eq!(name("::ffff:10.0.0.1"), name("10.0.0.1"));
        assert_ne!(name("10.0.0.1"), name("10.0.0.2"));
    }
}
