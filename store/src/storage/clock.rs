//! Times as the database keeps them: milliseconds since 1970 in UTC.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A time in milliseconds; one before 1970 counts as 1970.
pub(super) fn milliseconds(time: SystemTime) -> i64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// A time as it is on the wire: RFC 3339, UTC, with milliseconds.
pub(super) fn rfc3339(milliseconds: i64) -> String {
    // What the format cannot write, the store has not written either.
    let year_9999 = 253_402_300_799_999;
    let since = Duration::from_millis(u64::try_from(milliseconds).unwrap_or(0).min(year_9999));
    humantime::format_rfc3339_millis(UNIX_EPOCH + since).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_goes_over_the_wire_in_utc_with_milliseconds() {
        let time = UNIX_EPOCH + Duration::from_micros(1_769_851_800_123_999);
        assert_eq!(rfc3339(milliseconds(time)), "2026-01-31T09:30:00.123Z");
        assert_eq!(rfc3339(-1), "1970-01-01T00:00:00.000Z");
        assert_eq!(rfc3339(i64::MAX), "9999-12-31T23:59:59.999Z");
    }
}
