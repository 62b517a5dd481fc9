//! Short runs, and checks of their results.

use std::{
    num::{NonZeroU32, NonZeroU64, NonZeroUsize},
    time::Duration,
};

use actix_opentelemetry::testing::{SpanRecord, SpanTree, recorder};
use opentelemetry::trace::TraceId;
use shopper::{
    config::{Config, HttpConfig, Load, RunShare, Think},
    drive,
    result::{RunResult, Settings, SlowTrip},
    statistics::Statistics,
};
pub(crate) use testing::PATIENCE as DEADLINE;
use testing::process::{Ended, Process, Program};

/// The shopper as a program, without an exporter of spans unless the test sets one.
pub(crate) fn shopper(store_url: &str) -> Program {
    Program::new(env!("CARGO_BIN_EXE_shopper"))
        .args(["--store-url", store_url])
        .envs([("OTEL_TRACES_EXPORTER", "none")])
}

/// Waits for the end of a program while the stub serves it.
pub(crate) async fn end(process: Process) -> Ended {
    tokio::task::spawn_blocking(move || process.end()).await.unwrap()
}

/// One shopper that makes one trip of the kind quick-buy, without retries.
pub(crate) fn one_trip(store_url: &str) -> Config {
    Config {
        store_url: store_url.parse().unwrap(),
        load: closed(1),
        share: RunShare::WHOLE,
        threads: NonZeroUsize::MIN,
        trips: NonZeroU64::new(1),
        duration: None,
        seed: 1,
        mix: "quick-buy=1".parse().unwrap(),
        patience: DEADLINE,
        faults: vec![],
        http: HttpConfig {
            connect_timeout: DEADLINE,
            request_timeout: DEADLINE,
            retries: 0,
            retry_budget: "100%".parse().unwrap(),
            authorities: None,
        },
        run_name: None,
        receipts: None,
        meters: None,
    }
}

/// So many trips, one after the other.
pub(crate) fn trips(count: u64, store_url: &str) -> Config {
    Config { trips: NonZeroU64::new(count), ..one_trip(store_url) }
}

/// Shoppers that do not think.
pub(crate) fn closed(shoppers: u32) -> Load {
    let shoppers = NonZeroU32::new(shoppers).unwrap();
    Load::Closed { shoppers, every: Duration::ZERO, think: Think::Fixed }
}

/// Makes a run to its end and returns its statistics.
pub(crate) async fn run(config: &Config) -> RunResult {
    run_until(config, std::future::pending()).await
}

/// Makes a run until it is told to stop, and returns its statistics.
pub(crate) async fn run_until(config: &Config, stop: impl Future<Output = ()>) -> RunResult {
    recorder();
    let statistics = Statistics::new(Settings::default());
    let run = drive(config, &statistics, stop);
    tokio::time::timeout(DEADLINE, run).await.expect("the run ends").unwrap();
    let result = statistics.result();
    assert_adds_up(&result);
    result
}

/// Every trip is in the counts.
pub(crate) fn assert_adds_up(result: &RunResult) {
    let trips = &result.trips;
    assert_eq!(trips.scheduled, trips.started + trips.missed, "{trips:?}");
    let ended = trips.completed + trips.gave_up + trips.failed;
    assert_eq!((trips.started, trips.in_flight), (ended, 0), "{trips:?}");
    assert_eq!(result.latency.corrected.count, ended);
    assert_eq!(result.failures.values().sum::<u64>(), trips.failed);
    assert_eq!(result.outcomes.values().sum::<u64>(), trips.completed + trips.gave_up);
    let abandoned = result.failures.get("abandoned").copied().unwrap_or(0);
    let steps = result.steps.iter();
    // A trip that is cut off before its first step has no step that failed.
    let failed = steps.clone().map(|step| step.failures).sum::<u64>();
    assert!((trips.failed - abandoned..=trips.failed).contains(&failed), "{failed} of {trips:?}");
    assert_eq!(steps.map(|step| step.gave_up).sum::<u64>(), trips.gave_up);
    assert_eq!(result.kinds.iter().map(|kind| kind.trips).sum::<u64>(), ended);
}

/// The only trip's trace as text.
pub(crate) async fn tree_of_only_trip(result: &RunResult) -> String {
    let attributes = ["shopper.kind", "shopper.outcome", "http.request.resend_count"];
    tree_of_only_trip_with(result, attributes).await
}

/// The same with these attributes.
pub(crate) async fn tree_of_only_trip_with<const N: usize>(
    result: &RunResult,
    attributes: [&str; N],
) -> String {
    let [trip] = result.slowest.as_slice() else { panic!("one trip: {:?}", result.slowest) };
    let spans = spans_of(trace_id(trip)).await;
    SpanTree::new(&spans).attributes(attributes).in_start_order().render()
}

/// The trace of a trip that was sampled.
pub(crate) fn trace_id(trip: &SlowTrip) -> TraceId {
    TraceId::from_hex(&trip.trace.as_ref().expect("it is sampled").id).unwrap()
}

/// All spans of a trace that is complete.
pub(crate) async fn spans_of(trace_id: TraceId) -> Vec<SpanRecord> {
    let (spans, is_complete) = recorder().wait_for(trace_id, 1, DEADLINE).await;
    assert!(is_complete, "a span is still open");
    spans
}
