//! The spans that wait for one exporter, and the thread that hands them to it in batches.
//!
//! ```text
//! put ──▶ the batch that is filled ──▶ full batches ──▶ thread ──▶ exporter
//!                    └──────── its time is over ───────────▲
//! ```
//!
//! The SDK's own processor takes the memory for a full queue when it starts (12 MB for 32,768 spans),
//! moves each span once more, and cannot bound the bytes of what waits. Here the queue grows with
//! what waits, and a batch goes to the exporter as it was filled.
//!
//! Spans wait in the form in which their exporter takes them ([`Batch`]). For OTLP that is their
//! encoding: the thread that ends a span has it in its caches, and gives its memory back to itself. To
//! the other processor go a few hundred bytes in one piece, instead of a span with all that it holds,
//! which is some twenty cache lines in several places. A batch that has been exported is filled again,
//! so that in the long run no memory is taken for spans.
//!
//! The thread wakes when a batch is full, when the first span of a batch has waited for as long as a
//! span may, and when everything is to be sent. One batch is exported at a time.

use crate::config::BatchLimits;
use crate::exporter::{AccountingExporter, Deliver};
use crate::otlp::encode::{EncodedSpans, with_encoded};
use crate::quiet;
use futures_executor::block_on;
use opentelemetry::{Array, KeyValue, Value};
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::trace::{SpanData, SpanExporter};
use std::collections::VecDeque;
use std::fmt::Debug;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The bytes that may wait, however few spans that are.
const BYTES: usize = 64 << 20;

/// The bytes for each span that may wait, when there may be many. Spans of the services here take
/// about a third of that.
const BYTES_A_SPAN: usize = 2 << 10;

/// The bytes at which a batch is full, however few spans it has.
const BYTES_A_BATCH: usize = 8 << 20;

/// The largest batch that is kept to be filled again, in bytes.
const KEPT_BATCH: usize = 4 << 20;

/// Spans that wait together, in the form in which their exporter takes them.
pub(super) trait Batch: Debug + Default + Send + 'static {
    /// How many spans there are.
    fn len(&self) -> usize;

    /// The memory that they take, in bytes.
    fn bytes(&self) -> usize;

    /// An empty one with room for as many spans as are here.
    fn as_large(&self) -> Self;

    /// The same without spans, to be filled again, if its memory is worth keeping.
    fn emptied(self) -> Option<Self>;
}

/// Takes batches.
pub(super) trait Export<B>: Send + 'static {
    /// Exports the spans of a batch, which may be taken out of it.
    fn export(&self, batch: &mut B);

    /// Ends the exporter.
    fn shutdown(&self);
}

/// Spans as the SDK has them.
#[derive(Debug, Default)]
pub(super) struct SdkSpans {
    spans: Vec<SpanData>,
    bytes: usize,
}

impl Batch for SdkSpans {
    fn len(&self) -> usize {
        self.spans.len()
    }

    fn bytes(&self) -> usize {
        self.bytes
    }

    fn as_large(&self) -> Self {
        SdkSpans { spans: Vec::with_capacity(self.spans.len()), bytes: 0 }
    }

    fn emptied(self) -> Option<Self> {
        None
    }
}

impl<E: SpanExporter + 'static> Export<SdkSpans> for E {
    fn export(&self, batch: &mut SdkSpans) {
        // What became of it is in the accounting.
        block_on(SpanExporter::export(self, std::mem::take(&mut batch.spans))).ok();
    }

    fn shutdown(&self) {
        SpanExporter::shutdown(self).ok();
    }
}

impl Batch for EncodedSpans {
    fn len(&self) -> usize {
        self.len()
    }

    fn bytes(&self) -> usize {
        self.bytes()
    }

    fn as_large(&self) -> Self {
        self.as_large()
    }

    fn emptied(mut self) -> Option<Self> {
        self.clear();
        (self.capacity() <= KEPT_BATCH).then_some(self)
    }
}

impl<D: Deliver<EncodedSpans>> Export<EncodedSpans> for AccountingExporter<D> {
    fn export(&self, batch: &mut EncodedSpans) {
        block_on(self.account::<EncodedSpans>(batch));
    }

    fn shutdown(&self) {}
}

/// The batches of one exporter.
#[derive(Debug)]
pub(super) struct SpanBatches<B: Batch = SdkSpans>(Arc<Shared<B>>);

/// Why a span was not put into the queue.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Refused {
    /// There are as many spans as may wait, or as many bytes.
    Full,
    /// The exporter is being shut down.
    Ended,
}

