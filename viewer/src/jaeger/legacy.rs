//! Jaeger's older JSON: what Grafana and many scripts call.

use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};

use super::model::Operation;
use super::reply::{Structured, StructuredError, answer, failure, to_json};
use super::{BAD_LIMIT, MAX_TRACES, convert, trace_id};
use crate::api::{State, computed};
use crate::ingest::SharedStore;
use crate::query::filter::{self, Filter};
use crate::query::params::{Params, now};
use crate::store::model::{Kind, TraceId};
use crate::store::trace::Trace;
use crate::view::View;

/// Traces found unless the search says how many.
const DEFAULT_LIMIT: i64 = 100;
/// How far back a search looks that does not say, in nanoseconds: two days.
const DEFAULT_LOOKBACK: u64 = 48 * 3_600_000_000_000;

const TRACE_NOT_FOUND: &str = "trace not found";
const SERVICE_REQUIRED: &str = "parameter 'service' is required";

/// `GET /api/services`.
pub(super) async fn services(request: HttpRequest, state: Data<State>) -> HttpResponse {
    let names: Vec<String> =
        state.store.read().catalog.services().map(|(name, _)| name.to_string()).collect();
    let total = names.len();
    reply(&request, &Structured::new(names, total))
}

/// `GET /api/services/{service}/operations`.
pub(super) async fn operation_names(
    request: HttpRequest,
    service: Path<String>,
    state: Data<State>,
) -> HttpResponse {
    let operations = operations_of(&state.store, &service, "");
    let mut names: Vec<String> = operations.into_iter().map(|operation| operation.name).collect();
    names.dedup();
    let total = names.len();
    // Jaeger has null for no names.
    reply(&request, &Structured::new((total > 0).then_some(names), total))
}

/// `GET /api/operations`.
pub(super) async fn operations(request: HttpRequest, state: Data<State>) -> HttpResponse {
    let params = Params::parse(request.query_string());
    let Some(service) = params.get("service") else {
        return failure(StatusCode::BAD_REQUEST, SERVICE_REQUIRED);
    };
    let kind = params.get("spanKind").unwrap_or_default();
    let operations = operations_of(&state.store, service, kind);
    let total = operations.len();
    reply(&request, &Structured::new(operations, total))
}

/// The operations of a service by name and kind; `kind` "" means all kinds.
pub(super) fn operations_of(store: &SharedStore, service: &str, kind: &str) -> Vec<Operation> {
    let store = store.read();
    let Some(service) = store.catalog.service(service) else { return Vec::new() };
    service
        .operations
        .keys()
        .map(|(name, kind)| Operation { name: name.to_string(), span_kind: kind_name(*kind) })
        .filter(|operation| kind.is_empty() || operation.span_kind == kind)
        .collect()
}

fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Unspecified => "",
        kind => kind.name(),
    }
}

/// `GET /api/traces`.
pub(super) async fn search(request: HttpRequest, state: Data<State>) -> HttpResponse {
    let params = Params::parse(request.query_string());
    let (search, limit) = match search_of(&params) {
        Ok(search) => search,
        Err(message) => return failure(StatusCode::BAD_REQUEST, message),
    };
    let Search { filter, ids, raw } = search;
    if !ids.is_empty() {
        return by_ids(&state.store, &ids, raw, &params);
    }
    if !(1..=MAX_TRACES).contains(&limit) {
        return failure(StatusCode::INTERNAL_SERVER_ERROR, BAD_LIMIT);
    }
    let limit = usize::try_from(limit).unwrap_or_default();
    computed(move || {
        let found = find(&state.store, &filter, limit);
        let traces: Vec<_> = found.into_iter().map(|trace| shown(trace, raw)).collect();
        to_json(&Structured::new(traces, 0), &params)
    })
    .await
    .map_or_else(|error| failure(StatusCode::INTERNAL_SERVER_ERROR, error), answer)
}

struct Search {
    filter: Filter,
    ids: Vec<TraceId>,
    raw: bool,
}

fn search_of(params: &Params) -> Result<(Search, i64), String> {
    let mut filter = params.filter().map_err(|error| error.to_string())?;
    let now = now();
    filter.start_min.get_or_insert(now.saturating_sub(DEFAULT_LOOKBACK));
    filter.start_max.get_or_insert(now);
    let limit = params.limit().map_err(|error| error.to_string())?.unwrap_or(DEFAULT_LIMIT);
    let ids: Vec<_> = params
        .all("traceID")
        .map(trace_id::hexadecimal)
        .collect::<Result<_, _>>()
        .map_err(|error| format!("cannot parse traceID param: {error}"))?;
    let raw = params.flag("raw").map_err(|error| error.to_string())?;
    if ids.is_empty() && filter.service.is_none() {
        return Err(SERVICE_REQUIRED.into());
    }
    Ok((Search { filter, ids, raw }, limit))
}

/// The newest traces that `filter` finds, in the order of their coming.
pub(super) fn find(store: &SharedStore, filter: &Filter, limit: usize) -> Vec<Arc<Trace>> {
    let traces = filter::all(&store.read());
    traces.into_iter().filter(|trace| filter.matches(trace)).take(limit).collect()
}

fn by_ids(store: &SharedStore, ids: &[TraceId], raw: bool, params: &Params) -> HttpResponse {
    let (mut traces, mut missing) = (Vec::new(), Vec::new());
    for &id in ids {
        let held = store.read().trace(id).cloned();
        match held {
            Some(trace) => traces.push(shown(trace, raw)),
            None => missing.push(StructuredError {
                code: None,
                msg: TRACE_NOT_FOUND.into(),
                trace_id: Some(convert::short(id)),
            }),
        }
    }
    answer(to_json(&Structured::new(traces, 0).with(missing), params))
}

/// `GET /api/traces/{id}`.
pub(super) async fn trace(
    request: HttpRequest,
    id: Path<String>,
    state: Data<State>,
) -> HttpResponse {
    let params = Params::parse(request.query_string());
    let checked = trace_id::in_path(&id).and_then(|id| {
        let moments = params.moment("start", 1_000).and(params.moment("end", 1_000));
        let raw = moments.and(params.flag("raw")).map_err(|error| error.to_string())?;
        Ok((id, raw))
    });
    let (id, raw) = match checked {
        Ok(checked) => checked,
        Err(message) => return failure(StatusCode::BAD_REQUEST, message),
    };
    let held = state.store.read().trace(id).cloned();
    match held {
        Some(trace) => reply(&request, &Structured::new([shown(trace, raw)], 0)),
        None => failure(StatusCode::NOT_FOUND, TRACE_NOT_FOUND),
    }
}

fn shown(trace: Arc<Trace>, raw: bool) -> super::model::Trace {
    convert::trace(&view(trace, raw))
}

/// The trace as it came, or adjusted.
pub(super) fn view(trace: Arc<Trace>, raw: bool) -> View {
    if raw { View::raw(trace) } else { View::adjusted(trace) }
}

fn reply(request: &HttpRequest, data: &impl serde::Serialize) -> HttpResponse {
    answer(to_json(data, &Params::parse(request.query_string())))
}
