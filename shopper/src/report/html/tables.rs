//! The tables of the page: the settings of the run, the most important figures, the figures behind
//! the charts, and the results of assertions and of a comparison.

use maud::{Markup, html};

use crate::{
    report::{
        columns,
        units::{self, count, part, some_micros},
    },
    result::{Difference, Direction, Latencies, Percentiles, RunResult, SlowTrip, Trace},
};

/// The settings of the run.
pub(super) fn header(result: &RunResult) -> Markup {
    let run = &result.run;
    html! {
        header {
            h1 { "Going to the grocery store" }
            p { (run.model) }
            dl {
                div { dt { "started" } dd { (run.started_at) } }
                div { dt { "ran for" } dd { (units::seconds(run.elapsed)) } }
                div { dt { "store" } dd { (run.store_url) } }
                div { dt { "mix" } dd { (run.mix) } }
                div { dt { "seed" } dd { (run.seed) } }
                @if !run.shares.is_empty() { div { dt { "shares" } dd { (units::shares(&run.shares)) } } }
                div { dt { "threads" } dd { (run.threads) } }
                @if !run.faults.is_empty() { div { dt { "faults" } dd { (run.faults.join(" ")) } } }
            }
        }
    }
}

/// The most important figures.
pub(super) fn tiles(result: &RunResult) -> Markup {
    let (trips, latency) = (&result.trips, &result.latency.corrected);
    let target = result.rate.target_per_s.map(|target| format!("of {}", units::rate(target)));
    let failed = part(trips.failed, trips.started);
    let missed = part(trips.missed, trips.scheduled);
    html! {
        section class="tiles" aria-label="Summary" {
            (tile("started", &units::rate(result.rate.started_per_s), &target.unwrap_or_default(), false))
            (tile("p50", &some_micros(latency.p50_us), "", false))
            (tile("p99", &some_micros(latency.p99_us), "", false))
            (tile("p99.9", &some_micros(latency.p99_9_us), &format!("max {}", some_micros(latency.max_us)), false))
            (tile("failed", &failed, &count_of(trips.failed, trips.started), trips.failed > 0))
            (tile("missed", &missed, &count_of(trips.missed, trips.scheduled), trips.missed > 0))
            (tile(
                "requests",
                &units::rate(result.rate.requests_per_s),
                &format!("{} received", units::bytes(result.requests.received_bytes)),
                false,
            ))
        }
    }
}

/// One figure with its name. `alarm` marks a figure that should be 0.
fn tile(name: &str, figure: &str, aside: &str, alarm: bool) -> Markup {
    html! {
        div class=(if alarm { "tile alarm" } else { "tile" }) {
            span class="name" { (name) }
            strong { (figure) }
            span class="aside" { (aside) }
        }
    }
}

fn count_of(count: u64, of: u64) -> String {
    format!("{} of {}", units::count(count), units::count(of))
}

/// The assertions and their outcomes; empty if there are none.
pub(super) fn assertions(result: &RunResult) -> Markup {
    if result.assertions.is_empty() {
        return Markup::default();
    }
    let table = html! {
        table class="compact" {
            tbody {
                @for verdict in &result.assertions {
                    tr {
                        td class=(if verdict.passed { "text good" } else { "text bad" }) {
                            (if verdict.passed { "holds" } else { "failed" })
                        }
                        th scope="row" { (verdict.assertion) }
                        td class="text" { "measured " (verdict.measured) }
                    }
                }
            }
        }
    };
    section("Assertions", &table)
}

/// How this run differs from an earlier one; empty if it was not compared.
pub(super) fn comparison(result: &RunResult) -> Markup {
    let Some(comparison) = &result.comparison else { return Markup::default() };
    let table = html! {
        p { "That run started at " (comparison.earlier_started_at) "." }
        @for setting in &comparison.settings { p { "Other " (setting) } }
        @if comparison.unlike.is_some() { p { "Not judged: the runs were not asked for the same." } }
        table {
            thead {
                tr {
                    th { "metric" }
                    @for head in columns::DIFFERENCE { th class="number" { (head) } }
                }
            }
            tbody { @for difference in &comparison.differences { (row(difference)) } }
        }
    };
    section("Compared with the earlier run", &table)
}

fn row(difference: &Difference) -> Markup {
    let [before, now, change, percent, noise, direction] = columns::difference(difference);
    let class = match difference.direction {
        Direction::Better => "text good",
        Direction::Worse => "text bad",
        Direction::Same | Direction::Noise | Direction::Unclear => "text",
    };
    html! {
        tr {
            th scope="row" { (difference.metric) }
            @for cell in [before, now, change, percent, noise] { td { (cell) } }
            td class=(class) title=[&difference.unclear] { (direction) }
        }
    }
}

/// How long trips and their steps took.
pub(super) fn latencies(result: &RunResult) -> Markup {
    let trips = &result.trips;
    section(
        "Steps",
        &html! {
            table {
                thead { tr { th { "latency" } @for head in columns::LATENCY { th class="number" { (head) } } } }
                tbody {
                    (latency("trip", &result.latency, trips.failed))
                    @for step in &result.steps { (latency(&step.name, &step.latency, step.failures)) }
                }
            }
        },
    )
}

