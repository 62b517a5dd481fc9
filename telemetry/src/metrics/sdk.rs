//! The accounting as metrics, with the names that the semantic conventions have for an SDK's own:
//! <https://opentelemetry.io/docs/specs/semconv/otel/sdk-metrics/>
//!
//! Each is read from counters that the pipeline keeps anyway, when metrics are collected. Of every
//! span that ended, for each exporter, exactly one of these is true. The same holds of log records,
//! with `log` in the place of `span`.
//!
//! | where it is | metric |
//! |---|---|
//! | waits | `otel.sdk.processor.span.queue.size` |
//! | found the queue full | `otel.sdk.processor.span.processed`, `error.type` `queue_full` |
//! | was still waiting when the process ended | `otel.sdk.processor.span.processed`, `error.type` `already_shutdown` |
//! | is being sent | `otel.sdk.exporter.span.inflight` |
//! | was taken or not | `otel.sdk.exporter.span.exported`, with `error.type` if it was not |

use super::counters::MetricExporterCounters;
use crate::accounting::{Accounting, ExporterCounters, ExporterReading, Items, Totals};
use crate::outcome::error_type;
use crate::sampler::StartedSpans;
use opentelemetry::KeyValue;
use opentelemetry::metrics::{Histogram, Meter};
use opentelemetry_semantic_conventions::attribute::{
    ERROR_TYPE, OTEL_SPAN_PARENT_ORIGIN, OTEL_SPAN_SAMPLING_RESULT,
};
use opentelemetry_semantic_conventions::metric::{
    OTEL_SDK_EXPORTER_LOG_EXPORTED, OTEL_SDK_EXPORTER_LOG_INFLIGHT,
    OTEL_SDK_EXPORTER_METRIC_DATA_POINT_EXPORTED, OTEL_SDK_EXPORTER_METRIC_DATA_POINT_INFLIGHT,
    OTEL_SDK_EXPORTER_OPERATION_DURATION, OTEL_SDK_EXPORTER_SPAN_EXPORTED,
    OTEL_SDK_EXPORTER_SPAN_INFLIGHT, OTEL_SDK_LOG_CREATED,
    OTEL_SDK_METRIC_READER_COLLECTION_DURATION, OTEL_SDK_PROCESSOR_LOG_PROCESSED,
    OTEL_SDK_PROCESSOR_LOG_QUEUE_CAPACITY, OTEL_SDK_PROCESSOR_LOG_QUEUE_SIZE,
    OTEL_SDK_PROCESSOR_SPAN_PROCESSED, OTEL_SDK_PROCESSOR_SPAN_QUEUE_CAPACITY,
    OTEL_SDK_PROCESSOR_SPAN_QUEUE_SIZE, OTEL_SDK_SPAN_LIVE, OTEL_SDK_SPAN_STARTED,
};
use std::sync::Arc;

/// Makes the instruments of spans: how many there are, and where they are.
pub(super) fn observe_spans(meter: &Meter, accounting: &Accounting, started: &Arc<StartedSpans>) {
    let counts = Arc::clone(started);
    meter
        .u64_observable_counter(OTEL_SDK_SPAN_STARTED)
        .with_unit("{span}")
        .with_description("The number of created spans.")
        .with_callback(move |spans| {
            for (result, origin, count) in counts.counts().filter(|(.., count)| *count > 0) {
                let attributes = [
                    KeyValue::new(OTEL_SPAN_SAMPLING_RESULT, result),
                    KeyValue::new(OTEL_SPAN_PARENT_ORIGIN, origin),
                ];
                spans.observe(count, &attributes);
            }
        })
        .build();
    let (counts, totals) = (Arc::clone(started), Arc::clone(&accounting.0));
    meter
        .i64_observable_up_down_counter(OTEL_SDK_SPAN_LIVE)
        .with_unit("{span}")
        .with_description(
            "The number of created spans that are recorded and for which the end operation has \
             not been called yet.",
        )
        .with_callback(move |live| {
            // What has ended is read first, so that no span counts as ended and not as started.
            let ended = [totals.ended_unsampled.get(), totals.spans.all.get()];
            for (ended, result) in ended.into_iter().zip(["RECORD_ONLY", "RECORD_AND_SAMPLE"]) {
                let started = counts.with(result);
                if started > 0 {
                    let attributes = [KeyValue::new(OTEL_SPAN_SAMPLING_RESULT, result)];
                    live.observe(signed(started.saturating_sub(ended)), &attributes);
                }
            }
        })
        .build();
    let spans = Signal {
        processed: OTEL_SDK_PROCESSOR_SPAN_PROCESSED,
        queue_size: OTEL_SDK_PROCESSOR_SPAN_QUEUE_SIZE,
        queue_capacity: OTEL_SDK_PROCESSOR_SPAN_QUEUE_CAPACITY,
        exported: OTEL_SDK_EXPORTER_SPAN_EXPORTED,
        inflight: OTEL_SDK_EXPORTER_SPAN_INFLIGHT,
        unit: "{span}",
        items: "spans",
        processor: "span processor",
        totals: Arc::clone(&accounting.0),
        of: |totals| Some(&totals.spans),
        not_exported: |totals| totals.ended_unsampled.get(),
    };
    spans.observe_processors(meter);
    spans.observe_exporters(meter);
}

