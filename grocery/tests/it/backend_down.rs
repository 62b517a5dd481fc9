//! A backend that fails, hangs or does not run neither stops trips nor fills the memory, and the
//! accounting says how many spans were lost.

use testing::{
    http::{HANG, HttpReceiver},
    ports,
};

use crate::support::shopping::{Accounts, Variables, end, open_store, send_shopper};

/// So many trips make more spans than the queue below holds: each trip makes at least 17 in the
/// store and 4 in the shopper.
const TRIPS: u64 = 40;

#[test]
fn trips_go_on_when_the_backend_answers_503() {
    let backend = HttpReceiver::answering(503);
    let accounts = shop_on(backend.url());
    assert_nothing_exported(&accounts);
}

#[test]
fn trips_go_on_when_the_backend_hangs() {
    let backend = HttpReceiver::answering(HANG);
    let accounts = shop_on(backend.url());
    assert_nothing_exported(&accounts);
    assert!(dropped(&accounts.store) > 0, "the queue is bounded: {accounts:?}");
}

#[test]
fn trips_go_on_when_there_is_no_backend() {
    let [address] = ports::free();
    let accounts = shop_on(format!("http://{address}"));
    assert_nothing_exported(&accounts);
}

/// Makes the trips, all of which must succeed, with queues of 64 spans.
fn shop_on(endpoint: String) -> Accounts {
    let variables: Variables<'_> = vec![
        ("OTEL_TRACES_EXPORTER", "otlp".to_owned()),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "64".to_owned()),
        ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "32".to_owned()),
        ("OTEL_BSP_SCHEDULE_DELAY", "10".to_owned()),
    ];
    let store = open_store(&variables);
    let trips = TRIPS.to_string();
    let all_succeed = ["--trips", &trips, "--every", "1ms", "--assert", "failures<=0%"];
    let shopper = end(send_shopper(&store, &variables, &all_succeed));
    assert_eq!(shopper.ended, TRIPS * 4, "every trip has its span and one a request");
    store.signal(nix::sys::signal::Signal::SIGTERM);
    Accounts { shopper, store: end(store) }
}

fn assert_nothing_exported(accounts: &Accounts) {
    for account in [&accounts.store, &accounts.shopper] {
        account.assert_balanced();
        let [(name, exported, ..)] = &account.exporters[..] else { panic!("{account:?}") };
        assert_eq!((name.as_str(), *exported), ("otlp", 0), "{account:?}");
    }
}

fn dropped(account: &crate::support::shopping::Account) -> u64 {
    account.exporters.iter().map(|exporter| exporter.3).sum()
}
