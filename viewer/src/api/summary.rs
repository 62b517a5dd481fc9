//! A trace in one line: what lists and the live tail show.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::Arc;

use serde::{Serialize, Serializer};

use crate::config::Chips;
use crate::render::{self, List, Text, is_default};
use crate::store::logs::LogCount;
use crate::store::model::{Name, Span, TraceId, Value, find};
use crate::store::trace::{ServiceTotal, Trace};

/// The largest whole number that JavaScript keeps exactly; durations are cut to it.
pub(super) const MAX_NUMBER: u64 = (1 << 53) - 1;

/// The services named of those in a trace, those with the most spans; more are only counted.
const SERVICES: usize = 16;
/// The actors named, likewise, of the first so many that the trace has.
const ACTORS: usize = 8;
const ACTORS_COUNTED: usize = 256;
/// Bytes of a chip's value; what is longer is cut.
const VALUE_BYTES: usize = 128;

/// The attributes of actix-opentelemetry that say which actor handled a message, and how many
/// messages a batch was made of.
const ACTOR: &str = "actix.actor.name";
const BATCH: &str = "actix.batch.message_count";

/// A trace's summary.
#[derive(Debug)]
pub(crate) struct Summary {
    trace: Arc<Trace>,
    /// The actors with the most spans, those first.
    actors: Vec<(Box<str>, usize)>,
    more_actors: usize,
    /// The messages of the largest batch.
    batch_size: Option<i64>,
    chips: Vec<Chip>,
    logs: LogCount,
}

/// The value of one of the attributes that tell traces apart.
#[derive(Debug, Serialize)]
struct Chip {
    key: Box<str>,
    value: Box<str>,
    /// Whether the value was longer.
    #[serde(skip_serializing_if = "is_default")]
    cut: bool,
}

/// The span that stands for `trace`: its root, or while that has not come, the one that starts
/// first.
pub(super) fn first_span(trace: &Trace) -> Option<&Arc<Span>> {
    trace.root().or_else(|| trace.spans.iter().min_by_key(|span| span.start))
}

impl Summary {
    /// The summary of `trace`, with the values of `chips` and the number of its log records.
    pub(crate) fn of(trace: &Arc<Trace>, chips: &Chips, logs: LogCount) -> Self {
        let first = first_span(trace);
        let mut actors: HashMap<&str, usize> = HashMap::new();
        let mut batch_size = None;
        // Of each chip the value so far, with where it comes from: the smaller counts.
        let mut values: Vec<Option<((bool, u64), &Value)>> = vec![None; chips.keys().len()];
        for span in &trace.spans {
            let place = (!first.is_some_and(|first| Arc::ptr_eq(first, span)), span.start);
            for attribute in &span.attributes {
                match (&*attribute.key, &attribute.value) {
                    (ACTOR, Value::String(actor))
                        if actors.len() < ACTORS_COUNTED || actors.contains_key(&**actor) =>
                    {
                        *actors.entry(actor).or_default() += 1;
                    }
                    (BATCH, Value::Int(messages)) => batch_size = batch_size.max(Some(*messages)),
                    _ => {}
                }
                for (key, value) in chips.keys().zip(&mut values) {
                    let is_nearer = || value.is_none_or(|(held, _)| place < held);
                    if *key == *attribute.key && is_nearer() {
                        *value = Some((place, &attribute.value));
                    }
                }
            }
        }
        let of_resource = |key| first.and_then(|first| find(&first.resource.attributes, key));
        let chips = chips.keys().zip(values).filter_map(|(key, value)| {
            let value = value.map(|(_, value)| value).or_else(|| of_resource(key))?;
            Some(Chip::new(key, value))
        });
        let chips = chips.collect();
        let mut actors: Vec<_> = actors.into_iter().collect();
        actors.sort_unstable_by_key(|(name, spans)| (Reverse(*spans), *name));
        let more_actors = actors.len().saturating_sub(ACTORS);
        let actors = actors.into_iter().take(ACTORS).map(|(name, spans)| (name.into(), spans));
        let actors = actors.collect();
        Self { trace: Arc::clone(trace), actors, more_actors, batch_size, chips, logs }
    }
}

impl Chip {
    fn new(key: &str, value: &Value) -> Self {
        let text = render::text(value);
        let shown = &text[..text.floor_char_boundary(VALUE_BYTES)];
        Self { key: key.into(), value: shown.into(), cut: shown.len() < text.len() }
    }
}

impl Serialize for Summary {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Fields<'a, L, A> {
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
            actors: A,
            #[serde(skip_serializing_if = "is_default")]
            more_actors: usize,
            #[serde(skip_serializing_if = "is_default")]
            batch_size: Option<i64>,
            chips: &'a [Chip],
            #[serde(skip_serializing_if = "is_default")]
            log_count: usize,
            #[serde(skip_serializing_if = "is_default")]
            logged_error_count: usize,
        }
        #[derive(Serialize)]
        struct Service<'a> {
            name: &'a str,
            spans: usize,
            errors: usize,
        }
        #[derive(Serialize)]
        struct Actor<'a> {
            name: &'a str,
            spans: usize,
        }
        let trace = &*self.trace;
        let top = first_span(trace);
        let services = most_spans(trace);
        let more_services = trace.services.len() - services.len();
        let services = || {
            let services = services.iter();
            services.map(|(name, of)| Service { name, spans: of.spans, errors: of.errors })
        };
        let actors = || self.actors.iter().map(|(name, spans)| Actor { name, spans: *spans });
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
            actors: List(actors),
            more_actors: self.more_actors,
            batch_size: self.batch_size,
            chips: &self.chips,
            log_count: self.logs.records,
            logged_error_count: self.logs.errors,
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

        let summary = Summary::of(&Arc::new(trace), &Chips::default(), LogCount::default());
        let json = serde_json::to_value(summary).expect("JSON");

        let named = json["services"].as_array().map_or(&[][..], Vec::as_slice);
        assert_eq!((named.len(), &json["more_services"]), (SERVICES, &(40 - SERVICES).into()));
        assert_eq!((&named[0]["name"], &named[15]["spans"]), (&"service-40".into(), &25.into()));
    }
}
