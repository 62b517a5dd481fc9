//! How the span of a message relates to the span of its sender. It is its child, or the root of a
//! trace of its own with or without a link back, or there is no span.

use std::borrow::Cow;
use std::time::SystemTime;

use opentelemetry::trace::{Link, SpanBuilder, SpanKind, TraceContextExt};
use opentelemetry::{Context, KeyValue};

use crate::actor::TracedActor;
use crate::operation::Kind;
use crate::origin::{TraceState, rootless};
use crate::policy::{RootPolicy, TimerPolicy};
use crate::selection;
use crate::tracer;

/// How the span of a message relates to the span of its sender.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Relation {
    /// There is no span. Only the context is carried, with this count of tells if it changes.
    Carried { hops: Option<Hops> },
    /// There is no span, because the sender was outside any trace. Tells are counted here only to
    /// cut chains of `tracing` spans.
    Outside { hops: Option<Hops> },
    /// There is no span, because telemetry is suppressed here.
    Suppressed,
    /// A child of the sender's span, and how many tells led here if that changes.
    Child { hops: Option<Hops> },
    /// A root with a link to the sender's span.
    LinkedRoot,
    /// A root without a link: the sampler refused the sender's trace, so a link would lead nowhere.
    FreshRoot,
    /// The root for a message from outside any trace.
    Root,
}

/// How many tells led here.
///
/// It is a context value, so it goes wherever the context goes, also through futures and threads
/// that this crate does not know of. For example, with a hop limit of 2:
///
/// ```text
/// request → tell A   in_a_row 1, rounds 1   child
///         → tell B   in_a_row 2, rounds 1   child
///         → ask C    in_a_row 0, rounds 1   child: an ask ends the row
///         → tell D   in_a_row 1, rounds 2   child
///         → tell E   in_a_row 2, rounds 2   child
///         → tell F   the limit is reached: a root with a link, and the count begins anew
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Hops {
    /// Tells since the last ask or root.
    in_a_row: u32,
    /// Rows of tells since the root, with asks between them.
    rounds: u32,
    /// Whether the next message begins a trace of its own, because the message that would have
    /// begun it was selected to have no span.
    is_cut: bool,
}

impl Relation {
    /// The relation that the policies of `A` ask for, for a message sent in the context `cx`, of
    /// which this is the state.
    #[inline]
    pub(crate) fn of<A: TracedActor>(cx: &Context, state: TraceState, kind: Kind) -> Self {
        // Most messages are asks with no tell before them. There is nothing to count then, and this
        // is what comes out below.
        if kind == Kind::Ask && cx.get::<Hops>().is_none() {
            return match state {
                TraceState::Recorded => Self::Child { hops: None },
                TraceState::Refused => Self::Carried { hops: None },
                TraceState::Suppressed => Self::Suppressed,
                TraceState::Outside if A::ROOT == RootPolicy::Start => Self::Root,
                TraceState::Outside => Self::Outside { hops: None },
            };
        }
        Self::counted::<A>(cx, state, kind)
    }

    fn counted<A: TracedActor>(cx: &Context, state: TraceState, kind: Kind) -> Self {
        let is_recorded = match state {
            TraceState::Outside if A::ROOT == RootPolicy::Start => return Self::Root,
            TraceState::Outside if selection::is_in_use() && Hops::of(cx).is_cut => {
                return Self::Root;
            }
            TraceState::Outside => return Self::Outside { hops: hops_outside::<A>(cx, kind) },
            TraceState::Suppressed => return Self::Suppressed,
            TraceState::Recorded => true,
            TraceState::Refused => false,
        };
        let hops = Hops::of(cx);
        // Most messages are asks, which leave the count as it is. Then no value has to be set.
        let changed = |next| (next != hops).then_some(next);
        match hops.next::<A>(kind) {
            Some(next) if is_recorded => Self::Child { hops: changed(next) },
            Some(next) => Self::Carried { hops: changed(next) },
            None if is_recorded => Self::LinkedRoot,
            None => Self::FreshRoot,
        }
    }

    /// The same for a message that was selected to have no span. The messages that it causes are
    /// under the sender's span; or, if it would have begun a trace, the next message begins that
    /// trace.
    pub(crate) fn without_span(self) -> Self {
        let cut = Hops { is_cut: true, ..Hops::default() };
        match self {
            Self::Child { hops } => Self::Carried { hops },
            Self::LinkedRoot | Self::FreshRoot => Self::Carried { hops: Some(cut) },
            Self::Root => Self::Outside { hops: Some(cut) },
            Self::Carried { .. } | Self::Outside { .. } | Self::Suppressed => self,
        }
    }

