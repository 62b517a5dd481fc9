//! How the rate of trips goes over time: constant, or ramps from one rate to the next.

use std::{fmt, str::FromStr, time::Duration};

/// The highest rate that can be asked for, in trips per second: far more than one process makes.
const MAX_RATE: f64 = 1_000_000.0;

/// Trips per second: from 0 to a million.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Rate(f64);

/// Why a text is not a rate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a rate; expected trips per second from 0 to 1000000, such as 100 or 0.5")]
pub struct RateError(String);

impl Rate {
    /// No trips at all.
    pub const ZERO: Self = Self(0.0);

    /// Trips per second.
    #[must_use]
    pub fn per_second(self) -> f64 {
        self.0
    }
}

impl FromStr for Rate {
    type Err = RateError;

    fn from_str(text: &str) -> Result<Self, RateError> {
        match text.trim().parse() {
            Ok(rate) if (0.0..=MAX_RATE).contains(&rate) => Ok(Self(rate)),
            _ => Err(RateError(text.into())),
        }
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A ramp: the rate goes evenly from what it was to `target`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stage {
    /// How long the ramp is.
    pub duration: Duration,
    /// The rate at its end.
    pub target: Rate,
}

/// Why a text is not a list of stages.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{input:?} is not a list of stages: {problem}; expected DURATION@RATE,... such as \
     30s@100,2m@500, with DURATION above zero and RATE in trips per second, not all zero"
)]
pub struct StageError {
    input: String,
    problem: String,
}

/// Ramps, one after the other: `30s@100,2m@500`.
#[derive(Clone, Debug, PartialEq)]
pub struct Stages(Vec<Stage>);

impl FromStr for Stages {
    type Err = StageError;

    fn from_str(text: &str) -> Result<Self, StageError> {
        let error = |problem: String| StageError { input: text.into(), problem };
        let stages: Vec<_> =
            text.split(',').map(parse_stage).collect::<Result<_, _>>().map_err(error)?;
        if stages.iter().all(|stage| stage.target == Rate::ZERO) {
            return Err(error("all rates are zero".into()));
        }
        Ok(Self(stages))
    }
}

fn parse_stage(text: &str) -> Result<Stage, String> {
    let (duration, rate) = text.split_once('@').ok_or("there is no '@'")?;
    let duration = humantime::parse_duration(duration.trim())
        .map_err(|error| format!("{duration:?}: {error}"))?;
    if duration.is_zero() {
        return Err("a stage has no duration".into());
    }
    Ok(Stage { duration, target: rate.parse().map_err(|error: RateError| error.to_string())? })
}

impl fmt::Display for Stages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, Stage { duration, target }) in self.0.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            let duration = humantime::format_duration(*duration).to_string().replace(' ', "");
            write!(f, "{comma}{duration}@{target}")?;
        }
        Ok(())
    }
}

/// The rate of trips over time.
#[derive(Clone, Debug)]
pub struct RateProfile(Vec<Segment>);

/// A stretch of time in which the rate changes evenly.
#[derive(Clone, Copy, Debug)]
struct Segment {
    /// When it begins, in seconds since the start of the run.
    start: f64,
    /// How long it is, in seconds; may be without end.
    length: f64,
    /// The rate at its start.
    from: f64,
    /// By how much the rate grows each second.
    slope: f64,
    /// How many trips are expected before it.
    expected_before: f64,
}

impl RateProfile {
    /// The same rate for ever.
    #[must_use]
    pub fn constant(rate: Rate) -> Self {
        let length = f64::INFINITY;
        Self(vec![Segment { start: 0.0, length, from: rate.0, slope: 0.0, expected_before: 0.0 }])
    }

    /// Ramps from a rate (from 0 without one), then the end.
    #[must_use]
    pub fn ramps(from: Option<Rate>, stages: &Stages) -> Self {
        let mut from = from.unwrap_or(Rate::ZERO).0;
        let (mut start, mut expected_before) = (0.0, 0.0);
        let segments = stages.0.iter().map(|stage| {
            let length = stage.duration.as_secs_f64();
            let slope = (stage.target.0 - from) / length;
            let segment = Segment { start, length, from, slope, expected_before };
            expected_before += segment.expected_until(length);
            start += length;
            from = stage.target.0;
            segment
        });
        Self(segments.collect())
    }

