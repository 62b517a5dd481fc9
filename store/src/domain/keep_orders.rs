//! For how long orders are kept.

use std::{fmt, str::FromStr, time::Duration};

/// For how long orders and deliveries are kept before they are folded into sums.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KeepOrders {
    /// They are never folded.
    #[default]
    Forever,
    /// They are folded when they are older than this: at least [`KeepOrders::MIN`].
    For(Duration),
}

/// Why a text does not say for how long orders are kept.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeepOrdersError {
    /// It is no time.
    #[error("expected a time such as 24h or 7d, or \"forever\"")]
    NoTime,
    /// It is too short a time.
    #[error(
        "it is too short: expected at least {}, since the idempotency key of an order is forgotten \
         with it, and who repeats a checkout has to find it",
        humantime::format_duration(KeepOrders::MIN)
    )]
    TooShort,
}

impl KeepOrders {
    /// The shortest time: far longer than anybody repeats a checkout that was not answered.
    pub const MIN: Duration = Duration::from_secs(60);

    /// The time, if there is one.
    pub const fn time(self) -> Option<Duration> {
        match self {
            Self::Forever => None,
            Self::For(time) => Some(time),
        }
    }
}

impl FromStr for KeepOrders {
    type Err = KeepOrdersError;

    fn from_str(text: &str) -> Result<Self, KeepOrdersError> {
        let text = text.trim();
        if text == "forever" {
            return Ok(Self::Forever);
        }
        // A zero without a unit is no time to humantime, but it is clear what is meant.
        let time = humantime::parse_duration(if text == "0" { "0s" } else { text })
            .map_err(|_| KeepOrdersError::NoTime)?;
        if time < Self::MIN { Err(KeepOrdersError::TooShort) } else { Ok(Self::For(time)) }
    }
}

impl fmt::Display for KeepOrders {
    /// As it is read.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Forever => f.write_str("forever"),
            Self::For(time) => humantime::format_duration(*time).fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_are_kept_for_a_minute_or_longer_or_for_ever() {
        let hours = |hours: u64| KeepOrders::For(Duration::from_secs(hours * 60 * 60));
        for (text, expected) in [
            ("forever", Ok(KeepOrders::Forever)),
            ("24h", Ok(hours(24))),
            (" 7d ", Ok(hours(7 * 24))),
            ("1m", Ok(KeepOrders::For(KeepOrders::MIN))),
            ("59s 999ms", Err(KeepOrdersError::TooShort)),
            ("0", Err(KeepOrdersError::TooShort)),
            ("0s", Err(KeepOrdersError::TooShort)),
            ("", Err(KeepOrdersError::NoTime)),
            ("-1h", Err(KeepOrdersError::NoTime)),
            ("24", Err(KeepOrdersError::NoTime)),
            ("99999999999999999999y", Err(KeepOrdersError::NoTime)),
        ] {
            assert_eq!(text.parse(), expected, "{text:?}");
            if let Ok(keep) = expected {
                assert_eq!(keep.to_string().parse(), Ok(keep));
            }
        }
    }
}
