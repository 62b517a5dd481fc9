//! Messages and closures that an actor sends to itself: at once (`ctx.notify`), later
//! (`ctx.notify_later`, `ctx.run_later`), or again and again (`ctx.run_interval`).
//!
//! actix's own versions go through `ctx.spawn`, by which all firings of a timer would belong to the
//! span that set it. The futures here treat each firing as a message of its own.

use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use actix::prelude::IntervalFunc;
use actix::{ActorFuture, ActorStreamExt, Handler, Message};
use actix_rt::time::{Instant, Sleep, sleep};
use pin_project_lite::pin_project;

use crate::actor::TracedActor;
use crate::attribute::error_type;
use crate::life::is_dying;
use crate::lost;
use crate::measure;
use crate::operation::{self, Kind, Operation};
use crate::origin::{Arrival, Sent};
use crate::outcome::Outcome;
use crate::reply::{ReplyContext, deliver, end};
use crate::span::MessageSpan;

/// A message from `ctx.notify` that has not been handled yet.
pub(crate) struct Notified<A: TracedActor + Handler<M>, M: Message + 'static> {
    message: Option<M>,
    span: MessageSpan,
    sent: Sent,
    actor: PhantomData<fn(A)>,
}

impl<A: TracedActor + Handler<M>, M: Message + 'static> Notified<A, M> {
    pub(crate) fn new(message: M) -> Self {
        let operation = || operation::of_message::<A, M>(Kind::Notify);
        let span = MessageSpan::sent::<A>(Kind::Notify, operation);
        lost::check::<A, M>(span.cx(), Kind::Notify);
        let sent = span.sending_time::<A>();
        Self { message: Some(message), span, sent, actor: PhantomData }
    }
}

impl<A: TracedActor + Handler<M>, M: Message + 'static> Unpin for Notified<A, M> {}

impl<A, M> ActorFuture<A> for Notified<A, M>
where
    A: TracedActor + Handler<M>,
    A::Context: ReplyContext<A>,
    M: Message + 'static,
{
    type Output = ();

    fn poll(
        mut self: Pin<&mut Self>,
        actor: &mut A,
        ctx: &mut A::Context,
        _: &mut Context<'_>,
    ) -> Poll<()> {
        if let Some(message) = self.message.take() {
            let Self { span, sent, .. } = &mut *self;
            deliver(actor, ctx, message, span, Kind::Notify, || sent.arrive());
        }
        Poll::Ready(())
    }
}

impl<A: TracedActor + Handler<M>, M: Message + 'static> Drop for Notified<A, M> {
    fn drop(&mut self) {
        if self.message.is_some() {
            let operation = || operation::of_message::<A, M>(Kind::Notify);
            self.span.lose::<A>(self.sent, operation, Kind::Notify, Outcome::Undelivered);
            let Self { message, span, .. } = self;
            span.within(|| *message = None);
        }
    }
}

/// What a timer does when its time has come.
pub(crate) trait Task<A: TracedActor>: 'static {
    fn operation() -> &'static Operation;

    fn run(
        self,
        actor: &mut A,
        ctx: &mut A::Context,
        span: &mut MessageSpan,
        late: impl FnOnce() -> Arrival,
    );
}

/// A message from `ctx.notify_later`.
pub(crate) struct Notify<M>(pub(crate) M);

impl<A, M> Task<A> for Notify<M>
where
    A: TracedActor + Handler<M>,
    A::Context: ReplyContext<A>,
    M: Message + 'static,
{
    fn operation() -> &'static Operation {
        operation::of_message::<A, M>(Kind::Delayed)
    }

    fn run(
        self,
        actor: &mut A,
        ctx: &mut A::Context,
        span: &mut MessageSpan,
        late: impl FnOnce() -> Arrival,
    ) {
        deliver(actor, ctx, self.0, span, Kind::Delayed, late);
    }
}

/// A closure from `ctx.run_later`.
pub(crate) struct Call<F>(pub(crate) F);

