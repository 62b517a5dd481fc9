//! What the span of a message is to the span of its sender: its child, or the root of a trace of
//! its own, with a link back or without; or that there is no span.

use std::time::SystemTime;

use opentelemetry::global::BoxedSpan;
use opentelemetry::trace::{Link, SpanBuilder, SpanKind, TraceContextExt};
use opentelemetry::{Context, KeyValue};

use crate::actor::TracedActor;
use crate::operation::Kind;
use crate::origin::{TraceState, rootless};
use crate::policy::{RootPolicy, TimerPolicy};
use crate::selection;
use crate::tracer;

/// What the span of a message is to the span of its sender.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Relation {
    /// There is no span: only the context is carried, with this count of tells.
    Carried { hops: Hops },
    /// There is no span, because the sender was outside any trace. Tells are counted there only for
    /// the sake of `tracing` spans.
    Outside { hops: Option<Hops> },
    /// There is no span: nothing is to be recorded here.
    Suppressed,
    /// A child, and how many tells led here.
    Child { hops: Hops },
    /// A root with a link to the sender.
    LinkedRoot,
    /// A root without a link: the sender's trace was refused, so that the link would lead nowhere.
    FreshRoot,
    /// A root, of a message from outside any trace.
    Root,
}

/// How many tells led here. A context value, so that it goes wherever the context goes, through
/// futures and threads that this crate knows nothing of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Hops {
    /// Since the last ask or root.
    in_a_row: u32,
    /// Rows of them since the root, with asks between.
    rounds: u32,
    /// Whether the next message begins a trace of its own: a message that would have begun one was
    /// selected to have no span.
    is_cut: bool,
}

impl Relation {
    /// The relation that the actor's policies ask for.
    pub(crate) fn of<A: TracedActor>(cx: &Context, kind: Kind) -> Self {
        let is_recorded = match TraceState::of(cx) {
            TraceState::Outside if A::ROOT == RootPolicy::Start => return Self::Root,
            TraceState::Outside if selection::is_in_use() && Hops::of(cx).is_cut => {
                return Self::Root;
            }
            TraceState::Outside => return Self::Outside { hops: hops_outside::<A>(cx, kind) },
            TraceState::Suppressed => return Self::Suppressed,
            TraceState::Recorded => true,
            TraceState::Refused => false,
        };
        match Hops::of(cx).next::<A>(kind) {
            Some(hops) if is_recorded => Self::Child { hops },
            Some(hops) => Self::Carried { hops },
            None if is_recorded => Self::LinkedRoot,
            None => Self::FreshRoot,
        }
    }

    /// The same without a span: what the message causes is under the sender, unless it would have
    /// begun a trace of its own.
    pub(crate) fn without_span(self) -> Self {
        let cut = Hops { is_cut: true, ..Hops::default() };
        match self {
            Self::Child { hops } => Self::Carried { hops },
            Self::LinkedRoot | Self::FreshRoot => Self::Carried { hops: cut },
            Self::Root => Self::Outside { hops: Some(cut) },
            Self::Carried { .. } | Self::Outside { .. } | Self::Suppressed => self,
        }
    }

    /// Whether there is to be a span.
    pub(crate) fn has_span(self) -> bool {
        !matches!(self, Self::Carried { .. } | Self::Outside { .. } | Self::Suppressed)
    }

    /// Starts the span, if there is to be one and there is a tracer provider.
    pub(crate) fn start(
        self,
        cx: &Context,
        name: &'static str,
        start_time: Option<SystemTime>,
        attributes: impl Fn() -> Vec<KeyValue>,
    ) -> Option<BoxedSpan> {
        let builder = || {
            let mut builder = SpanBuilder::from_name(name);
            builder.span_kind = Some(SpanKind::Internal);
            builder.start_time = start_time;
            builder.attributes = Some(attributes());
            if let Self::LinkedRoot = self {
                builder.links = Some(vec![Link::with_context(cx.span().span_context().clone())]);
            }
            builder
        };
        match self {
            Self::Carried { .. } | Self::Outside { .. } | Self::Suppressed => None,
            Self::LinkedRoot | Self::FreshRoot => tracer::start(builder, &rootless(cx)),
            Self::Child { .. } | Self::Root => tracer::start(builder, cx),
        }
    }

    /// The context of the message: the sender's, with the span on top.
    pub(crate) fn attach_to(self, cx: &Context, span: BoxedSpan) -> Context {
        // Most messages are asks, and a context that never held a count needs no zero.
        match self.changed_hops(cx) {
            Some(hops) => cx.with_value(hops).with_span(span),
            None => cx.with_span(span),
        }
    }

    /// The context of a message without a span, if it is not the sender's own.
    pub(crate) fn carry(self, cx: &Context) -> Option<Context> {
        self.changed_hops(cx).map(|hops| cx.with_value(hops))
    }

    fn changed_hops(self, cx: &Context) -> Option<Hops> {
        let hops = match self {
            Self::Carried { hops } | Self::Child { hops } => hops,
            Self::Outside { hops } => hops?,
            Self::Suppressed => return None,
            Self::LinkedRoot | Self::FreshRoot | Self::Root => Hops::default(),
        };
        (Hops::of(cx) != hops).then_some(hops)
    }
}

impl Hops {
    fn of(cx: &Context) -> Self {
        cx.get::<Self>().copied().unwrap_or_default()
    }

    /// The count at the next message; nothing if it begins a trace of its own.
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
#[expect(clippy::extra_unused_type_parameters, reason = "the other one needs it")]
fn hops_outside<A: TracedActor>(_: &Context, _: Kind) -> Option<Hops> {
    None
}

/// Each `tracing` span keeps those above it open, so chains of tells are cut there too.
#[cfg(feature = "tracing")]
fn hops_outside<A: TracedActor>(cx: &Context, kind: Kind) -> Option<Hops> {
    use tracing::level_filters::LevelFilter;
    (LevelFilter::current() != LevelFilter::OFF)
        .then(|| Hops::of(cx).next::<A>(kind).unwrap_or_default())
}

/// Whether a message that is sent in this context begins a trace of its own.
#[cfg(feature = "tracing")]
pub(crate) fn begins_anew<A: TracedActor>(cx: &Context, kind: Kind) -> bool {
    Hops::of(cx).next::<A>(kind).is_none()
}