    /// Whether there is to be a span.
    #[inline]
    pub(crate) fn has_span(self) -> bool {
        !matches!(self, Self::Carried { .. } | Self::Outside { .. } | Self::Suppressed)
    }

    /// Makes the sender's context that of the message. Starts the span and puts it there, if there is
    /// to be one and there is a tracer provider, and says whether it did.
    #[inline]
    pub(crate) fn start(
        self,
        cx: &mut Context,
        name: &'static str,
        start_time: Option<SystemTime>,
        attributes: impl Fn() -> Vec<KeyValue>,
    ) -> bool {
        let sender = self.carry(cx);
        let sender = sender.as_ref();
        let link = match self {
            Self::LinkedRoot => {
                Some(Link::with_context(sender.unwrap_or(cx).span().span_context().clone()))
            }
            _ => None,
        };
        // Its fields are written where they stay: a builder that is changed step by step is moved each time.
        let builder = || SpanBuilder {
            span_kind: Some(SpanKind::Internal),
            name: Cow::Borrowed(name),
            start_time,
            attributes: Some(attributes()),
            events: None,
            links: link.as_ref().map(|link| vec![link.clone()]),
        };
        match self {
            Self::Carried { .. } | Self::Outside { .. } | Self::Suppressed => false,
            Self::LinkedRoot | Self::FreshRoot => {
                let parent = rootless(sender.unwrap_or(cx));
                tracer::start(builder, Some(&parent), cx)
            }
            Self::Child { .. } | Self::Root => tracer::start(builder, sender, cx),
        }
    }

    /// Makes the sender's context that of the message, without a span of its own. Returns the
    /// sender's context if that differs.
    #[inline(always)]
    pub(crate) fn carry(self, cx: &mut Context) -> Option<Context> {
        let hops = self.changed_hops(cx)?;
        let carried = cx.with_value(hops);
        Some(std::mem::replace(cx, carried))
    }

    #[inline(always)]
    fn changed_hops(self, cx: &Context) -> Option<Hops> {
        match self {
            Self::Carried { hops } | Self::Child { hops } | Self::Outside { hops } => hops,
            Self::Suppressed => None,
            Self::LinkedRoot | Self::FreshRoot | Self::Root => {
                (Hops::of(cx) != Hops::default()).then(Hops::default)
            }
        }
    }
}

impl Hops {
    fn of(cx: &Context) -> Self {
        cx.get::<Self>().copied().unwrap_or_default()
    }

    /// The count at the next message; `None` if that message begins a trace of its own.
    fn next<A: TracedActor>(self, kind: Kind) -> Option<Self> {
        if kind.is_registered() && A::TIMERS == TimerPolicy::LinkedRoot {
            return None;
        }
        let Self { in_a_row, rounds, is_cut } = self;
        if is_cut {
            return None;
        }
        match (kind, in_a_row) {
            (Kind::Ask, _) => Some(Self { in_a_row: 0, ..self }),
            (_, 0) if rounds >= A::ROUND_LIMIT => None,
            (_, in_a_row) if in_a_row >= A::HOP_LIMIT => None,
            (_, 0) => Some(Self { in_a_row: 1, rounds: rounds + 1, ..self }),
            (_, in_a_row) => Some(Self { in_a_row: in_a_row + 1, ..self }),
        }
    }
}

#[cfg(not(feature = "tracing"))]
#[inline]
#[expect(clippy::extra_unused_type_parameters, reason = "used with the feature `tracing`")]
fn hops_outside<A: TracedActor>(_: &Context, _: Kind) -> Option<Hops> {
    None
}

/// Outside a trace tells are counted for the sake of `tracing` spans: each of them keeps the spans
/// above it open, so a chain of tells without an end has to be cut.
#[cfg(feature = "tracing")]
fn hops_outside<A: TracedActor>(cx: &Context, kind: Kind) -> Option<Hops> {
    use tracing::level_filters::LevelFilter;
    if LevelFilter::current() == LevelFilter::OFF {
        return None;
    }
    let hops = Hops::of(cx);
    let next = hops.next::<A>(kind).unwrap_or_default();
    (next != hops).then_some(next)
}

/// Whether a message that is sent in this context begins a trace of its own.
#[cfg(feature = "tracing")]
pub(crate) fn begins_anew<A: TracedActor>(cx: &Context, kind: Kind) -> bool {
    Hops::of(cx).next::<A>(kind).is_none()
}
