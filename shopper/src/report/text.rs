//! The report as text, for a terminal.

use std::collections::BTreeMap;

use shared::fault::Ignored;

use super::{
    columns,
    units::{self, counted, part, some_micros},
};
use crate::result::{Comparison, Exporter, FaultCounts, Latencies, RunResult, SlowTrip};

/// The whole report as text, with units and aligned columns.
#[must_use]
pub fn text(result: &RunResult) -> String {
    let mut sections = vec![heading(result), totals(result), latencies(result)];
    sections.extend(faults(result));
    sections.extend(kinds(result));
    sections.extend(slowest(&result.slowest));
    sections.push(spans(result));
    sections.extend(verdicts(result));
    sections.extend(result.comparison.as_ref().map(comparison));
    printable(&sections.join("\n"))
}

fn heading(result: &RunResult) -> String {
    let run = &result.run;
    let mut rows = vec![
        row("run", format!("{}, {} long", run.started_at, units::seconds(run.elapsed))),
        row("load", format!("{}, {}", run.model, counted(run.threads as u64, "thread"))),
        row("mix", format!("{} (seed {})", run.mix, run.seed)),
        row("store", run.store_url.clone()),
    ];
    if !run.shares.is_empty() {
        rows.push(row("shares", units::shares(&run.shares)));
    }
    if !run.faults.is_empty() {
        rows.push(row("faults", run.faults.join(" ")));
    }
    labelled(&rows)
}

fn totals(result: &RunResult) -> String {
    let (trips, rate, requests) = (&result.trips, &result.rate, &result.requests);
    let of_target =
        rate.target_per_s.map(|target| format!(" of {}", units::rate(target))).unwrap_or_default();
    let mut rows = vec![
        row(
            "trips",
            format!(
                "{} started ({}{of_target}), {} missed ({} of {} scheduled)",
                units::count(trips.started),
                units::rate(rate.started_per_s),
                units::count(trips.missed),
                part(trips.missed, trips.scheduled),
                units::count(trips.scheduled),
            ),
        ),
        row(
            "",
            format!(
                "{} ended well ({}), {} gave up, {} failed ({}), {} under way",
                units::count(trips.completed),
                units::rate(rate.completed_per_s),
                units::count(trips.gave_up),
                units::count(trips.failed),
                part(trips.failed, trips.started),
                units::count(trips.in_flight),
            ),
        ),
        row("outcomes", tally(&result.outcomes)),
        row("failures", tally(&result.failures)),
    ];
    rows.extend(result.failure_reasons.iter().map(|(kind, why)| row("", format!("{kind}: {why}"))));
    rows.push(row(
        "requests",
        format!(
            "{} ({}), {}, {} sent, {} received",
            units::count(requests.requests),
            units::rate(rate.requests_per_s),
            counted_retries(requests.retries),
            units::bytes(requests.sent_bytes),
            units::bytes(requests.received_bytes),
        ),
    ));
    rows.retain(|row| !row[1].is_empty());
    labelled(&rows)
}

/// The latency of trips and steps from the intended start, and below each line that from the real
/// start.
fn latencies(result: &RunResult) -> String {
    let mut rows = vec![cells("latency", columns::LATENCY)];
    let mut add = |name: &str, latency: &Latencies, failures: u64| {
        let mut corrected = cells(name, columns::percentiles(&latency.corrected));
        corrected.extend([units::count(latency.corrected.count), units::count(failures)]);
        rows.push(corrected);
        if latency.service != latency.corrected {
            rows.push(cells("  service time", columns::percentiles(&latency.service)));
        }
    };
    add("trip", &result.latency, result.trips.failed);
    for step in &result.steps {
        add(&step.name, &step.latency, step.failures);
    }
    table(&rows)
}

/// What the store did about the faults that trips asked for.
fn faults(result: &RunResult) -> Option<String> {
    let mut rows = vec![cells("fault", columns::FAULT)];
    rows.extend(result.faults.iter().map(|(name, counts)| cells(name, columns::fault(counts))));
    let mut text = table(&rows);
    for (fault, counts) in &result.faults {
        for (reason, count) in &counts.reasons {
            let times = counted(*count, "time");
            text += &format!("  {fault} ignored {times}: {}\n", why_ignored(reason));
        }
    }
    (rows.len() > 1).then_some(text)
}

/// A reason as a sentence that says what helps.
fn why_ignored(reason: &str) -> String {
    let known = Ignored::ALL.into_iter().find(|known| known.name() == reason);
    match known {
        Some(known) => known.to_string(),
        None if reason == FaultCounts::SILENT => {
            "the answer does not speak of faults: the store knows none, or the baggage did not arrive"
                .to_owned()
        }
        None => reason.to_owned(),
    }
}

