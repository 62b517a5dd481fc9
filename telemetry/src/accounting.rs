//! Counts where every span and log record went: the counters, and the totals that are read from
//! them.
//!
//! The SDK mentions a dropped span in its log at best. Here each span that ended is, for each
//! exporter, either exported, failed, dropped, or (while the process runs) still queued, and the
//! totals can be read at any time. The same holds for each log record that was emitted.

use crate::component::Component;
use crate::measured::Measured;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

/// A counter on a cache line of its own, so that threads that end spans and threads that export
/// them do not slow one another down.
#[derive(Debug, Default)]
#[repr(align(64))]
pub(super) struct Counter(AtomicU64);

impl Counter {
    /// Adds `n` and returns the value before.
    pub(super) fn add(&self, n: u64) -> u64 {
        self.0.fetch_add(n, Ordering::AcqRel)
    }

    /// Takes `n` away.
    pub(super) fn sub(&self, n: u64) {
        self.0.fetch_sub(n, Ordering::AcqRel);
    }

    /// The value now.
    pub(super) fn get(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }
}

/// A counter that many threads add to and that is seldom read. Nearly every thread has a part of its
/// own, so that the processors do not take one cache line from each other for each span.
#[derive(Debug, Default)]
pub(super) struct Tally([Counter; Tally::PARTS]);

impl Tally {
    /// As many as there are threads that make spans in a small service. More threads share parts.
    const PARTS: usize = 8;

    /// Adds `n`.
    pub(super) fn add(&self, n: u64) {
        self.0[Tally::part()].add(n);
    }

    /// The value now.
    pub(super) fn get(&self) -> u64 {
        self.0.iter().map(Counter::get).sum()
    }

    /// The part of this thread.
    fn part() -> usize {
        static THREADS: AtomicUsize = AtomicUsize::new(0);
        thread_local! {
            static PART: usize = THREADS.fetch_add(1, Ordering::Relaxed) % Tally::PARTS;
        }
        // It is there also while a thread ends, since it needs no destructor.
        PART.with(|part| *part)
    }
}

/// The counters of one exporter.
#[derive(Debug)]
pub(super) struct ExporterCounters {
    /// The exporter's name, as `OTEL_TRACES_EXPORTER` or `OTEL_LOGS_EXPORTER` spells it.
    pub(super) name: &'static str,
    /// The processor that holds its queue, as metrics name it.
    pub(super) processor: Component,
    /// The causes of failures and the durations, for metrics.
    pub(super) measured: Measured,
    /// Spans or log records that its queue can hold.
    pub(super) capacity: u64,
    /// Those in its queue: admitted, and not yet handed to the exporter.
    pub(super) waiting: Counter,
    /// Those that the backend has taken.
    pub(super) exported: Counter,
    /// Those whose export ended in an error.
    pub(super) failed: Counter,
    /// Those that the backend received and rejected.
    pub(super) rejected: Counter,
    /// Those that found the queue full.
    pub(super) dropped: Counter,
    /// Set when the exporter has been shut down. What is not delivered by then counts as dropped.
    pub(super) closed: AtomicBool,
}

impl ExporterCounters {
    /// The counters of `exporter`, with a queue for `capacity` spans or log records in
    /// `processor`.
    pub(super) fn new(
        name: &'static str,
        exporter: Component,
        processor: Component,
        capacity: usize,
    ) -> Self {
        ExporterCounters {
            name,
            processor,
            measured: Measured::new(exporter),
            capacity: capacity as u64,
            waiting: Counter::default(),
            exported: Counter::default(),
            failed: Counter::default(),
            rejected: Counter::default(),
            dropped: Counter::default(),
            closed: AtomicBool::new(false),
        }
    }
}

/// The counters of one pipeline.
#[derive(Debug)]
pub(super) struct Totals {
    pub(super) started: Tally,
    /// Spans that ended, recorded but not sampled: they go to no exporter.
    pub(super) ended_unsampled: Tally,
    /// The sampled spans that ended.
    pub(super) spans: Items,
    /// The log records that were emitted; `None` when they are not exported.
    pub(super) logs: Option<Arc<Items>>,
}

impl Totals {
    /// Counters of a pipeline with these exporters of spans, and those of log records.
    pub(super) fn new(spans: Vec<Arc<ExporterCounters>>, logs: Option<Arc<Items>>) -> Self {
        Totals {
            started: Tally::default(),
            ended_unsampled: Tally::default(),
            spans: Items::new(spans),
            logs,
        }
    }
}

/// The counters of what is exported of one signal: spans, or log records.
#[derive(Debug)]
pub(super) struct Items {
    /// How many there were.
    pub(super) all: Tally,
    /// What became of them at each exporter.
    pub(super) exporters: Vec<Arc<ExporterCounters>>,
}

impl Items {
    /// Counters for these exporters.
    pub(super) fn new(exporters: Vec<Arc<ExporterCounters>>) -> Self {
        Items { all: Tally::default(), exporters }
    }

    /// Reads all counters, such that for every exporter the parts add up to `all`, also while other
    /// threads make and export items.
    pub(super) fn read(&self) -> Reading {
        let read: Vec<_> = self
            .exporters
            .iter()
            .map(|of| {
                [&of.exported, &of.failed, &of.rejected, &of.dropped, &of.waiting].map(Counter::get)
            })
            .collect();
        // Read last. An item is counted here before it is counted as anything else, so this total
        // is never smaller than the sum of the others.
        let all = self.all.get();
        let exporters = self
            .exporters
            .iter()
            .zip(read)
            .map(|(of, [exported, failed, rejected, turned_away, waiting])| {
                let rest = all - exported - failed - rejected - turned_away;
                let in_queue = waiting.min(rest);
                ExporterReading {
                    exported,
                    failed,
                    rejected,
                    turned_away,
                    in_queue,
                    in_flight: rest - in_queue,
                    closed: of.closed.load(Ordering::Acquire),
                }
            })
            .collect();
        Reading { all, exporters }
    }

