//! The lab's page. It is whole without a script: each form answers with the page, and what came of it is
//! in its place. `lab.js` puts only that place in, so that the reader stays where they are.

use std::time::Duration;

use maud::{DOCTYPE, Markup, html};
use shared::fault::{FaultSupport, FaultyActor};
use store::lessons::{Excerpt, LESSONS, Lesson, Variant};

use super::{
    propagation::Propagation,
    trip::{MAX_TRIPS, TripKind, TripReport},
};
use crate::{
    runs::{Made, Run, Store},
    tree::{Line, Mark, Tree},
    viewer_api::Viewer,
};

/// How deep a tree is nested. What is deeper stands at this depth.
const DEEPEST: usize = 48;

/// What the page says beside its lessons.
#[derive(Clone, Copy, Debug)]
pub(super) struct Surroundings<'a> {
    pub(super) store: &'a Store,
    pub(super) viewer: &'a Viewer,
    /// Which faults the store honours, or why that is not known.
    pub(super) faults: &'a Result<FaultSupport, String>,
}

/// What a form of the page has come to.
#[derive(Debug)]
pub(super) enum Done {
    Lesson(&'static Lesson, Result<Made, String>),
    Trips(Result<TripReport, String>),
}

/// The page, with what has been done in its place.
pub(super) fn page(about: Surroundings<'_>, done: Option<&Done>) -> String {
    let Surroundings { store, viewer, faults } = about;
    let lesson_done = |lesson: &Lesson| match done {
        Some(Done::Lesson(made, outcome)) if made.name == lesson.name => Some(outcome),
        _ => None,
    };
    let trips_done = match done {
        Some(Done::Trips(outcome)) => Some(outcome),
        _ => None,
    };
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { "Lab: mistakes with trace context" }
                link rel="icon" href="/assets/icon.svg" type="image/svg+xml";
                link rel="stylesheet" href="/assets/lab.css";
                script type="module" src="/assets/lab.js" {}
            }
            body {
                a.skip href="#content" { "Skip to content" }
                header.top {
                    a.brand href="/" { "Lab" }
                    nav aria-label="Pages" {
                        a href="#lessons" { "Lessons" }
                        a href="#trips" { "Trips and faults" }
                        (outside(&viewer.url.at("/"), "Traces"))
                    }
                }
                main #content tabindex="-1" {
                    h1 { "See trace context go wrong, beside the right trace" }
                    p {
                        "Each lesson is a mistake that is made for one request, and its smallest fix. What you ask for here \
                         changes your requests only: the load that runs beside it is served as ever."
                    }
                    @if let Err(why) = faults {
                        p.notice role="alert" { "The store does not answer: " (why) }
                    } @else if matches!(faults, Ok(faults) if !faults.honoured) {
                        p.notice role="alert" {
                            "The store at " (store.url) " makes no lessons and honours no faults: start it with "
                            code { "--allow-faults" } "."
                        }
                    }
                    section #lessons aria-labelledby="lessons-title" {
                        h2 #lessons-title { "Lessons" }
                        p.soft {
                            "A trace is " strong { "cut" } " when a part of it is missing, " strong { "moved" }
                            " when spans are under the wrong parent, and " strong { "mixed" }
                            " when two customers are in one tree."
                        }
                        @for lesson in LESSONS { (card(lesson, about, lesson_done(lesson))) }
                    }
                    (trips(about, trips_done))
                }
                div #status .sr-only role="status" {}
            }
        }
    };
    page.into_string()
}

/// A link to another server's page.
fn outside(url: &str, text: &str) -> Markup {
    html! { a href=(url) target="_blank" rel="noopener" { (text) } }
}

fn card(lesson: &Lesson, about: Surroundings<'_>, done: Option<&Result<Made, String>>) -> Markup {
    let id = format!("lesson-{}", lesson.name);
    let result = format!("result-{}", lesson.name);
    html! {
        article.card id=(id) aria-labelledby=(format!("{id}-title")) {
            header {
                h3 id=(format!("{id}-title")) { (lesson.title) }
                code { (lesson.name) }
                span.picture { (lesson.picture) }
            }
            p { (prose(lesson.mistake)) }
            form method="post" action=(format!("/lessons/{}#{id}", lesson.name)) data-result=(result)
                data-doing=(format!("Making the lesson {}", lesson.name)) {
                button.primary type="submit" {
                    "Make both runs" span.sr-only { " of " (lesson.name) }
                }
            }
            div.result id=(result) { @if let Some(done) = done { (lesson_result(lesson, about.viewer, done)) } }
            details {
                summary { "The code, and how to make it by hand" }
                @for variant in Variant::BOTH { (code(lesson, variant, about.store)) }
                p.soft { "It runs " (prose(lesson.runs)) "." }
            }
        }
    }
}

