//! Keeps the spans of a process, trace by trace, for tests to look at.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use opentelemetry::baggage::BaggageExt as _;
use opentelemetry::propagation::TextMapCompositePropagator;
use opentelemetry::trace::{Span as _, SpanId, TraceId};
use opentelemetry::{Context, global};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::propagation::{BaggagePropagator, TraceContextPropagator};
use opentelemetry_sdk::trace::{SdkTracerProvider, Span, SpanData, SpanProcessor};
use tokio::sync::Notify;

use super::record::SpanRecord;

/// A span processor that keeps every span. Clones share their spans.
#[derive(Debug, Clone, Default)]
pub struct Recorder {
    shared: Arc<Shared>,
    service: Arc<str>,
}

/// The recorder that all tests of a process share.
///
/// The first call makes it the global tracer provider, which samples everything that has no
/// unsampled parent, and sets the W3C trace context and baggage propagators.
pub fn recorder() -> &'static Recorder {
    static RECORDER: OnceLock<Recorder> = OnceLock::new();
    RECORDER.get_or_init(|| {
        let recorder = Recorder::default();
        let provider = SdkTracerProvider::builder().with_span_processor(recorder.clone()).build();
        global::set_tracer_provider(provider);
        global::set_text_map_propagator(TextMapCompositePropagator::new(vec![
            Box::new(TraceContextPropagator::new()),
            Box::new(BaggagePropagator::new()),
        ]));
        recorder
    })
}

#[derive(Debug, Default)]
struct Shared {
    traces: Mutex<HashMap<TraceId, Trace>>,
    started: AtomicU64,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Trace {
    ended: Vec<SpanRecord>,
    open: HashMap<SpanId, Started>,
    /// The traces of spans that started with a link to this one. Links that were added later do not
    /// count: such a link, for example from a message's span to the batch that serves it, does not
    /// say that the trace began there.
    linked_from: HashSet<TraceId>,
}

/// What a span has when it starts, and the SDK does not hand on when it ends.
#[derive(Debug, Default)]
struct Started {
    baggage: BTreeMap<String, String>,
    order: u64,
}

impl Recorder {
    /// The spans that have ended in a trace and in all the traces that began with a link to it,
    /// directly or through others.
    pub fn spans(&self, trace_id: TraceId) -> Vec<SpanRecord> {
        self.family(trace_id).0
    }

    /// Every span that has ended, in all traces. It includes spans whose parent was never recorded
    /// here, and traces to which there is no link.
    pub fn all_spans(&self) -> Vec<SpanRecord> {
        self.traces().values().flat_map(|trace| trace.ended.iter().cloned()).collect()
    }

    /// Returns the spans that have ended in the traces in which a span has this attribute, and how
    /// many spans of these traces are still open.
    ///
    /// It finds what [`TestTrace`](super::TestTrace) does not: traces without a link, and orphans.
    pub fn traces_with(&self, key: &str, value: &str) -> (Vec<SpanRecord>, usize) {
        let traces = self.traces();
        let has_it = |trace: &&Trace| {
            trace.ended.iter().any(|span| span.attribute(key).is_some_and(|has| has == value))
        };
        let found: Vec<_> = traces.values().filter(has_it).collect();
        let spans = found.iter().flat_map(|trace| trace.ended.iter().cloned()).collect();
        (spans, found.iter().map(|trace| trace.open.len()).sum())
    }

    /// How many spans have started and not ended, in all traces.
    pub fn open_spans(&self) -> usize {
        self.traces().values().map(|trace| trace.open.len()).sum()
    }

    /// Waits until `count` spans have ended in a trace and the traces that began with a link to it,
    /// and none is open, but no longer than `deadline`. Returns the spans, and whether they are all
    /// there.
    pub async fn wait_for(
        &self,
        trace_id: TraceId,
        count: usize,
        deadline: Duration,
    ) -> (Vec<SpanRecord>, bool) {
        let complete = async {
            loop {
                let changed = self.shared.changed.notified();
                tokio::pin!(changed);
                // Registers before looking, so that no change in between is missed.
                changed.as_mut().enable();
                let (spans, open) = self.family(trace_id);
                if spans.len() >= count && open == 0 {
                    return spans;
                }
                changed.await;
            }
        };
        match tokio::time::timeout(deadline, complete).await {
            Ok(spans) => (spans, true),
            Err(_) => (self.spans(trace_id), false),
        }
    }

