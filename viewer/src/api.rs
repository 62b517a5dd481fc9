//! The viewer's own API, for its page: everything is JSON, under `/viewer/api`.
//!
//! | route | answers |
//! |---|---|
//! | `GET /viewer/api/traces?…` | the [summaries](summary) of the traces that a search finds: `{"traces":[…],"total":57,"limit":20}` |
//! | `GET /viewer/api/traces/{id}` | one trace: what its page says above the spans, and as `resourceSpans` [the spans in OTLP's JSON](crate::otlp_json), links in both directions |
//! | `GET /viewer/api/traces/{id}/otlp` | [the same trace as a file](transfer): `{"resourceSpans":[…]}` and nothing that OTLP does not have |
//! | `GET /viewer/api/otlp?traceID=…` | several traces as such a file |
//! | `POST /viewer/api/upload` | takes [a file of traces](transfer) and says what came of it: `{"trace_count":2,"span_count":17,"trace_ids":[…],"rejected":0}` |
//! | `GET /viewer/api/live?…` | [server-sent events](live): `hello`, `traces` with the summaries of traces that changed, `stats` every second |
//! | `GET /viewer/api/logs?…` | the [log records](logs) that a search finds, the latest first: `{"records":[…],"total":57,"limit":500,"held":1024,"oldest":1}`; `oldest` is the number of the oldest that is held |
//! | `GET /viewer/api/logs/{number}` | one record whole: its row, and as `resourceLogs` [the record in OTLP's JSON](crate::otlp_json::logs) |
//! | `GET /viewer/api/logs/otlp?…` | what a search finds as a file: `{"resourceLogs":[…]}` and nothing that OTLP does not have |
//! | `GET /viewer/api/logs/services` | the services that held records name: `{"services":[{"name":"store","records":17}]}` |
//! | `GET /viewer/api/logs/live?…` | [server-sent events](live): `hello`, `logs` with the rows of records that came: `{"records":[…],"skipped":0,"held":1024,"oldest":1}` |
//! | `GET /viewer/api/traces/{id}/logs` | the records of a trace, held or not: `{"trace_id":"…","record_count":2,"error_count":1,"resourceLogs":[…]}` |
//! | `GET /viewer/api/graph` | the [actor graph](mod@graph) of everything held; of the last seconds with `window=60`, of a stretch of time with `start` and `end` (µs since the epoch), or one of them |
//! | `GET /viewer/api/monitor` | [rate, errors and duration](monitor) of services, and of the operations and actors of one (`service`, or `other=true`), over the last `range` seconds (10 to 3600) before `end` |
//! | `GET /viewer/api/instruments` | the [instruments](instruments) of metrics that are held, with the attributes of their series |
//! | `GET /viewer/api/instrument?service=&name=&unit=&kind=&scope=` | one of them over the last `range` seconds before `end`: charts of the series that have every `attribute=key=value` |
//! | `GET /viewer/api/services` | services with their operations |
//! | `GET /viewer/api/stats` | [what is held](totals), what came in, what became of it |
//!
//! A search takes `service`, `operation`, `tag=key:value` (repeatable), `tags` ([pairs, or a JSON
//! object](crate::query::tags)), `start` and `end` (µs since the epoch), `lookback`, `minDuration`
//! and `maxDuration` (`1.5s`, `100ms`), `errors=true`, `traceID` (repeatable) and `limit`. All are
//! optional and all must hold for one span. `sort` is `start`, `duration`, `spans` or `errors`, of
//! everything that is held; `order` is `desc`, which is the default, or `asc`.
//!
//! A search for log records takes `service`, `severity` (the least: `trace`, `debug`, `info`, `warn`,
//! `error` or `fatal`), `text` (in any case, in the body, the event's name or an attribute),
//! `tag` and `tags` as above, of the record, its scope or its resource, `traceID` (repeatable),
//! `spanID`, `start`, `end`, `lookback` and `limit`. All must hold. A record stands where it happened
//! or, if its sender does not say when, where it was observed.
//!
//! Names ending in `_us` are microseconds since the epoch. `start_unix_ns` is a decimal string,
//! because JavaScript's numbers end before it. All other `_ns` are durations. An error is
//! `{"error":"…"}`.

