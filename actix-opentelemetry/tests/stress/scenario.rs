//! Actors on many threads that send one another random chains of messages, and a span processor
//! that checks every span against what was sent.

use std::alloc::System as SystemAllocator;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use actix::prelude::*;
use actix_opentelemetry::opentelemetry::trace::{FutureExt, SpanId, TraceContextExt, Tracer};
use actix_opentelemetry::opentelemetry::{Context, KeyValue, global};
use actix_opentelemetry::testing::opentelemetry_sdk::error::OTelSdkResult;
use actix_opentelemetry::testing::opentelemetry_sdk::trace::{
    SdkTracerProvider, Span, SpanData, SpanProcessor,
};
use actix_opentelemetry::{TracedActor, TracedContext, TracedStart, ask, spawn_traced};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use tokio::sync::mpsc;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<SystemAllocator> = &INSTRUMENTED_SYSTEM;

const ARBITERS: usize = 8;
const ACTORS: usize = 200;
/// Messages in a chain, each sent by the handler of the one before.
const CHAIN: u64 = 50;
/// Chains under way at once.
const CONCURRENT: usize = 64;
/// The attribute in which a message's handler writes which span has to be the parent of its own.
const SENT_BY: &str = "sent.by";

static STARTED: AtomicU64 = AtomicU64::new(0);
static ENDED: AtomicU64 = AtomicU64::new(0);
static CHECKED: AtomicU64 = AtomicU64::new(0);
static FOREIGN: AtomicU64 = AtomicU64::new(0);

/// The findings of a run.
#[derive(Debug)]
pub(crate) struct Report {
    messages: u64,
    elapsed: Duration,
    /// Spans of messages that were checked.
    checked: u64,
    /// Spans whose parent is not the sender's span.
    foreign: u64,
    /// Spans that have started and not ended.
    open: u64,
    /// How many bytes more are in use than before the run.
    leaked_bytes: i64,
}

impl Report {
    /// Whether the run found no fault.
    pub(crate) fn is_clean(&self) -> bool {
        // Some buffers of the runtime and of thread locals grow to fit; a leak of one span in a
        // hundred messages would be far more than this.
        let allowed = 64 * 1024;
        self.foreign == 0
            && self.open == 0
            && self.checked == self.messages
            && self.leaked_bytes.abs() <= allowed
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rate = self.messages as f64 / self.elapsed.as_secs_f64();
        writeln!(f, "messages        {:9} on {ARBITERS} arbiters, {ACTORS} actors", self.messages)?;
        writeln!(f, "messages/s      {rate:9.0}")?;
        writeln!(f, "spans checked   {:9}", self.checked)?;
        writeln!(f, "foreign parents {:9}", self.foreign)?;
        writeln!(f, "open spans      {:9}", self.open)?;
        write!(f, "leaked bytes    {:9}", self.leaked_bytes)
    }
}

/// Runs so many messages, after a smaller run that makes all things that are made only once.
pub(crate) fn run(messages: u64) -> Report {
    global::set_tracer_provider(SdkTracerProvider::builder().with_span_processor(Check).build());
    send(20_000);
    let (live, checked) = (live_bytes(), CHECKED.load(Ordering::Relaxed));
    let start = Instant::now();
    send(messages);
    Report {
        messages,
        elapsed: start.elapsed(),
        checked: CHECKED.load(Ordering::Relaxed) - checked,
        foreign: FOREIGN.load(Ordering::Relaxed),
        open: STARTED.load(Ordering::Relaxed) - ENDED.load(Ordering::Relaxed),
        leaked_bytes: live_bytes() - live,
    }
}

fn live_bytes() -> i64 {
    let stats = ALLOCATOR.stats();
    stats.bytes_allocated as i64 - stats.bytes_deallocated as i64
}

/// One system with its actors, from start to end.
fn send(messages: u64) {
    System::new().block_on(async {
        let arbiters: Vec<_> = (0..ARBITERS).map(|_| Arbiter::new()).collect();
        let actors: Vec<_> = (0..ACTORS)
            .map(|index| {
                Stage::start_traced_in(&arbiters[index % ARBITERS].handle(), |_| Stage {
                    others: Vec::new(),
                })
            })
            .collect();
        for actor in &actors {
            actor.send(Meet(actors.clone())).await.expect("the actor has just started");
        }
        run_chains(&actors, messages / CHAIN).await;
        // Actors that hold one another's addresses would keep one another alive.
        for actor in &actors {
            actor.send(Meet(Vec::new())).await.expect("nothing stops the actor");
        }
        for arbiter in arbiters {
            arbiter.stop();
            arbiter.join().expect("no arbiter panics");
        }
    });
}

