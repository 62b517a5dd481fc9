//! Jaeger's stable API: the same questions, answered in OTLP's JSON. Its definition:
//! <https://github.com/jaegertracing/jaeger-idl/blob/main/swagger/api_v3/query_service.openapi.yaml>.
//!
//! Its parameters are in camel case or, as they were earlier, with underscores.

use std::collections::BTreeMap;
use std::sync::Arc;

use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use serde::ser::SerializeSeq;
use serde::{Serialize, Serializer};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::{Operation, adjusted, hold_largest, limit, operations_of, plain_text, service_names};
use crate::answer::{Answer, Failure};
use crate::api::{State, answer_or};
use crate::ingest::SharedStore;
use crate::otlp_json;
use crate::query::filter::{self, Filter, find};
use crate::query::params::{DURATION, ParamError, Params, TRUTH, WHOLE_NUMBER};
use crate::query::tags::Tag;
use crate::query::{duration, tags, trace_id};
use crate::render::{List, Text, is_default};
use crate::store::model::{Name, TraceId};
use crate::store::trace::Trace;

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
    answer_or(error, &request, &state, services).await
}

/// `GET /api/v3/operations`.
pub(super) async fn operations(request: HttpRequest, state: Data<State>) -> HttpResponse {
    #[derive(Serialize)]
    struct Operations {
        operations: Vec<Operation>,
    }
    let operations = |answer: &mut Answer, params: &Params, store: &SharedStore| {
        let service = params.get("service").unwrap_or_default();
        let kind = params.get("spanKind").or_else(|| params.get("span_kind")).unwrap_or_default();
        let operations = operations_of(answer, store, service, kind, "internal")?;
        answer.json(&Operations { operations })
    };
    answer_or(error, &request, &state, operations).await
}

/// `GET /api/v3/traces`.
pub(super) async fn search(request: HttpRequest, state: Data<State>) -> HttpResponse {
    let search = |answer: &mut Answer, params: &Params, store: &SharedStore| {
        let search = Search::of(params)?;
        let is_raw = search.is_raw;
        let found = search.find(answer, store)?;
        traces(answer, store, &found, is_raw)
    };
    answer_or(error, &request, &state, search).await
}

/// `GET /api/v3/traces/{id}`.
pub(super) async fn trace(
    request: HttpRequest,
    id: Path<String>,
    state: Data<State>,
) -> HttpResponse {
    let trace = move |answer: &mut Answer, params: &Params, store: &SharedStore| {
        let id = trace_id::in_path(&id)?;
        // All of a trace is in memory: its times are checked, and not needed.
        let is_raw = moment(params, ("startTime", "start_time"))
            .and(moment(params, ("endTime", "end_time")))
            .and(flag(params, ("rawTraces", "raw_traces")))?;
        traces(answer, store, &[id], is_raw)
    };
    answer_or(error, &request, &state, trace).await
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
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct TracesData<'a> {
        resource_spans: ResourceSpans<'a>,
    }
    if !hold_largest(answer, store, ids)? {
        return Err(Failure::not_found("No traces found"));
    }
    let resource_spans = ResourceSpans { store, ids, is_raw };
    answer.json(&Found { result: TracesData { resource_spans } })
}

/// The spans of traces that are adjusted and written one after the other.
struct ResourceSpans<'a> {
    store: &'a SharedStore,
    ids: &'a [TraceId],
    is_raw: bool,
}

impl Serialize for ResourceSpans<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(None)?;
        for trace in adjusted(self.store, self.ids, self.is_raw) {
            for group in otlp_json::resource_spans(&trace, None) {
                list.serialize_element(&group)?;
            }
        }
        list.end()
    }
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
        hold_largest(answer, store, &found)?;
        let summaries = || {
            let held = found.iter().filter_map(|&id| store.read().trace(id).cloned());
            held.map(Summary)
        };
        answer.json(&Summaries { summaries: List(summaries) })
    };
    answer_or(error, &request, &state, summaries).await
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
        let depth = search_depth(params)?;
        let is_raw = flag(params, ("query.rawTraces", "query.raw_traces"));
        Ok(Self { filter: search_filter(params)?, is_raw: is_raw?, limit: limit(depth)? })
    }

    fn find(&self, answer: &mut Answer, store: &SharedStore) -> Result<Vec<TraceId>, Failure> {
        answer.hold(store.read().trace_count() * filter::TRACE_BYTES)?;
        Ok(find(store, &self.filter, self.limit))
    }
}

