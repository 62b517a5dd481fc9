//! The memory that each OTLP message takes when decoded, and which messages it nests.
//!
//! An empty span is two bytes on the wire and some hundreds in memory, so the size of a request
//! says little about the memory that decoding it takes. These tables let [`measure`](super::measure)
//! find that out first. Field numbers are those of <https://github.com/open-telemetry/opentelemetry-proto>.

use std::mem::size_of;

use opentelemetry_proto::tonic::common::v1::{AnyValue, EntityRef, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::metrics::v1::{
    Exemplar, ExponentialHistogramDataPoint, HistogramDataPoint, Metric, NumberDataPoint,
    ResourceMetrics, ScopeMetrics, SummaryDataPoint, summary_data_point::ValueAtQuantile,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::{Event, Link};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};

/// One message type.
#[derive(Debug)]
pub(super) struct Shape {
    /// Bytes of the decoded message itself.
    pub(super) bytes: usize,
    /// The fields that are messages, by number.
    pub(super) fields: &'static [(u32, &'static Shape)],
}

/// An `ExportTraceServiceRequest`.
pub(super) static TRACES: Shape = Shape { bytes: 0, fields: &[(1, &RESOURCE_SPANS)] };
/// An `ExportMetricsServiceRequest`.
pub(super) static METRICS: Shape = Shape { bytes: 0, fields: &[(1, &RESOURCE_METRICS)] };
/// An `ExportLogsServiceRequest`.
pub(super) static LOGS: Shape = Shape { bytes: 0, fields: &[(1, &RESOURCE_LOGS)] };

/// The largest of all, which a JSON object could become.
pub(super) const LARGEST: usize = largest(&[
    size_of::<Span>(),
    size_of::<Metric>(),
    size_of::<HistogramDataPoint>(),
    size_of::<ExponentialHistogramDataPoint>(),
    size_of::<LogRecord>(),
]);

const fn largest(sizes: &[usize]) -> usize {
    let (mut most, mut at) = (0, 0);
    while at < sizes.len() {
        if sizes[at] > most {
            most = sizes[at];
        }
        at += 1;
    }
    most
}

const fn message<T>(fields: &'static [(u32, &'static Shape)]) -> Shape {
    Shape { bytes: size_of::<T>(), fields }
}

static ANY_VALUE: Shape = message::<AnyValue>(&[(5, &ARRAY_VALUE), (6, &KEY_VALUE_LIST)]);
static ARRAY_VALUE: Shape = Shape { bytes: 0, fields: &[(1, &ANY_VALUE)] };
static KEY_VALUE_LIST: Shape = Shape { bytes: 0, fields: &[(1, &KEY_VALUE)] };
static KEY_VALUE: Shape = message::<KeyValue>(&[(2, &ANY_VALUE)]);
static ENTITY_REF: Shape = message::<EntityRef>(&[]);
static RESOURCE: Shape = message::<Resource>(&[(1, &KEY_VALUE), (3, &ENTITY_REF)]);
static SCOPE: Shape = message::<InstrumentationScope>(&[(3, &KEY_VALUE)]);

static RESOURCE_SPANS: Shape = message::<ResourceSpans>(&[(1, &RESOURCE), (2, &SCOPE_SPANS)]);
static SCOPE_SPANS: Shape = message::<ScopeSpans>(&[(1, &SCOPE), (2, &SPAN)]);
static SPAN: Shape = message::<Span>(&[(9, &KEY_VALUE), (11, &EVENT), (13, &LINK)]);
static EVENT: Shape = message::<Event>(&[(3, &KEY_VALUE)]);
static LINK: Shape = message::<Link>(&[(4, &KEY_VALUE)]);

static RESOURCE_METRICS: Shape = message::<ResourceMetrics>(&[(1, &RESOURCE), (2, &SCOPE_METRICS)]);
static SCOPE_METRICS: Shape = message::<ScopeMetrics>(&[(1, &SCOPE), (2, &METRIC)]);
static METRIC: Shape = message::<Metric>(&[
    (5, &NUMBERS),
    (7, &NUMBERS),
    (9, &HISTOGRAM),
    (10, &EXPONENTIAL_HISTOGRAM),
    (11, &SUMMARY),
    (12, &KEY_VALUE),
]);
/// A gauge or a sum.
static NUMBERS: Shape = Shape { bytes: 0, fields: &[(1, &NUMBER_POINT)] };
static HISTOGRAM: Shape = Shape { bytes: 0, fields: &[(1, &HISTOGRAM_POINT)] };
static EXPONENTIAL_HISTOGRAM: Shape = Shape { bytes: 0, fields: &[(1, &EXPONENTIAL_POINT)] };
static SUMMARY: Shape = Shape { bytes: 0, fields: &[(1, &SUMMARY_POINT)] };
static NUMBER_POINT: Shape = message::<NumberDataPoint>(&[(7, &KEY_VALUE), (5, &EXEMPLAR)]);
static HISTOGRAM_POINT: Shape = message::<HistogramDataPoint>(&[(9, &KEY_VALUE), (8, &EXEMPLAR)]);
static EXPONENTIAL_POINT: Shape =
    message::<ExponentialHistogramDataPoint>(&[(1, &KEY_VALUE), (11, &EXEMPLAR)]);
static SUMMARY_POINT: Shape = message::<SummaryDataPoint>(&[(7, &KEY_VALUE), (6, &QUANTILE)]);
static QUANTILE: Shape = message::<ValueAtQuantile>(&[]);
static EXEMPLAR: Shape = message::<Exemplar>(&[(7, &KEY_VALUE)]);

static RESOURCE_LOGS: Shape = message::<ResourceLogs>(&[(1, &RESOURCE), (2, &SCOPE_LOGS)]);
static SCOPE_LOGS: Shape = message::<ScopeLogs>(&[(1, &SCOPE), (2, &LOG_RECORD)]);
static LOG_RECORD: Shape = message::<LogRecord>(&[(5, &ANY_VALUE), (6, &KEY_VALUE)]);
