//! Rate, errors and duration of every service, operation and actor over the last hour, kept as
//! counts and [sketches](sketch), so that they outlive the spans that they were made of.
//!
//! Time is divided into [slots](SLOT) of ten seconds, and a span counts in the slot of its end,
//! whenever it comes. What is remembered is bounded, whatever strangers send: by the number of
//! series, past which further operations, actors and services are one series, `other`; and by bytes,
//! past which the oldest slots go. Both are counted.
//!
//! ```text
//! Monitor ─ Service ─ operation (by name and kind) ─ Series ─ Bucket, one for each slot
//!                   ├ actor                        ─ Series ─ Bucket, with waits and batches
//!                   └ roots, other operations and actors ─ Series ─ Bucket
//! ```
//!
//! A span that came before counts once, and one that came again with another content counts as it
//! came last: the [store](super) says which is which, for as long as it holds the span.

pub(crate) mod sketch;

use std::collections::{HashMap, VecDeque};
use std::mem::size_of;

use foldhash::fast::RandomState;

use self::sketch::Sketch;
use super::actor::ActorSpan;
use super::footprint::heap;
use super::model::{Kind, Span};

/// The length of a slot, in nanoseconds.
pub(crate) const SLOT: u64 = 10_000_000_000;
/// How many slots are remembered, the current one not counted: an hour.
pub(crate) const SLOTS: u64 = 360;
/// What a service counts for among the series: its roots, and the operations and the actors for which
/// there is no room.
const OF_A_SERVICE: usize = 3;

/// How much may be remembered: of these figures, or of the instruments of metrics.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SeriesBounds {
    pub(crate) series: usize,
    pub(crate) bytes: usize,
}

/// What was not counted as it should have been.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct MonitorTotals {
    /// Spans counted under `other`, because there were too many series; of an actor's span the
    /// actor counts too.
    pub(crate) other: u64,
    /// Spans that had ended before the time that is remembered.
    pub(crate) late: u64,
    /// Spans that end in the future, by this machine's clock.
    pub(crate) future: u64,
}

/// The figures of the last hour.
#[derive(Debug)]
pub(crate) struct Monitor {
    bounds: SeriesBounds,
    services: HashMap<Box<str>, Service, RandomState>,
    /// Services for which there was no room.
    other: Service,
    series: usize,
    bytes: usize,
    /// The slot that it is now.
    current: u64,
    /// Nothing is remembered of what was before this slot.
    first: u64,
    pub(crate) totals: MonitorTotals,
}

/// Operations by name, and for each name by kind.
type Operations = HashMap<Box<str>, Vec<(Kind, Series)>, RandomState>;
/// Actors by name.
type Actors = HashMap<Box<str>, Series, RandomState>;

/// What is remembered of a service.
#[derive(Clone, Debug, Default)]
pub(crate) struct Service {
    operations: Operations,
    actors: Actors,
    /// Spans without a parent, which its own operations have too.
    pub(crate) roots: Series,
    /// Operations for which there was no room, by kind, and such actors.
    other_operations: Vec<(Kind, Series)>,
    pub(crate) other_actors: Series,
}

/// What happened over time.
#[derive(Clone, Debug, Default)]
pub(crate) struct Series(VecDeque<Bucket>);

/// What happened in one slot.
#[derive(Clone, Debug, Default)]
pub(crate) struct Bucket {
    pub(crate) slot: u64,
    pub(crate) count: u64,
    pub(crate) errors: u64,
    /// Nanoseconds of all spans together.
    pub(crate) total: u128,
    pub(crate) durations: Sketch,
    /// Of actors only.
    pub(crate) mailbox: Option<Box<Mailbox>>,
}

/// What the spans of an actor tell of its mailbox and its batches.
#[derive(Clone, Debug, Default)]
pub(crate) struct Mailbox {
    pub(crate) waits: Sketch,
    /// Nanoseconds of all waits together.
    pub(crate) waited: u128,
    pub(crate) batch_count: u64,
    /// Messages in all batches together.
    pub(crate) batched: u128,
    pub(crate) batches: Sketch,
}

/// Whether a span comes or goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change {
    Add,
    Take,
}

