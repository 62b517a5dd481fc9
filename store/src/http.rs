//! The store over HTTP: handlers, which ask actors and nobody else, and what stands around them.
//!
//! Around every handler: [`trace_headers`] throws away what the W3C rules say to ignore, the
//! instrumentation makes the SERVER span, and [`in_trace`] works inside it.

mod handlers;
mod middleware;
mod openapi;
mod problem;
mod trace_headers;

use std::time::Duration;

use actix_web::{HttpRequest, Resource, Route, http::Method, web};
use opentelemetry::{
    Context,
    global::{self, BoxedTracer},
};
use tokio::time::Instant;

pub(crate) use middleware::in_trace;
pub(crate) use trace_headers::tidy;

use problem::ApiError;

use crate::actors::{ActorPools, ActorSystem, Faults};

/// All routes of the store.
pub(crate) fn routes(config: &mut web::ServiceConfig) {
    config
        .app_data(web::PathConfig::default().error_handler(|error, _| ApiError::from(error).into()))
        .service(reading("/", || web::to(handlers::welcome)))
        .service(reading("/whats-in-store", || web::to(handlers::whats_in_store)))
        .service(reading("/products/{id}", || web::to(handlers::product)))
        .service(reading("/orders/{id}", || web::to(handlers::order)))
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
