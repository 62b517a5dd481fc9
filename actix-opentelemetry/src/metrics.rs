//! Metrics of messages and actors: how long they take, how many wait, how they fail. Feature
//! `metrics`, on by default.
//!
//! Nothing is measured until [`set_meter`] is called; call it before the actors start. From then on
//! every message of every traced actor is measured, whether its trace is sampled or not:
//!
//! | instrument | kind, unit | what | attributes |
//! |---|---|---|---|
//! | `actix.message.duration` | histogram, `s` | from the handler's start until the reply is ready | actor, message, kind, `error.type` of a failure |
//! | `actix.message.active` | observable up-down counter, `{message}` | messages that are being handled, until the reply is ready | actor, message, kind |
//! | `actix.message.active.max_age` | observable gauge, `s` | how long the oldest of these has been handled: what shows a handler that is stuck | actor, message, kind |
//! | `actix.mailbox.wait.duration` | histogram, `s` | from sending until handling; of a timer, how late it fired | actor, message, kind |
//! | `actix.mailbox.depth` | up-down counter, `{message}` | messages in the mailboxes | actor |
//! | `actix.message.dropped` | counter, `{message}` | messages that no handler got | actor, message, kind, [`actix.message.drop_reason`](crate::attribute::DROP_REASON) |
//! | `actix.message.without_context` | counter, `{message}` | messages that were sent outside any trace to an actor that starts none: where contexts are lost | actor, message, kind |
//! | `actix.ask.failures` | counter, `{ask}` | calls of [`ask`](crate::ask()) that got no reply | actor, message, kind, `error.type` |
//! | `actix.actor.live` | observable up-down counter, `{actor}` | actors that have started and not ended | actor |
//! | `actix.actor.panics` | counter, `{panic}` | panics, in handlers, replies, timers, spawned work, `started` | actor |
//! | `actix.actor.restarts` | counter, `{restart}` | restarts by a supervisor, and those that [`count_restart`] is told of | actor |
//!
//! The attributes are named as on spans, see [`attribute`]. A timer's closure has
//! no message type.

use std::borrow::Cow;
use std::cell::Cell;
use std::collections::{BTreeMap, HashMap};
use std::marker::PhantomData;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, Histogram, Meter, UpDownCounter};

use crate::actor::TracedActor;
use crate::attribute;
use crate::operation::Operation;

/// The bounds of the histograms' buckets, in seconds: from a message handled at once on the same
/// thread (a microsecond) to one that has long been given up (ten seconds).
pub const BUCKET_BOUNDS: [f64; 15] = [
    0.000_001, 0.000_005, 0.000_01, 0.000_05, 0.000_1, 0.000_5, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5,
    1.0, 5.0, 10.0,
];

static INSTRUMENTS: OnceLock<Instruments> = OnceLock::new();

/// Measures all messages from now on, with instruments of this meter.
///
/// Only the first call has an effect; the answer says whether this was it.
///
/// ```
/// use actix_opentelemetry::metrics;
/// use opentelemetry::global;
///
/// let scope = actix_opentelemetry::instrumentation_scope();
/// metrics::set_meter(&global::meter_with_scope(scope));
/// ```
pub fn set_meter(meter: &Meter) -> bool {
    let mut is_first = false;
    INSTRUMENTS.get_or_init(|| {
        is_first = true;
        Instruments::new(meter)
    });
    is_first
}

/// Counts a restart of an `A`, in `actix.actor.restarts`.
///
/// Restarts by actix's supervisor are counted already. This is for supervision of one's own, which
/// starts a new actor in place of one that has stopped.
pub fn count_restart<A: TracedActor>() {
    restarted(A::NAME);
}

#[inline]
fn instruments() -> Option<&'static Instruments> {
    INSTRUMENTS.get()
}

#[derive(Debug)]
struct Instruments {
    duration: Histogram<f64>,
    wait: Histogram<f64>,
    depth: UpDownCounter<i64>,
    dropped: Counter<u64>,
    without_context: Counter<u64>,
    ask_failures: Counter<u64>,
    panics: Counter<u64>,
    restarts: Counter<u64>,
}

