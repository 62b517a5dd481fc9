//! Output that is not read stops no role: trips go on, the store answers, and a role that is told
//! to stop does so in time.

use std::{
    net::{SocketAddr, TcpStream},
    os::unix::process::ExitStatusExt as _,
    time::{Duration, Instant},
};

use nix::sys::signal::Signal;
use testing::{
    http::HttpReceiver, otlp, ports, process::Process, unread::Unread, wait_longer, wait_until,
};

use crate::support::{
    grocery::{grocery, url},
    http::get,
    shopping::{Variables, open_store, send_shopper},
};

/// How long a role may take to stop, with some time more for a busy machine.
const ROLE_STOPS: Duration = Duration::from_secs(20);

/// How long all roles together may take to stop, with some time more for a busy machine.
const ALL_STOP: Duration = Duration::from_secs(15);

/// Trips at 20 a second: two seconds of them.
const TRIPS: usize = 40;

/// Every span goes to the console, through small queues, and everything is logged.
fn noisy(receiver: &HttpReceiver) -> Variables<'static> {
    vec![
        ("OTEL_TRACES_EXPORTER", "console,otlp".to_owned()),
        ("OTEL_METRICS_EXPORTER", "console".to_owned()),
        ("OTEL_METRIC_EXPORT_INTERVAL", "100".to_owned()),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.url()),
        ("OTEL_BSP_SCHEDULE_DELAY", "50".to_owned()),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "512".to_owned()),
        ("RUST_LOG", "debug,h2=info,hyper=info".to_owned()),
    ]
}

fn trips(receiver: &HttpReceiver) -> usize {
    let spans = otlp::from_protobuf(&receiver.received());
    let trips: Vec<_> =
        spans.iter().filter(|span| span.name == "going to the grocery store").collect();
    assert!(trips.iter().all(|trip| !trip.status.starts_with("error")), "{trips:#?}");
    trips.len()
}

fn is_ready(store: SocketAddr) -> bool {
    get(&format!("http://{store}/readyz")).is_some()
}

/// Tells `role` to stop, and checks that it ends in time and with success.
fn stop(role: Process, signal: Signal, within: Duration) {
    role.signal(signal);
    let ended = role.end();
    assert!(ended.took < within && ended.status.success(), "{ended:#?}");
}

fn a_store_serves_and_stops(stream: &Unread, signal: Signal) {
    let receiver = HttpReceiver::answering(200);
    let [address] = ports::free();
    let url = format!("http://{address}");
    let listen = address.to_string();
    let args = ["store", "--listen", &listen, "--database", "sqlite::memory:"];
    let store = grocery(args, noisy(&receiver)).unread(stream).start();
    wait_until("the store is open", || is_ready(address));

    let trips = TRIPS.to_string();
    let shopping = ["shopper", "--store-url", &url, "--rate", "20", "--trips", &trips];
    let all_succeed = ["--assert", "failures<=0%", "--mix", "quick-buy=1"];
    let variables = [("OTEL_TRACES_EXPORTER", "none".to_owned())];
    let shopped = grocery(shopping.into_iter().chain(all_succeed), variables).run();
    assert!(shopped.status.success(), "{shopped:#?}");
    assert!(is_ready(address));
    stop(store, signal, ROLE_STOPS);
}

#[test]
fn a_store_whose_pipe_nobody_reads_serves_and_stops() {
    a_store_serves_and_stops(&Unread::pipe(), Signal::SIGTERM);
}

#[test]
fn a_store_whose_terminal_is_frozen_serves_and_stops() {
    a_store_serves_and_stops(&Unread::terminal(), Signal::SIGHUP);
}

fn a_shopper_shops_and_stops(stream: &Unread, signal: Signal) {
    let receiver = HttpReceiver::answering(200);
    let store = open_store(&vec![("OTEL_TRACES_EXPORTER", "none".to_owned())]);
    let url = url(&store);
    let args = ["shopper", "--store-url", &url, "--rate", "20", "--mix", "quick-buy=1"];
    let shopper = grocery(args, noisy(&receiver)).unread(stream).start();
    wait_until("its trips have succeeded", || trips(&receiver) >= TRIPS);
    // It waits to write its report until its deadline, which is a failure.
    shopper.signal(signal);
    let ended = shopper.end();
    assert!(ended.took < ROLE_STOPS, "{ended:#?}");
}

#[test]
fn a_shopper_whose_pipe_nobody_reads_shops_and_stops() {
    a_shopper_shops_and_stops(&Unread::pipe(), Signal::SIGTERM);
}

#[test]
fn a_shopper_whose_terminal_is_frozen_shops_and_stops() {
    a_shopper_shops_and_stops(&Unread::terminal(), Signal::SIGHUP);
}

