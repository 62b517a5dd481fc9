//! The metrics that services send, over the last hour: of each instrument its series, one for each set
//! of attributes, in slots of ten seconds.
//!
//! A counter and a histogram keep what was added in each slot, whether the sender tells what was added
//! (delta) or all there has been (cumulative): then the difference to the point before counts. A
//! sender that has started anew counts from zero. Of the first point of a cumulative series only what
//! was added while this viewer was running is known: all of it, if the series began since, or else
//! nothing. A gauge and an up-down counter keep their last value of each slot.
//!
//! What is remembered is bounded by the number of series, past which the points of further series are
//! rejected, and by bytes, past which the oldest slots go. Both are counted.

use std::collections::{BTreeMap, VecDeque};
use std::mem::size_of;
use std::sync::Arc;

use super::footprint::heap;
use super::metrics::{
    Buckets, Exemplar, Exponential, Histogram, InstrumentKind, Metric, Point, PointValue, Summary,
};
use super::model::{Attribute, Resource};
use super::monitor::{SLOT, SLOTS, SeriesBounds};
use crate::render;

/// Exemplars kept of one instrument; of more, the newest.
const EXEMPLARS: usize = 64;
/// The largest scale of an exponential histogram that is kept: 16 buckets in each power of two, so
/// that a percentile is right to within 2.2 %.
const MOST_SCALE: i32 = 4;
/// The resource's attribute that tells processes of a service apart.
const INSTANCE: &str = "service.instance.id";

/// What became of data points.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct InstrumentTotals {
    /// Rejected, because there were too many series.
    pub(crate) no_room: u64,
    /// Left out, because they were of no later time than the point before of their series.
    pub(crate) repeated: u64,
    /// Left out, because they were of a time that is not remembered.
    pub(crate) late: u64,
    /// Left out, because they were of the future, by this machine's clock.
    pub(crate) future: u64,
}

/// All instruments.
#[derive(Debug)]
pub(crate) struct Instruments {
    bounds: SeriesBounds,
    list: BTreeMap<Arc<InstrumentKey>, Instrument>,
    series: usize,
    bytes: usize,
    /// What of these the attributes of series and the names of instruments take.
    name_bytes: usize,
    /// Since when this viewer has been running, in nanoseconds since the epoch.
    since: u64,
    current: u64,
    first: u64,
    pub(crate) totals: InstrumentTotals,
}

/// What tells instruments apart.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct InstrumentKey {
    pub(crate) service: Box<str>,
    pub(crate) name: Box<str>,
    pub(crate) unit: Box<str>,
    pub(crate) kind: InstrumentKind,
    pub(crate) scope: Box<str>,
}

/// One instrument of a service.
#[derive(Clone, Debug, Default)]
pub(crate) struct Instrument {
    pub(crate) description: Box<str>,
    series: BTreeMap<Labels, MetricSeries>,
    exemplars: VecDeque<Exemplar>,
}

/// Attributes as text, sorted by their keys; also the instance of the service, if it has one.
pub(crate) type Labels = Box<[(Box<str>, Box<str>)]>;

/// The points of one set of attributes.
#[derive(Clone, Debug, Default)]
pub(crate) struct MetricSeries {
    last: Option<Last>,
    steps: VecDeque<(u64, Step)>,
}

/// The last point that came.
#[derive(Clone, Debug)]
struct Last {
    start: u64,
    time: u64,
    value: PointValue,
}

/// What happened in a slot.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// A gauge's or an up-down counter's last value.
    Value(f64),
    /// What a counter was increased by.
    Increase(f64),
    Histogram(Histogram),
    Exponential(Exponential),
    Summary(Summary),
}

impl Instruments {
    /// None yet, at the moment `now` in nanoseconds since the epoch.
    pub(crate) fn new(bounds: SeriesBounds, now: u64) -> Self {
        Self {
            bounds,
            list: BTreeMap::new(),
            series: 0,
            bytes: 0,
            name_bytes: 0,
            since: now,
            current: now / SLOT,
            first: (now / SLOT).saturating_sub(SLOTS),
            totals: InstrumentTotals::default(),
        }
    }

    /// Takes what is in `metrics`, at the moment `now`. How many points there was no room for.
    pub(crate) fn add(&mut self, metrics: &[Metric], now: u64) -> u64 {
        if now / SLOT > self.current {
            self.current = now / SLOT;
            self.forget_before(self.current.saturating_sub(SLOTS));
        }
        let before = self.totals.no_room;
        for metric in metrics {
            self.add_metric(metric);
        }
        self.totals.no_room - before
    }

