//! Log records: searched, one by one, those of a trace, and as a file.

use std::sync::Arc;

use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;

use super::transfer::as_file;
use super::{State, answer_or, error};
use crate::answer::{Answer, Failure};
use crate::ingest::SharedStore;
use crate::otlp_json::logs::ResourceLogs;
use crate::query::order::First;
use crate::query::params::Params;
use crate::query::records::{self, LogFilter, Place};
use crate::query::{ParamError, trace_id};
use crate::render::{self, List, Text, is_default};
use crate::store::model::{LogRecord, Name, SpanId, TraceId, Value};

/// Records listed unless the search says how many, and at most.
const DEFAULT_LIMIT: usize = 500;
const MAX_LIMIT: usize = 10_000;
/// Bytes of a record's text in a row, and of its attributes; what is longer is cut.
const TEXT_BYTES: usize = 512;
const FIELDS_BYTES: usize = 256;
/// The attribute of actix-opentelemetry that says which actor handled a message.
const ACTOR: &str = "actix.actor.name";

/// A record in one line: what lists and the live tail show.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    number: u64,
    time_us: u64,
    time_unix_ns: Text<u64>,
    /// The number of OTLP, and the name of its range.
    severity: u8,
    level: &'static str,
    service: Name,
    scope: Box<str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    event_name: Option<Name>,
    text: Box<str>,
    /// Some of its attributes as `key=value`.
    #[serde(skip_serializing_if = "str::is_empty")]
    fields: Box<str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace_id: Option<Text<TraceId>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    span_id: Option<Text<SpanId>>,
    /// Of its span, when that is held: its name, and the actor whose work it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    span_name: Option<Name>,
    #[serde(skip_serializing_if = "Option::is_none")]
    actor: Option<Box<str>>,
    /// Whether anything of the trace is held.
    #[serde(skip_serializing_if = "is_default")]
    trace_held: bool,
}

impl Row {
    pub(super) fn of(number: u64, record: &LogRecord, store: &SharedStore) -> Self {
        let store = store.read();
        let trace = record.trace.and_then(|id| store.trace(id));
        let span = trace.zip(record.span).and_then(|(trace, id)| trace.span(id));
        let actor = span.and_then(|span| span.attribute(ACTOR));
        Self {
            number,
            time_us: record.at() / 1_000,
            time_unix_ns: Text(record.at()),
            severity: record.severity.0,
            level: record.severity.name(),
            service: Name::clone(record.service()),
            scope: cut(&record.scope.name, FIELDS_BYTES).into(),
            event_name: record.event_name.clone(),
            text: cut(&render::text(&record.body), TEXT_BYTES).into(),
            fields: fields(record),
            trace_id: record.trace.map(Text),
            span_id: record.span.map(Text),
            span_name: span.map(|span| Name::clone(&span.name)),
            actor: match actor {
                Some(Value::String(actor)) => Some(cut(actor, FIELDS_BYTES).into()),
                _ => None,
            },
            trace_held: trace.is_some(),
        }
    }
}

/// The beginning of `text`, with a sign when there is more.
fn cut(text: &str, bytes: usize) -> String {
    match text.floor_char_boundary(bytes) {
        end if end < text.len() => format!("{}…", &text[..end]),
        _ => text.to_owned(),
    }
}

/// The record's attributes as `key=value`, as many as fit, but for its place in the code, which most
/// records have.
fn fields(record: &LogRecord) -> Box<str> {
    let mut fields = String::new();
    for attribute in
        record.attributes.iter().filter(|attribute| !attribute.key.starts_with("code."))
    {
        if fields.len() >= FIELDS_BYTES {
            break;
        }
        if !fields.is_empty() {
            fields.push(' ');
        }
        fields.push_str(&attribute.key);
        fields.push('=');
        fields.push_str(&render::text(&attribute.value));
    }
    cut(&fields, FIELDS_BYTES).into()
}

/// The numbers of the records that a search finds, the latest first, and how many it finds in all.
fn find(
    answer: &mut Answer,
    params: &Params,
    store: &SharedStore,
) -> Result<(Vec<u64>, usize, usize), Failure> {
    let filter = LogFilter::of(params)?;
    let limit = params.limit()?;
    let limit = limit.map_or(DEFAULT_LIMIT, |limit| usize::try_from(limit).unwrap_or(0));
    let limit = limit.clamp(1, MAX_LIMIT);
    answer.hold(limit * 2 * (size_of::<Place>() + size_of::<u64>()))?;
    let mut first = First::new(limit);
    for (number, record) in records::newest_first(store) {
        if filter.matches(&record) {
            first.consider(records::place(&record, number));
        }
    }
    let (places, total) = first.sorted();
    Ok((places.into_iter().map(|(_, number)| number.0).collect(), total, limit))
}

