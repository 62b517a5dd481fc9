//! Jaeger's stable API: the same questions, answered in OTLP's JSON. Its definition:
//! <https://github.com/jaegertracing/jaeger-idl/blob/main/swagger/api_v3/query_service.openapi.yaml>.
//!
//! Its parameters are in camel case or, as in earlier releases, in snake case: `query.serviceName`,
//! `query.service_name`.

use std::collections::BTreeMap;
use std::sync::Arc;

use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use serde::{Serialize, Serializer};

use super::{Operation, adjusting, limit, operations_of, plain_text, service_names};
use crate::adjusted::{AdjustedTrace, AdjustedTraces};
use crate::answer::{Answer, Failure};
use crate::api::{State, answer_or};
use crate::ingest::SharedStore;
use crate::otlp_json::TracesData;
use crate::query::ParamError;
use crate::query::filter::{self, Filter, find};
use crate::query::params::Params;
use crate::query::tags::Tag;
use crate::query::trace_id;
use crate::render::{List, Text, is_default};
use crate::store::model::{Name, TraceId};
use crate::store::trace::Trace;

/// The answer that `make` writes, with the parameters' names in camel case.
async fn answer(
    request: &HttpRequest,
    state: &Data<State>,
    make: impl FnOnce(&mut Answer, &Params, &SharedStore) -> Result<(), Failure> + Send + 'static,
) -> HttpResponse {
    let make = |answer: &mut Answer, params: &Params, store: &SharedStore| {
        make(answer, &params.in_camel_case(), store)
    };
    answer_or(error, request, state, make).await
}

/// A failure in this API's shape.
fn error(failure: &Failure) -> HttpResponse {
    #[derive(Serialize)]
    struct Error<'a> {
        error: Details<'a>,
    }
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Details<'a> {
        http_code: u16,
        message: &'a str,
    }
    let details = Details { http_code: failure.status.as_u16(), message: &failure.message };
    plain_text(failure, &Error { error: details })
}

/// `GET /api/v3/services`.
pub(super) async fn services(request: HttpRequest, state: Data<State>) -> HttpResponse {
    #[derive(Serialize)]
    struct Services {
        services: Vec<Name>,
    }
    let services = |answer: &mut Answer, _: &Params, store: &SharedStore| {
        answer.json(&Services { services: service_names(store) })
    };
    answer(&request, &state, services).await
}

/// `GET /api/v3/operations`.
pub(super) async fn operations(request: HttpRequest, state: Data<State>) -> HttpResponse {
    #[derive(Serialize)]
    struct Operations {
        operations: Vec<Operation>,
    }
    let operations = |answer: &mut Answer, params: &Params, store: &SharedStore| {
        let service = params.get("service").unwrap_or_default();
        let kind = params.get("spanKind").unwrap_or_default();
        let operations = operations_of(answer, store, service, kind, "internal")?;
        answer.json(&Operations { operations })
    };
    answer(&request, &state, operations).await
}

/// `GET /api/v3/traces`.
pub(super) async fn search(request: HttpRequest, state: Data<State>) -> HttpResponse {
    let search = |answer: &mut Answer, params: &Params, store: &SharedStore| {
        let search = Search::of(params)?;
        let is_raw = search.is_raw;
        let found = search.find(answer, store)?;
        traces(answer, store, &found, is_raw)
    };
    answer(&request, &state, search).await
}

/// `GET /api/v3/traces/{id}`.
pub(super) async fn trace(
    request: HttpRequest,
    id: Path<String>,
    state: Data<State>,
) -> HttpResponse {
    let trace = move |answer: &mut Answer, params: &Params, store: &SharedStore| {
        let id = trace_id::in_path(&id)?;
        // The times are checked and not needed: the whole trace is in memory.
        params.timestamp("startTime")?;
        params.timestamp("endTime")?;
        let is_raw = params.flag("rawTraces")?;
        traces(answer, store, &[id], is_raw)
    };
    answer(&request, &state, trace).await
}

/// Writes the traces of these ids, if any of them is held.
fn traces(
    answer: &mut Answer,
    store: &SharedStore,
    ids: &[TraceId],
    is_raw: bool,
) -> Result<(), Failure> {
    #[derive(Serialize)]
    struct Found<'a> {
        result: TracesData<'a>,
    }
    let traces = AdjustedTraces::new(store, ids, adjusting(is_raw));
    if !traces.hold(answer)? {
        return Err(Failure::not_found("No traces found"));
    }
    answer.json(&Found { result: TracesData(traces) })
}