impl Monitor {
    pub(crate) fn new(bounds: SeriesBounds, now: u64) -> Self {
        Self {
            bounds,
            services: HashMap::default(),
            other: Service::default(),
            series: 0,
            bytes: 0,
            current: now / SLOT,
            first: (now / SLOT).saturating_sub(SLOTS),
            totals: MonitorTotals::default(),
        }
    }

    /// Says what time it is, in nanoseconds since the epoch, and forgets what is older than an hour.
    pub(crate) fn advance(&mut self, now: u64) {
        let current = now / SLOT;
        if current > self.current {
            self.current = current;
            self.forget_before(current.saturating_sub(SLOTS));
        }
    }

    /// Counts a span.
    pub(crate) fn count(&mut self, span: &Span) {
        let slot = span.end / SLOT;
        if slot > self.current + 1 {
            self.totals.future += 1;
        } else if slot < self.first {
            self.totals.late += 1;
        } else {
            self.change(span, Change::Add);
            while self.bytes > self.bounds.bytes {
                let Some(oldest) = self.oldest() else { break };
                self.forget_before(oldest + 1);
            }
        }
    }

    /// Takes a span back that was counted, because it has come again with another content.
    pub(crate) fn uncount(&mut self, span: &Span) {
        self.change(span, Change::Take);
    }

    /// The names of all services.
    pub(crate) fn service_names(&self) -> impl ExactSizeIterator<Item = &str> {
        self.services.keys().map(|name| &**name)
    }

    /// The service of that name; of `None`, those for which there was no room.
    pub(crate) fn service(&self, name: Option<&str>) -> Option<&Service> {
        match name {
            Some(name) => self.services.get(name),
            None => Some(&self.other),
        }
    }

    /// The first slot of which anything is remembered; `None` when nothing is.
    pub(crate) fn oldest(&self) -> Option<u64> {
        let services = self.services.values().chain([&self.other]);
        services.flat_map(Service::all).filter_map(|series| Some(series.0.front()?.slot)).min()
    }

    /// The slot before which everything was forgotten for want of room or time.
    pub(crate) fn first(&self) -> u64 {
        self.first
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

    fn change(&mut self, span: &Span, change: Change) {
        if span.end / SLOT < self.first {
            return;
        }
        let Self { bounds, services, other, series, bytes, totals, .. } = self;
        let mut room = Room { series, most: bounds.series, bytes };
        let name = span.service();
        let (service, is_other) = match services.get_mut(&**name) {
            Some(service) => (service, false),
            None if change == Change::Add && room.take::<Service>(OF_A_SERVICE, name) => {
                (services.entry((&**name).into()).or_default(), false)
            }
            None => (other, true),
        };
        if span.parent.is_none() {
            room.change(&mut service.roots, span, change, None);
        }
        let mut named = 0;
        let may_be_new = change == Change::Add && !is_other;
        let operation = operation(&mut service.operations, span, may_be_new, &mut room);
        named += usize::from(operation.is_some());
        let operation =
            operation.unwrap_or_else(|| of_kind(&mut service.other_operations, span.kind));
        room.change(operation, span, change, None);
        let mut wanted = 1;
        let told = ActorSpan::of(span);
        if let Some(actor) = told.actor()
            && (told.is_handled() || told.batch_size().is_some())
        {
            wanted += 1;
            let series = self::actor(&mut service.actors, actor, may_be_new, &mut room);
            named += usize::from(series.is_some());
            let series = series.unwrap_or(&mut service.other_actors);
            room.change(series, span, change, Some(told));
        }
        if change == Change::Add {
            totals.other += u64::from(named < wanted);
        }
    }

    /// Forgets what was before a slot.
    fn forget_before(&mut self, slot: u64) {
        self.first = self.first.max(slot);
        let (mut series, mut bytes) = (0, 0);
        let mut room = Room { series: &mut series, most: usize::MAX, bytes: &mut bytes };
        self.services.retain(|name, service| {
            service.forget_before(slot, &mut room) && room.take::<Service>(OF_A_SERVICE, name)
        });
        self.other.forget_before(slot, &mut room);
        (self.series, self.bytes) = (series, bytes);
    }
}

/// What there is room for, while something changes.
struct Room<'m> {
    series: &'m mut usize,
    most: usize,
    bytes: &'m mut usize,
}

