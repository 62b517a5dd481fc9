//! What the tests of several crates need: backends that keep what they are sent, a PostgreSQL
//! server of a test's own, processes, and streams that nobody reads.
//!
//! Each format is decoded into the same [`Span`](span::Span), so that what one exporter sends can
//! be compared, span by span, with what another sends.

// What is wrong in a test's own receiver fails the test, by a panic that says what.
#![allow(clippy::unwrap_used)]

pub mod grpc;
pub mod http;
pub mod jaeger;
pub mod otlp;
pub mod postgres;
pub mod process;
pub mod span;
pub mod tls;
pub mod unread;
pub mod zipkin;

use std::time::{Duration, Instant};

/// Longest that anything awaited in a test may take: only a hanging test gets there.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until `condition` holds.
///
/// # Panics
/// When it does not within [`PATIENCE`].
pub fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        std::thread::park_timeout(Duration::from_millis(2));
    }
}
