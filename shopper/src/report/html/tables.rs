//! The tables of the page: every figure that a chart shows, and those that no chart can.

use super::summary::share;
use crate::report::document::{Document, Latencies, Percentiles, SlowTrip};
use crate::report::units::{self, count};
use maud::{Markup, html};

/// How long trips and their steps took.
pub(super) fn latencies(document: &Document) -> Markup {
    let trips = &document.trips;
    let heads = ["p50", "p90", "p95", "p99", "p99.9", "max", "mean", "count", "failed"];
    section(
        "Steps",
        &html! {
            table {
                thead { tr { th { "latency" } @for head in heads { th class="number" { (head) } } } }
                tbody {
                    (latency("trip", &document.latency, trips.failed))
                    @for step in &document.steps { (latency(&step.name, &step.latency, step.failures)) }
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
    let figures = [of.p50_us, of.p90_us, of.p95_us, of.p99_us, of.p99_9_us, of.max_us, of.mean_us];
    html! {
        @for us in figures {
            td { @if of.count > 0 { (units::micros(us)) } @else { "-" } }
        }
    }
}

/// The kinds of trip.
pub(super) fn kinds(document: &Document) -> Markup {
    section(
        "Kinds of trip",
        &html! {
            table {
                thead {
                    tr {
                        th { "kind" }
                        @for head in ["p50", "p99", "count", "failed"] { th class="number" { (head) } }
                    }
                }
                tbody {
                    @for kind in document.kinds.iter().filter(|kind| kind.trips > 0) {
                        tr {
                            th scope="row" { (kind.name) }
                            td { (units::micros(kind.p50_us)) }
                            td { (units::micros(kind.p99_us)) }
                            td { (count(kind.trips)) }
                            td class=[(kind.failures > 0).then_some("bad")] { (count(kind.failures)) }
                        }
                    }
                }
            }
        },
    )
}

/// How trips ended, well or not.
pub(super) fn endings(document: &Document) -> Markup {
    let all = document.trips.started;
    section(
        "Endings",
        &html! {
            table {
                thead {
                    tr { th { "ending" } th class="number" { "count" } th class="number" { "share" } }
                }
                tbody {
                    @for (name, number) in &document.outcomes {
                        tr { th scope="row" { (name) } td { (count(*number)) } td { (share(*number, all)) } }
                    }
                    @for (name, number) in &document.failures {
                        tr {
                            th scope="row" { "failed: " (name) }
                            td class="bad" { (count(*number)) }
                            td { (share(*number, all)) }
                        }
                    }
                }
            }
        },
    )
}

/// The slowest trips, each with its trace.
pub(super) fn slowest(document: &Document) -> Markup {
    if document.slowest.is_empty() {
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
                tbody { @for trip in &document.slowest { (slow_trip(trip)) } }
            }
        },
    )
}

fn slow_trip(trip: &SlowTrip) -> Markup {
    html! {
        tr {
            td { (units::micros(trip.latency_us)) }
            td { (format!("{:.1} s", trip.offset_s)) }
            td class="text" { (trip.kind) }
            td class="text bad" { (trip.failure.as_deref().unwrap_or_default()) }
            td class="text" {
                @match &trip.trace {
                    Some(trace) if trace.url.starts_with("http://") || trace.url.starts_with("https://") => {
                        a href=(trace.url) rel="noreferrer noopener" { code { (trace.id) } }
                    }
                    Some(trace) => code { (trace.id) },
                    None => "not sampled",
                }
            }
        }
    }
}

/// What became of the spans.
pub(super) fn spans(document: &Document) -> Markup {
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
                    @for exporter in &document.telemetry.exporters {
                        tr {
                            th scope="row" { (exporter.name) }
                            td { (count(document.telemetry.ended)) }
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

/// A part of the page with a title; what is too wide for it scrolls by itself.
pub(super) fn section(title: &str, content: &Markup) -> Markup {
    html! { section { h2 { (title) } div class="scroll" tabindex="0" { (content) } } }
}