impl Room<'_> {
    /// Takes room for an entry of that name, which counts as so many series, if there is any.
    fn take<T>(&mut self, series: usize, name: &str) -> bool {
        let has_room = *self.series + series <= self.most;
        if has_room {
            *self.series += series;
            // A map has up to twice as many places as entries, each with a byte of its own.
            *self.bytes += heap(name.len()) + 2 * (size_of::<(Box<str>, T)>() + 1);
        }
        has_room
    }

    /// Counts a span in a series, or takes it back. `told` is what it tells of the actor whose series
    /// it is.
    fn change(
        &mut self,
        series: &mut Series,
        span: &Span,
        change: Change,
        told: Option<ActorSpan<'_>>,
    ) {
        let slot = span.end / SLOT;
        let before = series.room_bytes();
        let at = match (series.place(slot), change) {
            (Ok(at), _) => at,
            (Err(_), Change::Take) => return,
            (Err(at), Change::Add) => {
                series.0.insert(at, Bucket { slot, ..Bucket::default() });
                at
            }
        };
        let bucket = &mut series.0[at];
        let before = before + bucket.bytes();
        bucket.change(span, change, told);
        let after = bucket.bytes() + series.room_bytes();
        *self.bytes = (*self.bytes + after).saturating_sub(before);
    }
}

/// The series of the span's operation, if there is one; or a new one, if there may be one and `room`
/// for it.
fn operation<'o>(
    operations: &'o mut Operations,
    span: &Span,
    may_be_new: bool,
    room: &mut Room<'_>,
) -> Option<&'o mut Series> {
    let of_name = operations.get(&*span.name);
    let is_known = of_name.is_some_and(|kinds| kinds.iter().any(|(kind, _)| *kind == span.kind));
    if !is_known {
        let name = if of_name.is_some() { "" } else { &span.name };
        if !may_be_new || !room.take::<(Kind, Series, Vec<(Kind, Series)>)>(1, name) {
            return None;
        }
    }
    let kinds = match of_name {
        Some(_) => operations.get_mut(&*span.name)?,
        None => operations.entry((&*span.name).into()).or_default(),
    };
    Some(of_kind(kinds, span.kind))
}

/// The series of a kind, which may be new.
fn of_kind(kinds: &mut Vec<(Kind, Series)>, kind: Kind) -> &mut Series {
    let at = kinds.iter().position(|(known, _)| *known == kind).unwrap_or_else(|| {
        kinds.push((kind, Series::default()));
        kinds.len() - 1
    });
    &mut kinds[at].1
}

/// The series of an actor, likewise.
fn actor<'o>(
    actors: &'o mut Actors,
    name: &str,
    may_be_new: bool,
    room: &mut Room<'_>,
) -> Option<&'o mut Series> {
    if !actors.contains_key(name) {
        if !may_be_new || !room.take::<Series>(1, name) {
            return None;
        }
        actors.insert(name.into(), Series::default());
    }
    actors.get_mut(name)
}

impl Service {
    /// The operations, by name and kind.
    pub(crate) fn operations(&self) -> impl Iterator<Item = (&str, Kind, &Series)> {
        self.operations.iter().flat_map(|(name, kinds)| {
            kinds.iter().map(move |(kind, series)| (&**name, *kind, series))
        })
    }

    /// The operations for which there was no room, by kind.
    pub(crate) fn other_operations(&self) -> impl Iterator<Item = (Kind, &Series)> {
        self.other_operations.iter().map(|(kind, series)| (*kind, series))
    }

    /// The operation of that name and kind.
    pub(crate) fn operation_of(&self, name: &str, kind: Kind) -> Option<&Series> {
        let kinds = self.operations.get(name)?.iter();
        kinds.clone().find(|(known, _)| *known == kind).map(|(_, series)| series)
    }

    /// The actors by name.
    pub(crate) fn actors(&self) -> impl Iterator<Item = (&str, &Series)> {
        self.actors.iter().map(|(name, series)| (&**name, series))
    }

    /// The actor of that name.
    pub(crate) fn actor_of(&self, name: &str) -> Option<&Series> {
        self.actors.get(name)
    }

    fn all(&self) -> impl Iterator<Item = &Series> {
        let operations = self.operations.values().flatten().map(|(_, series)| series);
        let other = self.other_operations.iter().map(|(_, series)| series);
        let own = [&self.roots, &self.other_actors];
        operations.chain(other).chain(self.actors.values()).chain(own)
    }

