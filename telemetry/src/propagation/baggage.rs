//! W3C Baggage: the header `baggage`, by <https://www.w3.org/TR/baggage/>.
//!
//! The SDK's propagator reads it. To write it, that makes a text of each entry and collects them, for each
//! request; here the entries are written one after the other into one text.

use opentelemetry::Context;
use opentelemetry::baggage::BaggageExt as _;
use opentelemetry::propagation::text_map_propagator::FieldIter;
use opentelemetry::propagation::{Extractor, Injector, TextMapPropagator};
use opentelemetry_sdk::propagation::BaggagePropagator;

/// The length of most headers, in bytes.
const USUAL_LENGTH: usize = 64;

/// Reads and writes the header of W3C Baggage.
#[derive(Debug, Default)]
pub(super) struct Baggage(BaggagePropagator);

impl TextMapPropagator for Baggage {
    fn inject_context(&self, cx: &Context, injector: &mut dyn Injector) {
        let baggage = cx.baggage();
        if baggage.is_empty() {
            return;
        }
        let mut header = String::with_capacity(USUAL_LENGTH);
        for (name, (value, metadata)) in baggage {
            if !header.is_empty() {
                header.push(',');
            }
            push_encoded(&mut header, name.as_str().trim());
            header.push('=');
            push_encoded(&mut header, value.as_str().trim());
            let metadata = metadata.as_str().trim();
            if !metadata.is_empty() {
                header.push(';');
                header.push_str(metadata);
            }
        }
        injector.set("baggage", header);
    }

    fn extract_with_context(&self, cx: &Context, extractor: &dyn Extractor) -> Context {
        self.0.extract_with_context(cx, extractor)
    }

    fn fields(&self) -> FieldIter<'_> {
        self.0.fields()
    }
}

/// Adds a text with `%XX` for each byte that would end it, or that a header cannot have.
fn push_encoded(header: &mut String, text: &str) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let is_plain = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b';' | b',' | b'=');
    if text.bytes().all(is_plain) {
        return header.push_str(text);
    }
    for byte in text.bytes() {
        if is_plain(byte) {
            header.push(byte.into());
        } else {
            let [high, low] = [byte >> 4, byte & 0xf].map(|digit| DIGITS[usize::from(digit)]);
            header.extend(['%', high.into(), low.into()]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use opentelemetry::baggage::KeyValueMetadata;
    use proptest::prelude::*;
    use std::collections::HashMap;

    fn written(propagator: &dyn TextMapPropagator, cx: &Context) -> HashMap<String, String> {
        let mut headers = HashMap::new();
        propagator.inject_context(cx, &mut headers);
        headers
    }

    proptest! {
        #[test]
        fn it_writes_what_the_sdks_propagator_writes(
            entries in prop::collection::vec(("[a-z.]{1,9}", any::<String>(), "[ a-z]{0,5}"), 0..5),
        ) {
            let entry = |(name, value, metadata): (String, String, String)| {
                KeyValueMetadata::new(name, value, metadata.as_str())
            };
            let cx = Context::new().with_baggage(entries.into_iter().map(entry));
            let header = written(&Baggage::default(), &cx);
            prop_assert_eq!(&header, &written(&BaggagePropagator::new(), &cx));
            prop_assert_eq!(header.is_empty(), cx.baggage().is_empty());
        }
    }

    #[test]
    fn what_would_end_a_value_is_encoded() {
        let cx = Context::new().with_baggage([KeyValueMetadata::new(
            "a",
            " b,c;d=\"e\" %f\u{e4}\n ",
            "g",
        )]);
        let expected = "a=b%2Cc%3Bd%3D%22e%22%20%f%C3%A4;g".to_owned();
        assert_eq!(
            written(&Baggage::default(), &cx),
            HashMap::from([("baggage".into(), expected)])
        );
    }
}