    /// The instruments, sorted.
    pub(crate) fn list(&self) -> impl Iterator<Item = (&Arc<InstrumentKey>, &Instrument)> {
        self.list.iter()
    }

    pub(crate) fn get(&self, key: &InstrumentKey) -> Option<&Instrument> {
        self.list.get(key)
    }

    pub(crate) fn series_count(&self) -> usize {
        self.series
    }

    /// An estimate of what all this takes in memory.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn bounds(&self) -> SeriesBounds {
        self.bounds
    }

    /// The slot before which everything was forgotten.
    pub(crate) fn first(&self) -> u64 {
        self.first
    }

    fn add_metric(&mut self, metric: &Metric) {
        let key = InstrumentKey {
            service: (&*metric.resource.service).into(),
            name: (&*metric.name).into(),
            unit: metric.unit.clone(),
            kind: metric.kind,
            scope: metric.scope.name.clone(),
        };
        for point in &metric.points {
            self.add_point(&key, metric, point);
            while self.bytes > self.bounds.bytes {
                let Some(oldest) = self.oldest() else {
                    // The last points alone take more than there is: all series begin anew.
                    self.list.clear();
                    (self.series, self.bytes, self.name_bytes) = (0, 0, 0);
                    break;
                };
                self.forget_before(oldest + 1);
            }
        }
    }

    fn add_point(&mut self, key: &InstrumentKey, metric: &Metric, point: &Point) {
        let slot = point.time / SLOT;
        if slot > self.current + 1 {
            self.totals.future += 1;
            return;
        }
        if slot < self.first {
            self.totals.late += 1;
            return;
        }
        let labels = labels(&metric.resource, &point.attributes);
        let has_series = self.list.get(key).is_some_and(|of| of.series.contains_key(&labels));
        if !has_series {
            let is_new = !self.list.contains_key(key);
            let bytes = series_bytes(&labels)
                + if is_new { instrument_bytes(key, &metric.description) } else { 0 };
            // Names do not go with the oldest slots, so half of the room is for what does.
            let has_room = self.name_bytes + bytes <= self.bounds.bytes / 2;
            if self.series >= self.bounds.series || !has_room {
                self.totals.no_room += 1;
                return;
            }
            self.series += 1;
            self.bytes += bytes;
            self.name_bytes += bytes;
            if is_new {
                let instrument =
                    Instrument { description: metric.description.clone(), ..Instrument::default() };
                self.list.insert(Arc::new(key.clone()), instrument);
            }
        }
        let Some(instrument) = self.list.get_mut(key) else { return };
        for exemplar in &point.exemplars {
            if instrument.exemplars.len() >= EXEMPLARS {
                instrument.exemplars.pop_front();
            }
            instrument.exemplars.push_back(*exemplar);
        }
        let series = instrument.series.entry(labels).or_default();
        let before = series.bytes();
        if !series.add(metric, point, slot, self.since) {
            self.totals.repeated += 1;
        }
        self.bytes = (self.bytes + series.bytes()).saturating_sub(before);
    }

    fn oldest(&self) -> Option<u64> {
        let series = self.list.values().flat_map(|instrument| instrument.series.values());
        series.filter_map(|series| series.steps.front().map(|(slot, _)| *slot)).min()
    }

    /// Forgets what was before a slot, and series of which nothing is left. Of a series that goes on,
    /// what is added is told from its last point, so that is kept while it is an hour old at most.
    fn forget_before(&mut self, slot: u64) {
        self.first = self.first.max(slot);
        let oldest = self.current.saturating_sub(SLOTS);
        let (mut count, mut bytes, mut name_bytes) = (0, 0, 0);
        self.list.retain(|key, instrument| {
            instrument.series.retain(|labels, series| {
                while series.steps.front().is_some_and(|(of, _)| *of < slot) {
                    series.steps.pop_front();
                }
                let is_used = series.last.as_ref().is_some_and(|last| last.time / SLOT >= oldest);
                if is_used {
                    count += 1;
                    bytes += series.bytes();
                    name_bytes += series_bytes(labels);
                }
                is_used
            });
            let is_used = !instrument.series.is_empty();
            if is_used {
                name_bytes += instrument_bytes(key, &instrument.description);
            }
            is_used
        });
        (self.series, self.bytes, self.name_bytes) = (count, bytes + name_bytes, name_bytes);
    }
}

fn series_bytes(labels: &Labels) -> usize {
    let text = labels.iter().map(|(key, value)| heap(key.len()) + heap(value.len()));
    heap(size_of_val(&**labels))
        + text.sum::<usize>()
        + 2 * (size_of::<Labels>() + size_of::<MetricSeries>())
}

