//! One log record of a request, and the records of a request as [`Items`]. Its attributes grow at the
//! end of the reader's own list and are taken from there when the record is complete.
//!
//! Fields: <https://github.com/open-telemetry/opentelemetry-proto/blob/main/opentelemetry/proto/logs/v1/logs.proto>.

use std::mem::size_of;
use std::sync::Arc;

use super::attributes::{any_value, attribute_from, name, sorted_from};
use super::items::{Item, Items};
use super::message::{Field, Id, Message, Reader, Source, Stopped, list, one};
use crate::store::footprint::{ARC_COUNTS, heap};
use crate::store::model::{
    Attribute, LogRecord, Name, Resource, Scope, Severity, SpanId, TraceId, Value,
};
use crate::store::names::Names;

/// The log records of a request.
pub(super) type Records = Items<Arc<LogRecord>>;

/// What a record takes beside its lists and texts: itself, and its place among those read.
const RECORD_BYTES: usize =
    heap(ARC_COUNTS + size_of::<LogRecord>()) + 2 * size_of::<Arc<LogRecord>>();

impl Item for Arc<LogRecord> {
    const REQUEST: &'static [Field] = &[list(1, "resourceLogs")];
    const OF_RESOURCE: &'static [Field] =
        &[one(1, "resource"), list(2, "scopeLogs"), one(3, "schemaUrl")];
    const OF_SCOPE: &'static [Field] =
        &[one(1, "scope"), list(2, "logRecords"), one(3, "schemaUrl")];

    type Fields = LogFields;
    type Ids = Ids;

    fn begin(reader: &Reader<'_>) -> LogFields {
        LogFields::new(reader)
    }

    fn ids(fields: &LogFields) -> Result<Ids, String> {
        Ok(fields.ids())
    }

    fn build(
        fields: LogFields,
        ids: Ids,
        resource: Arc<Resource>,
        scope: Arc<Scope>,
        cuts_around: u32,
        reader: &mut Reader<'_>,
    ) -> Result<Self, Stopped> {
        fields.build(ids, resource, scope, cuts_around, reader).map(Arc::new)
    }

    fn abandon(fields: LogFields, reader: &mut Reader<'_>) {
        reader.release_lists();
        reader.names.release_values([fields.body]);
        for name in [fields.severity_text, fields.event_name].into_iter().flatten() {
            reader.names.release(name);
        }
    }

    fn release(self, names: &mut Names) {
        names.release_record(self);
    }

    fn around(&mut self) -> Option<(&mut Arc<Resource>, &mut Arc<Scope>)> {
        let record = Arc::get_mut(self)?;
        Some((&mut record.resource, &mut record.scope))
    }
}

/// The span that a record belongs to. An id of another length, or of zeroes, is none: the record is
/// kept without it, as the protocol asks of receivers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ids {
    trace: Option<TraceId>,
    span: Option<SpanId>,
    has_invalid: bool,
}

/// A record as far as it has been read.
pub(super) struct LogFields {
    time: u64,
    observed: u64,
    severity: i32,
    severity_text: Option<Name>,
    event_name: Option<Name>,
    body: Value,
    trace: Id<16>,
    span: Id<8>,
    flags: u32,
    dropped_attributes: u32,
    /// Where its attributes begin among the reader's.
    first_attribute: usize,
}

impl LogFields {
    fn new(reader: &Reader<'_>) -> Self {
        Self {
            time: 0,
            observed: 0,
            severity: 0,
            severity_text: None,
            event_name: None,
            body: Value::Empty,
            trace: Id::Absent,
            span: Id::Absent,
            flags: 0,
            dropped_attributes: 0,
            first_attribute: reader.attributes.len(),
        }
    }

    fn ids(&self) -> Ids {
        let has_invalid = matches!(self.trace, Id::Wrong(_)) || matches!(self.span, Id::Wrong(_));
        let trace = match &self.trace {
            Id::Valid(id) => TraceId::from_bytes(id),
            _ => None,
        };
        let span = match &self.span {
            Id::Valid(id) => SpanId::from_bytes(id),
            _ => None,
        };
        Ids { trace, span, has_invalid }
    }

