//! What every handler needs: the actors, and how long they may take.

use std::time::Duration;

use opentelemetry::{
    Context,
    global::{self, BoxedTracer},
};
use tokio::time::Instant;

use crate::actors::{ActorPools, ActorSystem, Faults};

/// What every handler needs.
pub(crate) struct AppState {
    pools: ActorPools,
    request_timeout: Duration,
    allow_faults: bool,
    /// For spans made by hand; kept, because to make a tracer takes a lock.
    pub(crate) tracer: BoxedTracer,
}

impl AppState {
    /// The state of a store whose requests may take so long, and may ask for faults if `allow_faults`.
    pub(crate) fn new(pools: ActorPools, request_timeout: Duration, allow_faults: bool) -> Self {
        Self { pools, request_timeout, allow_faults, tracer: global::tracer("store") }
    }

    /// The actors for the request that is being handled.
    pub(crate) fn actors(&self) -> &ActorSystem {
        let asks_for_faults = Context::map_current(|cx| cx.get::<Faults>().is_some());
        if asks_for_faults { self.pools.experimenters() } else { self.pools.regulars() }
    }

    /// All actors.
    pub(crate) fn pools(&self) -> &ActorPools {
        &self.pools
    }

    /// When the request that is being handled must be answered.
    pub(crate) fn deadline(&self) -> Instant {
        Instant::now() + self.request_timeout
    }

    /// Whether requests may ask for faults.
    pub(crate) fn allows_faults(&self) -> bool {
        self.allow_faults
    }
}
