//! The whole system, end to end: the real binary, as many processes as its user has, and a backend
//! of the test's own that keeps what it is sent.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod backend_down;
mod formats;
mod metrics;
mod shutdown;
mod together;
mod trip;
mod unread;
mod zipkin_server;

/// What the tests share.
mod support {
    pub(crate) mod http;
    pub(crate) mod ports;
    #[path = "../../support/process.rs"]
    #[allow(dead_code, reason = "each test binary uses a part of it")]
    pub(crate) mod process;
    pub(crate) mod shopping;
    pub(crate) mod trees;
}
