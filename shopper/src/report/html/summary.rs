//! The top of the page: what was run, and the figures that are looked for first.

use crate::report::document::Document;
use crate::report::units;
use maud::{Markup, html};

/// What was run.
pub(super) fn header(document: &Document) -> Markup {
    let run = &document.run;
    html! {
        header {
            h1 { "Going to the grocery store" }
            p { (run.model) }
            dl {
                div { dt { "started" } dd { (run.started_at) } }
                div { dt { "ran for" } dd { (run.elapsed_s) " s" } }
                div { dt { "store" } dd { (run.store_url) } }
                div { dt { "mix" } dd { (run.mix) } }
                div { dt { "seed" } dd { (run.seed) } }
                div { dt { "threads" } dd { (run.threads) } }
                @if !run.faults.is_empty() { div { dt { "faults" } dd { (run.faults.join(" ")) } } }
            }
        }
    }
}

/// The figures that are looked for first.
pub(super) fn tiles(document: &Document) -> Markup {
    let (trips, latency) = (&document.trips, &document.latency.corrected);
    let target = document.rate.target_per_s.map(|target| format!("of {}", units::rate(target)));
    let time = |us| if latency.count > 0 { units::micros(us) } else { "-".to_owned() };
    let failed = share(trips.failed, trips.started);
    let missed = share(trips.missed, trips.scheduled);
    html! {
        section class="tiles" aria-label="Summary" {
            (tile("started", &units::rate(document.rate.started_per_s), &target.unwrap_or_default(), false))
            (tile("p50", &time(latency.p50_us), "", false))
            (tile("p99", &time(latency.p99_us), "", false))
            (tile("p99.9", &time(latency.p99_9_us), &format!("max {}", time(latency.max_us)), false))
            (tile("failed", &failed, &count_of(trips.failed, trips.started), trips.failed > 0))
            (tile("missed", &missed, &count_of(trips.missed, trips.scheduled), trips.missed > 0))
            (tile(
                "requests",
                &units::rate(document.rate.requests_per_s),
                &format!("{} received", units::bytes(document.requests.received_bytes)),
                false,
            ))
        }
    }
}

/// `alarm` marks a figure that should have been 0.
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

/// A part of a whole; no part of nothing.
pub(super) fn share(count: u64, of: u64) -> String {
    units::share(if of > 0 { count as f64 / of as f64 } else { 0.0 })
}
