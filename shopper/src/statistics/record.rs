//! What is told of one trip when it has ended.

use std::{ops::AddAssign, time::Duration};

use opentelemetry::trace::TraceId;

use crate::{
    outcome::Outcome,
    plan::{Step, TripKind},
};

/// A trip that ended. Its times are since the start of the run.
#[derive(Clone, Debug)]
pub struct TripRecord {
    /// When it should have started.
    pub intended: Duration,
    /// When it did start.
    pub started: Duration,
    /// When it ended.
    pub ended: Duration,
    /// What kind of trip it was.
    pub kind: TripKind,
    /// How it ended.
    pub outcome: Outcome,
    /// Its trace, if it was sampled.
    pub trace_id: Option<TraceId>,
    /// Its steps, in order.
    pub steps: Vec<StepRecord>,
}

/// A step of a trip that ended.
#[derive(Clone, Debug)]
pub struct StepRecord {
    /// Which step.
    pub step: Step,
    /// From its start to its end, retries and the pauses before them included.
    pub service: Duration,
    /// How it ended, after its retries.
    pub end: StepEnd,
    /// What went over the wire for it.
    pub traffic: Traffic,
}

/// How a step ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepEnd {
    /// With an answer that the contract allows.
    Answered,
    /// Without one: the trip failed in this step.
    Failed,
    /// Its shopper's patience ended first.
    BrokenOff,
}

/// What went over the wire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Requests sent, retries included.
    pub requests: u64,
    /// Those of them that repeated another.
    pub retries: u64,
    /// Bytes of request bodies.
    pub sent_bytes: u64,
    /// Bytes of response bodies.
    pub received_bytes: u64,
}

impl AddAssign for Traffic {
    fn add_assign(&mut self, other: Self) {
        self.requests += other.requests;
        self.retries += other.retries;
        self.sent_bytes += other.sent_bytes;
        self.received_bytes += other.received_bytes;
    }
}
