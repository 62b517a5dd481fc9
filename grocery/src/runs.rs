//! Makes a lesson both ways, and waits until all spans of both runs are in the viewer.
//!
//! The spans of a run are in several traces, and no span knows how many there will be. But a lesson is
//! over when it is answered, and a process sends its spans in the order in which they ended. So one more
//! request is made after the runs, the marker: when its span is in the viewer, theirs are too.

use std::time::Duration;

use anyhow::{bail, ensure};
use serde::Deserialize;
use store::lessons::{FIRST_CUSTOMER, Lesson, OUTCOME_HEADER, RUN_ATTRIBUTE, Variant};
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use crate::{
    http::{Http, ServerUrl, Whole},
    tree::Tree,
    viewer_api::Viewer,
};

/// The header that carries a request's customer.
pub(crate) const BAGGAGE: &str = "baggage";

/// How long the store may take to answer: a lesson takes ten seconds at most.
pub(crate) const STORE_TIMEOUT: Duration = Duration::from_secs(15);

/// How long the spans may take to the viewer. A process sends them every five seconds, unless it is told
/// otherwise.
const ARRIVAL_TIMEOUT: Duration = Duration::from_secs(20);

/// How often the viewer is asked for them.
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// A store that can be asked for lessons.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    pub(crate) url: ServerUrl,
    pub(crate) http: Http,
}

/// The request for a run, as it was answered.
#[derive(Debug)]
pub(crate) struct Sent {
    pub(crate) answer: Whole,
    /// The trace and the span of its sender, if that is traced too.
    pub(crate) caller: Option<(String, String)>,
}

/// A lesson that was made both ways.
#[derive(Debug)]
pub(crate) struct Made {
    pub(crate) lesson: &'static Lesson,
    pub(crate) mistake: Run,
    pub(crate) fix: Run,
}

/// A run of a lesson, with all its spans.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) variant: Variant,
    pub(crate) name: String,
    pub(crate) tree: Tree,
}

#[derive(Deserialize)]
struct LessonList {
    honoured: bool,
}

impl Made {
    /// The page that compares all traces of both runs.
    pub(crate) fn compare_url(&self, viewer: &Viewer) -> String {
        viewer.compare_url(&self.fix.tree.trace_ids(), &self.mistake.tree.trace_ids())
    }
}

impl Store {
    /// Whether this store makes lessons.
    ///
    /// # Errors
    /// When there is no store, or one that knows no lessons.
    pub(crate) async fn makes_lessons(&self) -> anyhow::Result<bool> {
        let url = self.url.at("/lessons");
        let answer = self.http.get_whole(&url, &[], STORE_TIMEOUT).await?;
        Ok(answer.json::<LessonList>(&url)?.honoured)
    }

    /// Makes a request of which the viewer can be asked whether its span has come: the one with the query
    /// that is returned.
    async fn mark(&self) -> anyhow::Result<String> {
        let id = Uuid::new_v4().simple().to_string();
        let query = format!("after={id}");
        let url = self.url.at(&format!("/lessons?{query}"));
        // The flag at the end asks a store to record it that does not record every request.
        let traceparent = format!("00-{id}-{}-01", &id[..16]);
        let headers = [("traceparent", traceparent.as_str())];
        let answer = self.http.get_whole(&url, &headers, STORE_TIMEOUT).await?;
        ensure!(answer.status.is_success(), "{url} answers {}", answer.status);
        Ok(query)
    }
}

/// Asks the store for the run, as a person does by hand.
///
/// # Errors
/// When the store does not answer.
pub(crate) async fn send_by_hand(store: &Store, path: &str) -> anyhow::Result<Sent> {
    let baggage = format!("{}={FIRST_CUSTOMER}", store::lessons::CUSTOMER);
    let (url, headers) = (store.url.at(path), [(BAGGAGE, baggage.as_str())]);
    let answer = store.http.get_whole(&url, &headers, STORE_TIMEOUT).await?;
    Ok(Sent { answer, caller: None })
}

