//! Zipkin's B3 headers: <https://github.com/openzipkin/b3-propagation>
#![expect(deprecated, reason = "the crate is deprecated, and has no successor for these headers")]

use opentelemetry::Context;
use opentelemetry::propagation::text_map_propagator::FieldIter;
use opentelemetry::propagation::{Extractor, Injector, TextMapPropagator};
use opentelemetry::trace::TraceContextExt as _;
use opentelemetry_zipkin::{B3Encoding, Propagator};

/// Reads both forms of the headers and writes one.
///
/// opentelemetry-zipkin 0.33 writes the multiple headers beside the single one, too, and writes
/// "not sampled" where there is no span at all.
#[derive(Debug)]
pub(super) struct B3 {
    propagator: Propagator,
    is_single: bool,
}

impl B3 {
    /// Writes the header `b3`.
    pub(super) fn single() -> Self {
        B3 { propagator: Propagator::with_encoding(B3Encoding::SingleHeader), is_single: true }
    }

    /// Writes the headers `X-B3-*`.
    pub(super) fn multi() -> Self {
        B3 { propagator: Propagator::with_encoding(B3Encoding::MultipleHeader), is_single: false }
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
