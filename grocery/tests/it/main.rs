//! The whole system, end to end: the real binary, with all its processes, and a backend of the test
//! that keeps the spans it receives.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod backend_down;
mod dashboards;
mod environment;
mod formats;
mod lab;
mod lab_page;
mod lesson;
mod manifests;
mod metrics;
mod probe;
mod prometheus;
mod reader_gone;
mod registry;
mod replicas;
mod shutdown;
mod together;
mod trip;
mod unread;
mod zipkin_server;

/// What the tests share.
mod support {
    #[path = "../../support/grocery.rs"]
    pub(crate) mod grocery;
    pub(crate) mod http;
    pub(crate) mod shopping;
    pub(crate) mod teaching;
    pub(crate) mod terminal;
    pub(crate) mod trees;
}
