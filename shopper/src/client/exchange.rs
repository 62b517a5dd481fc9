//! One request and its answer, or why there is none.

use std::time::{Duration, Instant};

use actix_web::error::ParseError;
use actix_web_opentelemetry::ClientExt;
use awc::{
    Client, ClientRequest,
    error::{ConnectError, PayloadError, SendRequestError},
    http::{
        Method, StatusCode, Uri,
        header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER},
    },
};
use opentelemetry::{Context, KeyValue};
use opentelemetry_semantic_conventions::attribute::HTTP_REQUEST_RESEND_COUNT;
use shared::wire::IDEMPOTENCY_KEY;

use crate::outcome::Failure;

/// The largest answer that is read.
const MAX_ANSWER_BYTES: usize = 4 * 1024 * 1024;

/// A request that can be sent again as it is.
#[derive(Clone, Debug)]
pub(crate) enum Call {
    /// Reading changes nothing.
    Get(Uri),
    /// Buying changes something, but with the same key only once.
    Checkout {
        /// Where to buy.
        uri: Uri,
        /// The basket as JSON.
        body: bytes::Bytes,
        /// Tells this checkout from others.
        key: HeaderValue,
    },
}

/// The store's answer.
#[derive(Debug)]
pub(crate) struct Answer {
    /// A success, or 409 for a checkout.
    pub(crate) status: StatusCode,
    /// The whole body.
    pub(crate) body: bytes::Bytes,
}

/// Why there is no answer, or none that helps.
#[derive(Debug)]
pub(super) struct Unanswered {
    pub(super) failure: Failure,
    /// How long the store asked to be left alone.
    pub(super) retry_after: Option<Duration>,
    /// What went wrong, for the log.
    pub(super) reason: Option<String>,
    /// Bytes of the body that came with an error status.
    pub(super) received_bytes: u64,
}

/// Sends a request once, as a CLIENT span named by its method in `cx`, and reads its answer.
pub(super) async fn attempt(
    http: &Client,
    timeout: Duration,
    cx: &Context,
    call: &Call,
    resend_count: u32,
) -> Result<Answer, Unanswered> {
    let mut request = match call {
        Call::Get(uri) => http.request(Method::GET, uri.clone()),
        Call::Checkout { uri, key, .. } => http
            .request(Method::POST, uri.clone())
            .insert_header((CONTENT_TYPE, HeaderValue::from_static("application/json")))
            .insert_header((IDEMPOTENCY_KEY, key.clone())),
    }
    .no_decompress()
    .trace_request_with_context(cx.clone())
    .with_span_namer(method_of);
    if resend_count > 0 {
        request = request
            .with_attributes([KeyValue::new(HTTP_REQUEST_RESEND_COUNT, i64::from(resend_count))]);
    }
    let began = Instant::now();
    let response = match call {
        Call::Get(_) => request.send().await?,
        Call::Checkout { body, .. } => request.send_body(body.clone()).await?,
    };
    let status = response.status();
    // The client's own time limit ends with the head of the answer.
    let mut response = response.timeout(timeout.saturating_sub(began.elapsed()));
    let body = response.body().limit(MAX_ANSWER_BYTES).await?;
    if content_length(response.headers()).is_some_and(|length| body.len() < length) {
        return Err(Failure::Disconnect.into());
    }
    if status.is_success() || call.expects(status) {
        return Ok(Answer { status, body });
    }
    Err(Unanswered {
        retry_after: retry_after(response.headers()),
        received_bytes: body.len() as u64,
        ..Failure::Status(status.as_u16()).into()
    })
}

impl Call {
    /// Whether this error status is an ordinary answer.
    fn expects(&self, status: StatusCode) -> bool {
        matches!(self, Self::Checkout { .. }) && status == StatusCode::CONFLICT
    }

    /// How large its body is.
    pub(super) fn body_bytes(&self) -> u64 {
        match self {
            Self::Get(_) => 0,
            Self::Checkout { body, .. } => body.len() as u64,
        }
    }
}

impl Unanswered {
    /// Whether the same request may well succeed a little later.
    pub(super) fn is_transient(&self) -> bool {
        match self.failure {
            Failure::Connect | Failure::Disconnect | Failure::Timeout => true,
            Failure::Status(code) => matches!(code, 429 | 502 | 503 | 504),
            Failure::Body | Failure::Abandoned => false,
        }
    }
}

impl From<Failure> for Unanswered {
    fn from(failure: Failure) -> Self {
        Self { failure, retry_after: None, reason: None, received_bytes: 0 }
    }
}

impl From<SendRequestError> for Unanswered {
    fn from(error: SendRequestError) -> Self {
        let failure = match &error {
            // That is how awc calls a connection that ends in the middle of an exchange.
            SendRequestError::Connect(ConnectError::Disconnected) => Failure::Disconnect,
            SendRequestError::Connect(_) => Failure::Connect,
            SendRequestError::Timeout => Failure::Timeout,
            SendRequestError::Response(ParseError::Io(_)) | SendRequestError::Send(_) => {
                Failure::Disconnect
            }
            _ => Failure::Body,
        };
        Self { reason: Some(error.to_string()), ..failure.into() }
    }
}

impl From<PayloadError> for Unanswered {
    fn from(error: PayloadError) -> Self {
        let failure = match &error {
            PayloadError::Io(io) if io.kind() == std::io::ErrorKind::TimedOut => Failure::Timeout,
            PayloadError::Io(_) | PayloadError::Incomplete(_) => Failure::Disconnect,
            _ => Failure::Body,
        };
        Self { reason: Some(error.to_string()), ..failure.into() }
    }
}

fn method_of(request: &ClientRequest) -> String {
    request.get_method().to_string()
}

/// How long the body was to be: the client takes a connection's end for the body's.
fn content_length(headers: &HeaderMap) -> Option<usize> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// The pause in seconds that the store asked for; its other form, a date, is not read.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds))
}
