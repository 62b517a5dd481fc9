//! The metrics that services send: which instruments there are, and each of them over time.
//!
//! | kind | charts |
//! |---|---|
//! | gauge, up-down counter | the last value of each step, a line for each series |
//! | counter | how much was added a second, likewise |
//! | histogram, exponential histogram | p50, p95 and p99 of all series together, and how many values a second |
//! | summary | the percentiles that the sender has computed, a line for each, and how many values a second |

use std::collections::{BTreeMap, BTreeSet};

use actix_web::http::StatusCode;
use serde::Serialize;

use crate::answer::{Answer, Failure};
use crate::ingest::SharedStore;
use crate::query::ParamError;
use crate::query::history::seconds;
use crate::query::params::Params;
use crate::query::time::{POINTS, Time};
use crate::render::Text;
use crate::store::instruments::{
    Instrument, InstrumentKey, Instruments, Labels, MetricSeries, Step,
};
use crate::store::metrics::InstrumentKind;
use crate::store::model::{SpanId, TraceId};

/// Series looked at in one answer, and lines of a chart.
const SERIES: usize = 500;
const LINES: usize = 12;
/// Values listed of one attribute.
const VALUES: usize = 100;
/// Exemplars listed.
const EXEMPLARS: usize = 20;
/// Bytes of an instrument in a list, of a value in it, and of a line with its points; about.
const INSTRUMENT_BYTES: usize = 512;
const LABEL_BYTES: usize = 128;
const LINE_BYTES: usize = 512 + POINTS as usize * 2 * size_of::<Option<f64>>();

/// How much is remembered, of how much, and what was left out.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Held {
    instruments: usize,
    series: usize,
    max_series: usize,
    bytes: usize,
    max_bytes: usize,
    no_room: u64,
    repeated: u64,
    late: u64,
    future: u64,
}

impl Held {
    /// What is remembered now.
    pub(super) fn of(instruments: &Instruments) -> Self {
        let (totals, bounds) = (instruments.totals, instruments.bounds());
        Self {
            instruments: instruments.list().count(),
            series: instruments.series_count(),
            max_series: bounds.series,
            bytes: instruments.bytes(),
            max_bytes: bounds.bytes,
            no_room: totals.no_room,
            repeated: totals.repeated,
            late: totals.late,
            future: totals.future,
        }
    }
}

#[derive(Debug, Serialize)]
struct Listed {
    service: String,
    name: String,
    unit: String,
    kind: &'static str,
    scope: String,
    description: String,
    series: usize,
    attributes: Vec<ListedAttribute>,
}

#[derive(Debug, Serialize)]
struct ListedAttribute {
    key: String,
    values: Vec<String>,
    /// Whether there are more values.
    has_more: bool,
}

/// `GET /viewer/api/instruments`.
pub(super) fn list(answer: &mut Answer, store: &SharedStore) -> Result<(), Failure> {
    #[derive(Serialize)]
    struct Answered {
        held: Held,
        instruments: Vec<Listed>,
    }
    let answered = {
        let instruments = store.instruments();
        let labels: usize = instruments.series_count() * 8;
        answer.hold(
            instruments.list().count() * INSTRUMENT_BYTES + labels.min(50_000) * LABEL_BYTES,
        )?;
        let listed = instruments.list().map(|(key, instrument)| listed(key, instrument));
        Answered { held: Held::of(&instruments), instruments: listed.collect() }
    };
    answer.json(&answered)
}

fn listed(key: &InstrumentKey, instrument: &Instrument) -> Listed {
    let mut values: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (labels, _) in instrument.series() {
        for (key, value) in labels {
            values.entry(key).or_default().insert(value);
        }
    }
    let attribute = |(key, values): (&str, BTreeSet<&str>)| ListedAttribute {
        key: key.to_owned(),
        has_more: values.len() > VALUES,
        values: values.into_iter().take(VALUES).map(str::to_owned).collect(),
    };
    Listed {
        service: key.service.to_string(),
        name: key.name.to_string(),
        unit: key.unit.to_string(),
        kind: key.kind.name(),
        scope: key.scope.to_string(),
        description: instrument.description.to_string(),
        series: instrument.series().len(),
        attributes: values.into_iter().map(attribute).collect(),
    }
}

#[derive(Debug, Serialize)]
struct Charts {
    from_us: u64,
    to_us: u64,
    step_s: u64,
    /// Series with the attributes that are asked for, and how many of them are looked at.
    series: usize,
    shown: usize,
    charts: Vec<Chart>,
    exemplars: Vec<ListedExemplar>,
}

