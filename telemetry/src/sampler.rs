//! What a sampler decides: it is counted, also for spans that are not recorded, and partly known beforehand.
//!
//! A processor sees only spans that are recorded, so the spans that a sampler drops are counted
//! where that is decided. Without an exporter of metrics nobody reads these counts, and the
//! pipeline has the sampler alone.

use crate::accounting::Tally;
use opentelemetry::trace::{Link, SpanKind, TraceContextExt as _};
use opentelemetry::{Context, KeyValue, TraceId};
use opentelemetry_sdk::trace::{Sampler, SamplingDecision, SamplingResult, ShouldSample};
use std::sync::{Arc, OnceLock};

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

/// What is known of a sampler's decisions beforehand. None of the samplers here looks at names or attributes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KnownDrops {
    /// It drops every span that it decides about by itself.
    drops_all: bool,
    /// It decides so only about spans without a parent, and about others as their parent is sampled.
    follows_parents: bool,
}

impl KnownDrops {
    /// What is known of this sampler.
    pub(crate) fn of(sampler: &Sampler) -> Self {
        // Of all traces a ratio drops this one last.
        let last = TraceId::from(1_u128 << 127);
        let result = sampler.should_sample(None, last, "", &SpanKind::Internal, &[], &[]);
        Self {
            drops_all: result.decision == SamplingDecision::Drop,
            follows_parents: matches!(sampler, Sampler::ParentBased(_)),
        }
    }

    /// Whether the sampler drops a span in this context for certain.
    pub(crate) fn has(self, cx: &Context) -> bool {
        let span = cx.span();
        let parent = span.span_context();
        if self.follows_parents && parent.is_valid() {
            !parent.is_sampled()
        } else {
            self.drops_all
        }
    }
}

/// What is known of this process's sampler.
static OF_PROCESS: OnceLock<KnownDrops> = OnceLock::new();

/// Remembers the sampler of this process. Only the first is.
pub(crate) fn set_of_process(sampler: &Sampler) {
    OF_PROCESS.get_or_init(|| KnownDrops::of(sampler));
}

/// Whether a span that is started in this context is dropped for certain, whatever its name and its attributes are: then
/// nothing need be prepared for it. False before [`Telemetry::init`](crate::Telemetry::init).
#[must_use]
pub fn is_dropped(cx: &Context) -> bool {
    OF_PROCESS.get().is_some_and(|known| known.has(cx))
}

#[cfg(test)]
mod tests {
    use super::*;
    use opentelemetry::trace::{SpanContext, SpanId, TraceFlags, TraceState};

    /// A context with a remote parent in this trace.
    fn child(trace_id: TraceId, flags: TraceFlags) -> Context {
        let parent = SpanContext::new(trace_id, SpanId::from(1), flags, true, TraceState::NONE);
        Context::new().with_remote_span_context(parent)
    }

    #[test]
    fn what_is_dropped_for_certain_is_what_the_sampler_drops_of_all_traces() {
        let ids = [1, 1 << 127, u128::MAX, 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736];
        let parent_based = |root| Sampler::ParentBased(Box::new(root));
        // For each sampler: whether it drops all roots, children of a sampled parent, and children of another.
        for (sampler, expected) in [
            (Sampler::AlwaysOn, [false, false, false]),
            (Sampler::AlwaysOff, [true, true, true]),
            (Sampler::TraceIdRatioBased(0.0), [true, true, true]),
            (Sampler::TraceIdRatioBased(0.000_1), [false, false, false]),
            (Sampler::TraceIdRatioBased(1.0), [false, false, false]),
            (parent_based(Sampler::AlwaysOn), [false, false, true]),
            (parent_based(Sampler::AlwaysOff), [true, false, true]),
            (parent_based(Sampler::TraceIdRatioBased(0.0)), [true, false, true]),
            (parent_based(Sampler::TraceIdRatioBased(0.5)), [false, false, true]),
        ] {
            let known = KnownDrops::of(&sampler);
            let contexts = ids.map(|id| {
                let id = TraceId::from(id);
                let of = |cx| (id, cx);
                [
                    of(Context::new()),
                    of(child(id, TraceFlags::SAMPLED)),
                    of(child(id, TraceFlags::default())),
                ]
            });
            for (kind, expected) in expected.into_iter().enumerate() {
                let drops = contexts.iter().map(|of_kinds| {
                    let (id, cx) = &of_kinds[kind];
                    assert_eq!(known.has(cx), expected, "{sampler:?} {cx:?}");
                    let result =
                        sampler.should_sample(Some(cx), *id, "", &SpanKind::Server, &[], &[]);
                    result.decision == SamplingDecision::Drop
                });
                assert_eq!(
                    drops.collect::<Vec<_>>().iter().all(|drops| *drops),
                    expected,
                    "{sampler:?} {kind}"
                );
            }
        }
    }
}