/// What the thread shares with those who end spans.
#[derive(Debug)]
struct Shared<B> {
    limits: BatchLimits,
    queue: Mutex<Waiting<B>>,
    /// Wakes the thread.
    work: Condvar,
    /// Wakes those who wait until spans have been exported, or until the thread has ended.
    progress: Condvar,
}

#[derive(Debug, Default)]
struct Waiting<B> {
    full: VecDeque<B>,
    /// The batch that is being filled.
    filled: B,
    /// The one that is filled next, if there is one already.
    spare: Option<B>,
    /// When the first span came into the batch that is being filled.
    since: Option<Instant>,
    spans: usize,
    bytes: usize,
    /// Spans that were put in, ever.
    put: u64,
    /// Of those, the ones that the exporter has finished with.
    done: u64,
    /// How many of them are to be exported without more waiting.
    wanted: u64,
    is_ending: bool,
    has_ended: bool,
}

impl SpanBatches {
    /// Puts a span into the queue. `admitted` is called before the thread can see it.
    ///
    /// # Errors
    /// Why it was not put in.
    pub(super) fn put(&self, span: SpanData, admitted: impl FnOnce()) -> Result<(), Refused> {
        let bytes = bytes_of(&span);
        self.add(bytes, admitted, |batch| {
            batch.spans.push(span);
            batch.bytes += bytes;
        })
    }
}

impl SpanBatches<EncodedSpans> {
    /// Encodes a span and puts that into the queue. `admitted` is called before the thread can see it.
    ///
    /// # Errors
    /// Why it was not put in.
    pub(super) fn put(&self, span: &SpanData, admitted: impl FnOnce()) -> Result<(), Refused> {
        with_encoded(span, |encoded| {
            self.add(encoded.len(), admitted, |batch| {
                batch.add(&span.instrumentation_scope, encoded);
            })
        })
    }
}

impl<B: Batch> SpanBatches<B> {
    /// Starts the thread of `exporter`.
    ///
    /// # Errors
    /// When there can be no other thread.
    pub(super) fn start(exporter: impl Export<B>, limits: BatchLimits) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            limits,
            queue: Mutex::default(),
            work: Condvar::new(),
            progress: Condvar::new(),
        });
        let of_thread = Arc::clone(&shared);
        std::thread::Builder::new().name("telemetry-spans".to_owned()).spawn(move || {
            quiet::this_thread();
            of_thread.export(&exporter);
        })?;
        Ok(SpanBatches(shared))
    }

    /// Lets `add` put a span of so many bytes into the batch that is being filled.
    fn add(
        &self,
        bytes: usize,
        admitted: impl FnOnce(),
        add: impl FnOnce(&mut B),
    ) -> Result<(), Refused> {
        let Shared { limits, work, .. } = &*self.0;
        let most_bytes = BYTES.max(limits.queue_size.saturating_mul(BYTES_A_SPAN));
        let mut queue = self.0.lock();
        if queue.is_ending {
            return Err(Refused::Ended);
        }
        if queue.spans >= limits.queue_size || queue.bytes.saturating_add(bytes) > most_bytes {
            return Err(Refused::Full);
        }
        admitted();
        queue.spans += 1;
        queue.bytes += bytes;
        queue.put += 1;
        add(&mut queue.filled);
        let is_first = queue.filled.len() == 1;
        let is_full =
            queue.filled.len() >= limits.batch_size || queue.filled.bytes() >= BYTES_A_BATCH;
        if is_full {
            let batch = queue.take_filled();
            queue.full.push_back(batch);
        } else if is_first {
            queue.since = Some(Instant::now());
        }
        drop(queue);
        // The first span sets the time at which the thread wakes next.
        if is_full || is_first {
            work.notify_one();
        }
        Ok(())
    }

    /// Has everything exported that was put in until now, and waits for that.
    ///
    /// # Errors
    /// [`OTelSdkError::Timeout`] when it takes longer.
    pub(super) fn flush(&self, timeout: Duration) -> OTelSdkResult {
        let mut queue = self.0.lock();
        let wanted = queue.put;
        queue.wanted = queue.wanted.max(wanted);
        self.0.work.notify_one();
        self.0.wait(queue, timeout, |queue| queue.done >= wanted || queue.has_ended)
    }

    /// Takes no more spans, has everything exported that was put in, and waits until the thread has
    /// ended.
    ///
    /// # Errors
    /// [`OTelSdkError::Timeout`] when it takes longer. The thread goes on.
    pub(super) fn end(&self, timeout: Duration) -> OTelSdkResult {
        let mut queue = self.0.lock();
        queue.is_ending = true;
        self.0.work.notify_one();
        self.0.wait(queue, timeout, |queue| queue.has_ended)
    }
}

