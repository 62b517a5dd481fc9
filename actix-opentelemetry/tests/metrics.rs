//! The metrics as an exporter gets them. This is a binary of its own because a meter measures all
//! actors of the process. Each test has actors of its own and looks only at their series.

// The crate's SDK 0.32 is built without metrics.
#![cfg(not(feature = "opentelemetry_0_32"))]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;

use actix::prelude::*;
use actix_opentelemetry::metrics::{BUCKET_BOUNDS, set_meter};
use actix_opentelemetry::{
    AskError, Reply, RootPolicy, TracedActor, TracedContext, TracedStart, ask, tell,
};
use opentelemetry::metrics::MeterProvider;
use opentelemetry::trace::{
    FutureExt, SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState,
};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::metrics::data::{AggregatedMetrics, MetricData, ResourceMetrics};
use opentelemetry_sdk::metrics::exporter::PushMetricExporter;
use opentelemetry_sdk::metrics::{PeriodicReader, SdkMeterProvider, Temporality};

/// Each series as one line: name, unit, attributes, and its value or its count.
type Series = BTreeMap<String, f64>;

#[derive(Clone, Default)]
struct Exporter(Arc<Mutex<Series>>);

impl PushMetricExporter for Exporter {
    async fn export(&self, metrics: &ResourceMetrics) -> OTelSdkResult {
        let mut all = self.0.lock().unwrap();
        for metric in metrics.scope_metrics().flat_map(|scope| scope.metrics()) {
            let name = format!("{} [{}]", metric.name(), metric.unit());
            match metric.data() {
                AggregatedMetrics::F64(MetricData::Histogram(histogram)) => {
                    for point in histogram.data_points() {
                        assert!(point.bounds().eq(BUCKET_BOUNDS));
                        assert!(point.sum() >= 0.0);
                        let key = format!("{name} {}", labels(point.attributes()));
                        all.insert(key, point.count() as f64);
                    }
                }
                AggregatedMetrics::U64(MetricData::Sum(sum)) => {
                    for point in sum.data_points() {
                        let key = format!("{name} {}", labels(point.attributes()));
                        all.insert(key, point.value() as f64);
                    }
                }
                AggregatedMetrics::F64(MetricData::Gauge(gauge)) => {
                    for point in gauge.data_points() {
                        let key = format!("{name} {}", labels(point.attributes()));
                        all.insert(key, point.value());
                    }
                }
                AggregatedMetrics::I64(MetricData::Sum(sum)) => {
                    assert!(!sum.is_monotonic());
                    for point in sum.data_points() {
                        let key = format!("{name} {}", labels(point.attributes()));
                        all.insert(key, point.value() as f64);
                    }
                }
                other => panic!("{name} is not of a kind that is expected: {other:?}"),
            }
        }
        Ok(())
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }

    fn temporality(&self) -> Temporality {
        Temporality::Cumulative
    }
}

fn labels<'a>(attributes: impl Iterator<Item = &'a KeyValue>) -> String {
    let mut pairs: Vec<_> =
        attributes.map(|pair| format!("{}={}", pair.key, pair.value.as_str())).collect();
    pairs.sort();
    pairs.join(" ")
}

struct Till;

#[derive(Message)]
#[rtype(result = "Result<u32, u32>")]
struct Pay(Result<u32, u32>);

#[derive(Message)]
#[rtype(result = "u32")]
struct Count;

#[derive(Message)]
#[rtype(result = "()")]
struct Close;

impl Actor for Till {
    type Context = TracedContext<Self>;
}

impl TracedActor for Till {
    const NAME: &'static str = "Till";

    fn classify(reply: Reply<'_>) -> Option<Cow<'static, str>> {
        reply.err::<u32, u32>().map(|_| "Refused".into())
    }
}

impl Supervised for Till {}

impl Handler<Pay> for Till {
    type Result = ResponseFuture<Result<u32, u32>>;

    fn handle(&mut self, pay: Pay, _: &mut Self::Context) -> Self::Result {
        Box::pin(async move { pay.0 })
    }
}

impl Handler<Count> for Till {
    type Result = AtomicResponse<Self, u32>;

    fn handle(&mut self, _: Count, _: &mut Self::Context) -> Self::Result {
        AtomicResponse::new(Box::pin(async { 7 }.into_actor(self)))
    }
}

impl Handler<Close> for Till {
    type Result = ();

