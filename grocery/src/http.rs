//! Requests over plain HTTP. They need no certificates, which a container may not have.

use std::{str::FromStr, time::Duration};

use anyhow::{anyhow, ensure};
use awc::{
    Client, ClientRequest, ClientResponse,
    http::{
        StatusCode,
        header::{self, HeaderMap},
    },
};
use bytes::Bytes;
use serde::de::DeserializeOwned;
use url::Url;

/// How much of a body is read.
const MAX_BODY_BYTES: usize = 8 * 1024 * 1024;

/// The address of a server, such as `http://127.0.0.1:5000`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ServerUrl(Url);

impl ServerUrl {
    /// The URL of a path of this server, with its query.
    pub(crate) fn at(&self, path_and_query: &str) -> String {
        format!("{}{path_and_query}", self.0.as_str().trim_end_matches('/'))
    }
}

impl FromStr for ServerUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        const EXPECTED: &str = "expected http://HOST[:PORT], such as http://127.0.0.1:5000";
        let url: Url = text.trim().parse().map_err(|error| format!("{error}; {EXPECTED}"))?;
        let is_plain = url.scheme() == "http"
            && url.has_host()
            && url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none();
        if is_plain { Ok(Self(url)) } else { Err(EXPECTED.into()) }
    }
}

impl std::fmt::Display for ServerUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0.as_str().trim_end_matches('/'))
    }
}

/// An answer with its body.
#[derive(Debug)]
pub(crate) struct Whole {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Whole {
    /// Reads the body of an answer.
    ///
    /// # Errors
    /// When it does not come whole, or is too long.
    pub(crate) async fn read<S>(url: &str, mut response: ClientResponse<S>) -> anyhow::Result<Self>
    where
        S: futures_util::Stream<Item = Result<Bytes, awc::error::PayloadError>>,
    {
        let body = response.body().limit(MAX_BODY_BYTES).await;
        let body = body.map_err(|error| anyhow!("no whole answer from {url}: {error}"))?;
        let (status, headers) = (response.status(), response.headers().clone());
        Ok(Self { status, headers, body: body.to_vec() })
    }

    /// A header of the answer, or an empty text.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The answer as JSON.
    ///
    /// # Errors
    /// When it is no success, or something else.
    pub(crate) fn json<T: DeserializeOwned>(&self, url: &str) -> anyhow::Result<T> {
        ensure!(self.status.is_success(), "{url} answers {}", self.status);
        serde_json::from_slice(&self.body)
            .map_err(|error| anyhow!("{url} answers something else than expected: {error}"))
    }
}

/// Sends a `GET` to `url`, with these headers, and reads the whole answer. It must be called in an actix
/// system.
///
/// # Errors
/// When there is no whole answer within `timeout`.
pub(crate) async fn get_whole(
    url: &str,
    headers: &[(&'static str, &str)],
    timeout: Duration,
) -> anyhow::Result<Whole> {
    let mut request = client(timeout).get(url);
    for (name, value) in headers {
        request = request.insert_header((*name, *value));
    }
    #[expect(clippy::disallowed_methods, reason = "it is made as a person makes it by hand")]
    let response = request.send().await;
    Whole::read(url, response.map_err(|error| anyhow!("no answer from {url}: {error}"))?).await
}

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
pub(crate) fn client(timeout: Duration) -> Client {
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
