//! Metrics as tests compare them: decoded from OTLP, or read from an SDK in the same process.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::metrics::v1 as proto;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value as Number;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::metrics::data::ResourceMetrics;
use opentelemetry_sdk::metrics::exporter::PushMetricExporter;
use opentelemetry_sdk::metrics::{PeriodicReader, SdkMeterProvider, Temporality};
use prost::Message as _;

use super::http::Received;
use super::otlp;
use super::span::Attributes;

/// One metric of one service, with its time series.
#[derive(Clone, Debug, PartialEq)]
pub struct Metric {
    /// The `service.name` of its resource; empty if it has none.
    pub service: String,
    /// The name of its scope.
    pub scope: String,
    /// Its name.
    pub name: String,
    /// Its unit.
    pub unit: String,
    /// Its instrument, as the semantic conventions name it: `counter`, `updowncounter`, `gauge` or
    /// `histogram`.
    pub instrument: &'static str,
    /// `cumulative` or `delta`; empty for a gauge.
    pub temporality: &'static str,
    /// Its time series.
    pub series: Vec<Series>,
}

/// One time series: a combination of attributes.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// Its attributes, with their values as text.
    pub attributes: Attributes,
    /// Its value.
    pub value: Value,
}

/// The value of a time series.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A whole number.
    Int(i64),
    /// Any number.
    Double(f64),
    /// How many values were recorded, and their sum.
    Histogram {
        /// How many.
        count: u64,
        /// Their sum.
        sum: f64,
        /// The upper bounds of the buckets; none for an exponential histogram.
        bounds: Vec<f64>,
    },
}

impl Metric {
    /// What it is, without its values: `name [unit] instrument temporality {keys}`, with the keys
    /// of all its series.
    pub fn shape(&self) -> String {
        let keys: BTreeSet<&str> = (self.series.iter())
            .flat_map(|series| series.attributes.keys().map(String::as_str))
            .collect();
        let keys = keys.into_iter().collect::<Vec<_>>().join(", ");
        let Self { name, unit, instrument, temporality, .. } = self;
        let kind = format!("{instrument} {temporality}");
        format!("{name} [{unit}] {} {{{keys}}}", kind.trim_end())
    }

    /// Its series as text, one a line and sorted: `key=value ... = 3`. Of a histogram it is the
    /// count, because how long something takes is not the same twice.
    pub fn lines(&self) -> Vec<String> {
        let line = |series: &Series| {
            let attributes: Vec<_> =
                series.attributes.iter().map(|(key, value)| format!("{key}={value}")).collect();
            let value = match &series.value {
                Value::Int(value) => value.to_string(),
                Value::Double(value) => value.to_string(),
                Value::Histogram { count, .. } => count.to_string(),
            };
            format!("{} = {value}", attributes.join(" ")).trim_start().to_owned()
        };
        let mut lines: Vec<_> = self.series.iter().map(line).collect();
        lines.sort();
        lines
    }

    /// The sum of what a histogram has recorded in all its series.
    ///
    /// # Panics
    /// When it is not a histogram.
    pub fn sum(&self) -> f64 {
        let sum = |series: &Series| match &series.value {
            Value::Histogram { sum, .. } => *sum,
            other => panic!("{} is no histogram: {other:?}", self.name),
        };
        self.series.iter().map(sum).sum()
    }
}

/// All metrics that these requests with protobuf bodies have. A metric that was exported several
/// times is there once, with the last value of each series.
pub fn from_protobuf(requests: &[Received]) -> Vec<Metric> {
    let requests = requests.iter().filter(|request| request.path == "/v1/metrics");
    let decoded = requests
        .flat_map(|request| {
            metrics(&ExportMetricsServiceRequest::decode(&request.body[..]).expect("protobuf"))
        })
        .collect();
    latest(decoded)
}

/// The metrics in one request.
pub fn metrics(request: &ExportMetricsServiceRequest) -> Vec<Metric> {
    let mut all = Vec::new();
    for of_resource in &request.resource_metrics {
        let resource = of_resource.resource.as_ref();
        let resource = resource.map(|resource| otlp::attributes(&resource.attributes));
        let service = resource.and_then(|all| all.get("service.name").cloned()).unwrap_or_default();
        for of_scope in &of_resource.scope_metrics {
            let scope = of_scope.scope.as_ref().map(|scope| scope.name.as_str());
            let scope = scope.unwrap_or_default();
            all.extend(of_scope.metrics.iter().map(|metric| decode(&service, scope, metric)));
        }
    }
    all
}

