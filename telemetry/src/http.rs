//! The HTTP client that the exporters share, and what an answer means.
//!
//! OTLP over HTTP, Zipkin and Jaeger's collector, spans and metrics all send through [`Post`]. Its
//! rules are the same for all:
//!
//! - Only the protocol's own answer is success. A page of HTML is a failure even with status 200.
//!   No redirect is followed, because that could drop the body or send secret headers to another
//!   host.
//! - A request that may be taken later is sent again: see [`retry`](crate::retry).
//! - An address of this machine is never reached through a proxy.
//! - Certificates are loaded for `https://` only.
//!
//! A request is made on the thread of its exporter, which waits for the answer: the client has a
//! runtime of its own there, and needs no other thread, and none of the service's runtimes. So an
//! export wakes one thread, and not two that wake each other. Telemetry is suppressed on that thread
//! (`quiet.rs`), so that sending telemetry makes none.

use crate::chunks::Chunks;
use crate::error::TelemetryError;
use crate::outcome::{Accepted, Failure, Retryable, error_type, quoted};
use crate::quiet;
use crate::retry::Retry;
use crate::tls::{self, Credentials};
use async_trait::async_trait;
use http::header::{CONTENT_TYPE, LOCATION, RETRY_AFTER};
use http::{HeaderMap, StatusCode, Uri};
use opentelemetry_http::{Bytes, HttpClient, HttpError};
use reqwest::{Client, Method, Request, Response, Url, redirect};
use std::error::Error;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};
use tokio::runtime::{Builder, Runtime};
use tokio::task::yield_now;

/// The most bytes of an answer that are read. The protocols answer with a few lines.
const LONGEST_ANSWER: usize = 64 * 1024;

/// Where requests go, and how long one may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Target<'a> {
    /// The exporter's name, for errors at the start.
    pub(crate) exporter: &'static str,
    pub(crate) endpoint: &'a Uri,
    /// How long one request may take. `None` means without limit.
    pub(crate) timeout: Option<Duration>,
    /// The variable that names a proxy for the endpoint, if one is set.
    pub(crate) proxy: Option<&'static str>,
    pub(crate) credentials: Credentials<'a>,
}

/// Reads the content type and the body of a success, or says what came in its place.
pub(crate) type ReadAnswer = fn(Option<&str>, &[u8]) -> Result<Accepted, String>;

/// A client for one endpoint, which keeps what became of the last request.
///
/// This crate's exporter of spans over OTLP gets it from [`request`](Self::request). The exporters of
/// other crates build the requests, but do not return the answers. So they are given this as their
/// HTTP client. It always tells them that all went well, and keeps the [outcome](Self::outcome) for
/// the accounting:
///
/// ```text
/// exporter.export(batch) ──▶ post.send(request) ──▶ backend
/// accounting             ◀── post.outcome()
/// ```
#[derive(Debug)]
pub(crate) struct Post {
    /// `None` only while this is being dropped.
    client: Option<OwnClient>,
    destination: Destination,
    timeout: Option<Duration>,
    /// Reads the body of an answer. `None` for Zipkin and Jaeger, whose answer is only a status.
    read_answer: Option<ReadAnswer>,
    retry: Retry,
    outcome: Mutex<Option<Result<Accepted, Failure>>>,
}

impl Post {
    /// Builds a client for `target`.
    ///
    /// # Errors
    /// [`TelemetryError::Exporter`] when there is no certificate to trust where one is needed.
    pub(crate) fn new(
        target: Target<'_>,
        read_answer: Option<ReadAnswer>,
        retry: Retry,
    ) -> Result<Arc<Self>, TelemetryError> {
        let refused = |reason: String| TelemetryError::Exporter {
            exporter: target.exporter,
            reason: format!("{reason} (for {})", shown(target.endpoint)),
        };
        let is_secure = target.endpoint.scheme_str() == Some("https");
        let tls = tls::client(is_secure, target.credentials).map_err(refused)?;
        let mut builder =
            Client::builder().tls_backend_preconfigured(tls).redirect(redirect::Policy::none());
        if is_loopback(target.endpoint) {
            builder = builder.no_proxy();
        }
        let client = builder.build().map_err(|error| refused(causes(&error).join(": ")))?;
        // Names are looked up on threads that it starts for that.
        let runtime = Builder::new_current_thread()
            .thread_name("telemetry-lookup")
            .on_thread_start(quiet::this_thread)
            .enable_all()
            .build()
            .map_err(|error| refused(error.to_string()))?;
        Ok(Arc::new(Post {
            client: Some(OwnClient { client, runtime }),
            destination: Destination::new(target.endpoint, target.proxy),
            timeout: target.timeout,
            read_answer,
            retry,
            outcome: Mutex::new(None),
        }))
    }

