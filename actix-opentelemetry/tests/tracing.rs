//! The feature `tracing`: log lines of a handler carry the fields of the sender's span, and this
//! works together with a layer that makes OpenTelemetry spans of `tracing` spans. Each test has a
//! subscriber of its own, on its own thread.

// tracing-opentelemetry 0.34 is for OpenTelemetry 0.33.
#![cfg(not(feature = "opentelemetry_0_32"))]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actix::prelude::*;
use actix_opentelemetry::testing::{TestTrace, recorder};
use actix_opentelemetry::{
    BatchLinks, RootPolicy, TimerPolicy, TracedActor, TracedContext, TracedStart, ask, spawn_traced,
};
use actix_rt::task::yield_now;
use opentelemetry::Context;
use opentelemetry::global;
use opentelemetry::trace::{FutureExt, TraceContextExt};
use tracing::subscriber::DefaultGuard;
use tracing::{Instrument, info, info_span};
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry;

/// The lines that were logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    /// The lines so far, without the paths of this test's types.
    fn take(&self) -> String {
        let bytes = std::mem::take(&mut *self.0.lock().unwrap());
        String::from_utf8(bytes).unwrap().replace("tracing::", "")
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

/// Logs plain lines on this thread, and on request makes OpenTelemetry spans of `tracing` spans.
fn subscribe(with_opentelemetry: bool) -> (Log, DefaultGuard) {
    recorder();
    let log = Log::default();
    let lines = tracing_subscriber::fmt::layer()
        .without_time()
        .with_ansi(false)
        .with_level(false)
        .with_target(false)
        .with_writer(log.clone());
    let spans = with_opentelemetry.then(|| {
        tracing_opentelemetry::layer()
            .with_tracer(global::tracer("app"))
            .with_location(false)
            .with_threads(false)
            .with_tracked_inactivity(false)
    });
    let subscriber = registry().with(lines).with(spans);
    (log, tracing::subscriber::set_default(subscriber))
}

macro_rules! traced_actors {
    ($($actor:ident),+) => {$(
        impl Actor for $actor {
            type Context = TracedContext<Self>;
        }

        impl TracedActor for $actor {
            const NAME: &'static str = stringify!($actor);
        }
    )+};
}

macro_rules! messages {
    ($($message:ident),+) => {$(
        #[derive(Message)]
        #[rtype(result = "()")]
        struct $message;
    )+};
}

struct Checkout {
    aisle: Addr<Aisle>,
}

struct Aisle;

traced_actors!(Checkout, Aisle);
messages!(PlaceOrder, Reserve, Wait, Spawn, Tick, Again);

impl Handler<PlaceOrder> for Checkout {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, _: PlaceOrder, _: &mut Self::Context) -> Self::Result {
        info!("ordered");
        let aisle = self.aisle.clone();
        let work = async move {
            ask(&aisle, Reserve).await.unwrap();
            aisle.do_send(Reserve);
            info!("placed");
        };
        // A span of the handler's own, as an application may have.
        Box::pin(work.instrument(info_span!("placing", who = "Checkout")))
    }
}

impl Handler<Reserve> for Aisle {
    type Result = ();

    fn handle(&mut self, _: Reserve, _: &mut Self::Context) {
        info_span!("look").in_scope(|| info!("reserved"));
    }
}

impl Handler<Wait> for Aisle {
    type Result = ResponseActFuture<Self, ()>;

    fn handle(&mut self, _: Wait, _: &mut Self::Context) -> Self::Result {
        let wait = async {
            yield_now().await;
            info!("waited");
        };
        Box::pin(wait.into_actor(self))
    }
}

impl Handler<Spawn> for Aisle {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, _: Spawn, ctx: &mut Self::Context) -> Self::Result {
        let spawned = async {
            yield_now().await;
            info!("spawned");
        };
        ctx.spawn(spawned.into_actor(self));
        let past = spawn_traced(async {
            yield_now().await;
            info!("spawned past the actor");
        });
        Box::pin(async { past.await.unwrap() })
    }
}

impl Handler<Tick> for Aisle {
    type Result = ();

    fn handle(&mut self, _: Tick, ctx: &mut Self::Context) {
        ctx.run_later(Duration::ZERO, |_, ctx| {
            info!("late");
            ctx.notify_later(Reserve, Duration::ZERO);
        });
    }
}

const ASKED: &str =
    "actor{actix.actor.name=\"Aisle\" actix.message.type=\"MESSAGE\" actix.message.kind=\"ask\"}";

