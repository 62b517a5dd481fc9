//! The trace headers of requests and answers.
//!
//! # Requests
//!
//! Applies the W3C rules for trace headers that are malformed, too long or repeated.
//!
//! The propagators read only the first header of a name. So before they run, headers that the rules
//! say to ignore are removed here, and headers that the rules say to join are joined. The headers of
//! nearly every request are left as they are.
//!
//! See <https://www.w3.org/TR/trace-context/> and <https://www.w3.org/TR/baggage/>.
//!
//! # Answers
//!
//! An answer names its trace in two headers, see [`of_answer`].

use actix_web::{
    http::header::{HeaderMap, HeaderName, HeaderValue},
    web::Bytes,
};
use opentelemetry::trace::{SpanContext, TraceFlags, TraceId};
use shared::wire;

static TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
static TRACESTATE: HeaderName = HeaderName::from_static("tracestate");
static BAGGAGE: HeaderName = HeaderName::from_static("baggage");
const TRACERESPONSE: HeaderName = HeaderName::from_static(wire::TRACERESPONSE);
const SERVER_TIMING: HeaderName = HeaderName::from_static(wire::SERVER_TIMING);

/// The headers of requests that there are rules about.
static OF_REQUESTS: [&HeaderName; 3] = [&TRACEPARENT, &TRACESTATE, &BAGGAGE];

/// The most entries of a `tracestate`; one with more is ignored as a whole.
/// See <https://www.w3.org/TR/trace-context/#list>.
const MAX_TRACESTATE_MEMBERS: usize = 32;

/// The longest `tracestate` or `baggage` that is read, in bytes. A `baggage` of up to this size
/// must be carried; a larger one need not be: <https://www.w3.org/TR/baggage/#limits>.
const MAX_BYTES: usize = 8192;

/// Removes or joins trace headers as the rules say.
pub(crate) fn tidy(headers: &mut HeaderMap) {
    if !headers.keys().any(|name| OF_REQUESTS.contains(&name)) {
        return;
    }
    if !has_one_valid_traceparent(headers) {
        headers.remove(&TRACEPARENT);
        // A `tracestate` means nothing without a `traceparent`.
        headers.remove(&TRACESTATE);
    }
    if !is_one(headers, &TRACESTATE, is_short_list) {
        replace(headers, &TRACESTATE, |joined| is_short_list(joined.as_bytes()).then_some(joined));
    }
    if !is_one(headers, &BAGGAGE, is_plain) {
        replace(headers, &BAGGAGE, |joined| Some(encode_values(&joined)));
    }
}

fn has_one_valid_traceparent(headers: &HeaderMap) -> bool {
    let mut values = headers.get_all(&TRACEPARENT).map(HeaderValue::as_bytes);
    let is_valid = values.next().and_then(parent).is_some();
    is_valid && values.next().is_none()
}

fn parent(header: &[u8]) -> Option<SpanContext> {
    telemetry::parse_traceparent(str::from_utf8(header).ok().filter(|text| text.is_ascii())?)
}

/// The second flag: the trace's id is random.
/// See <https://www.w3.org/TR/trace-context-2/#random-trace-id-flag>.
const RANDOM: TraceFlags = TraceFlags::new(0x02);

/// Whether the caller says that the id of this trace is random.
fn is_random(headers: &HeaderMap, trace_id: TraceId) -> bool {
    let header = headers.get(&TRACEPARENT).map(HeaderValue::as_bytes);
    // Most callers do not, which the last digit of their flags says.
    let may_be = |header: &&[u8]| header.get(54).is_some_and(|digit| b"2367abef".contains(digit));
    header.filter(may_be).and_then(parent).is_some_and(|parent| parent.trace_id() == trace_id)
}

