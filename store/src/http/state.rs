//! The state that all handlers share, and the actors for one request.

use std::{
    convert::Infallible,
    future::{Ready, ready},
    ops::Deref,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, SystemTime},
};

use actix_web::{FromRequest, HttpMessage as _, HttpRequest, dev::Payload, web};
use opentelemetry::{
    global::{self, BoxedTracer},
    trace::Tracer as _,
};
use shared::{fault::FaultSupport, hosts::AllowedHosts};
use tokio::time::Instant;

use crate::{
    actors::{ActorPools, ActorSystem},
    clock::Clock,
    config::Config,
    lessons::Lessons,
};

/// The state that all handlers share.
pub(crate) struct AppState {
    pools: ActorPools,
    request_timeout: Duration,
    /// Whether the store has been told to stop.
    is_closing: AtomicBool,
    faults: FaultSupport,
    lessons: Lessons,
    allowed_hosts: AllowedHosts,
    clock: Clock,
    /// For spans made by hand. It is kept, because making a tracer takes a lock.
    tracer: Arc<BoxedTracer>,
    is_traced: bool,
}

impl AppState {
    /// The state of a store with these actors and settings.
    pub(crate) fn new(pools: ActorPools, config: &Config) -> Self {
        let faults = FaultSupport::new(config.allow_faults, pools.aisle_names());
        let scope = telemetry::instrumentation_scope("store", env!("CARGO_PKG_VERSION"));
        let tracer = Arc::new(global::tracer_with_scope(scope));
        Self {
            pools,
            request_timeout: config.request_timeout,
            is_closing: AtomicBool::new(false),
            faults,
            allowed_hosts: AllowedHosts::of(config.listen, &config.allowed_hosts),
            clock: config.clock.clone(),
            // Lessons are, like faults, nothing that a store does unasked.
            lessons: Lessons::new(config.allow_faults, Arc::clone(&tracer), config.program.clone()),
            tracer,
            is_traced: config.is_traced,
        }
    }

    /// Does `work` in a span of this name.
    pub(crate) fn in_span<T>(&self, name: &'static str, work: impl FnOnce() -> T) -> T {
        if self.is_traced { self.tracer.in_span(name, |_| work()) } else { work() }
    }

    /// Says from now on that the store is not ready. It goes on serving.
    pub(crate) fn close(&self) {
        self.is_closing.store(true, Ordering::Relaxed);
    }

    /// Whether the store has been told to stop.
    pub(crate) fn is_closing(&self) -> bool {
        self.is_closing.load(Ordering::Relaxed)
    }

    /// All actors.
    pub(crate) fn pools(&self) -> &ActorPools {
        &self.pools
    }

    /// The deadline of a request that came just now.
    pub(crate) fn deadline(&self) -> Instant {
        Instant::now() + self.request_timeout
    }

    /// When an order is placed that comes just now.
    pub(crate) fn now(&self) -> SystemTime {
        self.clock.now()
    }

    /// The values of the `Host` header that the store answers to.
    pub(crate) fn allowed_hosts(&self) -> &AllowedHosts {
        &self.allowed_hosts
    }

    /// The lessons that requests may ask for.
    pub(crate) fn lessons(&self) -> &Lessons {
        &self.lessons
    }

    /// Which faults requests may ask for.
    pub(crate) fn faults(&self) -> &FaultSupport {
        &self.faults
    }
}

/// The actors for the request that is being handled: the regular ones, or those of its experiment.
pub(crate) struct Actors(Arc<ActorSystem>);

impl Deref for Actors {
    type Target = ActorSystem;

    fn deref(&self) -> &ActorSystem {
        &self.0
    }
}

impl FromRequest for Actors {
    type Error = Infallible;
    type Future = Ready<Result<Self, Infallible>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let of_experiment = request.extensions().get::<Arc<ActorSystem>>().cloned();
        let actors = of_experiment.unwrap_or_else(|| {
            let state = request.app_data::<web::Data<AppState>>();
            Arc::clone(state.expect("every store has its state").pools.regular())
        });
        ready(Ok(Self(actors)))
    }
}
