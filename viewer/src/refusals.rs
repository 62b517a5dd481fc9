//! Says once when the viewer begins to refuse requests, and once when it can keep up again.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

/// So long without a refusal means that it keeps up again.
const CALM: Duration = Duration::from_secs(5);

/// An episode of refusing, if there is one.
#[derive(Debug, Default)]
pub(crate) struct Refusals {
    episode: Mutex<Option<Episode>>,
}

#[derive(Debug)]
struct Episode {
    last: Instant,
    requests: u64,
}

impl Refusals {
    /// Notes that a request was refused.
    pub(crate) fn refused(&self) {
        let mut episode = self.episode.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        match &mut *episode {
            Some(episode) => {
                episode.last = now;
                episode.requests += 1;
            }
            None => {
                tracing::warn!("cannot keep up: telling senders to retry later");
                *episode = Some(Episode { last: now, requests: 1 });
            }
        }
    }

    /// Ends an episode that has been over for a while. Called every now and then.
    pub(crate) fn settle(&self) {
        let mut episode = self.episode.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(over) = episode.take_if(|episode| episode.last.elapsed() > CALM) {
            tracing::info!(refused_requests = over.requests, "keeping up again");
        }
    }
}
