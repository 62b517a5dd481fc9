//! Reports that were written as JSON.

use std::{fs::File, io::Read as _, path::Path};

use serde::Deserialize;

use super::{ReportError, units};
use crate::result::{RunResult, SCHEMA};

/// The largest report that is read. Even that of a run of a week is far smaller: its time line has
/// 3,600 points at most, and its histograms are bounded too.
const MOST_BYTES: u64 = 64 * 1024 * 1024;

/// Reads the result in the file at `path`, which errors call `file`.
pub(super) fn read(file: String, path: &Path) -> Result<RunResult, ReportError> {
    let mut text = Vec::new();
    let read =
        File::open(path).and_then(|opened| opened.take(MOST_BYTES + 1).read_to_end(&mut text));
    if let Err(source) = read {
        return Err(ReportError::Unreadable { file, source });
    }
    if text.len() as u64 > MOST_BYTES {
        let problem = format!("larger than {}", units::bytes(MOST_BYTES));
        return Err(ReportError::Malformed { file, problem });
    }
    let malformed = |error: serde_json::Error| ReportError::Malformed {
        file: file.clone(),
        problem: error.to_string(),
    };
    // The version is read first, since a result of another version may lack fields of this one.
    let Version { schema } = serde_json::from_slice(&text).map_err(malformed)?;
    if schema != SCHEMA {
        return Err(ReportError::OtherSchema { file, found: schema, expected: SCHEMA });
    }
    serde_json::from_slice(&text).map_err(malformed)
}

#[derive(Deserialize)]
struct Version {
    schema: String,
}

#[cfg(test)]
mod tests;
