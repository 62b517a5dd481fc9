//! Metrics and logs, of which only the number is wanted: nothing of them is kept.

use super::message::{Field, Message, Reader, Source, Stopped, list, one};

/// The way from a request for metrics to its data points.
pub(super) static DATA_POINTS: &[&[Field]] = &[
    &[list(1, "resourceMetrics", "resource_metrics")],
    &[list(2, "scopeMetrics", "scope_metrics")],
    &[list(2, "metrics", "metrics")],
    &[
        one(5, "gauge", "gauge"),
        one(7, "sum", "sum"),
        one(9, "histogram", "histogram"),
        one(10, "exponentialHistogram", "exponential_histogram"),
        one(11, "summary", "summary"),
    ],
    &[list(1, "dataPoints", "data_points")],
];

/// The way from a request for logs to its records.
pub(super) static LOG_RECORDS: &[&[Field]] = &[
    &[list(1, "resourceLogs", "resource_logs")],
    &[list(2, "scopeLogs", "scope_logs")],
    &[list(2, "logRecords", "log_records")],
];

/// Counts the messages at the end of a way through fields; of those themselves nothing is read.
pub(super) struct Counted<'c> {
    pub(super) way: &'static [&'static [Field]],
    pub(super) count: &'c mut u64,
}

impl Message for Counted<'_> {
    fn fields(&self) -> &'static [Field] {
        self.way.first().copied().unwrap_or_default()
    }

    fn field<'a, S: Source<'a>>(
        &mut self,
        number: u32,
        value: S,
        reader: &mut Reader<'a>,
    ) -> Result<(), Stopped> {
        let Some((fields, way)) = self.way.split_first() else { return value.skip(reader) };
        if !fields.iter().any(|field| field.number == number) {
            return value.skip(reader);
        }
        *self.count += u64::from(way.is_empty());
        value.message(&mut Counted { way, count: self.count }, reader)
    }
}
