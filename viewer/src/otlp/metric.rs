//! One metric of a request with its data points, of all five kinds, and the metrics of a request as
//! [`Items`]. A data point that cannot be read is rejected, and the others of its metric are kept.
//!
//! Fields: <https://github.com/open-telemetry/opentelemetry-proto/blob/main/opentelemetry/proto/metrics/v1/metrics.proto>.

use std::mem::size_of;
use std::sync::Arc;

use super::attributes::{attribute_from, name, sorted_from, text};
use super::items::{Counts, Item, Items};
use super::limits;
use super::message::{Field, Id, Message, Packed, Reader, Source, Stopped, list, one};
use crate::store::footprint::heap;
use crate::store::metrics::{
    Buckets, Exemplar, Exponential, Histogram, InstrumentKind, Metric, Point, PointValue, Summary,
};
use crate::store::model::{Attribute, Name, Resource, Scope, SpanId, TraceId};
use crate::store::names::Names;

/// The metrics of a request.
pub(super) type Metrics = Items<Metric>;

/// What a list takes for each element while it grows, in bytes.
const fn grown<T>() -> usize {
    2 * size_of::<T>()
}

/// The bit of a point's flags that says that there is no value.
const NO_RECORDED_VALUE: u32 = 1;

impl Item for Metric {
    const REQUEST: &'static [Field] = &[list(1, "resourceMetrics")];
    const OF_RESOURCE: &'static [Field] =
        &[one(1, "resource"), list(2, "scopeMetrics"), one(3, "schemaUrl")];
    const OF_SCOPE: &'static [Field] = &[one(1, "scope"), list(2, "metrics"), one(3, "schemaUrl")];

    type Fields = MetricFields;
    type Ids = ();

    fn begin(_: &Reader<'_>) -> MetricFields {
        MetricFields::default()
    }

    fn ids(_: &MetricFields) -> Result<(), String> {
        Ok(())
    }

    fn build(
        fields: MetricFields,
        (): (),
        resource: Arc<Resource>,
        scope: Arc<Scope>,
        _: u32,
        reader: &mut Reader<'_>,
    ) -> Result<Self, Stopped> {
        reader.charge(grown::<Self>())?;
        let name = match fields.name {
            Some(name) => name,
            None => reader.name("")?,
        };
        let kind = match fields.kind {
            InstrumentKind::Counter if !fields.is_monotonic => InstrumentKind::UpDownCounter,
            kind => kind,
        };
        Ok(Self {
            resource,
            scope,
            name,
            unit: fields.unit,
            description: fields.description,
            kind,
            // What does not say so is what most senders send.
            is_cumulative: fields.temporality != DELTA,
            points: fields.points,
            rejected: fields.rejected,
            reason: fields.reason,
        })
    }

    fn abandon(fields: MetricFields, reader: &mut Reader<'_>) {
        reader.release_lists();
        fields.points.into_iter().for_each(|point| release_point(point, reader.names));
        if let Some(name) = fields.name {
            reader.names.release(name);
        }
    }

    fn release(self, names: &mut Names) {
        self.points.into_iter().for_each(|point| release_point(point, names));
        names.release(self.name);
        names.release_resource(self.resource);
        names.release_scope(self.scope);
    }

    fn around(&mut self) -> Option<(&mut Arc<Resource>, &mut Arc<Scope>)> {
        Some((&mut self.resource, &mut self.scope))
    }

    fn counts(&self) -> Counts {
        let (accepted, rejected) = (self.points.len() as u64, self.rejected);
        Counts { accepted, rejected, reason: self.reason.clone() }
    }

    fn count_of(fields: &MetricFields) -> u64 {
        (fields.points.len() as u64 + fields.rejected).max(1)
    }
}

fn release_point(point: Point, names: &mut Names) {
    names.release_attributes(point.attributes);
}

const DELTA: i32 = 1;
const TEMPORALITIES: &[(&str, i32)] = &[
    ("AGGREGATION_TEMPORALITY_UNSPECIFIED", 0),
    ("AGGREGATION_TEMPORALITY_DELTA", DELTA),
    ("AGGREGATION_TEMPORALITY_CUMULATIVE", 2),
];

/// A metric as far as it has been read.
pub(super) struct MetricFields {
    name: Option<Name>,
    description: Box<str>,
    unit: Box<str>,
    kind: InstrumentKind,
    temporality: i32,
    is_monotonic: bool,
    points: Vec<Point>,
    rejected: u64,
    reason: Option<String>,
}

impl Default for MetricFields {
    fn default() -> Self {
        Self {
            name: None,
            description: Box::default(),
            unit: Box::default(),
            kind: InstrumentKind::Gauge,
            temporality: 0,
            is_monotonic: false,
            points: Vec::new(),
            rejected: 0,
            reason: None,
        }
    }
}

