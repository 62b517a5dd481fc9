//! The open model: trips that cannot start are counted as missed, and are not started later.

use std::{
    num::{NonZeroU32, NonZeroU64},
    sync::Arc,
    time::Duration,
};

use shopper::{
    arrival::Arrivals,
    config::{Config, Load},
    drive,
    result::Settings,
    statistics::Statistics,
};
use tokio::sync::Semaphore;

use crate::{
    stub::{Reply, Stub},
    support::{DEADLINE, assert_adds_up, one_trip},
};

#[actix_web::test]
async fn trips_beyond_the_most_under_way_are_missed_and_not_delayed() {
    let permits = Arc::new(Semaphore::new(0));
    let held = Arc::clone(&permits);
    let stub = Stub::start(move |_| Reply::Held(Arc::clone(&held)));
    let config = Config {
        load: Load::Open {
            rate: Some("1000".parse().unwrap()),
            stages: None,
            arrivals: Arrivals::Even,
            max_shoppers: NonZeroU32::new(3).unwrap(),
        },
        trips: NonZeroU64::new(10),
        ..one_trip(&stub.url)
    };
    let statistics = Statistics::new(Settings::default());
    let all_scheduled = async {
        while statistics.result().trips.scheduled < 10 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let trips = statistics.result().trips;
        assert_eq!((trips.started, trips.missed, trips.in_flight), (3, 7, 3));
        permits.add_permits(100);
    };
    let run =
        async { tokio::join!(drive(&config, &statistics, std::future::pending()), all_scheduled) };
    tokio::time::timeout(DEADLINE, run).await.expect("the run ends").0.unwrap();
    let result = statistics.result();
    assert_adds_up(&result);
    assert_eq!((result.trips.completed, result.trips.missed), (3, 7));
    assert_eq!(stub.asked().len(), 9, "three trips of three requests");
}
