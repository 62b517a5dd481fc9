//! Baggage and an application's context values are carried in every case, also across links.

use std::time::Duration;

use actix::prelude::*;
use actix_opentelemetry::opentelemetry::baggage::BaggageExt;
use actix_opentelemetry::opentelemetry::trace::FutureExt;
use actix_opentelemetry::opentelemetry::{Context, KeyValue};
use actix_opentelemetry::testing::TestTrace;
use actix_opentelemetry::{TracedActor, TracedContext, TracedStart, spawn_traced};
use actix_rt::time::Instant;
use futures_util::stream;
use tokio::sync::mpsc;

use crate::fixture::{Tenant, messages, tenant};

/// Reports the values that it finds in the context, in each case.
struct Courier {
    report: mpsc::UnboundedSender<(&'static str, Option<Tenant>, String)>,
}

messages!(Go => (), Stop => (), Told => (), Notified => (), Delayed => (), Streamed => ());

impl Courier {
    fn report(&self, case: &'static str) {
        let baggage = Context::map_current(|cx| {
            cx.baggage().get("parcel").map(|value| value.to_string()).unwrap_or_default()
        });
        self.report.send((case, tenant(), baggage)).unwrap();
    }
}

impl Actor for Courier {
    type Context = TracedContext<Self>;
}

impl TracedActor for Courier {
    const NAME: &'static str = "Courier";
    const HOP_LIMIT: u32 = 1;
}

impl Supervised for Courier {
    fn restarting(&mut self, _: &mut Self::Context) {
        self.report("restart");
    }
}

macro_rules! reports {
    ($($message:ident: $case:literal),+ $(,)?) => {$(
        impl Handler<$message> for Courier {
            type Result = ();

            fn handle(&mut self, _: $message, _: &mut Self::Context) {
                self.report($case);
            }
        }
    )+};
}

reports!(Notified: "notify", Delayed: "delayed", Streamed: "message stream");

impl StreamHandler<u32> for Courier {
    fn handle(&mut self, _: u32, _: &mut Self::Context) {
        self.report("stream");
    }

    fn finished(&mut self, _: &mut Self::Context) {}
}

impl Handler<Told> for Courier {
    type Result = ();

    fn handle(&mut self, _: Told, ctx: &mut Self::Context) {
        self.report("tell");
        // The second hop is beyond the limit, so it is a trace of its own.
        ctx.notify(Notified);
    }
}

impl Handler<Stop> for Courier {
    type Result = ();

    fn handle(&mut self, _: Stop, ctx: &mut Self::Context) {
        ctx.stop();
    }
}

impl Handler<Go> for Courier {
    type Result = AtomicResponse<Self, ()>;

    fn handle(&mut self, _: Go, ctx: &mut Self::Context) -> Self::Result {
        self.report("ask");
        ctx.address().do_send(Told);
        ctx.notify_later(Delayed, Duration::ZERO);
        ctx.run_later(Duration::ZERO, |actor, _| actor.report("later"));
        // It ticks now, and not again before the test is over.
        ctx.run_interval_at(Instant::now(), Duration::from_secs(3600), |actor, _| {
            actor.report("interval");
        });
        ctx.add_stream(stream::iter([1]));
        ctx.add_message_stream(stream::iter([Streamed]));
        ctx.spawn(async {}.into_actor(self).map(|(), actor, _| actor.report("spawn")));
        let spawned = Courier { report: self.report.clone() };
        spawn_traced(async move { spawned.report("spawn_traced") });
        AtomicResponse::new(Box::pin(
            async {}.into_actor(self).map(|(), actor, _| actor.report("atomic")),
        ))
    }
}

const CASES: [&str; 12] = [
    "ask",
    "atomic",
    "delayed",
    "interval",
    "later",
    "message stream",
    "notify",
    "restart",
    "spawn",
    "spawn_traced",
    "stream",
    "tell",
];

async fn cases_in(cx: Context) -> Vec<(&'static str, Option<Tenant>, String)> {
    let (report, mut reports) = mpsc::unbounded_channel();
    let courier = Courier::supervise_traced(|_| Courier { report });
    async { courier.send(Go).await.unwrap() }.with_context(cx.clone()).await;
    let mut cases = Vec::new();
    while cases.len() < CASES.len() {
        if cases.len() == CASES.len() - 1 {
            // Only the restart is left.
            async { courier.send(Stop).await.unwrap() }.with_context(cx.clone()).await;
        }
        let next = tokio::time::timeout(Duration::from_secs(60), reports.recv());
        cases.push(next.await.expect("every case reports in time").unwrap());
    }
    cases.sort_by_key(|(case, ..)| *case);
    cases
}

fn loaded(cx: &Context) -> Context {
    cx.with_value(Tenant(7)).with_baggage([KeyValue::new("parcel", "fragile")])
}

fn expected() -> Vec<(&'static str, Option<Tenant>, String)> {
    CASES
        .map(|case| match case {
            // An actor starts in an empty context.
            "restart" => (case, None, String::new()),
            _ => (case, Some(Tenant(7)), "fragile".to_owned()),
        })
        .into()
}

#[actix::test]
async fn in_a_trace() {
    let trace = TestTrace::start("test");

    assert_eq!(cases_in(loaded(trace.cx())).await, expected());

    trace.spans(11).await;
}

#[actix::test]
async fn outside_any_trace() {
    assert_eq!(cases_in(loaded(&Context::new())).await, expected());
}