/// The headers by which the client finds the trace of its request: [`wire::TRACERESPONSE`] and
/// [`wire::SERVER_TIMING`]. There are none outside any trace.
pub(super) fn of_answer(
    span: &SpanContext,
    request: &HeaderMap,
) -> Option<[(HeaderName, HeaderValue); 2]> {
    const BEFORE: &[u8] = b"traceparent;desc=\"";
    const BETWEEN: &[u8] = b"\", trace;desc=";
    if !span.is_valid() {
        return None;
    }
    let trace_id = span.trace_id();
    let mut span = telemetry::traceparent(span);
    // Of the flags the SDK knows only the first. The second, that the trace's id is random, is the
    // caller's to say, and to be repeated.
    if is_random(request, trace_id) {
        span[54] += RANDOM.to_u8();
    }
    let timing = Bytes::from([BEFORE, &span, BETWEEN, &span].concat());
    let response = HeaderValue::from_bytes(&span).ok()?;
    Some([(TRACERESPONSE, response), (SERVER_TIMING, HeaderValue::from_maybe_shared(timing).ok()?)])
}

/// Whether there is no header of this name, or one that can be left as it is.
fn is_one(headers: &HeaderMap, name: &HeaderName, is_in_order: fn(&[u8]) -> bool) -> bool {
    let mut values = headers.get_all(name).map(HeaderValue::as_bytes);
    let Some(first) = values.next() else { return true };
    values.next().is_none() && first.len() <= MAX_BYTES && first.is_ascii() && is_in_order(first)
}

/// Joins all headers of this name into one, and replaces them by what `tidied` makes of it.
fn replace(headers: &mut HeaderMap, name: &HeaderName, tidied: fn(String) -> Option<String>) {
    let values: Option<Vec<_>> = headers.get_all(name).map(|value| value.to_str().ok()).collect();
    let joined = values.map(|values| values.join(",")).filter(|joined| joined.len() <= MAX_BYTES);
    headers.remove(name);
    let tidied = joined.and_then(tidied).and_then(|value| HeaderValue::try_from(value).ok());
    if let Some(value) = tidied {
        headers.insert(name.clone(), value);
    }
}

fn is_short_list(tracestate: &[u8]) -> bool {
    let members = tracestate.split(|byte| *byte == b',');
    members.filter(|member| !member.trim_ascii().is_empty()).count() <= MAX_TRACESTATE_MEMBERS
}

/// Whether no value has an equals sign in it. The rules allow it, but the propagator reads a value
/// only up to the sign. A property is looked at as if it were a value.
fn is_plain(baggage: &[u8]) -> bool {
    let mut signs = 0;
    baggage.iter().all(|byte| {
        match byte {
            b',' | b';' => signs = 0,
            b'=' => signs += 1,
            _ => {}
        }
        signs < 2
    })
}

/// Percent-encodes the equals signs in values, which does not change their meaning.
fn encode_values(baggage: &str) -> String {
    let encode = |member| match value(member) {
        Some(value) => member.replacen(value, &value.replace('=', "%3D"), 1),
        None => member.to_owned(),
    };
    baggage.split(',').map(encode).collect::<Vec<_>>().join(",")
}

/// The value of a baggage entry, still percent-encoded.
pub(super) fn baggage_value<'a>(headers: &'a HeaderMap, key: &str) -> Option<&'a str> {
    entries(headers).find(|(of, _)| *of == key).map(|(_, value)| value)
}

/// Whether there is a baggage entry with one of these keys.
pub(super) fn has_baggage(headers: &HeaderMap, keys: [&str; 2]) -> bool {
    entries(headers).any(|(of, _)| keys.contains(&of))
}

/// Whether there may be a baggage entry with one of these keys, as far as a look at the whole text tells: no entry is
/// looked for by itself.
pub(super) fn may_have_baggage(headers: &HeaderMap, keys: [&str; 2]) -> bool {
    let text = headers.get(&BAGGAGE).and_then(|header| str::from_utf8(header.as_bytes()).ok());
    // A key may be percent-encoded.
    text.is_some_and(|text| text.contains('%') || keys.iter().any(|key| text.contains(key)))
}

