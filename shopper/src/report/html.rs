//! The report as one self-contained page: charts, tables, links to the slowest traces.
//!
//! Nothing is loaded from anywhere and no script runs: the page has a strict
//! Content-Security-Policy that allows its own style sheet and nothing else. Every text in it is
//! escaped by the templates, since names of steps, kinds and failures may come from strangers.

mod chart;
mod distribution;
mod judgement;
mod scale;
mod summary;
mod tables;
#[cfg(test)]
mod tests;
mod timeline;

use super::document::Document;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use maud::{DOCTYPE, PreEscaped, html};
use sha2::{Digest as _, Sha256};

const STYLE: &str = include_str!("html/style.css");

/// The whole page.
#[must_use]
pub fn page(document: &Document) -> String {
    let points = timeline::points(document);
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(policy());
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="referrer" content="no-referrer";
                title { "Shopper report, " (document.run.started_at) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                (summary::header(document))
                main {
                    (summary::tiles(document))
                    (judgement::assertions(document))
                    div class="charts" {
                        (timeline::rates(&points))
                        (timeline::latencies(&points))
                        (distribution::percentiles(document))
                        (distribution::histogram(document))
                    }
                    (tables::latencies(document))
                    div class="pair" {
                        (tables::kinds(document))
                        (tables::endings(document))
                    }
                    (tables::slowest(document))
                    (judgement::comparison(document))
                    (tables::spans(document))
                }
                footer {
                    (document.generator.name) " " (document.generator.version) ", "
                    (document.schema)
                }
            }
        }
    };
    page.into_string()
}

/// Nothing but the style sheet of this page.
fn policy() -> String {
    let style = STANDARD.encode(Sha256::digest(STYLE));
    format!("default-src 'none'; style-src 'sha256-{style}'; base-uri 'none'; form-action 'none'")
}