fn instrument_bytes(key: &InstrumentKey, description: &str) -> usize {
    let texts = [&*key.service, &key.name, &key.unit, &key.scope, description];
    texts.map(|text| heap(text.len())).iter().sum::<usize>()
        + heap(EXEMPLARS * size_of::<Exemplar>())
        + 2 * (size_of::<InstrumentKey>() + size_of::<Instrument>())
}

/// The attributes of a point, and the instance of its service.
fn labels(resource: &Resource, attributes: &[Attribute]) -> Labels {
    let instance = resource.attributes.iter().filter(|attribute| &*attribute.key == INSTANCE);
    let all = attributes.iter().chain(instance);
    let text = |attribute: &Attribute| {
        ((&*attribute.key).into(), render::text(&attribute.value).into_owned().into())
    };
    let mut labels: Vec<(Box<str>, Box<str>)> = all.map(text).collect();
    labels.sort_unstable();
    labels.into()
}

impl Instrument {
    /// The series, by their attributes.
    pub(crate) fn series(&self) -> impl ExactSizeIterator<Item = (&Labels, &MetricSeries)> {
        self.series.iter()
    }

    /// Values with their spans, the oldest first.
    pub(crate) fn exemplars(&self) -> impl Iterator<Item = &Exemplar> {
        self.exemplars.iter()
    }

    /// What all of it takes in memory.
    pub(crate) fn bytes(&self) -> usize {
        let series = self.series.iter();
        series.map(|(labels, series)| series_bytes(labels) + series.bytes()).sum()
    }
}

impl MetricSeries {
    /// What happened in the slots from `first` until before `end`.
    pub(crate) fn between(&self, first: u64, end: u64) -> impl Iterator<Item = &(u64, Step)> {
        let at = self.steps.partition_point(|(slot, _)| *slot < first);
        self.steps.range(at..).take_while(move |(slot, _)| *slot < end)
    }

    /// Takes a point, unless it is of no later time than the last.
    fn add(&mut self, metric: &Metric, point: &Point, slot: u64, since: u64) -> bool {
        if self.last.as_ref().is_some_and(|last| point.time <= last.time) {
            return false;
        }
        let Some(value) = &point.value else {
            // The series has ended, or pauses.
            self.last = None;
            return true;
        };
        let step = self.step(metric, point, value, since);
        let is_summed = metric.is_cumulative || metric.kind == InstrumentKind::UpDownCounter;
        let value = match (&step, value) {
            // What a delta's up-down counter has come to.
            (Some(Step::Value(sum)), _) if is_summed => PointValue::Number(*sum),
            // The differences to come need no more of a point that only says what was added.
            (_, value) if is_summed => value.clone(),
            _ => PointValue::Number(0.0),
        };
        self.last = Some(Last { start: point.start, time: point.time, value });
        if let Some(step) = step {
            match self.steps.back_mut() {
                Some((last, held)) if *last == slot => held.merge(step),
                _ => self.steps.push_back((slot, step)),
            }
        }
        true
    }

    /// What a point adds to its slot.
    fn step(&self, metric: &Metric, point: &Point, value: &PointValue, since: u64) -> Option<Step> {
        let PointValue::Number(number) = *value else {
            return self.distribution(metric, point, value, since);
        };
        if !number.is_finite() {
            return None;
        }
        let last = match self.last.as_ref().map(|last| &last.value) {
            Some(PointValue::Number(last)) => Some(*last),
            _ => None,
        };
        match metric.kind {
            InstrumentKind::UpDownCounter if !metric.is_cumulative => {
                Some(Step::Value(last.unwrap_or(0.0) + number))
            }
            InstrumentKind::Counter if metric.is_cumulative => {
                let from = match last {
                    Some(last) if !self.is_reset(point) && number >= last => last,
                    Some(_) => 0.0,
                    None if point.start >= since => 0.0,
                    None => return None,
                };
                Some(Step::Increase(number - from))
            }
            InstrumentKind::Counter => Some(Step::Increase(number)),
            _ => Some(Step::Value(number)),
        }
    }