fn latency(name: &str, latency: &Latencies, failures: u64) -> Markup {
    html! {
        tr {
            th scope="row" { (name) }
            (percentiles(&latency.corrected))
            td { (count(latency.corrected.count)) }
            td class=[(failures > 0).then_some("bad")] { (count(failures)) }
        }
        @if latency.service != latency.corrected {
            tr class="sub" { th scope="row" { "service time" } (percentiles(&latency.service)) td {} td {} }
        }
    }
}

fn percentiles(of: &Percentiles) -> Markup {
    html! { @for cell in columns::percentiles(of) { td { (cell) } } }
}

/// The kinds of trip.
pub(super) fn kinds(result: &RunResult) -> Markup {
    section(
        "Kinds of trip",
        &html! {
            table {
                thead {
                    tr {
                        th { "kind" }
                        @for head in columns::KIND { th class="number" { (head) } }
                    }
                }
                tbody {
                    @for kind in result.kinds.iter().filter(|kind| kind.trips > 0) {
                        tr {
                            th scope="row" { (kind.name) }
                            td { (some_micros(kind.p50_us)) }
                            td { (some_micros(kind.p99_us)) }
                            td { (count(kind.trips)) }
                            td class=[(kind.failures > 0).then_some("bad")] { (count(kind.failures)) }
                        }
                    }
                }
            }
        },
    )
}

/// How trips ended, those that failed included.
pub(super) fn endings(result: &RunResult) -> Markup {
    let all = result.trips.started;
    section(
        "Endings",
        &html! {
            table {
                thead {
                    tr { th { "ending" } th class="number" { "count" } th class="number" { "share" } }
                }
                tbody {
                    @for (name, number) in &result.outcomes {
                        tr { th scope="row" { (name) } td { (count(*number)) } td { (part(*number, all)) } }
                    }
                    @for (name, number) in &result.failures {
                        tr title=[result.failure_reasons.get(name)] {
                            th scope="row" { "failed: " (name) }
                            td class="bad" { (count(*number)) }
                            td { (part(*number, all)) }
                        }
                    }
                }
            }
        },
    )
}

/// The slowest trips, each with its trace.
pub(super) fn slowest(result: &RunResult) -> Markup {
    if result.slowest.is_empty() {
        return Markup::default();
    }
    section(
        "Slowest trips",
        &html! {
            table {
                thead {
                    tr {
                        th class="number" { "latency" } th class="number" { "ended at" }
                        th { "kind" } th { "failure" } th { "trace" }
                    }
                }
                tbody { @for trip in &result.slowest { (slow_trip(trip)) } }
            }
        },
    )
}

fn slow_trip(trip: &SlowTrip) -> Markup {
    html! {
        tr {
            td { (units::micros(trip.latency_us)) }
            td { (format!("{:.1} s", trip.offset.as_secs_f64())) }
            td class="text" { (trip.kind) }
            td class="text bad" { (trip.failure.as_deref().unwrap_or_default()) }
            td class="text" {
                @match &trip.trace {
                    Some(Trace { id, url: Some(url) }) if is_http(url) => {
                        a href=(url) rel="noreferrer noopener" { code { (id) } }
                    }
                    Some(trace) => { code { (trace.id) } " (in no viewer)" },
                    None => "not sampled",
                }
            }
        }
    }
}

fn is_http(url: &str) -> bool {
    url.starts_with("http://") || url.starts_with("https://")
}

/// What the store did about the faults that trips asked for; empty if they asked for none.
pub(super) fn faults(result: &RunResult) -> Markup {
    if result.faults.is_empty() {
        return Markup::default();
    }
    section(
        "Faults",
        &html! {
            table {
                thead { tr { th { "fault" } @for head in columns::FAULT { th class="number" { (head) } } th {} } }
                tbody {
                    @for (fault, counts) in &result.faults {
                        @let [asked, honoured, struck, ignored, unanswered] = columns::fault(counts);
                        tr {
                            th scope="row" { (fault) }
                            @for cell in [asked, honoured, struck] { td { (cell) } }
                            td class=[(counts.ignored > 0).then_some("bad")] { (ignored) }
                            td { (unanswered) }
                            td class="text" {
                                @for (reason, times) in &counts.reasons { (reason) " " (count(*times)) " " }
                            }
                        }
                    }
                }
            }
        },
    )
}

/// How many spans each exporter has exported.
pub(super) fn spans(result: &RunResult) -> Markup {
    section(
        "Spans of the shopper",
        &html! {
            table {
                thead {
                    tr {
                        th { "exporter" }
                        @for head in ["ended", "exported", "failed", "dropped"] { th class="number" { (head) } }
                    }
                }
                tbody {
                    @for exporter in &result.telemetry.exporters {
                        tr {
                            th scope="row" { (exporter.name) }
                            td { (count(result.telemetry.ended)) }
                            td { (count(exporter.exported)) }
                            td class=[(exporter.failed > 0).then_some("bad")] { (count(exporter.failed)) }
                            td class=[(exporter.dropped > 0).then_some("bad")] { (count(exporter.dropped)) }
                        }
                    }
                }
            }
        },
    )
}

/// A part of the page with a title. If its content is too wide, it scrolls.
pub(super) fn section(title: &str, content: &Markup) -> Markup {
    html! { section { h2 { (title) } div class="scroll" tabindex="0" { (content) } } }
}
