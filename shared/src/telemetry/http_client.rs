//! The HTTP client of the exporters: blocking, with TLS by rustls and ring.

use super::TelemetryError;
use reqwest::blocking::Client;
use std::time::Duration;

/// Builds a client that gives up on a request after `timeout`.
pub(super) fn build(exporter: &'static str, timeout: Duration) -> Result<Client, TelemetryError> {
    // An error says that the process has chosen a provider already, which does as well.
    rustls::crypto::ring::default_provider().install_default().ok();
    let failed = |reason: String| TelemetryError::Exporter { exporter, reason };
    // On a thread of its own, because building a blocking client panics in an async runtime.
    std::thread::spawn(move || Client::builder().timeout(timeout).build())
        .join()
        .map_err(|_| failed("the HTTP client could not be built".to_owned()))?
        .map_err(|error| failed(error.to_string()))
}