    /// Forgets what was before a slot, and takes room for what is left. Whether anything is.
    fn forget_before(&mut self, slot: u64, room: &mut Room<'_>) -> bool {
        self.operations.retain(|name, kinds| {
            kinds.retain_mut(|(_, series)| {
                series.forget_before(slot, room)
                    && room.take::<(Kind, Series, Vec<(Kind, Series)>)>(1, name)
            });
            !kinds.is_empty()
        });
        self.actors.retain(|name, series| {
            series.forget_before(slot, room) && room.take::<Series>(1, name)
        });
        self.other_operations.retain_mut(|(_, series)| series.forget_before(slot, room));
        let own = [&mut self.roots, &mut self.other_actors];
        let is_left = own.map(|series| series.forget_before(slot, room)).contains(&true)
            || !self.other_operations.is_empty();
        is_left || !self.operations.is_empty() || !self.actors.is_empty()
    }
}

impl Series {
    /// What happened in the slots from `first` until before `end`.
    pub(crate) fn between(&self, first: u64, end: u64) -> impl Iterator<Item = &Bucket> {
        let at = self.0.partition_point(|bucket| bucket.slot < first);
        self.0.range(at..).take_while(move |bucket| bucket.slot < end)
    }

    /// The first slot in which anything happened.
    pub(crate) fn first(&self) -> Option<u64> {
        self.0.front().map(|bucket| bucket.slot)
    }

    /// What it takes in memory.
    pub(crate) fn bytes(&self) -> usize {
        self.room_bytes() + self.0.iter().map(Bucket::bytes).sum::<usize>()
    }

    /// What it takes in memory without what is behind its buckets.
    fn room_bytes(&self) -> usize {
        heap(self.0.capacity() * size_of::<Bucket>())
    }

    /// Where the bucket of a slot is, or would be.
    fn place(&self, slot: u64) -> Result<usize, usize> {
        // Most spans have just ended.
        match self.0.back() {
            Some(last) if last.slot == slot => Ok(self.0.len() - 1),
            Some(last) if last.slot > slot => {
                self.0.binary_search_by_key(&slot, |bucket| bucket.slot)
            }
            _ => Err(self.0.len()),
        }
    }

    fn forget_before(&mut self, slot: u64, room: &mut Room<'_>) -> bool {
        while self.first().is_some_and(|first| first < slot) {
            self.0.pop_front();
        }
        if self.0.is_empty() {
            self.0.shrink_to_fit();
        }
        *room.bytes += self.bytes();
        !self.0.is_empty()
    }
}

impl Bucket {
    fn change(&mut self, span: &Span, change: Change, told: Option<ActorSpan<'_>>) {
        let (duration, errors) = (span.duration(), u64::from(span.is_error()));
        let is_counted = told.is_none_or(|told| told.is_handled());
        if is_counted {
            change.number(&mut self.count, 1);
            change.number(&mut self.errors, errors);
            change.sum(&mut self.total, duration);
            change.value(&mut self.durations, duration);
        }
        let Some(told) = told else { return };
        let mailbox = self.mailbox.get_or_insert_default();
        if let Some(wait) = told.wait().filter(|_| is_counted) {
            change.value(&mut mailbox.waits, wait);
            change.sum(&mut mailbox.waited, wait);
        }
        if let Some(size) = told.batch_size() {
            change.number(&mut mailbox.batch_count, 1);
            change.sum(&mut mailbox.batched, size);
            change.value(&mut mailbox.batches, size);
        }
    }

    /// Adds all that happened in another bucket.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.count += other.count;
        self.errors += other.errors;
        self.total += other.total;
        self.durations.merge(&other.durations);
        if let Some(other) = &other.mailbox {
            let mailbox = self.mailbox.get_or_insert_default();
            mailbox.waits.merge(&other.waits);
            mailbox.waited += other.waited;
            mailbox.batch_count += other.batch_count;
            mailbox.batched += other.batched;
            mailbox.batches.merge(&other.batches);
        }
    }

    /// What is behind it in memory.
    fn bytes(&self) -> usize {
        let mailbox = self.mailbox.as_ref().map_or(0, |mailbox| {
            heap(size_of::<Mailbox>()) + mailbox.waits.bytes() + mailbox.batches.bytes()
        });
        self.durations.bytes() + mailbox
    }
}