fn code(lesson: &Lesson, variant: Variant, store: &Store) -> Markup {
    let Excerpt { first_line, last_line, text } = lesson.code(variant);
    let url = store.url.at(&lesson.request(variant, &format!("my-{variant}")));
    html! {
        h4 { "The " (variant) }
        p.soft { (lesson.file) ", lines " (first_line) " to " (last_line) }
        pre tabindex="0" role="region" aria-label=(format!("The code of the {variant} of {}", lesson.name)) {
            code { (text) }
        }
        (by_hand(&format!("{} -H 'baggage: customer=alice' '{url}'", store.http.curl())))
    }
}

fn by_hand(line: &str) -> Markup {
    html! { pre.curl tabindex="0" role="region" aria-label="A command line" { code { (line) } } }
}

fn lesson_result(lesson: &Lesson, viewer: &Viewer, done: &Result<Made, String>) -> Markup {
    let made = match done {
        Ok(made) => made,
        Err(why) => return html! { p.notice role="alert" { (why) } },
    };
    html! {
        h4 tabindex="-1" { "What came out" }
        p { (prose(lesson.seen)) " The trace is " strong { (lesson.picture) } "." }
        div.columns {
            @for run in [&made.mistake, &made.fix] { (run_column(lesson, run, viewer)) }
        }
        p.legend {
            @for mark in Mark::DIFFERENCES { span { (sign(mark)) " " (mark.words()) } }
        }
        p { (prose(&lesson.why.join(" "))) }
        p {
            a.button href=(made.compare_url(viewer)) target="_blank" rel="noopener" {
                "Compare both in the viewer"
            }
        }
    }
}

fn run_column(lesson: &Lesson, run: &Run, viewer: &Viewer) -> Markup {
    let label = format!("The {} of {}", run.variant, lesson.name);
    html! {
        section aria-label=(label) data-run=(run.variant) {
            h5 { "The " (run.variant) }
            (tree(&run.tree, &label))
            (trace_links(&run.tree, viewer))
        }
    }
}

/// Links to all traces of a tree.
fn trace_links(tree: &Tree, viewer: &Viewer) -> Markup {
    let ids = tree.trace_ids();
    html! {
        p.links {
            @match ids.as_slice() {
                [] => {}
                [id] => (outside(&viewer.trace_url(id), "Open the trace"))
                ids => {
                    (ids.len()) " traces: "
                    @for (at, id) in ids.iter().enumerate() {
                        (outside(&viewer.trace_url(id), &format!("trace {}", at + 1))) " "
                    }
                }
            }
        }
    }
}

/// A tree as nested lists, which can be scrolled sideways.
fn tree(tree: &Tree, label: &str) -> Markup {
    html! {
        div.tree tabindex="0" role="region" aria-label=(format!("{label}, the spans")) { (level(&tree.lines, 0)) }
    }
}

/// The lines at this depth, each with what is below it. `lines` begin with one at this depth.
fn level(lines: &[Line], depth: usize) -> Markup {
    let depth_of = |line: &Line| line.depth.min(DEEPEST);
    let starts: Vec<_> = (0..lines.len()).filter(|&at| depth_of(&lines[at]) == depth).collect();
    let ends = starts.iter().skip(1).copied().chain([lines.len()]);
    html! {
        ul {
            @for (start, end) in starts.iter().copied().zip(ends) {
                li {
                    (line(&lines[start]))
                    @if start + 1 < end { (level(&lines[start + 1..end], depth + 1)) }
                }
            }
        }
    }
}