/// `GET /api/v3/trace-summaries`: what a list of traces shows. As in all of protobuf's JSON, zeroes
/// and empty strings are left out.
pub(super) async fn summaries(request: HttpRequest, state: Data<State>) -> HttpResponse {
    #[derive(Serialize)]
    struct Summaries<L> {
        summaries: L,
    }
    let summaries = |answer: &mut Answer, params: &Params, store: &SharedStore| {
        let found = Search::of(params)?.find(answer, store)?;
        // A summary takes less than an adjusted trace.
        AdjustedTraces::new(store, &found, AdjustedTrace::raw).hold(answer)?;
        let summaries = || {
            let held = found.iter().filter_map(|&id| store.read().trace(id).cloned());
            held.map(Summary)
        };
        answer.json(&Summaries { summaries: List(summaries) })
    };
    answer(&request, &state, summaries).await
}

struct Summary(Arc<Trace>);

impl Serialize for Summary {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Fields<'a, L> {
            trace_id: Text<TraceId>,
            #[serde(skip_serializing_if = "str::is_empty")]
            root_service_name: &'a str,
            #[serde(skip_serializing_if = "str::is_empty")]
            root_operation_name: &'a str,
            min_start_time_unix_nano: Text<u64>,
            max_end_time_unix_nano: Text<u64>,
            span_count: usize,
            #[serde(skip_serializing_if = "is_default")]
            error_span_count: usize,
            #[serde(skip_serializing_if = "is_default")]
            orphan_span_count: usize,
            services: L,
        }
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Service<'a> {
            name: &'a str,
            span_count: usize,
            #[serde(skip_serializing_if = "is_default")]
            error_span_count: usize,
        }
        let trace = &self.0;
        let is_lost = |parent| trace.span(parent).is_none();
        let orphans = trace.spans.iter().filter(|span| span.parent.is_some_and(is_lost)).count();
        let mut services: Vec<_> = trace.services.iter().collect();
        services.sort_unstable_by_key(|(name, _)| *name);
        let services = || {
            services.iter().map(|(name, of)| Service {
                name,
                span_count: of.spans,
                error_span_count: of.errors,
            })
        };
        let root = trace.root();
        Fields {
            trace_id: Text(trace.id),
            root_service_name: root.map_or("", |span| span.service()),
            root_operation_name: root.map_or("", |span| &span.name),
            min_start_time_unix_nano: Text(trace.start),
            max_end_time_unix_nano: Text(trace.end),
            span_count: trace.spans.len(),
            error_span_count: trace.errors(),
            orphan_span_count: orphans,
            services: List(services),
        }
        .serialize(serializer)
    }
}

/// A search, from its parameters.
struct Search {
    filter: Filter,
    limit: usize,
    /// Whether the traces are wanted as they came.
    is_raw: bool,
}

impl Search {
    fn of(params: &Params) -> Result<Self, Failure> {
        let depth = match params.integer("query.searchDepth")? {
            Some(depth) => Some(depth),
            // What earlier releases called it.
            None => params.integer("query.numTraces")?,
        };
        let filter = search_filter(params)?;
        let is_raw = params.flag("query.rawTraces")?;
        Ok(Self { filter, is_raw, limit: limit(depth)? })
    }

    fn find(&self, answer: &mut Answer, store: &SharedStore) -> Result<Vec<TraceId>, Failure> {
        answer.hold(store.read().trace_count() * filter::TRACE_BYTES)?;
        Ok(find(store, &self.filter, self.limit))
    }
}

fn search_filter(params: &Params) -> Result<Filter, ParamError> {
    const MIN: &str = "query.startTimeMin";
    const MAX: &str = "query.startTimeMax";

    if params.get("query.filter").is_some() {
        return Err(ParamError::other("query.filter is not supported: use the other parameters"));
    }
    // A parameter that is missing is reported before one that cannot be read.
    if params.get(MIN).is_none() || params.get(MAX).is_none() {
        return Err(ParamError::other(format!("{MIN} and {MAX} are required")));
    }
    let (earliest, latest) = (params.timestamp(MIN)?, params.timestamp(MAX)?);
    if earliest >= latest {
        return Err(ParamError::other(format!("{MIN} must be before {MAX}")));
    }
    Ok(Filter {
        service: params.get("query.serviceName").map(str::to_owned),
        operation: params.get("query.operationName").map(str::to_owned),
        tags: attributes(params)?,
        start_min: earliest,
        start_max: latest,
        duration_min: params.duration("query.durationMin")?,
        duration_max: params.duration("query.durationMax")?,
        errors: false,
        ids: Vec::new(),
    })
}

fn attributes(params: &Params) -> Result<Vec<Tag>, ParamError> {
    let name = "query.attributes";
    let Some(text) = params.get(name) else { return Ok(Vec::new()) };
    let attributes: BTreeMap<String, String> = serde_json::from_str(text).map_err(|error| {
        ParamError::new(name, text, format_args!("a JSON object of strings: {error}"))
    })?;
    Ok(attributes.into_iter().map(|(key, value)| Tag { key, value }).collect())
}