impl Instruments {
    fn new(meter: &Meter) -> Self {
        let seconds = |name, description| {
            meter
                .f64_histogram(name)
                .with_unit("s")
                .with_description(description)
                .with_boundaries(BUCKET_BOUNDS.to_vec())
                .build()
        };
        let count = |name, unit, description| {
            meter.u64_counter(name).with_unit(unit).with_description(description).build()
        };
        observe(meter);
        Self {
            duration: seconds(
                "actix.message.duration",
                "From the start of a message's handler until its reply is ready.",
            ),
            wait: seconds(
                "actix.mailbox.wait.duration",
                "From the sending of a message until its handling.",
            ),
            depth: meter
                .i64_up_down_counter("actix.mailbox.depth")
                .with_unit("{message}")
                .with_description("Messages that wait in mailboxes.")
                .build(),
            dropped: count("actix.message.dropped", "{message}", "Messages that no handler got."),
            without_context: count(
                "actix.message.without_context",
                "{message}",
                "Messages that were sent outside any trace.",
            ),
            ask_failures: count("actix.ask.failures", "{ask}", "Asks that got no reply."),
            panics: count("actix.actor.panics", "{panic}", "Panics of actors."),
            restarts: count(
                "actix.actor.restarts",
                "{restart}",
                "Restarts of actors by their supervisors.",
            ),
        }
    }
}

/// Makes the instruments that are read when metrics are exported. The meter keeps them.
fn observe(meter: &Meter) {
    meter
        .i64_observable_up_down_counter("actix.actor.live")
        .with_unit("{actor}")
        .with_description("Actors that have started and not ended.")
        .with_callback(|live| {
            for_each_live_actor(|actor, count| {
                live.observe(count, &[KeyValue::new(attribute::ACTOR_NAME, actor)]);
            });
        })
        .build();
    meter
        .i64_observable_up_down_counter("actix.message.active")
        .with_unit("{message}")
        .with_description("Messages that are being handled.")
        .with_callback(|active| {
            for_each_active(|operation, count, _| {
                active.observe(count, operation.labels());
            });
        })
        .build();
    meter
        .f64_observable_gauge("actix.message.active.max_age")
        .with_unit("s")
        .with_description("How long the oldest message that is being handled has been.")
        .with_callback(|age| {
            for_each_active(|operation, _, oldest: Option<Instant>| {
                let oldest = oldest.map_or(Duration::ZERO, |started| started.elapsed());
                age.observe(oldest.as_secs_f64(), operation.labels());
            });
        })
        .build();
}

/// The attributes of a message, and one more.
fn labels_and(operation: &Operation, more: KeyValue) -> Vec<KeyValue> {
    [operation.labels(), &[more]].concat()
}

/// Whether anything is measured.
#[inline]
pub(crate) fn is_enabled() -> bool {
    instruments().is_some()
}

/// Measures how long a message takes.
#[derive(Debug)]
pub(crate) struct Stopwatch {
    operation: &'static Operation,
    started: Instant,
    active: Active,
}

impl Stopwatch {
    /// Starts measuring, if there is a meter. The result is boxed because it is part of a
    /// [`MessageSpan`](crate::span::MessageSpan), which is moved often and in most systems measures
    /// nothing.
    #[inline]
    pub(crate) fn start(
        operation: &'static Operation,
        wait: Option<Duration>,
    ) -> Option<Box<Self>> {
        instruments().map(|instruments| Self::measure(instruments, operation, wait))
    }

    fn measure(
        instruments: &Instruments,
        operation: &'static Operation,
        wait: Option<Duration>,
    ) -> Box<Self> {
        if let Some(wait) = wait {
            instruments.wait.record(wait.as_secs_f64(), operation.labels());
        }
        let started = Instant::now();
        Box::new(Self { operation, started, active: Active::new(operation, started) })
    }

    pub(crate) fn stop(self, error_type: Option<&Cow<'static, str>>) {
        let Some(instruments) = instruments() else { return };
        let seconds = self.started.elapsed().as_secs_f64();
        drop(self.active);
        match error_type {
            None => instruments.duration.record(seconds, self.operation.labels()),
            Some(error_type) => {
                let error = KeyValue::new(attribute::ERROR_TYPE, error_type.clone());
                instruments.duration.record(seconds, &labels_and(self.operation, error));
            }
        }
    }
}

/// An entry of the list of messages that are being handled. It is removed when this is dropped.
#[derive(Debug)]
struct Active {
    list: &'static Mutex<ActiveList>,
    place: usize,
}

/// The messages that are being handled. Places that became free are used again, so the list grows
/// only to the largest number of messages that were ever handled at once.
#[derive(Debug, Default)]
struct ActiveList {
    places: Vec<Option<(&'static Operation, Instant)>>,
    free: Vec<usize>,
}

/// There are several lists, and each thread uses one of them, so that threads seldom wait for one
/// another.
const LIST_COUNT: usize = 16;

static LISTS: [Mutex<ActiveList>; LIST_COUNT] =
    [const { Mutex::new(ActiveList { places: Vec::new(), free: Vec::new() }) }; LIST_COUNT];

thread_local! {
    static LIST: Cell<Option<usize>> = const { Cell::new(None) };
}

fn list_of_this_thread() -> &'static Mutex<ActiveList> {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let index = LIST.get().unwrap_or_else(|| {
        let index = NEXT.fetch_add(1, Ordering::Relaxed) % LIST_COUNT;
        LIST.set(Some(index));
        index
    });
    &LISTS[index]
}

