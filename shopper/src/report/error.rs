//! What can go wrong around a report: its files and its command line.

use std::io;
use std::path::PathBuf;

/// Why a report could not be prepared, compared or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReportError {
    /// The report to compare with could not be read.
    #[error("--compare {}: cannot be read: {source}", path.display())]
    Unreadable {
        /// The file that was asked for.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The file to compare with is no report of a shopper.
    #[error("--compare {}: not a report of the shopper (written by --output json): {problem}", path.display())]
    Malformed {
        /// The file that was asked for.
        path: PathBuf,
        /// What is wrong in it, and where.
        problem: String,
    },
    /// The file to compare with is a report in a form that this version does not know.
    #[error(
        "--compare {}: its schema is {found:?}, and only {expected:?} can be compared",
        path.display()
    )]
    OtherSchema {
        /// The file that was asked for.
        path: PathBuf,
        /// The schema that the file names.
        found: String,
        /// The schema that this version reads and writes.
        expected: &'static str,
    },
    /// The page cannot be written where it was asked for.
    #[error("--html {}: {problem}", path.display())]
    NoPlace {
        /// The file that was asked for.
        path: PathBuf,
        /// Why not.
        problem: &'static str,
    },
    /// Writing the page failed.
    #[error("--html {}: cannot be written: {source}", path.display())]
    Page {
        /// The file that was asked for.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Writing to standard output or standard error failed.
    #[error("the report cannot be printed: {0}")]
    Print(#[from] io::Error),
    /// The report could not be put into JSON.
    #[error("the report cannot be put into JSON: {0}")]
    Json(#[from] serde_json::Error),
}
