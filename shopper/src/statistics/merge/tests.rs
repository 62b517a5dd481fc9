use proptest::prelude::*;

use super::*;
use crate::{
    report::sample,
    result::SCHEMA,
    statistics::{Schedule, Statistics, StepEnd, StepRecord, TripRecord},
};

/// A trip that took so many microseconds, after a delay.
fn trip(us: u64, delay_us: u64, ending: usize, kind: usize) -> TripRecord {
    let endings = [
        Outcome::Bought,
        Outcome::Browsed,
        Outcome::GaveUp,
        Outcome::Failed(Failure::Connect),
        Outcome::Failed(Failure::Status(503)),
    ];
    let outcome = endings[ending];
    let started = Duration::from_micros(delay_us);
    let step = |step, share| StepRecord {
        step,
        service: Duration::from_micros(us / share),
        end: match outcome {
            Outcome::Failed(_) => StepEnd::Failed,
            Outcome::GaveUp => StepEnd::BrokenOff,
            _ => StepEnd::Answered,
        },
        traffic: Traffic { requests: 2, retries: 1, sent_bytes: us % 90, received_bytes: us % 700 },
        fault_answers: vec![],
    };
    TripRecord {
        intended: Duration::ZERO,
        started,
        ended: started + Duration::from_micros(us),
        kind: TripKind::ALL[kind],
        outcome,
        reason: outcome.failure().map(|failure| failure.to_string()),
        trace_id: None,
        faults: None,
        steps: vec![step(Step::Welcome, 3), step(Step::Checkout, 2)],
    }
}

/// The result of a share in which these trips ended, as it is read from a file.
fn result_of(share: Option<&str>, started_at: &str, trips: &[TripRecord], rate: f64) -> RunResult {
    let statistics = Statistics::new(Settings {
        started_at: started_at.to_owned(),
        shares: share.map(|share| share.parse().unwrap()).into_iter().collect(),
        ..sample::settings()
    });
    let recorder = statistics.recorder();
    for second in 1..=2 {
        if second == 2 {
            for trip in trips {
                recorder.started();
                recorder.finished(trip);
            }
            recorder.missed();
        }
        let time = Duration::from_secs(second);
        statistics.tick(time, Schedule { time, trips: Some(rate * second as f64) });
    }
    let written = serde_json::to_string(&statistics.result()).unwrap();
    serde_json::from_str(&written).unwrap()
}

fn merged(results: &[RunResult]) -> RunResult {
    let mut merge = Merge::new(&results[0].run);
    results.iter().for_each(|result| merge.add(result).unwrap());
    merge.finish()
}

const START: &str = "2027-01-15T08:00:00Z";

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn merged_results_are_those_of_one_shopper_that_made_all_trips(
        trips in prop::collection::vec(
            (0_usize..3, 1_u64..5_000_000, 0_u64..90_000, 0_usize..5, 0_usize..6), 0..80),
    ) {
        let shares = ["1/3", "2/3", "3/3"];
        let of = |share: Option<usize>| -> Vec<_> {
            let own = trips.iter().filter(|trip| share.is_none_or(|share| trip.0 == share));
            own.map(|&(_, us, delay, ending, kind)| trip(us, delay, ending, kind)).collect()
        };
        let results: Vec<_> = shares
            .iter()
            .enumerate()
            .map(|(index, share)| result_of(Some(share), START, &of(Some(index)), 10.0))
            .collect();
        let merged = merged(&results);
        let mut one = result_of(None, START, &of(None), 30.0);
        // One shopper misses one trip, and three miss three.
        one.trips.missed += 2;
        one.trips.scheduled += 2;
        prop_assert_eq!(&merged.trips, &one.trips);
        prop_assert_eq!(&merged.rate, &one.rate);
        prop_assert_eq!(&merged.requests, &one.requests);
        prop_assert_eq!(&merged.latency, &one.latency);
        prop_assert_eq!(&merged.distribution, &one.distribution);
        prop_assert_eq!(&merged.histograms, &one.histograms);
        prop_assert_eq!(&merged.steps, &one.steps);
        prop_assert_eq!(&merged.kinds, &one.kinds);
        prop_assert_eq!(&merged.outcomes, &one.outcomes);
        prop_assert_eq!(&merged.failures, &one.failures);
        prop_assert_eq!(&merged.failure_reasons, &one.failure_reasons);
        let slowest = |result: &RunResult| -> Vec<_> {
            result.slowest.iter().map(|trip| trip.latency_us).collect()
        };
        prop_assert_eq!(slowest(&merged), slowest(&one));
        let shares: Vec<_> = merged.run.shares.iter().map(ToString::to_string).collect();
        prop_assert_eq!(shares, ["1/3", "2/3", "3/3"]);
        prop_assert_eq!(merged.schema, SCHEMA);
    }
}

