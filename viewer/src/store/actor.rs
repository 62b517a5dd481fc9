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

/// The attributes of a span that tell of an actor, found in one pass. Of a key that occurs twice the
/// first counts.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ActorSpan<'s> {
    name: Option<&'s Value>,
    kind: Option<&'s Value>,
    wait: Option<&'s Value>,
    batch: Option<&'s Value>,
}

impl<'s> ActorSpan<'s> {
    pub(crate) fn of(span: &'s Span) -> Self {
        let mut found = Self::default();
        for attribute in &span.attributes {
            let place = match &*attribute.key {
                NAME => &mut found.name,
                KIND => &mut found.kind,
                WAIT => &mut found.wait,
                BATCH => &mut found.batch,
                _ => continue,
            };
            place.get_or_insert(&attribute.value);
        }
        found
    }

    /// The actor.
    pub(crate) fn actor(&self) -> Option<&'s str> {
        match self.name? {
            Value::String(name) => Some(name),
            _ => None,
        }
    }

    /// Whether it is a message to an actor.
    pub(crate) fn is_message(&self) -> bool {
        self.kind.is_some()
    }

    /// Whether it is an actor's message as far as it tells: it says how it was sent, or how long it
    /// waited.
    pub(crate) fn is_handled(&self) -> bool {
        self.is_message() || self.wait().is_some()
    }

    /// Nanoseconds that the message waited in the mailbox.
    pub(crate) fn wait(&self) -> Option<u64> {
        let seconds = match self.wait? {
            Value::Double(seconds) => seconds.0,
            Value::Int(seconds) => *seconds as f64,
            _ => return None,
        };
        // The conversion saturates. NaN and negative numbers are not times.
        (seconds.is_finite() && seconds >= 0.0).then_some((seconds * 1e9).round() as u64)
    }

    /// How many messages are in the batch that it is.
    pub(crate) fn batch_size(&self) -> Option<u64> {
        match self.batch? {
            Value::Int(count) => u64::try_from(*count).ok(),
            _ => None,
        }
    }
}
