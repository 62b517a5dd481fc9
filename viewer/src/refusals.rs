//! Says once when the viewer begins to refuse requests, and once when that is over: for each reason
//! by itself.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::otlp::Failure;

/// So long without a refusal means that it is over.
const CALM: Duration = Duration::from_secs(5);

/// Why a request is refused, as far as it is told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Reason {
    Overloaded,
    Malformed,
    TooLarge,
    ContentType,
    ContentEncoding,
    TooSlow,
    Broken,
    Host,
}

impl From<&Failure> for Reason {
    fn from(failure: &Failure) -> Self {
        match failure {
            Failure::Malformed(_) => Self::Malformed,
            Failure::TooLarge { .. } | Failure::TooExpensive { .. } => Self::TooLarge,
            Failure::ContentType(_) => Self::ContentType,
            Failure::ContentEncoding(_) => Self::ContentEncoding,
            Failure::TooSlow { .. } => Self::TooSlow,
            Failure::Broken(_) => Self::Broken,
            Failure::Overloaded => Self::Overloaded,
        }
    }
}

impl Reason {
    /// What is said when there has been none of these for a while.
    fn over(self) -> &'static str {
        match self {
            Self::Overloaded => "keeping up again",
            Self::Malformed => "no more requests that cannot be decoded",
            Self::TooLarge => "no more requests that are too large",
            Self::ContentType => "no more requests of another content type",
            Self::ContentEncoding => "no more requests in another content encoding",
            Self::TooSlow => "no more requests that come too slowly",
            Self::Broken => "no more requests that end too early",
            Self::Host => "no more requests to another host",
        }
    }
}

/// The episodes of refusing that there are.
#[derive(Debug, Default)]
pub(crate) struct Refusals {
    episodes: Mutex<HashMap<Reason, Episode>>,
}

#[derive(Debug)]
struct Episode {
    last: Instant,
    requests: u64,
}

impl Refusals {
    /// Notes that a request was refused; `message` is said when it is the first.
    pub(crate) fn refused(&self, reason: Reason, message: &dyn fmt::Display) {
        let mut episodes = self.episodes.lock().unwrap_or_else(PoisonError::into_inner);
        let is_first = !episodes.contains_key(&reason);
        let now = Instant::now();
        let episode = episodes.entry(reason).or_insert(Episode { last: now, requests: 0 });
        episode.last = now;
        episode.requests += 1;
        drop(episodes);
        if is_first {
            tracing::warn!("refusing requests: {message}");
        }
    }

    /// Ends the episodes that have been over for a while. Called every now and then.
    pub(crate) fn settle(&self) {
        let mut episodes = self.episodes.lock().unwrap_or_else(PoisonError::into_inner);
        let over: Vec<_> =
            episodes.extract_if(|_, episode| episode.last.elapsed() > CALM).collect();
        drop(episodes);
        for (reason, episode) in over {
            tracing::info!(refused_requests = episode.requests, "{}", reason.over());
        }
    }
}
