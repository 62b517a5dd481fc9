//! Jaeger's query API, so that what is written against Jaeger works against the viewer: the
//! [JSON of its older pages and of Grafana](legacy) under `/api`, and the [stable API](v3) under
//! `/api/v3`, which speaks OTLP.
//!
//! | route | answers |
//! |---|---|
//! | `GET /api/services` | the services' names |
//! | `GET /api/services/{service}/operations` | the names of a service's operations |
//! | `GET /api/operations?service=&spanKind=` | the same with kinds |
//! | `GET /api/traces?service=&operation=&tags=&start=&end=&minDuration=&maxDuration=&limit=` | the traces that a search finds, or those named by `traceID=` |
//! | `GET /api/traces/{id}` | one trace |
//! | `GET /api/dependencies?endTs=&lookback=` | which service called which, how often |
//! | `GET /api/v3/services`, `/api/v3/operations`, `/api/v3/traces`, `/api/v3/traces/{id}`, `/api/v3/trace-summaries` | the same, stable |
//!
//! Jaeger removed the first four of these after its release 2.20 in favour of `/api/v3`; Grafana
//! and many scripts still call them.
//!
//! Reference: <https://www.jaegertracing.io/docs/latest/architecture/apis/>. Errors have Jaeger's
//! texts and statuses, and like Jaeger's they are JSON called plain text.

mod convert;
mod dependencies;
mod legacy;
mod model;
mod reply;
mod trace_id;
mod v3;

use actix_web::HttpResponse;
use actix_web::http::header::ContentType;
use actix_web::web::{ServiceConfig, get, resource, route};

/// The routes.
pub(crate) fn routes(config: &mut ServiceConfig) {
    config
        .route("/api/services", get().to(legacy::services))
        .route("/api/services/{service}/operations", get().to(legacy::operation_names))
        .route("/api/operations", get().to(legacy::operations))
        .route("/api/traces", get().to(legacy::search))
        .route("/api/traces/{id}", get().to(legacy::trace))
        .route("/api/dependencies", get().to(dependencies::dependencies))
        .route("/api/v3/services", get().to(v3::services))
        .route("/api/v3/operations", get().to(v3::operations))
        .route("/api/v3/traces", get().to(v3::search))
        .route("/api/v3/traces/{id}", get().to(v3::trace))
        .route("/api/v3/trace-summaries", get().to(v3::summaries))
        .service(resource("/api/{unknown:.*}").route(route().to(not_found)));
}

async fn not_found() -> HttpResponse {
    HttpResponse::NotFound().content_type(ContentType::plaintext()).body("404 page not found\n")
}

/// Traces that a search may ask for at most.
const MAX_TRACES: i64 = 100_000;

/// What Jaeger says to a limit that is too small or too large. It does so with status 500.
const BAD_LIMIT: &str = "search depth must be greater than 0 and less than max traces";
