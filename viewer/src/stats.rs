//! Counts of what came in and what became of it, by signal. Whatever is dropped is counted here.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::otlp::{Signal, Taken};
use crate::refusals::Refusals;

/// Counts of one signal: requests, and its items (spans, data points, log records).
#[derive(Debug, Default)]
pub(crate) struct SignalCounts {
    requests: AtomicU64,
    received: AtomicU64,
    accepted: AtomicU64,
    rejected: AtomicU64,
    refused: AtomicU64,
}

impl SignalCounts {
    /// Counts a request that has come.
    pub(crate) fn count_request(&self) {
        self.requests.fetch_add(1, Relaxed);
    }

    /// Counts what was taken of a request.
    pub(crate) fn count(&self, taken: &Taken) {
        self.received.fetch_add(taken.received, Relaxed);
        self.rejected.fetch_add(taken.rejected, Relaxed);
        self.accepted.fetch_add(taken.received - taken.rejected, Relaxed);
    }

    /// Counts a request of which nothing was taken.
    pub(crate) fn count_refused(&self) {
        self.refused.fetch_add(1, Relaxed);
    }

    /// The counts now.
    pub(crate) fn snapshot(&self) -> SignalStats {
        SignalStats {
            requests: self.requests.load(Relaxed),
            received: self.received.load(Relaxed),
            accepted: self.accepted.load(Relaxed),
            rejected: self.rejected.load(Relaxed),
            refused: self.refused.load(Relaxed),
        }
    }
}

/// The counts of one signal at one moment, as the API shows them.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct SignalStats {
    requests: u64,
    received: u64,
    accepted: u64,
    rejected: u64,
    refused: u64,
}

/// The counts of all signals.
#[derive(Debug)]
pub(crate) struct Stats {
    pub(crate) traces: SignalCounts,
    pub(crate) metrics: SignalCounts,
    pub(crate) logs: SignalCounts,
    pub(crate) refusals: Refusals,
    started: Instant,
    /// Spans received, second by second.
    samples: Mutex<VecDeque<(Instant, u64)>>,
}

impl Stats {
    pub(crate) fn new() -> Self {
        Self {
            traces: SignalCounts::default(),
            metrics: SignalCounts::default(),
            logs: SignalCounts::default(),
            refusals: Refusals::default(),
            started: Instant::now(),
            samples: Mutex::default(),
        }
    }

    /// The counts of one signal.
    pub(crate) fn of(&self, signal: Signal) -> &SignalCounts {
        match signal {
            Signal::Traces => &self.traces,
            Signal::Metrics => &self.metrics,
            Signal::Logs => &self.logs,
        }
    }

    /// How long the viewer has been running.
    pub(crate) fn uptime(&self) -> Duration {
        self.started.elapsed()
    }

    /// The same in nanoseconds.
    pub(crate) fn uptime_ns(&self) -> u64 {
        u64::try_from(self.uptime().as_nanos()).unwrap_or(u64::MAX)
    }

    /// To be called every second: remembers what came in, for the rate.
    pub(crate) fn sample(&self) {
        let received = self.traces.received.load(Relaxed);
        let mut samples = self.samples.lock().unwrap_or_else(PoisonError::into_inner);
        samples.push_back((Instant::now(), received));
        if samples.len() > RATE_SAMPLES {
            samples.pop_front();
        }
        drop(samples);
        self.refusals.settle();
    }

    /// Spans received a second, over the last ten.
    pub(crate) fn spans_per_second(&self) -> f64 {
        let samples = self.samples.lock().unwrap_or_else(PoisonError::into_inner);
        match (samples.front(), samples.back()) {
            (Some((first, before)), Some((last, now))) if last > first => {
                (now - before) as f64 / last.duration_since(*first).as_secs_f64()
            }
            _ => 0.0,
        }
    }
}

/// Samples kept: ten seconds and the one they count from.
const RATE_SAMPLES: usize = 11;
