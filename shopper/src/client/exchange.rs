//! One request and its answer, or why there is none.

use std::{
    io,
    pin::pin,
    sync::Arc,
    time::{Duration, Instant},
};

use actix_web::{HttpMessage, error::ParseError};
use actix_web_opentelemetry::{ClientExt, ClientMetrics};
use awc::{
    Client, ClientResponse,
    error::{ConnectError, PayloadError, SendRequestError},
    http::{
        Method, StatusCode, Uri,
        header::{
            CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER,
        },
        uri::Scheme,
    },
};
use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt, future::poll_fn};
use opentelemetry::{Context, KeyValue, StringValue};
use opentelemetry_semantic_conventions::attribute::{
    HTTP_REQUEST_RESEND_COUNT, URL_FULL, URL_TEMPLATE,
};
use shared::{
    fault::{FaultOutcome, OUTCOMES_HEADER},
    wire::IDEMPOTENCY_KEY,
};

use super::connection::requests_sent;
use crate::{outcome::Failure, result::Traffic, statistics::FaultAnswer};

/// The largest answer that is read.
const MAX_ANSWER_BYTES: usize = 4 * 1024 * 1024;

/// Where a request goes.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    /// For awc, which is told `http` also where the connection speaks TLS by itself.
    uri: Uri,
    /// The whole address with `https`, for the spans; `None` if it is that for awc.
    full: Option<StringValue>,
}

impl Target {
    /// The target at this address; `None` if HTTP does not allow it.
    pub(crate) fn new(address: &str) -> Option<Self> {
        let uri: Uri = address.parse().ok()?;
        if uri.scheme_str() != Some("https") {
            return Some(Self { uri, full: None });
        }
        let mut parts = uri.into_parts();
        let authority = parts.authority.take()?;
        parts.scheme = Some(Scheme::HTTP);
        parts.authority = Some(match authority.port() {
            Some(_) => authority,
            None => format!("{authority}:443").parse().ok()?,
        });
        let full = Some(Arc::<str>::from(address).into());
        Some(Self { uri: Uri::from_parts(parts).ok()?, full })
    }

    /// For awc.
    pub(crate) fn uri(&self) -> &Uri {
        &self.uri
    }
}

/// A request that can be repeated unchanged.
#[derive(Clone, Debug)]
pub(crate) enum Call {
    /// A `GET`, which changes nothing.
    Get {
        /// What to read.
        target: Target,
        /// The path with `{id}` in it, by which its spans are named.
        template: StringValue,
    },
    /// A checkout, which is made only once if it is repeated with the same key.
    Checkout {
        /// Where to buy.
        target: Target,
        /// The path, by which its spans are named.
        template: StringValue,
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
    pub(crate) body: Bytes,
    /// Whether the body ended with the connection. Then HTTP does not tell whether it is complete,
    /// and only its content can.
    pub(crate) ended_by_connection: bool,
}

/// What one step has sent and received, and what the store said about the faults it asked for.
#[derive(Debug, Default)]
pub(crate) struct Exchanges {
    pub(crate) traffic: Traffic,
    /// One for each request that was sent, if the trip asks for faults.
    pub(crate) fault_answers: Vec<FaultAnswer>,
    asks_for_faults: bool,
}

impl Exchanges {
    pub(crate) fn new(asks_for_faults: bool) -> Self {
        Self { asks_for_faults, ..Self::default() }
    }

    /// Counts a request that is being sent: `requests` is 1, or 0 if it is not sent yet.
    fn sent(&mut self, requests: u64, body_bytes: u64, is_retry: bool) {
        self.traffic.requests += requests;
        self.traffic.retries += if is_retry { requests } else { 0 };
        self.traffic.sent_bytes += requests * body_bytes;
        if self.asks_for_faults && requests > 0 {
            self.fault_answers.push(FaultAnswer::NoAnswer);
        }
    }

