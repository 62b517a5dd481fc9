//! W3C Trace Context: the headers `traceparent` and `tracestate`, by
//! <https://www.w3.org/TR/trace-context/>.
//!
//! The SDK's propagator does the same by splitting, collecting and formatting texts, which takes
//! longer than everything else that is done with the headers of a request. Here the header is read
//! and written where it stands: each digit has its place.

use opentelemetry::Context;
use opentelemetry::propagation::text_map_propagator::FieldIter;
use opentelemetry::propagation::{Extractor, Injector, TextMapPropagator};
use opentelemetry::trace::{
    SpanContext, SpanId, TraceContextExt as _, TraceFlags, TraceId, TraceState,
};
use std::sync::LazyLock;

const TRACEPARENT: &str = "traceparent";
const TRACESTATE: &str = "tracestate";

/// The length of a `traceparent` of version 00: `00-`, 32 digits, `-`, 16 digits, `-`, 2 digits.
const LENGTH: usize = 55;

/// Reads and writes the headers of W3C Trace Context.
#[derive(Debug)]
pub(super) struct TraceContext;

impl TextMapPropagator for TraceContext {
    fn inject_context(&self, cx: &Context, injector: &mut dyn Injector) {
        let span = cx.span();
        let span_context = span.span_context();
        if span_context.is_valid() {
            let header = String::from_utf8(traceparent(span_context).to_vec());
            injector.set(TRACEPARENT, header.expect("digits and dashes are UTF-8"));
            injector.set(TRACESTATE, span_context.trace_state().header());
        }
    }

    fn extract_with_context(&self, cx: &Context, extractor: &dyn Extractor) -> Context {
        let parent = extractor.get(TRACEPARENT).and_then(|header| parse_traceparent(header.trim()));
        let Some(parent) = parent else { return cx.clone() };
        // Other flags than this one are not carried.
        let flags = parent.trace_flags() & TraceFlags::SAMPLED;
        let trace_state = extractor.get(TRACESTATE).and_then(|header| header.parse().ok());
        let trace_state: TraceState = trace_state.unwrap_or_default();
        let (trace_id, span_id) = (parent.trace_id(), parent.span_id());
        cx.with_remote_span_context(SpanContext::new(trace_id, span_id, flags, true, trace_state))
    }

    fn fields(&self) -> FieldIter<'_> {
        static FIELDS: LazyLock<[String; 2]> =
            LazyLock::new(|| [TRACEPARENT, TRACESTATE].map(str::to_owned));
        FieldIter::new(&*FIELDS)
    }
}

/// A span as the header `traceparent` has it: `00-TRACE-SPAN-FLAGS` in hexadecimal digits. Of the flags
/// there is only the one that the SDK knows: whether the span is sampled.
#[must_use]
pub fn traceparent(span: &SpanContext) -> [u8; LENGTH] {
    let mut text = *b"00-00000000000000000000000000000000-0000000000000000-00";
    write_hex(&mut text[3..35], &span.trace_id().to_bytes());
    write_hex(&mut text[36..52], &span.span_id().to_bytes());
    text[54] += u8::from(span.is_sampled());
    text
}

fn write_hex(digits: &mut [u8], bytes: &[u8]) {
    for (digits, byte) in digits.as_chunks_mut::<2>().0.iter_mut().zip(bytes) {
        *digits = DIGITS[usize::from(*byte)];
    }
}

/// The two digits of each byte.
const DIGITS: [[u8; 2]; 256] = {
    let mut digits = [[0; 2]; 256];
    let mut byte = 0;
    while byte < 256 {
        let each = b"0123456789abcdef";
        digits[byte] = [each[byte >> 4], each[byte & 0xf]];
        byte += 1;
    }
    digits
};

/// The span that a header `traceparent` names, with all its flags and without a `tracestate`; `None` if the
/// header breaks the rules. A later version than 00 may have more after a further dash.
#[must_use]
pub fn parse_traceparent(header: &str) -> Option<SpanContext> {
    let (known, rest) = header.as_bytes().split_at_checked(LENGTH)?;
    let has_dashes = [2, 35, 52].iter().all(|&at| known[at] == b'-');
    let [version] = hex(&known[..2])?;
    let is_known_length = match version {
        0 => rest.is_empty(),
        0xff => false,
        _ => rest.is_empty() || rest[0] == b'-',
    };
    if !has_dashes || !is_known_length {
        return None;
    }
    let trace_id = TraceId::from_bytes(hex(&known[3..35])?);
    let span_id = SpanId::from_bytes(hex(&known[36..52])?);
    let [flags] = hex(&known[53..])?;
    let flags = TraceFlags::new(flags);
    let span = SpanContext::new(trace_id, span_id, flags, true, TraceState::NONE);
    span.is_valid().then_some(span)
}

