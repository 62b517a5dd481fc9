use super::text;
use crate::{
    report::{Assertions, compare, sample},
    statistics::Statistics,
};

/// The whole report as it is printed. If its form is to change, change `golden.txt`.
#[test]
fn the_report_is_aligned_and_has_units() {
    let mut result = sample::result();
    let assertions: Assertions = "p99<50ms, failures<0.1%, rate>=9/s".parse().unwrap();
    result.assertions = assertions.judge(&result);
    let mut earlier = result.clone();
    earlier.run.threads = 1;
    earlier.latency.corrected.p99_us = result.latency.corrected.p99_us.map(|us| us / 2);
    earlier.trips.failed = 12;
    earlier.steps.truncate(1);
    result.comparison = Some(compare(&earlier, &result));
    assert_eq!(text(&result), include_str!("golden.txt"), "\n{}", text(&result));
}

#[test]
fn a_run_without_a_trip_has_a_report_too() {
    let result = Statistics::new(sample::settings()).result();
    let text = text(&result);
    let trip = text.lines().find(|line| line.starts_with("trip ")).unwrap();
    assert_eq!(trip.split_whitespace().skip(1).collect::<String>(), "-------00");
    assert!(!text.contains("slowest trips"), "{text}");
}

#[test]
fn a_name_from_a_file_cannot_steer_the_terminal() {
    let mut result = sample::result();
    result.steps[0].name = "\x1b[2Jgone\r".to_owned();
    let text = text(&result);
    assert!(text.contains("\u{fffd}[2Jgone\u{fffd}"), "{text}");
    assert!(!text.chars().any(|c| c.is_control() && c != '\n'));
}
