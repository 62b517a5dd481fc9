//! What is said of a backend: once when something goes wrong with it, and once when that is over.

use crate::outcome::Outcome;
use shared::notice::Notice;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// How a backend is doing, by what became of what it was sent.
#[derive(Debug)]
pub(crate) struct Health {
    exporter: &'static str,
    /// It takes nothing: each attempt that failed.
    away: Notice,
    /// What that has cost: spans, or exports of metrics.
    lost: AtomicU64,
    /// It takes only a part of what it is sent: each such answer.
    rejecting: Notice,
    /// What that has cost: spans or data points.
    rejected: AtomicU64,
    /// It has sent a remark with a success.
    remarked: AtomicBool,
    /// Set when the exporter has been shut down: after the accounting line nothing more is said.
    closed: AtomicBool,
}

impl Health {
    /// Nothing is known of the backend of `exporter`, and nothing has been said.
    pub(crate) fn new(exporter: &'static str) -> Self {
        Health {
            exporter,
            away: Notice::default(),
            lost: AtomicU64::new(0),
            rejecting: Notice::default(),
            rejected: AtomicU64::new(0),
            remarked: AtomicBool::new(false),
            closed: AtomicBool::new(false),
        }
    }

    /// The backend did not take what it was sent, and will be asked again.
    pub(crate) fn is_asked_again(&self, reason: &str) {
        let exporter = self.exporter;
        if self.away.occurred() && self.may_speak() {
            tracing::warn!(exporter, reason, "telemetry backend does not take what it is sent");
        }
    }

    /// Notes what became of what the backend was sent.
    pub(crate) fn observe(&self, outcome: &Outcome) {
        let Outcome { failed, rejected, reason } = outcome;
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

    /// Says nothing from now on.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Release);
    }

    fn may_speak(&self) -> bool {
        !self.closed.load(Ordering::Acquire)
    }
}
