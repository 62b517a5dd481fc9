//! When the trips of the open model start: a schedule that depends on its settings and seed only.
//!
//! The store's answers cannot slow it down. That is what makes the model open: a slow store gets as
//! many trips as a fast one, and so its latency shows in full. A schedule is a plain iterator, so
//! it can be tested without a clock.

use std::{fmt, str::FromStr, time::Duration};

use rand::{RngExt, rngs::StdRng};
use rand_distr::{Distribution, Exp1};

use crate::plan::{Purpose, rng};

/// The highest rate that can be asked for, in trips per second: far more than one process can make.
const MAX_RATE: f64 = 1_000_000.0;

/// How the starts are spread at a given rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Arrivals {
    /// At random, each independent of the others, as strangers come to a shop: the times between
    /// them are exponentially distributed.
    Poisson,
    /// At equal distances.
    Even,
    /// In groups of one to six at the same moment, as shoppers come by bus: the groups come at
    /// random, and there are as many trips as at the same rate otherwise.
    Bursty,
}

impl fmt::Display for Arrivals {
    /// As `--arrivals` has it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = clap::ValueEnum::to_possible_value(self).expect("each of them can be chosen");
        f.write_str(word.get_name())
    }
}

/// The most trips that start at the same moment when they are bursty.
const MAX_BURST: u32 = 6;

/// The intended starts of the trips, since the start of the run.
///
/// First, the starts are points on a line of expected trips: at equal distances of 1 (even), or at
/// exponentially distributed distances of mean 1 (Poisson). Bursty starts are groups at the same
/// point, and the distances between groups have the mean of a group's size. Then the rate profile
/// turns each point into a time: at 10 trips a second, point 5 is at 0.5 s. So all kinds follow every
/// ramp exactly.
/// See <https://en.wikipedia.org/wiki/Poisson_point_process#Inhomogeneous_Poisson_point_process>.
#[derive(Debug)]
pub struct Schedule {
    profile: RateProfile,
    arrivals: Arrivals,
    rng: StdRng,
    /// How many trips are expected until the next start.
    expected: f64,
    /// How many more start at that moment.
    left_in_group: u32,
}

impl Schedule {
    /// The schedule of a rate profile. The same seed gives the same schedule.
    #[must_use]
    pub fn new(profile: RateProfile, arrivals: Arrivals, seed: u64) -> Self {
        let rng = rng(seed, Purpose::Arrivals, 0, 0);
        let mut schedule = Self { profile, arrivals, rng, expected: 0.0, left_in_group: 0 };
        if arrivals != Arrivals::Even {
            schedule.expected = schedule.distance();
        }
        schedule
    }

    fn distance(&mut self) -> f64 {
        match self.arrivals {
            Arrivals::Even => 1.0,
            Arrivals::Poisson => Exp1.sample(&mut self.rng),
            Arrivals::Bursty if self.left_in_group > 0 => {
                self.left_in_group -= 1;
                0.0
            }
            Arrivals::Bursty => {
                self.left_in_group = self.rng.random_range(0..MAX_BURST);
                let mean_size = f64::from(1 + MAX_BURST) / 2.0;
                let distance: f64 = Exp1.sample(&mut self.rng);
                distance * mean_size
            }
        }
    }
}

impl Iterator for Schedule {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        let start = self.profile.time_of(self.expected)?;
        self.expected += self.distance();
        Some(start)
    }
}

/// Trips per second: from 0 to a million.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Rate(f64);

/// Why a text is not a rate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not a rate; expected trips per second from 0 to 1000000 as a number without a unit, \
     such as 100 or 0.5"
)]
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

/// A ramp: the rate changes evenly from what it was to `target`.
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

/// An interval of time in which the rate changes evenly.
#[derive(Clone, Copy, Debug)]
struct Segment {
    /// When it begins, in seconds since the start of the run.
    start: f64,
    /// How long it is, in seconds; may be infinite.
    length: f64,
    /// The rate at its start.
    from: f64,
    /// By how much the rate grows each second.
    slope: f64,
    /// How many trips are expected before it.
    expected_before: f64,
}

impl RateProfile {
    /// The same rate without end.
    #[must_use]
    pub fn constant(rate: Rate) -> Self {
        let length = f64::INFINITY;
        Self(vec![Segment { start: 0.0, length, from: rate.0, slope: 0.0, expected_before: 0.0 }])
    }

    /// Ramps that begin at the rate `from`, or at 0. The profile ends with the last ramp.
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

    /// How many trips are expected from the start of the run until `time`.
    #[must_use]
    pub fn expected_until(&self, time: Duration) -> f64 {
        let time = time.as_secs_f64();
        let begun = self.0.iter().rfind(|segment| segment.start <= time);
        begun.map_or(0.0, |segment| {
            segment.expected_before
                + segment.expected_until((time - segment.start).min(segment.length))
        })
    }

    /// When the profile ends; `None` if it never does.
    #[must_use]
    pub fn end(&self) -> Option<Duration> {
        let last = self.0.last()?;
        Duration::try_from_secs_f64(last.start + last.length).ok()
    }