impl Message for MetricFields {
    fn fields(&self) -> &'static [Field] {
        const {
            &[
                one(1, "name"),
                one(2, "description"),
                one(3, "unit"),
                one(5, "gauge"),
                one(7, "sum"),
                one(9, "histogram"),
                one(10, "exponentialHistogram"),
                one(11, "summary"),
            ]
        }
    }

    fn field<'a, S: Source<'a>>(
        &mut self,
        number: u32,
        value: S,
        reader: &mut Reader<'a>,
    ) -> Result<(), Stopped> {
        self.kind = match number {
            1 => {
                self.name = name(value, reader)?;
                return Ok(());
            }
            2 => {
                self.description = text(value, limits::NAME_BYTES, reader)?;
                return Ok(());
            }
            3 => {
                self.unit = text(value, limits::NAME_BYTES, reader)?;
                return Ok(());
            }
            5 => InstrumentKind::Gauge,
            7 => InstrumentKind::Counter,
            9 => InstrumentKind::Histogram,
            10 => InstrumentKind::ExponentialHistogram,
            11 => InstrumentKind::Summary,
            _ => return value.skip(reader),
        };
        // Of a field that is there twice the last holds.
        for point in self.points.drain(..) {
            release_point(point, reader.names);
        }
        value.message(&mut Data(self), reader)
    }
}

/// A gauge, a sum, a histogram or a summary.
struct Data<'m>(&'m mut MetricFields);

impl Message for Data<'_> {
    const ALL_OR_NOTHING: bool = false;

    fn fields(&self) -> &'static [Field] {
        const { &[list(1, "dataPoints"), one(2, "aggregationTemporality"), one(3, "isMonotonic")] }
    }

    fn field<'a, S: Source<'a>>(
        &mut self,
        number: u32,
        value: S,
        reader: &mut Reader<'a>,
    ) -> Result<(), Stopped> {
        let Self(metric) = self;
        match number {
            1 => {
                let before = (reader.taken(), reader.attributes.len(), reader.take_fault());
                let mut point = PointFields::new(metric.kind, reader);
                value.message(&mut point, reader)?;
                let (taken, first, former) = before;
                match reader.take_fault() {
                    Some(fault) => {
                        reader.names.release_attributes(reader.attributes.drain(first..));
                        reader.give_back_to(taken);
                        metric.rejected += 1;
                        metric.reason.get_or_insert(fault);
                        // The sender is told one.
                        reader.is_told = true;
                    }
                    None => metric.points.push(point.build(reader)?),
                }
                reader.put_back(former);
            }
            2 => metric.temporality = value.enumeration(TEMPORALITIES, reader)?,
            3 => metric.is_monotonic = value.boolean(reader)?,
            _ => value.skip(reader)?,
        }
        Ok(())
    }
}

/// A data point as far as it has been read.
struct PointFields {
    kind: InstrumentKind,
    first_attribute: usize,
    start: u64,
    time: u64,
    flags: u32,
    number: f64,
    histogram: Histogram,
    exponential: Exponential,
    quantiles: Vec<(f64, f64)>,
    exemplars: Vec<Exemplar>,
}

/// What a field of a data point is; its number differs from kind to kind.
#[derive(Clone, Copy)]
enum PointField {
    Start,
    Time,
    Attribute,
    Flags,
    Exemplar,
    Double,
    Int,
    Count,
    Sum,
    BucketCounts,
    Bounds,
    Scale,
    Zeroes,
    Positive,
    Negative,
    Quantile,
}

impl PointFields {
    fn new(kind: InstrumentKind, reader: &Reader<'_>) -> Self {
        Self {
            kind,
            first_attribute: reader.attributes.len(),
            start: 0,
            time: 0,
            flags: 0,
            number: 0.0,
            histogram: Histogram::default(),
            exponential: Exponential::default(),
            quantiles: Vec::new(),
            exemplars: Vec::new(),
        }
    }

