//! Asking over HTTP.

use reqwest::blocking::Client;

/// The body of a successful answer, or `None` if there is none (yet).
pub(crate) fn get(url: &str) -> Option<Vec<u8>> {
    // Only the first call can install it.
    rustls::crypto::ring::default_provider().install_default().ok();
    let answer = Client::new().get(url).send().ok()?.error_for_status().ok()?;
    Some(answer.bytes().ok()?.to_vec())
}
