//! The store over HTTP: handlers, which ask actors only, and the middleware around them.
//!
//! [`connections`] are taken and divided between the threads that serve them. A request passes through, from the
//! outside in:
//!
//! - [`trace_headers`] removes the trace headers that the W3C rules say to ignore;
//! - [`context_of`] keeps probes out of all traces;
//! - the instrumentation reads the remaining headers and makes the SERVER span;
//! - [`middleware`] refuses what a browser sends for a page of another site, makes the lesson that the
//!   request asks for, and decides which faults are honoured;
//! - one of the [`handlers`] asks the actors, which it gets from [`state`].
//!
//! Every error is a problem document, from [`problem`].

mod body;
pub(crate) mod connections;
mod handlers;
mod middleware;
mod openapi;
mod problem;
mod state;
mod trace_headers;

use actix_web::{
    HttpRequest, Resource, Route, dev::ServiceRequest, guard::fn_guard, http::Method, web,
};
use opentelemetry::Context;

pub(crate) use middleware::InTrace;
pub(crate) use state::AppState;
pub(crate) use trace_headers::tidy;

use problem::ApiError;

/// The paths that only say how the store is. Probes ask for them every few seconds, and in a quiet store
/// most traces would be theirs.
const PROBES: [&str; 2] = ["/healthz", "/readyz"];

/// The context in which a request is handled, if it is not the current one: for a probe one in which
/// nothing makes a span, neither the instrumentation nor an actor or the database.
pub(crate) fn context_of(request: &ServiceRequest) -> Option<Context> {
    let is_probe = PROBES.contains(&request.path());
    is_probe.then(|| Context::map_current(telemetry::without_spans))
}

/// All routes of the store. They are tried in this order, so those of a trip come first.
pub(crate) fn routes(config: &mut web::ServiceConfig) {
    config
        .app_data(web::PathConfig::default().error_handler(|error, _| ApiError::from(error).into()))
        .service(reading("/", web::to(handlers::welcome)))
        .service(reading("/whats-in-store", web::to(handlers::whats_in_store)))
        .service(only("POST", &[Method::POST], "/checkout", web::to(handlers::checkout)))
        .service(reading("/products/{id}", web::to(handlers::product)))
        .service(reading("/orders/{id}", web::to(handlers::order)))
        .service(reading("/faults", web::to(handlers::faults)))
        .service(reading("/lessons", web::to(handlers::lessons)))
        .service(reading("/healthz", web::to(handlers::healthz)))
        .service(reading("/readyz", web::to(handlers::readyz)))
        .service(reading("/openapi.json", web::to(openapi::openapi)))
        .default_service(web::to(not_found));
}

/// A resource for `GET` and `HEAD`.
fn reading(path: &str, handler: Route) -> Resource {
    only("GET, HEAD", &[Method::GET, Method::HEAD], path, handler)
}

/// A resource for these methods, which are `allowed`. It refuses every other one with 405.
///
/// `actix_web::guard::Method` would note for each request which methods it has met.
fn only(allowed: &'static str, methods: &'static [Method], path: &str, handler: Route) -> Resource {
    web::resource(path)
        .route(handler.guard(fn_guard(move |request| methods.contains(&request.head().method))))
        .default_service(web::to(move |request: HttpRequest| async move {
            ApiError::method_not_allowed(request.method(), allowed)
        }))
}

async fn not_found(request: HttpRequest) -> ApiError {
    ApiError::not_found(format!("there is nothing at {:?}", request.path()))
}
