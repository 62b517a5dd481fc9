//! The propagators, which carry context between services in headers.
#![expect(
    deprecated,
    reason = "opentelemetry-zipkin is deprecated, and nothing succeeds it for B3"
)]

mod baggage;
mod trace_context;

use crate::config::Propagator;
use baggage::Baggage;
use opentelemetry::Context;
use opentelemetry::propagation::text_map_propagator::FieldIter;
use opentelemetry::propagation::{
    Extractor, Injector, TextMapCompositePropagator, TextMapPropagator,
};
use opentelemetry::trace::TraceContextExt as _;
use opentelemetry_zipkin::B3Encoding;
use trace_context::TraceContext;

pub use trace_context::{parse_traceparent, traceparent};

/// One propagator that does what all of `chosen` do. [`Telemetry::init`](crate::Telemetry::init) makes the
/// one that `OTEL_PROPAGATORS` chooses the global one.
pub fn propagator(chosen: &[Propagator]) -> TextMapCompositePropagator {
    TextMapCompositePropagator::new(
        chosen
            .iter()
            .map(|propagator| -> Box<dyn TextMapPropagator + Send + Sync> {
                match propagator {
                    Propagator::TraceContext => Box::new(TraceContext),
                    Propagator::Baggage => Box::new(Baggage::default()),
                    Propagator::B3 => Box::new(B3::single()),
                    Propagator::B3Multi => Box::new(B3::multi()),
                }
            })
            .collect(),
    )
}

/// Zipkin's B3 headers. It reads both forms, and writes the one that was chosen:
/// <https://github.com/openzipkin/b3-propagation>
///
/// It corrects opentelemetry-zipkin 0.33, which writes the multiple headers beside the single one,
/// and writes "not sampled" where there is no span.
#[derive(Debug)]
pub(super) struct B3 {
    propagator: opentelemetry_zipkin::Propagator,
    is_single: bool,
}

impl B3 {
    /// Writes the header `b3`.
    pub(super) fn single() -> Self {
        B3 {
            propagator: opentelemetry_zipkin::Propagator::with_encoding(B3Encoding::SingleHeader),
            is_single: true,
        }
    }

    /// Writes the headers `X-B3-*`.
    pub(super) fn multi() -> Self {
        B3 {
            propagator: opentelemetry_zipkin::Propagator::with_encoding(B3Encoding::MultipleHeader),
            is_single: false,
        }
    }
}

impl TextMapPropagator for B3 {
    fn inject_context(&self, cx: &Context, injector: &mut dyn Injector) {
        if !cx.span().span_context().is_valid() {
            return;
        }
        if self.is_single {
            self.propagator.inject_context(cx, &mut OnlySingle(injector));
        } else {
            self.propagator.inject_context(cx, injector);
        }
    }

    fn extract_with_context(&self, cx: &Context, extractor: &dyn Extractor) -> Context {
        self.propagator.extract_with_context(cx, extractor)
    }

    fn fields(&self) -> FieldIter<'_> {
        self.propagator.fields()
    }
}

/// Lets only the single header pass.
struct OnlySingle<'a>(&'a mut dyn Injector);

impl Injector for OnlySingle<'_> {
    fn set(&mut self, key: &str, value: String) {
        if key == "b3" {
            self.0.set(key, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use opentelemetry::KeyValue;
    use opentelemetry::baggage::BaggageExt as _;
    use opentelemetry::trace::{SpanContext, SpanId, TraceFlags, TraceId, TraceState};
    use std::collections::HashMap;

    /// The headers that `chosen` write for a sampled span and a baggage entry, sorted by name.
    fn headers(chosen: &[Propagator]) -> Vec<(String, String)> {
        let mut headers = HashMap::new();
        propagator(chosen).inject_context(&context(), &mut headers);
        let mut headers: Vec<_> = headers.into_iter().collect();
        headers.sort();
        headers
    }

    fn context() -> Context {
        let (trace, span) = (TraceId::from(0xa), SpanId::from(0xb));
        Context::new()
            .with_baggage([KeyValue::new("shopper.kind", "hesitant")])
            .with_remote_span_context(SpanContext::new(
                trace,
                span,
                TraceFlags::SAMPLED,
                true,
                TraceState::default(),
            ))
    }

    const TRACE: &str = "0000000000000000000000000000000a";
    const SPAN: &str = "000000000000000b";

    #[test]
    fn each_writes_its_own_headers() {
        let with = |name: &str, value: String| (name.to_owned(), value);
        assert_eq!(
            headers(&[Propagator::TraceContext]),
            [
                with("traceparent", format!("00-{TRACE}-{SPAN}-01")),
                with("tracestate", String::new())
            ]
        );
        assert_eq!(
            headers(&[Propagator::Baggage]),
            [with("baggage", "shopper.kind=hesitant".to_owned())]
        );
        assert_eq!(headers(&[Propagator::B3]), [with("b3", format!("{TRACE}-{SPAN}-1"))]);
        assert_eq!(
            headers(&[Propagator::B3Multi]),
            [
                with("x-b3-sampled", "1".to_owned()),
                with("x-b3-spanid", SPAN.to_owned()),
                with("x-b3-traceid", TRACE.to_owned())
            ]
        );
        assert_eq!(headers(&[]), []);
    }

    #[test]
    fn nothing_is_written_where_there_is_no_span() {
        for chosen in [Propagator::TraceContext, Propagator::B3, Propagator::B3Multi] {
            let mut headers: HashMap<String, String> = HashMap::new();
            propagator(&[chosen]).inject_context(&Context::new(), &mut headers);
            assert!(headers.is_empty(), "{chosen:?}: {headers:?}");
        }
    }

    #[test]
    fn each_reads_what_it_writes() {
        for chosen in [Propagator::TraceContext, Propagator::B3, Propagator::B3Multi] {
            let headers: HashMap<_, _> =
                headers(&[chosen, Propagator::Baggage]).into_iter().collect();
            let read = propagator(&[chosen, Propagator::Baggage])
                .extract_with_context(&Context::new(), &headers);
            assert_eq!(read.span().span_context(), context().span().span_context(), "{chosen:?}");
            assert_eq!(read.baggage().to_string(), "shopper.kind=hesitant");
        }
    }
}
