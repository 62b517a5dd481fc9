//! The monitor: rate, errors and duration of services, operations and actors over time; how long
//! messages waited in mailboxes, how many there were in them, and how large batches were.
//!
//! The figures are of the last hour, also of spans that are no longer held. A service's are those of
//! the requests and messages from outside that it served (spans of kind server and consumer). If
//! there are none, they are those of its spans without a parent.
//!
//! A percentile is right to within 1.6 % (`relative_error`). How many messages were in a mailbox is
//! the mean over time, by Little's law: the time that messages waited, together, in each second.
//! Waits count when they end.

use std::cmp::Reverse;
use std::ops::Range;

use serde::Serialize;

use super::summary::MAX_NUMBER;
use crate::answer::{Answer, Failure};
use crate::ingest::SharedStore;
use crate::query::ParamError;
use crate::query::history::{History, Tally, add_up, seconds};
use crate::query::params::Params;
use crate::query::time::{POINTS, Time};
use crate::store::model::Kind;
use crate::store::monitor::sketch::{Distribution, RELATIVE_ERROR, Sketch};
use crate::store::monitor::{Bucket, Monitor, MonitorTotals, SLOT, Series, Service};

/// Rows of operations, and of actors; of more, those with the most time.
const ROWS: usize = 200;
/// What a row takes with its points, in bytes, about; and the name of a series while they are sorted.
const ROW_BYTES: usize = POINTS as usize * 16 * size_of::<u64>();
const NAME_BYTES: usize = 256;

/// What the page shows.
#[derive(Debug, Serialize)]
struct Answered<'a> {
    from_us: u64,
    to_us: u64,
    /// Since when everything that came is in the figures.
    whole_from_us: u64,
    /// The length of a step of the charts.
    step_s: u64,
    relative_error: f64,
    held: Held,
    services: Vec<Row>,
    /// The service whose operations and actors these are.
    service: Option<&'a str>,
    is_other: bool,
    operations: Rows,
    actors: Rows,
}

/// How much is remembered, of how much, and what was not counted as it should have been.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Held {
    series: usize,
    max_series: usize,
    bytes: usize,
    max_bytes: usize,
    other: u64,
    late: u64,
    future: u64,
}

impl Held {
    /// What is remembered now.
    pub(super) fn of(monitor: &Monitor) -> Self {
        let MonitorTotals { other, late, future } = monitor.totals;
        let bounds = monitor.bounds();
        Self {
            series: monitor.series_count(),
            max_series: bounds.series,
            bytes: monitor.bytes(),
            max_bytes: bounds.bytes,
            other,
            late,
            future,
        }
    }
}

#[derive(Debug, Default, Serialize)]
struct Rows {
    rows: Vec<Row>,
    /// How many there are.
    total: usize,
}

/// The figures of a service, an operation or an actor.
#[derive(Debug, Serialize)]
struct Row {
    /// `None`: those for which there was no room for a row of their own.
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<&'static str>,
    count: u64,
    errors: u64,
    rate: f64,
    p50_ns: Option<u64>,
    p95_ns: Option<u64>,
    p99_ns: Option<u64>,
    total_s: f64,
    points: Points,
    #[serde(skip_serializing_if = "Option::is_none")]
    mailbox: Option<MailboxRow>,
}

/// The figures step by step.
#[derive(Debug, Default, Serialize)]
struct Points {
    count: Vec<u64>,
    errors: Vec<u64>,
    p50_ns: Vec<Option<u64>>,
    p95_ns: Vec<Option<u64>>,
    p99_ns: Vec<Option<u64>>,
}

#[derive(Debug, Default, Serialize)]
struct MailboxRow {
    wait_p50_ns: Option<u64>,
    wait_p95_ns: Option<u64>,
    wait_p99_ns: Option<u64>,
    /// How many messages were in the mailboxes, over time.
    depth: f64,
    batch_count: u64,
    batch_mean: Option<f64>,
    batch_p50: Option<u64>,
    batch_p99: Option<u64>,
    points: MailboxPoints,
}

#[derive(Debug, Default, Serialize)]
struct MailboxPoints {
    wait_p50_ns: Vec<Option<u64>>,
    wait_p99_ns: Vec<Option<u64>>,
    depth: Vec<f64>,
    batch_count: Vec<u64>,
    batch_mean: Vec<Option<f64>>,
}

/// The time that is shown.
struct Shown {
    time: Time,
    /// Since when everything that came is in the figures, in nanoseconds since the epoch.
    whole_from: u64,
}

