//! What became of something that was sent to a backend.

use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use std::time::Duration;

/// What a backend said of what it took.
#[derive(Debug, Default, Eq, PartialEq)]
pub(crate) struct Accepted {
    /// Items of the request that it did not take: partial success, in OTLP's words.
    pub(crate) rejected: u64,
    /// Why, or a remark about what it took.
    pub(crate) message: String,
}

impl Accepted {
    /// The same, with a message that says who said so, if there is anything to say.
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

/// Why a backend took nothing.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Failure {
    /// What happened and where, and what to do about it if that is known.
    pub(crate) reason: String,
    /// Whether to try again.
    pub(crate) again: Again,
}

/// Whether the same request may be sent again.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Again {
    /// It would end in the same way.
    Never,
    /// There was no answer: there may be one later.
    NoAnswer,
    /// The backend answered that it cannot take it now, and perhaps how long that will last.
    Busy(Option<Duration>),
}

/// What became of a batch.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// Spans that were not delivered.
    pub(crate) failed: u64,
    /// Spans that were delivered, and that the backend did not take.
    pub(crate) rejected: u64,
    /// Why, or what the backend said of its success; empty when there is nothing to say.
    pub(crate) reason: String,
}

impl Outcome {
    /// What became of `spans` that were sent.
    pub(crate) fn of(sent: Result<Accepted, Failure>, spans: u64) -> Self {
        let mut outcome = Self::of_export(sent);
        // What a stranger counts is not trusted further than it can be true.
        outcome.rejected = outcome.rejected.min(spans);
        outcome.failed *= spans;
        outcome
    }

    /// What became of something that counts as one.
    pub(crate) fn of_export(sent: Result<Accepted, Failure>) -> Self {
        match sent {
            Ok(Accepted { rejected, message }) => Outcome { failed: 0, rejected, reason: message },
            Err(failure) => Outcome { failed: 1, rejected: 0, reason: failure.reason },
        }
    }

    /// What became of `spans` at an exporter that only says whether all went well.
    pub(crate) fn told(told: OTelSdkResult, spans: u64) -> Self {
        match told {
            Ok(()) => Outcome::default(),
            // Who reads a stream has gone, which was their own wish: there is nothing to say.
            Err(OTelSdkError::AlreadyShutdown) => Outcome { failed: spans, ..Outcome::default() },
            Err(error) => Outcome { failed: spans, rejected: 0, reason: error.to_string() },
        }
    }
}

/// `text` of a stranger, made fit for a log line: short, and without control characters.
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
    fn a_stranger_s_text_is_one_short_line() {
        assert_eq!(quoted("too\nbig\u{1b}[31m"), r#""too\nbig\u{1b}[31m""#);
        assert_eq!(quoted(&"x".repeat(1_000)).len(), 205);
    }
}
