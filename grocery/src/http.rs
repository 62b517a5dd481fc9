//! Requests over plain HTTP. They need no certificates, which a container may not have.

use std::time::Duration;

use anyhow::{anyhow, ensure};
use awc::{
    Client, ClientRequest,
    http::{StatusCode, header},
};

/// An answer, without its body.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    /// The header `content-type`, or an empty text.
    pub(crate) content_type: String,
    /// The header `server`, or an empty text.
    pub(crate) server: String,
}

/// Sends a `GET` to `url`. It must be called in an actix system.
///
/// # Errors
/// When there is no answer within `timeout`.
pub(crate) async fn get(url: &str, timeout: Duration) -> anyhow::Result<Answer> {
    answer(client(timeout).get(url), url, Vec::new()).await
}

/// Sends a `POST` of `body` to `url`. It must be called in an actix system.
///
/// # Errors
/// When there is no answer within `timeout`.
pub(crate) async fn post(
    url: &str,
    content_type: &'static str,
    body: Vec<u8>,
    timeout: Duration,
) -> anyhow::Result<Answer> {
    answer(client(timeout).post(url).content_type(content_type), url, body).await
}

/// A client that uses no proxy and follows no redirect.
fn client(timeout: Duration) -> Client {
    Client::builder().timeout(timeout).disable_redirects().finish()
}

async fn answer(request: ClientRequest, url: &str, body: Vec<u8>) -> anyhow::Result<Answer> {
    ensure!(url.starts_with("http://"), "{url}: expected an http:// URL");
    #[expect(clippy::disallowed_methods, reason = "a health check is no part of a trace")]
    let response = request.send_body(body).await;
    let response = response.map_err(|error| anyhow!("no answer from {url}: {error}"))?;
    let text = |name| {
        let value = response.headers().get(name).and_then(|value| value.to_str().ok());
        value.unwrap_or_default().to_owned()
    };
    Ok(Answer {
        status: response.status(),
        content_type: text(header::CONTENT_TYPE),
        server: text(header::SERVER),
    })
}
