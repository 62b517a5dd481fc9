//! The names of a span, made once for each actor and message type.
//!
//! A span name needs `format!`, which has no place on the hot path; and a `static` cannot depend
//! on a type parameter. So the names live for ever in one table, and each thread keeps its own
//! index of it, which is read without a lock, and in front of that the pairs that it met last,
//! which are found without a hash lookup: that is a tenth of what tracing an ask may cost.

use std::any::{TypeId, type_name};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::hash::{BuildHasher, BuildHasherDefault, Hasher};
use std::marker::PhantomData;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use actix::{Message, Recipient};

use crate::actor::TracedActor;
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

    /// Whether it is sent by someone, and not set by the actor for later.
    pub(crate) const fn is_sent(self) -> bool {
        !self.is_registered()
    }

    /// Whether it comes of something that was registered before, as timers and streams are.
    pub(crate) const fn is_registered(self) -> bool {
        matches!(self, Self::Delayed | Self::Interval | Self::Stream)
    }
}

/// Everything about a span that depends on types alone.
#[derive(Debug)]
pub(crate) struct Operation {
    pub(crate) kind: Kind,
    /// Empty where the actor is not known.
    pub(crate) actor: &'static str,
    /// With its path; none for a timer, which runs a closure and not a message.
    pub(crate) message: Option<&'static str>,
    /// Without its path; of a timer and other work of the actor's own, what kind it is.
    pub(crate) short_message: &'static str,
    pub(crate) span_name: &'static str,
    pub(crate) function: &'static str,
    pub(crate) selected: Selected,
}

impl Operation {
    /// Whether it was selected to have no spans.
    #[inline]
    pub(crate) fn is_off(&self) -> bool {
        self.selected.is_off(self.actor, &[self.short_message, self.message.unwrap_or_default()])
    }
}

/// What a message of type `M` to an `A` is called.
pub(crate) fn of_message<A: TracedActor, M: 'static>(kind: Kind) -> &'static Operation {
    slots::<A, M>().operations[kind as usize].get_or_init(|| named::<A, M>(kind, "Handler"))
}

/// What a message of type `M` to whoever a `Recipient` stands for is called: the actor is not known.
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
        }
    })
}

/// What an item of type `I` of a stream that an `A` listens to is called.
pub(crate) fn of_item<A: TracedActor, I: 'static>() -> &'static Operation {
    // Apart from messages of the same type, which another trait handles.
    struct Item<I>(PhantomData<I>);
    let kind = Kind::Stream;
    slots::<A, Item<I>>().operations[kind as usize]
        .get_or_init(|| named::<A, I>(kind, "StreamHandler"))
}

/// What a supervised restart of an `A` is called.
pub(crate) fn of_restart<A: TracedActor>() -> &'static Operation {
    struct Restart;
    of_own_work::<A, Restart>(Kind::Restart, || format!("restart {}", A::NAME))
}

/// What a batch of messages to an `A` is called.
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
    })
}

fn named<A: TracedActor, M: 'static>(kind: Kind, handler: &str) -> Operation {
    let (actor, message) = (type_name::<A>(), type_name::<M>());
    let short = short_name(message);
    Operation {
        kind,
        actor: A::NAME,
        span_name: leak(format!("{} {} {short}", kind.as_str(), A::NAME)),
        function: leak(format!("<{actor} as {handler}<{message}>>::handle")),
        message: Some(message),
        short_message: leak(short),
        selected: Selected::default(),
    }
}

/// What a timer of an `A` that runs the closure `F` is called.
pub(crate) fn of_closure<A: TracedActor, F: 'static>(kind: Kind) -> &'static Operation {
    slots::<A, F>().operations[kind as usize].get_or_init(|| Operation {
        kind,
        actor: A::NAME,
        span_name: leak(format!("{} {}", kind.as_str(), A::NAME)),
        function: type_name::<F>(),
        message: None,
        short_message: kind.as_str(),
        selected: Selected::default(),
    })
}

/// Whether this is asked for the first time of this pair: see [`lost`](crate::lost).
pub(crate) fn is_first_lost<A: TracedActor, M: 'static>() -> bool {
    !slots::<A, M>().is_known_lost.swap(true, Ordering::Relaxed)
}

/// The names of one pair of types, each made when it is first needed.
#[derive(Default)]
struct Slots {
    operations: [OnceLock<Operation>; Kind::COUNT],
    is_known_lost: AtomicBool,
}

type Table = HashMap<TypeId, &'static Slots, BuildHasherDefault<TypeIdHasher>>;

static TABLE: Mutex<Option<Table>> = Mutex::new(None);

thread_local! {
    static INDEX: RefCell<Table> = RefCell::default();

    /// The pairs that this thread met last, each at a place that its key decides.
    static RECENT: [Cell<Option<(TypeId, &'static Slots)>>; RECENT_COUNT] =
        const { [const { Cell::new(None) }; RECENT_COUNT] };
}

/// Few actor systems have more pairs on one thread; two that share a place take turns in it.
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
    // The index is gone while a thread's locals are being dropped, which may end spans too.
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

/// Takes the module paths out of a type's name: `a::Box<b::C>` is `Box<C>`.
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

/// A `TypeId` is a hash already.
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
