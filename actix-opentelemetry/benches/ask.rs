//! What a traced ask costs, compared with a plain ask and with the span that it makes.
//!
//! The aims are: outside a trace, or in one that is not sampled, at most 0.1 µs more than a plain
//! ask; in a sampled trace, no more than a plain ask and one span of the SDK plus 0.1 µs. At the
//! end the benchmark prints how far off they are. It measures each case once more for that, in
//! interleaved rounds: on a noisy machine figures that are taken a minute apart cannot be compared.
//!
//! A caller in a trace makes its context current at each poll, also when it asks a plain actor. So
//! the cases in a trace are compared with a plain ask that is made in a trace too.
//!
//! With `--features tracing` another comparison follows, in which a `tracing` subscriber keeps
//! spans: a traced ask then has a `tracing` span too.
//!
//! A plain ask and one span are measured together, by a plain actor whose handler makes the span by
//! hand. The sum of the two measured apart is printed too, but no implementation can reach it:
//! alone in its loop, a span has the caches to itself.

use std::hint::black_box;
use std::time::{Duration, Instant};

use actix::dev::ToEnvelope;
use actix::prelude::*;
use actix_opentelemetry::{TracedActor, TracedContext, TracedStart};
use actix_rt::SystemRunner;
use criterion::Criterion;
use opentelemetry::global::BoxedTracer;
use opentelemetry::trace::{
    FutureExt, SpanBuilder, SpanContext, SpanId, SpanKind, TraceContextExt, TraceFlags, TraceId,
    TraceState, Tracer, TracerProvider,
};
use opentelemetry::{Context, KeyValue, global};
use opentelemetry_sdk::trace::SdkTracerProvider;

#[derive(Message)]
#[rtype(result = "u32")]
struct Ping(u32);

struct Plain;

impl Actor for Plain {
    type Context = actix::Context<Self>;
}

impl Handler<Ping> for Plain {
    type Result = u32;

    fn handle(&mut self, ping: Ping, _: &mut Self::Context) -> u32 {
        black_box(ping.0)
    }
}

/// Makes by hand the span that `Traced` gets. The sender's context is given to it, since a plain
/// message does not carry it.
struct ByHand {
    tracer: BoxedTracer,
    sender: Context,
}

impl Actor for ByHand {
    type Context = actix::Context<Self>;
}

impl Handler<Ping> for ByHand {
    type Result = u32;

    fn handle(&mut self, ping: Ping, _: &mut Self::Context) -> u32 {
        let cx = self.sender.with_span(span(&self.tracer, &self.sender));
        let reply = black_box(ping.0);
        cx.span().end();
        reply
    }
}

struct Traced;

impl Actor for Traced {
    type Context = TracedContext<Self>;
}

impl TracedActor for Traced {
    const NAME: &'static str = "Traced";
}

impl Handler<Ping> for Traced {
    type Result = u32;

    fn handle(&mut self, ping: Ping, _: &mut Self::Context) -> u32 {
        black_box(ping.0)
    }
}

/// A case to be measured: its name, and how long so many runs of it take.
type Case<'a> = (&'static str, Box<dyn FnMut(u64) -> Duration + 'a>);

fn main() {
    let provider = SdkTracerProvider::builder().build();
    global::set_tracer_provider(provider.clone());
    let tracer = provider.tracer("bench");
    let sampled = Context::new().with_span(tracer.start("bench"));
    let system = System::new();
    let mut cases = cases(&system, &sampled);

    let mut criterion = Criterion::default()
        .measurement_time(Duration::from_secs(3))
        .warm_up_time(Duration::from_secs(1))
        .configure_from_args();
    let mut group = criterion.benchmark_group("ask");
    for (name, run) in &mut cases {
        group.bench_function(*name, |bencher| bencher.iter_custom(&mut *run));
    }
    group.finish();
    criterion.final_summary();
    compare(&mut cases);
    #[cfg(feature = "tracing")]
    compare_with_tracing(&mut cases);
}

