//! The viewer as a place to find the spans of a run.

use std::time::Duration;

use anyhow::{Context, ensure};
use awc::http::StatusCode;
use serde::Deserialize;
use url::form_urlencoded;

use crate::{
    http::{Http, ServerUrl},
    trace::Span,
};

/// How long the viewer may take to answer.
const TIMEOUT: Duration = Duration::from_secs(5);

/// How many traces a run may have. The page that compares takes as many for each side.
pub(crate) const MAX_TRACES: usize = 32;

/// A viewer: its address, and how requests to it are made.
#[derive(Clone, Debug)]
pub(crate) struct Viewer {
    pub(crate) url: ServerUrl,
    pub(crate) http: Http,
}

#[derive(Deserialize)]
struct Found {
    traces: Vec<Summary>,
}

#[derive(Deserialize)]
struct Summary {
    trace_id: String,
}

impl Viewer {
    /// Whether there is a viewer at this address.
    pub(crate) async fn answers(&self) -> bool {
        self.find("lesson.run", "").await.is_ok()
    }

    /// The ids of the traces in which a span has this tag.
    ///
    /// # Errors
    /// When there is no viewer, or it does not answer.
    pub(crate) async fn find(&self, key: &str, value: &str) -> anyhow::Result<Vec<String>> {
        let tag = format!("{key}=\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""));
        let limit = MAX_TRACES.to_string();
        let query = form_urlencoded::Serializer::new(String::new())
            .extend_pairs([("tags", tag.as_str()), ("limit", &limit)])
            .finish();
        let url = self.url.at(&format!("/viewer/api/traces?{query}"));
        let found: Found = self.http.get_whole(&url, &[], TIMEOUT).await?.json(&url)?;
        Ok(found.traces.into_iter().map(|summary| summary.trace_id).collect())
    }

    /// The spans of a trace so far; none if there is no such trace.
    ///
    /// # Errors
    /// When there is no viewer, or it does not answer.
    pub(crate) async fn spans(&self, trace_id: &str) -> anyhow::Result<Vec<Span>> {
        let url = self.url.at(&format!("/viewer/api/traces/{trace_id}"));
        let answer = self.http.get_whole(&url, &[], TIMEOUT).await?;
        if answer.status == StatusCode::NOT_FOUND {
            return Ok(Vec::new());
        }
        ensure!(answer.status.is_success(), "{url} answers {}", answer.status);
        Span::read_all(&answer.body).with_context(|| format!("{url} answers something else"))
    }

    /// The spans of all traces in which a span has this tag.
    ///
    /// # Errors
    /// When there is no viewer, or it does not answer.
    pub(crate) async fn spans_with(&self, key: &str, value: &str) -> anyhow::Result<Vec<Span>> {
        let mut spans = Vec::new();
        for trace_id in self.find(key, value).await? {
            spans.extend(self.spans(&trace_id).await?);
        }
        Ok(spans)
    }

    /// The page of a trace.
    pub(crate) fn trace_url(&self, trace_id: &str) -> String {
        self.url.at(&format!("/trace/{trace_id}"))
    }

    /// The page that compares the traces of a fix with those of its mistake, as many of each as it takes.
    /// The right ones come first: what is cut off or moved is said of the second.
    pub(crate) fn compare_url(&self, fix: &[&str], mistake: &[&str]) -> String {
        let join =
            |ids: &[&str]| ids.iter().take(MAX_TRACES).copied().collect::<Vec<_>>().join("+");
        let (fix, mistake) = (join(fix), join(mistake));
        self.url.at(&format!("/compare/{fix}/{mistake}?a=fix&b=mistake"))
    }
}