/// Writes the figures that `params` ask for: of `range` seconds until `end` (µs since the epoch; now
/// unless it is said), and of the operations and actors of `service`; unless that is said, of the
/// busiest. The viewer has been running `since`, in nanoseconds since the epoch.
pub(super) fn write(
    answer: &mut Answer,
    params: &Params,
    store: &SharedStore,
    since: u64,
) -> Result<(), Failure> {
    let time = Time::of(params)?;
    let is_other = params.flag("other")?;
    let named = params.get("service");
    if named.is_some() && is_other {
        return Err(ParamError::other("'other' goes without 'service'").into());
    }

    let (from, to) = (time.from(), time.to());
    answer.hold(store.read().monitor.series_count() * NAME_BYTES)?;
    let (names, held, whole_from) = {
        let monitor = &store.read().monitor;
        let mut names: Vec<String> = monitor.service_names().map(str::to_owned).collect();
        names.sort_unstable();
        // What ended before this viewer was there may have come all the same.
        let since = since.min(monitor.oldest().map_or(u64::MAX, |slot| slot * SLOT));
        let whole_from = since.max(monitor.first() * SLOT).clamp(from, to);
        (names, Held::of(monitor), whole_from)
    };
    let shown = Shown { time, whole_from };
    let sum = Distribution::default();
    let mut making = Making { answer, store, shown: &shown, sum, rows: 0 };
    let mut services = Vec::new();
    for name in names.into_iter().map(Some).chain([None]) {
        let of = name.clone();
        services.extend(making.row(name, None, |monitor| {
            let service = monitor.service(of.as_deref());
            service.map(|service| served(service, &shown.time.slots)).unwrap_or_default()
        })?);
    }
    services.sort_by_key(|row| (Reverse(row.count), row.name.is_none()));
    let busiest = services.iter().find_map(|row| row.name.clone());
    let service = if is_other { None } else { named.map(str::to_owned).or(busiest) };
    let (operations, actors) = if service.is_some() || is_other {
        (making.operations(service.as_deref())?, making.actors(service.as_deref())?)
    } else {
        (Rows::default(), Rows::default())
    };
    answer.json(&Answered {
        from_us: from / 1_000,
        to_us: to / 1_000,
        whole_from_us: whole_from / 1_000,
        step_s: shown.time.step_seconds(),
        relative_error: RELATIVE_ERROR,
        held,
        services,
        service: service.as_deref(),
        is_other,
        operations,
        actors,
    })
}

/// The series that say what a service has served.
fn served<'m>(service: &'m Service, slots: &Range<u64>) -> Vec<&'m Series> {
    let operations = service.operations().map(|(_, kind, series)| (kind, series));
    let all = operations.chain(service.other_operations());
    let served = all.filter(|(kind, _)| matches!(kind, Kind::Server | Kind::Consumer));
    let served: Vec<&Series> = served.map(|(_, series)| series).collect();
    let has_any = |series: &&Series| series.between(slots.start, slots.end).next().is_some();
    if served.iter().any(has_any) { served } else { vec![&service.roots] }
}

/// Rows that are being made.
struct Making<'m> {
    answer: &'m mut Answer,
    store: &'m SharedStore,
    shown: &'m Shown,
    /// Where sketches are added up.
    sum: Distribution,
    /// How many rows have been made.
    rows: usize,
}

impl Making<'_> {
    fn operations(&mut self, service: Option<&str>) -> Result<Rows, Failure> {
        let (total, listed) = self.listed(service, |service| {
            let named = |(name, kind, series): (&str, Kind, _)| ((name.to_owned(), kind), series);
            service.operations().map(named).collect()
        })?;
        let mut rows = Vec::with_capacity(listed.len());
        for (name, kind) in listed {
            let of = name.clone();
            rows.extend(self.row(Some(name), Some(kind.name()), |monitor| {
                let service = monitor.service(service);
                service.and_then(|service| service.operation_of(&of, kind)).into_iter().collect()
            })?);
        }
        for kind in Kind::ALL {
            rows.extend(self.row(None, Some(kind.name()), |monitor| {
                let other = monitor.service(service).map(Service::other_operations);
                let of_kind = other.into_iter().flatten().filter(|(of, _)| *of == kind);
                of_kind.map(|(_, series)| series).collect()
            })?);
        }
        Ok(Rows { rows, total })
    }

    fn actors(&mut self, service: Option<&str>) -> Result<Rows, Failure> {
        let (total, listed) = self.listed(service, |service| {
            service.actors().map(|(name, series)| (name.to_owned(), series)).collect()
        })?;
        let mut rows = Vec::with_capacity(listed.len());
        for name in listed {
            let of = name.clone();
            rows.extend(self.row(Some(name), None, |monitor| {
                let service = monitor.service(service);
                service.and_then(|service| service.actor_of(&of)).into_iter().collect()
            })?);
        }
        rows.extend(self.row(None, None, |monitor| {
            let service = monitor.service(service);
            service.map(|service| &service.other_actors).into_iter().collect()
        })?);
        Ok(Rows { rows, total })
    }

    /// How many series of a service `list` finds with anything in the time shown, and the names of
    /// those with the most time, that of the most time first.
    fn listed<N: Ord>(
        &mut self,
        service: Option<&str>,
        list: impl for<'s> FnOnce(&'s Service) -> Vec<(N, &'s Series)>,
    ) -> Result<(usize, Vec<N>), Failure> {
        let slots = &self.shown.time.slots;
        let store = self.store.read();
        let monitor = &store.monitor;
        self.answer.hold(self.rows * ROW_BYTES + monitor.series_count() * NAME_BYTES)?;
        let time = |series: &Series| {
            let mut buckets = series.between(slots.start, slots.end).peekable();
            buckets.peek()?;
            Some(Reverse(buckets.map(|bucket| bucket.total).sum::<u128>()))
        };
        let listed = monitor.service(service).map(list).unwrap_or_default().into_iter();
        let timed = listed.filter_map(|(name, series)| Some((time(series)?, name)));
        let mut timed: Vec<_> = timed.collect();
        timed.sort_unstable();
        let total = timed.len();
        Ok((total, timed.into_iter().take(ROWS).map(|(_, name)| name).collect()))
    }

    /// The row of the series that `pick` picks, if anything happened in them.
    fn row(
        &mut self,
        name: Option<String>,
        kind: Option<&'static str>,
        pick: impl for<'s> FnOnce(&'s Monitor) -> Vec<&'s Series>,
    ) -> Result<Option<Row>, Failure> {
        let held = (self.rows + 1) * ROW_BYTES + Distribution::BYTES;
        let history = History::read(self.answer, held, self.store, &self.shown.time.slots, pick)?;
        let row = row(name, kind, &history, self.shown, &mut self.sum);
        self.rows += usize::from(row.is_some());
        Ok(row)
    }
}

