//! Logging a thing that happens often only twice: when it begins and when it is over.
//!
//! Such a thing is a backend that is down, or a flood of requests that are refused. A line in the
//! log for each occurrence would bury all other lines, and would cost more than the occurrence
//! itself. A [`Notice`] counts the occurrences, and tells its owner at which two moments to log.
//!
//! ```
//! use shared::notice::Notice;
//!
//! let notice = Notice::default();
//! let mut log = Vec::new();
//! for refused in [true, true, true, false] {
//!     if refused {
//!         if notice.occurred() {
//!             log.push("connections are refused".to_owned());
//!         }
//!     } else if let Some(over) = notice.over() {
//!         log.push(format!("{} connections were refused", over.count));
//!     }
//! }
//! assert_eq!(log, ["connections are refused", "3 connections were refused"]);
//! ```

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

/// Counts something that may happen often and is to be logged once.
///
/// It takes no lock, so it can be used on a hot path and by many threads.
#[derive(Debug)]
pub struct Notice {
    /// The time from which the two times below are counted.
    origin: Instant,
    /// How often it has happened since it began. 0 means that it is not going on.
    count: AtomicU64,
    /// When it happened for the first time.
    began_ns: AtomicU64,
    /// When it happened for the last time.
    last_ns: AtomicU64,
}

/// What to log when it is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Over {
    /// How often it happened.
    pub count: u64,
    /// How long it went on, from the first time to the last.
    pub lasted: Duration,
}

impl Default for Notice {
    fn default() -> Self {
        Self {
            origin: Instant::now(),
            count: AtomicU64::new(0),
            began_ns: AtomicU64::new(0),
            last_ns: AtomicU64::new(0),
        }
    }
}

impl Notice {
    /// Counts one occurrence. Returns true for the first one: then log that it begins.
    pub fn occurred(&self) -> bool {
        self.occurred_at(Instant::now())
    }

    /// Ends it, when the caller knows that it is over: a request has succeeded, a backend has
    /// answered. Returns `Some` if it was going on: then log that it is over.
    pub fn over(&self) -> Option<Over> {
        if !self.is_going_on() {
            return None;
        }
        let count = self.count.swap(0, Ordering::AcqRel);
        let began_ns = self.began_ns.load(Ordering::Relaxed);
        let lasted_ns = self.last_ns.load(Ordering::Relaxed).saturating_sub(began_ns);
        // The count is 0 if another thread has ended it in the meantime.
        (count > 0).then_some(Over { count, lasted: Duration::from_nanos(lasted_ns) })
    }

    /// Ends it if it has not happened for as long as `calm`. This is for a thing of which the end
    /// cannot be seen otherwise, such as a flood. Call it every now and then.
    pub fn over_after(&self, calm: Duration) -> Option<Over> {
        self.over_after_at(calm, Instant::now())
    }

    /// Whether it has begun and is not over.
    pub fn is_going_on(&self) -> bool {
        self.count.load(Ordering::Acquire) > 0
    }

    fn occurred_at(&self, now: Instant) -> bool {
        let now_ns = self.since_origin_ns(now);
        self.last_ns.store(now_ns, Ordering::Relaxed);
        let is_first = self.count.fetch_add(1, Ordering::AcqRel) == 0;
        if is_first {
            self.began_ns.store(now_ns, Ordering::Relaxed);
        }
        is_first
    }

    fn over_after_at(&self, calm: Duration, now: Instant) -> Option<Over> {
        let last = Duration::from_nanos(self.last_ns.load(Ordering::Relaxed));
        let since = now.saturating_duration_since(self.origin).saturating_sub(last);
        if since < calm { None } else { self.over() }
    }

    fn since_origin_ns(&self, now: Instant) -> u64 {
        u64::try_from(now.saturating_duration_since(self.origin).as_nanos()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn the_first_occurrence_and_the_end_are_reported() {
        let notice = Notice::default();
        assert_eq!(notice.over(), None);
        let start = notice.origin;
        for episode in 0..2 {
            let start = start + SECOND * 10 * episode;
            assert!(notice.occurred_at(start));
            assert!(!notice.occurred_at(start + SECOND));
            assert!(!notice.occurred_at(start + SECOND * 2));
            assert!(notice.is_going_on());
            assert_eq!(notice.over(), Some(Over { count: 3, lasted: SECOND * 2 }));
            assert!(!notice.is_going_on());
            assert_eq!(notice.over(), None);
        }
    }

    #[test]
    fn a_flood_is_over_when_it_has_been_calm_for_a_while() {
        let notice = Notice::default();
        let start = notice.origin + SECOND;
        assert_eq!(notice.over_after_at(SECOND, start), None);
        notice.occurred_at(start);
        notice.occurred_at(start + SECOND);
        assert_eq!(notice.over_after_at(SECOND * 5, start + SECOND * 5), None);
        let over = notice.over_after_at(SECOND * 5, start + SECOND * 6);
        assert_eq!(over, Some(Over { count: 2, lasted: SECOND }));
        assert_eq!(notice.over_after_at(SECOND * 5, start + SECOND * 60), None);
    }

    #[test]
    fn of_many_threads_one_sees_the_beginning_and_one_the_end() {
        let notice = Notice::default();
        let count = |said: fn(&Notice) -> u64| -> u64 {
            std::thread::scope(|scope| {
                let threads: Vec<_> = (0..8).map(|_| scope.spawn(|| said(&notice))).collect();
                threads.into_iter().map(|thread| thread.join().unwrap()).sum()
            })
        };
        assert_eq!(count(|n| (0..1_000).filter(|_| n.occurred()).count() as u64), 1);
        assert_eq!(count(|n| n.over().map_or(0, |over| over.count)), 8_000);
    }
}