#[test]
fn time_lines_are_joined_by_second_from_the_earliest_start() {
    let trips = [trip(2_000, 0, 0, 1), trip(4_000, 0, 4, 1)];
    let results = [
        result_of(Some("1/2"), "2027-01-15T08:00:03Z", &trips[..1], 10.0),
        result_of(Some("2/2"), "2027-01-15T08:00:02Z", &trips, 20.0),
    ];
    let merged = merged(&results);
    assert_eq!(merged.run.started_at, "2027-01-15T08:00:02Z");
    assert_eq!((merged.run.elapsed.as_secs(), merged.run.scheduled.as_secs()), (3, 2));
    assert_eq!(merged.rate.target_per_s, Some(30.0));
    let second = |offset, target_per_s, completed, failed, max_us| Point {
        offset: Duration::from_secs(offset),
        length: Duration::from_secs(1),
        target_per_s: Some(target_per_s),
        started: completed + failed,
        completed,
        failed,
        missed: u64::from(completed > 0),
        max_us,
        ..Point::default()
    };
    let shown = |point: &Point| Point { p50_us: None, p90_us: None, p99_us: None, ..point.clone() };
    let line: Vec<_> = merged.timeline.iter().map(shown).collect();
    assert_eq!(
        line,
        [
            second(0, 20.0, 0, 0, None),
            second(1, 30.0, 1, 1, Some(4_000)),
            second(2, 10.0, 1, 0, Some(2_000)),
        ]
    );
    assert_eq!(merged.slowest[0].latency_us, 4_000);
    let offsets: Vec<_> = merged.slowest.iter().map(|trip| trip.offset.as_millis()).collect();
    assert_eq!(offsets, [4, 1_002, 2], "since the earliest start");
}

#[test]
fn a_long_run_has_as_few_points_as_that_of_one_shopper() {
    let mut result = result_of(Some("1/1"), START, &[], 10.0);
    let point = |offset| Point {
        offset: Duration::from_secs(offset),
        length: Duration::from_secs(4),
        target_per_s: Some(10.0),
        started: 40,
        ..Point::default()
    };
    result.timeline = (0..3600).map(|n| point(n * 4)).collect();
    result.run.elapsed = Duration::from_secs(4 * 3600);
    let merged = merged(&[result]);
    assert!(merged.timeline.len() < MAX_POINTS, "{}", merged.timeline.len());
    assert_eq!(merged.timeline.iter().map(|point| point.started).sum::<u64>(), 3600 * 40);
    assert!(merged.timeline.iter().all(|point| point.target_per_s == Some(10.0)));
}

#[test]
fn spans_are_added_up_by_exporter() {
    let merged = merged(&[sample::result(), sample::result()]);
    let one = sample::result().telemetry;
    assert_eq!(merged.telemetry.ended, 2 * one.ended);
    let exported = |of: &Telemetry| -> Vec<_> {
        of.exporters.iter().map(|e| (e.name.clone(), e.exported, e.dropped)).collect()
    };
    let twice: Vec<_> =
        exported(&one).into_iter().map(|(name, n, dropped)| (name, 2 * n, 2 * dropped)).collect();
    assert_eq!(exported(&merged.telemetry), twice);
}

#[test]
fn a_result_that_contradicts_itself_is_refused_and_it_is_said_where() {
    /// What is changed in a result, and what is then said of it.
    type Case = (fn(&mut RunResult), &'static str);
    let changes: [Case; 9] = [
        (|r| r.run.started_at = "noon".to_owned(), "run.started_at: \"noon\" is no time"),
        (|r| r.trips.failed += 1, "outcomes and failures do not add up to trips"),
        (|r| r.trips.started = u64::MAX, "trips.started: 18446744073709551615 is larger"),
        (|r| r.outcomes.extend([("lost".to_owned(), 1)]), "outcomes: \"lost\" is not among"),
        (|r| r.failures.extend([("bought".to_owned(), 1)]), "failures: \"bought\" is not"),
        (|r| drop(r.steps.pop()), "steps: there is no \"POST /checkout\""),
        (|r| r.histograms.trip.service = None, "histograms: that of \"trip\" has 0 values"),
        (|r| drop(r.histograms.kinds.pop_first()), "histograms: that of \"big-basket\" has 0"),
        (
            |r| r.histograms.trip.corrected.as_mut().unwrap().v2.clear(),
            "histograms: that of \"trip\" ends too early",
        ),
    ];
    for (change, problem) in changes {
        let mut result = sample::result();
        change(&mut result);
        let error = Merge::new(&result.run).add(&result).unwrap_err();
        assert!(error.starts_with(problem), "{error}");
    }
}
