//! How actors that keep themselves going (by timers, notifications, tells) are sampled. This is a
//! binary of its own because its provider does not sample everything.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use actix::prelude::*;
use actix_opentelemetry::opentelemetry::baggage::BaggageExt;
use actix_opentelemetry::opentelemetry::trace::{
    FutureExt, Link, SpanContext, SpanId, SpanKind, TraceContextExt, TraceFlags, TraceId,
    TraceState,
};
use actix_opentelemetry::opentelemetry::{Context, KeyValue, global};
use actix_opentelemetry::testing::opentelemetry_sdk::trace::{
    IdGenerator, Sampler, SamplingDecision, SamplingResult, SdkTracerProvider, ShouldSample,
};
use actix_opentelemetry::testing::{Recorder, SpanTree};
use actix_opentelemetry::{RootPolicy, TracedActor, TracedContext, TracedStart};
use tokio::sync::oneshot;

/// Keeps every second root of each name (the second, the fourth, ...), and a tenth of the roots
/// with "Ratio" in their name.
#[derive(Debug, Clone, Default)]
struct Roots(Arc<Mutex<HashMap<String, u64>>>);

impl ShouldSample for Roots {
    fn should_sample(
        &self,
        parent: Option<&Context>,
        trace_id: TraceId,
        name: &str,
        kind: &SpanKind,
        attributes: &[KeyValue],
        links: &[Link],
    ) -> SamplingResult {
        if name.contains("Ratio") {
            let ratio = Sampler::TraceIdRatioBased(0.1);
            return ratio.should_sample(parent, trace_id, name, kind, attributes, links);
        }
        let mut roots = self.0.lock().unwrap();
        let count = roots.entry(name.to_owned()).or_default();
        *count += 1;
        let decision = match *count % 2 {
            0 => SamplingDecision::RecordAndSample,
            _ => SamplingDecision::Drop,
        };
        SamplingResult { decision, attributes: Vec::new(), trace_state: TraceState::NONE }
    }
}

/// Makes the same ids in every run, by splitmix64.
#[derive(Debug, Default)]
struct Ids(AtomicU64);

impl Ids {
    fn next(&self) -> u64 {
        let mut z = self.0.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) | 1
    }
}

impl IdGenerator for Ids {
    fn new_trace_id(&self) -> TraceId {
        TraceId::from(u128::from(self.next()) << 64 | u128::from(self.next()))
    }

    fn new_span_id(&self) -> SpanId {
        SpanId::from(self.next())
    }
}

fn recorder() -> &'static Recorder {
    static RECORDER: LazyLock<Recorder> = LazyLock::new(|| {
        let recorder = Recorder::default();
        let provider = SdkTracerProvider::builder()
            .with_span_processor(recorder.clone())
            .with_sampler(Sampler::ParentBased(Box::new(Roots::default())))
            .with_id_generator(Ids::default())
            .build();
        global::set_tracer_provider(provider);
        recorder
    });
    &RECORDER
}

/// Every span of an actor of this name, as trees.
fn trees(actor: &str) -> String {
    let spans: Vec<_> = (recorder().all_spans().into_iter())
        .filter(|span| span.attribute("actix.actor.name") == Some(actor))
        .collect();
    SpanTree::new(&spans).render()
}

/// The context of a request, with the sampler's decision and with baggage.
fn request(flags: TraceFlags) -> Context {
    Context::new()
        .with_remote_span_context(SpanContext::new(
            TraceId::from(0x5eed),
            SpanId::from(0x5eed),
            flags,
            true,
            TraceState::NONE,
        ))
        .with_baggage([KeyValue::new("user.id", "42")])
}

/// How an actor keeps itself going, how often, and whom it tells when it is done.
struct Loop {
    left: u32,
    next: Next,
    done: Option<oneshot::Sender<()>>,
    /// The baggage that was seen at any time.
    baggage: Vec<String>,
}

#[derive(Clone, Copy, PartialEq)]
enum Next {
    Later,
    Interval,
    Notify,
    Tell,
}

/// The actor, with a name for each test.
struct Looping<const NAME: usize>(Loop);

const NAMES: [&str; 8] =
    ["Later", "Interval", "Notify", "Lazy", "Eager", "Ratio", "RatioNotify", "Tell"];

#[derive(Message)]
#[rtype(result = "()")]
struct Again;

#[derive(Message)]
#[rtype(result = "Vec<String>")]
struct Baggage;

impl<const NAME: usize> Actor for Looping<NAME> {
    type Context = TracedContext<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        match self.0.next {
            Next::Interval => drop(ctx.run_interval(Duration::from_micros(1), Self::step)),
            _ => self.step(ctx),
        }
    }
}

impl<const NAME: usize> TracedActor for Looping<NAME> {
    const NAME: &'static str = NAMES[NAME];
    const ROOT: RootPolicy = RootPolicy::Start;
}

