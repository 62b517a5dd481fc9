use super::text;
use crate::report::{Assertions, compare, sample};

/// The whole report, as it is printed: change `golden.txt` when the form is meant to change.
#[test]
fn the_report_is_aligned_and_has_units() {
    let mut document = sample::document();
    let assertions: Assertions = "p99<50ms, failures<0.1%, rate>=9/s".parse().unwrap();
    document.assertions = assertions.judge(&document);
    let mut earlier = document.clone();
    earlier.run.threads = 1;
    earlier.latency.corrected.p99_us /= 2;
    earlier.trips.failed = 12;
    earlier.steps.truncate(1);
    document.comparison = Some(compare(&earlier, &document));
    assert_eq!(text(&document), include_str!("golden.txt"), "\n{}", text(&document));
}

#[test]
fn a_run_without_a_trip_has_a_report_too() {
    let mut document = sample::document();
    let nothing = crate::statistics::Statistics::new(1).snapshot();
    document = crate::report::Document {
        run: document.run,
        ..crate::report::Document::new(&sample::run(), &nothing)
    };
    let text = text(&document);
    let trip = text.lines().find(|line| line.starts_with("trip ")).unwrap();
    assert_eq!(trip.split_whitespace().skip(1).collect::<String>(), "-------00");
    assert!(!text.contains("slowest trips"), "{text}");
}

#[test]
fn a_name_from_a_file_cannot_steer_the_terminal() {
    let mut document = sample::document();
    document.steps[0].name = "\x1b[2Jgone\r".to_owned();
    let text = text(&document);
    assert!(text.contains("\u{fffd}[2Jgone\u{fffd}"), "{text}");
    assert!(!text.chars().any(|c| c.is_control() && c != '\n'));
}
