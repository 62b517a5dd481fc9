//! Tests of the store from outside: over its storage and over HTTP.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails by a panic")]

mod actors;
mod bodies;
mod browsers;
mod closing;
mod command_line;
mod conventions;
#[cfg(target_os = "linux")]
mod disk;
mod faults;
mod http;
mod lessons;
mod limits;
mod logs;
mod metrics;
mod openapi;
mod process;
mod retention;
mod storage;
mod support;
mod traces;
