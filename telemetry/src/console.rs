//! The exporter `console`: spans, log records and metrics as text on a stream, or spans and log
//! records as JSON.
//!
//! The text is that of opentelemetry-stdout. That crate itself cannot be used: it prints by
//! `println!`, which panics when the reader of the stream has gone, and it prints to standard
//! output only.

mod json;
mod logs;
mod metrics;
mod spans;
mod text;

pub(super) use json::escape_controls;
pub(super) use logs::LogPrinter;
pub(super) use metrics::MetricPrinter;
pub(super) use spans::SpanPrinter;
pub(super) use text::Plain;
