//! The client of the store: makes requests, each with a span, a time limit and retries.
//!
//! One client serves all shoppers of a thread, and keeps its connections for them. An awc client
//! cannot be shared between threads.

mod connection;
mod exchange;
mod faults;
mod open_files;

pub(crate) use exchange::{Answer, Call, Exchanges, Purchase, Route, Unanswered};
pub(crate) use faults::warn_of_idle_faults;
pub(crate) use open_files::make_room;

use std::{cell::RefCell, num::NonZeroU32, pin::Pin, sync::Arc, time::Duration};

use actix_web_opentelemetry::ClientMetrics;
use awc::{
    Client, Connector,
    http::{
        Method,
        header::{ACCEPT_ENCODING, USER_AGENT},
    },
};
use opentelemetry::{Context, StringValue};
use rand::{Rng, RngExt};
use shared::{backoff::Backoff, notice::Notice};
use tokio::time::{Instant, Sleep, sleep, sleep_until};
use url::Url;

use crate::{
    ACTIVITY,
    config::HttpConfig,
    outcome::Failure,
    tls::{Target, Tls},
};

/// How long a connection is kept. The store may close it earlier.
///
/// awc uses all its idle connections in turn, so none of them is ever idle for long. After a stall, in
/// which many were made, only their age ends those that are no longer needed.
const CONNECTION_LIFETIME: Duration = Duration::from_secs(300);

/// The longest pauses before retries. If the store asks for a longer one, there is no retry.
const PAUSES: Backoff =
    Backoff { first: Duration::from_millis(100), longest: Duration::from_secs(2) };

/// The longest time limit of a request: a year, which the clock can always add.
const LONGEST_TIMEOUT: Duration = Duration::from_secs(365 * 24 * 3600);

/// How many retries can be saved up. Without a limit, a long time without failures would save up
/// enough for a storm of retries.
const MOST_SAVED: f64 = 100.0;

/// The client that the shoppers of one thread share.
pub(crate) struct StoreClient {
    http: Client,
    request_timeout: Duration,
    retries: u32,
    budget: RefCell<Budget>,
    availability: Arc<Availability>,
    metrics: Option<ClientMetrics>,
}

impl StoreClient {
    /// A client with room for as many connections as trips can be under way, whose requests are
    /// measured by `metrics`. Its connections speak TLS if that is given.
    pub(crate) fn new(
        config: &HttpConfig,
        connections: NonZeroU32,
        availability: Arc<Availability>,
        metrics: Option<ClientMetrics>,
        tls: Option<Tls>,
    ) -> Self {
        let connector = Connector::new()
            .connector(connection::connector(tls))
            .timeout(config.connect_timeout)
            .limit(connections.get() as usize)
            .conn_lifetime(CONNECTION_LIFETIME);
        let http = Client::builder()
            .connector(connector)
            // The time of an exchange is limited by its caller's timer, which serves many of them.
            .disable_timeout()
            .disable_redirects()
            .add_default_header((
                USER_AGENT,
                concat!("grocery-shopper/", env!("CARGO_PKG_VERSION")),
            ))
            .add_default_header((ACCEPT_ENCODING, "identity"))
            .finish();
        let budget = RefCell::new(Budget::new(config.retry_budget.fraction()));
        Self {
            http,
            request_timeout: config.request_timeout.min(LONGEST_TIMEOUT),
            retries: config.retries,
            budget,
            availability,
            metrics,
        }
    }

    /// A route of requests with this method to `target`, whose spans are named by `template`. It is
    /// `None` for a target that cannot be reached by HTTP.
    pub(crate) fn route(
        &self,
        method: Method,
        target: &Target,
        template: &StringValue,
    ) -> Option<Route> {
        Route::new(&self.http, self.metrics.as_ref(), method, target, template)
    }