impl Change {
    fn number(self, number: &mut u64, by: u64) {
        *number = match self {
            Self::Add => number.saturating_add(by),
            Self::Take => number.saturating_sub(by),
        };
    }

    fn sum(self, sum: &mut u128, by: u64) {
        *sum = match self {
            Self::Add => *sum + u128::from(by),
            Self::Take => sum.saturating_sub(u128::from(by)),
        };
    }

    fn value(self, sketch: &mut Sketch, value: u64) {
        match self {
            Self::Add => sketch.add(value),
            Self::Take => sketch.take(value),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU64;

    use super::super::model::{Attribute, Double, SpanId, Status, Value};
    use super::sketch::Distribution;
    use super::*;

    /// The moment at which all this happens: the beginning of a slot.
    const NOW: u64 = 170_000_000 * SLOT;
    const MILLISECOND: u64 = 1_000_000;

    /// A span that has ended now and took a millisecond.
    fn span(service: &str, name: &str) -> Span {
        Span {
            parent: Some(SpanId(NonZeroU64::MAX)),
            kind: Kind::Server,
            start: NOW - MILLISECOND,
            end: NOW,
            ..Span::named(service, name)
        }
    }

    /// An actor's message that waited for a millisecond.
    fn message(actor: &str) -> Span {
        let text = |text: &str| Value::String(text.into());
        let attribute = |key: &str, value| Attribute { key: key.into(), value };
        let attributes = [
            attribute("actix.actor.name", text(actor)),
            attribute("actix.message.kind", text("ask")),
            attribute("actix.mailbox.wait", Value::Double(Double(0.001))),
        ];
        Span { kind: Kind::Internal, attributes: attributes.into(), ..span("store", "ask") }
    }

    fn monitor(series: usize, bytes: usize) -> Monitor {
        Monitor::new(SeriesBounds { series, bytes }, NOW)
    }

    fn counts(series: Option<&Series>) -> Vec<(u64, u64, u64)> {
        let buckets = series.into_iter().flat_map(|series| series.between(0, u64::MAX));
        buckets
            .map(|bucket| (bucket.slot + SLOTS - NOW / SLOT, bucket.count, bucket.errors))
            .collect()
    }

    fn operation<'m>(monitor: &'m Monitor, name: &str) -> Option<&'m Series> {
        monitor.service(Some("store"))?.operation_of(name, Kind::Server)
    }

    #[test]
    fn a_span_counts_in_the_slot_of_its_end_whenever_it_comes() {
        let mut monitor = monitor(100, 1 << 20);
        let failed = Span { status: Status::Error, ..span("store", "GET /") };

        monitor.count(&span("store", "GET /"));
        monitor.count(&Span { end: NOW - 1, ..failed.clone() });
        monitor.count(&Span { end: NOW - 100 * SLOT, ..span("store", "GET /") });
        monitor.count(&span("store", "GET /"));

        assert_eq!(
            counts(operation(&monitor, "GET /")),
            [(SLOTS - 100, 1, 0), (SLOTS - 1, 1, 1), (SLOTS, 2, 0)]
        );

        let (of_the_hour, too_late) = (NOW - SLOTS * SLOT, NOW - SLOTS * SLOT - 1);
        monitor.advance(NOW + SLOT);
        monitor.advance(NOW);
        for end in [of_the_hour + SLOT, of_the_hour, too_late, NOW + 3 * SLOT] {
            monitor.count(&Span { end, ..span("store", "GET /") });
        }

        assert_eq!((monitor.totals.late, monitor.totals.future), (2, 1));
        assert_eq!(counts(operation(&monitor, "GET /"))[0], (1, 1, 0));
    }