    /// Posts `body` until it is taken or given up, and returns what became of it.
    pub(crate) fn request(
        &self,
        url: &str,
        headers: &HeaderMap,
        body: &Chunks,
    ) -> Result<Accepted, Failure> {
        match url.parse() {
            Ok(url) => self.retry.run(|| self.attempt(&url, headers, body)),
            Err(error) => {
                let (reason, retryable) = (format!("{url}: {error}"), Retryable::Never);
                Err(Failure { reason, retryable, error_type: error_type::OTHER.into() })
            }
        }
    }

    /// Posts `body` as [`request`](Self::request) does, and keeps what became of it.
    pub(crate) fn send(&self, url: &str, headers: &HeaderMap, body: Bytes) {
        let outcome = self.request(url, headers, &body.into());
        *self.outcome.lock().unwrap_or_else(PoisonError::into_inner) = Some(outcome);
    }

    /// Takes what became of the last request; `None` if there was no request since the last call.
    pub(crate) fn outcome(&self) -> Option<Result<Accepted, Failure>> {
        self.outcome.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn attempt(&self, url: &Url, headers: &HeaderMap, body: &Chunks) -> Result<Accepted, Failure> {
        let mut request = Request::new(Method::POST, url.clone());
        *request.headers_mut() = headers.clone();
        *request.body_mut() = Some(body.clone().into());
        *request.timeout_mut() = self.timeout;
        let Some(OwnClient { client, runtime }) = &self.client else {
            unreachable!("it is taken only by `drop`")
        };
        runtime.block_on(async {
            // Between two requests nobody looks at the connection, and the backend may have closed it. So
            // the first pause lets the runtime see what has come, and the second lets the connection
            // read that it is closed. Then it is not used.
            yield_now().await;
            yield_now().await;
            let response = client.execute(request).await.map_err(|error| {
                let timed_out_after = error.is_timeout().then_some(self.timeout).flatten();
                self.destination.unreached(&error, timed_out_after)
            })?;
            self.read(response).await
        })
    }

    /// Reads what `response` means.
    async fn read(&self, response: Response) -> Result<Accepted, Failure> {
        let Destination { shown, .. } = &self.destination;
        let status = response.status();
        let headers = response.headers().clone();
        if !status.is_success() {
            return Err(Failure {
                reason: format!("{shown} answers {}", refusal(status, &headers)),
                retryable: retryable(status, &headers),
                error_type: status.as_str().to_owned().into(),
            });
        }
        let content_type = headers.get(CONTENT_TYPE).map(|value| mime(value.as_bytes()));
        let is_html = content_type.as_deref() == Some("text/html");
        let what = match (self.read_answer, beginning(response).await) {
            _ if is_html => "a page of HTML".to_owned(),
            (None, _) => return Ok(Accepted::default()),
            (Some(_), Err(error)) => {
                let reason = format!("{shown} breaks its answer off: {error}");
                let error_type = error_type::CONNECTION_BROKEN.into();
                return Err(Failure { reason, retryable: Retryable::NoAnswer, error_type });
            }
            (Some(_), Ok(body)) if body.len() > LONGEST_ANSWER => {
                format!("more than {LONGEST_ANSWER} bytes")
            }
            (Some(read), Ok(body)) => match read(content_type.as_deref(), &body) {
                Ok(accepted) => return Ok(accepted.by(shown)),
                Err(what) => what,
            },
        };
        let reason =
            format!("{shown} answers {status} with {what}: that is no receiver of telemetry");
        let error_type = error_type::UNEXPECTED_ANSWER.into();
        Err(Failure { reason, retryable: Retryable::Never, error_type })
    }
}

impl Drop for Post {
    fn drop(&mut self) {
        // What ends with the client may log that, and the SDK's thread is not quiet any more.
        let _quiet = quiet::for_now();
        if let Some(OwnClient { client, runtime }) = self.client.take() {
            drop(client);
            // It does not wait for a name that is being looked up, which can take very long.
            runtime.shutdown_background();
        }
    }
}

/// A client, and the runtime in which its connections live. It runs while a request is made, on the
/// thread that makes it.
#[derive(Debug)]
struct OwnClient {
    client: Client,
    runtime: Runtime,
}

/// The body of an answer: all of it, or if it is longer than [`LONGEST_ANSWER`], more than that.
async fn beginning(mut answer: Response) -> reqwest::Result<Vec<u8>> {
    let mut body = Vec::new();
    while body.len() <= LONGEST_ANSWER
        && let Some(part) = answer.chunk().await?
    {
        body.extend_from_slice(&part);
    }
    Ok(body)
}

/// A [`Post`] behind the interface that the exporters of other crates ask for.
#[derive(Clone, Debug)]
pub(crate) struct PostClient(pub(crate) Arc<Post>);

#[async_trait]
impl HttpClient for PostClient {
    async fn send_bytes(
        &self,
        request: http::Request<Bytes>,
    ) -> Result<http::Response<Bytes>, HttpError> {
        let (parts, body) = request.into_parts();
        self.0.send(&parts.uri.to_string(), &parts.headers, body);
        Ok(http::Response::new(Bytes::new()))
    }
}

/// The status of a refusal, with what to check, and for a redirect with its target.
fn refusal(status: StatusCode, headers: &HeaderMap) -> String {
    match headers.get(LOCATION) {
        Some(to) if status.is_redirection() => {
            let to = quoted(&String::from_utf8_lossy(to.as_bytes()));
            format!(
                "{status} to {to}, and telemetry follows no redirects: set that URL if it is right"
            )
        }
        _ => match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                format!("{status}: are the headers right?")
            }
            StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED => {
                format!("{status}: is the path right?")
            }
            _ => status.to_string(),
        },
    }
}