    fn handle(&mut self, _: Close, ctx: &mut Self::Context) {
        ctx.stop();
    }
}

/// A till that is not supervised, so that messages behind a [`Close`] are lost.
struct LastTill;

impl Actor for LastTill {
    type Context = TracedContext<Self>;
}

impl TracedActor for LastTill {
    const NAME: &'static str = "LastTill";
}

impl Handler<Close> for LastTill {
    type Result = ();

    fn handle(&mut self, _: Close, ctx: &mut Self::Context) {
        ctx.stop();
    }
}

/// The one meter of the process, and the metrics that it exports.
struct Meter {
    provider: SdkMeterProvider,
    exporter: Exporter,
}

fn meter() -> &'static Meter {
    static METER: LazyLock<Meter> = LazyLock::new(|| {
        let exporter = Exporter::default();
        let reader = PeriodicReader::builder(exporter.clone()).build();
        let provider = SdkMeterProvider::builder().with_reader(reader).build();
        assert!(set_meter(&provider.meter("test")));
        assert!(!set_meter(&provider.meter("test")), "the first meter stays");
        Meter { provider, exporter }
    });
    &METER
}

/// The series of these actors, one a line, without those of the instruments in `without`.
fn series(actors: &[&str], without: &[&str]) -> String {
    // One test at a time, so that each looks at an export of its own.
    static EXPORT: Mutex<()> = Mutex::new(());
    let _export = EXPORT.lock().unwrap_or_else(PoisonError::into_inner);
    meter().exporter.0.lock().unwrap().clear();
    meter().provider.force_flush().unwrap();
    let series = meter().exporter.0.lock().unwrap().clone();
    let is_of = |key: &str| {
        actors.iter().any(|actor| {
            let label = format!("actix.actor.name={actor}");
            key.split(' ').any(|word| word == label)
        })
    };
    let lines: Vec<_> = (series.iter())
        .filter(|(key, _)| is_of(key) && !without.iter().any(|name| key.starts_with(name)))
        .map(|(key, value)| match key.starts_with("actix.message.active.max_age") {
            true => format!("{key} {} 0", if *value > 0.0 { ">" } else { "=" }),
            false => format!("{key} = {value}"),
        })
        .collect();
    lines.join("\n").replace("metrics::", "")
}

#[actix::test]
async fn every_message_is_measured_whether_it_is_traced_or_not() {
    meter();
    let till = Till::supervise_traced(|_| Till);
    assert_eq!(till.send(Pay(Ok(1))).await, Ok(Ok(1)));
    assert_eq!(till.send(Pay(Err(1))).await, Ok(Err(1)));
    assert_eq!(till.send(Count).await, Ok(7));
    till.send(Close).await.unwrap();
    drop(till.send(Close));
    assert_eq!(till.send(Count).await, Ok(7));
    let last = LastTill.start_traced();
    last.do_send(Close);
    last.do_send(Close);
    assert_eq!(last.send(Close).await, Err(MailboxError::Closed));
    while last.connected() {
        actix_rt::task::yield_now().await;
    }
    // This message is still waiting in its mailbox.
    till.do_send(Close);

    let expected = "\
actix.actor.live [{actor}] actix.actor.name=LastTill = 0
actix.actor.live [{actor}] actix.actor.name=Till = 1
actix.actor.restarts [{restart}] actix.actor.name=Till = 1
actix.mailbox.depth [{message}] actix.actor.name=LastTill = 0
actix.mailbox.depth [{message}] actix.actor.name=Till = 1
actix.mailbox.wait.duration [s] actix.actor.name=LastTill actix.message.kind=tell actix.message.type=Close = 1
actix.mailbox.wait.duration [s] actix.actor.name=Till actix.message.kind=ask actix.message.type=Close = 1
actix.mailbox.wait.duration [s] actix.actor.name=Till actix.message.kind=ask actix.message.type=Count = 2
actix.mailbox.wait.duration [s] actix.actor.name=Till actix.message.kind=ask actix.message.type=Pay = 2
actix.message.dropped [{message}] actix.actor.name=LastTill actix.message.drop_reason=undelivered actix.message.kind=ask actix.message.type=Close = 1
actix.message.dropped [{message}] actix.actor.name=LastTill actix.message.drop_reason=undelivered actix.message.kind=tell actix.message.type=Close = 1
actix.message.dropped [{message}] actix.actor.name=Till actix.message.drop_reason=abandoned actix.message.kind=ask actix.message.type=Close = 1
actix.message.duration [s] actix.actor.name=LastTill actix.message.kind=tell actix.message.type=Close = 1
actix.message.duration [s] actix.actor.name=Till actix.message.kind=ask actix.message.type=Close = 1
actix.message.duration [s] actix.actor.name=Till actix.message.kind=ask actix.message.type=Count = 2
actix.message.duration [s] actix.actor.name=Till actix.message.kind=ask actix.message.type=Pay = 1
actix.message.duration [s] actix.actor.name=Till actix.message.kind=ask actix.message.type=Pay error.type=Refused = 1";
    let without = ["actix.message.active", "actix.message.without"];
    assert_eq!(series(&["Till", "LastTill"], &without), expected);
}