fn a_viewer_takes_spans_and_stops(stream: &Unread) {
    let [listen, otlp, grpc] = ports::free();
    let flags = [("--listen", listen), ("--otlp", otlp), ("--otlp-grpc", grpc)];
    let flags = flags.map(|(flag, address)| format!("{flag}={address}"));
    let args = std::iter::once("viewer").chain(flags.iter().map(String::as_str));
    let viewer = grocery(args, [("VIEWER_LOG", "trace".to_owned())]).unread(stream).start();
    wait_until("the viewer is open", || TcpStream::connect(otlp).is_ok());

    let variables = vec![
        ("OTEL_TRACES_EXPORTER", "otlp".to_owned()),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://{otlp}")),
    ];
    let store = open_store(&variables);
    let shopping = ["--rate", "20", "--trips", "20", "--assert", "failures<=0%"];
    let account = crate::support::shopping::end(send_shopper(&store, &variables, &shopping));
    assert!(account.all_exported("otlp") > 0);
    assert!(get(&format!("http://{listen}/api/services")).is_some());
    stop(viewer, Signal::SIGTERM, ROLE_STOPS);
}

#[test]
fn a_viewer_whose_pipe_nobody_reads_takes_spans_and_stops() {
    a_viewer_takes_spans_and_stops(&Unread::pipe());
}

#[test]
fn a_viewer_whose_terminal_is_frozen_takes_spans_and_stops() {
    a_viewer_takes_spans_and_stops(&Unread::terminal());
}

/// All roles write to one stream.
struct Together {
    grocery: Process,
    addresses: [SocketAddr; 5],
}

impl Together {
    fn start(stream: &Unread) -> Self {
        let addresses = ports::free();
        let [store, viewer, otlp, grpc, lab] = addresses;
        let variables = [
            ("STORE_LISTEN", store.to_string()),
            ("VIEWER_LISTEN", viewer.to_string()),
            ("VIEWER_OTLP", otlp.to_string()),
            ("VIEWER_OTLP_GRPC", grpc.to_string()),
            ("GROCERY_LAB_LISTEN", lab.to_string()),
            ("DATABASE_URL", "sqlite::memory:".to_owned()),
            ("OTEL_BSP_SCHEDULE_DELAY", "50".to_owned()),
            ("OTEL_BSP_MAX_QUEUE_SIZE", "512".to_owned()),
            ("RUST_LOG", "debug".to_owned()),
        ];
        let args = ["--console", "--rate", "20", "--", "--mix", "quick-buy=1"];
        let grocery = grocery(args, variables).unread(stream).start();
        let found = format!("http://{viewer}/api/traces?service=shopper&limit=100");
        wait_longer("the viewer has the trips", 3, || {
            let found = get(&found).map(|body| String::from_utf8(body).unwrap());
            let name = "\"operationName\":\"going to the grocery store\"";
            found.is_some_and(|found| found.matches(name).count() >= TRIPS)
        });
        assert!(is_ready(store));
        Self { grocery, addresses }
    }

    fn wait_until_all_are_gone(addresses: [SocketAddr; 5]) {
        for address in addresses {
            wait_until("no role listens", || TcpStream::connect(address).is_err());
        }
    }
}

fn all_roles_shop_and_stop(stream: &Unread) {
    let Together { grocery, addresses } = Together::start(stream);
    grocery.signal(Signal::SIGINT);
    let ended = grocery.end();
    assert!(ended.took < ALL_STOP, "{ended:#?}");
    Together::wait_until_all_are_gone(addresses);
}

#[test]
fn all_roles_on_a_pipe_that_nobody_reads_shop_and_stop() {
    all_roles_shop_and_stop(&Unread::pipe());
}

#[test]
fn all_roles_on_a_frozen_terminal_shop_and_stop() {
    all_roles_shop_and_stop(&Unread::terminal());
}

#[test]
fn the_children_of_a_parent_that_is_killed_end_although_nobody_reads_them() {
    let stream = Unread::pipe();
    let Together { grocery, addresses } = Together::start(&stream);
    let asked = Instant::now();
    grocery.signal(Signal::SIGKILL);
    Together::wait_until_all_are_gone(addresses);
    assert!(asked.elapsed() < ROLE_STOPS, "it took {:?}", asked.elapsed());
}

#[test]
fn a_second_ctrl_c_ends_all_roles_at_once() {
    let stream = Unread::pipe();
    let Together { grocery, addresses } = Together::start(&stream);
    grocery.signal(Signal::SIGINT);
    let [store, ..] = addresses;
    // When the trips are over, the store is told to stop and no longer listens. From then on all
    // roles are stopping, which takes seconds because of the console exporters.
    wait_until("the store is stopping", || TcpStream::connect(store).is_err());
    let asked = Instant::now();
    grocery.signal(Signal::SIGINT);
    let ended = grocery.end();
    assert_eq!(ended.status.signal(), Some(2), "{ended:#?}");
    Together::wait_until_all_are_gone(addresses);
    assert!(asked.elapsed() < Duration::from_secs(2), "it took {:?}", asked.elapsed());
}
