//! Keeps the spans of a process, trace by trace, for tests to look at.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use opentelemetry::propagation::TextMapCompositePropagator;
use opentelemetry::trace::{Span as _, TraceId};
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
    changed: Notify,
}

#[derive(Debug, Default)]
struct Trace {
    ended: Vec<SpanRecord>,
    open: usize,
    /// The traces of spans that started with a link to this one. Links that were added later do not
    /// count: such a link, for example from a message's span to the batch that serves it, does not say
    /// that the trace began there.
    linked_from: HashSet<TraceId>,
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

    /// How many spans have started and not ended, in all traces.
    pub fn open_spans(&self) -> usize {
        self.traces().values().map(|trace| trace.open).sum()
    }

    /// Waits until `count` spans have ended in a trace and the traces that began with a link to it, and
    /// none is open, but no longer than `deadline`. Returns the spans, and whether they are all there.
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
            open += trace.open;
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
    fn on_start(&self, span: &mut Span, _: &Context) {
        let trace_id = span.span_context().trace_id();
        let links = span.exported_data().map(|data| data.links).unwrap_or_default();
        let mut traces = self.traces();
        traces.entry(trace_id).or_default().open += 1;
        for link in links.iter() {
            let target = link.span_context.trace_id();
            traces.entry(target).or_default().linked_from.insert(trace_id);
        }
    }

    fn on_end(&self, span: SpanData) {
        let trace_id = span.span_context.trace_id();
        let record = SpanRecord::from_sdk(&span, &self.service);
        let mut traces = self.traces();
        let trace = traces.entry(trace_id).or_default();
        trace.open = trace.open.saturating_sub(1);
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