    /// The rate at a time since the start of the run, in trips per second; 0 after the end.
    #[must_use]
    pub fn rate_at(&self, time: Duration) -> f64 {
        let time = time.as_secs_f64();
        let segment = self.0.iter().find(|segment| time < segment.start + segment.length);
        segment.map_or(0.0, |segment| segment.from + segment.slope * (time - segment.start))
    }

    /// When the profile ends; `None` if it never does.
    #[must_use]
    pub fn end(&self) -> Option<Duration> {
        let last = self.0.last()?;
        Duration::try_from_secs_f64(last.start + last.length).ok()
    }

    /// When `expected` trips have been expected since the start; `None` if that never comes.
    pub(super) fn time_of(&self, expected: f64) -> Option<Duration> {
        let index = self.0.iter().rposition(|segment| segment.expected_before <= expected)?;
        let segment = &self.0[index];
        let offset = segment.time_of(expected - segment.expected_before);
        if index + 1 == self.0.len() && offset >= segment.length {
            return None;
        }
        // Rounding must not push a trip over the end of its own segment.
        Duration::try_from_secs_f64(segment.start + offset.min(segment.length)).ok()
    }
}

impl Segment {
    /// How many trips are expected in its first `time` seconds.
    fn expected_until(&self, time: f64) -> f64 {
        (self.from + self.slope * time / 2.0) * time
    }

    /// The inverse of [`expected_until`](Self::expected_until); past the end when so many are
    /// never expected.
    ///
    /// The root of a quadratic equation, in the form that is exact for a slope of zero too.
    fn time_of(&self, expected: f64) -> f64 {
        let square = self.from * self.from + 2.0 * self.slope * expected;
        if square < 0.0 || (self.from == 0.0 && self.slope <= 0.0) {
            return f64::INFINITY;
        }
        if expected == 0.0 {
            return 0.0;
        }
        2.0 * expected / (self.from + square.sqrt())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ramps_go_evenly_from_rate_to_rate() {
        let stages: Stages = "10s@100,20s@100,10s@0".parse().unwrap();
        let profile = RateProfile::ramps(None, &stages);
        let rates = [0, 5, 10, 20, 35, 40].map(|s| profile.rate_at(Duration::from_secs(s)));
        assert_eq!(rates, [0.0, 50.0, 100.0, 100.0, 50.0, 0.0]);
        assert_eq!(profile.end(), Some(Duration::from_secs(40)));
        assert_eq!(profile.time_of(0.0), Some(Duration::ZERO));
        assert_eq!(profile.time_of(500.0 + 1000.0), Some(Duration::from_secs(20)));
        assert_eq!(profile.time_of(3000.5), None);
    }

    #[test]
    fn a_constant_rate_never_ends() {
        let profile = RateProfile::constant("2".parse().unwrap());
        assert_eq!(profile.time_of(7_200.0), Some(Duration::from_secs(3600)));
        assert_eq!(profile.end(), None);
        assert_eq!(RateProfile::constant(Rate::ZERO).time_of(0.0), None);
    }

    #[test]
    fn stages_read_back_as_they_were_written() {
        let text = "30s@100,2m@500,1m@0.5";
        assert_eq!(text.parse::<Stages>().unwrap().to_string(), text);
    }

    #[test]
    fn what_is_no_stage_is_refused_by_name() {
        for text in
            ["", "30s", "@5", "0s@5", "30s@", "30s@-1", "30s@NaN", "30s@0", "soon@5", "1s@5,"]
        {
            let error = text.parse::<Stages>().unwrap_err().to_string();
            assert!(error.starts_with(&format!("{text:?} is not a list of stages")), "{error}");
        }
    }
}
