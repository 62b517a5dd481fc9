//! The span of one message, from the start of its handler until its reply is ready.

use std::any::Any;
use std::borrow::Cow;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::Duration;

use opentelemetry::trace::{Link, SpanBuilder, SpanKind, Status, TraceContextExt};
use opentelemetry::{Context, KeyValue};

use crate::actor::TracedActor;
use crate::attribute::{self, error_type};
use crate::logspan::LogSpan;
use crate::measure::{self, Stopwatch};
use crate::operation::{Kind, Operation};
use crate::origin::{
    Arrival, Sent, TraceState, attach, current, is_ending, rootless, set_to_current,
};
use crate::outcome::{Outcome, panic_message};
use crate::policy::Reply;
use crate::relation::Relation;
use crate::tracer;

/// The context in which a message is handled, and the message's span if it has one.
///
/// It is made on the sender's side, with the sender's context ([`sent`](Self::sent)). In the
/// receiver the span is started ([`start`](Self::start)), the handler runs in it
/// ([`run`](Self::run)), and it ends with the reply ([`end_with`](Self::end_with)). If it is
/// dropped before that, it ends as [`Outcome::Abandoned`], so that no span stays open.
#[derive(Debug, Default)]
pub(crate) struct MessageSpan {
    cx: Context,
    /// What tracing does in the sender's context, if that is known already.
    state: Option<TraceState>,
    /// Whether the span in the context is this message's own and has not ended.
    has_span: bool,
    /// Whether the span already says that the message failed.
    has_failed: bool,
    stopwatch: Option<Box<Stopwatch>>,
    log: LogSpan,
}

impl MessageSpan {
    /// A message without a span, in this context.
    pub(crate) fn carry(cx: Context) -> Self {
        Self::logged(cx, LogSpan::default())
    }

    /// A message without a span, in this context, that logs in this `tracing` span.
    pub(crate) fn logged(cx: Context, log: LogSpan) -> Self {
        Self { cx, state: None, has_span: false, has_failed: false, stopwatch: None, log }
    }

    /// Another message in the same context: an interval or a stream is set once and fires many
    /// times.
    pub(crate) fn again(&self) -> Self {
        let mut again = Self::logged(self.cx.clone(), self.log.clone());
        again.state = self.state;
        again
    }

    /// A message that is sent now, in the current context.
    pub(crate) fn sent<A: TracedActor>(
        kind: Kind,
        operation: impl FnOnce() -> &'static Operation,
    ) -> Self {
        let mut sent = Self::default();
        sent.send::<A>(kind, operation);
        sent
    }

    /// Makes this the span of a message that is [`sent`](Self::sent) now.
    #[inline]
    pub(crate) fn send<A: TracedActor>(
        &mut self,
        kind: Kind,
        operation: impl FnOnce() -> &'static Operation,
    ) {
        set_to_current(&mut self.cx);
        self.log = LogSpan::of::<A>(&self.cx, kind, operation);
        self.state = TraceState::lasting(&self.cx);
    }

    /// The time, if the message that is [`sent`](Self::sent) now has to know it.
    pub(crate) fn sending_time<A: TracedActor>(&self) -> Sent {
        Sent::now::<A>(matches!(self.state, None | Some(TraceState::Recorded)))
    }

    /// How the message relates to the span of its sender.
    #[inline]
    fn relation<A: TracedActor>(&self, kind: Kind) -> Relation {
        let state = self.state.unwrap_or_else(|| TraceState::of(&self.cx));
        Relation::of::<A>(&self.cx, state, kind)
    }

    /// Starts the span of a message that has reached its actor, if it has one. Returns the context
    /// to [`run`](Self::run) the handler in.
    pub(crate) fn start<A: TracedActor>(
        &mut self,
        actor: &A,
        kind: Kind,
        operation: impl Fn() -> &'static Operation,
        arrive: impl FnOnce() -> Arrival,
    ) -> Context {
        self.log.begin(&operation);
        let mut relation = self.relation::<A>(kind);
        if !relation.has_span() && !measure::is_enabled() {
            drop(relation.carry(&mut self.cx));
            return std::mem::take(&mut self.cx);
        }
        let (operation, arrival) = (operation(), arrive());
        if operation.is_off() {
            relation = relation.without_span();
        }
        if let Relation::Outside { .. } = relation
            && kind.is_sent()
        {
            measure::without_context(operation);
        }
        self.stopwatch = Stopwatch::start(operation, arrival.wait);
        let panic = Cell::new(None);
        let attributes = || attributes_with_own(operation, arrival.wait, actor, &panic);
        let cx = self.record(relation, operation.span_name, arrival, attributes);
        if let Some(message) = panic.take() {
            self.fail::<A>(message);
        }
        cx
    }