async fn run_chains(actors: &[Addr<Stage>], chains: u64) {
    let (done, mut finished) = mpsc::unbounded_channel();
    let tracer = global::tracer("stress");
    let mut under_way = 0;
    for chain in 0..chains {
        let cx = Context::new().with_span(tracer.start("chain"));
        let sent_by = cx.span().span_context().span_id();
        let hop = Hop { left: CHAIN - 1, random: chain + 1, sent_by, done: done.clone() };
        let first = &actors[chain as usize % ACTORS];
        async { first.do_send(hop) }.with_context(cx).await;
        under_way += 1;
        if under_way == CONCURRENT {
            finished.recv().await.expect("a sender is kept here");
            under_way -= 1;
        }
    }
    for _ in 0..under_way {
        finished.recv().await.expect("a sender is kept here");
    }
}

struct Stage {
    others: Vec<Addr<Stage>>,
}

impl Actor for Stage {
    type Context = TracedContext<Self>;
}

impl TracedActor for Stage {
    const NAME: &'static str = "Stage";
    // No chain is cut: the span after a cut has no parent to check.
    const HOP_LIMIT: u32 = u32::MAX;
    const ROUND_LIMIT: u32 = u32::MAX;
}

/// Gives an actor the addresses of the others.
#[derive(Message)]
#[rtype(result = "()")]
struct Meet(Vec<Addr<Stage>>);

impl Handler<Meet> for Stage {
    type Result = ();

    fn handle(&mut self, meet: Meet, _: &mut Self::Context) {
        self.others = meet.0;
    }
}

/// One message of a chain.
#[derive(Message)]
#[rtype(result = "()")]
struct Hop {
    left: u64,
    random: u64,
    sent_by: SpanId,
    done: mpsc::UnboundedSender<()>,
}

impl Handler<Hop> for Stage {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, hop: Hop, ctx: &mut Self::Context) -> Self::Result {
        Context::map_current(|cx| {
            let sender = u64::from_be_bytes(hop.sent_by.to_bytes()).cast_signed();
            cx.span().set_attribute(KeyValue::new(SENT_BY, sender));
        });
        let Some(left) = hop.left.checked_sub(1) else {
            return Box::pin(async move {
                // The other end counts the chains that are done, and may have stopped waiting.
                hop.done.send(()).ok();
            });
        };
        let random = xorshift(hop.random);
        let next = Hop { left, random, sent_by: current_span(), done: hop.done };
        let other = self.others[random as usize % self.others.len()].clone();
        match random >> 60 & 3 {
            0 => return Box::pin(async move { ask(&other, next).await.expect("it answers") }),
            1 => other.do_send(next),
            2 => ctx.notify(next),
            _ => drop(spawn_traced(async move {
                actix_rt::task::yield_now().await;
                let next = Hop { sent_by: current_span(), ..next };
                other.send(next).await.expect("it answers");
            })),
        }
        Box::pin(async {})
    }
}

fn current_span() -> SpanId {
    Context::map_current(|cx| cx.span().span_context().span_id())
}

/// Marsaglia's random number generator, which makes the same chains in every run.
fn xorshift(mut state: u64) -> u64 {
    state = state.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    state ^= state << 13;
    state ^= state >> 7;
    state ^ state << 17
}

/// Compares each span's parent with the sender's span, which its handler was told of.
#[derive(Debug)]
struct Check;

impl SpanProcessor for Check {
    fn on_start(&self, _: &mut Span, _: &Context) {
        STARTED.fetch_add(1, Ordering::Relaxed);
    }

    fn on_end(&self, span: SpanData) {
        ENDED.fetch_add(1, Ordering::Relaxed);
        let sent_by = span.attributes.iter().find(|pair| pair.key.as_str() == SENT_BY);
        if let Some(sent_by) = sent_by {
            CHECKED.fetch_add(1, Ordering::Relaxed);
            let parent = u64::from_be_bytes(span.parent_span_id.to_bytes()).cast_signed();
            if sent_by.value != actix_opentelemetry::opentelemetry::Value::I64(parent) {
                FOREIGN.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}
