//! The store as a shopper sees it: four requests, each traced, timed out and repeated where that
//! is safe.
//!
//! One client serves all shoppers of a thread: an awc client belongs to its thread, and its
//! connections are kept and reused.

mod availability;
mod connection;
mod exchange;
mod faults;
mod retry;
mod room;

pub(crate) use availability::Availability;
pub(crate) use exchange::{Answer, Call, Exchanges, Unanswered};
pub(crate) use faults::warn_of_idle_faults;
pub(crate) use room::make_room;

use std::{cell::RefCell, num::NonZeroU32, sync::Arc, time::Duration};

use awc::{
    Client, Connector,
    http::header::{ACCEPT_ENCODING, USER_AGENT},
};
use opentelemetry::Context;

use crate::{config::HttpConfig, outcome::Failure};
use retry::{Budget, pause_before_retry};

/// How long a connection is kept: the store may close it earlier.
const CONNECTION_LIFETIME: Duration = Duration::from_secs(3600);

/// What a thread's shoppers reach the store by.
pub(crate) struct StoreClient {
    http: Client,
    request_timeout: Duration,
    retries: u32,
    budget: RefCell<Budget>,
    availability: Arc<Availability>,
}

impl StoreClient {
    /// A client with room for as many connections as trips can be under way.
    pub(crate) fn new(
        config: &HttpConfig,
        connections: NonZeroU32,
        availability: Arc<Availability>,
    ) -> Self {
        let connector = Connector::new()
            .connector(connection::connector())
            .timeout(config.connect_timeout)
            .limit(connections.get() as usize)
            .conn_lifetime(CONNECTION_LIFETIME);
        let http = Client::builder()
            .connector(connector)
            .timeout(config.request_timeout)
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
            request_timeout: config.request_timeout,
            retries: config.retries,
            budget,
            availability,
        }
    }

    /// Makes the request `name`, as a span of its own in `cx`, and has `read` make sense of the answer. It
    /// is repeated as long as that may help and the budget lasts: every request that a shopper
    /// makes is safe to repeat.
    ///
    /// # Errors
    /// How the last attempt failed.
    pub(crate) async fn request<T>(
        &self,
        cx: &Context,
        name: &'static str,
        call: &Call,
        read: impl Fn(&Answer) -> Result<T, Unanswered>,
        exchanges: &mut Exchanges,
    ) -> Result<T, Unanswered> {
        self.budget.borrow_mut().first_attempt();
        let mut resend_count = 0;
        loop {
            let attempt = exchange::attempt(
                &self.http,
                self.request_timeout,
                cx,
                call,
                resend_count,
                exchanges,
            );
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
            tokio::time::sleep(pause).await;
            resend_count += 1;
        }
    }

    /// How long to wait before the request is repeated; `None` if it is not.
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
