//! What is said of a run when it is over: as text, as JSON, as a page, against an earlier run and
//! against assertions.
//!
//! Everything is drawn from one [`Document`], so that no two forms can disagree:
//!
//! - [`args`]: the command line;
//! - [`document`]: the report as data, drawn up from what was measured;
//! - `text`, `html`: its forms for people;
//! - `metric`: the figures that have a name, for `assertion` and `comparison`;
//! - `units`: figures as people read them.

pub mod args;
pub mod assertion;
mod comparison;
pub mod document;
mod error;
mod html;
mod metric;
#[cfg(test)]
pub(crate) mod sample;
mod text;
pub(crate) mod units;

pub use args::{Format, ReportArgs};
pub use assertion::Assertions;
pub use comparison::compare;
pub use document::{Document, SCHEMA};
pub use error::ReportError;
pub use html::page;
pub use text::text;

use crate::statistics::Snapshot;
use document::Verdict;
use opentelemetry::trace::TraceId;
use shared::output;

use std::io::{self, Write as _};
use std::path::Path;
use std::time::SystemTime;

/// What a run was asked to do, in the words of its report.
#[derive(Clone, Debug)]
pub struct Run {
    /// When it started.
    pub started_at: SystemTime,
    /// The store that it visits.
    pub store_url: String,
    /// The page that shows its traces.
    pub ui_url: String,
    /// The model of arrivals, such as `open: 200 trips/s, Poisson`.
    pub model: String,
    /// The kinds of trip and their weights.
    pub mix: String,
    /// What decides the sequence of trips.
    pub seed: u64,
    /// Threads that shop.
    pub threads: usize,
    /// Faults that its trips ask for.
    pub faults: Vec<String>,
}

/// A report that is sure, before any load is made, that it can be written at the end.
#[derive(Debug)]
pub struct Report {
    args: ReportArgs,
    earlier: Option<Document>,
}

impl Report {
    /// Reads the earlier run and looks whether the page has a place.
    ///
    /// # Errors
    ///
    /// [`ReportError`] when the earlier report cannot be read or is none, or the page's folder
    /// does not exist: wrong usage, all of them.
    pub fn prepare(args: &ReportArgs) -> Result<Self, ReportError> {
        let earlier = args.compare.as_deref().map(comparison::read).transpose()?;
        if let Some(path) = &args.html {
            find_place(path)?;
        }
        Ok(Report { args: args.clone(), earlier })
    }

    /// Says how the run went, in every form that was asked for, and whether all assertions hold.
    ///
    /// Assertions that fail are said on standard error first. Then `settle` ends the telemetry, so
    /// that the report has the final account of the spans and its links lead to whole traces.
    ///
    /// # Errors
    ///
    /// [`ReportError`] when the report cannot be written.
    pub fn conclude(
        &self,
        run: &Run,
        snapshot: &Snapshot,
        settle: impl FnOnce() -> telemetry::Snapshot,
    ) -> Result<bool, ReportError> {
        let mut document = Document::new(run, snapshot);
        if let Some(assertions) = &self.args.assert {
            document.assertions = assertions.judge(&document);
        }
        document.comparison = self.earlier.as_ref().map(|earlier| compare(earlier, &document));
        say_what_failed(&document.assertions)?;
        document.telemetry = document::Telemetry::from(&settle());
        self.write(&document)?;
        Ok(document.assertions.iter().all(|verdict| verdict.passed))
    }

    fn write(&self, document: &Document) -> Result<(), ReportError> {
        let mut report = match self.args.output {
            Format::Text => text(document),
            Format::Json => serde_json::to_string_pretty(document)?,
        };
        if !report.ends_with('\n') {
            report.push('\n');
        }
        // What was said before the report comes before it also where both go to one terminal.
        output::finish();
        print(&report)?;
        if let Some(path) = &self.args.html {
            std::fs::write(path, page(document))
                .map_err(|source| ReportError::Page { path: path.clone(), source })?;
        }
        Ok(())
    }
}

fn say_what_failed(verdicts: &[Verdict]) -> io::Result<()> {
    let mut stderr = output::stderr();
    verdicts.iter().filter(|verdict| !verdict.passed).try_for_each(|verdict| {
        let Verdict { assertion, measured, .. } = verdict;
        writeln!(stderr, "assertion failed: {assertion}: measured {measured}")
    })
}

/// Writes to standard output. Whoever reads no further has seen enough.
fn print(report: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(report.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        outcome => outcome,
    }
}

/// Where the trace of this id can be seen.
pub(crate) fn trace_url(ui_url: &str, trace_id: TraceId) -> String {
    format!("{}/trace/{trace_id}", ui_url.trim_end_matches('/'))
}

/// Whether a file can be at `path`, without making one: the run may yet fail.
fn find_place(path: &Path) -> Result<(), ReportError> {
    let no_place = |problem| Err(ReportError::NoPlace { path: path.to_owned(), problem });
    if path.is_dir() {
        return no_place("is a folder; expected a file");
    }
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() && !folder.is_dir() => {
            no_place("its folder does not exist")
        }
        _ => Ok(()),
    }
}
