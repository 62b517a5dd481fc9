//! The report of a run: as text, as JSON and as a page, compared with an earlier run, and checked
//! by assertions. All of it reads the one [`RunResult`]:
//!
//! - `text`, `html`: the forms for people, with the `columns` that they share;
//! - `file`, `merge`: reports that were written, and several of them as one;
//! - `metric`: the figures that have a name, for `assertion` and `comparison`;
//! - `units`: formats figures for people.

mod assertion;
mod columns;
mod comparison;
mod file;
mod html;
mod merge;
mod metric;
#[cfg(test)]
pub(crate) mod sample;
mod text;
pub(crate) mod units;

pub use assertion::{AssertionError, Assertions};
pub use comparison::compare;
pub use html::page;
pub use merge::{MergeArgs, merge};
pub use text::text;

use std::{
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use clap::builder::StyledStr;
use metric::Metric;
use shared::output;

use crate::result::{RunResult, Verdict};

/// How a run is shown and checked.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Report")]
pub struct ReportArgs {
    /// What is written of it at the end.
    #[command(flatten)]
    pub forms: FormArgs,

    /// Page of the trace viewer or of a Jaeger, for links to traces
    #[arg(
        long,
        env = "SHOPPER_UI_URL",
        value_name = "URL",
        default_value = "http://127.0.0.1:16686"
    )]
    pub ui_url: url::Url,

    /// Also write each receipt to this file as soon as it is there, after what the file has: a JSON object a
    /// line, with the order's idempotency key, its id and its total [default: none]
    #[arg(long, env = "SHOPPER_RECEIPTS", value_name = "FILE")]
    pub receipts: Option<PathBuf>,

    /// Show nothing during the run: neither the live view on a terminal nor a line every 10 s
    /// elsewhere [default: off]
    #[arg(short, long, env = "SHOPPER_QUIET")]
    pub quiet: bool,

    /// Kind of the terminal; one that is `dumb` gets lines instead of the live view
    #[arg(long, env = "TERM", hide = true)]
    pub term: Option<String>,
}

/// The forms of a report, and what is checked of it.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Report")]
pub struct FormArgs {
    /// Form of the report on standard output. With json nothing else is written there: console
    /// spans go to standard error
    #[arg(long, env = "SHOPPER_OUTPUT", value_enum, default_value_t, value_name = "FORM")]
    pub output: Format,

    /// Also write the report as JSON, which shopper/report.schema.json describes [default: none]
    #[arg(long, env = "SHOPPER_JSON", value_name = "FILE")]
    pub json: Option<PathBuf>,

    /// Also write the report as one self-contained page, with charts [default: none]
    #[arg(long, env = "SHOPPER_HTML", value_name = "FILE")]
    pub html: Option<PathBuf>,

    /// Compare this run with an earlier one, whose report --json or --output json wrote, and say
    /// which differences are more than noise [default: none]
    #[arg(long, env = "SHOPPER_COMPARE", value_name = "OLD.json")]
    pub compare: Option<PathBuf>,

    #[expect(missing_docs, reason = "its help is made of the list of metrics")]
    #[arg(long, env = "SHOPPER_ASSERT", value_name = "LIST", help = assert_help())]
    pub assert: Option<Assertions>,
}

/// A form of the report.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, clap::ValueEnum)]
pub enum Format {
    /// Text for people
    #[default]
    Text,
    /// JSON for programs, which shopper/report.schema.json describes
    Json,
}

fn assert_help() -> StyledStr {
    format!(
        "Exit with 1 unless all of these hold at the end, such as 'p99<50ms,failures<0.1%'. \
         Metrics: {}. Comparisons: < <= > >=. Units: us, µs, ms and s for times, /s for rates, \
         % for shares, none for counts. With --compare also against the earlier run: 'p99<+10%', \
         and 'worse<1' for no difference for the worse [default: none]",
        Metric::names()
    )
    .into()
}