/// Makes the instruments of log records, if they are exported.
pub(super) fn observe_logs(meter: &Meter, accounting: &Accounting) {
    let Some(logs) = &accounting.0.logs else { return };
    let created = Arc::clone(logs);
    meter
        .u64_observable_counter(OTEL_SDK_LOG_CREATED)
        .with_unit("{log_record}")
        .with_description("The number of logs submitted to enabled SDK Loggers.")
        .with_callback(move |records| records.observe(created.all.get(), &[]))
        .build();
    let logs = Signal {
        processed: OTEL_SDK_PROCESSOR_LOG_PROCESSED,
        queue_size: OTEL_SDK_PROCESSOR_LOG_QUEUE_SIZE,
        queue_capacity: OTEL_SDK_PROCESSOR_LOG_QUEUE_CAPACITY,
        exported: OTEL_SDK_EXPORTER_LOG_EXPORTED,
        inflight: OTEL_SDK_EXPORTER_LOG_INFLIGHT,
        unit: "{log_record}",
        items: "log records",
        processor: "log processor",
        totals: Arc::clone(&accounting.0),
        of: |totals| totals.logs.as_deref(),
        not_exported: |_| 0,
    };
    logs.observe_processors(meter);
    logs.observe_exporters(meter);
}

/// The names of the instruments of a signal, and where they read.
struct Signal {
    processed: &'static str,
    queue_size: &'static str,
    queue_capacity: &'static str,
    exported: &'static str,
    inflight: &'static str,
    unit: &'static str,
    /// What the items are called.
    items: &'static str,
    /// What a processor of them is called.
    processor: &'static str,
    totals: Arc<Totals>,
    of: fn(&Totals) -> Option<&Items>,
    /// The number of items that a processor has done with although no exporter gets them.
    not_exported: fn(&Totals) -> u64,
}

impl Signal {
    fn observe_processors(&self, meter: &Meter) {
        let Signal { unit, items, processor, of, not_exported, .. } = *self;
        let all = Arc::clone(&self.totals);
        meter
            .u64_observable_counter(self.processed)
            .with_unit(unit)
            .with_description(format!(
                "The number of {items} for which the processing has finished, either successful or \
             failed."
            ))
            .with_callback(move |processed| {
                let unsampled = not_exported(&all);
                for (of, read) in each(of(&all)) {
                    let plain = of.processor.attributes();
                    let handed_over = read.exported + read.failed + read.rejected + read.in_flight;
                    processed.observe(handed_over + unsampled, &plain);
                    processed.observe(read.turned_away, &with_error(&plain, "queue_full"));
                    if read.closed && read.in_queue > 0 {
                        processed.observe(read.in_queue, &with_error(&plain, "already_shutdown"));
                    }
                }
            })
            .build();
        let all = Arc::clone(&self.totals);
        meter
            .i64_observable_up_down_counter(self.queue_size)
            .with_unit(unit)
            .with_description(format!(
                "The number of {items} in the queue of a given instance of an SDK {processor}."
            ))
            .with_callback(move |size| {
                for (of, read) in each(of(&all)) {
                    let waiting = if read.closed { 0 } else { read.in_queue };
                    size.observe(signed(waiting), &of.processor.attributes());
                }
            })
            .build();
        let all = Arc::clone(&self.totals);
        meter
            .i64_observable_up_down_counter(self.queue_capacity)
            .with_unit(unit)
            .with_description(format!(
                "The maximum number of {items} the queue of a given instance of an SDK {processor} \
             can hold."
            ))
            .with_callback(move |capacity| {
                for (of, _) in each(of(&all)) {
                    capacity.observe(signed(of.capacity), &of.processor.attributes());
                }
            })
            .build();
    }