    /// Records that the actor panicked in [`TracedActor::attributes`]. The message is handled all
    /// the same.
    #[cold]
    fn fail<A: TracedActor>(&mut self, message: String) {
        measure::panicked(A::NAME);
        self.has_failed = true;
        if self.has_span {
            let span = self.cx.span();
            span.set_attribute(KeyValue::new(attribute::ERROR_TYPE, error_type::PANIC));
            span.set_status(Status::error(message));
        }
    }

    fn record(
        &mut self,
        relation: Relation,
        name: &'static str,
        arrival: Arrival,
        attributes: impl Fn() -> Vec<KeyValue>,
    ) -> Context {
        self.has_span = relation.start(&mut self.cx, name, arrival.time, attributes);
        // Cloned here, a while before it is made current, which would otherwise wait for the clone.
        self.cx.clone()
    }

    /// Records that the message never reached its handler. The actor, which may be gone, is not
    /// needed.
    pub(crate) fn lose<A: TracedActor>(
        &self,
        sent: Sent,
        operation: impl FnOnce() -> &'static Operation,
        kind: Kind,
        outcome: Outcome,
    ) {
        let relation = self.relation::<A>(kind);
        if !relation.has_span() && !measure::is_enabled() {
            return;
        }
        let operation = operation();
        measure::dropped(operation, outcome.as_str());
        if !relation.has_span() || operation.is_off() || is_ending() {
            return;
        }
        let arrival = sent.arrive();
        let attributes = || operation_attributes(operation, arrival.wait, 0);
        let mut span = Self::carry(self.cx.clone());
        // The span begins and ends now. The time before is in the attribute for the wait.
        drop(span.record(relation, operation.span_name, arrival, attributes));
        span.end(outcome);
    }

    /// Makes the `tracing` span to log in, if it is to be made only now.
    pub(crate) fn begin_log(&mut self, operation: &'static Operation) {
        self.log.begin(|| operation);
    }

    /// Sets the `tracing` span to log in.
    pub(crate) fn with_log(mut self, log: LogSpan) -> Self {
        self.log = log;
        self
    }

    /// A root with these links, for work that is no message: a batch or a restart.
    pub(crate) fn linked_root(
        cx: &Context,
        operation: &'static Operation,
        links: Vec<Link>,
        attributes: impl Fn() -> Vec<KeyValue>,
    ) -> Self {
        if operation.is_off() {
            return Self::carry(cx.clone());
        }
        let builder = || {
            let mut builder =
                SpanBuilder::from_name(operation.span_name).with_kind(SpanKind::Internal);
            builder.attributes = Some(attributes());
            builder.with_links(links.clone())
        };
        let mut root = Self::carry(cx.clone());
        root.has_span = tracer::start(builder, Some(&rootless(cx)), &mut root.cx);
        root
    }

    /// The context of the message.
    pub(crate) fn cx(&self) -> &Context {
        &self.cx
    }

    /// Whether anything is to be recorded at the message's end.
    pub(crate) fn is_open(&self) -> bool {
        self.has_span || self.stopwatch.is_some()
    }

    /// Runs the handler and sends its reply in the context that [`start`](Self::start) returned. A
    /// panic ends the span and goes on.
    ///
    /// `respond` gets a reference to the span, because most replies end it at once. A reply that
    /// comes later [takes](Self::take) the span along.
    pub(crate) fn run<C, R>(
        &mut self,
        cx: Context,
        ctx: &mut C,
        handle: impl FnOnce(&mut C) -> R,
        respond: impl FnOnce(R, &mut Self, &mut C),
    ) {
        let log = self.log.clone();
        let _entered = log.enter();
        let _guard = attach(cx);
        if !self.is_open() {
            let response = handle(ctx);
            return respond(response, self, ctx);
        }
        match catch_unwind(AssertUnwindSafe(|| handle(ctx))) {
            Ok(response) => respond(response, self, ctx),
            Err(payload) => self.panicked(payload),
        }
    }

    /// Takes the span out, for a reply that comes later. Called in the message's context.
    pub(crate) fn take(&mut self) -> Self {
        if self.is_open() {
            std::mem::take(self)
        } else {
            Self::logged(current(), std::mem::take(&mut self.log))
        }
    }

