//! The exporter `console`: spans and metrics as text on a stream, or spans as JSON.
//!
//! The text is that of opentelemetry-stdout. That crate itself cannot be used: it prints by
//! `println!`, which panics when the reader of the stream has gone, and it prints to standard
//! output only.

mod json;
mod metrics;
mod spans;
mod text;

pub(super) use metrics::MetricPrinter;
pub(super) use spans::SpanPrinter;