/// A parameter's two names.
type Names = (&'static str, &'static str);

fn search_filter(params: &Params) -> Result<Filter, ParamError> {
    const TIMES_MISSING: &str = "query.startTimeMin and query.startTimeMax are required";
    const MIN: Names = ("query.startTimeMin", "query.start_time_min");
    const MAX: Names = ("query.startTimeMax", "query.start_time_max");

    if params.get("query.filter").is_some() {
        return Err(ParamError::other("query.filter is not supported: use the other parameters"));
    }
    // That one is missing comes before that the other makes no sense.
    if name_of(params, MIN).is_none() || name_of(params, MAX).is_none() {
        return Err(ParamError::other(TIMES_MISSING));
    }
    let (earliest, latest) = (moment(params, MIN)?, moment(params, MAX)?);
    if earliest >= latest {
        let message = "query.startTimeMin must be before query.startTimeMax";
        return Err(ParamError::other(message));
    }
    let text = |names| name_of(params, names).and_then(|name| params.get(name)).map(str::to_owned);
    Ok(Filter {
        service: text(("query.serviceName", "query.service_name")),
        operation: text(("query.operationName", "query.operation_name")),
        tags: attributes(params)?,
        start_min: earliest,
        start_max: latest,
        duration_min: span_duration(params, ("query.durationMin", "query.duration_min"))?,
        duration_max: span_duration(params, ("query.durationMax", "query.duration_max"))?,
        errors: false,
    })
}

/// The name under which a parameter came.
fn name_of(params: &Params, (name, former): Names) -> Option<&'static str> {
    [name, former].into_iter().find(|name| params.get(name).is_some())
}

fn read<T>(
    params: &Params,
    names: Names,
    expected: &str,
    read: impl FnOnce(&str) -> Option<T>,
) -> Result<Option<T>, ParamError> {
    name_of(params, names).map_or(Ok(None), |name| params.read(name, expected, read))
}

fn moment(params: &Params, names: Names) -> Result<Option<u64>, ParamError> {
    read(params, names, "a time such as 2026-01-31T12:00:00.5Z", |text| {
        let moment = OffsetDateTime::parse(text, &Rfc3339).ok()?;
        Some(u64::try_from(moment.unix_timestamp_nanos().max(0)).unwrap_or(u64::MAX))
    })
}

fn span_duration(params: &Params, names: Names) -> Result<Option<u64>, ParamError> {
    let nanoseconds = read(params, names, DURATION, duration::parse)?;
    Ok(nanoseconds.and_then(|nanoseconds| u64::try_from(nanoseconds).ok()).filter(|&ns| ns > 0))
}

fn flag(params: &Params, names: Names) -> Result<bool, ParamError> {
    Ok(read(params, names, TRUTH, tags::truth)?.unwrap_or_default())
}

fn search_depth(params: &Params) -> Result<Option<i64>, ParamError> {
    let depth = ("query.searchDepth", "query.search_depth");
    let names = if name_of(params, depth).is_some() {
        depth
    } else {
        ("query.num_traces", "query.num_traces")
    };
    read(params, names, WHOLE_NUMBER, |text| text.parse().ok())
}

fn attributes(params: &Params) -> Result<Vec<Tag>, ParamError> {
    let name = "query.attributes";
    let Some(text) = params.get(name) else { return Ok(Vec::new()) };
    let attributes: BTreeMap<String, String> = serde_json::from_str(text).map_err(|error| {
        ParamError::new(name, text, format_args!("a JSON object of strings: {error}"))
    })?;
    Ok(attributes.into_iter().map(|(key, value)| Tag { key, value }).collect())
}
