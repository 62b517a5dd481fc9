//! Writes an OTLP request as JSON in one of the many ways that proto3's mapping allows: names in
//! camel case or as in the `.proto` file, numbers as numbers or strings, enumerations by name or
//! number, empty fields left out, empty or `null`, either alphabet of base64. Which, follows from
//! a number.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use serde_json::{Map, Value as Json, json};

/// The request in JSON, in the style of that number.
pub(crate) fn to_json(request: &ExportTraceServiceRequest, style: u64) -> String {
    let mut writer = Writer { choices: style };
    let groups = request.resource_spans.iter().map(|group| writer.resource_spans(group)).collect();
    let mut fields = Map::new();
    writer.list(&mut fields, "resourceSpans", groups);
    Json::Object(fields).to_string()
}

/// The same of a request for logs.
pub(crate) fn logs_to_json(request: &ExportLogsServiceRequest, style: u64) -> String {
    let mut writer = Writer { choices: style };
    let groups = request.resource_logs.iter().map(|group| writer.resource_logs(group)).collect();
    let mut fields = Map::new();
    writer.list(&mut fields, "resourceLogs", groups);
    Json::Object(fields).to_string()
}

/// The names of severities in JSON, in the order of their numbers.
const SEVERITIES: &[&str] = &[
    "SEVERITY_NUMBER_UNSPECIFIED",
    "SEVERITY_NUMBER_TRACE",
    "SEVERITY_NUMBER_TRACE2",
    "SEVERITY_NUMBER_TRACE3",
    "SEVERITY_NUMBER_TRACE4",
    "SEVERITY_NUMBER_DEBUG",
    "SEVERITY_NUMBER_DEBUG2",
    "SEVERITY_NUMBER_DEBUG3",
    "SEVERITY_NUMBER_DEBUG4",
    "SEVERITY_NUMBER_INFO",
    "SEVERITY_NUMBER_INFO2",
    "SEVERITY_NUMBER_INFO3",
    "SEVERITY_NUMBER_INFO4",
    "SEVERITY_NUMBER_WARN",
    "SEVERITY_NUMBER_WARN2",
    "SEVERITY_NUMBER_WARN3",
    "SEVERITY_NUMBER_WARN4",
    "SEVERITY_NUMBER_ERROR",
    "SEVERITY_NUMBER_ERROR2",
    "SEVERITY_NUMBER_ERROR3",
    "SEVERITY_NUMBER_ERROR4",
    "SEVERITY_NUMBER_FATAL",
    "SEVERITY_NUMBER_FATAL2",
    "SEVERITY_NUMBER_FATAL3",
    "SEVERITY_NUMBER_FATAL4",
];

struct Writer {
    choices: u64,
}