    /// How many there were, and the totals of each exporter.
    fn totals(&self) -> (u64, Vec<ExporterTotals>) {
        let Reading { all, exporters } = self.read();
        let exporters = exporters.into_iter().zip(&self.exporters).map(|(read, of)| {
            let rest = read.in_queue + read.in_flight;
            ExporterTotals {
                name: of.name,
                exported: read.exported,
                failed: read.failed + read.rejected,
                rejected: read.rejected,
                dropped: read.turned_away + if read.closed { rest } else { 0 },
                queued: if read.closed { 0 } else { rest },
                in_flight: if read.closed { 0 } else { read.in_flight },
            }
        });
        (all, exporters.collect())
    }
}

/// The counters at one moment.
pub(super) struct Reading {
    pub(super) all: u64,
    /// In the order of the exporters.
    pub(super) exporters: Vec<ExporterReading>,
}

/// Where the items are that one exporter gets. The parts add up to all of them.
pub(super) struct ExporterReading {
    /// Taken by the backend.
    pub(super) exported: u64,
    /// Not delivered.
    pub(super) failed: u64,
    /// Delivered, and rejected by the backend.
    pub(super) rejected: u64,
    /// Found the queue full.
    pub(super) turned_away: u64,
    /// In the queue. If the exporter is closed, they will not leave it.
    pub(super) in_queue: u64,
    /// Handed to the exporter, which has not finished. If it is closed, it was cut off.
    pub(super) in_flight: u64,
    /// Whether the exporter has been shut down.
    pub(super) closed: bool,
}

/// A live view of where every span and log record of the process went. It is cheap to keep, to clone
/// and to read.
#[derive(Clone, Debug)]
pub struct Accounting(pub(super) Arc<Totals>);

impl Accounting {
    /// The totals at this moment.
    ///
    /// For every exporter `ended = exported + failed + dropped + queued`, also while spans are
    /// being ended and exported by other threads.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let (ended, exporters) = self.0.spans.totals();
        let logs = self.0.logs.as_ref().map(|logs| {
            let (emitted, exporters) = logs.totals();
            LogSnapshot { emitted, exporters }
        });
        Snapshot { started: self.0.started.get().max(ended), ended, exporters, logs }
    }
}

impl fmt::Display for Accounting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.snapshot().fmt(f)
    }
}

/// The totals of a process at one moment.
///
/// `Display` makes the accounting line, the last line that a process writes to standard error:
///
/// ```text
/// telemetry: started=123 ended=123 | otlp exported=120 failed=0 dropped=3 | console exported=123 failed=0 dropped=0
/// ```
///
/// While spans are still queued, the part of their exporter ends with ` queued=N`. If log records
/// are exported, the line goes on with the same figures of each of their exporters:
///
/// ```text
/// telemetry: started=5 ended=5 | otlp exported=5 failed=0 dropped=0 | logs otlp exported=2 failed=0 dropped=0
/// ```
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Snapshot {
    /// Recording spans that were started.
    pub started: u64,
    /// Sampled spans that ended.
    pub ended: u64,
    /// What became of the ended spans at each exporter, in the order they were configured.
    pub exporters: Vec<ExporterTotals>,
    /// The totals of log records; `None` when they are not exported.
    pub logs: Option<LogSnapshot>,
}

/// The totals of the log records of a process at one moment.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct LogSnapshot {
    /// Records that were emitted: events that passed the filter, and panics. Those that telemetry
    /// itself causes while it exports are not among them.
    pub emitted: u64,
    /// What became of them at each exporter, in the order they were configured. For every exporter
    /// `emitted = exported + failed + dropped + queued`.
    pub exporters: Vec<ExporterTotals>,
}

impl fmt::Display for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "telemetry: started={} ended={}", self.started, self.ended)?;
        self.exporters.iter().try_for_each(|exporter| write!(f, " | {exporter}"))?;
        let mut logs = self.logs.iter().flat_map(|logs| &logs.exporters);
        logs.try_for_each(|exporter| write!(f, " | logs {exporter}"))
    }
}

/// What became of the ended spans, or of the emitted log records, at one exporter.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ExporterTotals {
    /// The exporter's name, as `OTEL_TRACES_EXPORTER` or `OTEL_LOGS_EXPORTER` spells it.
    pub name: &'static str,
    /// Spans or log records that the backend took.
    pub exported: u64,
    /// Those that the backend did not take, for any reason.
    pub failed: u64,
    /// Of those that failed, the ones that the backend received and rejected: OTLP's partial
    /// success.
    pub rejected: u64,
    /// Those that found the queue full, or were not delivered when the process had to end.
    pub dropped: u64,
    /// Those that are waiting in the queue or being sent: 0 after shutdown.
    pub queued: u64,
    /// Of those, the ones that have left the queue and are being sent.
    pub in_flight: u64,
}

impl fmt::Display for ExporterTotals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ExporterTotals { name, exported, failed, dropped, queued, .. } = self;
        write!(f, "{name} exported={exported} failed={failed} dropped={dropped}")?;
        if *queued > 0 { write!(f, " queued={queued}") } else { Ok(()) }
    }
}