impl<B: Batch> Drop for SpanBatches<B> {
    fn drop(&mut self) {
        self.0.lock().is_ending = true;
        self.0.work.notify_one();
    }
}

impl<B: Batch> Shared<B> {
    fn lock(&self) -> MutexGuard<'_, Waiting<B>> {
        // Nothing panics while it is held.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Exports batches until the end.
    fn export(&self, exporter: &impl Export<B>) {
        while let Some(mut batch) = self.next() {
            let count = batch.len() as u64;
            exporter.export(&mut batch);
            let emptied = batch.emptied();
            let mut queue = self.lock();
            queue.done += count;
            queue.spare = emptied.or(queue.spare.take());
            drop(queue);
            self.progress.notify_all();
        }
        exporter.shutdown();
        self.lock().has_ended = true;
        self.progress.notify_all();
    }

    /// Waits for the next batch; `None` when there is none at the end.
    fn next(&self) -> Option<B> {
        let mut queue = self.lock();
        loop {
            let left = queue.since.map(|since| {
                let until = since.checked_add(self.limits.schedule_delay);
                until.map_or(Duration::MAX, |until| until.saturating_duration_since(Instant::now()))
            });
            let is_due = queue.is_ending
                || queue.done < queue.wanted
                || left.is_some_and(|left| left.is_zero());
            let batch = match queue.full.pop_front() {
                Some(batch) => Some(batch),
                None if is_due && queue.filled.len() > 0 => Some(queue.take_filled()),
                None => None,
            };
            if let Some(batch) = batch {
                queue.spans -= batch.len();
                queue.bytes -= batch.bytes();
                return Some(batch);
            }
            if queue.is_ending {
                return None;
            }
            queue = match left {
                Some(left) => {
                    let waited = self.work.wait_timeout(queue, left);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
                None => self.work.wait(queue).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }

    /// Waits until `is_over`, for `timeout` at most.
    fn wait(
        &self,
        queue: MutexGuard<'_, Waiting<B>>,
        timeout: Duration,
        is_over: impl Fn(&Waiting<B>) -> bool,
    ) -> OTelSdkResult {
        let waited = self.progress.wait_timeout_while(queue, timeout, |queue| !is_over(queue));
        let (_queue, waited) = waited.unwrap_or_else(PoisonError::into_inner);
        if waited.timed_out() { Err(OTelSdkError::Timeout(timeout)) } else { Ok(()) }
    }
}

impl<B: Batch> Waiting<B> {
    /// Takes the batch that is being filled. The next one will probably be as long.
    fn take_filled(&mut self) -> B {
        self.since = None;
        let next = self.spare.take().unwrap_or_else(|| self.filled.as_large());
        std::mem::replace(&mut self.filled, next)
    }
}

/// The memory that a span takes, with what it holds. A text counts also when it is static.
fn bytes_of(span: &SpanData) -> usize {
    let events = &span.events.events;
    let links = &span.links.links;
    let of_events = events.iter().map(|event| event.name.len() + of_attributes(&event.attributes));
    let of_links = links.iter().map(|link| of_attributes(&link.attributes));
    size_of::<SpanData>()
        + span.name.len()
        + of_attributes(&span.attributes)
        + size_of_val(&events[..])
        + of_events.sum::<usize>()
        + size_of_val(&links[..])
        + of_links.sum::<usize>()
}

fn of_attributes(attributes: &[KeyValue]) -> usize {
    let of_values = attributes.iter().map(|attribute| match &attribute.value {
        Value::String(text) => text.as_str().len(),
        Value::Array(Array::String(texts)) => {
            size_of_val(&texts[..]) + texts.iter().map(|text| text.as_str().len()).sum::<usize>()
        }
        Value::Array(Array::Bool(values)) => size_of_val(&values[..]),
        Value::Array(Array::I64(values)) => size_of_val(&values[..]),
        Value::Array(Array::F64(values)) => size_of_val(&values[..]),
        _ => 0,
    });
    size_of_val(attributes) + of_values.sum::<usize>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use opentelemetry::InstrumentationScope;
    use opentelemetry::trace::{SpanContext, SpanId, SpanKind, Status};
    use std::sync::mpsc::{Receiver, Sender, channel};
    use std::time::SystemTime;

    /// Long enough for a busy machine. Nothing here waits for so long.
    const LONG: Duration = Duration::from_secs(60);

    /// Says how many spans are in each batch, and takes it when it is told to.
    #[derive(Debug)]
    struct Held {
        begun: Sender<usize>,
        go_on: Mutex<Receiver<()>>,
    }

    impl SpanExporter for Held {
        async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
            self.begun.send(batch.len()).ok();
            self.go_on.lock().unwrap().recv_timeout(LONG).ok();
            Ok(())
        }
    }

    fn batches(
        queue_size: usize,
        batch_size: usize,
        schedule_delay: Duration,
    ) -> (SpanBatches, Receiver<usize>, Sender<()>) {
        let limits = BatchLimits { queue_size, batch_size, schedule_delay, export_timeout: None };
        let (begun, begins) = channel();
        let (go, go_on) = channel();
        let exporter = Held { begun, go_on: Mutex::new(go_on) };
        (SpanBatches::start(exporter, limits).expect("a thread"), begins, go)
    }

    fn span(text_bytes: usize) -> SpanData {
        SpanData {
            span_context: SpanContext::empty_context(),
            parent_span_id: SpanId::INVALID,
            parent_span_is_remote: false,
            span_kind: SpanKind::Internal,
            name: "potato".into(),
            start_time: SystemTime::UNIX_EPOCH,
            end_time: SystemTime::UNIX_EPOCH,
            attributes: vec![KeyValue::new("text", "x".repeat(text_bytes))],
            dropped_attributes_count: 0,
            events: Default::default(),
            links: Default::default(),
            status: Status::Unset,
            instrumentation_scope: InstrumentationScope::default(),
        }
    }

    fn put(batches: &SpanBatches, count: usize) -> Vec<Refused> {
        let refused = (0..count).filter_map(|_| batches.put(span(0), || {}).err());
        refused.collect()
    }

    #[test]
    fn a_full_batch_is_exported_at_once_and_the_queue_takes_more_meanwhile() {
        let (batches, begins, go) = batches(12, 4, LONG);
        assert_eq!(put(&batches, 4), []);
        assert_eq!(begins.recv_timeout(LONG), Ok(4));
        // These wait until the first batch is done.
        assert_eq!(put(&batches, 13), [Refused::Full]);
        for size in [4, 4, 4] {
            go.send(()).unwrap();
            assert_eq!(begins.recv_timeout(LONG), Ok(size));
        }
        go.send(()).unwrap();
        batches.flush(LONG).expect("it is done");
        assert!(begins.try_recv().is_err(), "all were exported, in full batches");
    }

    #[test]
    fn what_waits_is_exported_when_its_time_is_over_or_when_it_is_wanted() {
        let (batches, begins, go) = self::batches(12, 4, Duration::from_millis(1));
        assert_eq!(put(&batches, 1), []);
        assert_eq!(begins.recv_timeout(LONG), Ok(1));
        go.send(()).unwrap();
        drop(batches);
        let (batches, begins, go) = self::batches(12, 4, Duration::MAX);
        assert_eq!(put(&batches, 3), []);
        go.send(()).unwrap();
        batches.flush(LONG).expect("it is done");
        assert_eq!(begins.try_recv(), Ok(3));
    }

    #[test]
    fn the_end_exports_everything_and_takes_no_more() {
        let (batches, begins, go) = batches(12, 4, LONG);
        assert_eq!(put(&batches, 10), []);
        (0..3).for_each(|_| go.send(()).unwrap());
        batches.end(LONG).expect("it is done");
        assert_eq!(begins.try_iter().collect::<Vec<_>>(), [4, 4, 2]);
        assert_eq!(put(&batches, 1), [Refused::Ended]);
        batches.end(LONG).expect("ended already");
    }

    #[test]
    fn the_end_waits_no_longer_than_it_may() {
        let (batches, begins, _go) = batches(12, 4, LONG);
        assert_eq!(put(&batches, 4), []);
        assert_eq!(begins.recv_timeout(LONG), Ok(4));
        let none = Duration::from_millis(1);
        assert!(matches!(batches.flush(none), Err(OTelSdkError::Timeout(of)) if of == none));
        assert!(matches!(batches.end(none), Err(OTelSdkError::Timeout(of)) if of == none));
    }

    #[test]
    fn large_spans_are_bounded_by_their_bytes() {
        const MEBIBYTE: usize = 1 << 20;
        let (batches, begins, _go) = batches(30_000, 1_000, LONG);
        let big = || batches.put(span(MEBIBYTE), || {});
        // Eight of them are a full batch.
        (0..8).for_each(|_| assert_eq!(big(), Ok(())));
        assert_eq!(begins.recv_timeout(LONG), Ok(8));
        // That one has left the queue. Of more, 64 MiB may wait, with what each takes besides.
        (0..63).for_each(|_| assert_eq!(big(), Ok(())));
        assert_eq!(big(), Err(Refused::Full));
        assert_eq!(put(&batches, 1), [], "a small one has room");
    }
}