fn decode(service: &str, scope: &str, metric: &proto::Metric) -> Metric {
    let (instrument, temporality, series) = match metric.data.as_ref() {
        Some(Data::Gauge(gauge)) => ("gauge", "", numbers(&gauge.data_points)),
        Some(Data::Sum(sum)) => {
            let instrument = if sum.is_monotonic { "counter" } else { "updowncounter" };
            (instrument, temporality(sum.aggregation_temporality()), numbers(&sum.data_points))
        }
        Some(Data::Histogram(histogram)) => {
            let series = histogram.data_points.iter().map(|point| {
                let (bounds, sum) = (point.explicit_bounds.clone(), point.sum.unwrap_or_default());
                series(&point.attributes, Value::Histogram { count: point.count, sum, bounds })
            });
            ("histogram", temporality(histogram.aggregation_temporality()), series.collect())
        }
        Some(Data::ExponentialHistogram(histogram)) => {
            let series = histogram.data_points.iter().map(|point| {
                let (bounds, sum) = (Vec::new(), point.sum.unwrap_or_default());
                series(&point.attributes, Value::Histogram { count: point.count, sum, bounds })
            });
            ("histogram", temporality(histogram.aggregation_temporality()), series.collect())
        }
        other => panic!("{} has data of no known kind: {other:?}", metric.name),
    };
    Metric {
        service: service.to_owned(),
        scope: scope.to_owned(),
        name: metric.name.clone(),
        unit: metric.unit.clone(),
        instrument,
        temporality,
        series,
    }
}

fn temporality(temporality: proto::AggregationTemporality) -> &'static str {
    match temporality {
        proto::AggregationTemporality::Cumulative => "cumulative",
        proto::AggregationTemporality::Delta => "delta",
        proto::AggregationTemporality::Unspecified => "unspecified",
    }
}

fn numbers(points: &[proto::NumberDataPoint]) -> Vec<Series> {
    let value = |point: &proto::NumberDataPoint| match point.value {
        Some(Number::AsInt(value)) => Value::Int(value),
        Some(Number::AsDouble(value)) => Value::Double(value),
        None => panic!("a point has no value: {point:?}"),
    };
    points.iter().map(|point| series(&point.attributes, value(point))).collect()
}

fn series(attributes: &[opentelemetry_proto::tonic::common::v1::KeyValue], value: Value) -> Series {
    Series { attributes: otlp::attributes(attributes), value }
}

/// Each metric once, with the last value of each series, sorted by service and name.
fn latest(metrics: Vec<Metric>) -> Vec<Metric> {
    let mut latest: BTreeMap<(String, String), Metric> = BTreeMap::new();
    for metric in metrics {
        let key = (metric.service.clone(), metric.name.clone());
        match latest.get_mut(&key) {
            None => drop(latest.insert(key, metric)),
            Some(known) => {
                for series in metric.series {
                    known.series.retain(|old| old.attributes != series.attributes);
                    known.series.push(series);
                }
            }
        }
    }
    latest.into_values().collect()
}

/// A provider of meters whose metrics a test reads, without a network.
#[derive(Clone, Debug)]
pub struct MetricRecorder {
    provider: SdkMeterProvider,
    exported: Exported,
}

#[derive(Clone, Debug, Default)]
struct Exported(Arc<Mutex<Vec<Metric>>>);

impl MetricRecorder {
    /// A provider that has measured nothing yet.
    #[must_use]
    pub fn start() -> Self {
        let exported = Exported::default();
        // Only `metrics` exports.
        let never = Duration::from_secs(24 * 60 * 60);
        let reader = PeriodicReader::builder(exported.clone()).with_interval(never).build();
        Self { provider: SdkMeterProvider::builder().with_reader(reader).build(), exported }
    }

    /// The provider.
    #[must_use]
    pub fn provider(&self) -> SdkMeterProvider {
        self.provider.clone()
    }

    /// All that was measured so far, sorted by name.
    ///
    /// # Panics
    /// When the SDK cannot export.
    #[must_use]
    pub fn metrics(&self) -> Vec<Metric> {
        self.provider.force_flush().expect("the SDK exports");
        self.exported.0.lock().expect("no test panics while it holds this").clone()
    }

    /// The metric of this name.
    ///
    /// # Panics
    /// When nothing was measured under this name.
    #[must_use]
    pub fn metric(&self, name: &str) -> Metric {
        let metrics = self.metrics();
        let names: Vec<_> = metrics.iter().map(|metric| metric.name.clone()).collect();
        let found = metrics.into_iter().find(|metric| metric.name == name);
        found.unwrap_or_else(|| panic!("there is no {name}, only {names:?}"))
    }
}

impl PushMetricExporter for Exported {
    async fn export(&self, exported: &ResourceMetrics) -> OTelSdkResult {
        let decoded = latest(metrics(&exported.into()));
        *self.0.lock().expect("no test panics while it holds this") = decoded;
        Ok(())
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }

    fn temporality(&self) -> Temporality {
        Temporality::Cumulative
    }
}
