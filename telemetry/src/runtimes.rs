//! Metrics of the tokio runtimes that a service runs.
//!
//! An actix service has many: each of its threads has a runtime of its own, with one worker. So a
//! service says on each of its threads that the runtime there is to be observed.

use opentelemetry_instrumentation_tokio::Config;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use tokio::runtime::Handle;

/// Whether metrics are exported.
static OBSERVED: AtomicBool = AtomicBool::new(false);

/// How many runtimes there are of each name.
static RUNTIMES: Mutex<BTreeMap<&'static str, usize>> = Mutex::new(BTreeMap::new());

/// The attribute that tells the runtimes of a process apart.
const RUNTIME_NAME: &str = "tokio.runtime.name";

/// Observes the tokio runtime of this thread: its workers, tasks, parks and busy time, as
/// [opentelemetry-instrumentation-tokio] names them. The attribute `tokio.runtime.name` is `name`
/// and a number, such as `http/0`.
///
/// Call it once on each thread that has a runtime, after [`Telemetry::init`](crate::Telemetry::init).
/// It does nothing when no metrics are exported, or when the thread has no runtime. What is observed
/// stays in memory until the process ends, so it is not for runtimes that come and go.
///
/// [opentelemetry-instrumentation-tokio]: https://docs.rs/opentelemetry-instrumentation-tokio
///
/// ```
/// // In the closure that an `actix_web::HttpServer` calls on each of its threads:
/// telemetry::observe_runtime("http");
/// ```
pub fn observe_runtime(name: &'static str) {
    if !OBSERVED.load(Ordering::Acquire) {
        return;
    }
    let Ok(runtime) = Handle::try_current() else { return };
    let index = {
        let mut runtimes = RUNTIMES.lock().unwrap_or_else(PoisonError::into_inner);
        let count = runtimes.entry(name).or_default();
        *count += 1;
        *count - 1
    };
    Config::new().with_label(RUNTIME_NAME, format!("{name}/{index}")).observe_runtime(&runtime);
}

/// Lets [`observe_runtime`] observe. The global meter provider must have been set.
pub(crate) fn observe_from_now_on() {
    OBSERVED.store(true, Ordering::Release);
}
