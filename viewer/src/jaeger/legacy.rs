//! Jaeger's older JSON: what Grafana and many scripts call.

use std::collections::BTreeMap;
use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;

use super::legacy_json::{LegacyTrace, ShortId};
use super::{MILLISECOND, adjusting, limit, operations_of, plain_text, service_names};
use crate::adjusted::AdjustedTraces;
use crate::answer::{Answer, Failure};
use crate::api::{State, answer_or};
use crate::ingest::SharedStore;
use crate::query::ParamError;
use crate::query::filter::{self, Filter, find, newest_first};
use crate::query::params::Params;
use crate::query::trace_id;
use crate::render::{List, Text};
use crate::store::model::{Name, TraceId, now};

/// How far back a search looks by default, in nanoseconds: two days.
const DEFAULT_LOOKBACK: u64 = 48 * 3_600_000_000_000;

/// How far back dependencies look by default, in milliseconds: a day.
const DEFAULT_DEPENDENCIES_LOOKBACK: i64 = 24 * 3_600_000;
/// Bytes that a pair of services takes while its calls are counted.
const CALL_BYTES: usize = 96;

const TRACE_NOT_FOUND: &str = "trace not found";

/// The envelope of every answer.
#[derive(Debug, Serialize)]
pub(super) struct Envelope<D> {
    data: D,
    total: usize,
    limit: usize,
    offset: usize,
    errors: Option<Vec<EnvelopeError>>,
}

#[derive(Debug, Serialize)]
pub(super) struct EnvelopeError {
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<u16>,
    msg: String,
    #[serde(rename = "traceID", skip_serializing_if = "Option::is_none")]
    trace_id: Option<Text<ShortId>>,
}

impl EnvelopeError {
    /// An error beside an answer.
    pub(super) fn new(msg: String) -> Self {
        Self { code: None, msg, trace_id: None }
    }
}

impl<D> Envelope<D> {
    /// An answer with `data`. Jaeger says how many there are (`total`) for lists of names only;
    /// else it says 0.
    pub(super) fn new(data: D, total: usize) -> Self {
        Self { data, total, limit: 0, offset: 0, errors: None }
    }

    pub(super) fn with_errors(self, errors: Vec<EnvelopeError>) -> Self {
        Self { errors: (!errors.is_empty()).then_some(errors), ..self }
    }
}

/// The answer that `make` writes, indented when `prettyPrint` says so.
pub(super) async fn answer(
    request: &HttpRequest,
    state: &Data<State>,
    make: impl FnOnce(&mut Answer, &Params, &SharedStore) -> Result<(), Failure> + Send + 'static,
) -> HttpResponse {
    let make = |answer: &mut Answer, params: &Params, store: &SharedStore| {
        if params.get("prettyPrint").is_some_and(|pretty| pretty != "false") {
            answer.indent();
        }
        make(answer, params, store)
    };
    answer_or(error, request, state, make).await
}

/// A failure in this API's shape.
pub(super) fn error(failure: &Failure) -> HttpResponse {
    let code = Some(failure.status.as_u16());
    let error = EnvelopeError { code, msg: failure.message.clone(), trace_id: None };
    plain_text(failure, &Envelope::new((), 0).with_errors(vec![error]))
}

fn required_service(params: &Params) -> Result<&str, ParamError> {
    let missing = || ParamError::other("parameter 'service' is required");
    params.get("service").ok_or_else(missing)
}

/// `GET /api/services`.
pub(super) async fn services(request: HttpRequest, state: Data<State>) -> HttpResponse {
    let services = |answer: &mut Answer, _: &Params, store: &SharedStore| {
        let names = service_names(store);
        answer.json(&Envelope::new(&names, names.len()))
    };
    answer(&request, &state, services).await
}

/// `GET /api/services/{service}/operations`.
pub(super) async fn operation_names(
    request: HttpRequest,
    service: Path<String>,
    state: Data<State>,
) -> HttpResponse {
    let operations = move |answer: &mut Answer, _: &Params, store: &SharedStore| {
        let operations = operations_of(answer, store, &service, "", "")?;
        let mut names: Vec<Name> = operations.into_iter().map(|operation| operation.name).collect();
        names.dedup();
        // Jaeger has null for no names.
        let total = names.len();
        answer.json(&Envelope::new((total > 0).then_some(names), total))
    };
    answer(&request, &state, operations).await
}

/// `GET /api/operations`.
pub(super) async fn operations(request: HttpRequest, state: Data<State>) -> HttpResponse {
    let operations = |answer: &mut Answer, params: &Params, store: &SharedStore| {
        let kind = params.get("spanKind").unwrap_or_default();
        let operations = operations_of(answer, store, required_service(params)?, kind, "")?;
        answer.json(&Envelope::new(&operations, operations.len()))
    };
    answer(&request, &state, operations).await
}

/// `GET /api/traces`.
pub(super) async fn search(request: HttpRequest, state: Data<State>) -> HttpResponse {
    let search = |answer: &mut Answer, params: &Params, store: &SharedStore| {
        let filter = search_filter(params)?;
        let asked = params.limit()?;
        let named = params.trace_ids("traceID")?;
        let is_raw = params.flag("raw")?;
        if !named.is_empty() {
            return by_ids(answer, store, &named, is_raw);
        }
        required_service(params)?;
        let limit = limit(asked)?;
        answer.hold(store.read().trace_count() * filter::TRACE_BYTES)?;
        let found = find(store, &filter, limit);
        let found = AdjustedTraces::new(store, &found, adjusting(is_raw));
        found.hold(answer)?;
        traces(answer, &found, Vec::new())
    };
    answer(&request, &state, search).await
}