mod graph;
pub(crate) mod instruments;
pub(crate) mod live;
mod logs;
pub(crate) mod monitor;
pub(crate) mod summary;
mod totals;
mod transfer;

use std::net::SocketAddr;
use std::sync::Arc;

use actix_web::http::header::ALLOW;
use actix_web::web::{Data, Path, ServiceConfig, get, post, resource, route};
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;

use self::graph::Stretch;
use self::live::Live;
use self::summary::{MAX_NUMBER, Summary, first_span};
use crate::adjusted::AdjustedTrace;
use crate::answer::{Answer, Failure, Readers};
use crate::config::Chips;
use crate::ingest::SharedStore;
use crate::otlp_json;
use crate::query::ParamError;
use crate::query::filter::{self, Filter, newest_first};
use crate::query::order::{self, First, Order};
use crate::query::params::Params;
use crate::query::trace_id;
use crate::render::{List, Text};
use crate::stats::Stats;
use crate::store::model::{Name, Span, TraceId, now};
use crate::store::trace::Trace;

/// What the handlers work with.
#[derive(Clone, Debug)]
pub(crate) struct State {
    pub(crate) store: SharedStore,
    pub(crate) stats: Arc<Stats>,
    pub(crate) live: Arc<Live>,
    pub(crate) readers: Readers,
    pub(crate) chips: Chips,
    pub(crate) receives: Receives,
}

/// Where the viewer takes spans: what the page tells those who have none yet.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Receives {
    pub(crate) otlp: SocketAddr,
    pub(crate) otlp_grpc: SocketAddr,
}

/// Traces listed unless the search says how many, and at most.
const DEFAULT_LIMIT: usize = 20;
const MAX_LIMIT: usize = 1_500;
/// What the length of the graph's window should be.
const SECONDS: &str = "a whole number of seconds, at least 1";
/// What a list of services takes for each name in it, in bytes.
const NAME_BYTES: usize = 2 * size_of::<Name>();

/// The routes.
pub(crate) fn routes(config: &mut ServiceConfig) {
    config
        .route("/viewer/api/traces", get().to(search))
        .route("/viewer/api/traces/{id}", get().to(trace))
        .route("/viewer/api/traces/{id}/otlp", get().to(transfer::download))
        .route("/viewer/api/traces/{id}/logs", get().to(logs::of_trace))
        .route("/viewer/api/otlp", get().to(transfer::download_all))
        .route("/viewer/api/logs", get().to(logs::search))
        .route("/viewer/api/logs/otlp", get().to(logs::download))
        .route("/viewer/api/logs/live", get().to(live::subscribe_to_logs))
        .route("/viewer/api/logs/services", get().to(logs::services))
        .route("/viewer/api/logs/{number}", get().to(logs::one))
        .route("/viewer/api/live", get().to(live::subscribe))
        .route("/viewer/api/graph", get().to(graph))
        .route("/viewer/api/monitor", get().to(monitor))
        .route("/viewer/api/instruments", get().to(instruments))
        .route("/viewer/api/instrument", get().to(instrument))
        .route("/viewer/api/services", get().to(services))
        .route("/viewer/api/stats", get().to(stats))
        .service(
            resource("/viewer/api/upload")
                .route(post().to(transfer::upload))
                .default_service(route().to(not_allowed)),
        );
}

async fn not_allowed() -> HttpResponse {
    HttpResponse::MethodNotAllowed().insert_header((ALLOW, "POST")).finish()
}

/// The answer that `make` writes, or the error that `error` makes of its failure.
pub(crate) async fn answer_or(
    error: impl FnOnce(&Failure) -> HttpResponse,
    request: &HttpRequest,
    state: &Data<State>,
    make: impl FnOnce(&mut Answer, &Params, &SharedStore) -> Result<(), Failure> + Send + 'static,
) -> HttpResponse {
    let params = Params::parse(request.query_string());
    let store = state.store.clone();
    let make = Box::new(move |answer: &mut Answer| make(answer, &params, &store));
    let made = state.readers.answer(make).await;
    made.unwrap_or_else(|failure| error(&failure))
}

