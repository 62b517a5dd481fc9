//! A trace in one line: what lists and the live tail show.

use serde::Serialize;

use crate::store::trace::Trace;

/// The largest whole number that JavaScript keeps exactly; durations are cut to it.
pub(super) const MAX_NUMBER: u64 = (1 << 53) - 1;

/// A trace's summary.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Summary {
    pub(super) trace_id: String,
    root_name: String,
    root_service: String,
    root_held: bool,
    pub(super) start_us: u64,
    duration_ns: u64,
    span_count: usize,
    error_count: usize,
    link_count: usize,
    services: Vec<ServiceSummary>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
struct ServiceSummary {
    name: String,
    spans: usize,
    errors: usize,
}

impl Summary {
    /// The summary of `trace`. While its root has not come, the span that starts first stands in.
    pub(crate) fn of(trace: &Trace) -> Self {
        let first = || trace.spans.iter().min_by_key(|span| span.start);
        let top = trace.root().or_else(first);
        let mut services: Vec<ServiceSummary> = trace
            .services
            .iter()
            .map(|service| ServiceSummary {
                name: service.name.to_string(),
                spans: service.spans,
                errors: service.errors,
            })
            .collect();
        services.sort_by(|one, other| {
            other.spans.cmp(&one.spans).then_with(|| one.name.cmp(&other.name))
        });
        Self {
            trace_id: trace.id.to_string(),
            root_name: top.map(|span| span.name.to_string()).unwrap_or_default(),
            root_service: top.map(|span| span.service().to_string()).unwrap_or_default(),
            root_held: trace.root().is_some(),
            start_us: trace.start / 1_000,
            duration_ns: trace.duration().min(MAX_NUMBER),
            span_count: trace.spans.len(),
            error_count: trace.errors(),
            link_count: trace.links(),
            services,
        }
    }
}
