//! Zipkin's formats.
#![expect(deprecated, reason = "the crate is deprecated, and has no successor for these formats")]

use opentelemetry::propagation::TextMapPropagator;
use opentelemetry_zipkin::{B3Encoding, Propagator};

/// The propagator for the single header `b3`.
pub(super) fn b3_propagator() -> Box<dyn TextMapPropagator + Send + Sync> {
    Box::new(Propagator::with_encoding(B3Encoding::SingleHeader))
}

/// The propagator for the headers `X-B3-*`.
pub(super) fn b3_multi_propagator() -> Box<dyn TextMapPropagator + Send + Sync> {
    Box::new(Propagator::with_encoding(B3Encoding::MultipleHeader))
}
