use super::{compare, read};
use crate::report::document::Direction;
use crate::report::{ReportError, sample};
use std::io::Write as _;

#[test]
fn a_run_differs_by_amount_percent_and_direction() {
    let now = sample::document();
    let mut earlier = now.clone();
    earlier.latency.corrected.p50_us = now.latency.corrected.p50_us * 2;
    earlier.rate.started_per_s = now.rate.started_per_s * 2.0;
    earlier.trips.failed = 0;
    earlier.run.model = "open: 20 trips/s, even".to_owned();
    let comparison = compare(&earlier, &now);
    let of = |metric: &str| {
        let found = comparison.differences.iter().find(|d| d.metric == metric).unwrap();
        (found.percent, found.direction)
    };
    assert_eq!(of("p50"), (Some(-50.0), Direction::Better));
    assert_eq!(of("rate"), (Some(-50.0), Direction::Worse));
    assert_eq!(of("failures"), (None, Direction::Worse), "there is no percentage of nothing");
    assert_eq!(of("p99"), (Some(0.0), Direction::Same));
    assert_eq!(of("POST /checkout p99"), (Some(0.0), Direction::Same));
    assert_eq!(comparison.settings, ["model: open: 20 trips/s, even -> open: 10 trips/s, even"]);
}

#[test]
fn what_only_one_run_has_is_not_compared() {
    let now = sample::document();
    let mut earlier = now.clone();
    earlier.latency.corrected.count = 0;
    earlier.steps.clear();
    let metrics: Vec<_> =
        compare(&earlier, &now).differences.into_iter().map(|d| d.metric).collect();
    assert!(metrics.contains(&"service_p99".to_owned()), "{metrics:?}");
    assert!(!metrics.iter().any(|m| m == "p99" || m.starts_with("GET")), "{metrics:?}");
}

#[test]
fn a_written_report_is_read_again_whole() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    let document = sample::document();
    serde_json::to_writer_pretty(&mut file, &document).unwrap();
    assert_eq!(read(file.path()).unwrap(), document);
}

#[test]
fn a_field_that_a_later_version_added_is_no_harm() {
    let mut value = serde_json::to_value(sample::document()).unwrap();
    value["weather"] = "fair".into();
    let mut file = tempfile::NamedTempFile::new().unwrap();
    write!(file, "{value}").unwrap();
    assert_eq!(read(file.path()).unwrap(), sample::document());
}

#[test]
fn what_is_no_report_is_refused_by_name() {
    let other = r#"{"schema": "grocery-shopper-report/2", "all": "else"}"#;
    let refusals = [
        ("", "not a report of the shopper (written by --output json): EOF while parsing"),
        ("[1, 2]", "not a report of the shopper"),
        ("{}", "not a report of the shopper (written by --output json): missing field `schema`"),
        (r#"{"schema": 7}"#, "not a report of the shopper"),
        (other, r#"its schema is "grocery-shopper-report/2", and only "grocery-shopper-report/1""#),
        (r#"{"schema": "grocery-shopper-report/1"}"#, "missing field `generator`"),
    ];
    for (content, problem) in refusals {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        write!(file, "{content}").unwrap();
        let error = read(file.path()).unwrap_err().to_string();
        let name = format!("--compare {}: ", file.path().display());
        assert!(error.starts_with(&name) && error.contains(problem), "{content:?}: {error}");
    }
    let folder = tempfile::tempdir().unwrap();
    let missing = read(&folder.path().join("old.json")).unwrap_err();
    assert!(matches!(missing, ReportError::Unreadable { .. }), "{missing}");
}
