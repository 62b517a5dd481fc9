//! The attributes by which spans tell of actors. Any sender may set them; spans without them are
//! their service's.

use crate::store::model::{Span, Value};

/// The actor that a span's message went to.
const NAME: &str = "actix.actor.name";
/// How a message was sent: what makes a span an actor's message.
const KIND: &str = "actix.message.kind";
/// Seconds that a message waited in the mailbox.
const WAIT: &str = "actix.mailbox.wait";

/// The actor of `span`.
pub(crate) fn name(span: &Span) -> Option<&str> {
    text(span, NAME)
}

/// Whether `span` is a message to an actor.
pub(crate) fn is_message(span: &Span) -> bool {
    span.attribute(KIND).is_some()
}

/// Nanoseconds that the message of `span` waited in the mailbox.
pub(crate) fn wait(span: &Span) -> Option<u64> {
    let seconds = match span.attribute(WAIT)? {
        Value::Double(seconds) => seconds.0,
        Value::Int(seconds) => *seconds as f64,
        _ => return None,
    };
    // The conversion saturates; what is no time is no wait.
    (seconds.is_finite() && seconds >= 0.0).then_some((seconds * 1e9).round() as u64)
}

/// The text that attribute `key` of `span` has.
pub(crate) fn text<'a>(span: &'a Span, key: &str) -> Option<&'a str> {
    match span.attribute(key)? {
        Value::String(text) => Some(text),
        _ => None,
    }
}
