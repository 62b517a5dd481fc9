//! Metrics, which are counted and not kept.

use super::message::{Field, Message, Reader, Source, Stopped, list, one};

/// The path from a request for metrics to its data points, field by field.
pub(super) static DATA_POINTS: &[&[Field]] = &[
    &[list(1, "resourceMetrics")],
    &[list(2, "scopeMetrics")],
    &[list(2, "metrics")],
    &[
        one(5, "gauge"),
        one(7, "sum"),
        one(9, "histogram"),
        one(10, "exponentialHistogram"),
        one(11, "summary"),
    ],
    &[list(1, "dataPoints")],
];

/// Counts the messages at the end of a path. Nothing of the messages themselves is read.
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
