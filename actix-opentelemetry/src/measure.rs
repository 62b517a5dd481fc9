//! Measuring messages, for the rest of the crate. Without the feature `metrics` the functions here
//! do nothing. With it and without a meter they read one static and return; only live actors are
//! counted always, so that a meter that is set later knows of those that run already.

#[cfg(feature = "metrics")]
pub(crate) use crate::metrics::{
    Live, MailboxSlot, Stopwatch, ask_failed, dropped, is_enabled, panicked, restarted,
    without_context,
};

#[cfg(not(feature = "metrics"))]
pub(crate) use disabled::*;

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
    pub(crate) struct MailboxSlot<A>(PhantomData<fn(A)>, Infallible);

    impl<A> MailboxSlot<A> {
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
