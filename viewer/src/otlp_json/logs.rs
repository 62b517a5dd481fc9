//! Log records in OTLP's JSON: what the page shows of a record, and what a reader saves.
//!
//! The page gets some fields more, which readers of OTLP ignore as they must: of a record its
//! `number` in this viewer, `cut`, how many of its parts the viewer's limits shortened or left out,
//! and `hasInvalidIds`.

use std::sync::Arc;

use serde::ser::SerializeSeq;
use serde::{Serialize, Serializer};

use super::{AnyValue, Attributes, Resource, Scope};
use crate::ingest::SharedStore;
use crate::render::{Text, is_default};
use crate::store::model::{LogRecord, SpanId, TraceId, Value};

/// How many records are taken out of the store under one lock.
const AT_ONCE: usize = 256;

/// The elements of `resourceLogs` for the records of these numbers, as far as they are held: one
/// element for each stretch of records of one resource and scope.
pub(crate) struct ResourceLogs<'a> {
    pub(crate) store: &'a SharedStore,
    pub(crate) numbers: &'a [u64],
    /// Whether they have what only the page gets.
    pub(crate) for_page: bool,
}

impl Serialize for ResourceLogs<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct OfResource<'a, S> {
            resource: Resource<'a>,
            scope_logs: [S; 1],
            #[serde(skip_serializing_if = "str::is_empty")]
            schema_url: &'a str,
        }
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct OfScope<'a> {
            scope: Scope<'a>,
            log_records: Vec<OneRecord<'a>>,
            #[serde(skip_serializing_if = "str::is_empty")]
            schema_url: &'a str,
        }
        let mut list = serializer.serialize_seq(None)?;
        for numbers in self.numbers.chunks(AT_ONCE) {
            let records: Vec<_> = {
                let logs = self.store.logs();
                let held = numbers.iter().map(|&number| (number, logs.record(number).cloned()));
                held.filter_map(|(number, record)| Some((number, record?))).collect()
            };
            for group in records.chunk_by(|(_, one), (_, other)| {
                Arc::ptr_eq(&one.resource, &other.resource) && Arc::ptr_eq(&one.scope, &other.scope)
            }) {
                let (resource, scope) = (&*group[0].1.resource, &*group[0].1.scope);
                let number = |number| self.for_page.then_some(number);
                let records = group.iter().map(|(n, record)| OneRecord(record, number(*n)));
                list.serialize_element(&OfResource {
                    resource: Resource::of(resource),
                    scope_logs: [OfScope {
                        scope: Scope::of(scope),
                        log_records: records.collect(),
                        schema_url: &scope.schema_url,
                    }],
                    schema_url: &resource.schema_url,
                })?;
            }
        }
        list.end()
    }
}

/// A record, and its number if it is for the page.
struct OneRecord<'a>(&'a LogRecord, Option<u64>);

impl Serialize for OneRecord<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Fields<'a> {
            #[serde(skip_serializing_if = "is_default")]
            time_unix_nano: Text<u64>,
            #[serde(skip_serializing_if = "is_default")]
            observed_time_unix_nano: Text<u64>,
            #[serde(skip_serializing_if = "is_default")]
            severity_number: u8,
            #[serde(skip_serializing_if = "Option::is_none")]
            severity_text: Option<&'a str>,
            #[serde(skip_serializing_if = "Option::is_none")]
            event_name: Option<&'a str>,
            #[serde(skip_serializing_if = "Option::is_none")]
            body: Option<AnyValue<'a>>,
            #[serde(skip_serializing_if = "Attributes::is_empty")]
            attributes: Attributes<'a>,
            #[serde(skip_serializing_if = "is_default")]
            dropped_attributes_count: u32,
            #[serde(skip_serializing_if = "is_default")]
            flags: u32,
            #[serde(skip_serializing_if = "Option::is_none")]
            trace_id: Option<Text<TraceId>>,
            #[serde(skip_serializing_if = "Option::is_none")]
            span_id: Option<Text<SpanId>>,
            #[serde(skip_serializing_if = "Option::is_none")]
            number: Option<u64>,
            #[serde(skip_serializing_if = "is_default")]
            cut: u32,
            #[serde(skip_serializing_if = "is_default")]
            has_invalid_ids: bool,
        }
        let Self(record, number) = self;
        Fields {
            time_unix_nano: Text(record.time),
            observed_time_unix_nano: Text(record.observed),
            severity_number: record.severity.0,
            severity_text: record.severity_text.as_deref(),
            event_name: record.event_name.as_deref(),
            body: (record.body != Value::Empty).then_some(AnyValue(&record.body)),
            attributes: Attributes(&record.attributes),
            dropped_attributes_count: record.dropped_attributes,
            flags: record.flags,
            trace_id: record.trace.map(Text),
            span_id: record.span.map(Text),
            number: *number,
            cut: number.map_or(0, |_| record.cut),
            has_invalid_ids: number.is_some() && record.has_invalid_ids,
        }
        .serialize(serializer)
    }
}