fn line(line: &Line) -> Markup {
    html! {
        span.line data-mark=(format!("{:?}", line.mark).to_lowercase()) {
            (sign(line.mark))
            @if line.mark != Mark::Same { span.sr-only { (line.mark.words()) ": " } }
            (line.text)
        }
        " " span.took { (duration(line.took)) }
    }
}

/// A duration in three digits or so.
fn duration(took: Duration) -> String {
    let milliseconds = took.as_secs_f64() * 1e3;
    match milliseconds {
        ..0.1 => format!("{:.0} µs", milliseconds * 1e3),
        ..10.0 => format!("{milliseconds:.1} ms"),
        _ => format!("{milliseconds:.0} ms"),
    }
}

/// A sentence, with what stands between backticks as code.
fn prose(text: &str) -> Markup {
    html! {
        @for (at, part) in text.split('`').enumerate() {
            @if at % 2 == 1 { code { (part) } } @else { (part) }
        }
    }
}

fn sign(mark: Mark) -> Markup {
    html! { span.sign aria-hidden="true" data-mark=(format!("{mark:?}").to_lowercase()) { (mark.sign()) } }
}

fn trips(about: Surroundings<'_>, done: Option<&Result<TripReport, String>>) -> Markup {
    let aisles = about.faults.as_ref().map(|faults| faults.aisles.as_slice()).unwrap_or_default();
    let actors = FaultyActor::ALL.map(FaultyActor::name);
    html! {
        section #trips aria-labelledby="trips-title" {
            h2 #trips-title { "Trips and faults" }
            p { "Send shoppers of your own. Faults, sampling and headers go with their requests." }
            form method="post" action="/trips#trips" data-result="result-trips" data-doing="The shoppers are under way" {
                fieldset {
                    legend { "The trips" }
                    label { "Kind of trip"
                        select name="kind" {
                            @for kind in TripKind::ALL { option value=(kind.name()) { (kind) } }
                        }
                    }
                    label { "Trips"
                        input name="trips" type="number" min="1" max=(MAX_TRIPS) value="1" required;
                    }
                }
                fieldset {
                    legend { "Their faults" }
                    div.fault {
                        label.check { input name="slow" type="checkbox"; " A slow aisle" }
                        label { "Aisle" (select("slow_aisle", aisles)) }
                        label { "How much slower" (text("slow_delay", "200ms")) }
                    }
                    div.fault {
                        label.check { input name="panic" type="checkbox"; " An actor panics" }
                        label { "Actor" (select("panic_actor", &actors)) }
                    }
                    div.fault {
                        label.check { input name="error" type="checkbox"; " An actor fails messages" }
                        label { "Actor" (select("error_actor", &actors)) }
                        label { "Share of its messages" (text("error_share", "50%")) }
                    }
                    div.fault {
                        label.check { input name="stall" type="checkbox"; " An actor is stuck" }
                        label { "Actor" (select("stall_actor", &actors)) }
                        label { "For how long" (text("stall_delay", "500ms")) }
                    }
                    label { "Share of the trips that ask for them" (text("share", "100%")) }
                }
                fieldset {
                    legend { "Their context" }
                    label { "Recorded"
                        select name="sampling" {
                            option value="yes" { "yes: the sampled flag is set" }
                            option value="no" { "no: the sampled flag is not set" }
                        }
                    }
                    label { "Headers"
                        select name="propagation" {
                            @for propagation in Propagation::ALL {
                                option value=(propagation.name()) { (propagation) }
                            }
                        }
                    }
                }
                button.primary type="submit" { "Send them" }
            }
            div.result #result-trips {
                @if let Some(done) = done { (trips_result(about.viewer, done)) }
            }
            details {
                summary { "How to ask for a fault by hand" }
                p { "A fault is an entry of the header " code { "baggage" } "; several are separated by " code { "%3B" } ":" }
                @for fault in ["slow-aisle=produce:200ms", "panic=Checkout", "error=Ledger:50%25", "stall=Aisle:500ms"] {
                    (by_hand(&format!(
                        "{} -H 'baggage: grocery.fault={fault}' '{}'",
                        about.store.http.curl(),
                        about.store.url.at("/whats-in-store")
                    )))
                }
            }
        }
    }
}

fn select(name: &str, values: &[impl AsRef<str>]) -> Markup {
    html! {
        select name=(name) { @for value in values { option { (value.as_ref()) } } }
    }
}

