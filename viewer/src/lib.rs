//! The embedded trace viewer: OpenTelemetry in, a Jaeger-compatible query API and a web page out,
//! in one process and in memory. It knows nothing about the services that send to it.
//!
//! ```text
//! OTLP ────────┐
//!              ├─▶ otlp ─▶ ingest ─▶ store ─▶ query, adjusted ─▶ api, jaeger ─▶ answer
//! saved files ─┘
//! ```
//!
//! In reading order:
//!
//! - `config`: the command line; `server`: the threads and ports, and how they start and stop;
//!   `role`: the process around them (logs, signals, exit code).
//! - `otlp`: OTLP over HTTP and gRPC, read straight into the spans that are kept, within a bound.
//!   Saved files of traces, in OTLP's JSON or Jaeger's, are read by the same code.
//! - `ingest`: the bounded queue to the store, and its one writer. `budget`: the memory that
//!   requests share, and that readers share. `stats`, `refusals`: counts, and log lines when
//!   refusing begins and ends.
//! - `store`: the traces, bounded by spans and bytes. The oldest traces go first, and go whole. Beside
//!   them the figures of the last hour (`monitor`) and the metrics that came (`instruments`).
//! - `query`: searching traces. `adjusted`: a trace as it is shown, with remarks on what does not
//!   fit.
//! - `answer`: how answers are made, in pieces and within a bound. `otlp_json`, `render`: traces
//!   and values as JSON, written straight from the store.
//! - `jaeger`: Jaeger's query API, `/api/*` and `/api/v3/*`.
//! - `api`: what the page needs and Jaeger does not have: live tail, links both ways, actor graph, monitor,
//!   files in and out.
//! - `page`: the page's files, of which `web/app.js` has a map. `security`: the headers of every answer,
//!   the checks of every request. `base_path`: the page below a path of a proxy. `cors`: pages of other
//!   sites that may send.
//!
//! Deliberately absent: a disk, users, and the OpenTelemetry SDK (the viewer is not traced itself).

mod adjusted;
mod answer;
mod api;
mod base_path;
mod budget;
mod config;
mod cors;
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

pub use base_path::BasePath;
pub use config::{Args, Chips, Config};
pub use cors::Origin;
pub use error::Error;
pub use role::run;
pub use server::{Handle, serve};
