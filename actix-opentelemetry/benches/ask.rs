//! What traced messages cost, as ratios to plain ones: asks, tells and stream items.
//!
//! ```text
//! cargo bench-ask                               # the table
//! cargo bench-ask -- --batch                    # with a batch processor, whose exporter drops the spans
//! cargo bench-ask -- --rounds 9 --json          # each round's ratios too, for a program to read
//! cargo bench-ask -- --only "sampled ask" --count 20000   # one case alone, for a profiler
//! ```
//!
//! Each figure is the median of several rounds. A round runs all cases in turn, in many short
//! slices, so that whatever disturbs the machine disturbs all of them. Time is the processor time of
//! the thread that asks and answers: what other processes use is not in it, and neither is the
//! thread of the batch processor.
//!
//! A caller in a trace makes its context current at each poll, also when it asks a plain actor. So
//! there is a plain ask by such a caller too. "Span by hand" is a plain actor whose handler makes
//! the span that a traced actor gets: what any implementation has to cost.
//!
//! The allocator is the system's. `cargo bench-ask-mimalloc` is the same with mimalloc, as a program
//! that serves may use it.
//!
//! With `--features tracing` a second table follows, in which a `tracing` subscriber keeps spans: a
//! traced message has a `tracing` span too then.

use std::hint::black_box;
use std::process::exit;

use actix::dev::ToEnvelope;
use actix::prelude::*;
use actix_opentelemetry::{TracedActor, TracedContext, TracedStart};
use actix_rt::SystemRunner;
use futures_util::stream;
use opentelemetry::global::BoxedTracer;
use opentelemetry::trace::{
    FutureExt, SpanBuilder, SpanContext, SpanId, SpanKind, TraceContextExt, TraceFlags, TraceId,
    TraceState, Tracer, TracerProvider,
};
use opentelemetry::{Context, KeyValue, global};
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, SdkTracerProvider, SpanData, SpanExporter,
};
use tokio::sync::oneshot;

#[derive(Message)]
#[rtype(result = "u32")]
struct Ping(u32);

/// Has the actor listen to a stream of so many items.
#[derive(Message)]
#[rtype(result = "()")]
struct Listen {
    items: u64,
    done: oneshot::Sender<()>,
}

#[derive(Default)]
struct Plain {
    done: Option<oneshot::Sender<()>>,
}

impl Actor for Plain {
    type Context = actix::Context<Self>;
}

#[derive(Default)]
struct Traced {
    done: Option<oneshot::Sender<()>>,
}

impl Actor for Traced {
    type Context = TracedContext<Self>;
}

impl TracedActor for Traced {
    const NAME: &'static str = "Traced";
}

macro_rules! handlers {
    ($($actor:ident),+) => {$(
        impl Handler<Ping> for $actor {
            type Result = u32;

            fn handle(&mut self, ping: Ping, _: &mut Self::Context) -> u32 {
                black_box(ping.0)
            }
        }

        impl Handler<Listen> for $actor {
            type Result = ();

            fn handle(&mut self, listen: Listen, ctx: &mut Self::Context) {
                self.done = Some(listen.done);
                ctx.add_stream(stream::iter(0..listen.items));
            }
        }

        impl StreamHandler<u64> for $actor {
            fn handle(&mut self, item: u64, _: &mut Self::Context) {
                black_box(item);
            }

            fn finished(&mut self, _: &mut Self::Context) {
                self.done.take().map(|done| done.send(()));
            }
        }
    )+};
}

handlers!(Plain, Traced);

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

/// A span as `Traced` gets it, made by hand.
fn span<T: Tracer>(tracer: &T, parent: &Context) -> T::Span {
    let builder =
        SpanBuilder::from_name("ask Traced Ping").with_kind(SpanKind::Internal).with_attributes([
            KeyValue::new("actix.actor.name", "Traced"),
            KeyValue::new("actix.message.type", "Ping"),
            KeyValue::new("actix.message.kind", "ask"),
            KeyValue::new("code.function.name", "<Traced as Handler<Ping>>::handle"),
            KeyValue::new("actix.mailbox.wait", 0.000_001),
        ]);
    tracer.build_with_context(builder, parent)
}

/// A case to be measured: its name, and how many nanoseconds so many runs of it take.
type Case<'a> = (&'static str, Box<dyn FnMut(u64) -> f64 + 'a>);

/// What is compared: a case, and the case that it is divided by.
const RATIOS: [(&str, &str); 11] = [
    ("sampled ask", "plain ask"),
    ("sampled ask", "plain ask in a trace"),
    ("sampled ask", "plain ask, span by hand"),
    ("unsampled ask", "plain ask"),
    ("unsampled ask", "plain ask in a trace"),
    ("ask outside any trace", "plain ask"),
    ("sampled tell", "plain tell in a trace"),
    ("unsampled tell", "plain tell in a trace"),
    ("sampled stream item", "plain stream item"),
    ("stream item outside any trace", "plain stream item"),
    ("plain ask, span by hand", "plain ask"),
];

