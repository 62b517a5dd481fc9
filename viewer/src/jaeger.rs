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
//! | `POST /api/transform` | spans in OTLP's JSON as [traces in this JSON](transform) |
//! | `GET /api/metrics/latencies`, `…/calls`, `…/errors`, `…/minstep` | [rates and percentiles over time](metrics) |
//! | `POST /api/archive/{id}` | an error: so answers a Jaeger that has no archive |
//! | `GET /api/v3/services`, `/api/v3/operations`, `/api/v3/traces`, `/api/v3/traces/{id}`, `/api/v3/trace-summaries` | the same, stable |
//!
//! Jaeger removed the first four of these after its release 2.20 in favour of `/api/v3`; Grafana
//! and many scripts still call them.
//!
//! Reference: <https://www.jaegertracing.io/docs/latest/architecture/apis/>. Errors have Jaeger's
//! statuses and shapes, and the viewer's own words. Like Jaeger's they are JSON with the content
//! type of plain text.

mod legacy;
mod legacy_json;
mod metrics;
mod transform;
mod v3;

use std::sync::Arc;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::ContentType;
use actix_web::web::{ServiceConfig, get, post, resource, route};
use serde::Serialize;

use crate::adjusted::AdjustedTrace;
use crate::answer::{Answer, Failure};
use crate::ingest::SharedStore;
use crate::store::model::{Kind, Name};
use crate::store::trace::Trace;

/// The routes.
pub(crate) fn routes(config: &mut ServiceConfig) {
    config
        .route("/api/services", get().to(legacy::services))
        .route("/api/services/{service}/operations", get().to(legacy::operation_names))
        .route("/api/operations", get().to(legacy::operations))
        .route("/api/traces", get().to(legacy::search))
        .route("/api/traces/{id}", get().to(legacy::trace))
        .route("/api/dependencies", get().to(legacy::dependencies))
        .route("/api/transform", post().to(transform::transform))
        .route("/api/metrics/{metric:latencies|calls|errors|minstep}", get().to(metrics::metrics))
        .route("/api/archive/{id}", post().to(legacy::archive))
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

/// A millisecond in nanoseconds: the unit of the parameters for dependencies and metrics.
const MILLISECOND: u64 = 1_000_000;
/// How many traces a search finds when it does not say, and how many it may ask for.
const DEFAULT_LIMIT: i64 = 100;
const MAX_LIMIT: i64 = 100_000;

/// How many traces a search may find; `limit` is what it asks for.
///
/// # Errors
///
/// When that is less than 1 or more than [`MAX_LIMIT`]: with status 500, as in Jaeger.
fn limit(limit: Option<i64>) -> Result<usize, Failure> {
    let limit = limit.unwrap_or(DEFAULT_LIMIT);
    let fits = (1..=MAX_LIMIT).contains(&limit);
    usize::try_from(limit).ok().filter(|_| fits).ok_or_else(|| {
        let message = format!("{limit} is no number of traces to find: expected 1 to {MAX_LIMIT}");
        Failure::new(StatusCode::INTERNAL_SERVER_ERROR, message)
    })
}

/// An error in JSON. Its content type is plain text, as in Jaeger.
fn plain_text(failure: &Failure, json: &impl Serialize) -> HttpResponse {
    let json = serde_json::to_string(json).unwrap_or_default();
    failure.response().content_type(ContentType::plaintext()).body(json + "\n")
}

/// An operation of a service.
#[derive(Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Operation {
    name: Name,
    span_kind: &'static str,
}

/// The names of all services. They are shared with the store, not copied.
fn service_names(store: &SharedStore) -> Vec<Name> {
    store.read().catalog.services().map(|(name, _)| Name::clone(name)).collect()
}

/// The operations of a service by name and kind; `kind` "" means all kinds. One without a kind is
/// of the kind `unspecified`.
fn operations_of(
    answer: &mut Answer,
    store: &SharedStore,
    service: &str,
    kind: &str,
    unspecified: &'static str,
) -> Result<Vec<Operation>, Failure> {
    let store = store.read();
    let Some(service) = store.catalog.service(service) else { return Ok(Vec::new()) };
    answer.hold(2 * service.operation_count() * size_of::<Operation>())?;
    let operations = service.operations().map(|(name, kind)| Operation {
        name: Name::clone(name),
        span_kind: if kind == Kind::Unspecified { "" } else { kind.name() },
    });
    let mut wanted: Vec<_> =
        operations.filter(|of| kind.is_empty() || of.span_kind == kind).collect();
    for operation in wanted.iter_mut().filter(|operation| operation.span_kind.is_empty()) {
        operation.span_kind = unspecified;
    }
    Ok(wanted)
}

/// How traces are adjusted for Jaeger's API: only as far as they must be with `is_raw`.
fn adjusting(is_raw: bool) -> fn(Arc<Trace>) -> AdjustedTrace {
    if is_raw { AdjustedTrace::raw } else { AdjustedTrace::as_in_jaeger }
}
