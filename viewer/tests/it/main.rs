//! The viewer from outside: what it takes over OTLP, what it holds, what it answers, what it
//! refuses. Each test starts its own viewer on free ports.

mod api;
mod browser;
mod ingest;
mod live;
mod memory;
mod process;
mod security;
mod support;
