//! What the tests have in common: a short run, and what is known of it afterwards.

use std::{
    num::{NonZeroU32, NonZeroU64, NonZeroUsize},
    time::Duration,
};

use actix_opentelemetry::testing::{SpanRecord, SpanTree, recorder};
use opentelemetry::trace::TraceId;
use shopper::{
    config::{Config, HttpConfig, Load, Think},
    drive,
    statistics::{Snapshot, Statistics},
};

/// Far longer than anything here takes: it is reached only by a test that fails.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

/// One shopper that makes one trip, buys quickly and repeats nothing.
pub(crate) fn one_trip(store_url: &str) -> Config {
    Config {
        store_url: store_url.parse().unwrap(),
        load: closed(1),
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
        },
    }
}

/// As many trips as this, one after the other.
pub(crate) fn trips(count: u64, store_url: &str) -> Config {
    Config { trips: NonZeroU64::new(count), ..one_trip(store_url) }
}

/// Shoppers that do not think.
pub(crate) fn closed(shoppers: u32) -> Load {
    let shoppers = NonZeroU32::new(shoppers).unwrap();
    Load::Closed { shoppers, every: Duration::ZERO, think: Think::Fixed }
}

/// Makes a run to its end and returns its statistics.
pub(crate) async fn run(config: &Config) -> Snapshot {
    run_until(config, std::future::pending()).await
}

/// Makes a run until it is told to stop, and returns its statistics.
pub(crate) async fn run_until(config: &Config, stop: impl Future<Output = ()>) -> Snapshot {
    recorder();
    let statistics = Statistics::new(config.threads.get());
    let run = drive(config, &statistics, stop);
    tokio::time::timeout(DEADLINE, run).await.expect("the run ends").unwrap();
    let snapshot = statistics.snapshot();
    assert_adds_up(&snapshot);
    snapshot
}

/// No trip is lost from the counts.
pub(crate) fn assert_adds_up(snapshot: &Snapshot) {
    let trips = snapshot.trips;
    assert_eq!(trips.scheduled, trips.started + trips.missed, "{trips:?}");
    let ended = trips.completed + trips.gave_up + trips.failed;
    assert_eq!((trips.started, trips.in_flight), (ended, 0), "{trips:?}");
    assert_eq!(snapshot.latency.corrected.len(), ended);
    assert_eq!(snapshot.failures.values().sum::<u64>(), trips.failed);
    assert_eq!(snapshot.outcomes.values().sum::<u64>(), trips.completed + trips.gave_up);
    assert_eq!(snapshot.kinds.iter().map(|kind| kind.trips).sum::<u64>(), ended);
}

/// The only trip's trace as text.
pub(crate) async fn tree_of_only_trip(snapshot: &Snapshot) -> String {
    let [trip] = snapshot.slowest.as_slice() else { panic!("one trip: {:?}", snapshot.slowest) };
    let attributes = ["shopper.kind", "shopper.outcome", "http.request.resend_count"];
    let spans = spans_of(trip.trace_id.expect("it is sampled")).await;
    SpanTree::new(&spans).attributes(attributes).in_start_order().render()
}

/// All spans of a trace that is complete.
pub(crate) async fn spans_of(trace_id: TraceId) -> Vec<SpanRecord> {
    let (spans, is_complete) = recorder().wait_for(trace_id, 1, DEADLINE).await;
    assert!(is_complete, "a span is still open");
    spans
}