    fn meaning(&self, number: u32) -> Option<PointField> {
        use PointField as P;
        let field = match (self.kind, number) {
            (_, 2) => P::Start,
            (_, 3) => P::Time,
            (InstrumentKind::Histogram, _) => match number {
                4 => P::Count,
                5 => P::Sum,
                6 => P::BucketCounts,
                7 => P::Bounds,
                8 => P::Exemplar,
                9 => P::Attribute,
                10 => P::Flags,
                _ => return None,
            },
            (InstrumentKind::ExponentialHistogram, _) => match number {
                1 => P::Attribute,
                4 => P::Count,
                5 => P::Sum,
                6 => P::Scale,
                7 => P::Zeroes,
                8 => P::Positive,
                9 => P::Negative,
                10 => P::Flags,
                11 => P::Exemplar,
                _ => return None,
            },
            (InstrumentKind::Summary, _) => match number {
                4 => P::Count,
                5 => P::Sum,
                6 => P::Quantile,
                7 => P::Attribute,
                8 => P::Flags,
                _ => return None,
            },
            _ => match number {
                4 => P::Double,
                5 => P::Exemplar,
                6 => P::Int,
                7 => P::Attribute,
                8 => P::Flags,
                _ => return None,
            },
        };
        Some(field)
    }

    fn build(mut self, reader: &mut Reader<'_>) -> Result<Point, Stopped> {
        let attributes = reader.attributes.len() - self.first_attribute;
        reader.charge(grown::<Point>() + heap(attributes * size_of::<Attribute>()))?;
        let Histogram { count, sum, .. } = self.histogram;
        let value = match self.kind {
            InstrumentKind::Histogram => PointValue::Histogram(self.histogram),
            InstrumentKind::ExponentialHistogram => {
                for buckets in [&mut self.exponential.positive, &mut self.exponential.negative] {
                    if buckets.last().is_none() {
                        *buckets = Buckets::default();
                    }
                }
                PointValue::Exponential(Exponential { count, sum, ..self.exponential })
            }
            InstrumentKind::Summary => {
                PointValue::Summary(Summary { count, sum, quantiles: self.quantiles })
            }
            _ => PointValue::Number(self.number),
        };
        Ok(Point {
            attributes: sorted_from(self.first_attribute, reader),
            start: self.start,
            time: self.time,
            value: (self.flags & NO_RECORDED_VALUE == 0).then_some(value),
            exemplars: self.exemplars,
        })
    }
}

impl Message for PointFields {
    fn fields(&self) -> &'static [Field] {
        match self.kind {
            InstrumentKind::Histogram => {
                const {
                    &[
                        one(2, "startTimeUnixNano"),
                        one(3, "timeUnixNano"),
                        one(4, "count"),
                        one(5, "sum"),
                        list(6, "bucketCounts"),
                        list(7, "explicitBounds"),
                        list(8, "exemplars"),
                        list(9, "attributes"),
                        one(10, "flags"),
                    ]
                }
            }
            InstrumentKind::ExponentialHistogram => {
                const {
                    &[
                        list(1, "attributes"),
                        one(2, "startTimeUnixNano"),
                        one(3, "timeUnixNano"),
                        one(4, "count"),
                        one(5, "sum"),
                        one(6, "scale"),
                        one(7, "zeroCount"),
                        one(8, "positive"),
                        one(9, "negative"),
                        one(10, "flags"),
                        list(11, "exemplars"),
                    ]
                }
            }
            InstrumentKind::Summary => {
                const {
                    &[
                        one(2, "startTimeUnixNano"),
                        one(3, "timeUnixNano"),
                        one(4, "count"),
                        one(5, "sum"),
                        list(6, "quantileValues"),
                        list(7, "attributes"),
                        one(8, "flags"),
                    ]
                }
            }
            _ => {
                const {
                    &[
                        one(2, "startTimeUnixNano"),
                        one(3, "timeUnixNano"),
                        one(4, "asDouble"),
                        list(5, "exemplars"),
                        one(6, "asInt"),
                        list(7, "attributes"),
                        one(8, "flags"),
                    ]
                }
            }
        }
    }

    fn field<'a, S: Source<'a>>(
        &mut self,
        number: u32,
        value: S,
        reader: &mut Reader<'a>,
    ) -> Result<(), Stopped> {
        use PointField as P;
        match self.meaning(number) {
            Some(P::Start) => self.start = value.fixed64(reader)?,
            Some(P::Time) => self.time = value.fixed64(reader)?,
            Some(P::Attribute) => attribute_from(self.first_attribute, value, reader)?,
            Some(P::Flags) => self.flags = value.uint32(reader)?,
            Some(P::Double) => self.number = value.double(reader)?,
            Some(P::Int) => self.number = value.sfixed64(reader)? as f64,
            Some(P::Count) => self.histogram.count = value.fixed64(reader)?,
            Some(P::Sum) => self.histogram.sum = value.double(reader)?,
            Some(P::BucketCounts) => {
                counts(&mut self.histogram.counts, Packed::Fixed64, value, reader)?;
            }
            Some(P::Bounds) => {
                let bounds = &mut self.histogram.bounds;
                packed(value, Packed::Double, bounds.len(), reader, &mut |bits| {
                    bounds.push(f64::from_bits(bits));
                })?;
            }
            Some(P::Scale) => self.exponential.scale = value.sint32(reader)?,
            Some(P::Zeroes) => self.exponential.zeroes = value.fixed64(reader)?,
            Some(P::Positive) => {
                value.message(&mut BucketsFields(&mut self.exponential.positive), reader)?;
            }
            Some(P::Negative) => {
                value.message(&mut BucketsFields(&mut self.exponential.negative), reader)?;
            }
            Some(P::Quantile) if self.quantiles.len() >= limits::QUANTILES => reader.cut(value)?,
            Some(P::Quantile) => {
                reader.charge(grown::<(f64, f64)>())?;
                let mut quantile = QuantileFields::default();
                value.message(&mut quantile, reader)?;
                self.quantiles.push((quantile.quantile, quantile.value));
            }
            Some(P::Exemplar) if self.exemplars.len() >= limits::EXEMPLARS => reader.cut(value)?,
            Some(P::Exemplar) => {
                reader.charge(grown::<Exemplar>())?;
                let mut exemplar = ExemplarFields::default();
                value.message(&mut exemplar, reader)?;
                self.exemplars.extend(exemplar.exemplar());
            }
            None => value.skip(reader)?,
        }
        Ok(())
    }
}

