//! The future that `ctx.spawn` and `ctx.wait` run: the one that they were given, in the context in
//! which they were called.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::task::{Poll, ready};

use actix::{Actor, ActorFuture};
use opentelemetry::trace::TraceContextExt;
use opentelemetry::{Context, KeyValue};
use pin_project_lite::pin_project;

use crate::attribute::error_type;
use crate::logspan::LogSpan;
use crate::origin::{attach, current};
use crate::outcome::panic_message;

pin_project! {
    /// Makes a context current at each poll of the future, and when the future is dropped.
    ///
    /// The future may be the answer to a message: actix sends the answers of `AtomicResponse` and
    /// similar types through `ctx.spawn` and `ctx.wait`. Then its end is the end of that message.
    pub(crate) struct Scoped<F> {
        #[pin]
        future: Option<F>,
        cx: Context,
        log: LogSpan,
        reply: Option<Box<dyn PendingReply>>,
    }

    impl<F> PinnedDrop for Scoped<F> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            let _entered = this.log.enter();
            let _guard = attach(this.cx.clone());
            this.future.set(None);
        }
    }
}

impl<F> Scoped<F> {
    pub(crate) fn new(future: F, reply: Option<Box<dyn PendingReply>>) -> Self {
        Self { future: Some(future), cx: current(), log: LogSpan::current(), reply }
    }
}

impl<A: Actor, F: ActorFuture<A, Output = ()>> ActorFuture<A> for Scoped<F> {
    type Output = ();

    fn poll(
        self: Pin<&mut Self>,
        actor: &mut A,
        ctx: &mut A::Context,
        task: &mut std::task::Context<'_>,
    ) -> Poll<()> {
        let mut this = self.project();
        let polled = {
            let _entered = this.log.enter();
            let _guard = attach(this.cx.clone());
            let Some(future) = this.future.as_mut().as_pin_mut() else { return Poll::Ready(()) };
            let polled = catch_unwind(AssertUnwindSafe(|| future.poll(actor, ctx, task)));
            if let Ok(Poll::Ready(())) = polled {
                this.future.set(None);
            }
            polled
        };
        match polled {
            Ok(poll) => ready!(poll),
            Err(payload) => {
                report_panic(this.cx, this.reply.take(), panic_message(&*payload));
                resume_unwind(payload)
            }
        }
        if let Some(reply) = this.reply.take() {
            reply.future_ended();
        }
        Poll::Ready(())
    }
}

/// The reply of a message that a future answers: the message ends when that future has ended.
pub(crate) trait PendingReply {
    /// The future has ended. The reply is there, or will never come, or comes later by another way.
    fn future_ended(self: Box<Self>);

    /// The future panicked.
    fn panicked(self: Box<Self>, message: String);
}

/// Reports that the future panicked. If the future answers a message, the panic ends that message.
/// Otherwise it is an event on the span that spawned the future, if that span is still open.
fn report_panic(cx: &Context, reply: Option<Box<dyn PendingReply>>, message: String) {
    match reply {
        Some(reply) => reply.panicked(message),
        None => cx.span().add_event(
            "exception",
            vec![
                KeyValue::new("exception.type", error_type::PANIC),
                KeyValue::new("exception.message", message),
            ],
        ),
    }
}
