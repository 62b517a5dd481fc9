use std::path::PathBuf;

use tempfile::TempDir;

use super::merged;
use crate::{report::sample, result::RunResult};

/// What is changed in a report.
type Change = fn(&mut RunResult);

/// A folder with reports of these names, each changed in its way.
fn folder(reports: &[(&str, Change)]) -> (TempDir, Vec<PathBuf>) {
    let folder = tempfile::tempdir().unwrap();
    let write = |(name, change): &(&str, Change)| {
        let mut result = sample::result();
        change(&mut result);
        let path = folder.path().join(name);
        std::fs::write(&path, serde_json::to_vec(&result).unwrap()).unwrap();
        path
    };
    let paths = reports.iter().map(write).collect();
    (folder, paths)
}

fn share(result: &mut RunResult, share: &str) {
    result.run.shares = vec![share.parse().unwrap()];
}

#[test]
fn the_shares_of_a_run_are_one_run_also_when_some_were_merged_before() {
    let (folder, paths) = folder(&[
        ("1.json", |r| share(r, "1/3")),
        ("2.json", |r| share(r, "2/3")),
        ("3.json", |r| share(r, "3/3")),
    ]);
    let all = merged(&paths).unwrap();
    let two = folder.path().join("two.json");
    std::fs::write(&two, serde_json::to_vec(&merged(&paths[..2]).unwrap()).unwrap()).unwrap();
    let again = merged(&[two, paths[2].clone()]).unwrap();
    assert_eq!((all.trips, all.latency), (again.trips, again.latency));
    assert_eq!(again.run.shares, all.run.shares);
    assert_eq!(all.run.threads, 3 * sample::settings().threads);
}

#[test]
fn a_report_alone_comes_out_as_it_went_in() {
    let (_folder, paths) = folder(&[("1.json", |_| ())]);
    let mut result = merged(&paths).unwrap();
    // The mean of its trips' asked rate goes by way of a count.
    result.timeline = sample::result().timeline;
    assert_eq!(result, sample::result());
}

#[test]
fn what_is_not_of_one_run_is_refused_by_the_names_of_both_files() {
    let refusals: [(Change, &str); 6] = [
        (|r| share(r, "1/3"), "A has the share 1/3 too"),
        (|r| share(r, "2/4"), r#"its number of shares is "4", and that of A is "3""#),
        (|r| r.run.seed = 7, r#"its seed is "7", and that of A is "42""#),
        (|r| r.run.model = "closed".to_owned(), r#"its model is "closed", and that of A is"#),
        (|r| r.run.mix = "none".to_owned(), r#"its mix is "none", and that of A is"#),
        (|r| r.run.faults.clear(), r#"its faults is "", and that of A is "stall=Aisle:1s@5%""#),
    ];
    for (change, expected) in refusals {
        let (_folder, paths) = folder(&[("a.json", |r| share(r, "1/3")), ("b.json", change)]);
        let error = merged(&paths).unwrap_err().to_string();
        let [a, b] = [&paths[0], &paths[1]].map(|path| path.display().to_string());
        let expected = format!("{b}: {}", expected.replace('A', &a));
        assert!(error.starts_with(&expected.replace(&format!("{a}isle"), "Aisle")), "{error}");
        assert!(error.ends_with("; only the shares of one run can be merged"), "{error}");
    }
    let (_folder, paths) = folder(&[("a.json", |_| ()), ("b.json", |_| ())]);
    let error = merged(&paths).unwrap_err().to_string();
    assert!(error.contains("a.json is of the whole run too"), "{error}");
}