/// The keys and the values, still percent-encoded, of all baggage entries.
fn entries(headers: &HeaderMap) -> impl Iterator<Item = (&str, &str)> {
    let header = headers.get(&BAGGAGE).and_then(|header| header.to_str().ok());
    header.into_iter().flat_map(|header| header.split(',')).filter_map(|member| {
        let key = member.split('=').next()?;
        Some((key.trim(), value(member)?))
    })
}

/// The value in `key=value;properties`.
fn value(member: &str) -> Option<&str> {
    let entry = member.split(';').next()?;
    entry.split_once('=').map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALID: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn tidied(headers: &[(&'static str, &str)]) -> Vec<String> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
        }
        tidy(&mut map);
        let mut lines: Vec<_> = map
            .iter()
            .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
            .collect();
        lines.sort();
        lines
    }

    #[test]
    fn what_is_in_order_is_left_as_it_is() {
        let headers = [("traceparent", VALID), ("tracestate", "a=1,b=2"), ("baggage", "k=v;p=1")];
        let mut expected: Vec<_> = headers.map(|(name, value)| format!("{name}: {value}")).into();
        expected.sort();
        assert_eq!(tidied(&headers), expected);
    }

    #[test]
    fn a_traceparent_that_breaks_the_rules_is_ignored_with_its_tracestate() {
        for traceparent in [
            "",
            "garbage",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "00-4bf92f3577b34da6a3ce929d0e0e473-00f067aa0ba902b7-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-+bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01more",
        ] {
            let left = tidied(&[("traceparent", traceparent), ("tracestate", "a=1")]);
            assert_eq!(left, [""; 0], "{traceparent}");
        }
        assert_eq!(tidied(&[("traceparent", VALID), ("traceparent", VALID)]), [""; 0]);
    }

    #[test]
    fn a_later_version_may_say_more() {
        let later = format!("01{}-more", &VALID[2..]);
        assert_eq!(tidied(&[("traceparent", &later)]), [format!("traceparent: {later}")]);
    }

    #[test]
    fn a_tracestate_in_several_headers_is_one_of_at_most_32_entries() {
        let parent = format!("traceparent: {VALID}");
        let state = |values: &[&'static str]| {
            let headers = values.iter().map(|value| ("tracestate", *value));
            tidied(&[("traceparent", VALID)].into_iter().chain(headers).collect::<Vec<_>>())
        };
        assert_eq!(state(&["a=1", "b=2"]), [parent.clone(), "tracestate: a=1,b=2".into()]);
        let many: String = (0..33).map(|n| format!("k{n}=1,")).collect();
        for too_much in [many, "k=v,".repeat(3000)] {
            assert_eq!(state(&[too_much.leak()]), std::slice::from_ref(&parent));
        }
    }

    #[test]
    fn baggage_that_may_name_a_key_is_looked_at_closer() {
        let may = |baggage: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(BAGGAGE.clone(), HeaderValue::from_str(baggage).unwrap());
            may_have_baggage(&headers, ["grocery.lesson", "grocery.fault"])
        };
        assert!(!may_have_baggage(&HeaderMap::new(), ["grocery.lesson", "grocery.fault"]));
        assert!(!may("shopper.kind=quick-buy,shopper.id=1"));
        assert!(may("a=1,grocery.lesson=spawn") && may("grocery.fault=panic:Checkout"));
        assert!(may("grocery%2Efault=panic:Checkout"), "keys may be percent-encoded");
    }

    #[test]
    fn baggage_is_joined_and_its_equals_signs_are_kept() {
        assert_eq!(
            tidied(&[("baggage", "a=1"), ("baggage", "grocery.fault=panic=Checkout;p=1")]),
            ["baggage: a=1,grocery.fault=panic%3DCheckout;p=1"]
        );
        assert_eq!(tidied(&[("baggage", "k;p=1=2,k=v")]), ["baggage: k;p=1=2,k=v"]);
        assert_eq!(tidied(&[("baggage", &"x".repeat(8193))]), [""; 0]);
    }
}