/// The row of what has that history, if there is anything in it.
fn row(
    name: Option<String>,
    kind: Option<&'static str>,
    history: &History,
    shown: &Shown,
    scratch: &mut Distribution,
) -> Option<Row> {
    let all = history.of(shown.time.slots.clone());
    if all.is_empty() {
        return None;
    }
    let tally = Tally::of(all);
    let mut points = Points::default();
    let has_mailbox = all.iter().any(|bucket| bucket.mailbox.is_some());
    let mut mailbox = has_mailbox.then(MailboxRow::default);
    for step in shown.time.steps() {
        let buckets = history.of(step.clone());
        let tally = Tally::of(buckets);
        points.count.push(tally.count);
        points.errors.push(tally.errors);
        add_up(scratch, buckets, |bucket| Some(&bucket.durations));
        points.p50_ns.push(nanoseconds(scratch, 0.5));
        points.p95_ns.push(nanoseconds(scratch, 0.95));
        points.p99_ns.push(nanoseconds(scratch, 0.99));
        if let Some(MailboxRow { points, .. }) = &mut mailbox {
            add_up(scratch, buckets, waits);
            points.wait_p50_ns.push(nanoseconds(scratch, 0.5));
            points.wait_p99_ns.push(nanoseconds(scratch, 0.99));
            points.depth.push(depth(&tally, seconds(shown.whole_from, &step, shown.time.now)));
            points.batch_count.push(tally.batch_count);
            points.batch_mean.push(mean_batch(&tally));
        }
    }
    if let Some(row) = &mut mailbox {
        add_up(scratch, all, waits);
        row.wait_p50_ns = nanoseconds(scratch, 0.5);
        row.wait_p95_ns = nanoseconds(scratch, 0.95);
        row.wait_p99_ns = nanoseconds(scratch, 0.99);
        row.depth = depth(&tally, seconds(shown.whole_from, &shown.time.slots, shown.time.now));
        add_up(scratch, all, |bucket| bucket.mailbox.as_ref().map(|mailbox| &mailbox.batches));
        row.batch_count = tally.batch_count;
        row.batch_mean = mean_batch(&tally);
        row.batch_p50 = scratch.quantile(0.5);
        row.batch_p99 = scratch.quantile(0.99);
    }
    add_up(scratch, all, |bucket| Some(&bucket.durations));
    Some(Row {
        name,
        kind,
        count: tally.count,
        errors: tally.errors,
        rate: tally.count as f64 / seconds(shown.whole_from, &shown.time.slots, shown.time.now),
        p50_ns: nanoseconds(scratch, 0.5),
        p95_ns: nanoseconds(scratch, 0.95),
        p99_ns: nanoseconds(scratch, 0.99),
        total_s: tally.total as f64 / 1e9,
        points,
        mailbox,
    })
}

fn waits(bucket: &Bucket) -> Option<&Sketch> {
    bucket.mailbox.as_ref().map(|mailbox| &mailbox.waits)
}

/// A percentile of durations, no larger than numbers in JSON are.
fn nanoseconds(of: &Distribution, quantile: f64) -> Option<u64> {
    of.quantile(quantile).map(|duration| duration.min(MAX_NUMBER))
}

/// How many messages were in the mailboxes, over `seconds`.
fn depth(tally: &Tally, seconds: f64) -> f64 {
    tally.waited as f64 / 1e9 / seconds
}

fn mean_batch(tally: &Tally) -> Option<f64> {
    (tally.batch_count > 0).then(|| tally.batched as f64 / tally.batch_count as f64)
}