impl<A, F> Task<A> for Call<F>
where
    A: TracedActor,
    F: FnOnce(&mut A, &mut A::Context) + 'static,
{
    fn operation() -> &'static Operation {
        operation::of_closure::<A, F>(Kind::Delayed)
    }

    fn run(
        self,
        actor: &mut A,
        ctx: &mut A::Context,
        span: &mut MessageSpan,
        late: impl FnOnce() -> Arrival,
    ) {
        let operation = <Self as Task<A>>::operation;
        let cx = span.start(actor, Kind::Delayed, operation, late);
        span.run(cx, ctx, |ctx| (self.0)(actor, ctx), end);
    }
}

pin_project! {
    /// A task that waits for its time.
    pub(crate) struct Delayed<A, T>
    where
        A: TracedActor,
        T: Task<A>,
    {
        task: Option<T>,
        span: MessageSpan,
        #[pin]
        timer: Sleep,
        actor: PhantomData<fn(A)>,
    }

    impl<A, T> PinnedDrop for Delayed<A, T>
    where
        A: TracedActor,
        T: Task<A>,
    {
        /// Drops the task, if its time has not come, in the context of the code that set the timer.
        /// It counts as dropped if the actor is going away, and not if the timer was cancelled.
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            if this.task.is_none() {
                return;
            }
            if is_dying() && measure::is_enabled() {
                measure::dropped(T::operation(), error_type::UNDELIVERED);
            }
            this.span.within(|| *this.task = None);
        }
    }
}

impl<A: TracedActor, T: Task<A>> Delayed<A, T> {
    pub(crate) fn new(after: Duration, task: T) -> Self {
        let span = MessageSpan::sent::<A>(Kind::Delayed, T::operation);
        Self { task: Some(task), span, timer: sleep(after), actor: PhantomData }
    }
}

impl<A: TracedActor, T: Task<A>> ActorFuture<A> for Delayed<A, T> {
    type Output = ();

    fn poll(
        self: Pin<&mut Self>,
        actor: &mut A,
        ctx: &mut A::Context,
        waker: &mut Context<'_>,
    ) -> Poll<()> {
        let mut this = self.project();
        ready!(this.timer.as_mut().poll(waker));
        if let Some(task) = this.task.take() {
            let late = || Arrival::late(this.timer.deadline().elapsed());
            task.run(actor, ctx, this.span, late);
        }
        Poll::Ready(())
    }
}

/// A closure from `ctx.run_interval` and `ctx.run_interval_at`.
pub(crate) fn every<A, F>(
    start: Instant,
    interval: Duration,
    task: F,
) -> impl ActorFuture<A, Output = ()> + 'static
where
    A: TracedActor,
    F: FnMut(&mut A, &mut A::Context) + 'static,
{
    let operation = || operation::of_closure::<A, F>(Kind::Interval);
    let setter = MessageSpan::sent::<A>(Kind::Interval, operation);
    let mut task = Repeated { task: Some(task), setter };
    let mut due = start;
    let tick = move |actor: &mut A, ctx: &mut A::Context| {
        // Names `task` as a whole, so that the closure holds it as a whole and drops it as a whole.
        let Repeated { task, setter } = &mut task;
        let Some(task) = task else { return };
        let late = || Arrival::late(due.elapsed());
        let mut span = setter.again();
        let cx = span.start(actor, Kind::Interval, operation, late);
        due += interval;
        span.run(cx, ctx, |ctx| task(actor, ctx), end);
    };
    IntervalFunc::new_at(start, interval, tick).finish()
}

/// The closure that runs at each tick. It is dropped in the context of the code that set the
/// interval.
struct Repeated<F> {
    task: Option<F>,
    setter: MessageSpan,
}

impl<F> Drop for Repeated<F> {
    fn drop(&mut self) {
        let Self { task, setter } = self;
        setter.within(|| *task = None);
    }
}