/// Why a report could not be prepared, compared or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReportError {
    /// A report could not be read.
    #[error("{file}: cannot be read: {source}")]
    Unreadable {
        /// The file that was asked for, with the flag that named it.
        file: String,
        /// What the system says.
        source: io::Error,
    },
    /// The file is no report of a shopper.
    #[error("{file}: not a report of the shopper (written by --output json): {problem}")]
    Malformed {
        /// The file that was asked for, with the flag that named it.
        file: String,
        /// What is wrong in it, and where.
        problem: String,
    },
    /// The file is a report of another version.
    #[error("{file}: its schema is {found:?}, and only {expected:?} can be read")]
    OtherSchema {
        /// The file that was asked for, with the flag that named it.
        file: String,
        /// The schema that the file names.
        found: String,
        /// The schema that this version reads and writes.
        expected: &'static str,
    },
    /// Two reports that are to be merged were not made by shares of one run.
    #[error("{file}: {difference}; only the shares of one run can be merged")]
    OtherRun {
        /// The second of the two files.
        file: String,
        /// What differs, with the name of the first file.
        difference: String,
    },
    /// An assertion is about an earlier run, and none was named.
    #[error("--assert {0}: it is about an earlier run: name that with --compare")]
    NoEarlierRun(String),
    /// A file cannot be written at the path that was asked for.
    #[error("{flag} {}: {problem}", path.display())]
    NoPlace {
        /// The flag that asked for it.
        flag: &'static str,
        /// The file that was asked for.
        path: PathBuf,
        /// Why it cannot.
        problem: &'static str,
    },
    /// Writing a file failed.
    #[error("{flag} {}: cannot be written: {source}", path.display())]
    File {
        /// The flag that asked for it.
        flag: &'static str,
        /// The file that was asked for.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Writing to standard output failed.
    #[error("the report cannot be printed: {0}")]
    Print(#[source] io::Error),
    /// The report could not be put into JSON.
    #[error("the report cannot be put into JSON: {0}")]
    Json(#[from] serde_json::Error),
}

/// A report whose files were checked before the run, so that it can be written at the end.
#[derive(Debug)]
pub struct Report {
    args: FormArgs,
    earlier: Option<RunResult>,
}

impl Report {
    /// Reads the earlier run, and checks that the files can be written.
    ///
    /// # Errors
    ///
    /// [`ReportError`] when the earlier report cannot be read, an assertion needs one and none was
    /// named, or the folder of a file does not exist. All of them are wrong usage.
    pub fn prepare(args: &FormArgs) -> Result<Self, ReportError> {
        let read = |path: &Path| file::read(format!("--compare {}", path.display()), path);
        let earlier = args.compare.as_deref().map(read).transpose()?;
        let against = args.assert.as_ref().and_then(Assertions::first_against_earlier);
        if let (None, Some(assertion)) = (&earlier, against) {
            return Err(ReportError::NoEarlierRun(assertion.to_owned()));
        }
        for (flag, path) in [("--json", &args.json), ("--html", &args.html)] {
            if let Some(path) = path {
                find_place(flag, path)?;
            }
        }
        Ok(Report { args: args.clone(), earlier })
    }

    /// Writes the report in every form that was asked for, and returns whether all assertions hold.
    ///
    /// Assertions that do not hold are written to standard error first. Then `settle` ends the
    /// telemetry and accounts for the spans, so that the report has their final counts, and its links
    /// lead to complete traces.
    ///
    /// # Errors
    ///
    /// [`ReportError`] when the report cannot be written.
    pub fn conclude(
        &self,
        mut result: RunResult,
        settle: impl FnOnce(&mut RunResult),
    ) -> Result<bool, ReportError> {
        result.comparison = self.earlier.as_ref().map(|earlier| compare(earlier, &result));
        if let Some(assertions) = &self.args.assert {
            result.assertions = assertions.judge(&result);
        }
        say_what_failed(&result.assertions);
        settle(&mut result);
        self.write(&result)?;
        Ok(result.assertions.iter().all(|verdict| verdict.passed))
    }

    /// Writes the files, then standard output. So the files are written even if the reader of
    /// standard output is gone.
    fn write(&self, result: &RunResult) -> Result<(), ReportError> {
        let mut json = serde_json::to_string_pretty(result)?;
        json.push('\n');
        let write = |flag, path: &Option<PathBuf>, content: &dyn Fn() -> String| match path {
            Some(path) => fs::write(path, content()).map_err(|source| ReportError::File {
                flag,
                path: path.clone(),
                source,
            }),
            None => Ok(()),
        };
        write("--json", &self.args.json, &|| json.clone())?;
        write("--html", &self.args.html, &|| page(result))?;
        let printed = match self.args.output {
            Format::Text => text(result),
            Format::Json => json,
        };
        // Lines that wait for standard error are written first, so that they come before the report
        // if both go to one terminal.
        output::finish();
        let mut stdout = io::stdout().lock();
        match stdout.write_all(printed.as_bytes()).and_then(|()| stdout.flush()) {
            // The reader ended early, as in `shopper | head`.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            printed => printed.map_err(ReportError::Print),
        }
    }
}

fn say_what_failed(verdicts: &[Verdict]) {
    let mut stderr = output::stderr();
    for Verdict { assertion, measured, .. } in verdicts.iter().filter(|verdict| !verdict.passed) {
        // It fails if standard error is closed. The exit code says that an assertion failed anyway.
        writeln!(stderr, "assertion failed: {assertion}: measured {measured}").ok();
    }
}

/// Checks that a file can be written at `path`, without making one, since the run may still fail.
fn find_place(flag: &'static str, path: &Path) -> Result<(), ReportError> {
    let no_place = |problem| Err(ReportError::NoPlace { flag, path: path.to_owned(), problem });
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