fn search_filter(params: &Params) -> Result<Filter, ParamError> {
    let mut filter = params.filter()?;
    let now = now();
    filter.start_min.get_or_insert(now.saturating_sub(DEFAULT_LOOKBACK));
    filter.start_max.get_or_insert(now);
    Ok(filter)
}

fn by_ids(
    answer: &mut Answer,
    store: &SharedStore,
    ids: &[TraceId],
    is_raw: bool,
) -> Result<(), Failure> {
    let named = AdjustedTraces::new(store, ids, adjusting(is_raw));
    named.hold(answer)?;
    let missing = |id: &&TraceId| store.read().trace(**id).is_none();
    let missing = ids.iter().filter(missing).map(|&id| not_found(id)).collect();
    traces(answer, &named, missing)
}

fn not_found(id: TraceId) -> EnvelopeError {
    EnvelopeError { code: None, msg: TRACE_NOT_FOUND.into(), trace_id: Some(Text(ShortId(id))) }
}

fn traces(
    answer: &mut Answer,
    traces: &AdjustedTraces<'_>,
    errors: Vec<EnvelopeError>,
) -> Result<(), Failure> {
    let data = List(|| traces.iter().map(LegacyTrace));
    answer.json(&Envelope::new(data, 0).with_errors(errors))
}

/// `GET /api/traces/{id}`.
pub(super) async fn trace(
    request: HttpRequest,
    id: Path<String>,
    state: Data<State>,
) -> HttpResponse {
    let trace = move |answer: &mut Answer, params: &Params, store: &SharedStore| {
        let ids = [trace_id::in_path(&id)?];
        // The times are checked and not needed: the whole trace is in memory.
        params.moment("start", 1_000)?;
        params.moment("end", 1_000)?;
        let is_raw = params.flag("raw")?;
        let named = AdjustedTraces::new(store, &ids, adjusting(is_raw));
        if !named.hold(answer)? {
            return Err(Failure::not_found(TRACE_NOT_FOUND));
        }
        traces(answer, &named, Vec::new())
    };
    answer(&request, &state, trace).await
}

/// Calls from one service to another.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Dependency<'a> {
    parent: &'a str,
    child: &'a str,
    call_count: u64,
}

/// `GET /api/dependencies`: which service called which, how often.
pub(super) async fn dependencies(request: HttpRequest, state: Data<State>) -> HttpResponse {
    let dependencies = |answer: &mut Answer, params: &Params, store: &SharedStore| {
        let (start, end) = dependencies_window(params)?;
        if end < start {
            let message = "end time must be greater than start time";
            return Err(Failure::new(StatusCode::INTERNAL_SERVER_ERROR, message));
        }
        answer.hold(store.read().span_count() * CALL_BYTES)?;
        let calls = calls(store, start, end);
        let service = params.get("service");
        let wanted = |(parent, child): &(Name, Name)| {
            service.is_none_or(|name| **parent == *name || **child == *name)
        };
        let dependencies = || {
            let calls = calls.iter().filter(|(call, _)| wanted(call));
            calls.map(|((parent, child), &call_count)| Dependency { parent, child, call_count })
        };
        answer.json(&Envelope::new(List(dependencies), 0))
    };
    answer(&request, &state, dependencies).await
}

/// From when to when, in nanoseconds since the epoch.
fn dependencies_window(params: &Params) -> Result<(u64, u64), ParamError> {
    let end = params.moment("endTs", MILLISECOND)?.unwrap_or_else(now);
    let lookback = params.integer("lookback")?.unwrap_or(DEFAULT_DEPENDENCIES_LOOKBACK);
    let lookback_ns = lookback.unsigned_abs().saturating_mul(MILLISECOND);
    let start = if lookback < 0 {
        end.saturating_add(lookback_ns)
    } else {
        end.saturating_sub(lookback_ns)
    };
    Ok((start, end))
}

/// The calls in the traces that lie between `start` and `end`: every span with a parent in its
/// trace is one, also within a service.
fn calls(store: &SharedStore, start: u64, end: u64) -> BTreeMap<(Name, Name), u64> {
    let mut calls: BTreeMap<(Name, Name), u64> = BTreeMap::new();
    for trace in newest_first(store).filter(|trace| trace.start > start && trace.end < end) {
        for span in &trace.spans {
            let Some(parent) = span.parent.and_then(|parent| trace.span(parent)) else { continue };
            let call = (Arc::clone(parent.service()), Arc::clone(span.service()));
            *calls.entry(call).or_default() += 1;
        }
    }
    calls
}

/// `POST /api/archive/{id}`: the answer of a Jaeger without storage for an archive, in its words.
pub(super) async fn archive(id: Path<String>) -> HttpResponse {
    let message = "archive span storage was not configured";
    error(&match trace_id::in_path(&id) {
        Ok(_) => Failure::new(StatusCode::INTERNAL_SERVER_ERROR, message),
        Err(wrong) => wrong.into(),
    })
}
