//! Telemetry as a receiver of OTLP got it, with the types of all values.

use std::collections::BTreeMap;

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{
    AnyValue, InstrumentationScope, KeyValue, any_value::Value as Proto,
};
use opentelemetry_proto::tonic::metrics::v1::{
    NumberDataPoint, metric::Data, number_data_point::Value as Number,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{span::SpanKind, status::StatusCode};
use prost::Message as _;

use crate::http::Received;

/// A value of an attribute.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "they are the types of values")]
pub enum Value {
    Text(String),
    Int(i64),
    Double(f64),
    Bool(bool),
    List(Vec<Value>),
    /// A map, bytes or nothing, which attributes of the conventions never are.
    Other,
}

impl Value {
    /// Its type, in the words of the registry's format.
    #[must_use]
    pub fn kind(&self) -> String {
        match self {
            Self::Text(_) => "string".into(),
            Self::Int(_) => "int".into(),
            Self::Double(_) => "double".into(),
            Self::Bool(_) => "boolean".into(),
            Self::List(values) => {
                let mut kinds: Vec<_> = values.iter().map(Self::kind).collect();
                kinds.dedup();
                match &kinds[..] {
                    [one] => format!("{one}[]"),
                    [] => "an empty list".into(),
                    _ => "a list of several types".into(),
                }
            }
            Self::Other => "no type of the registry's".into(),
        }
    }

    /// It as text.
    #[must_use]
    pub fn text(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Int(value) => value.to_string(),
            Self::Double(value) => value.to_string(),
            Self::Bool(value) => value.to_string(),
            other => format!("{other:?}"),
        }
    }
}

/// Attributes with their types.
pub type Attributes = BTreeMap<String, Value>;

/// Who emitted something.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Origin {
    /// `service.name` of the resource.
    pub service: String,
    /// The name of the instrumentation scope.
    pub scope: String,
    /// Its version.
    pub version: String,
    /// Its schema URL.
    pub schema_url: String,
}

/// The ids of a trace and of a span in it.
pub type SpanId = (Vec<u8>, Vec<u8>);

/// A span.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Span {
    /// Who made it.
    pub origin: Origin,
    /// Its own id, with that of its trace.
    pub id: SpanId,
    /// The id of its parent; empty in a root.
    pub parent_id: SpanId,
    /// Its name.
    pub name: String,
    /// Its kind, in the words of the registry's format.
    pub kind: &'static str,
    /// Whether its status is an error.
    pub failed: bool,
    /// Its attributes.
    pub attributes: Attributes,
    /// The names and attributes of its events.
    pub events: Vec<(String, Attributes)>,
    /// The attributes of each of its links.
    pub links: Vec<Attributes>,
}

/// A metric.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Metric {
    /// Who measured it.
    pub origin: Origin,
    /// Its name.
    pub name: String,
    /// Its unit.
    pub unit: String,
    /// Its instrument, in the words of the registry's format.
    pub instrument: &'static str,
    /// The type of its values, `int` or `double`; empty for a histogram, which does not say.
    pub value_type: &'static str,
    /// The attributes of each of its data points.
    pub points: Vec<Attributes>,
}

/// A log record.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Log {
    /// Who logged it.
    pub origin: Origin,
    /// The name of its event; empty if it has none.
    pub event_name: String,
    /// Its attributes.
    pub attributes: Attributes,
}

/// All that was received.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Seen {
    /// The attributes of the resources, with their schema URLs.
    pub resources: Vec<(Attributes, String)>,
    /// The spans.
    pub spans: Vec<Span>,
    /// The metrics, once for each time they were exported.
    pub metrics: Vec<Metric>,
    /// The log records.
    pub logs: Vec<Log>,
}

impl Seen {
    /// What these requests over OTLP as protobuf hold.
    ///
    /// # Panics
    /// When a request is not that.
    #[must_use]
    pub fn of(requests: &[Received]) -> Self {
        let mut seen = Self::default();
        for request in requests {
            let body = &request.body[..];
            match request.path.as_str() {
                "/v1/traces" => {
                    seen.add_spans(ExportTraceServiceRequest::decode(body).expect("spans"))
                }
                "/v1/metrics" => {
                    seen.add_metrics(ExportMetricsServiceRequest::decode(body).expect("metrics"));
                }
                "/v1/logs" => seen.add_logs(ExportLogsServiceRequest::decode(body).expect("logs")),
                path => panic!("{path} is not a path of OTLP"),
            }
        }
        seen
    }

    /// What a document of spans in OTLP's JSON holds.
    ///
    /// # Panics
    /// When it is not that.
    #[must_use]
    pub fn of_json(document: &[u8]) -> Self {
        let mut seen = Self::default();
        seen.add_spans(serde_json::from_slice(document).expect("spans in OTLP's JSON"));
        seen
    }

    /// Adds what was seen elsewhere.
    pub fn extend(&mut self, other: Self) {
        self.resources.extend(other.resources);
        self.spans.extend(other.spans);
        self.metrics.extend(other.metrics);
        self.logs.extend(other.logs);
    }

