//! The embedded trace viewer: OpenTelemetry in, a Jaeger-compatible query API and a web page out,
//! in one process and in memory. It knows nothing of who sends to it.
//!
//! In reading order:
//!
//! - `config`: the command line; `server`: the threads and ports, and how they start and stop;
//!   `role`: the process around them (logs, signals, exit code).
//! - `otlp`: OTLP over HTTP and gRPC, read straight into the spans that are kept, within a bound.
//! - `ingest`: the bounded way to the store, and its one writer; `budget`: the memory that requests,
//!   and readers, share; `stats`, `refusals`: what came of requests, counted and said once.
//! - `store`: the traces, bounded by spans and bytes, the oldest going first and whole.
//! - `query`: searching traces. `adjusted`: a trace as it is shown, with what does not add up.
//! - `answer`: how answers are made, in pieces and within a bound; `otlp_json`, `render`: traces and
//!   values as JSON, written from where they are held.
//! - `jaeger`: Jaeger's query API, `/api/*` and `/api/v3/*`.
//! - `api`: what the page needs and Jaeger does not have: live tail, links both ways, actor graph.
//! - `page`: the page's files. `security`: what every answer carries and every request must.
//!
//! Deliberately absent: a disk, users, and the OpenTelemetry SDK (the viewer is not traced itself).

mod adjusted;
mod answer;
mod api;
mod budget;
mod config;
mod error;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
mod ingest;
mod jaeger;
mod otlp;
mod otlp_json;
mod page;
mod query;
mod refusals;
mod render;
mod role;
mod security;
mod server;
mod stats;
mod store;

pub use config::{Args, Chips, Config};
pub use error::Error;
pub use role::run;
pub use server::{Handle, serve};