/// What a thread makes in one go. All of its spans have room in the batch processor's queue.
const SLICE: u64 = 4_000;
const SLICES: u64 = 12;

fn cases<'a>(system: &'a SystemRunner, sampled: &Context) -> Vec<Case<'a>> {
    let unsampled = Context::new().with_remote_span_context(SpanContext::new(
        TraceId::from(1),
        SpanId::from(1),
        TraceFlags::NOT_SAMPLED,
        true,
        TraceState::NONE,
    ));
    let by_hand = ByHand { tracer: global::tracer("bench"), sender: sampled.clone() };
    let (plain, by_hand, traced) = system.block_on(async {
        (Plain::default().start(), by_hand.start(), Traced::default().start_traced())
    });
    let outside = Context::new();
    vec![
        ("plain ask", asks(system, &plain, None)),
        ("ask outside any trace", asks(system, &traced, None)),
        ("plain ask in a trace", asks(system, &plain, Some(sampled))),
        ("unsampled ask", asks(system, &traced, Some(&unsampled))),
        ("plain ask, span by hand", asks(system, &by_hand, Some(sampled))),
        ("sampled ask", asks(system, &traced, Some(sampled))),
        ("plain tell in a trace", tells(system, &plain, sampled)),
        ("unsampled tell", tells(system, &traced, &unsampled)),
        ("sampled tell", tells(system, &traced, sampled)),
        ("plain stream item", items(system, &plain, &outside)),
        ("stream item outside any trace", items(system, &traced, &outside)),
        ("sampled stream item", items(system, &traced, sampled)),
    ]
}

/// Asks one after the other, in a context if there is one.
fn asks<'a, A>(
    system: &'a SystemRunner,
    addr: &Addr<A>,
    cx: Option<&Context>,
) -> Box<dyn FnMut(u64) -> f64 + 'a>
where
    A: Actor + Handler<Ping>,
    A::Context: ToEnvelope<A, Ping>,
{
    let (addr, cx) = (addr.clone(), cx.cloned());
    Box::new(move |count| {
        let asks = timed(async {
            for number in 0..count {
                black_box(addr.send(Ping(number as u32)).await).ok();
            }
        });
        match &cx {
            Some(cx) => system.block_on(asks.with_context(cx.clone())),
            None => system.block_on(asks),
        }
    })
}

/// Tells, with an ask after every so many that waits until they are all handled.
fn tells<'a, A>(
    system: &'a SystemRunner,
    addr: &Addr<A>,
    cx: &Context,
) -> Box<dyn FnMut(u64) -> f64 + 'a>
where
    A: Actor + Handler<Ping>,
    A::Context: ToEnvelope<A, Ping>,
{
    const AT_ONCE: u64 = 50;
    let (addr, cx) = (addr.clone(), cx.clone());
    Box::new(move |count| {
        let tells = timed(async {
            for _ in 0..count / AT_ONCE {
                for number in 1..AT_ONCE {
                    addr.do_send(Ping(number as u32));
                }
                black_box(addr.send(Ping(0)).await).ok();
            }
        });
        system.block_on(tells.with_context(cx.clone()))
    })
}

/// Items of a stream that the actor listens to.
fn items<'a, A>(
    system: &'a SystemRunner,
    addr: &Addr<A>,
    cx: &Context,
) -> Box<dyn FnMut(u64) -> f64 + 'a>
where
    A: Actor + Handler<Listen>,
    A::Context: ToEnvelope<A, Listen>,
{
    let (addr, cx) = (addr.clone(), cx.clone());
    Box::new(move |items| {
        let listening = timed(async {
            let (done, is_done) = oneshot::channel();
            addr.do_send(Listen { items, done });
            is_done.await.ok();
        });
        system.block_on(listening.with_context(cx.clone()))
    })
}

/// How long the work takes, in nanoseconds.
async fn timed(work: impl Future<Output = ()>) -> f64 {
    let start = thread_time();
    work.await;
    thread_time() - start
}

/// The processor time of this thread, in nanoseconds; without such a clock, the time.
#[cfg(unix)]
fn thread_time() -> f64 {
    use nix::time::{ClockId, clock_gettime};
    let time = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).expect("a thread has a clock");
    time.tv_sec() as f64 * 1e9 + time.tv_nsec() as f64
}

#[cfg(not(unix))]
fn thread_time() -> f64 {
    static START: std::sync::LazyLock<std::time::Instant> =
        std::sync::LazyLock::new(std::time::Instant::now);
    START.elapsed().as_secs_f64() * 1e9
}

/// Takes spans as an exporter of OTLP does, and drops them.
#[derive(Debug)]
struct Nowhere;

impl SpanExporter for Nowhere {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        black_box(batch);
        Ok(())
    }
}