    fn observe_exporters(&self, meter: &Meter) {
        let Signal { unit, items, of, .. } = *self;
        let all = Arc::clone(&self.totals);
        meter
        .u64_observable_counter(self.exported)
        .with_unit(unit)
        .with_description(format!(
            "The number of {items} for which the export has finished, either successful or failed."
        ))
        .with_callback(move |exported| {
            for (of, read) in each(of(&all)) {
                let plain = of.measured.exporter().attributes();
                exported.observe(read.exported, &plain);
                if read.rejected > 0 {
                    exported.observe(read.rejected, &with_error(&plain, error_type::REJECTED));
                }
                for (cause, count) in of.measured.failed() {
                    exported.observe(count, &with_error(&plain, cause));
                }
            }
        })
        .build();
        let all = Arc::clone(&self.totals);
        meter
            .i64_observable_up_down_counter(self.inflight)
            .with_unit(unit)
            .with_description(format!(
                "The number of {items} which were passed to the exporter, but that have not been \
             exported yet (neither successful, nor failed)."
            ))
            .with_callback(move |inflight| {
                for (of, read) in each(of(&all)) {
                    inflight.observe(signed(read.in_flight), &of.measured.exporter().attributes());
                }
            })
            .build();
    }
}

/// Makes the instruments of the data points that these exporters of metrics send.
pub(super) fn observe_data_points(meter: &Meter, exporters: &Arc<[Arc<MetricExporterCounters>]>) {
    if exporters.is_empty() {
        return;
    }
    let all = Arc::clone(exporters);
    meter
        .u64_observable_counter(OTEL_SDK_EXPORTER_METRIC_DATA_POINT_EXPORTED)
        .with_unit("{data_point}")
        .with_description(
            "The number of metric data points for which the export has finished, either \
             successful or failed.",
        )
        .with_callback(move |exported| {
            for of in all.iter() {
                let plain = of.measured.exporter().attributes();
                exported.observe(of.exported.get(), &plain);
                let rejected = of.rejected.get();
                if rejected > 0 {
                    exported.observe(rejected, &with_error(&plain, error_type::REJECTED));
                }
                for (cause, count) in of.measured.failed() {
                    exported.observe(count, &with_error(&plain, cause));
                }
            }
        })
        .build();
    let all = Arc::clone(exporters);
    meter
        .i64_observable_up_down_counter(OTEL_SDK_EXPORTER_METRIC_DATA_POINT_INFLIGHT)
        .with_unit("{data_point}")
        .with_description(
            "The number of metric data points which were passed to the exporter, but that have \
             not been exported yet (neither successful, nor failed).",
        )
        .with_callback(move |inflight| {
            for of in all.iter() {
                let count = signed(of.in_flight.get());
                inflight.observe(count, &of.measured.exporter().attributes());
            }
        })
        .build();
}

/// The histogram of how long exports take, for all exporters.
pub(super) fn operation_duration(meter: &Meter) -> Histogram<f64> {
    meter
        .f64_histogram(OTEL_SDK_EXPORTER_OPERATION_DURATION)
        .with_unit("s")
        .with_description("The duration of exporting a batch of telemetry records.")
        .build()
}

/// The histogram of how long it takes to collect metrics.
pub(super) fn collection_duration(meter: &Meter) -> Histogram<f64> {
    meter
        .f64_histogram(OTEL_SDK_METRIC_READER_COLLECTION_DURATION)
        .with_unit("s")
        .with_description("The duration of the collect operation of the metric reader.")
        .build()
}

/// The exporters of `items`, with what their counters say.
fn each(items: Option<&Items>) -> impl Iterator<Item = (&Arc<ExporterCounters>, ExporterReading)> {
    items.into_iter().flat_map(|items| items.exporters.iter().zip(items.read().exporters))
}

fn with_error(attributes: &[KeyValue], error: impl Into<opentelemetry::Value>) -> Vec<KeyValue> {
    [attributes, &[KeyValue::new(ERROR_TYPE, error)]].concat()
}

fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
