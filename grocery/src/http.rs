//! Requests over HTTP, to `https` with the shopper's TLS. Those to `http` need no certificates, which a
//! container may not have.

use std::{path::PathBuf, str::FromStr, time::Duration};

use anyhow::{Context as _, anyhow, ensure};
use awc::{
    Client, ClientRequest, ClientResponse, Connector,
    http::{
        Method, StatusCode,
        header::{self, HeaderMap},
    },
};
use bytes::Bytes;
use serde::de::DeserializeOwned;
use shopper::tls::{Target, Tls, TrustArgs, connector};
use url::Url;

/// How much of a body is read.
const MAX_BODY_BYTES: usize = 8 * 1024 * 1024;

/// The address of a server, such as `http://127.0.0.1:5000` or `https://shop.example`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ServerUrl(Url);

impl ServerUrl {
    /// As a URL.
    pub(crate) fn url(&self) -> &Url {
        &self.0
    }

    /// The URL of a path of this server, with its query.
    pub(crate) fn at(&self, path_and_query: &str) -> String {
        format!("{}{path_and_query}", self.0.as_str().trim_end_matches('/'))
    }
}

impl FromStr for ServerUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        const EXPECTED: &str = "expected http(s)://HOST[:PORT], such as http://127.0.0.1:5000";
        let url: Url = text.trim().parse().map_err(|error| format!("{error}; {EXPECTED}"))?;
        let is_base = matches!(url.scheme(), "http" | "https")
            && url.has_host()
            && url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none();
        if is_base { Ok(Self(url)) } else { Err(EXPECTED.into()) }
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

/// An answer, without its body.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    /// The header `content-type`, or an empty text.
    pub(crate) content_type: String,
    /// The header `server`, or an empty text.
    pub(crate) server: String,
}

/// How requests to a server are made. What makes them must be called in an actix system.
#[derive(Clone, Debug, Default)]
pub(crate) struct Http {
    tls: Option<Tls>,
    /// The file that names the authorities of that TLS, unless they are the system's.
    authorities: Option<PathBuf>,
}

impl Http {
    /// For a server at `http`.
    pub(crate) fn plain() -> Self {
        Self::default()
    }

    /// For the server at `url`, which is trusted as `trust` says if that is `https`.
    ///
    /// # Errors
    /// When there are no certificates of authorities.
    pub(crate) fn to(url: &Url, trust: &TrustArgs) -> anyhow::Result<Self> {
        let named = trust.ca_certificate.as_ref();
        let tls = Tls::for_url(url, named.map(|authorities| &**authorities.pem()));
        let tls = tls.map_err(|why| anyhow!("cannot make connections to {url}: {why}"))?;
        let named = named.filter(|_| tls.is_some());
        Ok(Self { tls, authorities: named.map(|authorities| authorities.file().to_owned()) })
    }

    /// A client that uses no proxy and follows no redirect. Each of its requests goes to a [`Target`].
    pub(crate) fn client(&self, timeout: Duration) -> Client {
        let connector = Connector::new().connector(connector(self.tls.clone()));
        Client::builder().connector(connector).timeout(timeout).disable_redirects().finish()
    }

    /// The command `curl` with the flags that a request of one's own to this server needs.
    pub(crate) fn curl(&self) -> String {
        match &self.authorities {
            Some(file) => format!("curl -si --cacert {}", quoted(&file.to_string_lossy())),
            None => "curl -si".to_owned(),
        }
    }

    /// Sends a `GET` to `url`, with these headers, and reads the whole answer.
    ///
    /// # Errors
    /// When there is no whole answer within `timeout`.
    pub(crate) async fn get_whole(
        &self,
        url: &str,
        headers: &[(&'static str, &str)],
        timeout: Duration,
    ) -> anyhow::Result<Whole> {
        let mut request = self.request(Method::GET, url, timeout)?;
        for (name, value) in headers {
            request = request.insert_header((*name, *value));
        }
        #[expect(clippy::disallowed_methods, reason = "it is made as a person makes it by hand")]
        let response = request.send().await;
        Whole::read(url, response.map_err(|error| anyhow!("no answer from {url}: {error}"))?).await
    }

    /// Sends a `GET` to `url`.
    ///
    /// # Errors
    /// When there is no answer within `timeout`.
    pub(crate) async fn get(&self, url: &str, timeout: Duration) -> anyhow::Result<Answer> {
        answer(self.request(Method::GET, url, timeout)?, url, Vec::new()).await
    }

    /// Sends a `POST` of `body` to `url`.
    ///
    /// # Errors
    /// When there is no answer within `timeout`.
    pub(crate) async fn post(
        &self,
        url: &str,
        content_type: &'static str,
        body: Vec<u8>,
        timeout: Duration,
    ) -> anyhow::Result<Answer> {
        let request = self.request(Method::POST, url, timeout)?.content_type(content_type);
        answer(request, url, body).await
    }

    fn request(
        &self,
        method: Method,
        url: &str,
        timeout: Duration,
    ) -> anyhow::Result<ClientRequest> {
        Ok(self.client(timeout).request(method, target(url)?.uri().clone()))
    }
}

/// Where a request to `url` goes.
///
/// # Errors
/// When HTTP does not allow it.
pub(crate) fn target(url: &str) -> anyhow::Result<Target> {
    Target::new(url).with_context(|| format!("{url}: HTTP does not allow it"))
}

/// The text as one word of a shell.
pub(crate) fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

async fn answer(request: ClientRequest, url: &str, body: Vec<u8>) -> anyhow::Result<Answer> {
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
