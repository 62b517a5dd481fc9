//! One request and its answer, or why there is none.

use std::{
    io,
    pin::{Pin, pin},
    task::Poll,
    time::Duration,
};

use actix_web::{HttpMessage, error::ParseError};
use actix_web_opentelemetry::{ClientMetrics, PreparedRequest};
use awc::{
    Client, ClientResponse,
    error::{ConnectError, PayloadError, SendRequestError},
    http::{
        Method, StatusCode,
        header::{
            CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderMap, HeaderName,
            HeaderValue, RETRY_AFTER,
        },
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

use tokio::time::Sleep;

use super::connection::requests_sent;
use crate::{outcome::Failure, result::Traffic, statistics::FaultAnswer, tls::Target};

/// The largest answer that is read.
const MAX_ANSWER_BYTES: usize = 4 * 1024 * 1024;

/// [`IDEMPOTENCY_KEY`] as a header's name.
const IDEMPOTENCY_KEY_NAME: HeaderName = HeaderName::from_static(IDEMPOTENCY_KEY);

/// A kind of request: a method and a place. What all of its requests have in common is made once,
/// for one thread.
#[derive(Debug)]
pub(crate) struct Route(PreparedRequest);

impl Route {
    /// A route of requests that `http` makes and `metrics` measure. Their spans are named by the
    /// method and `template`, which is the path with `{id}` in it. It is `None` for a target that
    /// cannot be reached by HTTP.
    pub(super) fn new(
        http: &Client,
        metrics: Option<&ClientMetrics>,
        method: Method,
        target: &Target,
        template: &StringValue,
    ) -> Option<Self> {
        let mut request = http.request(method.clone(), target.uri().clone()).no_decompress();
        if let Some(host) = target.host() {
            request = request.insert_header((HOST, host));
        }
        if method == Method::POST {
            let json = HeaderValue::from_static("application/json");
            request = request.insert_header((CONTENT_TYPE, json));
        }
        let template = KeyValue::new(URL_TEMPLATE, template.clone());
        let full = target.full().map(|full| KeyValue::new(URL_FULL, full.clone()));
        let prepared = PreparedRequest::new(request, [template].into_iter().chain(full)).ok()?;
        Some(Self(match metrics {
            Some(metrics) => prepared.with_metrics(metrics.clone()),
            None => prepared,
        }))
    }
}

/// A request that can be repeated unchanged.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    /// Its method and where it goes.
    pub(crate) route: &'a Route,
    /// What is sent in a checkout; a `GET` sends nothing.
    pub(crate) purchase: Option<Purchase>,
}

/// What a checkout sends.
#[derive(Debug)]
pub(crate) struct Purchase {
    /// The basket as JSON.
    pub(crate) basket: Bytes,
    /// Tells this checkout from others, so that it is made only once if it is repeated.
    pub(crate) key: HeaderValue,
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
/// reads its answer, until `limit` is over. What is sent and received is counted in `exchanges` at
/// once, so it counts also if the caller drops this future.
pub(super) async fn attempt(
    cx: &Context,
    call: &Call<'_>,
    resend_count: u32,
    limit: &mut Pin<Box<Sleep>>,
    exchanges: &mut Exchanges,
) -> Result<Answer, Unanswered> {
    let resent =
        (resend_count > 0).then(|| KeyValue::new(HTTP_REQUEST_RESEND_COUNT, resend_count as i64));
    // It has room for the two headers of the context too.
    let mut headers = HeaderMap::with_capacity(3);
    let body = call.purchase.as_ref().map(|Purchase { basket, key }| {
        headers.insert(IDEMPOTENCY_KEY_NAME, key.clone());
        basket.clone()
    });
    let body_bytes = body.as_ref().map_or(0, |body| body.len() as u64);
    let mut is_sent = false;
    let count = |sent| {
        is_sent |= sent > 0;
        exchanges.sent(sent, body_bytes, resend_count > 0);
    };
    let sending = call.route.0.send(cx, resent, headers, body, &mut *limit);
    let mut response = match counting(sending, count).await {
        // The time limit of the whole exchange ended before there was a connection.
        Err(SendRequestError::Timeout) if !is_sent => return Err(Failure::Connect.into()),
        response => response?,
    };
    let status = response.status();
    exchanges.answered(response.headers());
    let (body, ended_by_connection) =
        read_body(&mut response, limit, &mut exchanges.traffic).await?;
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

/// The whole body, if it comes before `limit`, and whether it ended with the connection.
async fn read_body<S>(
    response: &mut ClientResponse<S>,
    limit: &mut Pin<Box<Sleep>>,
    traffic: &mut Traffic,
) -> Result<(Bytes, bool), Unanswered>
where
    S: Stream<Item = Result<Bytes, PayloadError>> + Unpin,
{
    let has_length = response.headers().contains_key(CONTENT_LENGTH);
    // A transfer coding that cannot be parsed counts as chunked, whose end is not the connection's.
    let is_delimited = has_length || response.chunked().unwrap_or(true);
    let mut body = Body::default();
    while let Some(chunk) = next_chunk(response, limit).await {
        match chunk {
            Ok(chunk) => {
                traffic.received_bytes += chunk.len() as u64;
                if body.len() + chunk.len() > MAX_ANSWER_BYTES {
                    return Err(PayloadError::Overflow.into());
                }
                body.push(chunk);
            }
            Err(PayloadError::Incomplete(Some(error)))
                if error.kind() == io::ErrorKind::UnexpectedEof && !is_delimited =>
            {
                return Ok((body.into(), true));
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok((body.into(), false))
}

/// The next piece of the body; an error at the end of `limit`.
async fn next_chunk<S>(
    response: &mut ClientResponse<S>,
    limit: &mut Pin<Box<Sleep>>,
) -> Option<Result<Bytes, PayloadError>>
where
    S: Stream<Item = Result<Bytes, PayloadError>> + Unpin,
{
    poll_fn(|task| {
        let chunk = response.poll_next_unpin(task);
        if chunk.is_pending() && limit.as_mut().poll(task).is_ready() {
            let late = io::Error::new(io::ErrorKind::TimedOut, "Response Payload IO timed out");
            return Poll::Ready(Some(Err(PayloadError::Io(late))));
        }
        chunk
    })
    .await
}

/// A body of which a part has come. Most come in one piece, which is not copied.
#[derive(Default)]
struct Body {
    first: Bytes,
    /// All pieces, if there are more than one.
    joined: BytesMut,
}

impl Body {
    fn len(&self) -> usize {
        self.first.len().max(self.joined.len())
    }

    fn push(&mut self, chunk: Bytes) {
        if self.len() == 0 {
            self.first = chunk;
            return;
        }
        if self.joined.is_empty() {
            self.joined.extend_from_slice(&self.first);
        }
        self.joined.extend_from_slice(&chunk);
    }
}

impl From<Body> for Bytes {
    fn from(Body { first, joined }: Body) -> Self {
        if joined.is_empty() { first } else { joined.freeze() }
    }
}

impl Call<'_> {
    /// Whether this error status is an ordinary answer: 409 to a checkout, too little in stock.
    fn expects(&self, status: StatusCode) -> bool {
        self.purchase.is_some() && status == StatusCode::CONFLICT
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
