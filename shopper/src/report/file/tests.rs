use std::{io::Write as _, path::Path};

use super::read;
use crate::{
    report::{ReportError, sample},
    result::RunResult,
};

fn read_it(path: &Path) -> Result<RunResult, ReportError> {
    read(format!("--compare {}", path.display()), path)
}

#[test]
fn a_written_report_is_read_again_whole() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    let result = sample::result();
    serde_json::to_writer_pretty(&mut file, &result).unwrap();
    assert_eq!(read_it(file.path()).unwrap(), result);
}

#[test]
fn a_field_that_a_later_version_added_is_no_harm() {
    let mut value = serde_json::to_value(sample::result()).unwrap();
    value["weather"] = "fair".into();
    let mut file = tempfile::NamedTempFile::new().unwrap();
    write!(file, "{value}").unwrap();
    assert_eq!(read_it(file.path()).unwrap(), sample::result());
}

#[test]
fn what_is_no_report_is_refused_by_name() {
    let other = r#"{"schema": "grocery-shopper-report/1", "all": "else"}"#;
    let refusals = [
        ("", "not a report of the shopper (written by --output json): EOF while parsing"),
        ("[1, 2]", "not a report of the shopper"),
        ("{}", "not a report of the shopper (written by --output json): missing field `schema`"),
        (r#"{"schema": 7}"#, "not a report of the shopper"),
        (other, r#"its schema is "grocery-shopper-report/1", and only "grocery-shopper-report/3""#),
        (r#"{"schema": "grocery-shopper-report/3"}"#, "missing field `generator`"),
    ];
    for (content, problem) in refusals {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        write!(file, "{content}").unwrap();
        let error = read_it(file.path()).unwrap_err().to_string();
        let name = format!("--compare {}: ", file.path().display());
        assert!(error.starts_with(&name) && error.contains(problem), "{content:?}: {error}");
    }
    let folder = tempfile::tempdir().unwrap();
    let missing = read_it(&folder.path().join("old.json")).unwrap_err();
    assert!(matches!(missing, ReportError::Unreadable { .. }), "{missing}");
}

/// A huge file, named by mistake, must not take as much memory.
#[test]
fn a_report_is_read_up_to_a_bound() {
    let file = tempfile::NamedTempFile::new().unwrap();
    file.as_file().set_len(1 << 40).unwrap();
    let error = read_it(file.path()).unwrap_err().to_string();
    assert!(error.ends_with("larger than 64.0 MiB"), "{error}");
}