    fn distribution(
        &self,
        metric: &Metric,
        point: &Point,
        value: &PointValue,
        since: u64,
    ) -> Option<Step> {
        let is_first = self.last.is_none();
        let former = self.last.as_ref().map(|last| &last.value);
        // All of it is new, or what was there before is not known.
        let is_new =
            !metric.is_cumulative || self.is_reset(point) || is_first && point.start >= since;
        match (value, former) {
            (PointValue::Histogram(now), _) if is_new => Some(Step::Histogram(now.clone())),
            (PointValue::Exponential(now), _) if is_new => {
                Some(Step::Exponential(now.clone().at_scale(MOST_SCALE)))
            }
            (PointValue::Histogram(now), Some(PointValue::Histogram(former))) => {
                Some(Step::Histogram(now.since(former).unwrap_or_else(|| now.clone())))
            }
            (PointValue::Exponential(now), Some(PointValue::Exponential(former))) => {
                let now = now.clone().at_scale(MOST_SCALE);
                let added = now.since(former).unwrap_or(now);
                Some(Step::Exponential(added))
            }
            (PointValue::Summary(now), _) if is_new => Some(Step::Summary(now.clone())),
            (PointValue::Summary(now), Some(PointValue::Summary(former))) => {
                let (count, sum) = match now.count.checked_sub(former.count) {
                    Some(count) => (count, now.sum - former.sum),
                    None => (now.count, now.sum),
                };
                Some(Step::Summary(Summary { count, sum, quantiles: now.quantiles.clone() }))
            }
            // Its percentiles are of now, whatever was before.
            (PointValue::Summary(now), _) => {
                Some(Step::Summary(Summary { count: 0, sum: 0.0, ..now.clone() }))
            }
            _ => None,
        }
    }

    /// Whether the sender has started anew since the last point.
    fn is_reset(&self, point: &Point) -> bool {
        self.last.as_ref().is_some_and(|last| point.start > last.start && last.start > 0)
    }

    /// What is behind it in memory.
    fn bytes(&self) -> usize {
        let last = self.last.as_ref().map_or(0, |last| match &last.value {
            PointValue::Number(_) => 0,
            PointValue::Histogram(histogram) => histogram.bytes(),
            PointValue::Exponential(exponential) => exponential.bytes(),
            PointValue::Summary(summary) => summary.bytes(),
        });
        heap(self.steps.capacity() * size_of::<(u64, Step)>())
            + last
            + self.steps.iter().map(|(_, step)| step.bytes()).sum::<usize>()
    }
}

impl Step {
    /// Adds what happened later in the same slot, or in another series.
    pub(crate) fn merge(&mut self, later: Self) {
        match (self, later) {
            (Self::Increase(sum), Self::Increase(more)) => *sum += more,
            (Self::Histogram(sum), Self::Histogram(more)) if sum.bounds == more.bounds => {
                sum.add(&more);
            }
            (Self::Exponential(sum), Self::Exponential(more)) => sum.add(more),
            (held, later) => *held = later,
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Self::Value(_) | Self::Increase(_) => 0,
            Self::Histogram(histogram) => histogram.bytes(),
            Self::Exponential(exponential) => exponential.bytes(),
            Self::Summary(summary) => summary.bytes(),
        }
    }
}

impl Histogram {
    /// What was added since `former`; `None` when it counts anew or has other bounds.
    fn since(&self, former: &Self) -> Option<Self> {
        if self.bounds != former.bounds || self.counts.len() != former.counts.len() {
            return None;
        }
        let counts = self.counts.iter().zip(&former.counts).map(|(now, was)| now.checked_sub(*was));
        Some(Self {
            count: self.count.checked_sub(former.count)?,
            sum: self.sum - former.sum,
            bounds: self.bounds.clone(),
            counts: counts.collect::<Option<_>>()?,
        })
    }

    /// Adds one with the same bounds.
    fn add(&mut self, more: &Self) {
        self.count = self.count.saturating_add(more.count);
        self.sum += more.sum;
        for (count, more) in self.counts.iter_mut().zip(&more.counts) {
            *count = count.saturating_add(*more);
        }
    }

    /// The percentile, as if the values of a bucket were spread evenly over it. Of values past the
    /// last bound only that is known.
    pub(crate) fn quantile(&self, quantile: f64) -> Option<f64> {
        let all: u64 = self.counts.iter().fold(0, |sum, count| sum.saturating_add(*count));
        if all == 0 || self.counts.len() != self.bounds.len() + 1 {
            return None;
        }
        let rank = quantile * all as f64;
        let mut seen = 0.0;
        for (at, &count) in self.counts.iter().enumerate() {
            let next = seen + count as f64;
            if next >= rank && count > 0 {
                let Some(&upper) = self.bounds.get(at) else { return self.bounds.last().copied() };
                let lower = match at {
                    0 => upper.min(0.0),
                    _ => self.bounds[at - 1],
                };
                return Some(lower + (upper - lower) * ((rank - seen) / count as f64));
            }
            seen = next;
        }
        self.bounds.last().copied()
    }

    fn bytes(&self) -> usize {
        heap(self.bounds.capacity() * size_of::<f64>())
            + heap(self.counts.capacity() * size_of::<u64>())
    }
}

