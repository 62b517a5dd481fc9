//! The span processor: it counts each span that ends, and puts it into the queue of each exporter.

use crate::accounting::Totals;
use crate::queue::{Queues, WaitingSpans};
use opentelemetry::baggage::{Baggage, BaggageExt as _};
use opentelemetry::trace::Span as _;
use opentelemetry::{Array, Context, Key, KeyValue, StringValue, Value};
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{Span, SpanData, SpanProcessor};
use std::borrow::Cow;
use std::cell::RefCell;
use std::sync::Arc;
use std::time::Duration;

/// Counts spans, copies chosen baggage onto them, and puts them into the queues.
#[derive(Debug)]
pub(super) struct AccountingProcessor {
    totals: Arc<Totals>,
    queues: Queues<WaitingSpans>,
    baggage_keys: Vec<Key>,
    value_length_limit: Option<usize>,
}

impl AccountingProcessor {
    /// A processor that feeds `queues` and counts into `totals`.
    pub(super) fn new(totals: Arc<Totals>, queues: Queues<WaitingSpans>) -> Self {
        AccountingProcessor { totals, queues, baggage_keys: Vec::new(), value_length_limit: None }
    }

    /// Copies the baggage entries with these keys onto every span at its start.
    pub(super) fn with_baggage_attributes(mut self, keys: &[&'static str]) -> Self {
        self.baggage_keys = keys.iter().map(|&key| key.into()).collect();
        self
    }

    /// Cuts texts in attributes to `limit` characters, which the SDK does not do.
    pub(super) fn with_value_length_limit(mut self, limit: Option<usize>) -> Self {
        self.value_length_limit = limit;
        self
    }
}

impl SpanProcessor for AccountingProcessor {
    fn on_start(&self, span: &mut Span, cx: &Context) {
        self.totals.started.add(1);
        let baggage = cx.baggage();
        if baggage.is_empty() {
            return;
        }
        for key in &self.baggage_keys {
            if let Some(value) = entry(baggage, key) {
                span.set_attribute(KeyValue::new(key.clone(), shared(value)));
            }
        }
    }

    fn on_end(&self, mut span: SpanData) {
        if !span.span_context.is_sampled() {
            self.totals.ended_unsampled.add(1);
            return;
        }
        self.totals.spans.all.add(1);
        if let Some(limit) = self.value_length_limit {
            truncate(&mut span, limit);
        }
        let Some((last, others)) = self.queues.0.split_last() else { return };
        for queue in others {
            queue.put(Cow::Borrowed(&span));
        }
        last.put(if last.takes_whole_spans() { Cow::Owned(span) } else { Cow::Borrowed(&span) });
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.queues.flush(Duration::from_secs(5))
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.queues.end(timeout)
    }
}

/// The value of a baggage entry.
fn entry<'a>(baggage: &'a Baggage, key: &Key) -> Option<&'a StringValue> {
    /// Up to so many entries it takes less time to look at each than to hash the key.
    const FEW: usize = 4;
    if baggage.len() > FEW {
        return baggage.get(key);
    }
    baggage.iter().find(|(of, _)| *of == key).map(|(_, (value, _))| value)
}

thread_local! {
    /// The last values that spans of this thread have got from baggage.
    static VALUES: RefCell<[Option<Arc<str>>; 4]> = const { RefCell::new([const { None }; 4]) };
}

/// A value that shares its text with those of other spans of this thread: mostly it is one of a few.
/// What is in a baggage is copied each time it is cloned.
fn shared(value: &StringValue) -> StringValue {
    let shared = VALUES.try_with(|values| {
        let mut values = values.borrow_mut();
        let known = values.iter().position(|known| known.as_deref() == Some(value.as_str()));
        let place = known.unwrap_or_else(|| {
            // The one that was there longest goes.
            values.rotate_right(1);
            values[0] = Some(value.as_str().into());
            0
        });
        values[place].clone()
    });
    // While a thread ends, its values may be gone.
    shared.ok().flatten().map_or_else(|| value.clone(), StringValue::from)
}

/// Cuts every text in the attributes of `span`, its events and its links to `limit` characters:
/// <https://opentelemetry.io/docs/specs/otel/common/#attribute-limits>
fn truncate(span: &mut SpanData, limit: usize) {
    let of_events = span.events.events.iter_mut().flat_map(|event| &mut event.attributes);
    let of_links = span.links.links.iter_mut().flat_map(|link| &mut link.attributes);
    for KeyValue { value, .. } in span.attributes.iter_mut().chain(of_events).chain(of_links) {
        match value {
            Value::String(text) => truncate_text(text, limit),
            Value::Array(Array::String(texts)) => {
                texts.iter_mut().for_each(|text| truncate_text(text, limit));
            }
            _ => {}
        }
    }
}

fn truncate_text(text: &mut StringValue, limit: usize) {
    if let Some(cut) = first_characters(text.as_str(), limit) {
        *text = cut.to_owned().into();
    }
}

/// The first `limit` characters of `text`, if it has more.
pub(super) fn first_characters(text: &str, limit: usize) -> Option<&str> {
    text.char_indices().nth(limit).map(|(end, _)| &text[..end])
}