    fn add_spans(&mut self, request: ExportTraceServiceRequest) {
        for of_resource in request.resource_spans {
            let service = self.add_resource(of_resource.resource, of_resource.schema_url);
            for of_scope in of_resource.scope_spans {
                let origin = origin(&service, of_scope.scope, of_scope.schema_url);
                self.spans.extend(of_scope.spans.into_iter().map(|span| {
                    Span {
                        origin: origin.clone(),
                        parent_id: (span.trace_id.clone(), span.parent_span_id.clone()),
                        id: (span.trace_id.clone(), span.span_id.clone()),
                        kind: kind(span.kind()),
                        failed: span
                            .status
                            .as_ref()
                            .is_some_and(|it| it.code() == StatusCode::Error),
                        name: span.name,
                        attributes: attributes(span.attributes),
                        events: (span.events.into_iter())
                            .map(|event| (event.name, attributes(event.attributes)))
                            .collect(),
                        links: span
                            .links
                            .into_iter()
                            .map(|link| attributes(link.attributes))
                            .collect(),
                    }
                }));
            }
        }
    }

    fn add_metrics(&mut self, request: ExportMetricsServiceRequest) {
        for of_resource in request.resource_metrics {
            let service = self.add_resource(of_resource.resource, of_resource.schema_url);
            for of_scope in of_resource.scope_metrics {
                let origin = origin(&service, of_scope.scope, of_scope.schema_url);
                for metric in of_scope.metrics {
                    let Some(data) = metric.data else { continue };
                    let (instrument, value_type, points) = points(data);
                    let (name, unit) = (metric.name, metric.unit);
                    let origin = origin.clone();
                    self.metrics.push(Metric {
                        origin,
                        name,
                        unit,
                        instrument,
                        value_type,
                        points,
                    });
                }
            }
        }
    }

    fn add_logs(&mut self, request: ExportLogsServiceRequest) {
        for of_resource in request.resource_logs {
            let service = self.add_resource(of_resource.resource, of_resource.schema_url);
            for of_scope in of_resource.scope_logs {
                let origin = origin(&service, of_scope.scope, of_scope.schema_url);
                self.logs.extend(of_scope.log_records.into_iter().map(|record| Log {
                    origin: origin.clone(),
                    event_name: record.event_name,
                    attributes: attributes(record.attributes),
                }));
            }
        }
    }

    /// Keeps a resource, and returns its `service.name`.
    fn add_resource(&mut self, resource: Option<Resource>, schema_url: String) -> String {
        let resource = attributes(resource.unwrap_or_default().attributes);
        let service = resource.get("service.name").map(Value::text).unwrap_or_default();
        let entry = (resource, schema_url);
        if !self.resources.contains(&entry) {
            self.resources.push(entry);
        }
        service
    }
}

fn origin(service: &str, scope: Option<InstrumentationScope>, schema_url: String) -> Origin {
    let InstrumentationScope { name, version, .. } = scope.unwrap_or_default();
    Origin { service: service.to_owned(), scope: name, version, schema_url }
}

fn kind(kind: SpanKind) -> &'static str {
    match kind {
        SpanKind::Unspecified => "unspecified",
        SpanKind::Internal => "internal",
        SpanKind::Server => "server",
        SpanKind::Client => "client",
        SpanKind::Producer => "producer",
        SpanKind::Consumer => "consumer",
    }
}

fn points(data: Data) -> (&'static str, &'static str, Vec<Attributes>) {
    let numbers = |points: Vec<NumberDataPoint>| {
        let value_type = match points.first().and_then(|point| point.value) {
            Some(Number::AsDouble(_)) => "double",
            Some(Number::AsInt(_)) => "int",
            None => "",
        };
        (value_type, points.into_iter().map(|point| attributes(point.attributes)).collect())
    };
    match data {
        Data::Gauge(gauge) => {
            let (value_type, points) = numbers(gauge.data_points);
            ("gauge", value_type, points)
        }
        Data::Sum(sum) => {
            let instrument = if sum.is_monotonic { "counter" } else { "updowncounter" };
            let (value_type, points) = numbers(sum.data_points);
            (instrument, value_type, points)
        }
        Data::Histogram(histogram) => {
            let points =
                histogram.data_points.into_iter().map(|point| attributes(point.attributes));
            ("histogram", "", points.collect())
        }
        Data::ExponentialHistogram(histogram) => {
            let points =
                histogram.data_points.into_iter().map(|point| attributes(point.attributes));
            ("histogram", "", points.collect())
        }
        Data::Summary(_) => ("summary", "", vec![]),
    }
}

fn attributes(pairs: Vec<KeyValue>) -> Attributes {
    pairs.into_iter().map(|pair| (pair.key, value(pair.value))).collect()
}

fn value(value: Option<AnyValue>) -> Value {
    match value.and_then(|value| value.value) {
        Some(Proto::StringValue(text)) => Value::Text(text),
        Some(Proto::BoolValue(value)) => Value::Bool(value),
        Some(Proto::IntValue(value)) => Value::Int(value),
        Some(Proto::DoubleValue(value)) => Value::Double(value),
        Some(Proto::ArrayValue(array)) => {
            Value::List(array.values.into_iter().map(|item| self::value(Some(item))).collect())
        }
        _ => Value::Other,
    }
}
