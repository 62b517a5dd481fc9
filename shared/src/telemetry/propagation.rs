//! How context travels between services.

use super::config::Propagator;
use super::zipkin;
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
                    Propagator::B3 => zipkin::b3_propagator(),
                    Propagator::B3Multi => zipkin::b3_multi_propagator(),
                }
            })
            .collect(),
    )
}
