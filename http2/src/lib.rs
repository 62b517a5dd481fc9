//! HTTP/2 as OTLP over gRPC needs it: a [`Client`] that calls methods, and one [`Connection`] of a server.
//!
//! The code of h2, hyper and tonic is generic, so it is compiled in the crate that says for which types. This
//! crate says so for all services, which hand over bytes and boxed futures. So that code is compiled once, and
//! in the release profile, which optimizes `telemetry` and the viewer, it is not optimized: see
//! docs/performance.md.

mod client;
mod server;

pub use client::{Client, Settings};
pub use server::{Answer, AnswerBody, Connection, Limits};
