//! The report as one self-contained page: charts, tables, links to the slowest traces.
//!
//! The page loads nothing and runs no script: its Content-Security-Policy allows only its own style
//! sheet. Every text is escaped by the templates, since names of steps, kinds and failures may come
//! from a store or from a file of somebody else.

mod chart;
mod charts;
mod tables;
#[cfg(test)]
mod tests;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use maud::{DOCTYPE, PreEscaped, html};
use sha2::{Digest as _, Sha256};

use crate::result::RunResult;

const STYLE: &str = include_str!("html/style.css");

/// The whole page.
#[must_use]
pub fn page(result: &RunResult) -> String {
    let points = charts::points(result);
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(policy());
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="referrer" content="no-referrer";
                title { "Shopper report, " (result.run.started_at) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                (tables::header(result))
                main {
                    (tables::tiles(result))
                    (tables::assertions(result))
                    div class="charts" {
                        (charts::rates(&points))
                        (charts::latencies(&points))
                        (charts::percentiles(result))
                        (charts::histogram(result))
                    }
                    (tables::latencies(result))
                    div class="pair" {
                        (tables::kinds(result))
                        (tables::endings(result))
                    }
                    (tables::faults(result))
                    (tables::slowest(result))
                    (tables::comparison(result))
                    (tables::spans(result))
                }
                footer {
                    (result.generator.name) " " (result.generator.version) ", "
                    (result.schema)
                }
            }
        }
    };
    page.into_string()
}

/// The Content-Security-Policy, which allows only the style sheet of this page, by its hash.
fn policy() -> String {
    let style = STANDARD.encode(Sha256::digest(STYLE));
    format!("default-src 'none'; style-src 'sha256-{style}'; base-uri 'none'; form-action 'none'")
}
