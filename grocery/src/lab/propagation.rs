//! Which headers carry the context of the lab's requests: each request chooses its own.

use std::{collections::HashMap, fmt};

use opentelemetry::{
    Context,
    propagation::{
        Extractor, Injector, TextMapCompositePropagator, TextMapPropagator,
        text_map_propagator::FieldIter,
    },
};
use serde::Deserialize;
use telemetry::config::Propagator;

/// The headers of a request, as a value in its context. Baggage goes with all of them but the last, since
/// faults are baggage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Propagation {
    /// `traceparent` and `tracestate`.
    #[default]
    W3c,
    /// `b3`.
    B3,
    /// `X-B3-*`.
    B3Multi,
    /// No header at all.
    None,
}

/// Writes the headers that the context asks for.
#[derive(Debug)]
pub(super) struct PerRequest {
    w3c: TextMapCompositePropagator,
    b3: TextMapCompositePropagator,
    b3_multi: TextMapCompositePropagator,
}

impl Propagation {
    pub(super) const ALL: [Self; 4] = [Self::W3c, Self::B3, Self::B3Multi, Self::None];

    /// Its value in a form.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::W3c => "w3c",
            Self::B3 => "b3",
            Self::B3Multi => "b3multi",
            Self::None => "none",
        }
    }

    /// The headers that carry this context.
    pub(super) fn headers(cx: &Context) -> Vec<(String, String)> {
        let mut headers = HashMap::new();
        opentelemetry::global::get_text_map_propagator(|propagator| {
            propagator.inject_context(cx, &mut headers);
        });
        let mut headers: Vec<_> =
            headers.into_iter().filter(|(_, value): &(_, String)| !value.is_empty()).collect();
        headers.sort();
        headers
    }
}

impl fmt::Display for Propagation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::W3c => "W3C: traceparent and baggage",
            Self::B3 => "B3: one header, and baggage",
            Self::B3Multi => "B3: several headers, and baggage",
            Self::None => "none, so that faults do not arrive either",
        })
    }
}

impl PerRequest {
    pub(super) fn new() -> Self {
        let with_baggage = |propagator| telemetry::propagator(&[propagator, Propagator::Baggage]);
        Self {
            w3c: with_baggage(Propagator::TraceContext),
            b3: with_baggage(Propagator::B3),
            b3_multi: with_baggage(Propagator::B3Multi),
        }
    }
}

impl TextMapPropagator for PerRequest {
    fn inject_context(&self, cx: &Context, injector: &mut dyn Injector) {
        match cx.get::<Propagation>().copied().unwrap_or_default() {
            Propagation::W3c => self.w3c.inject_context(cx, injector),
            Propagation::B3 => self.b3.inject_context(cx, injector),
            Propagation::B3Multi => self.b3_multi.inject_context(cx, injector),
            Propagation::None => {}
        }
    }

    fn extract_with_context(&self, cx: &Context, extractor: &dyn Extractor) -> Context {
        self.w3c.extract_with_context(cx, extractor)
    }

    fn fields(&self) -> FieldIter<'_> {
        self.w3c.fields()
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry::{
        KeyValue,
        baggage::BaggageExt as _,
        trace::{SpanContext, SpanId, TraceContextExt as _, TraceFlags, TraceId, TraceState},
    };

    use super::*;

    #[test]
    fn each_request_writes_the_headers_that_its_context_asks_for() {
        let propagator = PerRequest::new();
        let span = SpanContext::new(
            TraceId::from(0xa),
            SpanId::from(0xb),
            TraceFlags::SAMPLED,
            true,
            TraceState::default(),
        );
        let cx = Context::new()
            .with_baggage([KeyValue::new("customer", "alice")])
            .with_remote_span_context(span);
        let names = |cx: &Context| {
            let mut headers = HashMap::new();
            propagator.inject_context(cx, &mut headers);
            let mut names: Vec<_> = headers.into_keys().collect();
            names.sort();
            names.join(" ")
        };
        assert_eq!(names(&cx), "baggage traceparent tracestate");
        let with = |propagation: Propagation| names(&cx.with_value(propagation));
        assert_eq!(with(Propagation::B3), "b3 baggage");
        assert_eq!(with(Propagation::B3Multi), "baggage x-b3-sampled x-b3-spanid x-b3-traceid");
        assert_eq!(with(Propagation::None), "");
    }
}