    fn family(&self, trace_id: TraceId) -> (Vec<SpanRecord>, usize) {
        let traces = self.traces();
        let (mut spans, mut open) = (Vec::new(), 0);
        let (mut found, mut next) = (HashSet::from([trace_id]), vec![trace_id]);
        while let Some(trace_id) = next.pop() {
            let Some(trace) = traces.get(&trace_id) else { continue };
            spans.extend_from_slice(&trace.ended);
            open += trace.open.len();
            next.extend(
                trace.linked_from.iter().copied().filter(|trace_id| found.insert(*trace_id)),
            );
        }
        (spans, open)
    }

    fn traces(&self) -> MutexGuard<'_, HashMap<TraceId, Trace>> {
        self.shared.traces.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SpanProcessor for Recorder {
    fn on_start(&self, span: &mut Span, cx: &Context) {
        let span_context = span.span_context();
        let (trace_id, span_id) = (span_context.trace_id(), span_context.span_id());
        let baggage = cx.baggage().iter();
        let baggage = baggage.map(|(key, (value, _))| (key.to_string(), value.to_string()));
        let order = self.shared.started.fetch_add(1, Ordering::Relaxed);
        let started = Started { baggage: baggage.collect(), order };
        let links = span.exported_data().map(|data| data.links).unwrap_or_default();
        let mut traces = self.traces();
        traces.entry(trace_id).or_default().open.insert(span_id, started);
        for link in links.iter() {
            let target = link.span_context.trace_id();
            traces.entry(target).or_default().linked_from.insert(trace_id);
        }
    }

    fn on_end(&self, span: SpanData) {
        let trace_id = span.span_context.trace_id();
        let mut record = SpanRecord::from_sdk(&span, &self.service);
        let mut traces = self.traces();
        let trace = traces.entry(trace_id).or_default();
        let started = trace.open.remove(&span.span_context.span_id()).unwrap_or_default();
        (record.baggage, record.start_order) = (started.baggage, started.order);
        trace.ended.push(record);
        drop(traces);
        self.shared.changed.notify_waiters();
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }

    fn set_resource(&mut self, resource: &Resource) {
        let service = resource.get(&opentelemetry::Key::from_static_str("service.name"));
        self.service = service.map(|name| name.to_string()).unwrap_or_default().into();
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry::KeyValue;
    use opentelemetry::trace::{TraceContextExt as _, Tracer as _, TracerProvider as _};

    use super::*;
    use crate::testing::SpanTree;

    #[test]
    fn all_traces_with_a_marked_span_are_found_with_their_baggage() {
        let recorder = Recorder::default();
        let provider = SdkTracerProvider::builder().with_span_processor(recorder.clone()).build();
        let tracer = provider.tracer("test");
        let mark = |run| vec![KeyValue::new("run", run)];
        let alice = Context::new().with_baggage([KeyValue::new("customer", "alice")]);
        let root = alice.with_span(tracer.start_with_context("a request", &alice));
        let child = tracer.span_builder("a child").with_attributes(mark("1"));
        child.start_with_context(&tracer, &root).end();
        let orphan = tracer.span_builder("an orphan").with_attributes(mark("1"));
        orphan.start_with_context(&tracer, &Context::new()).end();
        let other = tracer.span_builder("another").with_attributes(mark("2"));
        other.start_with_context(&tracer, &Context::new()).end();

        assert_eq!(recorder.traces_with("run", "1").1, 1, "the request has not ended");
        root.span().end();
        let (spans, open) = recorder.traces_with("run", "1");

        assert_eq!(open, 0);
        assert_eq!(
            SpanTree::new(&spans).attributes(["run"]).baggage(["customer"]).render(),
            "a request INTERNAL {customer=alice}
  a child INTERNAL {run=1 customer=alice}
an orphan INTERNAL {run=1}
"
        );
    }
}