impl<const NAME: usize> Looping<NAME> {
    fn step(&mut self, ctx: &mut TracedContext<Self>) {
        Context::map_current(|cx| {
            self.0.baggage.extend(cx.baggage().iter().map(|(key, _)| key.to_string()));
        });
        let Some(left) = self.0.left.checked_sub(1) else {
            ctx.cancel_future(ctx.handle());
            if let Some(done) = self.0.done.take() {
                done.send(()).unwrap();
            }
            return;
        };
        self.0.left = left;
        match self.0.next {
            Next::Later => drop(ctx.run_later(Duration::ZERO, Self::step)),
            Next::Interval => {}
            Next::Notify => ctx.notify(Again),
            Next::Tell => ctx.address().do_send(Again),
        }
    }
}

impl<const NAME: usize> Handler<Again> for Looping<NAME> {
    type Result = ();

    fn handle(&mut self, _: Again, ctx: &mut Self::Context) {
        self.step(ctx);
    }
}

impl<const NAME: usize> Handler<Baggage> for Looping<NAME> {
    type Result = MessageResult<Baggage>;

    fn handle(&mut self, _: Baggage, _: &mut Self::Context) -> Self::Result {
        MessageResult(std::mem::take(&mut self.0.baggage))
    }
}

/// Starts the actor in this context, and waits until it has run so often.
async fn run<const NAME: usize>(cx: Context, next: Next, left: u32) -> Addr<Looping<NAME>> {
    recorder();
    let (tx, done) = oneshot::channel();
    let start = async {
        Looping::<NAME>(Loop { left, next, done: Some(tx), baggage: Vec::new() }).start_traced()
    };
    let addr = start.with_context(cx).await;
    done.await.unwrap();
    addr
}

#[actix::test]
async fn a_timer_that_sets_itself_again_is_traced_as_often_as_the_sampler_says() {
    run::<0>(Context::new(), Next::Later, 199).await;
    // No two ticks in a row are kept, so none has a link to the one before.
    assert_eq!(trees("Later"), "delayed Later INTERNAL\n".repeat(199 / 2));
}

#[actix::test]
async fn an_interval_is_traced_as_often_as_the_sampler_says() {
    run::<1>(Context::new(), Next::Interval, 200).await;
    // An interval that is behind ticks on for a while when it is cancelled, but no more often than
    // tokio lets it without a pause.
    let spans = trees("Interval");
    let kept = spans.matches("interval Interval INTERNAL\n").count();
    assert_eq!(spans, "interval Interval INTERNAL\n".repeat(kept));
    assert!((100..=100 + 128 / 2).contains(&kept), "{kept}");
}

#[actix::test]
async fn a_loop_of_notifications_is_cut_in_an_unsampled_trace_too() {
    let addr = run::<2>(Context::new(), Next::Notify, 1001).await;
    addr.send(Baggage).await.unwrap();
    assert_cut_into_samples("Notify", "notify Notify Again");
}

#[actix::test]
async fn a_loop_of_tells_is_cut_in_an_unsampled_trace_too() {
    let addr = run::<7>(Context::new(), Next::Tell, 1001).await;
    addr.send(Baggage).await.unwrap();
    assert_cut_into_samples("Tell", "tell Tell Again");
}

/// 1001 messages are 58 traces of 17 messages (a root and sixteen hops) and one of fifteen. Every
/// second trace is kept.
fn assert_cut_into_samples(actor: &str, name: &str) {
    let trace: String =
        (0..17).map(|depth| format!("{}{name} INTERNAL\n", "  ".repeat(depth))).collect();
    assert_eq!(
        trees(actor).replace(&format!("ask {actor} Baggage INTERNAL\n"), ""),
        trace.repeat(29)
    );
}

#[actix::test]
async fn an_actor_started_in_a_request_is_sampled_apart_from_it_and_has_none_of_its_baggage() {
    let lazy = run::<3>(request(TraceFlags::NOT_SAMPLED), Next::Later, 58).await;
    let eager = run::<4>(request(TraceFlags::SAMPLED), Next::Later, 58).await;

    assert_eq!(lazy.send(Baggage).await, Ok(Vec::new()));
    assert_eq!(eager.send(Baggage).await, Ok(Vec::new()));
    for actor in ["Lazy", "Eager"] {
        assert_eq!(trees(actor), format!("delayed {actor} INTERNAL\n").repeat(58 / 2));
    }
}

#[actix::test]
async fn of_ten_thousand_ticks_a_tenth_is_traced_when_the_sampler_keeps_a_tenth() {
    run::<5>(Context::new(), Next::Interval, 10_000).await;

    // Five standard deviations are 150. An interval that is behind ticks on for a while when it is
    // cancelled, but no more often than tokio lets it without a pause.
    let spans = recorder().all_spans();
    let ticks = spans.iter().filter(|span| span.name == "interval Ratio").count();
    assert!((850..1150).contains(&ticks), "{ticks} of 10000");
}

#[actix::test]
async fn of_ten_thousand_notifications_a_tenth_of_the_traces_is_kept() {
    let addr = run::<6>(Context::new(), Next::Notify, 10_000).await;
    addr.send(Baggage).await.unwrap();

    // 589 traces of 17 or fewer; five standard deviations are 36.
    let spans = recorder().all_spans();
    let roots = spans
        .iter()
        .filter(|span| span.name == "notify RatioNotify Again" && span.parent.is_none())
        .count();
    assert!((22..96).contains(&roots), "{roots} of 589");
}
