//! Logs how a backend is doing: one line when something goes wrong with it, and one when that is
//! over, however many batches are affected in between.

use crate::outcome::Outcome;
use shared::notice::Notice;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// How a backend is doing, judged by the outcomes of what it was sent.
#[derive(Debug)]
pub(crate) struct Health {
    exporter: &'static str,
    /// The backend takes nothing. Counts the attempts that failed.
    away: Notice,
    /// Spans, log records or exports of metrics that were lost by that.
    lost: AtomicU64,
    /// The backend takes only a part of what it is sent. Counts such answers.
    rejecting: Notice,
    /// Spans, log records or data points that were lost by that.
    rejected: AtomicU64,
    /// The backend has sent a remark with a success. Only the first is logged.
    remarked: AtomicBool,
    /// The queue was full. Only the first time is logged.
    full: AtomicBool,
    /// Set when the exporter has been shut down. Nothing is logged after the accounting line.
    closed: AtomicBool,
}

impl Health {
    /// The health of the backend of `exporter`, of which nothing is known yet.
    pub(crate) fn new(exporter: &'static str) -> Self {
        Health {
            exporter,
            away: Notice::default(),
            lost: AtomicU64::new(0),
            rejecting: Notice::default(),
            rejected: AtomicU64::new(0),
            remarked: AtomicBool::new(false),
            full: AtomicBool::new(false),
            closed: AtomicBool::new(false),
        }
    }

    /// Notes that the backend did not take what it was sent, and will be asked again.
    pub(crate) fn is_asked_again(&self, reason: &str) {
        let exporter = self.exporter;
        if self.away.occurred() && self.may_speak() {
            tracing::warn!(exporter, reason, "telemetry backend does not take what it is sent");
        }
    }

    /// Notes what became of a batch.
    pub(crate) fn observe(&self, outcome: &Outcome) {
        let Outcome { failed, rejected, reason, .. } = outcome;
        if *failed > 0 {
            if !reason.is_empty() {
                self.is_asked_again(reason);
            }
            self.lost.fetch_add(*failed, Ordering::Relaxed);
            return;
        }
        let exporter = self.exporter;
        if let Some(over) = self.away.over() {
            let lost = self.lost.swap(0, Ordering::Relaxed);
            if self.may_speak() {
                let (attempts, seconds) = (over.count, over.lasted.as_secs());
                tracing::warn!(
                    exporter,
                    attempts,
                    seconds,
                    lost,
                    "telemetry backend takes what it is sent again"
                );
            }
        }
        if *rejected > 0 {
            self.rejected.fetch_add(*rejected, Ordering::Relaxed);
            if self.rejecting.occurred() && self.may_speak() {
                tracing::warn!(
                    exporter,
                    reason,
                    "telemetry backend rejects a part of what it is sent"
                );
            }
        } else if let Some(over) = self.rejecting.over() {
            let rejected = self.rejected.swap(0, Ordering::Relaxed);
            if self.may_speak() {
                let (answers, seconds) = (over.count, over.lasted.as_secs());
                tracing::warn!(
                    exporter,
                    answers,
                    seconds,
                    rejected,
                    "telemetry backend takes all that it is sent again"
                );
            }
        } else if !reason.is_empty() && !self.remarked.swap(true, Ordering::Relaxed) {
            tracing::warn!(exporter, reason, "telemetry backend takes all, with a remark");
        }
    }

    /// Notes that the queue had no room for some of `items`: spans or log records.
    pub(crate) fn overflowed(&self, items: &'static str) {
        if !self.full.load(Ordering::Relaxed)
            && !self.full.swap(true, Ordering::Relaxed)
            && self.may_speak()
        {
            let exporter = self.exporter;
            tracing::warn!(
                exporter,
                "the queue is full: {items} are being dropped, see the accounting for how many"
            );
        }
    }

    /// Logs nothing from now on.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Release);
    }

    fn may_speak(&self) -> bool {
        !self.closed.load(Ordering::Acquire)
    }
}
