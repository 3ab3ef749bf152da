//! How much one person, or one address, may ask for.

use std::net::IpAddr;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

use crate::accounts::identity::{Asked, Identity};
use crate::app::App;
use crate::config::Limits;
use crate::error::{Code, Problem};

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Who {
    Person(String),
    Address(Option<IpAddr>),
}

/// Counts requests.
pub struct Limiter(DefaultKeyedRateLimiter<Who>);

impl std::fmt::Debug for Limiter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Limiter").field(&self.0.len()).finish()
    }
}

impl Limiter {
    /// Nobody has asked yet.
    pub fn of(limits: &Limits) -> Self {
        let quota = Quota::per_second(limits.requests_per_second).allow_burst(limits.requests_burst);
        Self(RateLimiter::keyed(quota))
    }

    /// Forgets whoever has not asked for long.
    pub fn forget_old(&self) {
        self.0.retain_recent();
        self.0.shrink_to_fit();
    }

    fn ask(&self, who: &Who) -> Result<(), Problem> {
        self.0.check_key(who).map_err(|until| {
            let seconds = until.wait_time_from(DefaultClock::default().now()).as_secs() + 1;
            Problem::new(Code::TooMany, format!("Too many requests; please wait {seconds} s.")).retry_after(seconds)
        })
    }
}

/// Lets through what is within the limits: a known person's by name, a stranger's by address.
///
/// # Errors
/// [`Code::TooMany`].
pub async fn limit(State(app): State<App>, request: Request, next: Next) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let who = match parts.extensions.get::<Identity>() {
        Some(Identity(Ok(person))) => Who::Person(person.key().to_owned()),
        Some(Identity(Err(_))) | None => Who::Address(Asked::of(&app.config, &parts).address),
    };
    app.limiter.ask(&who)?;
    Ok(next.run(Request::from_parts(parts, body)).await)
}