fn cases<'a>(system: &'a SystemRunner, sampled: &'a Context) -> Vec<Case<'a>> {
    let unsampled = Context::new().with_remote_span_context(SpanContext::new(
        TraceId::from(1),
        SpanId::from(1),
        TraceFlags::NOT_SAMPLED,
        true,
        TraceState::NONE,
    ));
    let tracer = global::tracer("bench");
    let by_hand = ByHand { tracer: global::tracer("bench"), sender: sampled.clone() };
    let (plain, by_hand, traced) =
        system.block_on(async { (Plain.start(), by_hand.start(), Traced.start_traced()) });
    let spans = move |count| {
        let start = Instant::now();
        for _ in 0..count {
            black_box(sampled.with_span(span(&tracer, sampled))).span().end();
        }
        start.elapsed()
    };
    vec![
        ("plain", Box::new(asks(system, &plain, None))),
        ("propagate only", Box::new(asks(system, &traced, None))),
        ("plain in a trace", Box::new(asks(system, &plain, Some(sampled)))),
        ("unsampled", Box::new(asks(system, &traced, Some(&unsampled)))),
        ("span by hand", Box::new(asks(system, &by_hand, Some(sampled)))),
        ("sampled", Box::new(asks(system, &traced, Some(sampled)))),
        ("SDK span alone", Box::new(spans)),
    ]
}

/// Makes asks one after the other, in a context if there is one.
fn asks<'a, A>(
    system: &'a SystemRunner,
    addr: &Addr<A>,
    cx: Option<&Context>,
) -> impl FnMut(u64) -> Duration + 'a
where
    A: Actor + Handler<Ping>,
    A::Context: ToEnvelope<A, Ping>,
{
    let (addr, cx) = (addr.clone(), cx.cloned());
    move |count| {
        let addr = &addr;
        let asks = async move {
            let start = Instant::now();
            for number in 0..count {
                black_box(addr.send(Ping(number as u32)).await).ok();
            }
            start.elapsed()
        };
        match &cx {
            Some(cx) => system.block_on(asks.with_context(cx.clone())),
            None => system.block_on(asks),
        }
    }
}

/// A span with four attributes, made by hand.
fn span<T: Tracer>(tracer: &T, parent: &Context) -> T::Span {
    let builder =
        SpanBuilder::from_name("ask Traced Ping").with_kind(SpanKind::Internal).with_attributes([
            KeyValue::new("actix.actor.name", "Traced"),
            KeyValue::new("actix.message.type", "Ping"),
            KeyValue::new("actix.message.kind", "ask"),
            KeyValue::new("actix.mailbox.wait", 0.000_001),
        ]);
    tracer.build_with_context(builder, parent)
}

/// The least time of each case in nanoseconds. The fastest of many interleaved rounds is the one
/// that was disturbed least.
fn least_times(cases: &mut [Case<'_>]) -> Vec<f64> {
    const COUNT: u64 = 20_000;
    let mut best = vec![f64::INFINITY; cases.len()];
    for _ in 0..ROUNDS {
        for (best, (_, run)) in best.iter_mut().zip(cases.iter_mut()) {
            *best = best.min(run(COUNT).as_secs_f64() * 1e9 / COUNT as f64);
        }
    }
    best
}

const ROUNDS: usize = 60;

#[expect(clippy::print_stdout, reason = "a benchmark's result is what it prints")]
fn compare(cases: &mut [Case<'_>]) {
    let best = least_times(cases);
    let [plain, propagate, plain_in_trace, unsampled, by_hand, sampled, span] = best[..] else {
        return;
    };
    println!("\nleast time of {ROUNDS} interleaved rounds, and its ratio to a plain ask:");
    for ((name, _), time) in cases.iter().zip(&best) {
        println!("  {name:16} {time:7.0} ns   {:5.2}", time / plain);
    }
    println!("over the aim's base (each may be 100 ns):");
    println!("  propagate only   {:7.0} ns over a plain ask", propagate - plain);
    println!("  unsampled        {:7.0} ns over a plain ask", unsampled - plain_in_trace);
    println!(
        "  sampled          {:7.0} ns over a plain ask with a span by hand",
        sampled - by_hand
    );
    let apart = plain_in_trace + span;
    println!("  sampled          {:7.0} ns over a plain ask and a span alone", sampled - apart);
}

/// The same asks where a `tracing` subscriber keeps spans, as one that logs does.
#[cfg(feature = "tracing")]
#[expect(clippy::print_stdout, reason = "a benchmark's result is what it prints")]
fn compare_with_tracing(cases: &mut [Case<'_>]) {
    let subscriber = tracing_subscriber::registry();
    let best = tracing::subscriber::with_default(subscriber, || {
        let request = tracing::info_span!("request", user = 1);
        let _entered = request.enter();
        least_times(cases)
    });
    println!("\nthe same in a tracing span, with a subscriber that keeps spans:");
    for ((name, _), time) in cases.iter().zip(&best) {
        println!("  {name:16} {time:7.0} ns   {:5.2}", time / best[0]);
    }
}
