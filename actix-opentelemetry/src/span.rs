//! The span of one message, from its handler's start until its reply is ready.

use std::any::Any;
use std::borrow::Cow;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::Duration;

use opentelemetry::global::BoxedSpan;
use opentelemetry::trace::{Link, SpanBuilder, SpanKind, Status, TraceContextExt};
use opentelemetry::{Context, KeyValue};

use crate::actor::TracedActor;
use crate::attribute::{self, error_type};
use crate::operation::{Kind, Operation};
use crate::origin::{Origin, is_outside, is_recorded, rootless};
use crate::policy::{Reply, RootPolicy, TimerPolicy};
use crate::tracer;

/// How a message ended.
#[derive(Debug)]
pub(crate) enum Outcome {
    Success,
    /// The classifier's word for a reply that is a failure.
    Failure(Cow<'static, str>),
    /// The panic's message.
    Panic(String),
    Abandoned,
    NoReply,
    Undelivered,
}

/// The context in which a message is handled, and its span if there is one.
///
/// Dropped before its end, it ends as [`Outcome::Abandoned`]: no span stays open.
#[derive(Debug)]
pub(crate) struct MessageSpan {
    cx: Context,
    is_open: bool,
}

/// How many tells led here since the last ask or root; a context value, so that it goes wherever
/// the context goes.
#[derive(Debug, Clone, Copy)]
struct Hops(u32);

enum Relation {
    Child(u32),
    LinkedRoot,
    Root,
}

impl MessageSpan {
    /// Starts the span of a message that has reached its actor.
    pub(crate) fn start<A: TracedActor>(
        actor: &A,
        origin: &Origin,
        wait: impl FnOnce() -> Option<Duration>,
        operation: impl FnOnce() -> &'static Operation,
        kind: Kind,
    ) -> Self {
        let cx = &origin.cx;
        let Some(relation) = relation::<A>(cx, kind) else { return Self::carry(cx) };
        let (operation, wait) = (operation(), wait());
        let attributes = || {
            let mut attributes = Vec::with_capacity(8);
            push_operation(&mut attributes, operation);
            if let Some(wait) = wait {
                attributes.push(KeyValue::new(attribute::MAILBOX_WAIT, wait.as_secs_f64()));
            }
            attributes.extend(actor.attributes());
            attributes
        };
        let span = start_related(cx, &relation, operation.span_name, attributes);
        let Some(span) = span else { return Self::carry(cx) };
        Self { cx: with_hops(cx, &relation).with_span(span), is_open: true }
    }

    /// No span, only the context.
    pub(crate) fn carry(cx: &Context) -> Self {
        Self { cx: cx.clone(), is_open: false }
    }

    /// The span of a message that never reached its handler. It needs no actor, which may be gone.
    pub(crate) fn of_lost<A: TracedActor>(
        origin: &Origin,
        operation: &'static Operation,
        outcome: Outcome,
    ) {
        let Some(relation) = relation::<A>(&origin.cx, operation.kind) else { return };
        let wait = origin.wait();
        let attributes = || {
            let mut attributes = Vec::with_capacity(6);
            push_operation(&mut attributes, operation);
            if let Some(wait) = wait {
                attributes.push(KeyValue::new(attribute::MAILBOX_WAIT, wait.as_secs_f64()));
            }
            attributes
        };
        let span = start_related(&origin.cx, &relation, operation.span_name, attributes);
        if let Some(span) = span {
            Self { cx: origin.cx.with_span(span), is_open: true }.end(outcome);
        }
    }

    /// A root with links and a name of its own: a batch, a restart.
    pub(crate) fn linked_root(
        cx: &Context,
        name: &'static str,
        links: Vec<Link>,
        attributes: impl Fn() -> Vec<KeyValue>,
    ) -> Self {
        let builder = || {
            let mut builder = SpanBuilder::from_name(name).with_kind(SpanKind::Internal);
            builder.attributes = Some(attributes());
            builder.with_links(links.clone())
        };
        match tracer::start(builder, &rootless(cx)) {
            Some(span) => Self { cx: cx.with_span(span), is_open: true },
            None => Self::carry(cx),
        }
    }

    /// The context of the message.
    pub(crate) fn cx(&self) -> &Context {
        &self.cx
    }

    /// Whether there is a span that has to be ended.
    pub(crate) fn is_open(&self) -> bool {
        self.is_open
    }

    /// Runs a piece of the message's code in its context. A panic ends the span and goes on.
    pub(crate) fn enter<R>(&mut self, code: impl FnOnce() -> R) -> R {
        let guard = self.cx.clone().attach();
        if !self.is_open {
            return code();
        }
        let result = catch_unwind(AssertUnwindSafe(code));
        drop(guard);
        result.unwrap_or_else(|payload| {
            self.end_now(Outcome::Panic(panic_message(&*payload)));
            resume_unwind(payload)
        })
    }