impl Exponential {
    /// The same with buckets as wide as those of `scale`, if they are narrower.
    fn at_scale(mut self, scale: i32) -> Self {
        if self.scale > scale {
            let by = u32::try_from(i64::from(self.scale) - i64::from(scale)).unwrap_or(31).min(31);
            self.positive = self.positive.coarser(by);
            self.negative = self.negative.coarser(by);
            self.scale = scale;
        }
        self
    }

    /// What was added since `former`; `None` when it counts anew.
    fn since(&self, former: &Self) -> Option<Self> {
        let former = former.clone().at_scale(self.scale);
        let now = self.clone().at_scale(former.scale);
        Some(Self {
            count: now.count.checked_sub(former.count)?,
            sum: now.sum - former.sum,
            scale: now.scale,
            zeroes: now.zeroes.checked_sub(former.zeroes)?,
            positive: now.positive.since(&former.positive)?,
            negative: now.negative.since(&former.negative)?,
        })
    }

    fn add(&mut self, more: Self) {
        let scale = self.scale.min(more.scale);
        let (mut sum, more) = (std::mem::take(self).at_scale(scale), more.at_scale(scale));
        sum.count = sum.count.saturating_add(more.count);
        sum.sum += more.sum;
        sum.zeroes = sum.zeroes.saturating_add(more.zeroes);
        sum.positive.add(&more.positive);
        sum.negative.add(&more.negative);
        *self = sum;
    }

    /// The percentile: the geometric middle of its bucket.
    pub(crate) fn quantile(&self, quantile: f64) -> Option<f64> {
        let sum = |buckets: &Buckets| buckets.counts.iter().fold(0u64, |a, b| a.saturating_add(*b));
        let (negative, positive) = (sum(&self.negative), sum(&self.positive));
        let all = negative.saturating_add(self.zeroes).saturating_add(positive);
        if all == 0 {
            return None;
        }
        let mut rank = ((quantile * all as f64).ceil() as u64).max(1);
        if rank <= negative {
            // From the smallest on, which is the largest in size.
            return self.negative.middle(negative - rank + 1, self.scale).map(|size| -size);
        }
        rank -= negative;
        if rank <= self.zeroes {
            return Some(0.0);
        }
        self.positive.middle(rank - self.zeroes, self.scale)
    }

    fn bytes(&self) -> usize {
        heap(self.positive.counts.capacity() * size_of::<u64>())
            + heap(self.negative.counts.capacity() * size_of::<u64>())
    }
}

impl Buckets {
    /// Each 2^`by` of them as one.
    fn coarser(&self, by: u32) -> Self {
        let Some(last) = self.last() else { return Self::default() };
        let offset = self.offset >> by;
        let mut counts = vec![0u64; (last >> by).abs_diff(offset) as usize + 1];
        for (index, count) in (self.offset..=last).zip(&self.counts) {
            let place = &mut counts[(index >> by).abs_diff(offset) as usize];
            *place = place.saturating_add(*count);
        }
        Self { offset, counts }
    }

    /// The index of the last one; `None` when there is none, or none that can be told.
    pub(crate) fn last(&self) -> Option<i32> {
        let length = i32::try_from(self.counts.len()).ok().filter(|&length| length > 0)?;
        self.offset.checked_add(length - 1)
    }

    fn count_at(&self, index: i32) -> u64 {
        let at = i64::from(index) - i64::from(self.offset);
        usize::try_from(at).ok().and_then(|at| self.counts.get(at)).copied().unwrap_or(0)
    }

    fn since(&self, former: &Self) -> Option<Self> {
        // A bucket that is there no more has been set back.
        let indexes = (0..).zip(&former.counts);
        for (at, &count) in indexes {
            if count > self.count_at(former.offset.saturating_add(at)) {
                return None;
            }
        }
        let now = (0..).zip(&self.counts);
        let added = now.map(|(at, count)| {
            count.saturating_sub(former.count_at(self.offset.saturating_add(at)))
        });
        Some(Self { offset: self.offset, counts: added.collect() }.trimmed())
    }

    /// Without the empty ones at both ends.
    fn trimmed(mut self) -> Self {
        let end = self.counts.iter().rposition(|count| *count > 0).map_or(0, |at| at + 1);
        self.counts.truncate(end);
        let first = self.counts.iter().position(|count| *count > 0).unwrap_or(0);
        self.counts.drain(..first);
        self.counts.shrink_to_fit();
        self.offset = self.offset.saturating_add(i32::try_from(first).unwrap_or(0));
        self
    }