/// Fails in every way.
struct Failing;

#[derive(Message)]
#[rtype(result = "()")]
struct Fail(Failure);

#[derive(Clone, Copy)]
enum Failure {
    InHandler,
    InReply,
    InSpawned,
    InTimer,
    Stuck,
}

impl Actor for Failing {
    type Context = TracedContext<Self>;
}

impl TracedActor for Failing {
    const NAME: &'static str = "Failing";
}

impl Handler<Fail> for Failing {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, fail: Fail, ctx: &mut Self::Context) -> Self::Result {
        match fail.0 {
            Failure::InHandler => panic!("in the handler"),
            Failure::InReply => Box::pin(async { panic!("in the reply") }),
            Failure::InSpawned => {
                ctx.spawn(async { panic!("in what it spawned") }.into_actor(self));
                Box::pin(async {})
            }
            Failure::InTimer => {
                ctx.run_later(Duration::ZERO, |_, _| panic!("in the timer"));
                Box::pin(async {})
            }
            Failure::Stuck => Box::pin(std::future::pending()),
        }
    }
}

/// Panics in `started`.
struct Stillborn;

impl Actor for Stillborn {
    type Context = TracedContext<Self>;

    fn started(&mut self, _: &mut Self::Context) {
        panic!("in started");
    }
}

impl TracedActor for Stillborn {
    const NAME: &'static str = "Stillborn";
}

impl Handler<Fail> for Stillborn {
    type Result = ();

    fn handle(&mut self, _: Fail, _: &mut Self::Context) {}
}

async fn ended<A: Actor>(addr: &Addr<A>) {
    while addr.connected() {
        actix_rt::task::yield_now().await;
    }
}

