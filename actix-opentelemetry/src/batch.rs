//! One piece of work that serves many messages, such as a database transaction for all orders that
//! wait: it has a span of its own, which is linked to the span of each message.

use std::collections::HashMap;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context as TaskContext, Poll, ready};

use opentelemetry::baggage::{BaggageExt, BaggageMetadata, KeyValueMetadata};
use opentelemetry::trace::{Link, TraceContextExt};
use opentelemetry::{Context, Key, KeyValue, StringValue};
use pin_project_lite::pin_project;

use crate::actor::TracedActor;
use crate::attribute;
use crate::logspan::LogSpan;
use crate::operation;
use crate::origin::{current, is_recorded};
use crate::policy::{BatchPolicy, RootPolicy};
use crate::span::MessageSpan;

/// How many links a span holds, by the
/// [SDK's default limit](https://opentelemetry.io/docs/specs/otel/trace/sdk/#span-limits).
const MAX_LINKS: usize = 128;

/// The messages that one piece of work serves.
///
/// An actor that gathers messages and serves them together (in one transaction, one request, one
/// write) has one piece of work with many callers. It belongs in no single caller's trace, so it
/// is a root, `process {Actor} batch`, with a link to the span of each message. Each message's span
/// that is still open when the work begins gets a link to the batch too, unless
/// [`TracedActor::BATCHES`] says otherwise.
///
/// ```no_run
/// # use actix::prelude::*;
/// # use actix_opentelemetry::{BatchLinks, TracedActor, TracedContext};
/// # use tokio::sync::oneshot;
/// # async fn write_all(_: &[Order]) -> u64 { 0 }
/// # #[derive(Message)]
/// # #[rtype(u64)]
/// # struct Order;
/// struct Ledger {
///     waiting: Vec<(Order, oneshot::Sender<u64>)>,
///     links: BatchLinks,
/// }
/// # impl Actor for Ledger { type Context = TracedContext<Self>; }
/// # impl TracedActor for Ledger { const NAME: &'static str = "Ledger"; }
///
/// impl Handler<Order> for Ledger {
///     type Result = ResponseFuture<u64>;
///
///     fn handle(&mut self, order: Order, _: &mut Self::Context) -> Self::Result {
///         let (tx, rx) = oneshot::channel();
///         self.waiting.push((order, tx));
///         self.links.add_current();
///         Box::pin(async move { rx.await.unwrap_or_default() })
///     }
/// }
///
/// impl Ledger {
///     fn flush(&mut self) {
///         let batch = std::mem::take(&mut self.waiting);
///         let links = std::mem::take(&mut self.links);
///         actix_rt::spawn(links.process::<Ledger, _>(async move {
///             let (orders, replies): (Vec<_>, Vec<_>) = batch.into_iter().unzip();
///             // Spans made here are children of `process Ledger batch`.
///             let written = write_all(&orders).await;
///             for reply in replies {
///                 reply.send(written).ok();
///             }
///         }));
///     }
/// }
/// ```
#[derive(Debug, Default, Clone)]
pub struct BatchLinks {
    /// The contexts of the messages that are recorded.
    recorded: Vec<Context>,
    message_count: usize,
    baggage: HashMap<Key, (StringValue, BaggageMetadata)>,
}

impl BatchLinks {
    /// A batch that has no messages yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the message that is being handled. Call it in the handler.
    pub fn add_current(&mut self) {
        self.add(&current());
    }

    /// Adds the message that was handled in this context. It is for an actor that decides later
    /// which messages make a batch, and keeps `Context::current()` beside each message until then.
    pub fn add(&mut self, cx: &Context) {
        self.keep_common_baggage(cx);
        self.message_count += 1;
        if is_recorded(cx) {
            self.recorded.push(cx.clone());
        }
    }

    /// How many messages there are, linked or not.
    pub fn len(&self) -> usize {
        self.message_count
    }

    /// Whether there are no messages.
    pub fn is_empty(&self) -> bool {
        self.message_count == 0
    }