    fn add(&mut self, more: &Self) {
        let (Some(own), Some(last)) = (self.last(), more.last()) else {
            if self.counts.is_empty() {
                *self = more.clone();
            }
            return;
        };
        let (offset, last) = (self.offset.min(more.offset), own.max(last));
        let length = last.abs_diff(offset) as usize + 1;
        if length > MOST_BUCKETS {
            // Two that are so far apart are not one distribution: the later holds.
            *self = more.clone();
            return;
        }
        let sum =
            (offset..=last).map(|index| self.count_at(index).saturating_add(more.count_at(index)));
        *self = Self { offset, counts: sum.collect() };
    }

    /// The middle of the bucket that has the value of this rank, from 1 on.
    fn middle(&self, rank: u64, scale: i32) -> Option<f64> {
        let mut seen = 0u64;
        let at = self.counts.iter().position(|count| {
            seen = seen.saturating_add(*count);
            seen >= rank
        })?;
        let index = f64::from(self.offset) + at as f64 + 0.5;
        let middle = (index * 2f64.powi(-scale.clamp(-20, 30))).exp2();
        middle.is_finite().then_some(middle)
    }
}

/// Buckets that one histogram has at most: all doubles at [`MOST_SCALE`].
const MOST_BUCKETS: usize = 1 << 16;

impl Summary {
    fn bytes(&self) -> usize {
        heap(self.quantiles.capacity() * size_of::<(f64, f64)>())
    }
}

#[cfg(test)]
mod tests {
    use super::super::model::{Scope, Value};
    use super::*;

    /// The moment at which all this begins: the beginning of a slot.
    const NOW: u64 = 170_000_000 * SLOT;

    fn metric(kind: InstrumentKind, is_cumulative: bool, points: Vec<Point>) -> Metric {
        let resource = Resource {
            service: "store".into(),
            attributes: Box::default(),
            dropped_attributes: 0,
            schema_url: Box::default(),
        };
        Metric {
            resource: Arc::new(resource),
            scope: Arc::new(Scope::default()),
            name: "it".into(),
            unit: "s".into(),
            description: Box::default(),
            kind,
            is_cumulative,
            points,
            rejected: 0,
            reason: None,
        }
    }

    /// A point of a series that began at `start`, both in slots from now.
    fn point(start: u64, time: u64, value: PointValue) -> Point {
        let (start, time) = (NOW + start * SLOT, NOW + time * SLOT);
        Point { attributes: Box::default(), start, time, value: Some(value), exemplars: Vec::new() }
    }

    fn instruments() -> Instruments {
        Instruments::new(SeriesBounds { series: 10, bytes: 1 << 20 }, NOW)
    }

    fn series(instruments: &Instruments) -> &MetricSeries {
        let instrument = instruments.list().next().expect("an instrument").1;
        instrument.series().next().expect("a series").1
    }

    /// What is held after points that come in a request each.
    fn steps(
        kind: InstrumentKind,
        is_cumulative: bool,
        points: impl IntoIterator<Item = Point>,
    ) -> Vec<(u64, String)> {
        let mut instruments = instruments();
        for point in points {
            instruments.add(&[metric(kind, is_cumulative, vec![point])], NOW + 9 * SLOT);
        }
        let told = |(slot, step): &(u64, Step)| {
            let words = match step {
                Step::Value(value) | Step::Increase(value) => value.to_string(),
                Step::Histogram(histogram) => format!("{:?}", histogram.counts),
                Step::Exponential(sum) => {
                    format!("{} {} {:?}", sum.scale, sum.positive.offset, sum.positive.counts)
                }
                Step::Summary(summary) => format!("{} {:?}", summary.count, summary.quantiles),
            };
            (slot - NOW / SLOT, words)
        };
        series(&instruments).steps.iter().map(told).collect()
    }

    fn told<const N: usize>(steps: [(u64, &str); N]) -> Vec<(u64, String)> {
        steps.map(|(slot, words)| (slot, words.to_owned())).to_vec()
    }

    #[test]
    fn a_counter_is_what_was_added_whichever_way_it_is_told() {
        let number = PointValue::Number;
        let cumulative = [
            point(0, 1, number(10.0)),
            point(0, 2, number(15.0)),
            // It came again, and one from before it.
            point(0, 2, number(15.0)),
            point(0, 1, number(11.0)),
            // The sender has started anew, once seen by its start and once by its value.
            point(3, 4, number(20.0)),
            point(3, 5, number(2.0)),
        ];
        assert_eq!(
            steps(InstrumentKind::Counter, true, cumulative),
            told([(1, "10"), (2, "5"), (4, "20"), (5, "2")])
        );
        let delta = [point(0, 1, number(1.0)), point(1, 2, number(2.0)), point(1, 2, number(2.0))];
        assert_eq!(steps(InstrumentKind::Counter, false, delta), told([(1, "1"), (2, "2")]));
    }

