//! The viewer's own API, for its page: everything is JSON, read only, under `/viewer/api`.
//!
//! | route | answers |
//! |---|---|
//! | `GET /viewer/api/traces?…` | the [summaries](summary) of the traces that a search finds: `{"traces":[…],"total":57,"limit":20}`, the newest start first |
//! | `GET /viewer/api/traces/{id}` | one trace [in full](detail): resources and scopes once each, spans in a flat list by start with links in both directions |
//! | `GET /viewer/api/live?…` | [server-sent events](live): `hello`, `traces` with the summaries of traces that changed, `stats` every second |
//! | `GET /viewer/api/graph?window=60` | the [actor graph](mod@graph) of the last seconds |
//! | `GET /viewer/api/services` | services with their operations |
//! | `GET /viewer/api/stats` | [what is held](totals), what came in, what became of it |
//!
//! A search takes `service`, `operation`, `tag=key:value` (repeatable), `tags` (a JSON object or
//! logfmt), `start` and `end` (µs since the epoch), `lookback`, `minDuration` and `maxDuration`
//! (`1.5s`, `100ms`), `errors=true` and `limit`. All are optional and all must hold for one span.
//!
//! Names ending in `_us` are microseconds since the epoch. `start_unix_ns` is a decimal string,
//! because JavaScript's numbers end before it. All other `_ns` are durations, or offsets from the
//! trace's start. An error is `{"error":"…"}`.

mod attributes;
mod detail;
mod graph;
pub(crate) mod live;
mod span;
pub(crate) mod summary;
mod totals;

use std::sync::Arc;

use actix_web::http::header::ContentType;
use actix_web::web::{Data, Path, ServiceConfig, block, get};
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;

use self::live::Live;
use self::summary::Summary;
use crate::ingest::SharedStore;
use crate::query::filter;
use crate::query::params::{ParamError, Params, now};
use crate::stats::Stats;
use crate::store::model::TraceId;

/// What the handlers work with.
#[derive(Clone, Debug)]
pub(crate) struct State {
    pub(crate) store: SharedStore,
    pub(crate) stats: Arc<Stats>,
    pub(crate) live: Arc<Live>,
}

/// Traces listed unless the search says how many, and at most.
const DEFAULT_LIMIT: usize = 20;
const MAX_LIMIT: usize = 1_500;
/// Seconds that the graph looks back unless told, and at most.
const DEFAULT_WINDOW_S: i64 = 60;
const MAX_WINDOW_S: i64 = 600;

/// The routes.
pub(crate) fn routes(config: &mut ServiceConfig) {
    config
        .route("/viewer/api/traces", get().to(search))
        .route("/viewer/api/traces/{id}", get().to(trace))
        .route("/viewer/api/live", get().to(live::subscribe))
        .route("/viewer/api/graph", get().to(graph))
        .route("/viewer/api/services", get().to(services))
        .route("/viewer/api/stats", get().to(stats));
}

#[derive(Serialize)]
struct Found {
    traces: Vec<Summary>,
    total: usize,
    limit: usize,
}

async fn search(request: HttpRequest, state: Data<State>) -> HttpResponse {
    let params = Params::parse(request.query_string());
    let (filter, limit) = match params.filter().and_then(|filter| Ok((filter, params.limit()?))) {
        Ok(search) => search,
        Err(error) => return bad_request(&error),
    };
    let limit = limit.map_or(DEFAULT_LIMIT, |limit| usize::try_from(limit).unwrap_or(0));
    let limit = limit.clamp(1, MAX_LIMIT);
    let found = computed(move || {
        let traces = filter::all(&state.store.read());
        let mut found: Vec<_> = traces.into_iter().filter(|trace| filter.matches(trace)).collect();
        found.sort_by_key(|trace| std::cmp::Reverse(trace.start));
        let traces = found.iter().take(limit).map(|trace| Summary::of(trace)).collect();
        to_json(&Found { traces, total: found.len(), limit })
    });
    answer(found.await)
}

async fn trace(id: Path<String>, state: Data<State>) -> HttpResponse {
    let Some(id) = trace_id(&id) else {
        return failure(
            HttpResponse::BadRequest(),
            format!("{:?} is no trace id: expected 32 hexadecimal digits", *id),
        );
    };
    let json = computed(move || Some(to_json(&detail::detail(&state.store, id)?))).await;
    match json.transpose() {
        Some(json) => answer(json),
        None => failure(HttpResponse::NotFound(), format!("trace {id} is not held")),
    }
}

async fn graph(request: HttpRequest, state: Data<State>) -> HttpResponse {
    let params = Params::parse(request.query_string());
    let window = match params.integer("window") {
        Ok(window) => window.unwrap_or(DEFAULT_WINDOW_S).clamp(1, MAX_WINDOW_S),
        Err(error) => return bad_request(&error),
    };
    let window = window.unsigned_abs();
    answer(computed(move || to_json(&graph::graph(&state.store, window, now()))).await)
}

#[derive(Serialize)]
struct Services {
    services: Vec<ServiceEntry>,
}

#[derive(Serialize)]
struct ServiceEntry {
    name: String,
    spans: usize,
    operations: Vec<String>,
}

async fn services(state: Data<State>) -> HttpResponse {
    let store = state.store.read();
    let services = store.catalog.services().map(|(name, service)| {
        let names = service.operations.keys().map(|(name, _)| name.to_string());
        let mut operations: Vec<String> = names.collect();
        // Sorted already: the same name with several kinds lies side by side.
        operations.dedup();
        ServiceEntry { name: name.to_string(), spans: service.spans, operations }
    });
    HttpResponse::Ok().json(Services { services: services.collect() })
}

async fn stats(state: Data<State>) -> HttpResponse {
    HttpResponse::Ok().json(totals::totals(&state))
}

/// What `work` makes, on a thread where it does not hold up this one's live connections.
///
/// # Errors
///
/// When `work` panics, in words.
pub(crate) async fn computed<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, String> {
    block(work).await.map_err(|error| error.to_string())
}

/// The answer of a handler whose JSON was [`computed`].
fn answer(json: Result<Vec<u8>, String>) -> HttpResponse {
    match json {
        Ok(json) => HttpResponse::Ok().content_type(ContentType::json()).body(json),
        Err(error) => failure(HttpResponse::InternalServerError(), error),
    }
}

fn to_json(value: &impl Serialize) -> Vec<u8> {
    // Numbers, strings and lists: nothing that JSON could not hold.
    serde_json::to_vec(value).unwrap_or_default()
}

fn bad_request(error: &ParamError) -> HttpResponse {
    failure(HttpResponse::BadRequest(), error.to_string())
}

fn failure(mut response: actix_web::HttpResponseBuilder, error: String) -> HttpResponse {
    response.json(serde_json::json!({ "error": error }))
}

/// A trace id as the page writes it.
fn trace_id(text: &str) -> Option<TraceId> {
    let hexadecimal = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let id = hexadecimal.then(|| u128::from_str_radix(text, 16).ok()).flatten()?;
    (id != 0).then_some(TraceId(id))
}