    /// Runs the work in a span `process {Actor} batch`, which lasts from now until the future is
    /// done.
    ///
    /// The span is current in the future. It fails if the actor's
    /// [`classify`](TracedActor::classify) says so of the future's output, if the future panics,
    /// and as `abandoned` if it is dropped. The context values are those of the caller of this
    /// method; the baggage has the entries that all messages have in common. If none of the
    /// messages is recorded there is no span, unless the actor's policy is [`RootPolicy::Start`].
    pub fn process<A: TracedActor, F>(self, work: F) -> Batch<A, F>
    where
        F: Future,
        F::Output: 'static,
    {
        // It logs in a span of its own, which is made at the first poll: the work belongs to no
        // single request.
        Batch {
            work: Some(work),
            span: self.start::<A>().with_log(LogSpan::later()),
            actor: PhantomData,
        }
    }

    /// Does the same as [`process`](Self::process) for work that blocks, in a sync actor.
    pub fn process_blocking<A: TracedActor, R: 'static>(self, work: impl FnOnce() -> R) -> R {
        let mut span = self.start::<A>().with_log(LogSpan::current());
        let output = span.enter(work);
        span.end_with::<A, _>(&output);
        output
    }

    /// Keeps the entries that this message's baggage has too, with the same value: an entry that
    /// all messages carry is true of the batch. Context values cannot be compared, so those of the
    /// messages are not kept.
    fn keep_common_baggage(&mut self, cx: &Context) {
        let baggage = cx.baggage();
        if self.message_count == 0 {
            self.baggage =
                baggage.iter().map(|(key, value)| (key.clone(), value.clone())).collect();
        } else {
            self.baggage.retain(|key, value| {
                baggage.get_with_metadata(key.as_str()).is_some_and(|other| other == value)
            });
        }
    }

    fn start<A: TracedActor>(self) -> MessageSpan {
        let Self { recorded, message_count, baggage } = self;
        let mut cx = current();
        if !baggage.is_empty() || !cx.baggage().is_empty() {
            cx = cx.with_baggage(
                baggage
                    .into_iter()
                    .map(|(key, (value, metadata))| KeyValueMetadata::new(key, value, metadata)),
            );
        }
        if recorded.is_empty() && A::ROOT == RootPolicy::Carry {
            return MessageSpan::carry(cx);
        }
        let message_count = i64::try_from(message_count).unwrap_or(i64::MAX);
        let links = (recorded.iter().take(MAX_LINKS))
            .map(|cx| Link::with_context(cx.span().span_context().clone()))
            .collect();
        let batch = MessageSpan::linked_root(&cx, operation::of_batch::<A>(), links, || {
            vec![
                KeyValue::new(attribute::ACTOR_NAME, A::NAME),
                KeyValue::new(attribute::BATCH_MESSAGE_COUNT, message_count),
            ]
        });
        if A::BATCHES == BatchPolicy::BothWays && batch.is_open() && is_recorded(batch.cx()) {
            let span = batch.cx().span();
            for cx in &recorded {
                // A span that has ended ignores the link.
                cx.span().add_link(span.span_context().clone(), Vec::new());
            }
        }
        batch
    }
}

pin_project! {
    /// The future of a [`BatchLinks::process`].
    #[must_use = "the work is done when this is polled"]
    pub struct Batch<A, F> {
        #[pin]
        work: Option<F>,
        span: MessageSpan,
        actor: PhantomData<fn(A)>,
    }

    impl<A, F> PinnedDrop for Batch<A, F> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            this.span.within(|| this.work.set(None));
        }
    }
}

impl<A: TracedActor, F: Future> Future for Batch<A, F>
where
    F::Output: 'static,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, task: &mut TaskContext<'_>) -> Poll<F::Output> {
        let mut this = self.project();
        let span = this.span;
        span.begin_log(operation::of_batch::<A>());
        let polled = span.enter(|| match this.work.as_mut().as_pin_mut() {
            Some(work) => work.poll(task),
            None => Poll::Pending,
        });
        let output = ready!(polled);
        span.enter(|| this.work.set(None));
        span.end_with::<A, _>(&output);
        Poll::Ready(output)
    }
}
