//! What HTTP and gRPC share: handing a request to the store's writer, counting it, and its answer.

use std::sync::Arc;

use super::failure::Failure;
use super::{Request, Signal, Taken};
use crate::budget::Budget;
use crate::ingest::Queue;
use crate::stats::Stats;

/// Takes requests of all signals.
#[derive(Clone, Debug)]
pub(crate) struct Receiver {
    pub(crate) queue: Queue,
    pub(crate) budget: Budget,
    pub(crate) stats: Arc<Stats>,
    /// The bytes that one request may have, compressed or decompressed.
    pub(crate) request_bytes: usize,
}

impl Receiver {
    /// Has a request decoded and stored.
    pub(crate) async fn receive(&self, request: Request) -> Result<Taken, Failure> {
        self.queue.push(request).await
    }

    /// Counts a request that has come.
    pub(crate) fn count(&self, signal: Signal) {
        self.stats.of(signal).count_request();
    }

    /// Counts a request to `path` that is refused. The first of its kind for a while is told in the
    /// log.
    pub(crate) fn count_refused(&self, signal: Signal, path: &str, failure: &Failure) {
        self.stats.of(signal).count_refused();
        self.stats.refusals.refused(failure.into(), &format_args!("{path}: {failure}"));
    }
}

/// An answer to a request that was taken: an `ExportTraceServiceResponse` or its like, which have
/// the same fields for all signals.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Response {
    #[prost(message, optional, tag = "1")]
    pub(super) partial_success: Option<PartialSuccess>,
}

/// What was wrong with parts of a request.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct PartialSuccess {
    #[prost(int64, tag = "1")]
    pub(super) rejected: i64,
    #[prost(string, tag = "2")]
    pub(super) error_message: String,
}

impl From<Taken> for Response {
    fn from(taken: Taken) -> Self {
        let rejected = i64::try_from(taken.rejected).unwrap_or(i64::MAX);
        let partial_success =
            taken.reason.map(|error_message| PartialSuccess { rejected, error_message });
        Self { partial_success }
    }
}