    #[test]
    fn what_came_again_with_another_content_counts_as_it_came_last() {
        let mut monitor = monitor(100, 1 << 20);
        let former = Span { parent: None, ..message("Aisle") };
        let later = Span {
            end: NOW + SLOT,
            status: Status::Error,
            attributes: Box::default(),
            ..former.clone()
        };
        monitor.count(&former);
        let only = span("store", "GET /");
        monitor.count(&only);

        monitor.uncount(&former);
        monitor.count(&later);

        let service = monitor.service(Some("store")).expect("a service");
        let asked = service.operation_of("ask", Kind::Internal);
        assert_eq!(counts(asked), [(SLOTS, 0, 0), (SLOTS + 1, 1, 1)]);
        assert_eq!(counts(Some(&service.roots)), [(SLOTS, 0, 0), (SLOTS + 1, 1, 1)]);
        let aisle = service.actor_of("Aisle").expect("an actor");
        let bucket = aisle.between(0, u64::MAX).next().expect("a bucket");
        let mailbox = bucket.mailbox.as_deref().expect("a mailbox");
        let mut sum = Distribution::default();
        sum.add(&mailbox.waits);
        sum.add(&bucket.durations);
        assert_eq!(
            (bucket.count, bucket.total, mailbox.waited, sum.quantile(1.0)),
            (0, 0, 0, None)
        );
        assert_eq!(counts(operation(&monitor, "GET /")), [(SLOTS, 1, 0)]);
    }

    #[test]
    fn an_actor_has_its_messages_their_waits_and_its_batches() {
        let mut monitor = monitor(100, 1 << 20);
        let batch = Span {
            attributes: [
                Attribute { key: "actix.actor.name".into(), value: Value::String("Aisle".into()) },
                Attribute { key: "actix.batch.message_count".into(), value: Value::Int(4) },
            ]
            .into(),
            ..message("Aisle")
        };

        for _ in 0..3 {
            monitor.count(&message("Aisle"));
        }
        monitor.count(&batch);

        let aisle = monitor.service(Some("store")).and_then(|store| store.actor_of("Aisle"));
        let bucket = aisle.and_then(|aisle| aisle.between(0, u64::MAX).next()).expect("a bucket");
        let mailbox = bucket.mailbox.as_deref().expect("a mailbox");
        assert_eq!((bucket.count, mailbox.waited), (3, u128::from(3 * MILLISECOND)));
        assert_eq!((mailbox.batch_count, mailbox.batched), (1, 4));
    }

    #[test]
    fn series_past_the_bound_are_one_and_are_counted() {
        // Room for a service, and two series of it.
        let mut monitor = monitor(OF_A_SERVICE + 2, 1 << 20);

        monitor.count(&span("store", "GET /"));
        monitor.count(&message("Aisle"));
        for number in 0..1_000 {
            monitor.count(&span("store", &format!("GET /{number}")));
            monitor.count(&message(&format!("Aisle {number}")));
            monitor.count(&span(&format!("stranger {number}"), "GET /"));
        }

        let store = monitor.service(Some("store")).expect("the service");
        let counted = |(kind, series)| (kind, counts(Some(series)));
        let other: Vec<_> = store.other_operations().map(counted).collect();
        assert_eq!(other, [(Kind::Server, vec![(SLOTS, 1_000, 0)])]);
        assert_eq!(counts(Some(&store.other_actors)), [(SLOTS, 1_001, 0)]);
        let strangers = monitor.service(None).expect("the others");
        let other: Vec<_> = strangers.other_operations().map(counted).collect();
        assert_eq!(other, [(Kind::Server, vec![(SLOTS, 1_000, 0)])]);
        assert_eq!(monitor.totals.other, 3_001);
        assert!(monitor.bytes() < 64 << 10, "{}", monitor.bytes());

        monitor.advance(NOW + (SLOTS + 2) * SLOT);
        assert_eq!((monitor.series_count(), monitor.bytes()), (0, 0));
    }

    #[test]
    fn past_the_bound_on_bytes_the_oldest_slots_go() {
        let bytes = 100 << 10;
        let mut monitor = monitor(1_000, bytes);

        for slot in (0..SLOTS).rev() {
            for duration in (0..60).map(|shift| 1 << shift) {
                let end = NOW - slot * SLOT;
                let start = end.saturating_sub(duration);
                monitor.count(&Span { start, end, ..span("store", "GET /") });
                assert!(monitor.bytes() <= bytes, "{}", monitor.bytes());
            }
        }

        let counted = counts(operation(&monitor, "GET /"));
        assert_eq!(counted.last(), Some(&(SLOTS, 60, 0)));
        assert!(counted.len() > 50 && counted.len() < 300, "{}", counted.len());
        assert_eq!(monitor.oldest(), Some(monitor.first()));
        let held: usize = monitor.services.values().flat_map(Service::all).map(Series::bytes).sum();
        let names = monitor.bytes() - held;
        assert!(names < 1_000, "{names} beside {held}");
    }
}