#[derive(Debug, Serialize)]
struct Chart {
    /// `value`, or `rate`: a second.
    of: &'static str,
    lines: Vec<Line>,
}

#[derive(Debug, Serialize)]
struct Line {
    name: Option<String>,
    attributes: Vec<[String; 2]>,
    values: Vec<Option<f64>>,
}

#[derive(Debug, Serialize)]
struct ListedExemplar {
    time_us: u64,
    value: f64,
    trace_id: Text<TraceId>,
    span_id: Text<SpanId>,
}

/// `GET /viewer/api/instrument`.
pub(super) fn one(
    answer: &mut Answer,
    params: &Params,
    store: &SharedStore,
) -> Result<(), Failure> {
    let time = Time::of(params)?;
    let key = key(params)?;
    let wanted = params.all("attribute").map(|text| {
        text.split_once('=').ok_or_else(|| ParamError::new("attribute", text, "key=value"))
    });
    let wanted = wanted.collect::<Result<Vec<_>, _>>()?;
    let charts = {
        let instruments = store.instruments();
        let instrument = instruments.get(&key).ok_or_else(|| {
            Failure::new(
                StatusCode::NOT_FOUND,
                format!("no {} of that name is held", key.kind.name()),
            )
        })?;
        answer.hold(2 * (LINES + 4) * LINE_BYTES + instrument.bytes().min(8 << 20))?;
        let has = |labels: &Labels, (key, value): &(&str, &str)| {
            labels.iter().any(|(known, is)| **known == **key && **is == **value)
        };
        let is_wanted =
            |(labels, _): &(&Labels, &MetricSeries)| wanted.iter().all(|pair| has(labels, pair));
        let series: Vec<_> = instrument.series().filter(is_wanted).collect();
        let looked_at = &series[..series.len().min(SERIES)];
        let first = instruments.first().max(time.slots.start);
        let charts = match key.kind {
            InstrumentKind::Gauge | InstrumentKind::UpDownCounter => {
                vec![Chart { of: "value", lines: values(looked_at, &time) }]
            }
            InstrumentKind::Counter => vec![Chart { of: "rate", lines: rates(looked_at, &time) }],
            InstrumentKind::Histogram | InstrumentKind::ExponentialHistogram => {
                distributions(looked_at, &time)
            }
            InstrumentKind::Summary => summaries(looked_at, &time),
        };
        let in_time = |at: u64| at >= first * crate::store::monitor::SLOT && at <= time.to();
        let exemplars = instrument.exemplars().filter(|exemplar| in_time(exemplar.time));
        let mut exemplars: Vec<_> = exemplars
            .map(|exemplar| ListedExemplar {
                time_us: exemplar.time / 1_000,
                value: exemplar.value,
                trace_id: Text(exemplar.trace),
                span_id: Text(exemplar.span),
            })
            .collect();
        exemplars.reverse();
        exemplars.truncate(EXEMPLARS);
        Charts {
            from_us: time.from() / 1_000,
            to_us: time.to() / 1_000,
            step_s: time.step_seconds(),
            series: series.len(),
            shown: looked_at.len(),
            charts,
            exemplars,
        }
    };
    answer.json(&charts)
}

/// The instrument that is asked for.
fn key(params: &Params) -> Result<InstrumentKey, ParamError> {
    let text = |name| params.get(name).unwrap_or_default().into();
    let required = |name| {
        params.get(name).ok_or_else(|| ParamError::other(format!("parameter '{name}' is required")))
    };
    let kind = required("kind")?;
    let named = InstrumentKind::ALL.into_iter().find(|known| known.name() == kind);
    let kinds = || InstrumentKind::ALL.map(InstrumentKind::name).join(", ");
    Ok(InstrumentKey {
        service: required("service")?.into(),
        name: required("name")?.into(),
        unit: text("unit"),
        kind: named.ok_or_else(|| ParamError::new("kind", kind, format!("one of {}", kinds())))?,
        scope: text("scope"),
    })
}

type Looked<'i> = [(&'i Labels, &'i MetricSeries)];

fn line(labels: &Labels, name: Option<String>, values: Vec<Option<f64>>) -> Line {
    let attributes = labels.iter().map(|(key, value)| [key.to_string(), value.to_string()]);
    Line { name, attributes: attributes.collect(), values }
}

/// The last value of each step, of each series.
fn values(series: &Looked<'_>, time: &Time) -> Vec<Line> {
    let lines = series.iter().take(LINES).map(|(labels, series)| {
        let values = time.steps().map(|step| {
            let last = series.between(step.start, step.end).last();
            match last {
                Some((_, Step::Value(value))) => Some(*value),
                _ => None,
            }
        });
        line(labels, None, values.collect())
    });
    lines.collect()
}

