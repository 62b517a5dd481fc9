//! Jaeger's metrics of spans: what the Monitor tab of its page shows.
//!
//! Jaeger asks a Prometheus; here the answers are made of the [monitor](crate::store::monitor), with
//! the same meaning. A point at a time `t` is over the `ratePer` before it, in slots of ten seconds:
//! calls a second, the share of them that failed, or a percentile of their duration in
//! milliseconds. Where there were no calls, the latter two are NaN. There are no points before the
//! first span of a series.
//!
//! A rate is over the part of `ratePer` in which the viewer has been running, where Prometheus
//! divides by all of it once it has two samples: so a viewer of a minute does not say that there is
//! a tenth of the traffic.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;
use time::OffsetDateTime;

use super::MILLISECOND;
use super::legacy::{Envelope, answer};
use crate::answer::{Answer, Failure};
use crate::api::State;
use crate::ingest::SharedStore;
use crate::query::ParamError;
use crate::query::history::{History, Tally, seconds};
use crate::query::params::Params;
use crate::query::tags::truth;
use crate::render::{List, PlainDouble};
use crate::store::model::{Kind, now};
use crate::store::monitor::sketch::Distribution;
use crate::store::monitor::{SLOT, SLOTS, Service};

/// What is assumed of parameters that are not there, in milliseconds, as in Jaeger.
const DEFAULT_LOOKBACK: i64 = 3_600_000;
const DEFAULT_STEP: i64 = 5_000;
const DEFAULT_RATE_PER: i64 = 600_000;
/// Points of a series at most, as in Prometheus.
const MOST_POINTS: i64 = 11_000;
/// The smallest step in milliseconds that older versions of Jaeger's page may ask for.
const MIN_STEP: i64 = 1;
/// What an operation without room for a series of its own is called.
const OTHER: &str = "(other)";
/// The bytes that the name of an operation takes in a list, about.
const NAME_BYTES: usize = 256;

/// Which metric is asked for.
#[derive(Clone, Copy, Debug)]
enum Metric {
    Calls,
    Errors,
    Latencies { quantile: f64 },
}

/// What is asked for, of whom and when.
#[derive(Debug)]
struct Query {
    metric: Metric,
    services: Vec<String>,
    kinds: Vec<Kind>,
    by_operation: bool,
    /// Milliseconds since the epoch.
    start: i64,
    end: i64,
    step: i64,
    rate_per: i64,
}

#[derive(Debug, Serialize)]
struct MetricFamily<'a, M> {
    name: &'a str,
    r#type: &'static str,
    help: &'a str,
    metrics: M,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct OneMetric<P> {
    labels: Vec<Label>,
    metric_points: P,
}