    /// When `expected` trips have been expected since the start; `None` if that never happens.
    fn time_of(&self, expected: f64) -> Option<Duration> {
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

    /// The inverse of [`expected_until`](Self::expected_until): after how many seconds so many
    /// trips are expected. It is past the segment's end, or infinite, if they never are.
    ///
    /// It is the root of a quadratic equation, in the form that is exact also for a slope of zero.
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
    use proptest::prelude::*;

    use super::*;

    fn constant(rate: f64) -> RateProfile {
        RateProfile::constant(rate.to_string().parse().unwrap())
    }

    fn starts(rate: f64, arrivals: Arrivals, seed: u64, seconds: u64) -> Vec<f64> {
        Schedule::new(constant(rate), arrivals, seed)
            .take_while(|start| *start < Duration::from_secs(seconds))
            .map(|start| start.as_secs_f64())
            .collect()
    }

    fn gaps(starts: &[f64]) -> Vec<f64> {
        starts.windows(2).map(|two| two[1] - two[0]).collect()
    }

    /// The greatest distance between the distribution of a sample and the one it should have:
    /// the statistic of the Kolmogorov-Smirnov test.
    fn distance(mut sample: Vec<f64>, distribution: impl Fn(f64) -> f64) -> f64 {
        sample.sort_by(f64::total_cmp);
        let n = sample.len() as f64;
        let distances = sample.iter().enumerate().map(|(index, &value)| {
            let (below, above) = (index as f64 / n, (index + 1) as f64 / n);
            (distribution(value) - below).abs().max((above - distribution(value)).abs())
        });
        distances.fold(0.0, f64::max)
    }

    #[test]
    fn even_starts_are_at_equal_distances_and_the_first_is_at_once() {
        let starts = starts(4.0, Arrivals::Even, 1, 1);
        assert_eq!(starts, [0.0, 0.25, 0.5, 0.75]);
    }

    #[test]
    fn poisson_gaps_are_exponentially_distributed() {
        let rate = 1000.0;
        let starts = starts(rate, Arrivals::Poisson, 42, 20);
        let gaps = gaps(&starts);
        // 1.63 / sqrt(n) is the critical value of the test at a significance of 1%.
        let critical = 1.63 / (gaps.len() as f64).sqrt();
        let distance = distance(gaps, |gap| 1.0 - (-rate * gap).exp());
        assert!(distance < critical, "{distance} against {critical}");
        // Within 1% of 20,000: the standard deviation is 141.
        assert!((19_800..20_200).contains(&starts.len()), "{}", starts.len());
    }

    #[test]
    fn poisson_starts_of_a_ramp_are_spread_as_its_rate() {
        let stages: Stages = "10s@1000".parse().unwrap();
        let profile = RateProfile::ramps(None, &stages);
        let starts: Vec<_> = Schedule::new(profile, Arrivals::Poisson, 7).collect();
        let critical = 1.63 / (starts.len() as f64).sqrt();
        let sample = starts.iter().map(Duration::as_secs_f64).collect();
        let distance = distance(sample, |start| (start / 10.0).powi(2));
        assert!(distance < critical, "{distance} against {critical}");
    }

    #[test]
    fn bursty_starts_come_in_groups_at_the_rate_that_was_asked_for() {
        let starts = starts(1000.0, Arrivals::Bursty, 42, 20);
        assert!((19_000..21_000).contains(&starts.len()), "{}", starts.len());
        let groups: Vec<_> = starts.chunk_by(|one, next| one == next).map(<[f64]>::len).collect();
        for size in 1..=MAX_BURST as usize {
            let share = groups.iter().filter(|group| **group == size).count() * 6;
            assert!((groups.len() * 8 / 10..groups.len() * 12 / 10).contains(&share), "{size}");
        }
        assert!(groups.iter().all(|group| *group <= MAX_BURST as usize));
    }

    proptest! {
        #[test]
        fn starts_never_go_back_and_follow_the_seed(
            rate in 0.01_f64..5000.0,
            seed: u64,
            arrivals in prop::sample::select(
                vec![Arrivals::Even, Arrivals::Poisson, Arrivals::Bursty]),
        ) {
            let schedule = Schedule::new(constant(rate), arrivals, seed);
            let starts: Vec<_> = schedule.take(500).collect();
            prop_assert!(starts.is_sorted());
            let again = Schedule::new(constant(rate), arrivals, seed);
            prop_assert_eq!(starts, again.take(500).collect::<Vec<_>>());
        }

        #[test]
        fn an_even_schedule_starts_exactly_as_many_trips_as_asked(
            rate in 1_u32..3000,
            seconds in 1_u64..5,
        ) {
            let starts = starts(f64::from(rate), Arrivals::Even, 0, seconds);
            prop_assert_eq!(starts.len() as u64, u64::from(rate) * seconds);
        }

        #[test]
        fn even_ramps_start_as_many_trips_as_their_area(
            // Stages that are all at rate 0 are refused.
            stages in prop::collection::vec((1_u64..20, 0_u32..300), 1..5)
                .prop_filter("a rate above zero", |stages| stages.iter().any(|stage| stage.1 > 0)),
        ) {
            let text: Vec<_> = stages.iter().map(|(s, rate)| format!("{s}s@{rate}")).collect();
            let profile = RateProfile::ramps(None, &text.join(",").parse().unwrap());
            let mut from = 0.0;
            let area: f64 = stages.iter().map(|&(seconds, rate)| {
                let area = (from + f64::from(rate)) / 2.0 * seconds as f64;
                from = f64::from(rate);
                area
            }).sum();
            let count = Schedule::new(profile, Arrivals::Even, 0).count() as f64;
            prop_assert!((count - area).abs() <= 1.0, "{count} of {area}");
        }
    }

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
        let expected = [0, 5, 10, 20, 30, 40, 99];
        let expected = expected.map(|s| profile.expected_until(Duration::from_secs(s)));
        assert_eq!(expected, [0.0, 125.0, 500.0, 1500.0, 2500.0, 3000.0, 3000.0]);
    }

    #[test]
    fn a_constant_rate_never_ends() {
        let profile = RateProfile::constant("2".parse().unwrap());
        assert_eq!(profile.time_of(7_200.0), Some(Duration::from_secs(3600)));
        assert_eq!(profile.end(), None);
        assert_eq!(profile.expected_until(Duration::from_millis(2500)), 5.0);
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
