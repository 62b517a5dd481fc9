//! What became of a request to a backend: the answer to one attempt ([`Accepted`] or [`Failure`]),
//! and the outcome of a whole batch ([`Outcome`]).

use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use std::time::Duration;

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
    /// Spans that were not delivered.
    pub(crate) failed: u64,
    /// Spans that were delivered, but that the backend did not take.
    pub(crate) rejected: u64,
    /// Why, or the backend's remark about a success. Empty when there is nothing to log.
    pub(crate) reason: String,
}

impl Outcome {
    /// The outcome of a request with `spans` spans.
    pub(crate) fn of(sent: Result<Accepted, Failure>, spans: u64) -> Self {
        let mut outcome = Self::of_export(sent);
        // A backend's count is not believed if it is larger than the batch.
        outcome.rejected = outcome.rejected.min(spans);
        outcome.failed *= spans;
        outcome
    }

    /// The outcome of a request that counts as one, such as an export of metrics.
    pub(crate) fn of_export(sent: Result<Accepted, Failure>) -> Self {
        match sent {
            Ok(Accepted { rejected, message }) => Outcome { failed: 0, rejected, reason: message },
            Err(failure) => Outcome { failed: 1, rejected: 0, reason: failure.reason },
        }
    }

    /// The outcome of `spans` spans at an exporter that returns only success or failure.
    pub(crate) fn told(told: OTelSdkResult, spans: u64) -> Self {
        match told {
            Ok(()) => Outcome::default(),
            // The reader of the console's stream has gone on purpose, so there is nothing to log.
            Err(OTelSdkError::AlreadyShutdown) => Outcome { failed: spans, ..Outcome::default() },
            Err(error) => Outcome { failed: spans, rejected: 0, reason: error.to_string() },
        }
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
