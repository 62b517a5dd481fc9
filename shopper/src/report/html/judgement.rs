//! What the run is held against, as tables of the page: assertions, and an earlier run.

use super::tables::section;
use crate::report::document::{Difference, Direction, Document};
use maud::{Markup, html};

/// What was asserted; nothing when nothing was.
pub(super) fn assertions(document: &Document) -> Markup {
    if document.assertions.is_empty() {
        return Markup::default();
    }
    let table = html! {
        table class="compact" {
            tbody {
                @for verdict in &document.assertions {
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

/// How this run differs from an earlier one; nothing when there is none.
pub(super) fn comparison(document: &Document) -> Markup {
    let Some(comparison) = &document.comparison else { return Markup::default() };
    let table = html! {
        p { "That run started at " (comparison.earlier_started_at) "." }
        @for setting in &comparison.settings { p { "Other " (setting) } }
        table {
            thead {
                tr {
                    th { "metric" }
                    @for head in ["before", "now", "change", "", ""] { th class="number" { (head) } }
                }
            }
            tbody { @for difference in &comparison.differences { (row(difference)) } }
        }
    };
    section("Compared with the earlier run", &table)
}

fn row(difference: &Difference) -> Markup {
    let [change, percent] = difference.shown();
    let class = match difference.direction {
        Direction::Better => "text good",
        Direction::Same => "text",
        Direction::Worse => "text bad",
    };
    html! {
        tr {
            th scope="row" { (difference.metric) }
            td { (difference.unit.show(difference.before)) }
            td { (difference.unit.show(difference.after)) }
            td { (change) }
            td { (percent) }
            td class=(class) { (difference.direction) }
        }
    }
}
