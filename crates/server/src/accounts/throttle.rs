//! Attempts to log in: few for a name from one address, more for an address or a name alone.
//!
//! A name alone may be tried oftener than from one address, so that a stranger cannot lock a person out.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

use crate::error::{Code, Problem};
use crate::ids::{Sha, UserId};

/// Counts attempts. Names are kept as hashes: people type passwords into the wrong field.
pub struct Throttle {
    pairs: DefaultKeyedRateLimiter<(Sha, Option<IpAddr>)>,
    addresses: DefaultKeyedRateLimiter<Option<IpAddr>>,
    names: DefaultKeyedRateLimiter<Sha>,
    confirmations: DefaultKeyedRateLimiter<UserId>,
}

impl std::fmt::Debug for Throttle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Throttle").field("pairs", &self.pairs.len()).finish_non_exhaustive()
    }
}

impl Throttle {
    /// Nobody has tried yet.
    pub fn open() -> Self {
        Self {
            pairs: RateLimiter::keyed(quota(5, Duration::from_secs(12))),
            addresses: RateLimiter::keyed(quota(30, Duration::from_secs(2))),
            names: RateLimiter::keyed(quota(60, Duration::from_secs(1))),
            confirmations: RateLimiter::keyed(quota(5, Duration::from_secs(12))),
        }
    }

    /// Counts an attempt to confirm a password by somebody who is in: apart from logins, and from everybody else's.
    ///
    /// # Errors
    /// As [`Throttle::attempt`].
    pub fn confirm(&self, user: UserId) -> Result<(), Problem> {
        let now = DefaultClock::default().now();
        self.confirmations.check_key(&user).map_err(|until| too_many(until.wait_time_from(now)))
    }

    /// Counts an attempt.
    ///
    /// # Errors
    /// [`Code::LoginThrottled`], with the seconds to wait.
    pub fn attempt(&self, name: &str, address: Option<IpAddr>) -> Result<(), Problem> {
        let name = Sha::of(name.as_bytes());
        let now = DefaultClock::default().now();
        self.addresses
            .check_key(&address)
            .and_then(|()| self.pairs.check_key(&(name, address)))
            .and_then(|()| self.names.check_key(&name))
            .map_err(|until| too_many(until.wait_time_from(now)))
    }

    /// Forgets whoever has not tried for long.
    pub fn forget_old(&self) {
        self.pairs.retain_recent();
        self.addresses.retain_recent();
        self.names.retain_recent();
        self.confirmations.retain_recent();
    }
}

fn too_many(wait: Duration) -> Problem {
    let seconds = wait.as_secs() + 1;
    let detail = format!("Too many attempts with a password; please wait {seconds} s.");
    Problem::new(Code::LoginThrottled, detail).retry_after(seconds)
}

/// So many at once, then one in each `period`.
fn quota(burst: u32, period: Duration) -> Quota {
    let burst = NonZeroU32::new(burst).unwrap_or(NonZeroU32::MIN);
    Quota::with_period(period).unwrap_or_else(|| Quota::per_second(NonZeroU32::MIN)).allow_burst(burst)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sixth_attempt_waits_and_others_do_not() {
        let throttle = Throttle::open();
        let (here, there) = (Some(IpAddr::from([10, 0, 0, 1])), Some(IpAddr::from([10, 0, 0, 2])));
        for _ in 0..5 {
            throttle.attempt("kim", here).unwrap();
        }
        assert_eq!(throttle.attempt("kim", here).unwrap_err().code(), Code::LoginThrottled);
        throttle.attempt("lee", here).unwrap();
        throttle.attempt("kim", there).unwrap();
    }

    #[test]
    fn who_confirms_a_password_slows_nobody_else() {
        let throttle = Throttle::open();
        let (kim, others) = (UserId::fresh(), (0..40).map(|_| UserId::fresh()));
        for _ in 0..5 {
            throttle.confirm(kim).unwrap();
        }
        assert_eq!(throttle.confirm(kim).unwrap_err().code(), Code::LoginThrottled);
        others.into_iter().for_each(|other| throttle.confirm(other).unwrap());
        throttle.attempt(&kim.to_string(), None).unwrap();
    }

    #[test]
    fn an_address_cannot_try_many_names() {
        let throttle = Throttle::open();
        let refused = (0..40).filter(|name| throttle.attempt(&name.to_string(), None).is_err()).count();
        assert!(refused >= 9, "{refused}");
    }
}
