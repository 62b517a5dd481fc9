//! The report for people, at a terminal.

mod table;

use super::document::{
    Comparison, Difference, Document, Exporter, Latencies, Percentiles, SlowTrip,
};
use super::units::{self, counted};
use std::collections::BTreeMap;
use table::table;

/// The whole report as text, with units and aligned columns.
#[must_use]
pub fn text(document: &Document) -> String {
    let mut sections = vec![heading(document), totals(document), latencies(document)];
    sections.extend(kinds(document));
    sections.extend(slowest(&document.slowest));
    sections.push(spans(document));
    sections.extend(verdicts(document));
    sections.extend(document.comparison.as_ref().map(comparison));
    printable(&sections.join("\n"))
}

fn heading(document: &Document) -> String {
    let run = &document.run;
    let mut rows = vec![
        row("run", format!("{}, {} s long", run.started_at, run.elapsed_s)),
        row("load", format!("{}, {}", run.model, counted(run.threads as u64, "thread"))),
        row("mix", format!("{} (seed {})", run.mix, run.seed)),
        row("store", run.store_url.clone()),
    ];
    if !run.faults.is_empty() {
        rows.push(row("faults", run.faults.join(" ")));
    }
    labelled(&rows)
}

fn totals(document: &Document) -> String {
    let (trips, rate, requests) = (&document.trips, &document.rate, &document.requests);
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
        row("outcomes", tally(&document.outcomes)),
        row("failures", tally(&document.failures)),
        row(
            "requests",
            format!(
                "{} ({}), {}, {} sent, {} received",
                units::count(requests.total),
                units::rate(rate.requests_per_s),
                counted_retries(requests.retries),
                units::bytes(requests.sent_bytes),
                units::bytes(requests.received_bytes),
            ),
        ),
    ];
    rows.retain(|row| !row[1].is_empty());
    labelled(&rows)
}

/// The latency of trips and steps, from the intended start, and under each from the real one.
fn latencies(document: &Document) -> String {
    let heads = ["latency", "p50", "p90", "p95", "p99", "p99.9", "max", "mean", "count", "failed"];
    let mut rows = vec![heads.map(str::to_owned).to_vec()];
    let mut add = |name: &str, latency: &Latencies, failures: u64| {
        let mut corrected = percentiles(name.to_owned(), &latency.corrected);
        corrected.extend([units::count(latency.corrected.count), units::count(failures)]);
        rows.push(corrected);
        if latency.service != latency.corrected {
            rows.push(percentiles("  service time".to_owned(), &latency.service));
        }
    };
    add("trip", &document.latency, document.trips.failed);
    for step in &document.steps {
        add(&step.name, &step.latency, step.failures);
    }
    table(&rows)
}

fn percentiles(name: String, of: &Percentiles) -> Vec<String> {
    let figures = [of.p50_us, of.p90_us, of.p95_us, of.p99_us, of.p99_9_us, of.max_us, of.mean_us];
    let shown = figures.map(|us| if of.count > 0 { units::micros(us) } else { "-".to_owned() });
    std::iter::once(name).chain(shown).collect()
}

fn kinds(document: &Document) -> Option<String> {
    let rows = document.kinds.iter().filter(|kind| kind.trips > 0).map(|kind| {
        let failed =
            format!("{} ({})", units::count(kind.failures), part(kind.failures, kind.trips));
        let (p50, p99) = (units::micros(kind.p50_us), units::micros(kind.p99_us));
        [kind.name.clone(), p50, p99, units::count(kind.trips), failed]
    });
    let heads = ["kind of trip", "p50", "p99", "count", "failed"].map(str::to_owned);
    let rows: Vec<_> = std::iter::once(heads).chain(rows).collect();
    (rows.len() > 1).then(|| table(&rows))
}

fn slowest(trips: &[SlowTrip]) -> Option<String> {
    let rows: Vec<_> = trips
        .iter()
        .map(|trip| {
            let end = match (&trip.failure, &trip.trace) {
                (Some(failure), Some(trace)) => format!("{}  {failure}", trace.url),
                (None, Some(trace)) => trace.url.clone(),
                (Some(failure), None) => format!("not sampled  {failure}"),
                (None, None) => "not sampled".to_owned(),
            };
            let latency = units::micros(trip.latency_us);
            format!("  {latency:>8}  at {:>8.1} s  {:<12} {end}\n", trip.offset_s, trip.kind)
        })
        .collect();
    (!rows.is_empty()).then(|| format!("slowest trips\n{}", rows.concat()))
}

fn spans(document: &Document) -> String {
    let telemetry = &document.telemetry;
    let exporter = |e: &Exporter| {
        let (exported, failed) = (units::count(e.exported), units::count(e.failed));
        let dropped = units::count(e.dropped);
        row("", format!("{}: {exported} exported, {failed} failed, {dropped} dropped", e.name))
    };
    let mut rows = vec![row("spans", format!("{} ended", units::count(telemetry.ended)))];
    rows.extend(telemetry.exporters.iter().map(exporter));
    labelled(&rows)
}

fn verdicts(document: &Document) -> Option<String> {
    let verdicts = &document.assertions;
    let width = verdicts.iter().map(|verdict| verdict.assertion.chars().count()).max()?;
    let line = |passed| if passed { "holds" } else { "FAILED" };
    let lines: String = verdicts
        .iter()
        .map(|v| format!("  {:<6}  {:<width$}  {}\n", line(v.passed), v.assertion, v.measured))
        .collect();
    Some(format!("assertions\n{lines}"))
}

fn comparison(comparison: &Comparison) -> String {
    let mut rows = vec![["metric", "before", "now", "change", "", ""].map(str::to_owned)];
    rows.extend(comparison.differences.iter().map(difference));
    let mut text = format!("compared with the run of {}\n", comparison.earlier_started_at);
    for setting in &comparison.settings {
        text += &format!("  other {setting}\n");
    }
    text + &table(&rows)
}

fn difference(difference: &Difference) -> [String; 6] {
    let Difference { metric, unit, before, after, direction, .. } = difference;
    let [change, percent] = difference.shown();
    [metric.clone(), unit.show(*before), unit.show(*after), change, percent, direction.to_string()]
}

fn counted_retries(retries: u64) -> String {
    match retries {
        1 => "1 retry".to_owned(),
        _ => format!("{} retries", units::count(retries)),
    }
}

fn part(count: u64, of: u64) -> String {
    units::share(if of > 0 { count as f64 / of as f64 } else { 0.0 })
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

/// Lines with a label in front.
fn labelled(rows: &[[String; 2]]) -> String {
    rows.iter().map(|[label, value]| format!("{label:<10}{value}\n")).collect()
}

/// Without characters that a terminal would obey: names may come from a file.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\n' { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests;
