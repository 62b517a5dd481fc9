//! The names that the spans of an actor and a message type have, made once for each pair.
//!
//! A span name needs `format!`, which is too slow to be called for each message, and a `static`
//! cannot depend on a type parameter. So the names are made once and never freed. They are looked
//! up in three steps:
//!
//! 1. the pairs that this thread met last, without even a hash lookup. The hash lookup alone would
//!    be a tenth of what tracing an ask may cost;
//! 2. an index of each thread's own, without a lock;
//! 3. one table for all threads.

use std::any::{TypeId, type_name};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::hash::{BuildHasher, BuildHasherDefault, Hasher};
use std::marker::PhantomData;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use actix::{Message, Recipient};
use opentelemetry::KeyValue;

use crate::actor::TracedActor;
#[cfg(feature = "metrics")]
use crate::attribute;
use crate::selection::Selected;

/// How a message reached its actor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Ask,
    Tell,
    Notify,
    Delayed,
    Interval,
    Stream,
    Batch,
    Restart,
}

impl Kind {
    const COUNT: usize = 8;

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Ask => "ask",
            Self::Tell => "tell",
            Self::Notify => "notify",
            Self::Delayed => "delayed",
            Self::Interval => "interval",
            Self::Stream => "stream",
            Self::Batch => "batch",
            Self::Restart => "restart",
        }
    }

    /// Whether it is sent, as opposed to a timer or a stream that the actor registers.
    pub(crate) const fn is_sent(self) -> bool {
        !self.is_registered()
    }

    /// Whether it comes from a timer or a stream that was registered before.
    pub(crate) const fn is_registered(self) -> bool {
        matches!(self, Self::Delayed | Self::Interval | Self::Stream)
    }
}

/// What is known about a span from the types of its actor and message alone.
#[derive(Debug)]
pub(crate) struct Operation {
    pub(crate) kind: Kind,
    /// The actor's name; empty where the actor is not known.
    pub(crate) actor: &'static str,
    /// The message's type with its path. A timer has none: it runs a closure.
    pub(crate) message: Option<&'static str>,
    /// The message's type without its path. For work without a message, such as a timer's, its
    /// kind.
    pub(crate) short_message: &'static str,
    pub(crate) span_name: &'static str,
    pub(crate) function: &'static str,
    pub(crate) selected: Selected,
    #[cfg_attr(not(feature = "metrics"), expect(dead_code, reason = "only metrics have labels"))]
    labels: OnceLock<Box<[KeyValue]>>,
}

impl Operation {
    /// The attributes that its metrics have. They are made once and not for each measurement.
    #[cfg(feature = "metrics")]
    pub(crate) fn labels(&self) -> &[KeyValue] {
        self.labels.get_or_init(|| {
            let actor = (!self.actor.is_empty()).then_some(self.actor);
            let labels = [
                actor.map(|actor| KeyValue::new(attribute::ACTOR_NAME, actor)),
                self.message.map(|message| KeyValue::new(attribute::MESSAGE_TYPE, message)),
                Some(KeyValue::new(attribute::MESSAGE_KIND, self.kind.as_str())),
            ];
            labels.into_iter().flatten().collect()
        })
    }

    /// Whether it was selected to have no spans: see [`Selection`](crate::Selection).
    #[inline]
    pub(crate) fn is_off(&self) -> bool {
        self.selected.is_off(self.actor, &[self.short_message, self.message.unwrap_or_default()])
    }
}

/// The operation of a message of type `M` to an `A`.
pub(crate) fn of_message<A: TracedActor, M: 'static>(kind: Kind) -> &'static Operation {
    slots::<A, M>().operations[kind as usize]
        .get_or_init(|| named(kind, A::NAME, types::<A, M>(), "Handler"))
}

/// The operation of a message of type `M` to a `Recipient`, of which the actor is not known.
pub(crate) fn of_recipient<M: Message + Send + 'static>(kind: Kind) -> &'static Operation
where
    M::Result: Send,
{
    slots::<Recipient<M>, M>().operations[kind as usize].get_or_init(|| {
        let message = type_name::<M>();
        let short = short_name(message);
        Operation {
            kind,
            actor: "",
            span_name: leak(format!("{} {short}", kind.as_str())),
            function: "",
            message: Some(message),
            short_message: leak(short),
            selected: Selected::default(),
            labels: OnceLock::new(),
        }
    })
}

/// The operation of an item of type `I` in a stream that an `A` listens to.
pub(crate) fn of_item<A: TracedActor, I: 'static>() -> &'static Operation {
    // Tells it from a message of the same type, which another trait handles.
    struct Item<I>(PhantomData<I>);
    let kind = Kind::Stream;
    slots::<A, Item<I>>().operations[kind as usize]
        .get_or_init(|| named(kind, A::NAME, types::<A, I>(), "StreamHandler"))
}

/// The operation of a supervised restart of an `A`.
pub(crate) fn of_restart<A: TracedActor>() -> &'static Operation {
    struct Restart;
    of_own_work::<A, Restart>(Kind::Restart, || format!("restart {}", A::NAME))
}

/// The operation of a batch of messages to an `A`.
pub(crate) fn of_batch<A: TracedActor>() -> &'static Operation {
    struct Batch;
    of_own_work::<A, Batch>(Kind::Batch, || format!("process {} batch", A::NAME))
}