/// Makes both runs, by `send`, which gets the path with its query, and marks what differs between them.
///
/// # Errors
/// When the store does not make the lesson, or the spans do not come to the viewer.
pub(crate) async fn make(
    lesson: &'static Lesson,
    store: &Store,
    viewer: &Viewer,
    send: impl AsyncFn(Variant, &str) -> anyhow::Result<Sent>,
) -> anyhow::Result<Made> {
    let mut names = Vec::new();
    let mut callers = Vec::new();
    for variant in Variant::BOTH {
        let id = Uuid::new_v4().simple().to_string();
        let name = format!("{}-{variant}-{}", lesson.name, &id[..12]);
        let sent = send(variant, &lesson.request(variant, &name)).await?;
        check_outcome(store, &sent.answer)?;
        callers.extend(sent.caller);
        names.push(name);
    }
    wait_for_spans(store, viewer, &callers).await?;

    let mut runs = Vec::new();
    for (variant, name) in Variant::BOTH.into_iter().zip(names) {
        let spans = viewer.spans_with(RUN_ATTRIBUTE, &name).await?;
        if spans.is_empty() {
            bail!(
                "the viewer at {} has no span of the run {name}: the store at {} records only some \
                 requests (OTEL_TRACES_SAMPLER), or the viewer is full and has dropped it",
                viewer.url,
                store.url
            );
        }
        runs.push(Run { variant, name, tree: Tree::of(&spans) });
    }
    let [mut mistake, mut fix] = <[Run; 2]>::try_from(runs).expect("a run for each variant");
    Tree::compare(&mut mistake.tree, &mut fix.tree);
    Ok(Made { lesson, mistake, fix })
}

fn check_outcome(store: &Store, answer: &Whole) -> anyhow::Result<()> {
    let url = &store.url;
    let outcome = answer.header(OUTCOME_HEADER);
    match outcome.split_once(';') {
        Some(("honoured", _)) => Ok(()),
        Some(("cut-short", _)) => bail!("the store at {url} took too long to make the lesson"),
        Some(("ignored", why)) => {
            let reason = why.trim_start_matches("reason=");
            let help = match reason {
                "not-allowed" => ": start it with --allow-faults",
                "too-many-lessons" => ": try again",
                _ => "",
            };
            bail!("the store at {url} does not make the lesson ({reason}){help}")
        }
        _ => bail!("what answers at {url} knows no lessons (it answers {})", answer.status),
    }
}

/// Waits until the spans of all that was asked of the store so far are in the viewer, and those of the
/// callers.
pub(crate) async fn wait_for_spans(
    store: &Store,
    viewer: &Viewer,
    callers: &[(String, String)],
) -> anyhow::Result<()> {
    let marker = store.mark().await?;
    let deadline = Instant::now() + ARRIVAL_TIMEOUT;
    let mut marker_is_there = false;
    let mut callers = callers.to_vec();
    loop {
        marker_is_there = marker_is_there || !viewer.find("url.query", &marker).await?.is_empty();
        let mut missing = Vec::new();
        for (trace_id, span_id) in callers {
            let spans = viewer.spans(&trace_id).await?;
            if !spans.iter().any(|span| span.span_id == span_id) {
                missing.push((trace_id, span_id));
            }
        }
        callers = missing;
        if marker_is_there && callers.is_empty() {
            return Ok(());
        }
        ensure!(
            Instant::now() < deadline,
            "the spans of {} have not come to the viewer at {} within {ARRIVAL_TIMEOUT:?}: does it send \
             them there (OTEL_EXPORTER_OTLP_ENDPOINT)?",
            if marker_is_there {
                "this program".into()
            } else {
                format!("the store at {}", store.url)
            },
            viewer.url
        );
        sleep(POLL_INTERVAL).await;
    }
}
