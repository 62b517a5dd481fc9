//! What became of a request to a backend: the answer to one attempt ([`Accepted`] or [`Failure`]),
//! and the outcome of a whole batch ([`Outcome`]).

use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use std::borrow::Cow;
use std::time::Duration;

/// Why something was not delivered, as a value of the attribute `error.type`: the HTTP status, the
/// name of a gRPC status, or one of [`error_type`]. There are few of them, so that each can be
/// counted.
///
/// <https://opentelemetry.io/docs/specs/semconv/registry/attributes/error/>
pub(crate) type ErrorType = Cow<'static, str>;

/// The values of `error.type` that are neither an HTTP status nor a gRPC status.
pub(crate) mod error_type {
    /// The backend received the items and rejected them: OTLP's partial success.
    pub(crate) const REJECTED: &str = "rejected";
    /// There was no answer in time.
    pub(crate) const TIMEOUT: &str = "timeout";
    /// Nothing listens there.
    pub(crate) const CONNECTION_REFUSED: &str = "connection_refused";
    /// The connection was reset or broken off, or what came is no answer.
    pub(crate) const CONNECTION_BROKEN: &str = "connection_broken";
    /// The name of the host was not found.
    pub(crate) const HOST_NOT_FOUND: &str = "host_not_found";
    /// There was no TLS connection, for example because the certificate is not trusted.
    pub(crate) const TLS: &str = "tls";
    /// The answer was a success, but no answer of the protocol.
    pub(crate) const UNEXPECTED_ANSWER: &str = "unexpected_answer";
    /// The reader of the console's stream has gone.
    pub(crate) const STREAM_CLOSED: &str = "stream_closed";
    /// The exporter panicked.
    pub(crate) const PANIC: &str = "panic";
    /// Anything else.
    pub(crate) const OTHER: &str = "_OTHER";
}

/// A backend's answer to a request that it took.
#[derive(Debug, Default, Eq, PartialEq)]
pub(crate) struct Accepted {
    /// Items of the request that it did not take. OTLP calls this a partial success.
    pub(crate) rejected: u64,
    /// Why it rejected them, or a remark about those that it took.
    pub(crate) message: String,
}

impl Accepted {
    /// The same, with the backend's name in the message, if there is a message.
    pub(crate) fn by(self, backend: &str) -> Self {
        let Accepted { rejected, message } = self;
        let message = match (rejected, message.as_str()) {
            (0, "") => String::new(),
            (0, remark) => format!("{backend} took all and says {remark}"),
            (_, "") => format!("{backend} rejected {rejected}"),
            (_, why) => format!("{backend} rejected {rejected}: {why}"),
        };
        Accepted { rejected, message }
    }
}

/// Why a backend did not take a request.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Failure {
    /// What happened and where, and what to do about it if that is known.
    pub(crate) reason: String,
    /// Whether to try again.
    pub(crate) retryable: Retryable,
    /// The cause, for counting.
    pub(crate) error_type: ErrorType,
}

/// Whether a failed request may be sent again.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Retryable {
    /// No: it would fail in the same way.
    Never,
    /// Yes: there was no answer, and there may be one later.
    NoAnswer,
    /// Yes: the backend answered that it cannot take the request now, and perhaps for how long.
    Busy(Option<Duration>),
}

/// What became of a batch.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// Spans or log records that were not delivered.
    pub(crate) failed: u64,
    /// Those that were delivered, but that the backend did not take.
    pub(crate) rejected: u64,
    /// Why, or the backend's remark about a success. Empty when there is nothing to log.
    pub(crate) reason: String,
    /// Why those that failed did, for counting.
    pub(crate) error_type: Option<ErrorType>,
}

impl Outcome {
    /// The outcome of a request with `items` spans or log records.
    pub(crate) fn of(sent: Result<Accepted, Failure>, items: u64) -> Self {
        let mut outcome = Self::of_export(sent);
        // A backend's count is not believed if it is larger than the batch.
        outcome.rejected = outcome.rejected.min(items);
        outcome.failed *= items;
        outcome
    }

    /// The outcome of a request that counts as one, such as an export of metrics.
    pub(crate) fn of_export(sent: Result<Accepted, Failure>) -> Self {
        match sent {
            Ok(Accepted { rejected, message }) => {
                Outcome { failed: 0, rejected, reason: message, error_type: None }
            }
            Err(Failure { reason, error_type, .. }) => Outcome::failed(1, reason, error_type),
        }
    }

    /// The outcome of `items` items at an exporter that returns only success or failure.
    pub(crate) fn told(told: OTelSdkResult, items: u64) -> Self {
        match told {
            Ok(()) => Outcome::default(),
            // The reader of the console's stream has gone on purpose, so there is nothing to log.
            Err(OTelSdkError::AlreadyShutdown) => {
                Outcome::failed(items, String::new(), error_type::STREAM_CLOSED)
            }
            Err(error) => {
                let is_timeout = matches!(error, OTelSdkError::Timeout(_));
                let cause = if is_timeout { error_type::TIMEOUT } else { error_type::OTHER };
                Outcome::failed(items, error.to_string(), cause)
            }
        }
    }

    /// `items` were not delivered, because of `reason`.
    pub(crate) fn failed(items: u64, reason: String, error_type: impl Into<ErrorType>) -> Self {
        Outcome { failed: items, rejected: 0, reason, error_type: Some(error_type.into()) }
    }
}

/// Quotes a text from the network for a log line: it is cut short, and control characters are
/// escaped.
pub(crate) fn quoted(text: &str) -> String {
    const LONGEST: usize = 200;
    let shown: String = text.chars().take(LONGEST).flat_map(char::escape_debug).collect();
    let rest = if text.chars().nth(LONGEST).is_some() { "..." } else { "" };
    format!("\"{shown}{rest}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quoted_text_is_one_short_line() {
        assert_eq!(quoted("too\nbig\u{1b}[31m"), r#""too\nbig\u{1b}[31m""#);
        assert_eq!(quoted(&"x".repeat(1_000)).len(), 205);
    }
}