    #[test]
    fn of_a_series_that_is_older_than_this_viewer_only_what_comes_is_known() {
        let mut old =
            [point(0, 1, PointValue::Number(1e6)), point(0, 2, PointValue::Number(1e6 + 3.0))];
        for point in &mut old {
            point.start = NOW - SLOT;
        }
        assert_eq!(steps(InstrumentKind::Counter, true, old), told([(2, "3")]));
    }

    #[test]
    fn gauges_and_up_down_counters_keep_their_last_value() {
        let number = PointValue::Number;
        let values = || [point(0, 1, number(4.0)), point(0, 2, number(-3.0))];
        for kind in [InstrumentKind::Gauge, InstrumentKind::UpDownCounter] {
            assert_eq!(steps(kind, true, values()), told([(1, "4"), (2, "-3")]));
        }
        assert_eq!(
            steps(InstrumentKind::UpDownCounter, false, values()),
            told([(1, "4"), (2, "1")]),
            "what was added, added up"
        );
        let mut within = values();
        within[1].time = within[0].time + 1;
        assert_eq!(steps(InstrumentKind::Gauge, false, within), told([(1, "-3")]));
        let unknown = [point(0, 1, number(f64::NAN)), point(0, 2, number(1.0))];
        assert_eq!(steps(InstrumentKind::Gauge, false, unknown), told([(2, "1")]));
    }

    fn histogram(bounds: &[f64], counts: &[u64]) -> PointValue {
        let (count, bounds, counts) = (counts.iter().sum(), bounds.to_vec(), counts.to_vec());
        PointValue::Histogram(Histogram { count, sum: 1.0, bounds, counts })
    }

    #[test]
    fn a_histogram_is_what_was_added_and_has_percentiles() {
        let bounds = [1.0, 2.0, 4.0];
        let points = [
            point(0, 1, histogram(&bounds, &[0, 10, 0, 0])),
            point(0, 2, histogram(&bounds, &[0, 10, 10, 1])),
            // Other bounds begin anew.
            point(0, 3, histogram(&[5.0], &[7, 8])),
        ];
        assert_eq!(
            steps(InstrumentKind::Histogram, true, points),
            told([(1, "[0, 10, 0, 0]"), (2, "[0, 0, 10, 1]"), (3, "[7, 8]")])
        );

        let PointValue::Histogram(of) = histogram(&bounds, &[0, 10, 10, 1]) else { return };
        let quantiles = [0.0, 0.25, 0.5, 0.99].map(|quantile| of.quantile(quantile));
        assert_eq!(quantiles, [Some(1.0), Some(1.525), Some(2.1), Some(4.0)]);
        assert_eq!(Histogram::default().quantile(0.5), None);
    }

    fn exponential(scale: i32, offset: i32, counts: &[u64]) -> PointValue {
        let positive = Buckets { offset, counts: counts.to_vec() };
        let count = counts.iter().sum();
        PointValue::Exponential(Exponential { count, scale, positive, ..Exponential::default() })
    }

    #[test]
    fn exponential_histograms_are_merged_at_the_smaller_scale() {
        let points = [
            point(0, 1, exponential(3, 0, &[1, 1, 1, 1])),
            // The same, and one more: at half of the scale its buckets are those of two.
            point(0, 2, exponential(2, 0, &[2, 3])),
            point(0, 3, exponential(2, -1, &[4, 2, 3])),
            // It counts anew.
            point(0, 4, exponential(2, 0, &[1])),
        ];
        assert_eq!(
            steps(InstrumentKind::ExponentialHistogram, true, points),
            told([(1, "3 0 [1, 1, 1, 1]"), (2, "2 1 [1]"), (3, "2 -1 [4]"), (4, "2 0 [1]")])
        );
        let fine = [point(0, 1, exponential(6, -4, &[1, 2, 3, 4, 5, 6, 7, 8]))];
        assert_eq!(
            steps(InstrumentKind::ExponentialHistogram, false, fine),
            told([(1, "4 -1 [10, 26]")])
        );

        let mut sum = Step::Exponential(Exponential {
            scale: 3,
            positive: Buckets { offset: 8, counts: vec![1] },
            ..Exponential::default()
        });
        sum.merge(Step::Exponential(Exponential {
            scale: 0,
            zeroes: 1,
            positive: Buckets { offset: 2, counts: vec![2] },
            negative: Buckets { offset: 1, counts: vec![1] },
            ..Exponential::default()
        }));
        let Step::Exponential(sum) = sum else { return };
        // From 2 to 4, from 4 to 8, zero, from -4 to -2: their geometric middles.
        assert_eq!(sum.positive, Buckets { offset: 1, counts: vec![1, 2] });
        let quantiles = [0.2, 0.4, 0.6, 1.0].map(|quantile| sum.quantile(quantile));
        let middle = 8f64.sqrt();
        assert_eq!(quantiles, [Some(-middle), Some(0.0), Some(middle), Some(2.0 * middle)]);
    }