impl Active {
    fn new(operation: &'static Operation, started: Instant) -> Self {
        let list = list_of_this_thread();
        let ActiveList { places, free } = &mut *lock(list);
        let entry = Some((operation, started));
        let place = match free.pop() {
            Some(place) => {
                places[place] = entry;
                place
            }
            None => {
                places.push(entry);
                places.len() - 1
            }
        };
        Self { list, place }
    }
}

impl Drop for Active {
    fn drop(&mut self) {
        let mut list = lock(self.list);
        list.places[self.place] = None;
        list.free.push(self.place);
    }
}

/// Calls `each` for every operation that is or was handled, with how many of its messages are being
/// handled now and since when the oldest of them is.
fn for_each_active(mut each: impl FnMut(&'static Operation, i64, Option<Instant>)) {
    type Seen = HashMap<*const (), (&'static Operation, i64, Option<Instant>)>;
    // An operation without messages is told too, so that its series goes back to zero.
    static SEEN: Mutex<Option<Vec<&'static Operation>>> = Mutex::new(None);
    let key = |operation: &'static Operation| std::ptr::from_ref(operation).cast::<()>();

    let mut known = lock(&SEEN);
    let known = known.get_or_insert_default();
    let mut seen: Seen =
        known.iter().map(|operation| (key(operation), (*operation, 0, None))).collect();
    for list in &LISTS {
        for (operation, started) in lock(list).places.iter().flatten() {
            let (_, count, oldest) = seen.entry(key(operation)).or_insert_with(|| {
                known.push(operation);
                (*operation, 0, None)
            });
            *count += 1;
            *oldest = Some(oldest.map_or(*started, |oldest| oldest.min(*started)));
        }
    }
    for (operation, count, oldest) in seen.into_values() {
        each(operation, count, oldest);
    }
}

/// Counts an actor as live until this is dropped.
#[derive(Debug)]
pub(crate) struct Live(&'static str);

static LIVE: Mutex<BTreeMap<&'static str, i64>> = Mutex::new(BTreeMap::new());

impl Live {
    pub(crate) fn new(actor: &'static str) -> Self {
        *lock(&LIVE).entry(actor).or_default() += 1;
        Self(actor)
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        *lock(&LIVE).entry(self.0).or_default() -= 1;
    }
}

fn for_each_live_actor(mut each: impl FnMut(&'static str, i64)) {
    for (actor, count) in &*lock(&LIVE) {
        each(actor, *count);
    }
}

/// Counts a message in the mailbox of an `A` until this is dropped.
#[derive(Debug)]
pub(crate) struct MailboxSlot<A: TracedActor>(PhantomData<fn(A)>);

impl<A: TracedActor> MailboxSlot<A> {
    #[inline]
    pub(crate) fn take() -> Option<Self> {
        instruments().map(|instruments| {
            instruments.depth.add(1, &[KeyValue::new(attribute::ACTOR_NAME, A::NAME)]);
            Self(PhantomData)
        })
    }
}

impl<A: TracedActor> Drop for MailboxSlot<A> {
    fn drop(&mut self) {
        if let Some(instruments) = instruments() {
            instruments.depth.add(-1, &[KeyValue::new(attribute::ACTOR_NAME, A::NAME)]);
        }
    }
}

/// Counts a message that no handler gets.
pub(crate) fn dropped(operation: &'static Operation, reason: &'static str) {
    if let Some(instruments) = instruments() {
        let reason = KeyValue::new(attribute::DROP_REASON, reason);
        instruments.dropped.add(1, &labels_and(operation, reason));
    }
}

/// Counts a message that was sent outside any trace.
pub(crate) fn without_context(operation: &'static Operation) {
    if let Some(instruments) = instruments() {
        instruments.without_context.add(1, operation.labels());
    }
}

/// Counts an ask that got no reply, as its sender sees it.
pub(crate) fn ask_failed(operation: &'static Operation, error_type: &'static str) {
    if let Some(instruments) = instruments() {
        let error = KeyValue::new(attribute::ERROR_TYPE, error_type);
        instruments.ask_failures.add(1, &labels_and(operation, error));
    }
}

pub(crate) fn panicked(actor: &'static str) {
    if let Some(instruments) = instruments() {
        instruments.panics.add(1, &[KeyValue::new(attribute::ACTOR_NAME, actor)]);
    }
}

pub(crate) fn restarted(actor: &'static str) {
    if let Some(instruments) = instruments() {
        instruments.restarts.add(1, &[KeyValue::new(attribute::ACTOR_NAME, actor)]);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