    /// Ends the span as the actor's classifier judges the reply.
    pub(crate) fn end_with<A: TracedActor, R: 'static>(&mut self, reply: &R) {
        if self.is_open {
            let outcome = A::classify(Reply::new(reply)).map_or(Outcome::Success, Outcome::Failure);
            self.end_now(outcome);
        }
    }

    /// Ends the span.
    pub(crate) fn end(mut self, outcome: Outcome) {
        self.end_now(outcome);
    }

    fn end_now(&mut self, outcome: Outcome) {
        if !std::mem::take(&mut self.is_open) {
            return;
        }
        let span = self.cx.span();
        if let Some((error_type, description)) = outcome.into_error() {
            span.set_attribute(KeyValue::new(attribute::ERROR_TYPE, error_type));
            span.set_status(Status::error(description));
        }
        span.end();
    }
}

impl Drop for MessageSpan {
    fn drop(&mut self) {
        self.end_now(Outcome::Abandoned);
    }
}

impl Outcome {
    /// The `error.type` and the description of the status; nothing for a success.
    fn into_error(self) -> Option<(Cow<'static, str>, Cow<'static, str>)> {
        let (error_type, description): (_, Cow<'static, str>) = match self {
            Self::Success => return None,
            Self::Failure(word) => (word, "".into()),
            Self::Panic(message) => (error_type::PANIC.into(), message.into()),
            Self::Abandoned => (error_type::ABANDONED.into(), "the reply was abandoned".into()),
            Self::NoReply => (error_type::NO_REPLY.into(), "the handler gave no reply".into()),
            Self::Undelivered => {
                (error_type::UNDELIVERED.into(), "the actor went away first".into())
            }
        };
        Some((error_type, description))
    }
}

/// What a panic said, when it was said with words.
pub(crate) fn panic_message(payload: &(dyn Any + Send)) -> String {
    match payload.downcast_ref::<&'static str>() {
        Some(message) => (*message).to_owned(),
        None => payload.downcast_ref::<String>().cloned().unwrap_or_default(),
    }
}

/// What the span of a message is to the span of its sender; `None` when there is to be no span.
fn relation<A: TracedActor>(cx: &Context, kind: Kind) -> Option<Relation> {
    if is_recorded(cx) {
        return Some(match kind {
            Kind::Ask => Relation::Child(0),
            Kind::Delayed | Kind::Interval | Kind::Stream
                if A::TIMERS == TimerPolicy::LinkedRoot =>
            {
                Relation::LinkedRoot
            }
            _ => match hops(cx) {
                hops if hops >= A::HOP_LIMIT => Relation::LinkedRoot,
                hops => Relation::Child(hops + 1),
            },
        });
    }
    (A::ROOT == RootPolicy::Start && is_outside(cx)).then_some(Relation::Root)
}

fn hops(cx: &Context) -> u32 {
    cx.get::<Hops>().map_or(0, |hops| hops.0)
}

fn with_hops(cx: &Context, relation: &Relation) -> Context {
    let now = match relation {
        Relation::Child(hops) => *hops,
        Relation::LinkedRoot | Relation::Root => 0,
    };
    // Most messages are asks, and a context that never held a count needs no zero.
    if hops(cx) == now { cx.clone() } else { cx.with_value(Hops(now)) }
}

fn start_related(
    cx: &Context,
    relation: &Relation,
    name: &'static str,
    attributes: impl Fn() -> Vec<KeyValue>,
) -> Option<BoxedSpan> {
    let builder = || {
        let mut builder = SpanBuilder::from_name(name);
        builder.span_kind = Some(SpanKind::Internal);
        builder.attributes = Some(attributes());
        if let Relation::LinkedRoot = relation {
            builder.links = Some(vec![Link::with_context(cx.span().span_context().clone())]);
        }
        builder
    };
    match relation {
        Relation::LinkedRoot => tracer::start(builder, &rootless(cx)),
        Relation::Child(_) | Relation::Root => tracer::start(builder, cx),
    }
}

fn push_operation(attributes: &mut Vec<KeyValue>, operation: &'static Operation) {
    attributes.push(KeyValue::new(attribute::ACTOR_NAME, operation.actor));
    if !operation.message.is_empty() {
        attributes.push(KeyValue::new(attribute::MESSAGE_TYPE, operation.message));
    }
    attributes.push(KeyValue::new(attribute::MESSAGE_KIND, operation.kind.as_str()));
    attributes.push(KeyValue::new(attribute::CODE_FUNCTION_NAME, operation.function));
}
