//! Spawning a future on the arbiter with the current context, which `actix::spawn` would lose.

use std::pin::Pin;

use actix_rt::task::JoinHandle;
use opentelemetry::trace::FutureExt;

/// Spawns a future on the current arbiter, in the current context.
///
/// It is [`actix_rt::spawn`] (which is `actix::spawn`) with the trace, the baggage and the context
/// values of the caller, and with the feature `tracing` in the current `tracing` span.
///
/// It makes no span. What the future does (asks, HTTP requests, spans of its own) is recorded under
/// the span that is current now.
///
/// # Panics
///
/// Outside an actix system, as [`actix_rt::spawn`] does.
pub fn spawn_traced<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + 'static,
    F::Output: 'static,
{
    let future = future.with_current_context();
    #[cfg(feature = "tracing")]
    let future = tracing::Instrument::in_current_span(future);
    actix_rt::spawn(future)
}

/// Spawns one of this crate's own futures, which carry their context already.
///
/// It is boxed, since the compiler makes about 20 functions of tokio for each type of future that is
/// spawned, and there is one for each actor. An answer to a message, of which there are many, is
/// spawned as it is: a box would be one allocation more than without this crate.
pub(crate) fn spawn_boxed(future: impl Future<Output = ()> + 'static) {
    spawn_any(Box::pin(future));
}

fn spawn_any(future: Pin<Box<dyn Future<Output = ()>>>) {
    drop(actix_rt::spawn(future));
}