    #[test]
    fn a_summary_is_as_its_sender_has_made_it() {
        let summary = |count, value| {
            PointValue::Summary(Summary { count, sum: 0.0, quantiles: vec![(0.5, value)] })
        };
        let points = [point(0, 1, summary(2, 0.25)), point(0, 2, summary(5, 0.75))];
        assert_eq!(
            steps(InstrumentKind::Summary, true, points),
            told([(1, "2 [(0.5, 0.25)]"), (2, "3 [(0.5, 0.75)]")])
        );
    }

    #[test]
    fn series_past_the_bound_are_rejected_and_times_that_are_not_remembered_left_out() {
        let mut instruments = instruments();
        let points = (0..100).map(|number| Point {
            attributes: [Attribute { key: "n".into(), value: Value::Int(number) }].into(),
            ..point(0, 1, PointValue::Number(1.0))
        });
        let sent = metric(InstrumentKind::Gauge, false, points.collect());

        assert_eq!(instruments.add(std::slice::from_ref(&sent), NOW + SLOT), 90);
        assert_eq!((instruments.series_count(), instruments.totals.no_room), (10, 90));
        assert_eq!(instruments.add(&[sent], NOW + SLOT), 90);
        assert_eq!(instruments.totals.repeated, 10);

        let times = [
            point(0, 9, PointValue::Number(1.0)),
            Point { time: 0, ..point(0, 0, PointValue::Number(1.0)) },
        ];
        instruments.add(&[metric(InstrumentKind::Gauge, false, times.to_vec())], NOW + SLOT);
        assert_eq!((instruments.totals.future, instruments.totals.late), (1, 1));

        instruments.add(&[], NOW + (SLOTS + 2) * SLOT);
        assert_eq!((instruments.series_count(), instruments.bytes()), (0, 0));
    }

    #[test]
    fn long_attributes_and_last_points_are_within_the_bound_too() {
        let bytes = 256 << 10;
        let mut instruments = Instruments::new(SeriesBounds { series: 5_000, bytes }, NOW);
        let labelled = |number: i64, text: &str, value| Point {
            attributes: [
                Attribute { key: "n".into(), value: Value::Int(number) },
                Attribute { key: "text".into(), value: Value::String(text.into()) },
            ]
            .into(),
            ..point(0, 1, value)
        };
        let long = "x".repeat(16 << 10);
        let points = (0..100).map(|number| labelled(number, &long, PointValue::Number(1.0)));
        let sent = metric(InstrumentKind::Gauge, false, points.collect());
        assert_eq!(instruments.add(&[sent], NOW + SLOT), 94);
        assert!(instruments.bytes() <= bytes, "{}", instruments.bytes());

        let bounds: Vec<f64> = (0..1_000).map(f64::from).collect();
        for number in 0..100 {
            let value = histogram(&bounds, &[1; 1_001]);
            let sent = labelled(number, "", value);
            instruments.add(&[metric(InstrumentKind::Histogram, true, vec![sent])], NOW + SLOT);
            assert!(instruments.bytes() <= bytes, "{}", instruments.bytes());
        }
    }

    #[test]
    fn past_the_bound_on_bytes_the_oldest_slots_go() {
        let bytes = 64 << 10;
        let mut instruments = Instruments::new(SeriesBounds { series: 10, bytes }, NOW);
        let bounds: Vec<f64> = (0..100).map(f64::from).collect();

        for time in 0..SLOTS {
            let value = histogram(&bounds, &vec![time; 101]);
            let sent = metric(InstrumentKind::Histogram, false, vec![point(0, time, value)]);
            instruments.add(&[sent], NOW + time * SLOT);
            assert!(instruments.bytes() <= bytes, "{}", instruments.bytes());
        }

        let held = &series(&instruments).steps;
        assert!((10..60).contains(&held.len()), "{}", held.len());
        assert_eq!(held.front().map(|(slot, _)| *slot), Some(instruments.first()));
        assert_eq!(held.back().map(|(slot, _)| *slot), Some(NOW / SLOT + SLOTS - 1));
    }
}