impl Writer {
    /// One of so many ways; the next question is answered anew.
    fn choose(&mut self, ways: u64) -> u64 {
        // The constants of Knuth's MMIX.
        self.choices = self
            .choices
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.choices >> 33) % ways
    }

    fn put(&mut self, fields: &mut Map<String, Json>, name: &str, value: Json) {
        let name = match self.choose(4) {
            0 => snake_case(name),
            _ => name.to_owned(),
        };
        fields.insert(name, value);
    }

    /// A field that is only there when it is not its type's default, or by choice.
    fn optional(&mut self, fields: &mut Map<String, Json>, name: &str, value: Json, default: bool) {
        match (default, self.choose(3)) {
            (true, 0) => {}
            (true, 1) => self.put(fields, name, Json::Null),
            _ => self.put(fields, name, value),
        }
    }

    fn list(&mut self, fields: &mut Map<String, Json>, name: &str, elements: Vec<Json>) {
        let empty = elements.is_empty();
        self.optional(fields, name, Json::Array(elements), empty);
    }

    fn text(&mut self, fields: &mut Map<String, Json>, name: &str, text: &str) {
        self.optional(fields, name, text.into(), text.is_empty());
    }

    fn number(&mut self, fields: &mut Map<String, Json>, name: &str, number: i128) {
        let value = self.integer(number);
        self.optional(fields, name, value, number == 0);
    }

    fn integer(&mut self, number: i128) -> Json {
        match (self.choose(2), i64::try_from(number), u64::try_from(number)) {
            (0, Ok(number), _) => number.into(),
            (0, _, Ok(number)) => number.into(),
            _ => number.to_string().into(),
        }
    }

    fn enumeration(
        &mut self,
        fields: &mut Map<String, Json>,
        name: &str,
        number: i32,
        names: &[&str],
    ) {
        let named = usize::try_from(number).ok().and_then(|index| names.get(index));
        let value = match (named, self.choose(2)) {
            (Some(&name), 0) => name.into(),
            _ => self.integer(number.into()),
        };
        self.optional(fields, name, value, number == 0);
    }

    fn id(&mut self, fields: &mut Map<String, Json>, name: &str, id: &[u8]) {
        let hex: String = id.iter().map(|byte| format!("{byte:02x}")).collect();
        let hex = if self.choose(3) == 0 { hex.to_uppercase() } else { hex };
        self.text(fields, name, &hex);
    }

    fn resource(&mut self, fields: &mut Map<String, Json>, resource: Option<&Resource>) {
        let Some(resource) = resource else { return };
        let mut inner = Map::new();
        self.attributes(&mut inner, &resource.attributes);
        self.number(&mut inner, "droppedAttributesCount", resource.dropped_attributes_count.into());
        self.put(fields, "resource", Json::Object(inner));
    }

    fn scope(&mut self, fields: &mut Map<String, Json>, scope: Option<&InstrumentationScope>) {
        let Some(scope) = scope else { return };
        let mut inner = Map::new();
        self.text(&mut inner, "name", &scope.name);
        self.text(&mut inner, "version", &scope.version);
        self.attributes(&mut inner, &scope.attributes);
        self.number(&mut inner, "droppedAttributesCount", scope.dropped_attributes_count.into());
        self.put(fields, "scope", Json::Object(inner));
    }

    fn resource_logs(&mut self, group: &ResourceLogs) -> Json {
        let mut fields = Map::new();
        self.resource(&mut fields, group.resource.as_ref());
        let scopes = group.scope_logs.iter().map(|group| self.scope_logs(group)).collect();
        self.list(&mut fields, "scopeLogs", scopes);
        self.text(&mut fields, "schemaUrl", &group.schema_url);
        Json::Object(fields)
    }

    fn scope_logs(&mut self, group: &ScopeLogs) -> Json {
        let mut fields = Map::new();
        self.scope(&mut fields, group.scope.as_ref());
        let records = group.log_records.iter().map(|record| self.log_record(record)).collect();
        self.list(&mut fields, "logRecords", records);
        self.text(&mut fields, "schemaUrl", &group.schema_url);
        Json::Object(fields)
    }

    fn log_record(&mut self, record: &LogRecord) -> Json {
        let mut fields = Map::new();
        self.number(&mut fields, "timeUnixNano", record.time_unix_nano.into());
        self.number(&mut fields, "observedTimeUnixNano", record.observed_time_unix_nano.into());
        self.enumeration(&mut fields, "severityNumber", record.severity_number, SEVERITIES);
        self.text(&mut fields, "severityText", &record.severity_text);
        self.text(&mut fields, "eventName", &record.event_name);
        if let Some(body) = &record.body {
            let body = self.value(body);
            self.put(&mut fields, "body", body);
        }
        self.attributes(&mut fields, &record.attributes);
        self.number(&mut fields, "droppedAttributesCount", record.dropped_attributes_count.into());
        self.number(&mut fields, "flags", record.flags.into());
        self.id(&mut fields, "traceId", &record.trace_id);
        self.id(&mut fields, "spanId", &record.span_id);
        Json::Object(fields)
    }

    fn resource_spans(&mut self, group: &ResourceSpans) -> Json {
        let mut fields = Map::new();
        self.resource(&mut fields, group.resource.as_ref());
        let scopes = group.scope_spans.iter().map(|group| self.scope_spans(group)).collect();
        self.list(&mut fields, "scopeSpans", scopes);
        self.text(&mut fields, "schemaUrl", &group.schema_url);
        Json::Object(fields)
    }

    fn scope_spans(&mut self, group: &ScopeSpans) -> Json {
        let mut fields = Map::new();
        self.scope(&mut fields, group.scope.as_ref());
        let spans = group.spans.iter().map(|span| self.span(span)).collect();
        self.list(&mut fields, "spans", spans);
        self.text(&mut fields, "schemaUrl", &group.schema_url);
        Json::Object(fields)
    }

    fn span(&mut self, span: &Span) -> Json {
        let mut fields = Map::new();
        self.id(&mut fields, "traceId", &span.trace_id);
        self.id(&mut fields, "spanId", &span.span_id);
        self.id(&mut fields, "parentSpanId", &span.parent_span_id);
        self.text(&mut fields, "traceState", &span.trace_state);
        self.text(&mut fields, "name", &span.name);
        const KINDS: &[&str] = &[
            "SPAN_KIND_UNSPECIFIED",
            "SPAN_KIND_INTERNAL",
            "SPAN_KIND_SERVER",
            "SPAN_KIND_CLIENT",
            "SPAN_KIND_PRODUCER",
            "SPAN_KIND_CONSUMER",
        ];
        self.enumeration(&mut fields, "kind", span.kind, KINDS);
        self.number(&mut fields, "startTimeUnixNano", span.start_time_unix_nano.into());
        self.number(&mut fields, "endTimeUnixNano", span.end_time_unix_nano.into());
        self.attributes(&mut fields, &span.attributes);
        self.number(&mut fields, "droppedAttributesCount", span.dropped_attributes_count.into());
        let events = span.events.iter().map(|event| {
            let mut fields = Map::new();
            self.number(&mut fields, "timeUnixNano", event.time_unix_nano.into());
            self.text(&mut fields, "name", &event.name);
            self.attributes(&mut fields, &event.attributes);
            self.number(
                &mut fields,
                "droppedAttributesCount",
                event.dropped_attributes_count.into(),
            );
            Json::Object(fields)
        });
        let events = events.collect();
        self.list(&mut fields, "events", events);
        self.number(&mut fields, "droppedEventsCount", span.dropped_events_count.into());
        let links = span.links.iter().map(|link| {
            let mut fields = Map::new();
            self.id(&mut fields, "traceId", &link.trace_id);
            self.id(&mut fields, "spanId", &link.span_id);
            self.text(&mut fields, "traceState", &link.trace_state);
            self.attributes(&mut fields, &link.attributes);
            self.number(
                &mut fields,
                "droppedAttributesCount",
                link.dropped_attributes_count.into(),
            );
            self.number(&mut fields, "flags", link.flags.into());
            Json::Object(fields)
        });
        let links = links.collect();
        self.list(&mut fields, "links", links);
        self.number(&mut fields, "droppedLinksCount", span.dropped_links_count.into());
        if let Some(status) = &span.status {
            let mut inner = Map::new();
            self.text(&mut inner, "message", &status.message);
            const CODES: &[&str] = &["STATUS_CODE_UNSET", "STATUS_CODE_OK", "STATUS_CODE_ERROR"];
            self.enumeration(&mut inner, "code", status.code, CODES);
            self.put(&mut fields, "status", Json::Object(inner));
        }
        self.number(&mut fields, "flags", span.flags.into());
        Json::Object(fields)
    }

    fn attributes(&mut self, fields: &mut Map<String, Json>, attributes: &[KeyValue]) {
        let attributes = attributes.iter().map(|attribute| self.attribute(attribute)).collect();
        self.list(fields, "attributes", attributes);
    }

    fn attribute(&mut self, attribute: &KeyValue) -> Json {
        let mut fields = Map::new();
        self.text(&mut fields, "key", &attribute.key);
        if let Some(value) = &attribute.value {
            let value = self.value(value);
            self.put(&mut fields, "value", value);
        }
        Json::Object(fields)
    }

    fn value(&mut self, value: &AnyValue) -> Json {
        let Some(value) = &value.value else { return json!({}) };
        let (name, value) = match value {
            Any::StringValue(text) => ("stringValue", text.as_str().into()),
            Any::BoolValue(truth) => ("boolValue", (*truth).into()),
            Any::IntValue(number) => ("intValue", self.integer((*number).into())),
            Any::DoubleValue(number) => ("doubleValue", self.double(*number)),
            Any::ArrayValue(array) => {
                let elements = array.values.iter().map(|value| self.value(value)).collect();
                let mut fields = Map::new();
                self.list(&mut fields, "values", elements);
                ("arrayValue", Json::Object(fields))
            }
            Any::KvlistValue(map) => {
                let entries = map.values.iter().map(|entry| self.attribute(entry)).collect();
                let mut fields = Map::new();
                self.list(&mut fields, "values", entries);
                ("kvlistValue", Json::Object(fields))
            }
            Any::BytesValue(bytes) => {
                let engine = [STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD]
                    [self.choose(4) as usize]
                    .clone();
                ("bytesValue", engine.encode(bytes).into())
            }
            Any::StringValueStrindex(index) => ("stringValueStrindex", (*index).into()),
        };
        let mut fields = Map::new();
        self.put(&mut fields, name, value);
        Json::Object(fields)
    }

    fn double(&mut self, number: f64) -> Json {
        match number {
            _ if number.is_nan() => "NaN".into(),
            f64::INFINITY => "Infinity".into(),
            f64::NEG_INFINITY => "-Infinity".into(),
            _ if self.choose(3) == 0 => number.to_string().into(),
            _ => number.into(),
        }
    }
}

fn snake_case(name: &str) -> String {
    name.chars()
        .flat_map(|letter| {
            let underscore = letter.is_uppercase().then_some('_');
            underscore.into_iter().chain(letter.to_lowercase())
        })
        .collect()
}
