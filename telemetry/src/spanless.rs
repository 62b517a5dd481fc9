//! Contexts in which no spans are made, but log records are.
//!
//! Work that no request asked for, such as reading the stock again and again, would be many small
//! traces that nobody looks at. OpenTelemetry's way to have none is to suppress telemetry, which
//! suppresses log records as well: it is meant for exporters, which would otherwise export what they
//! say about exporting. A backend has to hear of a warning of such work, though. So its context says
//! that records remain, and the crate's own logger heeds it (`record_logger.rs`).

use opentelemetry::Context;

/// Says that telemetry is suppressed in a context for the sake of spans alone.
#[derive(Clone, Copy, Debug)]
struct RecordsRemain;

/// This context, with telemetry suppressed but for log records: neither an instrumentation nor a span
/// made by hand is there in it, and requests that are sent from it carry no trace of their own. What
/// is logged in it is exported.
///
/// ```
/// use opentelemetry::Context;
///
/// let background = telemetry::without_spans(&Context::new());
/// assert!(background.is_telemetry_suppressed());
/// let _attached = background.attach();
/// tracing::warn!("a backend gets to know this");
/// ```
#[must_use]
pub fn without_spans(cx: &Context) -> Context {
    cx.with_value(RecordsRemain).with_telemetry_suppressed()
}

/// Whether telemetry is suppressed in this context for the sake of spans alone.
pub(crate) fn has_records_only(cx: &Context) -> bool {
    cx.is_telemetry_suppressed() && cx.get::<RecordsRemain>().is_some()
}