/// The record of that number.
fn held(store: &SharedStore, number: u64) -> Option<Arc<LogRecord>> {
    store.logs().record(number).cloned()
}

/// `GET /viewer/api/logs?…`
pub(super) async fn search(request: HttpRequest, state: Data<State>) -> HttpResponse {
    #[derive(Serialize)]
    struct Found<L> {
        records: L,
        total: usize,
        limit: usize,
        held: usize,
        oldest: u64,
    }
    let search = |answer: &mut Answer, params: &Params, store: &SharedStore| {
        let (numbers, total, limit) = find(answer, params, store)?;
        let rows = || {
            let held = numbers.iter().filter_map(|&number| Some((number, held(store, number)?)));
            held.map(|(number, record)| Row::of(number, &record, store))
        };
        let (held, oldest) = {
            let logs = store.logs();
            (logs.len(), logs.oldest())
        };
        answer.json(&Found { records: List(rows), total, limit, held, oldest })
    };
    answer_or(error, &request, &state, search).await
}

/// `GET /viewer/api/logs/{number}`
pub(super) async fn one(
    request: HttpRequest,
    number: Path<String>,
    state: Data<State>,
) -> HttpResponse {
    #[derive(Serialize)]
    struct Whole<'a> {
        #[serde(flatten)]
        row: Row,
        #[serde(rename = "resourceLogs")]
        resource_logs: ResourceLogs<'a>,
    }
    let one = move |answer: &mut Answer, _: &Params, store: &SharedStore| {
        let expected = "a whole number, as a search answers it";
        let number: u64 =
            number.parse().map_err(|_| ParamError::new("number", &number, expected))?;
        let record = held(store, number)
            .ok_or_else(|| Failure::not_found(format_args!("log record {number} is not held")))?;
        let resource_logs = ResourceLogs { store, numbers: &[number], for_page: true };
        answer.json(&Whole { row: Row::of(number, &record, store), resource_logs })
    };
    answer_or(error, &request, &state, one).await
}

/// `GET /viewer/api/logs/otlp?…`: what a search finds, as a file that any reader of OTLP's JSON
/// takes.
pub(super) async fn download(request: HttpRequest, state: Data<State>) -> HttpResponse {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct LogsData<'a> {
        resource_logs: ResourceLogs<'a>,
    }
    let logs = |answer: &mut Answer, params: &Params, store: &SharedStore| {
        let (mut numbers, ..) = find(answer, params, store)?;
        numbers.reverse();
        let resource_logs = ResourceLogs { store, numbers: &numbers, for_page: false };
        answer.json(&LogsData { resource_logs })
    };
    as_file(answer_or(error, &request, &state, logs).await, "logs")
}

/// `GET /viewer/api/traces/{id}/logs`: the records of a trace, whether any of its spans is held or
/// not; of more than [`MAX_LIMIT`] the last.
pub(super) async fn of_trace(
    request: HttpRequest,
    id: Path<String>,
    state: Data<State>,
) -> HttpResponse {
    #[derive(Serialize)]
    struct OfTrace<'a> {
        trace_id: Text<TraceId>,
        record_count: usize,
        error_count: usize,
        #[serde(rename = "resourceLogs")]
        resource_logs: ResourceLogs<'a>,
    }
    let logs = move |answer: &mut Answer, _: &Params, store: &SharedStore| {
        let id = trace_id::hexadecimal(&id)?;
        let count = store.logs().count_of(id);
        answer.hold(count.records.min(MAX_LIMIT) * size_of::<u64>())?;
        let mut numbers: Vec<u64> = {
            let logs = store.logs();
            logs.of_trace(id).take(count.records.min(MAX_LIMIT)).collect()
        };
        numbers.reverse();
        answer.json(&OfTrace {
            trace_id: Text(id),
            record_count: count.records,
            error_count: count.errors,
            resource_logs: ResourceLogs { store, numbers: &numbers, for_page: true },
        })
    };
    answer_or(error, &request, &state, logs).await
}

/// `GET /viewer/api/logs/services`: the services that held records name.
pub(super) async fn services(request: HttpRequest, state: Data<State>) -> HttpResponse {
    #[derive(Serialize)]
    struct Services {
        services: Vec<Service>,
    }
    #[derive(Serialize)]
    struct Service {
        name: Name,
        records: usize,
    }
    let services = |answer: &mut Answer, _: &Params, store: &SharedStore| {
        let services = store.logs().services().len();
        answer.hold(2 * services * size_of::<Service>())?;
        let listed = |(name, records): (&Name, usize)| Service { name: Name::clone(name), records };
        let services = store.logs().services().map(listed).collect();
        answer.json(&Services { services })
    };
    answer_or(error, &request, &state, services).await
}