#[actix::test]
async fn failures_are_counted_though_nothing_is_traced() {
    meter();
    // Each of these panics ends its actor, except for the one in a future on the arbiter.
    for failure in [Failure::InHandler, Failure::InSpawned, Failure::InTimer] {
        let failing = Failing.start_traced();
        failing.do_send(Fail(failure));
        ended(&failing).await;
        assert!(tell(&failing, Fail(failure)).is_err());
    }
    let failing = Failing::create_traced(|ctx| {
        ctx.set_mailbox_capacity(1);
        Failing
    });
    assert_eq!(ask(&failing, Fail(Failure::InReply)).await, Err(AskError::Closed));
    let stuck = ask(&failing, Fail(Failure::Stuck)).timeout(Duration::from_millis(1));
    assert_eq!(stuck.await, Err(AskError::Timeout));
    failing.do_send(Fail(Failure::Stuck));
    // The first message fills the mailbox, which is not emptied before something is awaited, and
    // the second finds no room. The first is given up, and so not handled.
    let given_up = ask(&failing, Fail(Failure::Stuck));
    let refused = ask(&failing, Fail(Failure::Stuck)).fail_when_full();
    assert_eq!(refused.await, Err(AskError::Full));
    drop(given_up);
    let stillborn = Stillborn.start_traced();
    assert_eq!(ask(&stillborn, Fail(Failure::Stuck)).await, Err(AskError::Closed));
    ended(&stillborn).await;
    assert_eq!(ask(&stillborn, Fail(Failure::Stuck)).await, Err(AskError::Closed));
    // All have been handled by now.
    assert_eq!(ask(&failing, Fail(Failure::InReply)).await, Err(AskError::Closed));

    let expected = "\
actix.actor.live [{actor}] actix.actor.name=Failing = 1
actix.actor.live [{actor}] actix.actor.name=Stillborn = 0
actix.actor.panics [{panic}] actix.actor.name=Failing = 5
actix.actor.panics [{panic}] actix.actor.name=Stillborn = 1
actix.ask.failures [{ask}] actix.actor.name=Failing actix.message.kind=ask actix.message.type=Fail error.type=mailbox_closed = 2
actix.ask.failures [{ask}] actix.actor.name=Failing actix.message.kind=ask actix.message.type=Fail error.type=mailbox_full = 1
actix.ask.failures [{ask}] actix.actor.name=Failing actix.message.kind=ask actix.message.type=Fail error.type=timeout = 1
actix.ask.failures [{ask}] actix.actor.name=Stillborn actix.message.kind=ask actix.message.type=Fail error.type=mailbox_closed = 2
actix.message.active [{message}] actix.actor.name=Failing actix.message.kind=ask actix.message.type=Fail = 1
actix.message.active [{message}] actix.actor.name=Failing actix.message.kind=tell actix.message.type=Fail = 1
actix.message.active.max_age [s] actix.actor.name=Failing actix.message.kind=ask actix.message.type=Fail > 0
actix.message.active.max_age [s] actix.actor.name=Failing actix.message.kind=tell actix.message.type=Fail > 0
actix.message.dropped [{message}] actix.actor.name=Failing actix.message.drop_reason=abandoned actix.message.kind=ask actix.message.type=Fail = 1
actix.message.dropped [{message}] actix.actor.name=Failing actix.message.drop_reason=mailbox_closed actix.message.kind=tell actix.message.type=Fail = 3
actix.message.dropped [{message}] actix.actor.name=Failing actix.message.drop_reason=mailbox_full actix.message.kind=ask actix.message.type=Fail = 1
actix.message.dropped [{message}] actix.actor.name=Stillborn actix.message.drop_reason=mailbox_closed actix.message.kind=ask actix.message.type=Fail = 1
actix.message.dropped [{message}] actix.actor.name=Stillborn actix.message.drop_reason=undelivered actix.message.kind=ask actix.message.type=Fail = 1";
    let without = ["actix.mailbox", "actix.message.duration", "actix.message.without"];
    assert_eq!(series(&["Failing", "Stillborn"], &without), expected);
}

mod a {
    #[derive(actix::Message)]
    #[rtype(result = "()")]
    pub(crate) struct Do;
}

mod b {
    #[derive(actix::Message)]
    #[rtype(result = "()")]
    pub(crate) struct Do;
}

/// Handles two messages of the same short name, and sets a timer.
struct Doer;

impl Actor for Doer {
    type Context = TracedContext<Self>;
}

impl TracedActor for Doer {
    const NAME: &'static str = "Doer";
}

impl Handler<a::Do> for Doer {
    type Result = ();

    fn handle(&mut self, _: a::Do, ctx: &mut Self::Context) {
        ctx.run_later(Duration::ZERO, |_, _| ());
    }
}

impl Handler<b::Do> for Doer {
    type Result = ();

    fn handle(&mut self, _: b::Do, _: &mut Self::Context) {}
}

#[actix::test]
async fn messages_of_one_name_are_told_apart_and_a_timer_has_none() {
    meter();
    let doer = Doer.start_traced();
    doer.send(a::Do).await.unwrap();
    doer.send(b::Do).await.unwrap();
    while !series(&["Doer"], &[]).contains("kind=delayed") {
        actix_rt::task::yield_now().await;
    }

    let without = ["actix.mailbox", "actix.actor", "actix.message.active", "actix.message.without"];
    let expected = "\
actix.message.duration [s] actix.actor.name=Doer actix.message.kind=ask actix.message.type=a::Do = 1
actix.message.duration [s] actix.actor.name=Doer actix.message.kind=ask actix.message.type=b::Do = 1
actix.message.duration [s] actix.actor.name=Doer actix.message.kind=delayed = 1";
    assert_eq!(series(&["Doer"], &without), expected);
}

/// Sets timers, and stops.
struct Sleeper;

impl Actor for Sleeper {
    type Context = TracedContext<Self>;
}

