//! The stretch of time that charts are of, and its steps.

use std::ops::Range;

use super::ParamError;
use super::params::Params;
use crate::store::model::now;
use crate::store::monitor::{SLOT, SLOTS};

/// Seconds of a slot, and of the range that is shown unless another is asked for.
const SLOT_SECONDS: u64 = SLOT / 1_000_000_000;
const DEFAULT_RANGE: u64 = 300;
/// Steps at most.
pub(crate) const POINTS: u64 = 60;

/// A stretch of time.
#[derive(Clone, Debug)]
pub(crate) struct Time {
    /// The slots in it. The last is shown with what has passed of it.
    pub(crate) slots: Range<u64>,
    /// Slots of a step.
    step: u64,
    /// What has not passed yet, in nanoseconds since the epoch.
    pub(crate) now: u64,
}

impl Time {
    /// The time that `params` ask for: `range` seconds until `end` (µs since the epoch); until now,
    /// unless that is said.
    ///
    /// # Errors
    ///
    /// When a parameter is none, or more is asked for than is remembered.
    pub(crate) fn of(params: &Params) -> Result<Self, ParamError> {
        let now = now();
        let most = SLOTS * SLOT_SECONDS;
        let expected = format!("a number of seconds from {SLOT_SECONDS} to {most}");
        let range = params.read("range", &expected, |text| {
            text.parse().ok().filter(|range| (SLOT_SECONDS..=most).contains(range))
        })?;
        let range = range.unwrap_or(DEFAULT_RANGE).div_ceil(SLOT_SECONDS);
        let end = params.moment("end", 1_000)?.unwrap_or(now).min(now) / SLOT + 1;
        let step = range.div_ceil(POINTS);
        let slots = end.saturating_sub(range.div_ceil(step) * step)..end;
        Ok(Self { slots, step, now })
    }

    /// Its beginning and its end as far as it has passed, in nanoseconds since the epoch.
    pub(crate) fn from(&self) -> u64 {
        self.slots.start * SLOT
    }

    pub(crate) fn to(&self) -> u64 {
        (self.slots.end * SLOT).min(self.now)
    }

    pub(crate) fn step_seconds(&self) -> u64 {
        self.step * SLOT_SECONDS
    }

    /// The slots of each step.
    pub(crate) fn steps(&self) -> impl Iterator<Item = Range<u64>> + use<> {
        let (Range { start, end }, step) = (self.slots.clone(), self.step);
        (0..(end - start).div_ceil(step)).map(move |at| {
            let first = start + at * step;
            first..(first + step).min(end)
        })
    }
}
