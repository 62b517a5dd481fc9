//! What the trips took and how they ended.
//!
//! Every thread has a [`Recorder`]; [`Statistics`] empties them each second and keeps the total,
//! the last second and the time line; a [`Snapshot`] of it is what the live view and the report
//! show. Latency counts from the moment a trip should have started, so that a store (or a
//! generator) that is late cannot hide it; not to do so is known as coordinated omission:
//! <https://www.youtube.com/watch?v=lJ8ydIuPFeU>.

mod interval;
mod latency;
mod record;
mod recorder;
mod slowest;
mod snapshot;
mod timeline;

pub use latency::{LONGEST, Latency};
pub use record::{StepRecord, Traffic, TripRecord};
pub use recorder::Recorder;
pub use slowest::{SLOWEST_KEPT, SlowTrip};
pub use snapshot::{Kind, Snapshot, Step, Trips};
pub use timeline::{MAX_BUCKETS, Second};

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use interval::Interval;
use timeline::Timeline;

/// The statistics of a run: a handle that is cheap to clone and can be asked from any thread.
#[derive(Clone, Debug)]
pub struct Statistics(Arc<Mutex<Inner>>);

#[derive(Debug)]
struct Inner {
    recorders: Vec<Recorder>,
    total: Interval,
    /// What was recorded since the last tick; kept for its memory.
    fresh: Interval,
    timeline: Timeline,
    last_second: Second,
    elapsed: Duration,
    target_rate: Option<f64>,
}

impl Statistics {
    /// The statistics of a run with a recorder for each of `threads`.
    #[must_use]
    pub fn new(threads: usize) -> Self {
        Self(Arc::new(Mutex::new(Inner {
            recorders: std::iter::repeat_with(Recorder::new).take(threads).collect(),
            total: Interval::new(),
            fresh: Interval::new(),
            timeline: Timeline::new(),
            last_second: Second::default(),
            elapsed: Duration::ZERO,
            target_rate: None,
        })))
    }

    /// The recorders, one a thread.
    #[must_use]
    pub fn recorders(&self) -> Vec<Recorder> {
        self.lock().recorders.clone()
    }

    /// Takes in what was recorded since the last call. Call it each second, and at the end.
    ///
    /// `elapsed` is the time since the start of the run, `target_rate` the trips per second that
    /// the schedule asks for at that time.
    pub fn tick(&self, elapsed: Duration, target_rate: Option<f64>) {
        let inner = &mut *self.lock();
        inner.fresh.clear();
        for recorder in &inner.recorders {
            recorder.drain_into(&mut inner.fresh);
        }
        inner.total.merge(&inner.fresh);
        inner.last_second = inner.timeline.push(&inner.fresh, elapsed, target_rate);
        inner.elapsed = elapsed;
        inner.target_rate = target_rate;
    }

    /// The statistics as of the last [`tick`](Self::tick).
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let inner = self.lock();
        Snapshot {
            elapsed: inner.elapsed,
            target_rate: inner.target_rate,
            last_second: inner.last_second.clone(),
            timeline: inner.timeline.buckets().to_vec(),
            ..Snapshot::of(&inner.total)
        }
    }

    /// A panic while counting leaves counts that are still counts: go on.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
