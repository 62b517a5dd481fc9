//! The HTTP client of the exporters: blocking, with TLS by rustls and ring.
//!
//! It runs on the exporters' own threads and needs none of the service's runtimes. The batch
//! processor suppresses telemetry on those threads, so that sending spans makes no spans.

use super::TelemetryError;
use reqwest::blocking::{Client, ClientBuilder};
use std::time::Duration;

/// Builds a client that gives up on a request after `timeout`, after `configure` had its say.
pub(super) fn build(
    exporter: &'static str,
    timeout: Duration,
    configure: impl FnOnce(ClientBuilder) -> Result<ClientBuilder, TelemetryError> + Send,
) -> Result<Client, TelemetryError> {
    // An error says that the process has chosen a provider already, which does as well.
    rustls::crypto::ring::default_provider().install_default().ok();
    off_runtime(exporter, || {
        configure(Client::builder().timeout(timeout))?
            .build()
            .map_err(|error| TelemetryError::exporter(exporter, &error))
    })?
}

/// Runs `build` on a thread of its own: a blocking client panics when it is made on a thread of
/// an async runtime.
pub(super) fn off_runtime<T: Send>(
    exporter: &'static str,
    build: impl FnOnce() -> T + Send,
) -> Result<T, TelemetryError> {
    std::thread::scope(|scope| scope.spawn(build).join()).map_err(|_| TelemetryError::Exporter {
        exporter,
        reason: "its HTTP client could not be made".to_owned(),
    })
}
