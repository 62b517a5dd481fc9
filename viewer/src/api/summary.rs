//! A trace in one line: what lists and the live tail show.

use std::cmp::Reverse;
use std::sync::Arc;

use serde::{Serialize, Serializer};

use crate::render::{List, Text, is_default};
use crate::store::model::{Name, Span, TraceId};
use crate::store::trace::{ServiceTotal, Trace};

/// The largest whole number that JavaScript keeps exactly; durations are cut to it.
pub(super) const MAX_NUMBER: u64 = (1 << 53) - 1;

/// The services named of those in a trace, those with the most spans; more are only counted.
const SERVICES: usize = 16;

/// A trace's summary.
#[derive(Debug)]
pub(crate) struct Summary {
    trace: Arc<Trace>,
}

/// The span that stands for `trace`: its root, or while that has not come, the one that starts
/// first.
pub(super) fn first_span(trace: &Trace) -> Option<&Arc<Span>> {
    trace.root().or_else(|| trace.spans.iter().min_by_key(|span| span.start))
}

impl Summary {
    /// The summary of `trace`.
    pub(crate) fn of(trace: &Arc<Trace>) -> Self {
        Self { trace: Arc::clone(trace) }
    }
}

impl Serialize for Summary {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Fields<'a, L> {
            trace_id: Text<TraceId>,
            root_name: &'a str,
            root_service: &'a str,
            root_held: bool,
            start_us: u64,
            duration_ns: u64,
            span_count: usize,
            error_count: usize,
            link_count: usize,
            services: L,
            #[serde(skip_serializing_if = "is_default")]
            more_services: usize,
        }
        #[derive(Serialize)]
        struct Service<'a> {
            name: &'a str,
            spans: usize,
            errors: usize,
        }
        let trace = &*self.trace;
        let top = first_span(trace);
        let services = most_spans(trace);
        let more_services = trace.services.len() - services.len();
        let services = || {
            let services = services.iter();
            services.map(|(name, of)| Service { name, spans: of.spans, errors: of.errors })
        };
        Fields {
            trace_id: Text(trace.id),
            root_name: top.map_or("", |span| &span.name),
            root_service: top.map_or("", |span| span.service()),
            root_held: trace.root().is_some(),
            start_us: trace.start / 1_000,
            duration_ns: trace.duration().min(MAX_NUMBER),
            span_count: trace.spans.len(),
            error_count: trace.errors(),
            link_count: trace.links(),
            services: List(services),
            more_services,
        }
        .serialize(serializer)
    }
}

/// The services with the most spans, those first.
fn most_spans(trace: &Trace) -> Vec<(&Name, &ServiceTotal)> {
    let order = |(name, of): &(&Name, &ServiceTotal)| (Reverse(of.spans), Name::clone(name));
    let mut services: Vec<_> = trace.services.iter().collect();
    if services.len() > SERVICES {
        services.select_nth_unstable_by_key(SERVICES, order);
        services.truncate(SERVICES);
    }
    services.sort_unstable_by_key(order);
    services
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_largest_services_are_named() {
        let mut trace = Trace::new(TraceId(1));
        for number in 1..=40 {
            let total = ServiceTotal { spans: number, errors: 0 };
            trace.services.insert(format!("service-{number}").into(), total);
        }

        let json = serde_json::to_value(Summary::of(&Arc::new(trace))).expect("JSON");

        let named = json["services"].as_array().map_or(&[][..], Vec::as_slice);
        assert_eq!((named.len(), &json["more_services"]), (SERVICES, &(40 - SERVICES).into()));
        assert_eq!((&named[0]["name"], &named[15]["spans"]), (&"service-40".into(), &25.into()));
    }
}