/// The error, as JSON.
fn error(failure: &Failure) -> HttpResponse {
    failure.response().json(serde_json::json!({ "error": failure.message }))
}

async fn search(request: HttpRequest, state: Data<State>) -> HttpResponse {
    #[derive(Serialize)]
    struct Found<L> {
        traces: L,
        total: usize,
        limit: usize,
    }
    let chips = state.chips.clone();
    let search = move |answer: &mut Answer, params: &Params, store: &SharedStore| {
        let filter = Filter { ids: params.trace_ids("traceID")?, ..params.filter()? };
        let order = Order::of(params)?;
        let limit = params.limit()?;
        let limit = limit.map_or(DEFAULT_LIMIT, |limit| usize::try_from(limit).unwrap_or(0));
        let limit = limit.clamp(1, MAX_LIMIT);
        let held = store.read().trace_count();
        answer.hold(held * filter::TRACE_BYTES + limit * order::PLACE_BYTES)?;
        let mut first = First::new(limit);
        newest_first(store).filter(|trace| filter.matches(trace)).for_each(|trace| {
            first.consider(order.place(&trace));
        });
        let (found, total) = first.sorted();
        let summaries = || {
            let held = found.iter().filter_map(|(.., id)| store.read().trace(*id).cloned());
            held.map(|trace| Summary::of(&trace, &chips, store.logs().count_of(trace.id)))
        };
        answer.json(&Found { traces: List(summaries), total, limit })
    };
    answer_or(error, &request, &state, search).await
}

async fn trace(request: HttpRequest, id: Path<String>, state: Data<State>) -> HttpResponse {
    #[derive(Serialize)]
    struct WholeTrace<'a, L> {
        trace_id: Text<TraceId>,
        start_unix_ns: Text<u64>,
        start_us: u64,
        duration_ns: u64,
        span_count: usize,
        error_count: usize,
        root_name: &'a str,
        root_service: &'a str,
        warnings: Vec<String>,
        #[serde(rename = "resourceSpans")]
        resource_spans: L,
    }
    let trace = move |answer: &mut Answer, _: &Params, store: &SharedStore| {
        let id = trace_id::hexadecimal(&id)?;
        let held = held(store, id)?;
        answer.hold(held.spans.len() * AdjustedTrace::SPAN_BYTES)?;
        let adjusted = AdjustedTrace::for_page(held);
        let trace = &adjusted.trace;
        let top = first_span(trace);
        answer.json(&WholeTrace {
            trace_id: Text(id),
            start_unix_ns: Text(trace.start),
            start_us: trace.start / 1_000,
            duration_ns: trace.duration().min(MAX_NUMBER),
            span_count: trace.spans.len(),
            error_count: trace.errors(),
            root_name: top.map_or("", |span| &span.name),
            root_service: top.map_or("", |span| span.service()),
            warnings: warnings(&adjusted),
            resource_spans: List(|| otlp_json::resource_spans(&adjusted, Some(store))),
        })
    };
    answer_or(error, &request, &state, trace).await
}

/// The trace of that id.
fn held(store: &SharedStore, id: TraceId) -> Result<Arc<Trace>, Failure> {
    let held = store.read().trace(id).cloned();
    held.ok_or_else(|| Failure::not_found(format_args!("trace {id} is not held")))
}