fn text(name: &str, value: &str) -> Markup {
    html! { input name=(name) type="text" value=(value) autocomplete="off" spellcheck="false" maxlength="16"; }
}

fn trips_result(viewer: &Viewer, done: &Result<TripReport, String>) -> Markup {
    let report = match done {
        Ok(report) => report,
        Err(why) => return html! { p.notice role="alert" { (why) } },
    };
    html! {
        h3 tabindex="-1" { "What came out" }
        div.scroll tabindex="0" role="region" aria-label="The requests" {
            table {
                thead { tr { th scope="col" { "Request" } th scope="col" { "Answer" } th scope="col" { "Faults" } } }
                tbody {
                    @for request in &report.requests {
                        tr {
                            th scope="row" { (request.name) }
                            td { (request.outcome) }
                            td { @if request.faults.is_empty() { "none" } @else { (request.faults) } }
                        }
                    }
                }
            }
        }
        @if report.tree.lines.is_empty() {
            p { "No span was recorded: the headers of the requests say that this trace is not sampled." }
        } @else {
            @if !report.is_sampled {
                p { "The store has recorded spans although the trace is not sampled: it reads other headers." }
            }
            (tree(&report.tree, "The trips"))
            (trace_links(&report.tree, viewer))
        }
        details {
            summary { "The same requests by hand" }
            p.soft { "With these headers they join the trace above." }
            @for request in &report.requests { (by_hand(&request.curl)) }
        }
    }
}

#[cfg(test)]
mod tests {
    use store::lessons::find;

    use super::*;
    use crate::{
        http::{Http, ServerUrl},
        trace::Span,
    };

    fn url(text: &str) -> ServerUrl {
        text.parse().unwrap()
    }

    #[test]
    fn what_a_span_says_is_text() {
        let span = Span {
            trace_id: "aa".into(),
            span_id: "01".into(),
            name: "<script>alert(1)</script>".into(),
            ..Span::default()
        };
        let run = |variant| Run {
            variant,
            name: "7".into(),
            tree: Tree::of(std::slice::from_ref(&span)),
        };
        let lesson = find("spawn").unwrap();
        let made = Made { lesson, mistake: run(Variant::Mistake), fix: run(Variant::Fix) };
        let store = Store { url: url("http://s"), http: Http::plain() };
        let viewer = Viewer { url: url("http://v"), http: Http::plain() };
        let faults = Err("<b>no</b>".to_owned());
        let about = Surroundings { store: &store, viewer: &viewer, faults: &faults };
        let page = page(about, Some(&Done::Lesson(lesson, Ok(made))));
        assert_eq!(page.matches("&lt;script&gt;alert(1)&lt;/script&gt;").count(), 2);
        assert!(!page.contains("<script>") && !page.contains("<b>"), "{page}");
        assert!(page.contains(r#"href="http://v/compare/aa/aa?a=fix&amp;b=mistake""#), "{page}");
    }

    #[test]
    fn durations_and_code_are_as_a_reader_expects_them() {
        let nanoseconds = [0, 4_400, 99_960, 100_000, 9_940_000, 212_300_000];
        let written = nanoseconds.map(|nanoseconds| duration(Duration::from_nanos(nanoseconds)));
        assert_eq!(written, ["0 µs", "4 µs", "100 µs", "0.1 ms", "9.9 ms", "212 ms"]);
        let text = prose("`a<b>` and `c`.").into_string();
        assert_eq!(text, "<code>a&lt;b&gt;</code> and <code>c</code>.");
    }

    #[test]
    fn a_tree_is_nested_as_deep_as_it_is_within_reason() {
        let span = |at: usize| Span {
            trace_id: "aa".into(),
            span_id: at.to_string(),
            parent: at.checked_sub(1).map(|parent| parent.to_string()),
            name: format!("span {at}."),
            start: at as u64,
            ..Span::default()
        };
        let spans: Vec<_> = (0..DEEPEST + 40).map(span).collect();
        let drawn = tree(&Tree::of(&spans), "a tree").into_string();
        assert_eq!(drawn.matches("<ul>").count(), DEEPEST + 1);
        assert!((0..spans.len()).all(|at| drawn.contains(&format!("span {at}."))), "{drawn}");
    }
}
