//! `/api/v3/trace-summaries`: what a list of traces shows. As in all of protobuf's JSON, zeroes and
//! empty strings are left out.

use std::sync::Arc;

use serde::Serialize;

use crate::store::trace::Trace;

/// An answer.
#[derive(Debug, Serialize)]
pub(super) struct Summaries {
    summaries: Vec<Summary>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Summary {
    trace_id: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    root_service_name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    root_operation_name: String,
    min_start_time_unix_nano: String,
    max_end_time_unix_nano: String,
    span_count: usize,
    #[serde(skip_serializing_if = "is_zero")]
    error_span_count: usize,
    #[serde(skip_serializing_if = "is_zero")]
    orphan_span_count: usize,
    services: Vec<Service>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Service {
    name: String,
    span_count: usize,
    #[serde(skip_serializing_if = "is_zero")]
    error_span_count: usize,
}

impl Summaries {
    /// The summaries of `traces`.
    pub(super) fn of(traces: &[Arc<Trace>]) -> Self {
        Self { summaries: traces.iter().map(|trace| Summary::of(trace)).collect() }
    }
}

impl Summary {
    fn of(trace: &Trace) -> Self {
        let orphan = |parent| trace.span(parent).is_none();
        let orphans = trace.spans.iter().filter(|span| span.parent.is_some_and(orphan)).count();
        let mut services: Vec<Service> = trace
            .services
            .iter()
            .map(|service| Service {
                name: service.name.to_string(),
                span_count: service.spans,
                error_span_count: service.errors,
            })
            .collect();
        services.sort_by(|one, other| one.name.cmp(&other.name));
        let root = trace.root();
        Self {
            trace_id: trace.id.to_string(),
            root_service_name: root.map(|span| span.service().to_string()).unwrap_or_default(),
            root_operation_name: root.map(|span| span.name.to_string()).unwrap_or_default(),
            min_start_time_unix_nano: trace.start.to_string(),
            max_end_time_unix_nano: trace.end.to_string(),
            span_count: trace.spans.len(),
            error_span_count: trace.errors(),
            orphan_span_count: orphans,
            services,
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_zero(count: &usize) -> bool {
    *count == 0
}
