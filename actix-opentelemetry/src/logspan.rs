//! The `tracing` span in which a message is handled, so that the log lines of its handler carry the
//! fields of the sender's span. It exists with the feature `tracing`; without it, the functions
//! here do nothing.
//!
//! The span is called `actor` and names the actor and the message. It is a child of the span that
//! is current where the message is sent. It is made there, because `tracing` has no other way to a
//! span's fields than the span itself; so the sender's span stays open until the message is
//! handled. The sender's own span is not entered instead: its end and its busy time would include
//! those of the receiver, and a log line would name the wrong actor.
//!
//! The span is for logs alone. A layer that turns `tracing` spans into OpenTelemetry spans would
//! make a second span of each message. To prevent that, the span is made with telemetry suppressed,
//! which such a layer respects.

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
        /// To be made when the message is handled. For a message that belongs to no sender's trace,
        /// such as a timer's.
        Later,
        Made(Span),
    }

    impl Default for LogSpan {
        fn default() -> Self {
            Self::Made(Span::none())
        }
    }

    impl LogSpan {
        /// The span of a message that is sent now, or of a timer that is set now, in this context.
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

        /// The span that is current now.
        pub(crate) fn current() -> Self {
            if is_ending() { Self::default() } else { Self::Made(Span::current()) }
        }

        /// A span that [`begin`](Self::begin) makes.
        pub(crate) fn later() -> Self {
            Self::Later
        }

        /// Makes the span if it is still to be made: the message is handled now.
        pub(crate) fn begin(&mut self, operation: impl FnOnce() -> &'static Operation) {
            if let Self::Later = self {
                *self = match LevelFilter::current() {
                    LevelFilter::OFF => Self::default(),
                    _ => Self::Made(make(operation())),
                };
            }
        }

        /// Makes the span current. Make the OpenTelemetry context current after it: a layer that
        /// knows both makes a context of its own current with each span.
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
        // If the span is filtered out, log lines at least carry the sender's fields.
        if span.is_disabled() { Span::current() } else { span }
    }
}

#[cfg(not(feature = "tracing"))]
mod disabled {
    use opentelemetry::Context;

    use crate::actor::TracedActor;
    use crate::operation::{Kind, Operation};

    // It has a field so that callers have to write `default()` and `clone()`, which the version
    // with `tracing` needs.
    #[derive(Debug, Clone, Default)]
    pub(crate) struct LogSpan(());

    impl LogSpan {
        #[inline]
        #[expect(clippy::extra_unused_type_parameters, reason = "used with the feature `tracing`")]
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