/// The bytes that these lower-case digits are.
fn hex<const BYTES: usize>(digits: &[u8]) -> Option<[u8; BYTES]> {
    let mut bytes = [0; BYTES];
    // What is no digit is looked for once, at the end.
    let mut all = 0;
    for (byte, [high, low]) in bytes.iter_mut().zip(digits.as_chunks::<2>().0) {
        let (high, low) = (VALUES[usize::from(*high)], VALUES[usize::from(*low)]);
        *byte = high << 4 | low;
        all |= high | low;
    }
    (all < NO_DIGIT).then_some(bytes)
}

/// Stands in [`VALUES`] for what is no digit. No value has this bit.
const NO_DIGIT: u8 = 0x80;

/// The value of each lower-case digit.
const VALUES: [u8; 256] = {
    let mut values = [NO_DIGIT; 256];
    let mut value = 0;
    while value < 16 {
        values[b"0123456789abcdef"[value] as usize] = value as u8;
        value += 1;
    }
    values
};

#[cfg(test)]
mod tests {
    use super::*;
    use opentelemetry_sdk::propagation::TraceContextPropagator;
    use proptest::option;
    use proptest::prelude::*;
    use std::collections::HashMap;

    type Headers = HashMap<String, String>;

    fn extracted(by: &dyn TextMapPropagator, headers: &Headers) -> SpanContext {
        by.extract_with_context(&Context::new(), headers).span().span_context().clone()
    }

    fn injected(by: &dyn TextMapPropagator, span: SpanContext) -> Headers {
        let mut headers = Headers::new();
        by.inject_context(&Context::new().with_remote_span_context(span), &mut headers);
        headers
    }

    fn headers(traceparent: &str, tracestate: Option<&str>) -> Headers {
        let state = tracestate.map(|state| (TRACESTATE.to_owned(), state.to_owned()));
        [(TRACEPARENT.to_owned(), traceparent.to_owned())].into_iter().chain(state).collect()
    }

    proptest! {
        #[test]
        fn it_writes_and_reads_what_the_sdk_does(
            (trace, span) in any::<(u128, u64)>(),
            flags in any::<u8>(),
            state in option::of("[a-z]{1,3}=[0-9a-z=, ]{0,5}(,[a-z]{1,3}=[0-9]){0,3}"),
        ) {
            let trace_state: TraceState =
                state.as_deref().and_then(|state| state.parse().ok()).unwrap_or_default();
            let span = SpanContext::new(
                trace.into(), span.into(), TraceFlags::new(flags), false, trace_state,
            );
            let sdk = TraceContextPropagator::new();
            let written = injected(&TraceContext, span.clone());
            prop_assert_eq!(&written, &injected(&sdk, span));
            prop_assert_eq!(extracted(&TraceContext, &written), extracted(&sdk, &written));
        }

        #[test]
        fn it_accepts_nothing_that_the_sdk_refuses_and_reads_the_rest_alike(
            version in prop_oneof![3 => Just("00"), 1 => Just("01"), 1 => Just("ff"), 1 => Just("zz")],
            trace in "[0-9a-f]{31,33}|0{32}|[0-9a-fA-F+g]{32}",
            span in "[0-9a-f]{15,17}|0{16}|[0-9a-fA-F+g]{16}",
            flags in "[0-9a-f]{1,3}|[0-9A-F+]{2}",
            end in prop_oneof![4 => Just(""), 1 => Just("-"), 1 => Just("-more"), 1 => Just("more")],
            state in option::of("[a-z=,]{0,9}"),
        ) {
            let headers = headers(&format!("{version}-{trace}-{span}-{flags}{end}"), state.as_deref());
            let read = extracted(&TraceContext, &headers);
            if read.is_valid() {
                prop_assert_eq!(read, extracted(&TraceContextPropagator::new(), &headers));
            }
        }
    }

    #[test]
    fn what_breaks_the_rules_is_no_parent() {
        const VALID: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        assert!(extracted(&TraceContext, &headers(VALID, None)).is_valid());
        let refused = [
            "",
            "garbage",
            &VALID[..54],
            &format!("{VALID}-"),
            &format!("{VALID}0"),
            &format!("01{}0", &VALID[2..]),
            &VALID.to_uppercase(),
            &VALID.replace("00-", "ff-"),
            &VALID.replace("4bf92f3577b34da6a3ce929d0e0e4736", &"0".repeat(32)),
            &VALID.replace("00f067aa0ba902b7", &"0".repeat(16)),
            &VALID.replace("4bf9", "+bf9"),
            &VALID.replace("-01", "01-"),
            &"ä".repeat(40),
        ];
        for traceparent in refused {
            let span = extracted(&TraceContext, &headers(traceparent, None));
            assert_eq!(span, SpanContext::NONE, "{traceparent}");
        }
        let later = format!("01{}-more", &VALID[2..]);
        assert!(extracted(&TraceContext, &headers(&later, None)).is_valid());
    }

    #[test]
    fn its_headers_are_those_of_the_sdk() {
        let sdk = TraceContextPropagator::new();
        assert!(TraceContext.fields().eq(sdk.fields()));
    }
}
