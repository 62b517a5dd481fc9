//! When the trips of the open model start: a schedule that nothing but its seed decides.
//!
//! The store's answers cannot slow it down: that is what makes the model open, and its latencies
//! true. A schedule is a plain iterator, so it can be tested without a clock.

mod profile;

pub use profile::{Rate, RateError, RateProfile, Stage, StageError, Stages};

use std::time::Duration;

use rand::rngs::StdRng;
use rand_distr::{Distribution, Exp1};

use crate::plan::{Purpose, rng};

/// How the starts are spread at a given rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Arrivals {
    /// At random, each independent of the others, as shoppers who don't know each other come: the
    /// times between them are exponentially distributed.
    Poisson,
    /// At equal distances.
    Even,
}

/// The intended starts of the trips, since the start of the run.
///
/// Starts are points at equal distances (even) or with exponential distances of mean 1 (Poisson)
/// on a line of expected trips, which the rate profile bends into time; so both follow every ramp
/// exactly. See <https://en.wikipedia.org/wiki/Poisson_point_process#Inhomogeneous_Poisson_point_process>.
#[derive(Debug)]
pub struct Schedule {
    profile: RateProfile,
    arrivals: Arrivals,
    rng: StdRng,
    /// How many trips are expected until the next start.
    expected: f64,
}

impl Schedule {
    /// The schedule of a rate profile. The same seed gives the same schedule.
    #[must_use]
    pub fn new(profile: RateProfile, arrivals: Arrivals, seed: u64) -> Self {
        let rng = rng(seed, Purpose::Arrivals, 0, 0);
        let mut schedule = Self { profile, arrivals, rng, expected: 0.0 };
        if arrivals == Arrivals::Poisson {
            schedule.expected = schedule.distance();
        }
        schedule
    }

    fn distance(&mut self) -> f64 {
        match self.arrivals {
            Arrivals::Even => 1.0,
            Arrivals::Poisson => Exp1.sample(&mut self.rng),
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

    proptest! {
        #[test]
        fn starts_never_go_back_and_follow_the_seed(
            rate in 0.01_f64..5000.0,
            seed: u64,
            arrivals in prop::sample::select(vec![Arrivals::Even, Arrivals::Poisson]),
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
}