#[actix::test]
async fn a_handlers_log_carries_the_fields_of_the_request() {
    let (log, _guard) = subscribe(false);
    let aisle = Aisle.start_traced();

    async {
        aisle.send(Reserve).await.unwrap();
        ask(&aisle, Wait).await.unwrap();
        aisle.send(Spawn).await.unwrap();
    }
    .instrument(info_span!("request", user = 1))
    .await;

    // Spawned work logs in an order of its own.
    let lines = log.take();
    let mut lines: Vec<_> = lines.lines().collect();
    lines[2..].sort_unstable();
    let asked = |message| ASKED.replace("MESSAGE", message);
    let (reserve, wait, spawn) = (asked("Reserve"), asked("Wait"), asked("Spawn"));
    assert_eq!(
        lines.join("\n"),
        format!(
            "request{{user=1}}:{reserve}:look: reserved
request{{user=1}}:{wait}: waited
request{{user=1}}:{spawn}: spawned
request{{user=1}}:{spawn}: spawned past the actor"
        )
    );
}

#[actix::test]
async fn a_log_line_names_the_actor_that_wrote_it_last() {
    let (log, _guard) = subscribe(false);
    let checkout = Checkout { aisle: Aisle.start_traced() }.start_traced();

    async { checkout.send(PlaceOrder).await.unwrap() }
        .instrument(info_span!("request", user = 1))
        .await;
    yield_now().await;

    let checkout = "request{user=1}:actor{actix.actor.name=\"Checkout\" \
                    actix.message.type=\"PlaceOrder\" actix.message.kind=\"ask\"}";
    let aisle = ASKED.replace("MESSAGE", "Reserve");
    let told = aisle.replace("ask", "tell");
    assert_eq!(
        log.take(),
        format!(
            "{checkout}: ordered
{checkout}:placing{{who=\"Checkout\"}}:{aisle}:look: reserved
{checkout}:placing{{who=\"Checkout\"}}: placed
{checkout}:placing{{who=\"Checkout\"}}:{told}:look: reserved
"
        )
    );
}

#[actix::test]
async fn where_the_actors_span_is_filtered_out_lines_carry_the_senders() {
    recorder();
    let log = Log::default();
    let lines = tracing_subscriber::fmt::layer()
        .without_time()
        .with_ansi(false)
        .with_level(false)
        .with_target(false)
        .with_writer(log.clone());
    let own = filter_fn(|metadata| metadata.target() != "actix_opentelemetry");
    let _guard = tracing::subscriber::set_default(registry().with(own).with(lines));
    let aisle = Aisle.start_traced();

    async { aisle.send(Reserve).await.unwrap() }.instrument(info_span!("request", user = 1)).await;

    assert_eq!(log.take(), "request{user=1}:look: reserved\n");
}

#[actix::test]
async fn a_timer_logs_outside_the_request_that_set_it() {
    let (log, _guard) = subscribe(false);
    let aisle = Aisle.start_traced();

    async { aisle.send(Tick).await.unwrap() }.instrument(info_span!("request", user = 1)).await;
    let mut lines = String::new();
    while lines.lines().count() < 2 {
        yield_now().await;
        lines += &log.take();
    }

    assert_eq!(
        lines,
        "actor{actix.actor.name=\"Aisle\" actix.message.kind=\"delayed\"}: late
actor{actix.actor.name=\"Aisle\" actix.message.type=\"Reserve\" actix.message.kind=\"delayed\"}:look: reserved
"
    );
}

/// An actor whose timers are children of the spans that set them.
struct Retry;

impl Actor for Retry {
    type Context = TracedContext<Self>;
}

impl TracedActor for Retry {
    const NAME: &'static str = "Retry";
    const TIMERS: TimerPolicy = TimerPolicy::Child;
}

impl Handler<Tick> for Retry {
    type Result = ();

    fn handle(&mut self, _: Tick, ctx: &mut Self::Context) {
        ctx.run_later(Duration::ZERO, |_, _| info!("again"));
    }
}

#[actix::test]
async fn a_timer_that_is_a_child_logs_in_the_request_that_set_it() {
    let (log, _guard) = subscribe(false);
    let retry = Retry.start_traced();

    async { retry.send(Tick).await.unwrap() }.instrument(info_span!("request", user = 1)).await;
    let mut lines = String::new();
    while lines.is_empty() {
        yield_now().await;
        lines = log.take();
    }

    let asked = ASKED.replace("Aisle", "Retry").replace("MESSAGE", "Tick");
    assert_eq!(
        lines,
        format!(
            "request{{user=1}}:{asked}:actor{{actix.actor.name=\"Retry\" actix.message.kind=\"delayed\"}}: again\n"
        )
    );
}

/// Notifies itself many times in a row.
struct Loop {
    left: u32,
}

traced_actors!(Loop);

impl Handler<Again> for Loop {
    type Result = ();

    fn handle(&mut self, _: Again, ctx: &mut Self::Context) {
        info!("again");
        if let Some(left) = self.left.checked_sub(1) {
            self.left = left;
            ctx.notify(Again);
        }
    }
}

#[actix::test]
async fn the_spans_of_a_chain_do_not_grow_without_end() {
    let (log, _guard) = subscribe(false);
    let actor = Loop { left: 1000 }.start_traced();

    async { actor.send(Again).await.unwrap() }.instrument(info_span!("request", user = 1)).await;
    let mut lines = String::new();
    while lines.lines().count() < 1001 {
        yield_now().await;
        lines += &log.take();
    }

    let depth = lines.lines().map(|line| line.matches("actor{").count()).max();
    assert_eq!(depth, Some(17), "an ask and sixteen notifications");
    assert_eq!(lines.matches("request{").count(), 17);
}

/// Serves all waiting messages in one batch.
#[derive(Default)]
struct Ledger {
    links: BatchLinks,
}

traced_actors!(Ledger);

impl Handler<Reserve> for Ledger {
    type Result = ();

    fn handle(&mut self, _: Reserve, _: &mut Self::Context) {
        self.links.add_current();
    }
}

impl Handler<PlaceOrder> for Ledger {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, _: PlaceOrder, _: &mut Self::Context) -> Self::Result {
        let batch = std::mem::take(&mut self.links).process::<Self, _>(async { info!("written") });
        let batch = actix_rt::spawn(batch);
        Box::pin(async { batch.await.unwrap() })
    }
}

#[actix::test]
async fn a_batch_logs_outside_the_requests_that_it_serves() {
    let (log, _guard) = subscribe(false);
    let ledger = Ledger::default().start_traced();

    async { ledger.send(Reserve).await.unwrap() }.instrument(info_span!("request", user = 1)).await;
    async { ledger.send(PlaceOrder).await.unwrap() }
        .instrument(info_span!("request", user = 2))
        .await;

    assert_eq!(
        log.take(),
        "actor{actix.actor.name=\"Ledger\" actix.message.kind=\"batch\"}: written\n"
    );
}

#[actix::test]
async fn with_tracing_opentelemetry_there_is_one_tree_of_both_and_no_message_twice() {
    let (log, _guard) = subscribe(true);
    let checkout = Checkout { aisle: Aisle.start_traced() }.start_traced();
    let trace = TestTrace::start("test");

    trace
        .run(async {
            async { checkout.send(PlaceOrder).await.unwrap() }
                .instrument(info_span!("request", user = 1))
                .await;
        })
        .await;
    yield_now().await;

    assert_eq!(log.take().lines().count(), 4);
    assert_eq!(
        trace.tree(8).await,
        "test INTERNAL
  request INTERNAL
    ask Checkout PlaceOrder INTERNAL
      placing INTERNAL
        ask Aisle Reserve INTERNAL
          look INTERNAL
        tell Aisle Reserve INTERNAL
          look INTERNAL
"
    );
}

/// An actor whose policy is to warn of lost contexts.
struct Watchful;

impl Actor for Watchful {
    type Context = TracedContext<Self>;
}

impl TracedActor for Watchful {
    const NAME: &'static str = "Watchful";
    const ROOT: RootPolicy = RootPolicy::Warn;
}

impl Handler<Tick> for Watchful {
    type Result = ();

    fn handle(&mut self, _: Tick, _: &mut Self::Context) {}
}

#[actix::test]
async fn a_lost_context_is_a_warning() {
    let (log, _guard) = subscribe(false);
    let watchful = Watchful.start_traced();
    let in_a_trace = Context::new()
        .with_remote_span_context(TestTrace::start("test").cx().span().span_context().clone());

    async { watchful.send(Tick).await.unwrap() }.with_context(in_a_trace).await;
    assert_eq!(log.take(), "");
    watchful.send(Tick).await.unwrap();
    watchful.send(Tick).await.unwrap();

    let lines = log.take();
    assert_eq!(lines.lines().count(), 1, "{lines}");
    let start = "message `Tick` reached `Watchful` outside any trace, sent from `";
    assert!(lines.starts_with(start), "{lines}");
    assert!(lines.contains("tests/tracing.rs:"), "{lines}");
}