/// What was added in each second, of each series, and of all together when there are several.
fn rates(series: &Looked<'_>, time: &Time) -> Vec<Line> {
    let mut all: Vec<Option<f64>> = time.steps().map(|_| None).collect();
    let mut lines = Vec::new();
    for (at, (labels, series)) in series.iter().enumerate() {
        let increases = time.steps().map(|step| {
            let mut sum = None;
            for (_, added) in series.between(step.start, step.end) {
                if let Step::Increase(increase) = added {
                    *sum.get_or_insert(0.0) += increase;
                }
            }
            sum.map(|sum| sum / seconds(0, &step, time.now))
        });
        let rates: Vec<Option<f64>> = increases.collect();
        for (sum, rate) in all.iter_mut().zip(&rates) {
            if let Some(rate) = rate {
                *sum.get_or_insert(0.0) += rate;
            }
        }
        if at < LINES {
            lines.push(line(labels, None, rates));
        }
    }
    if series.len() > 1 {
        let attributes = Vec::new();
        lines.insert(0, Line { name: Some("all".into()), attributes, values: all });
    }
    lines
}

/// The percentiles of all series together, and how many values there were in each second.
fn distributions(series: &Looked<'_>, time: &Time) -> Vec<Chart> {
    const PERCENTILES: [(&str, f64); 3] = [("p50", 0.5), ("p95", 0.95), ("p99", 0.99)];
    let mut percentiles = PERCENTILES.map(|_| Vec::new());
    let mut rate = Vec::new();
    for step in time.steps() {
        let mut sum: Option<Step> = None;
        for (_, added) in series.iter().flat_map(|(_, of)| of.between(step.start, step.end)) {
            match &mut sum {
                Some(sum) => sum.merge(added.clone()),
                None => sum = Some(added.clone()),
            }
        }
        for (values, (_, quantile)) in percentiles.iter_mut().zip(PERCENTILES) {
            values.push(match &sum {
                Some(Step::Histogram(histogram)) => histogram.quantile(quantile),
                Some(Step::Exponential(histogram)) => histogram.quantile(quantile),
                _ => None,
            });
        }
        rate.push(sum.and_then(|sum| count(&sum)).map(|n| n / seconds(0, &step, time.now)));
    }
    let named = |(name, values): (&str, _)| line(&Labels::default(), Some(name.into()), values);
    let names = PERCENTILES.map(|(name, _)| name).into_iter();
    vec![
        Chart { of: "value", lines: names.zip(percentiles).map(named).collect() },
        Chart { of: "rate", lines: vec![named(("values", rate))] },
    ]
}

/// How many values a step has.
fn count(step: &Step) -> Option<f64> {
    match step {
        Step::Histogram(histogram) => Some(histogram.count as f64),
        Step::Exponential(histogram) => Some(histogram.count as f64),
        Step::Summary(summary) => Some(summary.count as f64),
        Step::Value(_) | Step::Increase(_) => None,
    }
}

/// The percentiles that the sender has computed, of each series, and how many values it had.
fn summaries(series: &Looked<'_>, time: &Time) -> Vec<Chart> {
    let (mut lines, mut rate): (Vec<Line>, Vec<Option<f64>>) =
        (Vec::new(), time.steps().map(|_| None).collect());
    for (labels, series) in series {
        let mut of_series: BTreeMap<u64, Vec<Option<f64>>> = BTreeMap::new();
        for (at, step) in time.steps().enumerate() {
            for (_, held) in series.between(step.start, step.end) {
                let Step::Summary(summary) = held else { continue };
                for (quantile, value) in &summary.quantiles {
                    // Of positive doubles the bits are in the same order.
                    let values = of_series.entry(quantile.to_bits()).or_default();
                    values.resize(at, None);
                    values.push(Some(*value).filter(|value| value.is_finite()));
                }
                *rate[at].get_or_insert(0.0) += summary.count as f64 / seconds(0, &step, time.now);
            }
        }
        for (quantile, mut values) in of_series {
            values.resize(rate.len(), None);
            if lines.len() < LINES {
                let name = format!("p{}", f64::from_bits(quantile) * 100.0);
                lines.push(line(labels, Some(name), values));
            }
        }
    }
    let all = line(&Labels::default(), Some("values".into()), rate);
    vec![Chart { of: "value", lines }, Chart { of: "rate", lines: vec![all] }]
}