    /// Notes what the answer to the last request says about faults.
    fn answered(&mut self, headers: &HeaderMap) {
        if let Some(last) = self.fault_answers.last_mut() {
            let outcomes = headers.get(OUTCOMES_HEADER).and_then(|value| value.to_str().ok());
            *last = match outcomes.and_then(|value| FaultOutcome::read_all(value).ok()) {
                Some(outcomes) => FaultAnswer::Outcomes(outcomes),
                None => FaultAnswer::Silent,
            };
        }
    }
}

/// Why there is no answer, or no usable one.
#[derive(Debug)]
pub(crate) struct Unanswered {
    pub(crate) failure: Failure,
    /// How long the store asked to wait before a retry.
    pub(super) retry_after: Option<Duration>,
    /// What went wrong, for the log and the report.
    pub(crate) reason: Option<String>,
}

/// Sends a request once, with a CLIENT span in `cx` that is named by its method and template, and
/// reads its answer. What is sent and received is counted in `exchanges` at once, so it counts also
/// if the caller drops this future.
pub(super) async fn attempt(
    http: &Client,
    metrics: Option<&ClientMetrics>,
    timeout: Duration,
    cx: &Context,
    call: &Call,
    resend_count: u32,
    exchanges: &mut Exchanges,
) -> Result<Answer, Unanswered> {
    let mut request = match call {
        Call::Get { target, .. } => http.request(Method::GET, target.uri.clone()),
        Call::Checkout { target, key, .. } => http
            .request(Method::POST, target.uri.clone())
            .insert_header((CONTENT_TYPE, HeaderValue::from_static("application/json")))
            .insert_header((IDEMPOTENCY_KEY, key.clone())),
    }
    .no_decompress()
    .trace_request_with_context(cx.clone())
    .with_attributes([KeyValue::new(URL_TEMPLATE, call.template().clone())]);
    if let Some(metrics) = metrics {
        request = request.with_metrics(metrics);
    }
    if let Some(full) = &call.target().full {
        request = request.with_attributes([KeyValue::new(URL_FULL, full.clone())]);
    }
    if resend_count > 0 {
        request = request
            .with_attributes([KeyValue::new(HTTP_REQUEST_RESEND_COUNT, i64::from(resend_count))]);
    }
    let began = Instant::now();
    let mut is_sent = false;
    let count = |sent| {
        is_sent |= sent > 0;
        exchanges.sent(sent, call.body_bytes(), resend_count > 0);
    };
    let response = match call {
        Call::Get { .. } => counting(request.send(), count).await,
        Call::Checkout { body, .. } => counting(request.send_body(body.clone()), count).await,
    };
    let response = match response {
        // The time limit of the whole exchange ended before there was a connection.
        Err(SendRequestError::Timeout) if !is_sent => return Err(Failure::Connect.into()),
        response => response?,
    };
    let status = response.status();
    exchanges.answered(response.headers());
    // awc's own time limit covers the exchange up to the headers of the answer, not its body.
    let mut response = response.timeout(timeout.saturating_sub(began.elapsed()));
    let (body, ended_by_connection) = read_body(&mut response, &mut exchanges.traffic).await?;
    if let Some(encoding) = content_encoding(response.headers()) {
        let reason = format!("its Content-Encoding is {encoding:?}, which was not asked for");
        return Err(Unanswered::not_understood(reason));
    }
    if status.is_success() || call.expects(status) {
        return Ok(Answer { status, body, ended_by_connection });
    }
    let retry_after = retry_after(response.headers());
    Err(Unanswered { retry_after, ..Failure::Status(status.as_u16()).into() })
}

/// Calls `count` with 1 when the request of `sending` begins to be sent, and with 0 after every
/// other poll. It is never called with 1 if the request finds no connection, or is given up before.
async fn counting<T>(sending: impl Future<Output = T>, mut count: impl FnMut(u64)) -> T {
    let mut sending = pin!(sending);
    poll_fn(|cx| {
        let before = requests_sent();
        let poll = sending.as_mut().poll(cx);
        count(requests_sent() - before);
        poll
    })
    .await
}

/// The whole body, and whether it ended with the connection.
async fn read_body<S>(
    response: &mut ClientResponse<S>,
    traffic: &mut Traffic,
) -> Result<(Bytes, bool), Unanswered>
where
    S: Stream<Item = Result<Bytes, PayloadError>> + Unpin,
{
    let has_length = response.headers().contains_key(CONTENT_LENGTH);
    // A transfer coding that cannot be parsed counts as chunked, whose end is not the connection's.
    let is_delimited = has_length || response.chunked().unwrap_or(true);
    let mut body = BytesMut::new();
    while let Some(chunk) = response.next().await {
        match chunk {
            Ok(chunk) => {
                traffic.received_bytes += chunk.len() as u64;
                if body.len() + chunk.len() > MAX_ANSWER_BYTES {
                    return Err(PayloadError::Overflow.into());
                }
                body.extend_from_slice(&chunk);
            }
            Err(PayloadError::Incomplete(Some(error)))
                if error.kind() == io::ErrorKind::UnexpectedEof && !is_delimited =>
            {
                return Ok((body.freeze(), true));
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok((body.freeze(), false))
}

impl Call {
    /// Whether this error status is an ordinary answer: 409 to a checkout, too little in stock.
    fn expects(&self, status: StatusCode) -> bool {
        matches!(self, Self::Checkout { .. }) && status == StatusCode::CONFLICT
    }

    /// Where it goes.
    fn target(&self) -> &Target {
        match self {
            Self::Get { target, .. } | Self::Checkout { target, .. } => target,
        }
    }

    /// The path with `{id}` in it.
    fn template(&self) -> &StringValue {
        match self {
            Self::Get { template, .. } | Self::Checkout { template, .. } => template,
        }
    }

    /// How large its body is.
    fn body_bytes(&self) -> u64 {
        match self {
            Self::Get { .. } => 0,
            Self::Checkout { body, .. } => body.len() as u64,
        }
    }
}

impl Unanswered {
    /// Whether the same request may succeed a little later.
    pub(super) fn is_transient(&self) -> bool {
        match self.failure {
            Failure::Connect | Failure::Disconnect | Failure::Timeout => true,
            Failure::Status(code) => matches!(code, 429 | 502 | 503 | 504),
            Failure::Body | Failure::Abandoned => false,
        }
    }
}

impl Unanswered {
    /// The answer is not what the contract says, for this reason.
    pub(crate) fn not_understood(reason: impl Into<String>) -> Self {
        Self { reason: Some(reason.into()), ..Failure::Body.into() }
    }

    /// Adds the name of the request to the reason, if the reason is in the answer.
    pub(super) fn of(mut self, request: &str) -> Self {
        if let (Failure::Body, Some(reason)) = (self.failure, &mut self.reason) {
            *reason = format!("{request}: {reason}");
        }
        self
    }
}

impl From<Failure> for Unanswered {
    fn from(failure: Failure) -> Self {
        Self { failure, retry_after: None, reason: None }
    }
}

impl From<SendRequestError> for Unanswered {
    fn from(error: SendRequestError) -> Self {
        let failure = match &error {
            // awc returns this if the connection ends in the middle of an exchange.
            SendRequestError::Connect(ConnectError::Disconnected) => Failure::Disconnect,
            SendRequestError::Connect(_) => Failure::Connect,
            SendRequestError::Timeout => Failure::Timeout,
            SendRequestError::Response(ParseError::Io(_)) | SendRequestError::Send(_) => {
                Failure::Disconnect
            }
            error => return Self::not_understood(format!("it is not HTTP: {error}")),
        };
        Self { reason: Some(error.to_string()), ..failure.into() }
    }
}

impl From<PayloadError> for Unanswered {
    fn from(error: PayloadError) -> Self {
        let failure = match &error {
            PayloadError::Io(io) if io.kind() == std::io::ErrorKind::TimedOut => Failure::Timeout,
            PayloadError::Io(_) | PayloadError::Incomplete(_) => Failure::Disconnect,
            PayloadError::Overflow => {
                let most = MAX_ANSWER_BYTES / 1024 / 1024;
                return Self::not_understood(format!("it is larger than {most} MiB"));
            }
            error => return Self::not_understood(error.to_string()),
        };
        Self { reason: Some(error.to_string()), ..failure.into() }
    }
}

/// The encoding of the body, unless it is plain. The shopper asks for a plain one.
fn content_encoding(headers: &HeaderMap) -> Option<String> {
    let encoding = headers.get(CONTENT_ENCODING)?;
    let encoding = String::from_utf8_lossy(encoding.as_bytes()).into_owned();
    (!encoding.trim().eq_ignore_ascii_case("identity")).then_some(encoding)
}

/// The pause that the store asked for in seconds. The header's other form, a date, is not read.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds))
}
