//! A metric as it was sent, with its data points, until the [instruments](super::instruments) have
//! taken what is in it.

use std::sync::Arc;

use super::model::{Attribute, Name, Resource, Scope, SpanId, TraceId};

/// One metric of a request.
#[derive(Clone, Debug)]
pub(crate) struct Metric {
    pub(crate) resource: Arc<Resource>,
    pub(crate) scope: Arc<Scope>,
    pub(crate) name: Name,
    pub(crate) unit: Box<str>,
    pub(crate) description: Box<str>,
    pub(crate) kind: InstrumentKind,
    pub(crate) is_cumulative: bool,
    pub(crate) points: Vec<Point>,
    /// Points that could not be read, and why the first of them could not.
    pub(crate) rejected: u64,
    pub(crate) reason: Option<String>,
}

/// What a metric is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum InstrumentKind {
    Gauge,
    /// A sum that only grows.
    Counter,
    UpDownCounter,
    Histogram,
    ExponentialHistogram,
    Summary,
}

impl InstrumentKind {
    pub(crate) const ALL: [Self; 6] = [
        Self::Gauge,
        Self::Counter,
        Self::UpDownCounter,
        Self::Histogram,
        Self::ExponentialHistogram,
        Self::Summary,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Gauge => "gauge",
            Self::Counter => "counter",
            Self::UpDownCounter => "up-down counter",
            Self::Histogram => "histogram",
            Self::ExponentialHistogram => "exponential histogram",
            Self::Summary => "summary",
        }
    }
}

/// One data point.
#[derive(Clone, Debug)]
pub(crate) struct Point {
    pub(crate) attributes: Box<[Attribute]>,
    /// Nanoseconds since the epoch; 0 when it was not said.
    pub(crate) start: u64,
    /// Nanoseconds since the epoch.
    pub(crate) time: u64,
    /// `None`: the sender says that there is no value.
    pub(crate) value: Option<PointValue>,
    pub(crate) exemplars: Vec<Exemplar>,
}

/// The value of a data point.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum PointValue {
    Number(f64),
    Histogram(Histogram),
    Exponential(Exponential),
    Summary(Summary),
}

/// Counts of values between bounds: `counts` has one more.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Histogram {
    pub(crate) count: u64,
    pub(crate) sum: f64,
    pub(crate) bounds: Vec<f64>,
    pub(crate) counts: Vec<u64>,
}

/// Counts of values in buckets that grow by the same factor,
/// <https://opentelemetry.io/docs/specs/otel/metrics/data-model/#exponentialhistogram>.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Exponential {
    pub(crate) count: u64,
    pub(crate) sum: f64,
    pub(crate) scale: i32,
    pub(crate) zeroes: u64,
    pub(crate) positive: Buckets,
    pub(crate) negative: Buckets,
}

/// Buckets from `offset` on.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Buckets {
    pub(crate) offset: i32,
    pub(crate) counts: Vec<u64>,
}

/// Percentiles that the sender has computed.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Summary {
    pub(crate) count: u64,
    pub(crate) sum: f64,
    /// From 0 to 1, and their values.
    pub(crate) quantiles: Vec<(f64, f64)>,
}

/// A value with the span in which it was measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Exemplar {
    /// Nanoseconds since the epoch.
    pub(crate) time: u64,
    pub(crate) value: f64,
    pub(crate) trace: TraceId,
    pub(crate) span: SpanId,
}
