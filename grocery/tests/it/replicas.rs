//! Two stores on one PostgreSQL behind a load balancer: a restart of one loses no trip.

use std::net::SocketAddr;

use nix::sys::signal::Signal;
use serde_json::Value;
use testing::{haproxy::HaProxy, ports, postgres, process::Process};

use crate::support::grocery::{grocery, url};

/// How long a store serves after it was told to stop. On a busy machine it takes a while until the
/// load balancer has noticed.
const DRAIN: &str = "4s";

fn store(listen: SocketAddr, database: &str) -> Process {
    let variables = [
        ("OTEL_TRACES_EXPORTER", "none".to_owned()),
        ("DATABASE_URL", database.to_owned()),
        ("STORE_DRAIN", DRAIN.to_owned()),
    ];
    grocery(["store", "--listen", &listen.to_string()], variables).start()
}

#[test]
fn restarts_behind_a_load_balancer_lose_no_trip() {
    let Some(server) = postgres::shared() else { return };
    let addresses: [SocketAddr; 2] = ports::free();
    let Some(balancer) = HaProxy::before(&addresses) else { return };
    let database: String = server.database();
    // Both open an empty database at the same time.
    let mut stores = addresses.map(|address| Some(store(address, &database)));
    for (index, store) in stores.iter().flatten().enumerate() {
        url(store);
        // It was not ready before it was started.
        balancer.await_return(index, 1);
    }
    let folder = tempfile::tempdir().unwrap();
    let report = folder.path().join("report.json").display().to_string();
    let (store_url, exporter) = (balancer.url(), [("OTEL_TRACES_EXPORTER", "none".to_owned())]);
    // Shoppers of whom each waits for its answers ask no more of a busy machine than it can do.
    let load = ["--store-url", &store_url, "--shoppers", "8", "--every", "100ms"];
    let exact = ["--retries", "0", "--json", &report];
    let shopper = grocery(["shopper"].into_iter().chain(load).chain(exact), exporter).start();

    for (restarted, times) in [(0, 2), (1, 2), (0, 3)] {
        let old = stores[restarted].take().unwrap();
        old.signal(Signal::SIGTERM);
        let ended = old.end();
        assert!(ended.status.success(), "{ended:?}");
        let new = store(addresses[restarted], &database);
        url(&new);
        stores[restarted] = Some(new);
        balancer.await_return(restarted, times);
    }

    shopper.signal(Signal::SIGTERM);
    let ended = shopper.end();
    assert!(ended.status.success(), "{ended:?}");
    let report: Value = serde_json::from_slice(&std::fs::read(&report).unwrap()).unwrap();
    let trips = &report["trips"];
    assert_eq!(trips["failed"], 0, "{trips}: {}", report["failures"]);
    assert!(trips["completed"].as_u64().unwrap() > 100, "{trips}");
    for store in stores.into_iter().flatten() {
        store.signal(Signal::SIGTERM);
        assert!(store.end().status.success());
    }
    let audit = grocery(["store", "--audit"], [("DATABASE_URL", database)]).run();
    assert!(audit.status.success(), "{audit:?}");
}
