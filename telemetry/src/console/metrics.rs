//! Prints metrics as text.

use super::text::{Plain, failure, time, write_attributes, write_resource};
use crate::streams::Console;
use opentelemetry::KeyValue;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::metrics::Temporality;
use opentelemetry_sdk::metrics::data::{
    AggregatedMetrics, ExponentialHistogramDataPoint, HistogramDataPoint, Metric, MetricData,
    ResourceMetrics,
};
use opentelemetry_sdk::metrics::exporter::PushMetricExporter;
use std::fmt::{self, Display, Write as _};
use std::time::{Duration, SystemTime};

/// Writes metrics to a stream, each export in one piece.
#[derive(Debug)]
pub(crate) struct MetricPrinter(Console);

impl MetricPrinter {
    /// A printer to this stream.
    pub(crate) fn new(console: Console) -> Self {
        MetricPrinter(console)
    }
}

impl PushMetricExporter for MetricPrinter {
    async fn export(&self, metrics: &ResourceMetrics) -> OTelSdkResult {
        let mut text = String::new();
        // Writing to a `String` cannot fail.
        write_metrics(&mut text, metrics).ok();
        self.0.write(&text).map_err(|error| failure(&error))
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

fn write_metrics(text: &mut String, metrics: &ResourceMetrics) -> fmt::Result {
    writeln!(text, "Metrics")?;
    write_resource(text, metrics.resource())?;
    for scope in metrics.scope_metrics() {
        writeln!(text, "\tInstrumentation Scope\n\t\tName         : {:?}", scope.scope().name())?;
        for metric in scope.metrics() {
            write_metric(text, metric)?;
        }
    }
    Ok(())
}

fn write_metric(text: &mut String, metric: &Metric) -> fmt::Result {
    writeln!(text, "Metric\n\tName         : {}", Plain(metric.name()))?;
    writeln!(text, "\tDescription  : {}", Plain(metric.description()))?;
    writeln!(text, "\tUnit         : {}", Plain(metric.unit()))?;
    match metric.data() {
        AggregatedMetrics::F64(data) => write_data(text, data),
        AggregatedMetrics::U64(data) => write_data(text, data),
        AggregatedMetrics::I64(data) => write_data(text, data),
    }
}

fn write_data<T: Copy + Display>(text: &mut String, data: &MetricData<T>) -> fmt::Result {
    match data {
        MetricData::Gauge(gauge) => {
            write_head(text, "Gauge", gauge.start_time(), gauge.time())?;
            for point in gauge.data_points() {
                write_point(text, point.value(), point.attributes())?;
            }
        }
        MetricData::Sum(sum) => {
            let kind = if sum.is_monotonic() { "Sum, monotonic" } else { "Sum" };
            write_head(text, kind, Some(sum.start_time()), sum.time())?;
            for point in sum.data_points() {
                write_point(text, point.value(), point.attributes())?;
            }
        }
        MetricData::Histogram(histogram) => {
            let start = Some(histogram.start_time());
            write_head(text, "Histogram", start, histogram.time())?;
            histogram.data_points().try_for_each(|point| write_histogram(text, point))?;
        }
        MetricData::ExponentialHistogram(histogram) => {
            let start = Some(histogram.start_time());
            write_head(text, "Exponential histogram", start, histogram.time())?;
            histogram.data_points().try_for_each(|point| write_exponential(text, point))?;
        }
    }
    Ok(())
}

fn write_head(
    text: &mut String,
    kind: &str,
    start: Option<SystemTime>,
    end: SystemTime,
) -> fmt::Result {
    writeln!(text, "\tType         : {kind}")?;
    if let Some(start) = start {
        writeln!(text, "\tStart time   : {}", time(start))?;
    }
    writeln!(text, "\tEnd time     : {}", time(end))
}

fn write_point<'a>(
    text: &mut String,
    value: impl Display,
    attributes: impl Iterator<Item = &'a KeyValue>,
) -> fmt::Result {
    writeln!(text, "\tValue        : {value}")?;
    write_attributes(text, "\t\t", attributes)
}

fn write_histogram<T: Copy + Display>(
    text: &mut String,
    point: &HistogramDataPoint<T>,
) -> fmt::Result {
    let (count, sum) = (point.count(), point.sum());
    write_summary(text, count, sum, point.min().zip(point.max()))?;
    write_attributes(text, "\t\t", point.attributes())?;
    let bounds = point.bounds().map(Some).chain([None]);
    let mut lower = None;
    for (upper, count) in bounds.zip(point.bucket_counts()) {
        write_bucket(text, lower, upper, count)?;
        lower = upper;
    }
    Ok(())
}

fn write_exponential<T: Copy + Display>(
    text: &mut String,
    point: &ExponentialHistogramDataPoint<T>,
) -> fmt::Result {
    let (count, sum) = (point.count() as u64, point.sum());
    write_summary(text, count, sum, point.min().zip(point.max()))?;
    write_attributes(text, "\t\t", point.attributes())?;
    // The bounds of bucket `i` are base^(offset + i) and base^(offset + i + 1):
    // <https://opentelemetry.io/docs/specs/otel/metrics/data-model/#exponentialhistogram>
    let base = 2_f64.powf(2_f64.powi(-i32::from(point.scale())));
    let bound = |index: usize, offset: i32| base.powf(index as f64 + f64::from(offset));
    let (negative, positive) = (point.negative_bucket(), point.positive_bucket());
    for (index, count) in negative.counts().enumerate() {
        let [lower, upper] = [index + 1, index].map(|index| -bound(index, negative.offset()));
        write_bucket(text, Some(lower), Some(upper), count)?;
    }
    writeln!(text, "\t\tzero: {}", point.zero_count())?;
    for (index, count) in positive.counts().enumerate() {
        let [lower, upper] = [index, index + 1].map(|index| bound(index, positive.offset()));
        write_bucket(text, Some(lower), Some(upper), count)?;
    }
    Ok(())
}

fn write_summary<T: Display>(
    text: &mut String,
    count: u64,
    sum: T,
    range: Option<(T, T)>,
) -> fmt::Result {
    write!(text, "\tValue        : count {count}, sum {sum}")?;
    if let Some((min, max)) = range {
        write!(text, ", min {min}, max {max}")?;
    }
    writeln!(text)
}

/// Writes a bucket. It counts values above its lower bound and up to its upper bound.
fn write_bucket(
    text: &mut String,
    lower: Option<f64>,
    upper: Option<f64>,
    count: u64,
) -> fmt::Result {
    let lower = lower.unwrap_or(f64::NEG_INFINITY);
    let upper = upper.unwrap_or(f64::INFINITY);
    writeln!(text, "\t\t({lower}, {upper}]: {count}")
}
