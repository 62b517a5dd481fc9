//! The store over HTTP: one handler a file, each of which asks actors and nobody else.
//!
//! Around every handler: [`trace_headers`] throws away what the W3C rules say to ignore, the
//! instrumentation makes the SERVER span, and [`in_trace`] works inside it.

mod body;
mod checkout;
mod health;
mod in_trace;
mod openapi;
mod orders;
mod problem;
mod products;
mod state;
mod trace_headers;
mod welcome;
mod whats_in_store;

use actix_web::{HttpRequest, Resource, Route, http::Method, web};

pub(crate) use in_trace::in_trace;
pub(crate) use state::AppState;
pub(crate) use trace_headers::tidy;

use problem::ApiError;

/// All routes of the store.
pub(crate) fn routes(config: &mut web::ServiceConfig) {
    config
        .app_data(web::PathConfig::default().error_handler(|error, _| ApiError::from(error).into()))
        .service(reading("/", || web::to(welcome::welcome)))
        .service(reading("/whats-in-store", || web::to(whats_in_store::whats_in_store)))
        .service(reading("/products/{id}", || web::to(products::product)))
        .service(reading("/orders/{id}", || web::to(orders::order)))
        .service(reading("/healthz", || web::to(health::healthz)))
        .service(reading("/readyz", || web::to(health::readyz)))
        .service(reading("/openapi.json", || web::to(openapi::openapi)))
        .service(only("POST", web::resource("/checkout").route(web::post().to(checkout::checkout))))
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
