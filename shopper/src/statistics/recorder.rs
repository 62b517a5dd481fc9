//! Where one thread counts.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{interval::Interval, record::TripRecord};

/// Counts the trips of one thread.
///
/// Its lock is taken at the start and at the end of a trip, and once a second by whoever shows the
/// statistics, so it is almost never waited for.
#[derive(Clone, Debug)]
pub struct Recorder(Arc<Mutex<Interval>>);

impl Recorder {
    pub(super) fn new() -> Self {
        Self(Arc::new(Mutex::new(Interval::new())))
    }

    /// Counts a trip that starts.
    pub fn started(&self) {
        self.lock().started += 1;
    }

    /// Counts a trip that should start now and cannot.
    pub fn missed(&self) {
        self.lock().missed += 1;
    }

    /// Counts a trip that ended.
    pub fn finished(&self, trip: &TripRecord) {
        self.lock().record(trip);
    }

    /// Moves everything counted so far into `interval`.
    pub(super) fn drain_into(&self, interval: &mut Interval) {
        let mut counted = self.lock();
        interval.merge(&counted);
        counted.clear();
    }

    /// A panic while counting leaves counts that are still counts: go on.
    fn lock(&self) -> MutexGuard<'_, Interval> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
