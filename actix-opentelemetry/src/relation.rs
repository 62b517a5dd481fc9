//! What the span of a message is to the span of its sender: its child, or the root of a trace of
//! its own with a link back.

use std::time::SystemTime;

use opentelemetry::global::BoxedSpan;
use opentelemetry::trace::{Link, SpanBuilder, SpanKind, TraceContextExt};
use opentelemetry::{Context, KeyValue};

use crate::actor::TracedActor;
use crate::operation::Kind;
use crate::origin::{is_outside, is_recorded, rootless};
use crate::policy::{RootPolicy, TimerPolicy};
use crate::tracer;

/// What the span of a message is to the span of its sender.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Relation {
    /// A child, and how many tells led here since the last ask or root.
    Child { hops: u32 },
    /// A root with a link to the sender.
    LinkedRoot,
    /// A root; there is no sender to link to.
    Root,
}

/// How many tells led here since the last ask or root. A context value, so that it goes wherever
/// the context goes, through futures and threads that this crate knows nothing of.
#[derive(Debug, Clone, Copy)]
struct Hops(u32);

impl Relation {
    /// The relation that the actor's policies ask for; `None` when there is to be no span.
    pub(crate) fn of<A: TracedActor>(cx: &Context, kind: Kind) -> Option<Self> {
        if !is_recorded(cx) {
            return (A::ROOT == RootPolicy::Start && is_outside(cx)).then_some(Self::Root);
        }
        Some(match kind {
            Kind::Ask => Self::Child { hops: 0 },
            Kind::Delayed | Kind::Interval | Kind::Stream
                if A::TIMERS == TimerPolicy::LinkedRoot =>
            {
                Self::LinkedRoot
            }
            _ => match hops(cx) {
                hops if hops >= A::HOP_LIMIT => Self::LinkedRoot,
                hops => Self::Child { hops: hops + 1 },
            },
        })
    }

    /// Starts the span, unless there is no tracer provider.
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
            Self::LinkedRoot => tracer::start(builder, &rootless(cx)),
            Self::Child { .. } | Self::Root => tracer::start(builder, cx),
        }
    }

    /// The context of the message: the sender's, with the span on top.
    pub(crate) fn attach_to(self, cx: &Context, span: BoxedSpan) -> Context {
        let now = match self {
            Self::Child { hops } => hops,
            Self::LinkedRoot | Self::Root => 0,
        };
        // Most messages are asks, and a context that never held a count needs no zero.
        if hops(cx) == now { cx.with_span(span) } else { cx.with_value(Hops(now)).with_span(span) }
    }
}

fn hops(cx: &Context) -> u32 {
    cx.get::<Hops>().map_or(0, |hops| hops.0)
}