impl TracedActor for Sleeper {
    const NAME: &'static str = "Sleeper";
}

impl Supervised for Sleeper {}

impl Handler<a::Do> for Sleeper {
    type Result = ();

    fn handle(&mut self, _: a::Do, ctx: &mut Self::Context) {
        const LONG: Duration = Duration::from_secs(3600);
        ctx.notify_later(b::Do, LONG);
        let cancelled = ctx.notify_later(b::Do, LONG);
        ctx.cancel_future(cancelled);
        ctx.run_later(LONG, |_, _| ());
        ctx.run_interval(LONG, |_, _| ());
    }
}

impl Handler<b::Do> for Sleeper {
    type Result = ();

    fn handle(&mut self, _: b::Do, ctx: &mut Self::Context) {
        ctx.stop();
    }
}

#[actix::test]
async fn timers_that_die_with_their_actor_are_counted() {
    meter();
    let sleeper = Sleeper.start_traced();
    sleeper.send(a::Do).await.unwrap();
    sleeper.send(b::Do).await.unwrap();
    ended(&sleeper).await;
    let supervised = Sleeper::supervise_traced(|_| Sleeper);
    supervised.send(a::Do).await.unwrap();
    supervised.send(b::Do).await.unwrap();
    supervised.send(b::Do).await.unwrap();

    let others = [
        "actix.mailbox",
        "actix.actor",
        "actix.message.active",
        "actix.message.duration",
        "actix.message.without",
    ];
    let dropped = series(&["Sleeper"], &others);
    // Those of two actors each, without the one that was cancelled and without intervals.
    let expected = "\
actix.message.dropped [{message}] actix.actor.name=Sleeper actix.message.drop_reason=undelivered actix.message.kind=delayed = 2
actix.message.dropped [{message}] actix.actor.name=Sleeper actix.message.drop_reason=undelivered actix.message.kind=delayed actix.message.type=b::Do = 2";
    assert_eq!(dropped, expected);
}

/// Two actors: one that carries messages from outside any trace, and one that is an entry point.
struct Courier;
struct Gate;

impl Actor for Courier {
    type Context = TracedContext<Self>;
}

impl TracedActor for Courier {
    const NAME: &'static str = "Courier";
}

impl Actor for Gate {
    type Context = TracedContext<Self>;
}

impl TracedActor for Gate {
    const NAME: &'static str = "Gate";
    const ROOT: RootPolicy = RootPolicy::Start;
}

impl Handler<a::Do> for Courier {
    type Result = ();

    fn handle(&mut self, _: a::Do, ctx: &mut Self::Context) {
        ctx.notify(b::Do);
    }
}

impl Handler<b::Do> for Courier {
    type Result = ();

    fn handle(&mut self, _: b::Do, ctx: &mut Self::Context) {
        ctx.run_later(Duration::ZERO, |_, _| ());
    }
}

impl Handler<a::Do> for Gate {
    type Result = ();

    fn handle(&mut self, _: a::Do, _: &mut Self::Context) {}
}

#[actix::test]
async fn messages_that_lost_their_context_are_counted() {
    meter();
    let (courier, gate) = (Courier.start_traced(), Gate.start_traced());
    let refused = Context::new().with_remote_span_context(SpanContext::new(
        TraceId::from(1),
        SpanId::from(1),
        TraceFlags::NOT_SAMPLED,
        true,
        TraceState::NONE,
    ));

    courier.send(a::Do).await.unwrap();
    courier.send(a::Do).await.unwrap();
    async { courier.send(a::Do).await }.with_context(refused).await.unwrap();
    gate.send(a::Do).await.unwrap();
    while !series(&["Courier"], &[]).contains("kind=delayed = 3") {
        actix_rt::task::yield_now().await;
    }

    // A message in a trace that is not sampled does not count, nor does a timer or a message to an
    // entry point.
    let expected = "\
actix.message.without_context [{message}] actix.actor.name=Courier actix.message.kind=ask actix.message.type=a::Do = 2
actix.message.without_context [{message}] actix.actor.name=Courier actix.message.kind=notify actix.message.type=b::Do = 2";
    let others = ["actix.mailbox", "actix.actor", "actix.message.active", "actix.message.duration"];
    assert_eq!(series(&["Courier", "Gate"], &others), expected);
}
