//! Support for tests, for the tests of all crates: receivers of spans, processes, a PostgreSQL
//! server of a test's own, and streams that are not read. It is a development dependency only.
//!
//! # Map of the crate
//!
//! In the order to read it. One model of a span, and the formats that are decoded into it, so that
//! what one exporter sends can be compared with what another sends:
//!
//! | module | what is in it |
//! |---|---|
//! | [`span`] | [`Span`](span::Span), and trees of spans as text |
//! | [`metric`] | [`Metric`](metric::Metric), from OTLP and from an SDK in the same process |
//! | [`otlp`], [`zipkin`], [`jaeger`] | decode what a receiver got into spans |
//! | [`log_record`] | a log record, and what a receiver of OTLP got decoded into records |
//!
//! Receivers, which keep what they are sent and answer as they are told:
//!
//! | module | what is in it |
//! |---|---|
//! | [`http`] | a server for HTTP/1.1 |
//! | [`grpc`] | a server for OTLP over gRPC |
//! | [`tls`] | TLS in front of either |
//!
//! What the services may emit, and whether they emit that:
//!
//! | module | what is in it |
//! |---|---|
//! | [`registry`] | the registry of names, and the check of telemetry against it |
//!
//! And what a test starts or waits for:
//!
//! | module | what is in it |
//! |---|---|
//! | [`process`] | a program of the workspace as a real process |
//! | [`postgres`], [`pgbouncer`] | a PostgreSQL server, and a pooler in front of it |
//! | [`haproxy`], [`nginx`] | a load balancer, and a proxy that shows a server below a path |
//! | [`browser`] | Chromium or Firefox, headless |
//! | [`ports`] | ports on which nothing listens |
//! | [`unread`] | a pipe or a terminal that is full and not read |
//! | [`wait_until`], [`wait_longer`] | waits for a condition |
//! | [`installed`] | skips a test when a program is missing |
//!
//! # Example
//!
//! ```
//! use std::io::Write as _;
//! use std::net::TcpStream;
//! use testing::http::HttpReceiver;
//! use testing::wait_until;
//!
//! let receiver = HttpReceiver::answering(200);
//! let mut client = TcpStream::connect(receiver.address)?;
//! client.write_all(b"POST /v1/traces HTTP/1.1\r\ncontent-length: 5\r\n\r\nspans")?;
//! wait_until("the request is there", || !receiver.requests().is_empty());
//! assert_eq!(receiver.requests()[0].body, b"spans");
//! # Ok::<_, std::io::Error>(())
//! ```

// A mistake in a test's own receiver fails the test, by a panic that says what is wrong.
#![allow(clippy::unwrap_used)]

pub mod browser;
mod daemon;
pub mod grpc;
pub mod haproxy;
pub mod http;
pub mod jaeger;
pub mod log_record;
pub mod metric;
pub mod nginx;
pub mod otlp;
pub mod pgbouncer;
pub mod ports;
pub mod postgres;
pub mod process;
pub mod registry;
pub mod span;
pub mod tls;
pub mod unread;
pub mod zipkin;

use std::{
    io::Write as _,
    time::{Duration, Instant},
};

/// How long a test waits for anything. Only a test that hangs waits this long.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until `condition` holds.
///
/// # Panics
/// When it does not hold within [`PATIENCE`].
pub fn wait_until(what: &str, condition: impl FnMut() -> bool) {
    wait_longer(what, 1, condition);
}

/// The same for what takes minutes on a busy machine: so many times as long.
///
/// # Panics
/// When it does not hold by then.
pub fn wait_longer(what: &str, times: u32, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE * times;
    while !condition() {
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        std::thread::park_timeout(Duration::from_millis(2));
    }
}

/// What was to be found, unless it is not installed: then it is said, and in CI it is a failure.
///
/// # Panics
/// In CI, when it is not installed.
#[expect(clippy::disallowed_methods, reason = "whether a skip is a failure is CI's setting")]
pub fn installed<T>(found: Result<T, String>) -> Option<T> {
    if let Err(missing) = &found {
        let is_ci = std::env::var("CI").is_ok_and(|ci| ci == "true");
        assert!(!is_ci, "{missing}: in CI the tests that need it must run");
        // To standard error itself: libtest keeps what `eprintln!` says to itself.
        writeln!(std::io::stderr(), "SKIPPED: {missing}").ok();
    }
    found.ok()
}
