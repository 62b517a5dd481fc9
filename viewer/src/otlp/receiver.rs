//! What HTTP and gRPC share: from a request's bytes to its answer.

use std::sync::Arc;

use bytes::Bytes;
use prost::Message;
use tokio::time::error::Elapsed;

use super::measure;
use super::signal::Signal;
use super::status::Failure;
use crate::ingest::{Budget, Queue, Reservation};
use crate::stats::Stats;

/// How requests are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    Protobuf,
    Json,
}

/// Takes requests of all signals.
#[derive(Clone, Debug)]
pub(crate) struct Receiver {
    pub(crate) queue: Queue,
    pub(crate) budget: Budget,
    pub(crate) stats: Arc<Stats>,
    /// The bytes that one request may have, packed or unpacked.
    pub(crate) request_bytes: usize,
    /// The bytes that one request may take in memory when decoded.
    pub(crate) decoded_bytes: usize,
}

impl Receiver {
    /// Decodes a request and takes it.
    pub(crate) fn receive<S: Signal>(
        &self,
        body: &Bytes,
        encoding: Encoding,
        mut reservation: Reservation,
    ) -> Result<S::Response, Failure> {
        let bytes = match encoding {
            Encoding::Protobuf => {
                measure::protobuf(body, S::shape().0).map_err(|e| malformed(&e))?
            }
            Encoding::Json => measure::json(body),
        };
        if bytes > self.decoded_bytes {
            return Err(Failure::TooExpensive { bytes, limit: self.decoded_bytes });
        }
        if !reservation.grow(bytes) {
            return Err(Failure::Overloaded);
        }
        let request = match encoding {
            Encoding::Protobuf => S::Request::decode(&**body).map_err(|e| malformed(&e))?,
            Encoding::Json => serde_json::from_slice(body).map_err(|e| malformed(&e))?,
        };
        // The body goes when the sender is answered; what waits for the store is its content.
        reservation.shrink_to(bytes);
        S::accept(request, self, reservation)
    }

    /// Counts a request that was refused or bad.
    pub(crate) fn count_failure<S: Signal>(&self, failure: &Failure) {
        use std::sync::atomic::Ordering::Relaxed;

        if matches!(failure, Failure::Overloaded) {
            S::counts(&self.stats).refused.fetch_add(1, Relaxed);
            self.stats.refusals.refused();
        } else {
            tracing::debug!(path = S::PATH, "bad request: {failure}");
        }
    }
}

fn malformed(error: &dyn std::error::Error) -> Failure {
    Failure::Malformed(error.to_string())
}

/// The time in which a request's body has to come.
pub(crate) const BODY_SECONDS: u64 = 30;

impl From<Elapsed> for Failure {
    fn from(_: Elapsed) -> Self {
        Self::TooSlow { seconds: BODY_SECONDS }
    }
}
