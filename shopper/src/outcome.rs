//! How a trip can end, and how a request can fail.
//!
//! Each way has one name, which is the same in the statistics, in the report and on the span. So
//! the traces behind a number of the report can be searched for by its name.

use std::{borrow::Cow, fmt};

/// The attribute with the outcome of a trip, on its span and on its metrics.
pub const OUTCOME: &str = "shopper.outcome";

/// How a trip ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// The basket was paid for.
    Bought,
    /// The shopper only looked, as planned.
    Browsed,
    /// The shopper filled a basket and left without it, as planned.
    Left,
    /// The store had too little in stock. That is an ordinary answer and not a failure.
    OutOfStock,
    /// The shopper gave up, as planned, because the trip took too long.
    GaveUp,
    /// A request failed, and the trip with it.
    Failed(Failure),
}

impl Outcome {
    /// Its name in the report and in the attribute `shopper.outcome`.
    #[must_use]
    pub fn name(&self) -> Cow<'static, str> {
        match self {
            Self::Bought => "bought".into(),
            Self::Browsed => "browsed".into(),
            Self::Left => "left".into(),
            Self::OutOfStock => "out-of-stock".into(),
            Self::GaveUp => "gave-up".into(),
            Self::Failed(failure) => failure.name(),
        }
    }

    /// The outcome with this [`name`](Self::name).
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        [Self::Bought, Self::Browsed, Self::Left, Self::OutOfStock, Self::GaveUp]
            .into_iter()
            .find(|outcome| outcome.name() == name)
            .or_else(|| Failure::named(name).map(Self::Failed))
    }

    /// The failure, if it is one.
    #[must_use]
    pub fn failure(&self) -> Option<Failure> {
        match self {
            Self::Failed(failure) => Some(*failure),
            _ => None,
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name())
    }
}

/// How a request failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
pub enum Failure {
    /// No connection: refused, unreachable, not resolved, or not made in time.
    #[error("no connection to the store")]
    Connect,
    /// The store did not answer in time.
    #[error("the store did not answer in time")]
    Timeout,
    /// The connection broke before the answer was complete.
    #[error("the connection broke before the answer was complete")]
    Disconnect,
    /// The store answered with this status.
    #[error("the store answered with status {0}")]
    Status(u16),
    /// The answer is not what the contract says: not HTTP, or not the JSON that was expected.
    #[error("the answer cannot be understood")]
    Body,
    /// The run ended, or the shopper died, before the trip did.
    #[error("the trip was cut off")]
    Abandoned,
}

impl Failure {
    /// Its name in the report and in the attribute `error.type`: the status code for a status, as
    /// the semantic conventions have it
    /// (<https://opentelemetry.io/docs/specs/semconv/http/http-spans/>).
    #[must_use]
    pub fn name(&self) -> Cow<'static, str> {
        match self {
            Self::Connect => "connect".into(),
            Self::Timeout => "timeout".into(),
            Self::Disconnect => "disconnect".into(),
            Self::Status(code) => code.to_string().into(),
            Self::Body => "body".into(),
            Self::Abandoned => "abandoned".into(),
        }
    }

    /// The failure with this [`name`](Self::name).
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let status = name.parse().ok().map(Self::Status);
        [Self::Connect, Self::Timeout, Self::Disconnect, Self::Body, Self::Abandoned]
            .into_iter()
            .chain(status)
            .find(|failure| failure.name() == name)
    }
}
