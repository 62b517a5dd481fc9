//! What a run measures for a backend of metrics.

use std::{
    num::{NonZeroU32, NonZeroU64},
    sync::Arc,
    time::Duration,
};

use shopper::{
    arrival::Arrivals,
    config::{Config, Load},
};
use telemetry::ServiceMeters;
use testing::metric::MetricRecorder;
use tokio::sync::Semaphore;

use crate::{
    stub::{Reply, Stub},
    support::{one_trip, run, trips},
};

/// How long the impatient wait.
const PATIENCE: Duration = Duration::from_secs(1);

fn measured(config: Config) -> (Config, MetricRecorder) {
    let recorder = MetricRecorder::start();
    let meters = Some(ServiceMeters::new(recorder.provider()));
    (Config { meters, ..config }, recorder)
}

#[actix_web::test]
async fn trips_and_requests_are_measured_by_how_they_ended() {
    let stub = Stub::start(|asked| match (asked.line.as_str(), asked.before) {
        ("GET /", 1) => Reply::Status(500),
        ("POST /checkout", 1) => Reply::Body("thanks"),
        _ => Reply::Proper,
    });
    let (config, recorder) = measured(trips(5, &stub.url));
    run(&config).await;

    let ended = [
        "error.type=500 shopper.kind=quick-buy shopper.outcome=500 = 1",
        "error.type=body shopper.kind=quick-buy shopper.outcome=body = 1",
        "shopper.kind=quick-buy shopper.outcome=bought = 3",
    ];
    assert_eq!(recorder.metric("grocery.trip.duration").lines(), ended);
    assert_eq!(recorder.metric("grocery.trip.active").lines(), ["shopper.kind=quick-buy = 0"]);
    assert_eq!(recorder.metric("grocery.trip.start_delay").lines(), ["= 5"]);
    let port = stub.url.rsplit(':').next().unwrap();
    let requests = recorder.metric("http.client.request.duration").lines();
    let requests: Vec<_> = requests.iter().map(|line| line.replace(port, "PORT")).collect();
    let line = |method: &str, status: &str, template: &str, count| {
        format!(
            "http.request.method={method} http.response.status_code={status} \
             network.protocol.version=1.1 server.address=127.0.0.1 server.port=PORT \
             url.template={template} = {count}"
        )
    };
    let expected = [
        format!("error.type=500 {}", line("GET", "500", "/", 1)),
        line("GET", "200", "/", 4),
        line("GET", "200", "/whats-in-store", 4),
        line("POST", "200", "/checkout", 1),
        line("POST", "201", "/checkout", 3),
    ];
    assert_eq!(requests, expected);
}

#[actix_web::test]
async fn a_request_that_a_shopper_gives_up_is_measured_as_abandoned() {
    let stub = Stub::start(|asked| match asked.line.as_str() {
        "GET /" => Reply::Proper,
        _ => Reply::Never,
    });
    let mix = "impatient=1".parse().unwrap();
    let (config, recorder) = measured(Config { mix, patience: PATIENCE, ..one_trip(&stub.url) });
    run(&config).await;

    let ended = ["shopper.kind=impatient shopper.outcome=gave-up = 1"];
    assert_eq!(recorder.metric("grocery.trip.duration").lines(), ended);
    let requests = recorder.metric("http.client.request.duration").lines();
    let given_up: Vec<_> =
        requests.iter().filter(|line| line.starts_with("error.type=abandoned ")).collect();
    assert_eq!((given_up.len(), requests.len()), (1, 2), "{requests:?}");
    assert!(given_up[0].ends_with("url.template=/whats-in-store = 1"), "{given_up:?}");
}

#[actix_web::test]
async fn trips_under_way_and_trips_that_could_not_start_are_counted() {
    let permits = Arc::new(Semaphore::new(0));
    let held = Arc::clone(&permits);
    let stub = Stub::start(move |_| Reply::Held(Arc::clone(&held)));
    let (config, recorder) = measured(Config {
        load: Load::Open {
            rate: Some("1000".parse().unwrap()),
            stages: None,
            arrivals: Arrivals::Even,
            max_shoppers: NonZeroU32::new(3).unwrap(),
        },
        trips: NonZeroU64::new(10),
        ..one_trip(&stub.url)
    });
    let all_scheduled = async {
        let missed = || {
            let metrics = recorder.metrics();
            let missed = metrics.iter().find(|metric| metric.name == "grocery.trip.missed");
            missed.is_some_and(|missed| missed.lines() == ["= 7"])
        };
        while !missed() {
            tokio::task::yield_now().await;
        }
        let active = recorder.metric("grocery.trip.active").lines();
        permits.add_permits(100);
        active
    };
    let (_, active) = tokio::join!(run(&config), all_scheduled);
    assert_eq!(active, ["shopper.kind=quick-buy = 3"]);
    assert_eq!(recorder.metric("grocery.trip.active").lines(), ["shopper.kind=quick-buy = 0"]);
    let ended = ["shopper.kind=quick-buy shopper.outcome=bought = 3"];
    assert_eq!(recorder.metric("grocery.trip.duration").lines(), ended);
}
