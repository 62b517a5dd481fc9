use super::compare;
use crate::{
    report::{Assertions, sample},
    result::{Direction, Percentiles, RunResult},
};

fn direction(earlier: &RunResult, now: &RunResult, metric: &str) -> (Option<f64>, Direction) {
    let comparison = compare(earlier, now);
    let found = comparison.differences.iter().find(|d| d.metric == metric).unwrap();
    (found.percent, found.direction)
}

#[test]
fn a_run_differs_by_amount_percent_and_direction() {
    let now = sample::result();
    let mut earlier = now.clone();
    earlier.latency.corrected.p50_us = now.latency.corrected.p50_us.map(|us| us * 2);
    earlier.trips.started = now.trips.started * 2;
    earlier.trips.failed = 0;
    earlier.timeline.iter_mut().for_each(|point| point.failed = 0);
    earlier.run.threads = 4;
    let of = |metric: &str| direction(&earlier, &now, metric);
    assert_eq!(of("p50"), (Some(-50.0), Direction::Better));
    assert_eq!(of("rate"), (Some(-50.0), Direction::Worse));
    assert_eq!(of("failures"), (None, Direction::Worse), "there is no percentage of nothing");
    assert_eq!(of("p99"), (Some(0.0), Direction::Same));
    assert_eq!(of("POST /checkout p99"), (Some(0.0), Direction::Same));
    let comparison = compare(&earlier, &now);
    assert_eq!(
        (comparison.settings, comparison.unlike),
        (vec!["threads: 4 -> 2".to_owned()], None)
    );
}

#[test]
fn runs_that_were_not_asked_for_the_same_are_not_judged_and_it_is_said_why() {
    let now = sample::result();
    for (change, why) in [
        (
            (|run| run.run.model = "open: 20 trips/s, even".to_owned()) as fn(&mut RunResult),
            "(model: open: 20 trips/s, even -> open: 10 trips/s, even)",
        ),
        (|run| run.run.mix = "impatient=1".to_owned(), "(mix: impatient=1 -> browse-only"),
        (|run| run.run.faults.clear(), "(faults: none -> stall=Aisle:1s@5%)"),
    ] {
        let mut earlier = now.clone();
        earlier.trips.started *= 2;
        change(&mut earlier);
        let comparison = compare(&earlier, &now);
        let unlike = comparison.unlike.unwrap();
        assert!(unlike.contains(why), "{unlike}");
        assert!(comparison.differences.iter().all(|d| d.direction == Direction::Unclear));
        assert!(comparison.differences.iter().all(|d| d.unclear.is_some()));
    }
    // Settings that do not change the load do not make runs unlike.
    let mut earlier = now.clone();
    (earlier.run.seed, earlier.run.threads) = (1, 7);
    earlier.run.store_url = "http://127.0.0.1:5001/".to_owned();
    assert_eq!(compare(&earlier, &now).unlike, None);
}

#[test]
fn a_difference_that_seconds_of_the_same_run_have_among_themselves_is_noise() {
    let now = sample::result();
    let mut earlier = now.clone();
    earlier.latency.corrected.p50_us = now.latency.corrected.p50_us.map(|us| us + us / 500);
    assert_eq!(direction(&earlier, &now, "p50").1, Direction::Noise);
    // One second of twenty stalled, and it alone decides the 99th percentile.
    earlier.latency.corrected.p99_us = Some(400_000);
    assert_eq!(direction(&earlier, &now, "p99").1, Direction::Noise);
    // Eight failures instead of six, of 201 trips.
    earlier.trips.failed = 8;
    assert_eq!(direction(&earlier, &now, "failures").1, Direction::Noise);
    // In a run without the stall, the same difference is more than noise.
    let mut quiet = now.clone();
    quiet.timeline.iter_mut().for_each(|point| point.p99_us = Some(10_000));
    earlier.timeline.clone_from(&quiet.timeline);
    assert_eq!(direction(&earlier, &quiet, "p99").1, Direction::Worse);
}

#[test]
fn a_run_of_few_seconds_does_not_say_what_is_noise() {
    let mut now = sample::result();
    now.timeline.truncate(4);
    let mut earlier = now.clone();
    earlier.latency.corrected.p50_us = Some(1);
    let comparison = compare(&earlier, &now);
    let p50 = comparison.differences.iter().find(|d| d.metric == "p50").unwrap();
    assert_eq!((p50.direction, p50.noise), (Direction::Unclear, None));
    assert_eq!(p50.unclear.as_deref(), Some("a run has fewer than 5 seconds with trips"));
}

#[test]
fn the_slowest_of_more_trips_is_not_held_against_the_slowest_of_fewer() {
    let now = sample::result();
    let mut earlier = now.clone();
    earlier.latency.corrected.count /= 2;
    earlier.latency.corrected.max_us = Some(1000);
    assert_eq!(direction(&earlier, &now, "max").1, Direction::Unclear);
    earlier.latency.corrected.count = now.latency.corrected.count;
    assert_ne!(direction(&earlier, &now, "max").1, Direction::Unclear);
}

#[test]
fn assertions_can_be_about_the_earlier_run() {
    let mut now = sample::result();
    let mut earlier = now.clone();
    earlier.latency.corrected.p50_us = now.latency.corrected.p50_us.map(|us| us / 2);
    now.comparison = Some(compare(&earlier, &now));
    let judged = |result: &RunResult, text: &str| {
        let verdict = text.parse::<Assertions>().unwrap().judge(result).remove(0);
        (verdict.passed, verdict.measured)
    };
    assert_eq!(judged(&now, "worse<1"), (false, "1".to_owned()));
    assert_eq!(judged(&now, "worse<=1"), (true, "1".to_owned()));
    assert_eq!(judged(&now, "p50<+10%"), (false, "+100.0%".to_owned()));
    assert_eq!(judged(&now, "p50 <= +101%"), (true, "+100.0%".to_owned()));
    assert_eq!(judged(&now, "p90<+1%"), (true, "+0.0%".to_owned()));
    assert_eq!(judged(&now, "rate>-5%"), (true, "+0.0%".to_owned()));
    earlier.run.mix = "impatient=1".to_owned();
    now.comparison = Some(compare(&earlier, &now));
    for text in ["worse<1", "p50<+1000%"] {
        let (passed, measured) = judged(&now, text);
        assert!(!passed && measured.starts_with("nothing: the runs were not asked"), "{measured}");
    }
}

#[test]
fn what_only_one_run_has_is_not_compared() {
    let now = sample::result();
    let mut earlier = now.clone();
    earlier.latency.corrected = Percentiles::default();
    earlier.steps.clear();
    let metrics: Vec<_> =
        compare(&earlier, &now).differences.into_iter().map(|d| d.metric).collect();
    assert!(metrics.contains(&"service_p99".to_owned()), "{metrics:?}");
    assert!(!metrics.iter().any(|m| m == "p99" || m.starts_with("GET")), "{metrics:?}");
}