    /// A timer for the requests of one trip, which begins now. It is made once and set anew for each.
    pub(crate) fn timer(&self, now: Instant) -> Pin<Box<Sleep>> {
        Box::pin(sleep_until(now + self.request_timeout))
    }

    /// Sets the timer for an attempt that begins now.
    pub(crate) fn set(&self, timer: &mut Pin<Box<Sleep>>, now: Instant) {
        timer.as_mut().reset(now + self.request_timeout);
    }

    /// Makes the request `call`, with a span for each attempt in `cx`, and parses the answer by
    /// `read`. `name` names the request in errors, and `timer` limits the time of each attempt: it has been
    /// [set](Self::set) for the first.
    ///
    /// It is repeated as long as that may help and the budget lasts. Every request of a shopper is
    /// safe to repeat.
    ///
    /// # Errors
    /// How the last attempt failed.
    pub(crate) async fn request<T>(
        &self,
        cx: &Context,
        name: &'static str,
        call: &Call<'_>,
        read: impl Fn(&Answer) -> Result<T, Unanswered>,
        timer: &mut Pin<Box<Sleep>>,
        exchanges: &mut Exchanges,
    ) -> Result<T, Unanswered> {
        self.budget.borrow_mut().first_attempt();
        let mut resend_count = 0;
        loop {
            let attempt = exchange::attempt(cx, call, resend_count, timer, exchanges);
            let unanswered = match attempt.await {
                Ok(answer) => {
                    self.availability.reached();
                    match read(&answer) {
                        Ok(read) => return Ok(read),
                        Err(unanswered) => unanswered,
                    }
                }
                Err(unanswered) => unanswered,
            };
            let unanswered = unanswered.of(name);
            self.note(&unanswered);
            let Some(pause) = self.pause(&unanswered, resend_count) else { return Err(unanswered) };
            tell_retry(cx, name, unanswered.failure, pause);
            sleep(pause).await;
            self.set(timer, Instant::now());
            resend_count += 1;
        }
    }

    /// How long to wait before the request is repeated; `None` if it is not repeated.
    fn pause(&self, unanswered: &Unanswered, resend_count: u32) -> Option<Duration> {
        if resend_count >= self.retries || !unanswered.is_transient() {
            return None;
        }
        let pause = pause_before_retry(resend_count, unanswered.retry_after, &mut rand::rng())?;
        self.budget.borrow_mut().retry().then_some(pause)
    }

    fn note(&self, unanswered: &Unanswered) {
        match (unanswered.failure, &unanswered.reason) {
            (Failure::Connect, Some(reason)) => self.availability.unreachable(reason),
            (Failure::Body, Some(reason)) => self.availability.not_understood(reason),
            (Failure::Status(_), _) => self.availability.reached(),
            _ => {}
        }
    }
}

/// Logs, as a part of the trip's trace, that a request is repeated.
fn tell_retry(cx: &Context, name: &str, failure: Failure, pause: Duration) {
    let _current = cx.clone().attach();
    tracing::warn!(name: "shopper.request.retried", target: ACTIVITY, { "error.type" = %failure.name(), ?pause }, "{name} is asked again: {failure}");
}

/// Limits retries to a share of the requests. With a share of 0.2, every first attempt earns a
/// fifth of a retry, so five attempts earn one.
///
/// So even if all attempts fail, a store in trouble gets little more load, and not a multiple.
#[derive(Clone, Debug)]
struct Budget {
    share: f64,
    saved: f64,
}

impl Budget {
    fn new(share: f64) -> Self {
        Self { share, saved: 0.0 }
    }

    /// Earns a share of a retry.
    fn first_attempt(&mut self) {
        self.saved = (self.saved + self.share).min(MOST_SAVED);
    }

    /// Takes a retry, if one has been earned.
    fn retry(&mut self) -> bool {
        let enough = self.saved >= 1.0;
        if enough {
            self.saved -= 1.0;
        }
        enough
    }
}

