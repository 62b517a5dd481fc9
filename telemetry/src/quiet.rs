//! Keeps the threads that send telemetry from making telemetry.
//!
//! The SDK suppresses telemetry on the threads of its batch processors. But spans have threads of
//! their own, as the gRPC client has, and what hyper, h2 and reqwest log there would be exported as log
//! records: with `RUST_LOG=trace` every export would then cause the next one.

use opentelemetry::{Context, ContextGuard};

/// Suppresses telemetry on the current thread until it ends. Its log lines still go to standard
/// error.
pub(crate) fn this_thread() {
    // The guard would lift the suppression when it is dropped.
    std::mem::forget(for_now());
}

/// Suppresses telemetry on the current thread until the guard is dropped.
///
/// The context is an empty one: in the current one log records might
/// [remain](crate::without_spans).
pub(crate) fn for_now() -> ContextGuard {
    Context::new().with_telemetry_suppressed().attach()
}
