//! Counts the spans that a sampler decides about, also those that are not recorded.
//!
//! A processor sees only spans that are recorded, so the spans that a sampler drops are counted
//! where that is decided. Without an exporter of metrics nobody reads these counts, and the
//! pipeline has the sampler alone.

use crate::accounting::Tally;
use opentelemetry::trace::{Link, SpanKind, TraceContextExt as _};
use opentelemetry::{Context, KeyValue, TraceId};
use opentelemetry_sdk::trace::{Sampler, SamplingDecision, SamplingResult, ShouldSample};
use std::sync::Arc;

/// What a sampler may decide, with the values of `otel.span.sampling_result`.
pub(crate) const RESULTS: [&str; 3] = ["DROP", "RECORD_ONLY", "RECORD_AND_SAMPLE"];

/// Where a span's parent may be, with the values of `otel.span.parent.origin`.
pub(crate) const ORIGINS: [&str; 3] = ["none", "local", "remote"];

/// How many spans were started, by [`RESULTS`] and then by [`ORIGINS`].
#[derive(Debug, Default)]
pub(crate) struct StartedSpans([[Tally; 3]; 3]);

impl StartedSpans {
    /// Each count, with its result and its origin.
    pub(crate) fn counts(&self) -> impl Iterator<Item = (&'static str, &'static str, u64)> {
        self.0.iter().zip(RESULTS).flat_map(|(counts, result)| {
            counts.iter().zip(ORIGINS).map(move |(count, origin)| (result, origin, count.get()))
        })
    }

    /// How many spans had this result.
    pub(crate) fn with(&self, result: &str) -> u64 {
        self.counts().filter(|(one, ..)| *one == result).map(|(.., count)| count).sum()
    }
}

/// A sampler whose decisions are counted.
#[derive(Clone, Debug)]
pub(crate) struct CountingSampler {
    sampler: Sampler,
    started: Arc<StartedSpans>,
}

impl CountingSampler {
    /// Counts what `sampler` decides into `started`.
    pub(crate) fn new(sampler: Sampler, started: Arc<StartedSpans>) -> Self {
        CountingSampler { sampler, started }
    }
}

impl ShouldSample for CountingSampler {
    fn should_sample(
        &self,
        parent: Option<&Context>,
        trace_id: TraceId,
        name: &str,
        kind: &SpanKind,
        attributes: &[KeyValue],
        links: &[Link],
    ) -> SamplingResult {
        let result = self.sampler.should_sample(parent, trace_id, name, kind, attributes, links);
        let counts = match result.decision {
            SamplingDecision::Drop => &self.started.0[0],
            SamplingDecision::RecordOnly => &self.started.0[1],
            SamplingDecision::RecordAndSample => &self.started.0[2],
        };
        let origin = match parent {
            Some(parent) if parent.has_active_span() => {
                let span = parent.span();
                let context = span.span_context();
                match (context.is_valid(), context.is_remote()) {
                    (false, _) => 0,
                    (true, false) => 1,
                    (true, true) => 2,
                }
            }
            _ => 0,
        };
        counts[origin].add(1);
        result
    }
}
