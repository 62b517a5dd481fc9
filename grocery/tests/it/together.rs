//! `grocery` alone: the viewer, the store and the shopper, as one user sees them.

use std::net::{SocketAddr, TcpListener, TcpStream};

use nix::sys::signal::Signal;
use testing::wait_until;

use crate::support::{http::get, ports, process::Grocery};

/// Where the roles of one test listen.
struct Addresses {
    store: SocketAddr,
    viewer: SocketAddr,
    otlp: SocketAddr,
    otlp_grpc: SocketAddr,
}

impl Addresses {
    fn free() -> Self {
        let [store, viewer, otlp, otlp_grpc] = ports::free();
        Self { store, viewer, otlp, otlp_grpc }
    }

    fn start(&self, flags: &[&str]) -> Grocery {
        let variables = [
            ("STORE_LISTEN", self.store.to_string()),
            ("VIEWER_LISTEN", self.viewer.to_string()),
            ("VIEWER_OTLP", self.otlp.to_string()),
            ("VIEWER_OTLP_GRPC", self.otlp_grpc.to_string()),
            ("DATABASE_URL", "sqlite::memory:".to_owned()),
        ];
        Grocery::start(flags.iter().copied(), variables)
    }

    fn wait_for_a_trip(&self) {
        wait_until("the viewer shows a trip through both services", || {
            let found = get(&format!("http://{}/api/traces?service=shopper&limit=1", self.viewer));
            let found = found.map(|body| String::from_utf8(body).unwrap()).unwrap_or_default();
            ["going to the grocery store", "POST /checkout", "ask Ledger Record"]
                .iter()
                .all(|name| found.contains(name))
        });
    }

    fn wait_until_all_are_gone(&self) {
        for address in [self.store, self.viewer, self.otlp, self.otlp_grpc] {
            wait_until("no role listens", || TcpStream::connect(address).is_err());
        }
    }
}

#[test]
fn one_command_shows_trips_in_the_viewer_until_ctrl_c() {
    let addresses = Addresses::free();
    let grocery = addresses.start(&["--every", "10ms"]);
    addresses.wait_for_a_trip();

    grocery.signal(Signal::SIGINT);
    let (status, lines) = grocery.end();

    assert!(status.success(), "{status}:\n{}", lines.join("\n"));
    addresses.wait_until_all_are_gone();
    assert_eq!(lines[0], format!("grocery: traces  http://{}/", addresses.viewer));
    let accounts: Vec<_> = lines.iter().filter(|line| line.starts_with("telemetry: ")).collect();
    assert_eq!(accounts.len(), 2, "shopper and store account for their spans: {lines:#?}");
    assert!(accounts.iter().all(|line| line.ends_with("failed=0 dropped=0")), "{accounts:?}");
}

#[test]
fn it_ends_by_itself_after_the_trips_it_was_asked_for() {
    let addresses = Addresses::free();
    let grocery = addresses.start(&["--trips", "2", "--every", "1ms", "--", "--seed", "7"]);
    let (status, lines) = grocery.end();
    assert!(status.success(), "{status}:\n{}", lines.join("\n"));
    addresses.wait_until_all_are_gone();
}

#[test]
fn no_role_outlives_a_parent_that_is_killed() {
    let addresses = Addresses::free();
    let grocery = addresses.start(&["--every", "10ms"]);
    addresses.wait_for_a_trip();
    grocery.signal(Signal::SIGKILL);
    addresses.wait_until_all_are_gone();
}

#[test]
fn what_receives_otlp_already_gets_the_spans() {
    let backend = testing::http::HttpReceiver::answering(200);
    let addresses = Addresses { otlp: backend.address, ..Addresses::free() };
    let (status, lines) = addresses.start(&["--trips", "1"]).end();
    assert!(status.success(), "{status}:\n{}", lines.join("\n"));
    let said = format!("grocery: traces  something receives OTLP on {} already", backend.address);
    assert!(lines[0].starts_with(&said), "{lines:#?}");
    let names = testing::otlp::from_protobuf(&backend.received());
    assert!(names.iter().any(|span| span.name == "going to the grocery store"));
}

#[test]
fn a_store_that_cannot_listen_is_said_before_anything_starts() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let addresses = Addresses { store: taken.local_addr().unwrap(), ..Addresses::free() };
    let (status, lines) = addresses.start(&[]).end();
    assert_eq!(status.code(), Some(1));
    let said = format!("grocery: something listens on {} already", addresses.store);
    assert!(lines.len() == 1 && lines[0].starts_with(&said), "{lines:#?}");
}

#[test]
fn an_assertion_that_does_not_hold_fails_the_command() {
    let addresses = Addresses::free();
    let (status, lines) = addresses.start(&["--trips", "1", "--", "--assert", "p50<1us"]).end();
    assert_eq!(status.code(), Some(1), "{lines:#?}");
    addresses.wait_until_all_are_gone();
}

#[test]
fn wrong_usage_is_refused_by_name_and_with_code_2_before_anything_starts() {
    for (flags, named) in [
        (&["--rate", "fast"][..], "fast"),
        (&["--every", "soon"], "soon"),
        (&["--rate", "5", "--shoppers", "2"], "--shoppers"),
        (&["--", "--mix", "window-shopping=1"], "window-shopping"),
        (&["--", "--assert", "p50<1parsec"], "parsec"),
        (&["store", "--database", "oracle://x"], "oracle"),
    ] {
        let (status, lines) = Addresses::free().start(flags).end();
        assert_eq!(status.code(), Some(2), "{flags:?}: {lines:#?}");
        assert!(lines.iter().any(|line| line.contains(named)), "{flags:?}: {lines:#?}");
        assert!(!lines.iter().any(|line| line.starts_with("grocery: traces")), "{lines:#?}");
    }
}

#[test]
fn a_probe_tells_a_store_that_is_well_from_none() {
    let store = crate::support::shopping::open_store(&vec![("OTEL_SDK_DISABLED", "true".into())]);
    let ready = format!("{}/readyz", store.url());
    let (status, lines) = Grocery::start(["probe", &ready], []).end();
    assert!(status.success(), "{lines:#?}");

    let [nobody] = ports::free();
    let nowhere = format!("http://{nobody}/readyz");
    let (status, lines) = Grocery::start(["probe", &nowhere], []).end();
    assert_eq!(status.code(), Some(1));
    assert!(lines[0].starts_with(&format!("grocery: no answer from {nowhere}")), "{lines:#?}");
}