/// The nanoseconds of each case in each round.
fn measure(cases: &mut [Case<'_>], rounds: usize, provider: &SdkTracerProvider) -> Vec<Vec<f64>> {
    let mut times = vec![Vec::with_capacity(rounds); cases.len()];
    // The first round only warms up.
    for round in 0..=rounds {
        let mut sums = vec![0.0; cases.len()];
        for _ in 0..SLICES {
            for (sum, (_, run)) in sums.iter_mut().zip(cases.iter_mut()) {
                *sum += run(SLICE);
                provider.force_flush().expect("the exporter takes everything");
            }
        }
        if round > 0 {
            for (times, sum) in times.iter_mut().zip(sums) {
                times.push(sum / (SLICE * SLICES) as f64);
            }
        }
    }
    times
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    if sorted.len() % 2 == 1 { sorted[middle] } else { (sorted[middle - 1] + sorted[middle]) / 2.0 }
}

#[expect(clippy::print_stdout, reason = "a benchmark's result is what it prints")]
fn report(cases: &[Case<'_>], times: &[Vec<f64>], is_json: bool) {
    println!("\nprocessor time of one, median of {} rounds:", times[0].len());
    for ((name, _), times) in cases.iter().zip(times) {
        println!("  {name:30} {:6.0} ns", median(times));
    }
    println!("ratios, median of the rounds' (least and greatest):");
    let of = |wanted: &str| {
        let place = cases.iter().position(|(name, _)| *name == wanted);
        &times[place.expect("RATIOS names cases")]
    };
    for (work, base) in RATIOS {
        let ratios: Vec<f64> =
            of(work).iter().zip(of(base)).map(|(work, base)| work / base).collect();
        let least = ratios.iter().copied().fold(f64::INFINITY, f64::min);
        let greatest = ratios.iter().copied().fold(0.0, f64::max);
        println!("  {work} over {base}: {:.2} ({least:.2} to {greatest:.2})", median(&ratios));
        if is_json {
            println!(r#"{{"work": "{work} over {base}", "runs": {ratios:.4?}}}"#);
        }
    }
}

/// What the command line asks for.
struct Options {
    rounds: usize,
    is_json: bool,
    is_batch: bool,
    only: Option<String>,
    count: u64,
    /// False for `cargo test --benches`, which only sees that the benchmark runs.
    is_bench: bool,
}

impl Options {
    fn read() -> Result<Self, String> {
        let mut options = Self {
            rounds: 5,
            is_json: false,
            is_batch: false,
            only: None,
            count: SLICE,
            is_bench: false,
        };
        let mut words = std::env::args().skip(1);
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or(format!("{word}: expected a value"));
            let number = |value: String| match value.parse() {
                Ok(number) if number > 0 => Ok(number),
                _ => Err(format!("{word} {value}: expected a whole number from 1")),
            };
            match word.as_str() {
                "--bench" => options.is_bench = true,
                "--rounds" => options.rounds = number(value()?)? as usize,
                "--json" => options.is_json = true,
                "--batch" => options.is_batch = true,
                "--only" => options.only = Some(value()?),
                "--count" => options.count = number(value()?)?,
                _ => {
                    return Err(format!(
                        "{word}: expected --rounds, --json, --batch, --only or --count"
                    ));
                }
            }
        }
        Ok(options)
    }
}

pub(crate) fn main() {
    let options = Options::read().unwrap_or_else(|error| {
        eprintln!("{error}");
        exit(2);
    });
    let mut provider = SdkTracerProvider::builder();
    if options.is_batch {
        let config = BatchConfigBuilder::default().with_max_queue_size(4 * SLICE as usize).build();
        let processor = BatchSpanProcessor::builder(Nowhere).with_batch_config(config).build();
        provider = provider.with_span_processor(processor);
    }
    let provider = provider.build();
    global::set_tracer_provider(provider.clone());
    let sampled = Context::new().with_span(provider.tracer("bench").start("bench"));
    let system = System::new();
    let mut cases = cases(&system, &sampled);

    if let Some(only) = &options.only {
        let Some((_, run)) = cases.iter_mut().find(|(name, _)| name == only) else {
            let names: Vec<_> = cases.iter().map(|(name, _)| *name).collect();
            eprintln!("--only {only}: expected one of {}", names.join("; "));
            exit(2);
        };
        run(options.count);
    } else if !options.is_bench {
        for (_, run) in &mut cases {
            run(50);
        }
    } else {
        let times = measure(&mut cases, options.rounds, &provider);
        report(&cases, &times, options.is_json);
        #[cfg(feature = "tracing")]
        with_tracing(&mut cases, &options, &provider);
    }
}

/// The same where a `tracing` subscriber keeps spans, as one that logs does.
#[cfg(feature = "tracing")]
#[expect(clippy::print_stdout, reason = "a benchmark's result is what it prints")]
fn with_tracing(cases: &mut [Case<'_>], options: &Options, provider: &SdkTracerProvider) {
    let times = tracing::subscriber::with_default(tracing_subscriber::registry(), || {
        let request = tracing::info_span!("request", user = 1);
        let _entered = request.enter();
        measure(cases, options.rounds, provider)
    });
    println!("\nin a tracing span, with a subscriber that keeps spans:");
    report(cases, &times, false);
}