/// Whether the protocol lets a client try again after `status`:
/// <https://opentelemetry.io/docs/specs/otlp/#retryable-response-codes>
fn retryable(status: StatusCode, headers: &HeaderMap) -> Retryable {
    match status.as_u16() {
        429 | 502 | 503 | 504 => Retryable::Busy(headers.get(RETRY_AFTER).and_then(|value| {
            let value = value.to_str().ok()?.trim();
            match value.parse() {
                Ok(seconds) => Some(Duration::from_secs(seconds)),
                // It may also be a date. A date in the past means now.
                Err(_) => {
                    let date = httpdate::parse_http_date(value).ok()?;
                    Some(date.duration_since(SystemTime::now()).unwrap_or_default())
                }
            }
        })),
        _ => Retryable::Never,
    }
}

/// A media type without its parameters, in lower case.
fn mime(value: &[u8]) -> String {
    let value = String::from_utf8_lossy(value);
    value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// An endpoint, as error messages name it.
#[derive(Debug)]
pub(crate) struct Destination {
    /// Its URL, without the parts that may be secret.
    pub(crate) shown: String,
    proxy: Option<&'static str>,
}

impl Destination {
    pub(crate) fn new(endpoint: &Uri, proxy: Option<&'static str>) -> Self {
        Destination { shown: shown(endpoint), proxy }
    }

    /// The failure of a request that got no answer, with the reason from `error` and its causes.
    pub(crate) fn unreached(
        &self,
        error: &(dyn Error + 'static),
        timed_out_after: Option<Duration>,
    ) -> Failure {
        let shown = &self.shown;
        let tls = chain(error).find_map(find::<rustls::Error>);
        let io = chain(error).find_map(find::<io::Error>).map(io::Error::kind);
        let texts = causes(error);
        let last = texts.last().map_or("", String::as_str);
        let (error_type, text) = match (tls, io) {
            _ if timed_out_after.is_some() => {
                let after = timed_out_after.unwrap_or_default();
                (error_type::TIMEOUT, format!("no answer from {shown} in {after:?}"))
            }
            (Some(rustls::Error::InvalidCertificate(why)), _) => {
                let text = format!(
                    "the certificate of {shown} is not trusted: {}; name its authority in \
                     OTEL_EXPORTER_OTLP_CERTIFICATE, or for other exporters in SSL_CERT_FILE",
                    tls::distrust(why)
                );
                (error_type::TLS, text)
            }
            (Some(why), _) => {
                let text =
                    format!("no TLS connection with {shown}: {why}; is it https there, or http?");
                (error_type::TLS, text)
            }
            (None, Some(io::ErrorKind::ConnectionRefused)) => {
                (error_type::CONNECTION_REFUSED, format!("nothing listens at {shown}: {last}"))
            }
            _ if texts.iter().any(is_lookup_failure) => {
                (error_type::HOST_NOT_FOUND, format!("the host of {shown} cannot be found: {last}"))
            }
            _ => {
                let text = format!("no answer from {shown}: {}", texts.join(": "));
                (error_type::CONNECTION_BROKEN, text)
            }
        };
        let proxy = self.proxy.map_or(String::new(), |name| {
            format!(" (through the proxy that {name} names, unless NO_PROXY excepts the host)")
        });
        let retryable = if tls.is_some() { Retryable::Never } else { Retryable::NoAnswer };
        Failure { reason: text + &proxy, retryable, error_type: error_type.into() }
    }
}

/// Whether this is what hyper-util, or over gRPC the standard library, says when a host is not found.
fn is_lookup_failure(text: &String) -> bool {
    text == "dns error" || text.starts_with("failed to lookup address information")
}

/// The URL of `endpoint` without user, password and query.
fn shown(endpoint: &Uri) -> String {
    let scheme = endpoint.scheme_str().unwrap_or_default();
    let authority = endpoint
        .authority()
        .map_or("", |authority| authority.as_str().rsplit('@').next().unwrap_or_default());
    format!("{scheme}://{authority}{}", endpoint.path().trim_end_matches('/'))
}

/// Whether the host of `endpoint` names this machine.
pub(crate) fn is_loopback(endpoint: &Uri) -> bool {
    let host = endpoint.host().unwrap_or_default();
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || host.to_ascii_lowercase().ends_with(".localhost")
        || host.parse().is_ok_and(|address: std::net::IpAddr| address.to_canonical().is_loopback())
}

/// `error` and all its causes, from the outermost to the innermost.
fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    let mut next = Some(error);
    std::iter::from_fn(move || {
        let error = next?;
        next = match error.downcast_ref::<io::Error>() {
            // The `source` of an I/O error skips the error that it holds, so that one is asked for.
            Some(io) => io.get_ref().map(|inner| inner as &(dyn Error + 'static)),
            None => error.source(),
        };
        Some(error)
    })
}

fn find<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
    error.downcast_ref()
}

/// The texts of the causes of `error`, each once. The text of `error` itself is left out, because
/// it repeats the URL.
fn causes(error: &(dyn Error + 'static)) -> Vec<String> {
    let mut texts: Vec<String> = chain(error).skip(1).map(ToString::to_string).collect();
    texts.dedup();
    if texts.is_empty() { vec![error.to_string()] } else { texts }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_of_this_machine_is_recognised_by_its_name() {
        for (url, expected) in [
            ("http://localhost:4318", true),
            ("http://LocalHost", true),
            ("http://store.localhost:1", true),
            ("http://127.0.0.1:4318", true),
            ("http://127.8.9.1", true),
            ("http://[::1]:4318", true),
            ("http://[::ffff:127.0.0.1]:4318", true),
            ("http://localhost.example", false),
            ("http://10.0.0.1", false),
            ("http://[2001:db8::1]:4318", false),
        ] {
            assert_eq!(is_loopback(&url.parse().expect("a URL")), expected, "{url}");
        }
    }

    #[test]
    fn secrets_in_an_endpoint_are_not_shown() {
        let endpoint = "https://user:pass@host:4318/v1/traces?key=secret".parse().expect("a URL");
        assert_eq!(shown(&endpoint), "https://host:4318/v1/traces");
    }

    #[test]
    fn the_answers_after_which_a_request_is_sent_again_are_those_of_the_specification() {
        let none = HeaderMap::new();
        for status in 300..600 {
            let expected = match status {
                429 | 502 | 503 | 504 => Retryable::Busy(None),
                _ => Retryable::Never,
            };
            let status = StatusCode::from_u16(status).expect("a status");
            assert_eq!(retryable(status, &none), expected, "{status}");
        }
        let after = |value: &'static str| {
            let headers = HeaderMap::from_iter([(RETRY_AFTER, value.parse().expect("a value"))]);
            retryable(StatusCode::SERVICE_UNAVAILABLE, &headers)
        };
        assert_eq!(after("20"), Retryable::Busy(Some(Duration::from_secs(20))));
        assert_eq!(after("Sun, 06 Nov 1994 08:49:37 GMT"), Retryable::Busy(Some(Duration::ZERO)));
        assert_eq!(after("-1"), Retryable::Busy(None));
        assert_eq!(after("soon"), Retryable::Busy(None));
    }
}