#[derive(Debug, Serialize)]
struct Label {
    name: &'static str,
    value: Arc<str>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct MetricPoint {
    gauge_value: GaugeValue,
    timestamp: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct GaugeValue {
    double_value: PlainDouble,
}

/// A series that is answered: of a service, or of an operation of it.
#[derive(Debug)]
struct Wanted {
    service: Arc<str>,
    /// `None`: all operations; `Some(None)`: those without room for a series of their own.
    operation: Option<Option<Arc<str>>>,
}

/// `GET /api/metrics/{metric}`.
pub(super) async fn metrics(
    request: HttpRequest,
    metric: Path<String>,
    state: Data<State>,
) -> HttpResponse {
    let uptime = state.stats.uptime_ns();
    let metrics = move |answer: &mut Answer, params: &Params, store: &SharedStore| {
        let metric = match metric.as_str() {
            // Jaeger's page asked for it until 2.15.
            "minstep" => return answer.json(&Envelope::new(MIN_STEP, 0)),
            "calls" => Metric::Calls,
            "errors" => Metric::Errors,
            _ => Metric::Latencies { quantile: quantile(params)? },
        };
        let query = Query::of(metric, params)?;
        query.write(answer, store, now().saturating_sub(uptime))
    };
    answer(&request, &state, metrics).await
}

fn quantile(params: &Params) -> Result<f64, ParamError> {
    let quantile = params.read("quantile", "a number from 0 to 1", |text| {
        text.parse().ok().filter(|quantile: &f64| (0.0..=1.0).contains(quantile))
    })?;
    quantile.ok_or_else(|| ParamError::other("parameter 'quantile' is required"))
}

impl Query {
    fn of(metric: Metric, params: &Params) -> Result<Self, Failure> {
        let services: Vec<String> = params.all("service").map(str::to_owned).collect();
        if services.is_empty() {
            return Err(ParamError::other("parameter 'service' is required").into());
        }
        let by_operation =
            params.read("groupByOperation", "true or false", truth)?.unwrap_or_default();
        let kinds = kinds(params)?;
        let milliseconds =
            |name, default| Ok::<_, Failure>(params.integer(name)?.unwrap_or(default));
        let this = i64::try_from(now() / MILLISECOND).unwrap_or(i64::MAX);
        let end = milliseconds("endTs", this)?;
        let lookback = milliseconds("lookback", DEFAULT_LOOKBACK)?;
        let step = milliseconds("step", DEFAULT_STEP)?;
        let rate_per = milliseconds("ratePer", DEFAULT_RATE_PER)?;
        let refused = |message: &str| Failure::new(StatusCode::INTERNAL_SERVER_ERROR, message);
        // What Prometheus refuses is an error of Jaeger's server.
        if step <= 0 {
            return Err(refused("'step' must be greater than 0"));
        }
        if lookback < 0 {
            return Err(refused("'lookback' must not be negative"));
        }
        if rate_per <= 0 {
            return Err(refused("'ratePer' must be greater than 0"));
        }
        if lookback / step > MOST_POINTS {
            let message = format!("more than {MOST_POINTS} points: 'step' must be greater");
            return Err(refused(&message));
        }
        let start = end.saturating_sub(lookback);
        Ok(Self { metric, services, kinds, by_operation, start, end, step, rate_per })
    }

    fn name(&self) -> &'static str {
        match (self.metric, self.by_operation) {
            (Metric::Calls, false) => "service_call_rate",
            (Metric::Calls, true) => "service_operation_call_rate",
            (Metric::Errors, false) => "service_error_rate",
            (Metric::Errors, true) => "service_operation_error_rate",
            (Metric::Latencies { .. }, false) => "service_latencies",
            (Metric::Latencies { .. }, true) => "service_operation_latencies",
        }
    }

    fn help(&self) -> String {
        let what = match self.metric {
            Metric::Calls => "calls/sec".to_owned(),
            Metric::Errors => {
                "error rate, computed as a fraction of errors/sec over calls/sec".to_owned()
            }
            Metric::Latencies { quantile } => format!("{quantile:.2}th quantile latency"),
        };
        let by = if self.by_operation { " & operation" } else { "" };
        format!("{what}, grouped by service{by}")
    }

    /// Writes the answer. The viewer has been running `since`, in nanoseconds since the epoch.
    fn write(&self, answer: &mut Answer, store: &SharedStore, since: u64) -> Result<(), Failure> {
        let wanted = self.wanted(answer, store)?;
        let held = wanted.len() * NAME_BYTES;
        let mut metrics = Vec::new();
        let mut points_bytes = 0;
        for Wanted { service, operation } in wanted {
            let bytes = held + points_bytes + 2 * Distribution::BYTES;
            let all = 0..u64::MAX;
            let history = History::read(answer, bytes, store, &all, |monitor| {
                let Some(of) = monitor.service(Some(&service)) else { return Vec::new() };
                let operations =
                    of.operations().map(|(name, kind, series)| (Some(name), kind, series));
                let other = of.other_operations().map(|(kind, series)| (None, kind, series));
                let is_meant = |name: Option<&str>| match &operation {
                    None => true,
                    Some(wanted) => wanted.as_deref() == name,
                };
                operations
                    .chain(other)
                    .filter(|(name, kind, _)| self.kinds.contains(kind) && is_meant(*name))
                    .map(|(.., series)| series)
                    .collect()
            })?;
            let Some(first) = history.first() else { continue };
            let points = self.points(&history, first, since.min(first * SLOT));
            points_bytes += points.len() * size_of::<(i64, f64)>();
            let mut labels = vec![Label { name: "service_name", value: service }];
            if let Some(operation) = operation {
                let value = operation.unwrap_or_else(|| OTHER.into());
                labels.push(Label { name: "operation", value });
            }
            metrics.push((labels, points));
        }
        let family = MetricFamily {
            name: self.name(),
            r#type: "GAUGE",
            help: &self.help(),
            metrics: List(|| metrics.iter().map(metric)),
        };
        answer.json(&family)
    }

    /// The series that are asked for, sorted by name.
    fn wanted(&self, answer: &mut Answer, store: &SharedStore) -> Result<Vec<Wanted>, Failure> {
        let store = store.read();
        answer.hold((self.services.len() + store.monitor.series_count()) * NAME_BYTES)?;
        let services: BTreeSet<&str> = self.services.iter().map(String::as_str).collect();
        let mut wanted = Vec::new();
        for name in services {
            let Some(service) = store.monitor.service(Some(name)) else { continue };
            let name: Arc<str> = name.into();
            let of = |operation| Wanted { service: Arc::clone(&name), operation };
            if !self.by_operation {
                wanted.push(of(None));
                continue;
            }
            wanted.extend(self.operations_of(service).into_iter().map(|name| of(Some(Some(name)))));
            wanted.push(of(Some(None)));
        }
        Ok(wanted)
    }

    fn operations_of(&self, service: &Service) -> BTreeSet<Arc<str>> {
        let operations = service.operations().filter(|(_, kind, _)| self.kinds.contains(kind));
        operations.map(|(name, ..)| name.into()).collect()
    }

    /// The points of a series that began in the slot `first`: milliseconds since the epoch, and
    /// values.
    fn points(&self, history: &History, first: u64, since: u64) -> Vec<(i64, f64)> {
        let now = now();
        let window = u64::try_from(self.rate_per).unwrap_or(0).saturating_mul(MILLISECOND);
        // In whole slots: one that is older than all there is says no more.
        let window = window.div_ceil(SLOT).clamp(1, 2 * SLOTS);
        let mut sliding = Sliding::default();
        let mut points = Vec::new();
        // The first of the times that is not before the series began.
        let began = i64::try_from(first * (SLOT / MILLISECOND)).unwrap_or(i64::MAX);
        let steps = (began.saturating_sub(self.start).max(0)) / self.step;
        let mut time = self.start.saturating_add(steps * self.step);
        while time <= self.end {
            let ns = u64::try_from(time).unwrap_or(0).saturating_mul(MILLISECOND);
            if ns > now {
                break;
            }
            let slot = ns / SLOT;
            if slot >= first {
                let slots = (slot + 1).saturating_sub(window)..slot + 1;
                sliding.move_to(history, slots.clone());
                points.push((time, self.value(&sliding, seconds(since, &slots, now))));
            }
            match time.checked_add(self.step) {
                Some(next) => time = next,
                None => break,
            }
        }
        points
    }

    fn value(&self, Sliding { tally, durations, .. }: &Sliding, seconds: f64) -> f64 {
        match self.metric {
            Metric::Calls => tally.count as f64 / seconds,
            Metric::Errors => tally.errors as f64 / tally.count as f64,
            Metric::Latencies { quantile } => {
                let nanoseconds = durations.quantile(quantile);
                nanoseconds.map_or(f64::NAN, |nanoseconds| nanoseconds as f64 / 1e6)
            }
        }
    }
}

/// The kinds that the parameters name, or Jaeger's default.
fn kinds(params: &Params) -> Result<Vec<Kind>, ParamError> {
    let named = params.all("spanKind").map(|name| {
        let kind = Kind::from_name(name);
        if kind == Kind::Unspecified && !name.eq_ignore_ascii_case(kind.name()) {
            let kinds = "unspecified, internal, server, client, producer or consumer";
            return Err(ParamError::new("spanKind", name, kinds));
        }
        Ok(kind)
    });
    let kinds = named.collect::<Result<Vec<_>, _>>()?;
    Ok(if kinds.is_empty() { vec![Kind::Server] } else { kinds })
}

/// What happened in some slots, which move on from one point to the next: what comes in is added and
/// what falls out is taken away, so a point costs what is new in it.
#[derive(Debug, Default)]
struct Sliding {
    slots: Range<u64>,
    tally: Tally,
    durations: Distribution,
}

impl Sliding {
    /// Moves on to `slots`, which begin and end no earlier than the last.
    fn move_to(&mut self, history: &History, slots: Range<u64>) {
        if self.slots == slots {
            return;
        }
        let gone = self.slots.start..slots.start.min(self.slots.end);
        let new = self.slots.end.max(slots.start)..slots.end;
        history.of(gone).iter().for_each(|bucket| self.durations.take(&bucket.durations));
        history.of(new).iter().for_each(|bucket| self.durations.add(&bucket.durations));
        self.tally = Tally::of(history.of(slots.clone()));
        self.slots = slots;
    }
}

fn metric((labels, points): &(Vec<Label>, Vec<(i64, f64)>)) -> impl Serialize {
    let labels =
        labels.iter().map(|label| Label { name: label.name, value: Arc::clone(&label.value) });
    OneMetric { labels: labels.collect(), metric_points: List(|| points.iter().map(point)) }
}

fn point(&(milliseconds, value): &(i64, f64)) -> MetricPoint {
    MetricPoint {
        gauge_value: GaugeValue { double_value: PlainDouble(value) },
        timestamp: timestamp(milliseconds),
    }
}

/// A moment in RFC 3339 with as many digits as it needs: none, or three.
fn timestamp(milliseconds: i64) -> String {
    let moment = OffsetDateTime::from_unix_timestamp_nanos(i128::from(milliseconds) * 1_000_000);
    let moment = moment.unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let (date, time) = (moment.date(), moment.time());
    let fraction = match moment.millisecond() {
        0 => String::new(),
        milliseconds => format!(".{milliseconds:03}"),
    };
    let (hour, minute, second) = (time.hour(), time.minute(), time.second());
    format!("{date}T{hour:02}:{minute:02}:{second:02}{fraction}Z")
}

#[cfg(test)]
mod tests {
    use super::timestamp;

    #[test]
    fn a_moment_has_a_fraction_only_if_it_needs_one() {
        assert_eq!(timestamp(0), "1970-01-01T00:00:00Z");
        assert_eq!(timestamp(1_700_000_000_005), "2023-11-14T22:13:20.005Z");
    }
}