    fn build(
        self,
        ids: Ids,
        resource: Arc<Resource>,
        scope: Arc<Scope>,
        cuts_around: u32,
        reader: &mut Reader<'_>,
    ) -> Result<LogRecord, Stopped> {
        let attributes = reader.attributes.len() - self.first_attribute;
        reader.charge(RECORD_BYTES + heap(attributes * size_of::<Attribute>()))?;
        let severity = Severity::of(self.severity, self.severity_text.as_deref());
        Ok(LogRecord {
            time: self.time,
            observed: self.observed,
            severity,
            severity_text: self.severity_text,
            event_name: self.event_name,
            body: self.body,
            trace: ids.trace,
            span: ids.span,
            has_invalid_ids: ids.has_invalid,
            flags: self.flags,
            resource,
            scope,
            attributes: sorted_from(self.first_attribute, reader),
            dropped_attributes: self.dropped_attributes,
            cut: reader.cuts.saturating_add(cuts_around),
        })
    }
}

/// The names of severity numbers in JSON.
const SEVERITIES: &[(&str, i32)] = &[
    ("SEVERITY_NUMBER_UNSPECIFIED", 0),
    ("SEVERITY_NUMBER_TRACE", 1),
    ("SEVERITY_NUMBER_TRACE2", 2),
    ("SEVERITY_NUMBER_TRACE3", 3),
    ("SEVERITY_NUMBER_TRACE4", 4),
    ("SEVERITY_NUMBER_DEBUG", 5),
    ("SEVERITY_NUMBER_DEBUG2", 6),
    ("SEVERITY_NUMBER_DEBUG3", 7),
    ("SEVERITY_NUMBER_DEBUG4", 8),
    ("SEVERITY_NUMBER_INFO", 9),
    ("SEVERITY_NUMBER_INFO2", 10),
    ("SEVERITY_NUMBER_INFO3", 11),
    ("SEVERITY_NUMBER_INFO4", 12),
    ("SEVERITY_NUMBER_WARN", 13),
    ("SEVERITY_NUMBER_WARN2", 14),
    ("SEVERITY_NUMBER_WARN3", 15),
    ("SEVERITY_NUMBER_WARN4", 16),
    ("SEVERITY_NUMBER_ERROR", 17),
    ("SEVERITY_NUMBER_ERROR2", 18),
    ("SEVERITY_NUMBER_ERROR3", 19),
    ("SEVERITY_NUMBER_ERROR4", 20),
    ("SEVERITY_NUMBER_FATAL", 21),
    ("SEVERITY_NUMBER_FATAL2", 22),
    ("SEVERITY_NUMBER_FATAL3", 23),
    ("SEVERITY_NUMBER_FATAL4", 24),
];

impl Message for LogFields {
    fn fields(&self) -> &'static [Field] {
        const {
            &[
                one(1, "timeUnixNano"),
                one(2, "severityNumber"),
                one(3, "severityText"),
                one(5, "body"),
                list(6, "attributes"),
                one(7, "droppedAttributesCount"),
                one(8, "flags"),
                one(9, "traceId"),
                one(10, "spanId"),
                one(11, "observedTimeUnixNano"),
                one(12, "eventName"),
            ]
        }
    }

    fn field<'a, S: Source<'a>>(
        &mut self,
        number: u32,
        value: S,
        reader: &mut Reader<'a>,
    ) -> Result<(), Stopped> {
        match number {
            1 => self.time = value.fixed64(reader)?,
            2 => self.severity = value.enumeration(SEVERITIES, reader)?,
            3 => self.severity_text = name(value, reader)?,
            5 => self.body = any_value(value, reader)?,
            6 => attribute_from(self.first_attribute, value, reader)?,
            7 => self.dropped_attributes = value.uint32(reader)?,
            8 => self.flags = value.fixed32(reader)?,
            9 => self.trace = value.id(reader)?,
            10 => self.span = value.id(reader)?,
            11 => self.observed = value.fixed64(reader)?,
            12 => self.event_name = name(value, reader)?,
            _ => value.skip(reader)?,
        }
        Ok(())
    }
}
