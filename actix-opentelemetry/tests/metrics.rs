//! The metrics, as an exporter gets them. A binary of its own: once there is a meter, every actor
//! of the process is measured.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actix::prelude::*;
use actix_opentelemetry::metrics::{BUCKET_BOUNDS, set_meter};
use actix_opentelemetry::{Reply, TracedActor, TracedContext, TracedStart};
use opentelemetry::KeyValue;
use opentelemetry::metrics::MeterProvider;
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

/// A till that is not supervised, so that what is behind a [`Close`] is lost.
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

#[actix::test]
async fn every_message_is_measured_whether_it_is_traced_or_not() {
    let exporter = Exporter::default();
    let reader = PeriodicReader::builder(exporter.clone()).build();
    let provider = SdkMeterProvider::builder().with_reader(reader).build();
    assert!(set_meter(&provider.meter("test")));
    assert!(!set_meter(&provider.meter("test")), "the first meter stays");

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
    // One that is still waiting in its mailbox.
    till.do_send(Close);

    provider.force_flush().unwrap();
    let series = exporter.0.lock().unwrap().clone();
    let lines: Vec<_> = series.iter().map(|(key, value)| format!("{key} = {value}")).collect();
    let expected = "\
actix.actor.restarts [{restart}] actix.actor.name=Till = 1
actix.mailbox.depth [{message}] actix.actor.name=LastTill = 0
actix.mailbox.depth [{message}] actix.actor.name=Till = 1
actix.mailbox.wait.duration [s] actix.actor.name=LastTill actix.message.kind=tell actix.message.type=Close = 1
actix.mailbox.wait.duration [s] actix.actor.name=Till actix.message.kind=ask actix.message.type=Close = 1
actix.mailbox.wait.duration [s] actix.actor.name=Till actix.message.kind=ask actix.message.type=Count = 2
actix.mailbox.wait.duration [s] actix.actor.name=Till actix.message.kind=ask actix.message.type=Pay = 2
actix.message.dropped [{message}] actix.actor.name=LastTill actix.message.kind=ask actix.message.type=Close reason=undelivered = 1
actix.message.dropped [{message}] actix.actor.name=LastTill actix.message.kind=tell actix.message.type=Close reason=undelivered = 1
actix.message.dropped [{message}] actix.actor.name=Till actix.message.kind=ask actix.message.type=Close reason=abandoned = 1
actix.message.duration [s] actix.actor.name=LastTill actix.message.kind=tell actix.message.type=Close = 1
actix.message.duration [s] actix.actor.name=Till actix.message.kind=ask actix.message.type=Close = 1
actix.message.duration [s] actix.actor.name=Till actix.message.kind=ask actix.message.type=Count = 2
actix.message.duration [s] actix.actor.name=Till actix.message.kind=ask actix.message.type=Pay = 1
actix.message.duration [s] actix.actor.name=Till actix.message.kind=ask actix.message.type=Pay error.type=Refused = 1";
    assert_eq!(lines.join("\n"), expected);
}
