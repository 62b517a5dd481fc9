//! Requests over HTTP.

use reqwest::blocking::Client;

/// The body of a successful answer; `None` if there is no answer yet.
pub(crate) fn get(url: &str) -> Option<Vec<u8>> {
    // It fails if an earlier call has installed it.
    rustls::crypto::ring::default_provider().install_default().ok();
    let answer = Client::new().get(url).send().ok()?.error_for_status().ok()?;
    Some(answer.bytes().ok()?.to_vec())
}