    /// Runs more of the message's code in its context, such as a poll of its future. A panic ends
    /// the span and goes on.
    pub(crate) fn enter<R>(&mut self, code: impl FnOnce() -> R) -> R {
        let log = self.log.clone();
        let _entered = log.enter();
        let _guard = attach(self.cx.clone());
        if !self.is_open() {
            return code();
        }
        catch_unwind(AssertUnwindSafe(code)).unwrap_or_else(|payload| self.panicked(payload))
    }

    /// Runs code in the message's context that is no part of handling it, such as dropping the
    /// message.
    pub(crate) fn within<R>(&self, code: impl FnOnce() -> R) -> R {
        let _entered = self.log.enter();
        let _guard = attach(self.cx.clone());
        code()
    }

    fn panicked(&mut self, payload: Box<dyn Any + Send>) -> ! {
        self.end(Outcome::Panic(panic_message(&*payload)));
        resume_unwind(payload)
    }

    /// Ends the span with the reply, which the actor's classifier says is a success or a failure.
    pub(crate) fn end_with<A: TracedActor, R: 'static>(&mut self, reply: &R) {
        if self.is_open() {
            match catch_unwind(AssertUnwindSafe(|| A::classify(Reply::new(reply)))) {
                Ok(None) => self.close(None),
                Ok(Some(word)) => self.end(Outcome::Failure(word)),
                Err(payload) => {
                    measure::panicked(A::NAME);
                    self.end(Outcome::Panic(panic_message(&*payload)));
                }
            }
        }
    }

    /// Ends the span, if there is one and it has not ended.
    pub(crate) fn end(&mut self, outcome: Outcome) {
        if self.is_open() {
            self.close(outcome.into_error());
        }
    }

    #[inline]
    fn close(&mut self, error: Option<(Cow<'static, str>, Cow<'static, str>)>) {
        if let Some(stopwatch) = self.stopwatch.take() {
            let panic = Cow::Borrowed(error_type::PANIC);
            let error_type = error.as_ref().map(|(error_type, _)| error_type);
            stopwatch.stop(if self.has_failed { Some(&panic) } else { error_type });
        }
        if !std::mem::take(&mut self.has_span) {
            return;
        }
        let span = self.cx.span();
        if let Some((error_type, description)) = error
            && !self.has_failed
        {
            span.set_attribute(KeyValue::new(attribute::ERROR_TYPE, error_type));
            span.set_status(Status::error(description));
        }
        span.end();
    }
}

impl Drop for MessageSpan {
    #[inline]
    fn drop(&mut self) {
        if self.is_open() {
            self.end(Outcome::Abandoned);
        }
    }
}

/// The attributes of a message, with those that the actor adds. If the actor panics there, `panic`
/// gets the message of the panic.
fn attributes_with_own<A: TracedActor>(
    operation: &'static Operation,
    wait: Option<Duration>,
    actor: &A,
    panic: &Cell<Option<String>>,
) -> Vec<KeyValue> {
    let caught = |payload: Box<dyn Any + Send>| panic.set(Some(panic_message(&*payload)));
    // Two separate calls with nothing else in them, so that the compiler removes both for an actor
    // that adds no attributes.
    let own = catch_unwind(AssertUnwindSafe(|| actor.attributes().into_iter()));
    let own = own.map_err(caught).ok();
    let more = own.as_ref().map_or(0, |own| own.size_hint().0);
    let mut attributes = operation_attributes(operation, wait, more);
    if let Some(own) = own {
        let extended = catch_unwind(AssertUnwindSafe(|| attributes.extend(own)));
        extended.unwrap_or_else(caught);
    }
    attributes
}

/// The attributes that this crate knows of a message, with room for `more`.
#[inline]
fn operation_attributes(
    operation: &'static Operation,
    wait: Option<Duration>,
    more: usize,
) -> Vec<KeyValue> {
    /// For what is added later: by a span processor from baggage, by the handler, by a failure. Without
    /// it each of the first of these would move all attributes.
    const ROOM: usize = 3;
    let mut attributes = Vec::with_capacity(5 + more + ROOM);
    attributes.push(KeyValue::new(attribute::ACTOR_NAME, operation.actor));
    if let Some(message) = operation.message {
        attributes.push(KeyValue::new(attribute::MESSAGE_TYPE, message));
    }
    attributes.push(KeyValue::new(attribute::MESSAGE_KIND, operation.kind.as_str()));
    attributes.push(KeyValue::new(attribute::CODE_FUNCTION_NAME, operation.function));
    if let Some(wait) = wait {
        attributes.push(KeyValue::new(attribute::MAILBOX_WAIT, wait.as_secs_f64()));
    }
    attributes
}
