//! The store over HTTP: handlers, which ask actors and nobody else, and what stands around them.
//!
//! Around every handler: [`trace_headers`] throws away what the W3C rules say to ignore, the
//! instrumentation makes the SERVER span, and [`in_trace`] works inside it.

mod body;
mod handlers;
mod middleware;
mod openapi;
mod problem;
mod trace_headers;

use std::{
    convert::Infallible,
    future::{Ready, ready},
    ops::Deref,
    sync::Arc,
    time::Duration,
};

use actix_web::{
    FromRequest, HttpMessage as _, HttpRequest, Resource, Route, dev::Payload, http::Method, web,
};
use opentelemetry::{
    InstrumentationScope,
    global::{self, BoxedTracer},
};
use opentelemetry_semantic_conventions::SCHEMA_URL;
use shared::{fault::FaultSupport, hosts::AllowedHosts};
use tokio::time::Instant;

pub(crate) use middleware::in_trace;
pub(crate) use trace_headers::tidy;

use problem::ApiError;

use crate::{
    actors::{ActorPools, ActorSystem},
    server::Config,
};

/// All routes of the store.
pub(crate) fn routes(config: &mut web::ServiceConfig) {
    config
        .app_data(web::PathConfig::default().error_handler(|error, _| ApiError::from(error).into()))
        .service(reading("/", || web::to(handlers::welcome)))
        .service(reading("/whats-in-store", || web::to(handlers::whats_in_store)))
        .service(reading("/products/{id}", || web::to(handlers::product)))
        .service(reading("/orders/{id}", || web::to(handlers::order)))
        .service(reading("/faults", || web::to(handlers::faults)))
        .service(reading("/healthz", || web::to(handlers::healthz)))
        .service(reading("/readyz", || web::to(handlers::readyz)))
        .service(reading("/openapi.json", || web::to(openapi::openapi)))
        .service(only("POST", web::resource("/checkout").route(web::post().to(handlers::checkout))))
        .default_service(web::to(not_found));
}

/// A resource that can be read, whole or just its headers.
fn reading(path: &str, handler: impl Fn() -> Route) -> Resource {
    let resource = web::resource(path)
        .route(handler().method(Method::GET))
        .route(handler().method(Method::HEAD));
    only("GET, HEAD", resource)
}

/// Refuses every other method.
fn only(allowed: &'static str, resource: Resource) -> Resource {
    resource.default_service(web::to(move |request: HttpRequest| async move {
        ApiError::method_not_allowed(request.method(), allowed)
    }))
}

async fn not_found(request: HttpRequest) -> ApiError {
    ApiError::not_found(format!("there is nothing at {:?}", request.path()))
}

/// What every handler needs.
pub(crate) struct AppState {
    pools: ActorPools,
    request_timeout: Duration,
    faults: FaultSupport,
    allowed_hosts: AllowedHosts,
    /// For spans made by hand; kept, because to make a tracer takes a lock.
    pub(crate) tracer: BoxedTracer,
}

impl AppState {
    /// The state of a store with these actors, as `config` wants it.
    pub(crate) fn new(pools: ActorPools, config: &Config) -> Self {
        let faults = FaultSupport::new(config.allow_faults, pools.aisles());
        Self {
            pools,
            request_timeout: config.request_timeout,
            faults,
            allowed_hosts: AllowedHosts::of(config.listen, &config.allowed_hosts),
            tracer: global::tracer_with_scope(
                InstrumentationScope::builder("store")
                    .with_version(env!("CARGO_PKG_VERSION"))
                    .with_schema_url(SCHEMA_URL)
                    .build(),
            ),
        }
    }

    /// All actors.
    pub(crate) fn pools(&self) -> &ActorPools {
        &self.pools
    }

    /// When the request that is being handled must be answered.
    pub(crate) fn deadline(&self) -> Instant {
        Instant::now() + self.request_timeout
    }

    /// Which `Host` it answers to.
    pub(crate) fn allowed_hosts(&self) -> &AllowedHosts {
        &self.allowed_hosts
    }

    /// Which faults requests may ask for.
    pub(crate) fn faults(&self) -> &FaultSupport {
        &self.faults
    }
}

/// The actors for the request that is being handled: everybody's, or those of an experiment.
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
