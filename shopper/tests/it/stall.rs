//! A store that stalls, in virtual time, so that the right percentiles can be calculated.

use std::time::Duration;

use shopper::{
    arrival::{Arrivals, RateProfile, Schedule},
    outcome::Outcome,
    plan::TripKind,
    result::{Percentiles, RunResult, Settings},
    statistics::{Schedule as Asked, Statistics, TripRecord},
};

const MS: Duration = Duration::from_millis(1);
const RUN: Duration = Duration::from_secs(20);
/// From the tenth second on the store stands still for one.
const STALL: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(11));

/// When a trip that reaches the store at `time` leaves it.
fn served(time: Duration) -> Duration {
    let stalled = (STALL.0..STALL.1).contains(&time);
    (if stalled { STALL.1 } else { time }) + MS
}

/// Runs 1,000 trips a second. `start(due, last_end)` says when a trip starts that is due at `due`,
/// if the one before ended at `last_end`. Returns the exact latencies as well.
fn simulate(start: impl Fn(Duration, Duration) -> Duration) -> (RunResult, Vec<Duration>) {
    let profile = RateProfile::constant("1000".parse().unwrap());
    let schedule = Schedule::new(profile, Arrivals::Poisson, 7);
    let statistics = Statistics::new(Settings::default());
    let recorder = statistics.recorder();
    let (mut last_end, mut latencies) = (Duration::ZERO, Vec::new());
    for intended in schedule.take_while(|due| *due < RUN) {
        let started = start(intended, last_end);
        let ended = served(started);
        recorder.started();
        recorder.finished(&TripRecord {
            intended,
            started,
            ended,
            kind: TripKind::QuickBuy,
            outcome: Outcome::Bought,
            reason: None,
            trace_id: None,
            faults: None,
            steps: vec![],
        });
        last_end = ended;
        latencies.push(ended - intended);
    }
    statistics.tick(RUN, Asked::default());
    latencies.sort();
    (statistics.result(), latencies)
}

fn p99(latency: &Percentiles) -> Duration {
    Duration::from_micros(latency.p99_us.unwrap())
}

fn assert_within_three_digits(measured: Duration, exact: Duration) {
    let ratio = measured.as_secs_f64() / exact.as_secs_f64();
    assert!((0.998..1.002).contains(&ratio), "{measured:?} measured, {exact:?} exact");
}

fn exact_p99(latencies: &[Duration]) -> Duration {
    latencies[latencies.len() * 99 / 100]
}

#[test]
fn trips_that_start_on_time_show_a_stall_in_full() {
    let (result, latencies) = simulate(|intended, _| intended);
    let measured = p99(&result.latency.corrected);
    assert_within_three_digits(measured, exact_p99(&latencies));
    // 1,000 of 20,000 trips waited evenly from 0 to 1 s, so 1% of all waited longer than 0.8 s.
    assert!(measured > 750 * MS && measured < 850 * MS, "{measured:?}");
}

#[test]
fn a_generator_that_the_stall_held_up_does_not_hide_it() {
    // One trip at a time, each as soon as the one before has ended: almost every trip is late.
    let (result, latencies) = simulate(|intended, last_end| intended.max(last_end));
    let corrected = p99(&result.latency.corrected);
    assert_within_three_digits(corrected, exact_p99(&latencies));
    assert!(corrected > 900 * MS, "{corrected:?}");
    // The service time alone hides the stall.
    assert!(p99(&result.latency.service) < 2 * MS);
}
