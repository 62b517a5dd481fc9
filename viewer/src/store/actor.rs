//! What the spans of `actix-opentelemetry` tell of actors by their attributes, which any sender may
//! set: whose message a span is, how long it waited in the mailbox, how many are in a batch.

use super::model::{Span, Value};

/// The actor that a span's message went to.
const NAME: &str = "actix.actor.name";
/// How a message was sent: what makes a span an actor's message.
const KIND: &str = "actix.message.kind";
/// Seconds that a message waited in the mailbox.
const WAIT: &str = "actix.mailbox.wait";
/// How many messages a batch has.
const BATCH: &str = "actix.batch.message_count";

/// The actor of `span`.
pub(crate) fn actor_of(span: &Span) -> Option<&str> {
    match span.attribute(NAME)? {
        Value::String(name) => Some(name),
        _ => None,
    }
}

/// Whether `span` is a message to an actor.
pub(crate) fn is_message(span: &Span) -> bool {
    span.attribute(KIND).is_some()
}

/// Whether `span` is an actor's message as far as it tells: it says how it was sent, or how long it
/// waited.
pub(crate) fn is_handled(span: &Span) -> bool {
    is_message(span) || wait(span).is_some()
}

/// Nanoseconds that the message of `span` waited in the mailbox.
pub(crate) fn wait(span: &Span) -> Option<u64> {
    let seconds = match span.attribute(WAIT)? {
        Value::Double(seconds) => seconds.0,
        Value::Int(seconds) => *seconds as f64,
        _ => return None,
    };
    // The conversion saturates. NaN and negative numbers are not times.
    (seconds.is_finite() && seconds >= 0.0).then_some((seconds * 1e9).round() as u64)
}

/// How many messages are in the batch that `span` is.
pub(crate) fn batch_size(span: &Span) -> Option<u64> {
    match span.attribute(BATCH)? {
        Value::Int(count) => u64::try_from(*count).ok(),
        _ => None,
    }
}
