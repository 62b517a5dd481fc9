//! The limit on the length of attribute values, which the SDK leaves to others.
//!
//! <https://opentelemetry.io/docs/specs/otel/common/#attribute-limits>

use opentelemetry::{Array, KeyValue, StringValue, Value};
use opentelemetry_sdk::trace::SpanData;

/// Cuts every text in the attributes of `span`, its events and links to `limit` characters.
pub(super) fn truncate(span: &mut SpanData, limit: usize) {
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
    if let Some((end, _)) = text.as_str().char_indices().nth(limit) {
        *text = text.as_str()[..end].to_owned().into();
    }
}