/// How long to wait before the next attempt, after `resend_count` retries: what the store asked
/// for, plus a random time up to a limit that doubles with each retry. The random part keeps
/// shoppers that failed at the same time from coming back at the same time
/// (<https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/>). It is `None` if
/// the store asked for more than the longest pause.
fn pause_before_retry(
    resend_count: u32,
    retry_after: Option<Duration>,
    rng: &mut impl Rng,
) -> Option<Duration> {
    let asked = retry_after.unwrap_or(Duration::ZERO);
    if asked > PAUSES.longest {
        return None;
    }
    Some(asked + PAUSES.pause(resend_count).mul_f64(rng.random()))
}

/// Whether the store can be reached and understood. It is shared by all threads, and logged only
/// when it changes.
#[derive(Debug)]
pub(crate) struct Availability {
    store_url: Url,
    unreachable: Notice,
    not_understood: Notice,
}

impl Availability {
    pub(crate) fn new(store_url: Url) -> Self {
        Self { store_url, unreachable: Notice::default(), not_understood: Notice::default() }
    }

    /// Notes that no connection could be made.
    fn unreachable(&self, reason: &str) {
        if self.unreachable.occurred() {
            tracing::warn!(
                name: "shopper.store.unreachable",
                "the store at {} cannot be reached ({reason}): trips fail until it is back",
                self.store_url
            );
        }
    }

    /// Notes that the store answered.
    fn reached(&self) {
        if self.unreachable.over().is_some() {
            tracing::info!(name: "shopper.store.reached", "the store at {} is back", self.store_url);
        }
    }

    /// Notes that an answer is not what the contract says. Only the first one is logged; the report
    /// counts them all.
    fn not_understood(&self, reason: &str) {
        if self.not_understood.occurred() {
            tracing::warn!(name: "shopper.store.not_understood", "the store at {} cannot be understood: {reason}", self.store_url);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::{SeedableRng, rngs::StdRng};

    use super::*;

    proptest! {
        #[test]
        fn retries_are_never_more_than_their_share(
            share in 0.0_f64..=0.5,
            failures in prop::collection::vec(0_u32..5, 0..2000),
        ) {
            let mut budget = Budget::new(share);
            let (mut attempts, mut retries) = (0.0, 0.0);
            for wanted in failures {
                attempts += 1.0;
                budget.first_attempt();
                retries += (0..wanted).filter(|_| budget.retry()).count() as f64;
                prop_assert!(retries <= share * attempts + 1e-6, "{retries} of {attempts}");
            }
        }

        #[test]
        fn pauses_stay_within_their_limits(
            resend_count: u32,
            seed: u64,
            retry_after in prop::option::of(0_u64..10_000),
        ) {
            let retry_after = retry_after.map(Duration::from_millis);
            let mut rng = StdRng::seed_from_u64(seed);
            match pause_before_retry(resend_count, retry_after, &mut rng) {
                Some(pause) => {
                    prop_assert!(pause >= retry_after.unwrap_or_default());
                    prop_assert!(pause <= 2 * PAUSES.longest);
                }
                None => prop_assert!(retry_after.unwrap_or_default() > PAUSES.longest),
            }
        }
    }

    #[test]
    fn a_good_time_does_not_pay_for_a_storm() {
        let mut budget = Budget::new(0.2);
        (0..1_000_000).for_each(|_| budget.first_attempt());
        assert_eq!((0..1000).filter(|_| budget.retry()).count(), MOST_SAVED as usize);
    }

    #[test]
    fn a_store_goes_and_comes_back() {
        let availability = Availability::new("http://127.0.0.1:1".parse().unwrap());
        availability.reached();
        assert!(!availability.unreachable.is_going_on());
        availability.unreachable("refused");
        availability.unreachable("refused");
        assert!(availability.unreachable.is_going_on());
        availability.reached();
        assert!(!availability.unreachable.is_going_on());
    }
}
