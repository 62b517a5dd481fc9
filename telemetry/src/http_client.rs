//! The HTTP client of the exporters: blocking, with TLS by rustls and ring.
//!
//! It runs on the exporters' own threads and needs none of the service's runtimes. The batch
//! processor suppresses telemetry on those threads, so that sending spans makes no spans.

use super::TelemetryError;
use http::Uri;
use reqwest::blocking::{Client, ClientBuilder};
use std::time::Duration;

/// Builds a client for `endpoint` that gives up on a request after `timeout`, after `configure`
/// had its say.
pub(super) fn build(
    exporter: &'static str,
    endpoint: &Uri,
    timeout: Duration,
    configure: impl FnOnce(ClientBuilder) -> reqwest::Result<ClientBuilder> + Send,
) -> Result<Client, TelemetryError> {
    // An error says that the process has chosen a provider already, which does as well.
    rustls::crypto::ring::default_provider().install_default().ok();
    let mut client = Client::builder().timeout(timeout);
    if endpoint.scheme_str() == Some("http") {
        // A container may be without the system's authorities, and the client then cannot be
        // built, unless it is told that it needs none.
        client = client.tls_certs_only([]);
    }
    off_runtime(exporter, || {
        configure(client)
            .and_then(ClientBuilder::build)
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
