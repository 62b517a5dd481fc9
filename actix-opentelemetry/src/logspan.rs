//! The `tracing` span in which a message is handled, so that what its handler logs carries the
//! fields of whoever sent it: feature `tracing`. Without it, each of these is nothing.
//!
//! The span is called `actor` and names the actor and the message. It is a child of the span that is
//! current where the message is sent, and is made there, because `tracing` has no other way to a
//! span's fields than the span itself; so the sender's span stays open until the message is handled.
//! Entering the sender's own span instead would have its end and its busy time include the
//! receiver's, and a log line would name the wrong actor.
//!
//! It is for logs alone. A layer that turns `tracing` spans into OpenTelemetry's would have each
//! message twice; so the span is made where telemetry is suppressed, and the layer sees that.

#[cfg(feature = "tracing")]
pub(crate) use enabled::*;

#[cfg(not(feature = "tracing"))]
pub(crate) use disabled::*;

#[cfg(feature = "tracing")]
mod enabled {
    use opentelemetry::Context;
    use tracing::Span;
    use tracing::level_filters::LevelFilter;
    use tracing::span::Entered;

    use crate::actor::TracedActor;
    use crate::operation::{Kind, Operation};
    use crate::origin::{attach, current, is_ending};
    use crate::relation;

    /// The span in which a message's code logs.
    #[derive(Debug, Clone)]
    pub(crate) enum LogSpan {
        /// Made when the message is handled: one that belongs to nobody's trace, such as a timer's.
        Later,
        Made(Span),
    }

    impl Default for LogSpan {
        fn default() -> Self {
            Self::Made(Span::none())
        }
    }

    impl LogSpan {
        /// The span of a message that is sent or set now, in this context.
        pub(crate) fn of<A: TracedActor>(
            cx: &Context,
            kind: Kind,
            operation: impl FnOnce() -> &'static Operation,
        ) -> Self {
            if LevelFilter::current() == LevelFilter::OFF || is_ending() {
                Self::default()
            } else if relation::begins_anew::<A>(cx, kind) {
                Self::Later
            } else {
                Self::Made(make(operation()))
            }
        }

        /// The span that is current now, for work that goes on in it.
        pub(crate) fn current() -> Self {
            if is_ending() { Self::default() } else { Self::Made(Span::current()) }
        }

        /// One that is made when what it is for begins.
        pub(crate) fn later() -> Self {
            Self::Later
        }

        /// The message is handled now.
        pub(crate) fn begin(&mut self, operation: impl FnOnce() -> &'static Operation) {
            if let Self::Later = self {
                *self = match LevelFilter::current() {
                    LevelFilter::OFF => Self::default(),
                    _ => Self::Made(make(operation())),
                };
            }
        }

        /// Makes it current. The context is to be made current after it, since a layer that knows
        /// both makes a context current with each span.
        pub(crate) fn enter(&self) -> Option<Entered<'_>> {
            match self {
                Self::Made(span) if !span.is_none() => Some(span.enter()),
                _ => None,
            }
        }
    }

    fn make(operation: &'static Operation) -> Span {
        let span = {
            let _suppressed = attach(current().with_telemetry_suppressed());
            let kind = operation.kind.as_str();
            tracing::info_span!(
                target: "actix_opentelemetry",
                "actor",
                actix.actor.name = operation.actor,
                actix.message.type = operation.message,
                actix.message.kind = kind,
            )
        };
        // Filtered out: then at least the sender's.
        if span.is_disabled() { Span::current() } else { span }
    }
}

#[cfg(not(feature = "tracing"))]
mod disabled {
    use opentelemetry::Context;

    use crate::actor::TracedActor;
    use crate::operation::{Kind, Operation};

    // With a field, so that callers write what the other one needs: `default()` and `clone()`.
    #[derive(Debug, Clone, Default)]
    pub(crate) struct LogSpan(());

    impl LogSpan {
        #[inline]
        #[expect(clippy::extra_unused_type_parameters, reason = "the other one needs it")]
        pub(crate) fn of<A: TracedActor>(
            _: &Context,
            _: Kind,
            _: impl FnOnce() -> &'static Operation,
        ) -> Self {
            Self(())
        }

        #[inline]
        pub(crate) fn current() -> Self {
            Self(())
        }

        #[inline]
        pub(crate) fn later() -> Self {
            Self(())
        }

        #[inline]
        pub(crate) fn begin(&mut self, _: impl FnOnce() -> &'static Operation) {}

        #[inline]
        pub(crate) fn enter(&self) -> Option<()> {
            None
        }
    }
}
