//! Where messages are measured. Without a meter, or without the feature `metrics`, each of these
//! is one look at a static that says so, or nothing.

#[cfg(feature = "metrics")]
pub(crate) use enabled::*;

#[cfg(not(feature = "metrics"))]
pub(crate) use disabled::*;

#[cfg(feature = "metrics")]
mod enabled {
    use std::borrow::Cow;
    use std::marker::PhantomData;
    use std::time::{Duration, Instant};

    use opentelemetry::KeyValue;

    use crate::actor::TracedActor;
    use crate::attribute;
    use crate::metrics::instruments;
    use crate::operation::Operation;
    use crate::outcome::Outcome;

    /// Whether anything is measured.
    pub(crate) fn is_enabled() -> bool {
        instruments().is_some()
    }

    /// Measures how long a message takes.
    #[derive(Debug)]
    pub(crate) struct Stopwatch {
        operation: &'static Operation,
        started: Instant,
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
            Some(Box::new(Self { operation, started: Instant::now() }))
        }

        pub(crate) fn stop(self, error_type: Option<&Cow<'static, str>>) {
            let Some(instruments) = instruments() else { return };
            let seconds = self.started.elapsed().as_secs_f64();
            let mut labels = labels(self.operation).to_vec();
            if let Some(error_type) = error_type {
                labels.push(KeyValue::new(attribute::ERROR_TYPE, error_type.clone()));
            }
            instruments.duration.record(seconds, &labels);
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

    pub(crate) fn dropped(operation: &'static Operation, outcome: &Outcome) {
        if let Some(instruments) = instruments() {
            let mut labels = labels(operation).to_vec();
            labels.push(KeyValue::new(attribute::DROP_REASON, outcome.as_str()));
            instruments.dropped.add(1, &labels);
        }
    }

    pub(crate) fn restarted(actor: &'static str) {
        if let Some(instruments) = instruments() {
            instruments.restarts.add(1, &[KeyValue::new(attribute::ACTOR_NAME, actor)]);
        }
    }

    fn labels(operation: &'static Operation) -> [KeyValue; 3] {
        [
            KeyValue::new(attribute::ACTOR_NAME, operation.actor),
            KeyValue::new(attribute::MESSAGE_TYPE, operation.message),
            KeyValue::new(attribute::MESSAGE_KIND, operation.kind.as_str()),
        ]
    }
}

#[cfg(not(feature = "metrics"))]
mod disabled {
    use std::borrow::Cow;
    use std::convert::Infallible;
    use std::marker::PhantomData;
    use std::time::Duration;

    use crate::operation::Operation;
    use crate::outcome::Outcome;

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

    /// Never made.
    #[derive(Debug)]
    pub(crate) struct Place<A>(PhantomData<fn(A)>, Infallible);

    impl<A> Place<A> {
        pub(crate) fn take() -> Option<Self> {
            None
        }
    }

    pub(crate) fn dropped(_: &'static Operation, _: &Outcome) {}

    pub(crate) fn restarted(_: &'static str) {}
}
