//! The idempotency keys of orders: by them a store knows an order that it was sent before.

use std::{fmt, str::FromStr};

use awc::http::header::HeaderValue;
use uuid::Uuid;

use crate::plan::TripPlan;

/// The name of a run, by which a shopper that is started again knows what it has ordered before.
///
/// The key of an order is then made of the name, the seed and the trip. So a trip that is made once more
/// has the same key, and the store answers with the receipt of the first time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunName(String);

/// Why a text is not the name of a run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not the name of a run; expected 1 to {longest} letters, digits, '.', '_' and '-'",
    longest = RunName::LONGEST
)]
pub struct RunNameError(String);

impl RunName {
    /// The longest name, in bytes: a UUID has room, and the store takes keys of 255 bytes.
    pub const LONGEST: usize = 64;
}

impl FromStr for RunName {
    type Err = RunNameError;

    fn from_str(text: &str) -> Result<Self, RunNameError> {
        let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        let fits = (1..=Self::LONGEST).contains(&text.len()) && text.bytes().all(is_allowed);
        if fits { Ok(Self(text.into())) } else { Err(RunNameError(text.into())) }
    }
}

impl fmt::Display for RunName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Makes the keys of a run's orders.
#[derive(Clone, Debug)]
pub(crate) enum OrderKeys {
    /// A new one for each order: the same plan in another run is another purchase. They grow with time,
    /// so new ones go to the end of the store's index.
    Fresh,
    /// The same for the same trip of the run whose name, with its seed, this is.
    OfTrip(String),
}

impl OrderKeys {
    /// Those of the run of this name, if it has one.
    pub(crate) fn new(run: Option<&RunName>, seed: u64) -> Self {
        run.map_or(Self::Fresh, |run| Self::OfTrip(format!("{run}-{seed}")))
    }

    /// Whether a trip that is made again orders by the same key, so that it must order the same.
    pub(crate) fn are_repeated(&self) -> bool {
        matches!(self, Self::OfTrip(_))
    }

    /// The key of the order of this trip.
    pub(crate) fn key(&self, plan: &TripPlan) -> HeaderValue {
        let key = match self {
            Self::Fresh => HeaderValue::from_str(
                Uuid::now_v7().hyphenated().encode_lower(&mut Uuid::encode_buffer()),
            ),
            Self::OfTrip(run) => {
                HeaderValue::from_str(&format!("{run}-{}-{}", plan.shopper, plan.nth))
            }
        };
        key.expect("letters, digits, '.', '_' and '-' are allowed in a header")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Planner;

    fn key(run: Option<&str>, seed: u64, (shopper, nth): (u64, u64)) -> String {
        let plan = Planner::new(seed, "quick-buy=1".parse().unwrap(), vec![]).plan(shopper, nth);
        let run = run.map(|run| run.parse().unwrap());
        OrderKeys::new(run.as_ref(), seed).key(&plan).to_str().unwrap().to_owned()
    }

    #[test]
    fn keys_of_a_named_run_differ_by_name_seed_shopper_and_trip_alone() {
        assert_eq!(key(Some("monday"), 7, (12, 0)), "monday-7-12-0");
        for other in [
            key(Some("tuesday"), 7, (12, 0)),
            key(Some("monday"), 8, (12, 0)),
            key(Some("monday"), 7, (1, 20)),
            key(Some("monday"), 7, (12, 1)),
        ] {
            assert_ne!(other, "monday-7-12-0");
        }
        assert_ne!(key(None, 7, (12, 0)), key(None, 7, (12, 0)));
    }

    #[test]
    fn the_longest_name_with_the_largest_numbers_makes_a_key_that_the_store_takes() {
        let longest = "x".repeat(RunName::LONGEST);
        let key = key(Some(&longest), u64::MAX, (u64::MAX, u64::MAX));
        assert!(key.len() <= 255, "{}", key.len());
    }

    #[test]
    fn what_is_no_name_is_refused() {
        for text in ["", "a b", "ä", "a/b", "a\n", &"x".repeat(RunName::LONGEST + 1)] {
            let error = text.parse::<RunName>().unwrap_err().to_string();
            assert!(error.contains("expected 1 to 64 letters"), "{error}");
        }
    }
}
