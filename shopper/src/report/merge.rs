//! `grocery report merge 1.json 2.json`: the reports of shoppers that shared a run, as one.

use std::{
    collections::BTreeMap,
    io::Write as _,
    path::{Path, PathBuf},
    process::ExitCode,
};

use shared::output;

use super::{FormArgs, Report, ReportError, file};
use crate::{
    config::RunShare,
    result::{RunResult, Settings},
    statistics::{MOST_MERGED, Merge},
};

/// The exit code of wrong usage, as clap has it: also for files that cannot be merged.
const WRONG_USAGE: u8 = 2;

/// Which reports to merge, and what to write of them.
#[derive(Clone, Debug, clap::Args)]
pub struct MergeArgs {
    /// Reports of the shares of one run, as --json or --output json wrote them
    #[arg(required = true, value_name = "FILE", num_args = 1..=MOST_MERGED)]
    files: Vec<PathBuf>,

    #[command(flatten)]
    forms: FormArgs,
}

/// Merges reports and writes the result.
///
/// The exit code is 0 if all assertions hold, 1 if one does not or the result cannot be written, and
/// 2 if the files cannot be merged.
#[must_use]
pub fn merge(args: &MergeArgs) -> ExitCode {
    let prepared = Report::prepare(&args.forms)
        .and_then(|report| merged(&args.files).map(|result| (report, result)));
    let (report, result) = match prepared {
        Ok(prepared) => prepared,
        Err(error) => return fail(&error, WRONG_USAGE.into()),
    };
    // The counts of spans are in the reports already.
    let code = match report.conclude(result, |_| ()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => fail(&error, ExitCode::FAILURE),
    };
    output::finish();
    code
}

fn fail(error: &ReportError, code: ExitCode) -> ExitCode {
    writeln!(output::stderr(), "grocery report merge: {error}").ok();
    output::finish();
    code
}

/// The reports in these files as one.
fn merged(files: &[PathBuf]) -> Result<RunResult, ReportError> {
    let mut shares = BTreeMap::<RunShare, &Path>::new();
    let mut first: Option<(&Path, Settings, Merge)> = None;
    // One at a time, since each may be large.
    for path in files {
        let name = path.display().to_string();
        let result = file::read(name.clone(), path)?;
        let other_run = |difference| ReportError::OtherRun { file: name.clone(), difference };
        let (first_path, settings, merge) = first
            .get_or_insert_with(|| (path.as_path(), result.run.clone(), Merge::new(&result.run)));
        if let Some(difference) = difference(first_path, settings, &result.run) {
            return Err(other_run(difference));
        }
        let whole = [RunShare::WHOLE];
        let own = if result.run.shares.is_empty() { &whole } else { &result.run.shares[..] };
        for share in own {
            if let Some(earlier) = shares.insert(*share, path) {
                let share = match share.is_whole() {
                    true => "is of the whole run".to_owned(),
                    false => format!("has the share {share}"),
                };
                return Err(other_run(format!("{} {share} too", earlier.display())));
            }
        }
        let malformed = |problem| ReportError::Malformed { file: name.clone(), problem };
        merge.add(&result).map_err(malformed)?;
    }
    let (_, _, merge) = first.expect("clap asks for a file at least");
    Ok(merge.finish())
}

/// The first setting that the reports of one run have in common and these do not.
fn difference(first_path: &Path, first: &Settings, other: &Settings) -> Option<String> {
    /// The name of a setting, and how it is shown.
    type Setting = (&'static str, fn(&Settings) -> String);
    let settings: [Setting; 5] = [
        ("seed", |run| run.seed.to_string()),
        ("model", |run| run.model.clone()),
        ("mix", |run| run.mix.clone()),
        ("faults", |run| run.faults.join(" ")),
        ("number of shares", |run| {
            run.shares.first().map_or(1, |share| share.count().get()).to_string()
        }),
    ];
    settings.into_iter().find_map(|(name, read)| {
        let (first, other) = (read(first), read(other));
        let first_path = first_path.display();
        (first != other)
            .then(|| format!("its {name} is {other:?}, and that of {first_path} is {first:?}"))
    })
}

#[cfg(test)]
mod tests;