fn of_own_work<A: TracedActor, W: 'static>(
    kind: Kind,
    name: impl FnOnce() -> String,
) -> &'static Operation {
    slots::<A, W>().operations[kind as usize].get_or_init(|| Operation {
        kind,
        actor: A::NAME,
        span_name: leak(name()),
        function: type_name::<A>(),
        message: None,
        short_message: kind.as_str(),
        selected: Selected::default(),
        labels: OnceLock::new(),
    })
}

/// The full names of an actor's and a message's type.
fn types<A, M>() -> (&'static str, &'static str) {
    (type_name::<A>(), type_name::<M>())
}

fn named(
    kind: Kind,
    name: &'static str,
    (actor, message): (&'static str, &'static str),
    handler: &str,
) -> Operation {
    let short = short_name(message);
    Operation {
        kind,
        actor: name,
        span_name: leak(format!("{} {name} {short}", kind.as_str())),
        function: leak(format!("<{actor} as {handler}<{message}>>::handle")),
        message: Some(message),
        short_message: leak(short),
        selected: Selected::default(),
        labels: OnceLock::new(),
    }
}

/// The operation of a timer of an `A` that runs the closure `F`.
pub(crate) fn of_closure<A: TracedActor, F: 'static>(kind: Kind) -> &'static Operation {
    slots::<A, F>().operations[kind as usize].get_or_init(|| Operation {
        kind,
        actor: A::NAME,
        span_name: leak(format!("{} {}", kind.as_str(), A::NAME)),
        function: type_name::<F>(),
        message: None,
        short_message: kind.as_str(),
        selected: Selected::default(),
        labels: OnceLock::new(),
    })
}

/// Whether this is the first call for this pair of types. [`lost`](crate::lost) logs only then.
pub(crate) fn is_first_lost<A: TracedActor, M: 'static>() -> bool {
    !slots::<A, M>().is_known_lost.swap(true, Ordering::Relaxed)
}

/// The operations of one pair of types, one for each kind, each made when it is first needed.
#[derive(Default)]
struct Slots {
    operations: [OnceLock<Operation>; Kind::COUNT],
    is_known_lost: AtomicBool,
}

type Table = HashMap<TypeId, &'static Slots, BuildHasherDefault<TypeIdHasher>>;

static TABLE: Mutex<Option<Table>> = Mutex::new(None);

thread_local! {
    static INDEX: RefCell<Table> = RefCell::default();

    /// The pairs that this thread met last. The key of a pair decides its place.
    static RECENT: [Cell<Option<(TypeId, &'static Slots)>>; RECENT_COUNT] =
        const { [const { Cell::new(None) }; RECENT_COUNT] };
}

/// More pairs than most actor systems have on one thread. Two pairs with the same place replace
/// each other.
const RECENT_COUNT: usize = 64;

fn slots<A: 'static, M: 'static>() -> &'static Slots {
    let key = TypeId::of::<PhantomData<(A, M)>>();
    let place = BuildHasherDefault::<TypeIdHasher>::default().hash_one(key) as usize % RECENT_COUNT;
    RECENT.with(|recent| match recent[place].get() {
        Some((known, slots)) if known == key => slots,
        _ => {
            let slots = indexed_slots(key);
            recent[place].set(Some((key, slots)));
            slots
        }
    })
}

fn indexed_slots(key: TypeId) -> &'static Slots {
    // While a thread ends its locals are dropped, which may end spans after the index is gone.
    INDEX
        .try_with(|index| *index.borrow_mut().entry(key).or_insert_with(|| shared_slots(key)))
        .unwrap_or_else(|_| shared_slots(key))
}

fn shared_slots(key: TypeId) -> &'static Slots {
    let mut table = TABLE.lock().unwrap_or_else(PoisonError::into_inner);
    table.get_or_insert_default().entry(key).or_insert_with(|| Box::leak(Box::default()))
}

fn leak(name: String) -> &'static str {
    Box::leak(name.into_boxed_str())
}

/// Takes the module paths out of a type's name: `a::Box<b::C>` becomes `Box<C>`.
fn short_name(full: &str) -> String {
    let mut short = String::with_capacity(full.len());
    let mut segment = 0;
    for (index, letter) in full.char_indices() {
        if letter.is_alphanumeric() || letter == '_' {
            continue;
        }
        if letter == ':' {
            segment = index + 1;
        } else {
            short.push_str(&full[segment..index]);
            short.push(letter);
            segment = index + letter.len_utf8();
        }
    }
    short.push_str(&full[segment..]);
    short
}

/// A hasher that returns what it is given, because a `TypeId` is a hash already.
#[derive(Default)]
struct TypeIdHasher(u64);

impl Hasher for TypeIdHasher {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, value: u64) {
        self.0 = value;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::short_name;

    #[test]
    fn a_short_name_has_no_paths_but_keeps_its_parameters() {
        assert_eq!(short_name("store::actors::Reserve"), "Reserve");
        assert_eq!(short_name("Reserve"), "Reserve");
        assert_eq!(short_name("alloc::sync::Arc<store::Reserve>"), "Arc<Reserve>");
        assert_eq!(short_name("core::result::Result<a::B, (c::D, &e::F)>"), "Result<B, (D, &F)>");
    }
}
