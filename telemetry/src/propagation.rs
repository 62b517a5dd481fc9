//! How context travels between services.

use super::b3::B3;
use super::config::Propagator;
use opentelemetry::propagation::{TextMapCompositePropagator, TextMapPropagator};
use opentelemetry_sdk::propagation::{BaggagePropagator, TraceContextPropagator};

/// One propagator that does what all of `chosen` do.
pub(super) fn composite(chosen: &[Propagator]) -> TextMapCompositePropagator {
    TextMapCompositePropagator::new(
        chosen
            .iter()
            .map(|propagator| -> Box<dyn TextMapPropagator + Send + Sync> {
                match propagator {
                    Propagator::TraceContext => Box::new(TraceContextPropagator::new()),
                    Propagator::Baggage => Box::new(BaggagePropagator::new()),
                    Propagator::B3 => Box::new(B3::single()),
                    Propagator::B3Multi => Box::new(B3::multi()),
                }
            })
            .collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use opentelemetry::baggage::BaggageExt as _;
    use opentelemetry::trace::{
        SpanContext, SpanId, TraceContextExt as _, TraceFlags, TraceId, TraceState,
    };
    use opentelemetry::{Context, KeyValue};
    use std::collections::HashMap;

    /// What `chosen` make of a sampled span and a piece of baggage, in order of the names.
    fn headers(chosen: &[Propagator]) -> Vec<(String, String)> {
        let mut headers = HashMap::new();
        composite(chosen).inject_context(&context(), &mut headers);
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
            composite(&[chosen]).inject_context(&Context::new(), &mut headers);
            assert!(headers.is_empty(), "{chosen:?}: {headers:?}");
        }
    }

    #[test]
    fn each_reads_what_it_writes() {
        for chosen in [Propagator::TraceContext, Propagator::B3, Propagator::B3Multi] {
            let headers: HashMap<_, _> =
                headers(&[chosen, Propagator::Baggage]).into_iter().collect();
            let read = composite(&[chosen, Propagator::Baggage])
                .extract_with_context(&Context::new(), &headers);
            assert_eq!(read.span().span_context(), context().span().span_context(), "{chosen:?}");
            assert_eq!(read.baggage().to_string(), "shopper.kind=hesitant");
        }
    }
}
