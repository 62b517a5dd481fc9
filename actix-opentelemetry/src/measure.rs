//! Where messages are measured. Without a meter, or without the feature `metrics`, each of these
//! is one look at a static that says so, or nothing.

#[cfg(feature = "metrics")]
pub(crate) use enabled::*;

#[cfg(not(feature = "metrics"))]
pub(crate) use disabled::*;

#[cfg(feature = "metrics")]
mod enabled {
    use std::borrow::Cow;
    use std::cell::Cell;
    use std::collections::{BTreeMap, HashMap};
    use std::marker::PhantomData;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Mutex, MutexGuard, PoisonError};
    use std::time::{Duration, Instant};

    use opentelemetry::KeyValue;

    use crate::actor::TracedActor;
    use crate::attribute;
    use crate::metrics::{instruments, labels};
    use crate::operation::Operation;

    /// Whether anything is measured.
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
        /// Boxed, because most systems measure nothing and what holds it is moved often.
        pub(crate) fn start(
            operation: &'static Operation,
            wait: Option<Duration>,
        ) -> Option<Box<Self>> {
            let instruments = instruments()?;
            if let Some(wait) = wait {
                instruments.wait.record(wait.as_secs_f64(), &labels(operation));
            }
            let started = Instant::now();
            Some(Box::new(Self { operation, started, active: Active::new(operation, started) }))
        }

        pub(crate) fn stop(self, error_type: Option<&Cow<'static, str>>) {
            let Some(instruments) = instruments() else { return };
            let seconds = self.started.elapsed().as_secs_f64();
            drop(self.active);
            let mut labels = labels(self.operation);
            if let Some(error_type) = error_type {
                labels.push(KeyValue::new(attribute::ERROR_TYPE, error_type.clone()));
            }
            instruments.duration.record(seconds, &labels);
        }
    }

    /// A message that is being handled, in the list of those that are, until it is dropped.
    #[derive(Debug)]
    struct Active {
        list: &'static Mutex<ActiveList>,
        place: usize,
    }

    /// Messages that are being handled. Places that became free are used again, so that the list is
    /// as long as there ever were messages at once.
    #[derive(Debug, Default)]
    struct ActiveList {
        places: Vec<Option<(&'static Operation, Instant)>>,
        free: Vec<usize>,
    }

    /// Several lists, so that threads seldom wait for one another: each thread uses one of them.
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

    /// The messages of each operation that is being handled, or once was: how many there are, and
    /// since when the oldest is handled.
    pub(crate) fn for_each_active(mut each: impl FnMut(&'static Operation, i64, Option<Instant>)) {
        type Seen = HashMap<*const (), (&'static Operation, i64, Option<Instant>)>;
        // One that is handled no more is still told, so that an exporter hears of the zero.
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

    /// An actor that lives, until it is dropped.
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

    pub(crate) fn for_each_live_actor(mut each: impl FnMut(&'static str, i64)) {
        for (actor, count) in &*lock(&LIVE) {
            each(actor, *count);
        }
    }

    /// A message's place in the mailbox of an `A`.
    #[derive(Debug)]
    pub(crate) struct Place<A: TracedActor>(PhantomData<fn(A)>);

    impl<A: TracedActor> Place<A> {
        pub(crate) fn take() -> Option<Self> {
            instruments()?.depth.add(1, &[KeyValue::new(attribute::ACTOR_NAME, A::NAME)]);
            Some(Self(PhantomData))
        }
    }

    impl<A: TracedActor> Drop for Place<A> {
        fn drop(&mut self) {
            if let Some(instruments) = instruments() {
                instruments.depth.add(-1, &[KeyValue::new(attribute::ACTOR_NAME, A::NAME)]);
            }
        }
    }

    /// A message that no handler gets.
    pub(crate) fn dropped(operation: &'static Operation, reason: &'static str) {
        if let Some(instruments) = instruments() {
            let mut labels = labels(operation);
            labels.push(KeyValue::new(attribute::DROP_REASON, reason));
            instruments.dropped.add(1, &labels);
        }
    }

    /// A message that was sent outside any trace.
    pub(crate) fn without_context(operation: &'static Operation) {
        if let Some(instruments) = instruments() {
            instruments.without_context.add(1, &labels(operation));
        }
    }

    /// An ask that got no reply, as whoever asked sees it.
    pub(crate) fn ask_failed(operation: &'static Operation, error_type: &'static str) {
        if let Some(instruments) = instruments() {
            let mut labels = labels(operation);
            labels.push(KeyValue::new(attribute::ERROR_TYPE, error_type));
            instruments.ask_failures.add(1, &labels);
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
}

#[cfg(not(feature = "metrics"))]
mod disabled {
    use std::borrow::Cow;
    use std::convert::Infallible;
    use std::marker::PhantomData;
    use std::time::Duration;

    use crate::operation::Operation;

    pub(crate) fn is_enabled() -> bool {
        false
    }

    /// Never made.
    #[derive(Debug)]
    pub(crate) enum Stopwatch {}

    impl Stopwatch {
        pub(crate) fn start(_: &'static Operation, _: Option<Duration>) -> Option<Box<Self>> {
            None
        }

        pub(crate) fn stop(self, _: Option<&Cow<'static, str>>) {
            match self {}
        }
    }

    #[derive(Debug)]
    pub(crate) struct Live;

    impl Live {
        pub(crate) fn new(_: &'static str) -> Self {
            Self
        }
    }

    /// Never made.
    #[derive(Debug)]
    pub(crate) struct Place<A>(PhantomData<fn(A)>, Infallible);

    impl<A> Place<A> {
        pub(crate) fn take() -> Option<Self> {
            None
        }
    }

    pub(crate) fn dropped(_: &'static Operation, _: &'static str) {}

    pub(crate) fn without_context(_: &'static Operation) {}

    pub(crate) fn ask_failed(_: &'static Operation, _: &'static str) {}

    pub(crate) fn panicked(_: &'static str) {}

    pub(crate) fn restarted(_: &'static str) {}
}