fn kinds(result: &RunResult) -> Option<String> {
    let rows = result.kinds.iter().filter(|kind| kind.trips > 0).map(|kind| {
        let failed =
            format!("{} ({})", units::count(kind.failures), part(kind.failures, kind.trips));
        let (p50, p99) = (some_micros(kind.p50_us), some_micros(kind.p99_us));
        cells(&kind.name, [p50, p99, units::count(kind.trips), failed])
    });
    let heads = cells("kind of trip", columns::KIND);
    let rows: Vec<_> = std::iter::once(heads).chain(rows).collect();
    (rows.len() > 1).then(|| table(&rows))
}

fn slowest(trips: &[SlowTrip]) -> Option<String> {
    let rows: Vec<_> = trips
        .iter()
        .map(|trip| {
            let trace = match &trip.trace {
                Some(trace) => match &trace.url {
                    Some(url) => url.clone(),
                    None => format!("{} (in no viewer)", trace.id),
                },
                None => "not sampled".to_owned(),
            };
            let failure = trip.failure.as_deref().map(|failure| format!("  {failure}"));
            let end = format!("{trace}{}", failure.unwrap_or_default());
            let latency = units::micros(trip.latency_us);
            let offset_s = trip.offset.as_secs_f64();
            format!("  {latency:>8}  at {offset_s:>8.1} s  {:<12} {end}\n", trip.kind)
        })
        .collect();
    (!rows.is_empty()).then(|| format!("slowest trips\n{}", rows.concat()))
}

fn spans(result: &RunResult) -> String {
    let telemetry = &result.telemetry;
    let exporter = |e: &Exporter| {
        let (exported, failed) = (units::count(e.exported), units::count(e.failed));
        let dropped = units::count(e.dropped);
        row("", format!("{}: {exported} exported, {failed} failed, {dropped} dropped", e.name))
    };
    let mut rows = vec![row("spans", format!("{} ended", units::count(telemetry.ended)))];
    rows.extend(telemetry.exporters.iter().map(exporter));
    labelled(&rows)
}

fn verdicts(result: &RunResult) -> Option<String> {
    let verdicts = &result.assertions;
    let width = verdicts.iter().map(|verdict| verdict.assertion.chars().count()).max()?;
    let line = |passed| if passed { "holds" } else { "FAILED" };
    let lines: String = verdicts
        .iter()
        .map(|v| format!("  {:<6}  {:<width$}  {}\n", line(v.passed), v.assertion, v.measured))
        .collect();
    Some(format!("assertions\n{lines}"))
}

fn comparison(comparison: &Comparison) -> String {
    let mut rows = vec![cells("metric", columns::DIFFERENCE)];
    let differences = comparison.differences.iter();
    rows.extend(
        differences.map(|difference| cells(&difference.metric, columns::difference(difference))),
    );
    let mut text = format!("compared with the run of {}\n", comparison.earlier_started_at);
    for setting in &comparison.settings {
        text += &format!("  other {setting}\n");
    }
    if comparison.unlike.is_some() {
        text += "  not judged: the runs were not asked for the same\n";
    }
    text + &table(&rows)
}

fn counted_retries(retries: u64) -> String {
    match retries {
        1 => "1 retry".to_owned(),
        _ => format!("{} retries", units::count(retries)),
    }
}

/// `bought 12, browsed 3`.
fn tally(counts: &BTreeMap<String, u64>) -> String {
    let named: Vec<_> =
        counts.iter().map(|(name, count)| format!("{name} {}", units::count(*count))).collect();
    named.join(", ")
}

fn row(label: &str, value: String) -> [String; 2] {
    [label.to_owned(), value]
}

/// Lines with a label at the beginning.
fn labelled(rows: &[[String; 2]]) -> String {
    rows.iter().map(|[label, value]| format!("{label:<10}{value}\n")).collect()
}

/// A row of a table: its name, and the cells behind it.
fn cells<const N: usize>(name: &str, cells: [impl Into<String>; N]) -> Vec<String> {
    std::iter::once(name.to_owned()).chain(cells.map(Into::into)).collect()
}

/// A table, with two spaces between columns: the first column is aligned left, the others right.
fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max()
    };
    let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
            line += &match column {
                0 => format!("{cell:<width$}"),
                _ => format!("  {cell:>width$}"),
            };
        }
        text += line.trim_end();
        text.push('\n');
    }
    text
}

/// Replaces control characters, which could steer the terminal: names may come from a file.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\n' { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests;
