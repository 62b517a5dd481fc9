//! Forgets idempotency keys that have expired, a few at a time, so that the table stays small.

use std::{
    sync::atomic::{AtomicI64, Ordering},
    time::{Duration, SystemTime},
};

use serde::Serialize;

use super::{
    StorageError,
    clock::milliseconds,
    database::Database,
    statement::{Statement, reading_rows},
};

/// How often expired keys are looked for, at most.
const PERIOD: Duration = Duration::from_secs(10);

/// At most so many keys at a time, to hold up nobody for long: two thousand a second on average.
const DELETE_EXPIRED: Statement = reading_rows!(
    "DELETE idempotency_keys",
    "DELETE FROM idempotency_keys WHERE key IN (SELECT key FROM idempotency_keys \
     WHERE expires_at_ms <= (SELECT CAST(input.value->>'now_ms' AS BIGINT) FROM ",
    input,
    ") ORDER BY expires_at_ms LIMIT 20000)",
);

/// When expired keys were last looked for, by the clock that the orders are placed by.
#[derive(Debug, Default)]
pub(super) struct Sweep {
    last_ms: AtomicI64,
}

impl Sweep {
    /// Whether it is time again; whoever is told so has to sweep.
    pub(super) fn is_due(&self, now: SystemTime) -> bool {
        let now = milliseconds(now);
        let last = self.last_ms.load(Ordering::Relaxed);
        let period = i64::try_from(PERIOD.as_millis()).unwrap_or(i64::MAX);
        let due = last == 0 || now.saturating_sub(last) >= period;
        let mine = due
            && self
                .last_ms
                .compare_exchange(last, now, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok();
        // A store that has just opened has something better to do.
        mine && last != 0
    }
}

/// Forgets keys that have expired by `now`.
pub(super) async fn sweep(database: &Database, now: SystemTime) -> Result<u64, StorageError> {
    #[derive(Serialize)]
    struct Now {
        now_ms: i64,
    }
    let now = [Now { now_ms: milliseconds(now) }];
    database
        .transaction(&now, |transaction, now| Box::pin(transaction.run(&DELETE_EXPIRED, now)))
        .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_due_once_a_period() {
        let sweep = Sweep::default();
        let start = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000);
        let due_at = |seconds| sweep.is_due(start + Duration::from_secs(seconds));
        assert_eq!([0, 9, 10, 11, 20].map(due_at), [false, false, true, false, true]);
    }
}