/// What the trace lacks, in sentences for its page.
fn warnings(adjusted: &AdjustedTrace) -> Vec<String> {
    let trace = &adjusted.trace;
    let is_lost = |parent| !adjusted.holds(parent);
    let orphans = adjusted.spans.iter().filter(|span| span.parent.is_some_and(is_lost)).count();
    let backwards = trace.spans.iter().filter(|span| span.end < span.start).count();
    let is_cut = |span: &&Arc<Span>| span.extra.as_ref().is_some_and(|extra| extra.cut > 0);
    let cut = trace.spans.iter().filter(is_cut).count();
    let skewed = adjusted.spans.iter().filter(|span| span.clock_delta != 0).count();
    let duplicates = adjusted.spans.iter().filter(|span| span.has_duplicate_id).count();
    [
        (orphans, "has a parent that is not held", "have a parent that is not held"),
        (backwards, "ends before it starts", "end before they start"),
        (
            skewed,
            "does not lie within its parent on another host: a clock that differs, or nobody waited",
            "do not lie within their parents on other hosts: clocks that differ, or nobody waited",
        ),
        (duplicates, "has the id of another", "have ids of others"),
        (cut, "was cut by the viewer's limits", "were cut by the viewer's limits"),
        (
            trace.overflow,
            "came when the trace was full and is not held",
            "came when the trace was full and are not held",
        ),
    ]
    .into_iter()
    .filter(|(spans, ..)| *spans > 0)
    .map(|(spans, one, many)| match spans {
        1 => format!("1 span {one}"),
        _ => format!("{spans} spans {many}"),
    })
    .collect()
}

async fn graph(request: HttpRequest, state: Data<State>) -> HttpResponse {
    let uptime = state.stats.uptime_ns();
    let graph = move |answer: &mut Answer, params: &Params, store: &SharedStore| {
        let now = now();
        let ago = |seconds: u64| now.saturating_sub(seconds.saturating_mul(1_000_000_000));
        let seconds =
            params.read("window", SECONDS, |text| text.parse().ok().filter(|&s| s > 0))?;
        let (start, to) = (params.moment("start", 1_000)?, params.moment("end", 1_000)?);
        if seconds.is_some() && (start.is_some() || to.is_some()) {
            return Err(
                ParamError::other("'window' ends now: it goes without 'start' and 'end'").into()
            );
        }
        let from = seconds.map(ago).or(start);
        if let (Some(from), Some(to)) = (from, to)
            && from >= to
        {
            return Err(ParamError::other("'end' must be after 'start'").into());
        }
        let since = now.saturating_sub(uptime);
        graph::write(answer, store, Stretch { from, to, now, since })
    };
    answer_or(error, &request, &state, graph).await
}

async fn monitor(request: HttpRequest, state: Data<State>) -> HttpResponse {
    let uptime = state.stats.uptime_ns();
    let monitor = move |answer: &mut Answer, params: &Params, store: &SharedStore| {
        monitor::write(answer, params, store, now().saturating_sub(uptime))
    };
    answer_or(error, &request, &state, monitor).await
}

async fn instruments(request: HttpRequest, state: Data<State>) -> HttpResponse {
    answer_or(error, &request, &state, |answer, _, store| instruments::list(answer, store)).await
}

async fn instrument(request: HttpRequest, state: Data<State>) -> HttpResponse {
    answer_or(error, &request, &state, instruments::one).await
}

async fn services(request: HttpRequest, state: Data<State>) -> HttpResponse {
    #[derive(Serialize)]
    struct Services<L> {
        services: L,
    }
    #[derive(Serialize)]
    struct Service<'a> {
        name: &'a str,
        spans: usize,
        operations: &'a [Name],
    }
    let services = |answer: &mut Answer, _: &Params, store: &SharedStore| {
        let names: usize =
            store.read().catalog.services().map(|(_, service)| 2 + service.operation_count()).sum();
        answer.hold(names * NAME_BYTES)?;
        let listed: Vec<(Name, usize, Vec<Name>)> = {
            let store = store.read();
            let services = store.catalog.services().map(|(name, service)| {
                let mut operations: Vec<Name> =
                    service.operations().map(|(name, _)| Name::clone(name)).collect();
                // Sorted already: the same name with several kinds lies side by side.
                operations.dedup();
                (Name::clone(name), service.spans, operations)
            });
            services.collect()
        };
        let services = || {
            let listed = listed.iter();
            listed.map(|(name, spans, operations)| Service { name, spans: *spans, operations })
        };
        answer.json(&Services { services: List(services) })
    };
    answer_or(error, &request, &state, services).await
}

async fn stats(state: Data<State>) -> HttpResponse {
    HttpResponse::Ok().json(totals::totals(&state))
}
