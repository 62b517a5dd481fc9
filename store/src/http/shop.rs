//! What every handler needs: the actors, and how long they may take.

use std::time::Duration;

use opentelemetry::{
    Context,
    global::{self, BoxedTracer},
};
use tokio::time::Instant;

use crate::actors::{Crew, Faults, Staff};

/// What every handler needs.
pub(crate) struct Shop {
    staff: Staff,
    request_timeout: Duration,
    allow_faults: bool,
    /// For spans made by hand; kept, because to make a tracer takes a lock.
    pub(crate) tracer: BoxedTracer,
}

impl Shop {
    /// A shop whose requests may take so long, and may ask for faults if `allow_faults`.
    pub(crate) fn new(staff: Staff, request_timeout: Duration, allow_faults: bool) -> Self {
        Self { staff, request_timeout, allow_faults, tracer: global::tracer("store") }
    }

    /// The actors for the request that is being handled.
    pub(crate) fn crew(&self) -> &Crew {
        let asks_for_faults = Context::map_current(|cx| cx.get::<Faults>().is_some());
        if asks_for_faults { self.staff.experimenters() } else { self.staff.regulars() }
    }

    /// All actors.
    pub(crate) fn staff(&self) -> &Staff {
        &self.staff
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