/// Reads an element of a list of numbers, or several that are packed, after `length` of them.
fn packed<'a, S: Source<'a>>(
    value: S,
    of: Packed,
    mut length: usize,
    reader: &mut Reader<'a>,
    take: &mut dyn FnMut(u64),
) -> Result<(), Stopped> {
    let step = value.step();
    value.packed(of, reader, &mut |bits, reader| {
        length += 1;
        if length > limits::BUCKETS {
            let most = limits::BUCKETS;
            reader.note_fault(Some(step), format_args!("expected {most} numbers at most"));
            return Ok(false);
        }
        reader.charge(grown::<u64>())?;
        take(bits);
        Ok(true)
    })
}

fn counts<'a, S: Source<'a>>(
    counts: &mut Vec<u64>,
    of: Packed,
    value: S,
    reader: &mut Reader<'a>,
) -> Result<(), Stopped> {
    packed(value, of, counts.len(), reader, &mut |count| counts.push(count))
}

struct BucketsFields<'b>(&'b mut Buckets);

impl Message for BucketsFields<'_> {
    fn fields(&self) -> &'static [Field] {
        const { &[one(1, "offset"), list(2, "bucketCounts")] }
    }

    fn field<'a, S: Source<'a>>(
        &mut self,
        number: u32,
        value: S,
        reader: &mut Reader<'a>,
    ) -> Result<(), Stopped> {
        match number {
            1 => {
                self.0.offset = value.sint32(reader)?;
                Ok(())
            }
            2 => counts(&mut self.0.counts, Packed::Uint64, value, reader),
            _ => value.skip(reader),
        }
    }
}

#[derive(Default)]
struct QuantileFields {
    quantile: f64,
    value: f64,
}

impl Message for QuantileFields {
    fn fields(&self) -> &'static [Field] {
        const { &[one(1, "quantile"), one(2, "value")] }
    }

    fn field<'a, S: Source<'a>>(
        &mut self,
        number: u32,
        value: S,
        reader: &mut Reader<'a>,
    ) -> Result<(), Stopped> {
        match number {
            1 => self.quantile = value.double(reader)?,
            2 => self.value = value.double(reader)?,
            _ => value.skip(reader)?,
        }
        Ok(())
    }
}

#[derive(Default)]
struct ExemplarFields {
    time: u64,
    value: f64,
    span: Id<8>,
    trace: Id<16>,
}

impl ExemplarFields {
    /// The exemplar, if it names its span: others lead nowhere.
    fn exemplar(&self) -> Option<Exemplar> {
        let (Id::Valid(trace), Id::Valid(span)) = (&self.trace, &self.span) else { return None };
        Some(Exemplar {
            time: self.time,
            value: self.value,
            trace: TraceId::from_bytes(trace)?,
            span: SpanId::from_bytes(span)?,
        })
    }
}

impl Message for ExemplarFields {
    fn fields(&self) -> &'static [Field] {
        const {
            &[
                one(2, "timeUnixNano"),
                one(3, "asDouble"),
                one(4, "spanId"),
                one(5, "traceId"),
                one(6, "asInt"),
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
            2 => self.time = value.fixed64(reader)?,
            3 => self.value = value.double(reader)?,
            4 => self.span = value.id(reader)?,
            5 => self.trace = value.id(reader)?,
            6 => self.value = value.sfixed64(reader)? as f64,
            _ => value.skip(reader)?,
        }
        Ok(())
    }
}
