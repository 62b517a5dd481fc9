#[cfg(feature = "metrics")]
use crate::client_metrics::{ClientMetrics, MeasuredRequest};
use crate::{
    middleware::get_scope,
    util::{
        default_port, http_url, kept, method_attributes, method_in_name, propagation_header,
        protocol_version,
    },
};
use actix_http::{encoding::Decoder, error::ParseError, BoxedPayloadStream, Error, Payload};
use actix_web::{
    body::MessageBody,
    http::{
        self,
        header::{HeaderMap, HeaderName, HeaderValue},
    },
    web::Bytes,
};
use awc::{
    error::{ConnectError, FreezeRequestError, SendRequestError},
    http::header::{CONTENT_LENGTH, USER_AGENT},
    ClientRequest, ClientResponse, FrozenClientRequest,
};
use futures_util::{Future, Stream};
use opentelemetry::{
    global::{self, BoxedTracer},
    propagation::Injector,
    trace::{SpanKind, Status, TraceContextExt, Tracer},
    Context, KeyValue, Value,
};
use opentelemetry_semantic_conventions::{
    attribute::{ERROR_TYPE, HTTP_REQUEST_BODY_SIZE, URL_TEMPLATE},
    trace::{
        HTTP_RESPONSE_STATUS_CODE, NETWORK_PROTOCOL_VERSION, SERVER_ADDRESS, SERVER_PORT, URL_FULL,
        USER_AGENT_ORIGINAL,
    },
};
use serde::Serialize;
use std::{
    borrow::Cow,
    fmt::{self, Debug},
    future::poll_fn,
    io,
    pin::Pin,
    str::FromStr,
    sync::Arc,
    task::Poll,
};

/// A wrapper for the actix-web [awc::ClientRequest].
pub struct InstrumentedClientRequest {
    cx: Context,
    attrs: Vec<KeyValue>,
    span_namer: Option<fn(&ClientRequest) -> String>,
    #[cfg(feature = "metrics")]
    metrics: Option<ClientMetrics>,
    request: ClientRequest,
}

impl Debug for InstrumentedClientRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InstrumentedClientRequest")
            .field("cx", &self.cx)
            .field("attrs", &self.attrs)
            .field("span_namer", &self.span_namer)
            .field("request", &self.request)
            .finish()
    }
}

/// By `url.template` where the caller has given that attribute, otherwise by the host.
/// https://opentelemetry.io/docs/specs/semconv/http/http-spans/#name
fn default_span_name(request: &ClientRequest, attributes: &[KeyValue]) -> String {
    let method = method_in_name(request.get_method());
    let template = attributes.iter().find(|attribute| attribute.key.as_str() == URL_TEMPLATE);
    match template {
        Some(template) => format!("{method} {}", template.value.as_str()),
        None => format!("{method} {}", request.get_uri().host().unwrap_or_default()),
    }
}

/// OpenTelemetry extensions for actix-web's [awc::Client].
pub trait ClientExt {
    /// Trace an [awc::Client] request using the current context.
    ///
    /// Example:
    /// ```no_run
    /// use awc::{Client, error::SendRequestError};
    /// use opentelemetry_instrumentation_actix_web::ClientExt;
    ///
    /// async fn execute_request(client: &Client) -> Result<(), SendRequestError> {
    ///     let res = client.get("http://localhost:8080")
    ///         // Add `trace_request` before `send` to any awc request to add instrumentation
    ///         .trace_request()
    ///         .send()
    ///         .await?;
    ///
    ///     println!("Response: {:?}", res);
    ///     Ok(())
    /// }
    /// ```
    fn trace_request(self) -> InstrumentedClientRequest
    where
        Self: Sized,
    {
        self.trace_request_with_context(Context::current())
    }

    /// Trace an [awc::Client] request using the given span context.
    ///
    /// Example:
    /// ```no_run
    /// use awc::{Client, error::SendRequestError};
    /// use opentelemetry::Context;
    /// use opentelemetry_instrumentation_actix_web::ClientExt;
    ///
    /// async fn execute_request(client: &Client) -> Result<(), SendRequestError> {
    ///     let res = client.get("http://localhost:8080")
    ///         // Add `trace_request_with_context` before `send` to any awc request to
    ///         // add instrumentation
    ///         .trace_request_with_context(Context::current())
    ///         .send()
    ///         .await?;
    ///
    ///     println!("Response: {:?}", res);
    ///     Ok(())
    /// }
    /// ```
    fn trace_request_with_context(self, cx: Context) -> InstrumentedClientRequest;
}

impl ClientExt for ClientRequest {
    fn trace_request_with_context(self, cx: Context) -> InstrumentedClientRequest {
        InstrumentedClientRequest {
            cx,
            attrs: Vec::with_capacity(8),
            span_namer: None,
            #[cfg(feature = "metrics")]
            metrics: None,
            request: self,
        }
    }
}

type AwcResult = Result<ClientResponse<Decoder<Payload<BoxedPayloadStream>>>, SendRequestError>;

impl InstrumentedClientRequest {
    /// Generate an [`awc::ClientResponse`] from a traced request with an empty body.
    pub async fn send(self) -> AwcResult {
        self.trace_request(|request| request.send()).await
    }

    /// Generate an [awc::ClientResponse] from a traced request with the given body.
    pub async fn send_body<B>(self, body: B) -> AwcResult
    where
        B: MessageBody + 'static,
    {
        self.trace_request(|request| request.send_body(body)).await
    }

    /// Generate an [awc::ClientResponse] from a traced request with the given form
    /// body.
    pub async fn send_form<T: Serialize>(self, value: &T) -> AwcResult {
        self.trace_request(|request| request.send_form(value)).await
    }

    /// Generate an [awc::ClientResponse] from a traced request with the given JSON
    /// body.
    pub async fn send_json<T: Serialize>(self, value: &T) -> AwcResult {
        self.trace_request(|request| request.send_json(value)).await
    }

    /// Generate an [awc::ClientResponse] from a traced request with the given stream
    /// body.
    pub async fn send_stream<S, E>(self, stream: S) -> AwcResult
    where
        S: Stream<Item = Result<Bytes, E>> + Unpin + 'static,
        E: std::error::Error + Into<Error> + 'static,
    {
        self.trace_request(|request| request.send_stream(stream))
            .await
    }

    async fn trace_request<F, R>(mut self, f: F) -> AwcResult
    where
        F: FnOnce(ClientRequest) -> R,
        R: Future<Output = AwcResult>,
    {
        let tracer = global::tracer_with_scope(get_scope());
        let name = match self.span_namer {
            Some(span_namer) => span_namer(&self.request),
            None => default_span_name(&self.request, &self.attrs),
        };
        add_request_attributes(&self.request, &mut self.attrs);
        let exchange = Exchange::start(
            &tracer,
            name,
            self.attrs,
            #[cfg(feature = "metrics")]
            self.metrics.as_ref(),
            &self.cx,
        );
        exchange.inject(self.request.headers_mut());
        let answer = f(self.request).await;
        exchange.end(&answer);
        answer
    }

    /// Measures the request by these instruments too.
    #[cfg(feature = "metrics")]
    pub fn with_metrics(mut self, metrics: &ClientMetrics) -> InstrumentedClientRequest {
        self.metrics = Some(metrics.clone());
        self
    }

    /// Add additional attributes to the instrumented span for a given request.
    ///
    /// The standard otel attributes will still be tracked.
    ///
    /// Example:
    /// ```
    /// use awc::{Client, error::SendRequestError};
    /// use opentelemetry::KeyValue;
    /// use opentelemetry_instrumentation_actix_web::ClientExt;
    ///
    /// async fn execute_request(client: &Client) -> Result<(), SendRequestError> {
    ///     let attrs = [KeyValue::new("dye-key", "dye-value")];
    ///     let res = client.get("http://localhost:8080")
    ///         // Add `trace_request` before `send` to any awc request to add instrumentation
    ///         .trace_request()
    ///         .with_attributes(attrs)
    ///         .send()
    ///         .await?;
    ///
    ///     println!("Response: {:?}", res);
    ///     Ok(())
    /// }
    /// ```
    pub fn with_attributes(
        mut self,
        attrs: impl IntoIterator<Item = KeyValue>,
    ) -> InstrumentedClientRequest {
        self.attrs.extend(&mut attrs.into_iter());
        self
    }

    /// Customise the Span Name, for example to reduce cardinality
    ///
    /// Example:
    /// ```
    /// use awc::{Client, error::SendRequestError};
    /// use opentelemetry_instrumentation_actix_web::ClientExt;
    ///
    /// async fn execute_request(client: &Client) -> Result<(), SendRequestError> {
    ///     let res = client.get("http://localhost:8080")
    ///         // Add `trace_request` before `send` to any awc request to add instrumentation
    ///         .trace_request()
    ///         .with_span_namer(|r| format!("HTTP {}", r.get_method()))
    ///         .send()
    ///         .await?;
    ///
    ///     println!("Response: {:?}", res);
    ///     Ok(())
    /// }
    /// ```
    pub fn with_span_namer(
        mut self,
        span_namer: fn(&ClientRequest) -> String,
    ) -> InstrumentedClientRequest {
        self.span_namer = Some(span_namer);
        self
    }
}

/// A request that is made many times. Its head, the name of its spans and the attributes that all of
/// them have are made once, so that sending it makes only what differs.
pub struct PreparedRequest {
    request: FrozenClientRequest,
    tracer: BoxedTracer,
    name: Cow<'static, str>,
    attrs: Vec<KeyValue>,
    #[cfg(feature = "metrics")]
    metrics: Option<ClientMetrics>,
}

impl Debug for PreparedRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PreparedRequest")
            .field("name", &self.name)
            .field("attrs", &self.attrs)
            .finish_non_exhaustive()
    }
}

impl PreparedRequest {
    /// Prepares this request, whose spans will have `attributes` and the standard ones. Its spans come
    /// from the tracer provider that is the global one now.
    ///
    /// # Errors
    /// When the request cannot be sent, since it has no host, for example.
    pub fn new(
        request: ClientRequest,
        attributes: impl IntoIterator<Item = KeyValue>,
    ) -> Result<Self, FreezeRequestError> {
        let mut attrs: Vec<_> = attributes.into_iter().collect();
        let name = default_span_name(&request, &attrs);
        add_request_attributes(&request, &mut attrs);
        Ok(Self {
            request: request.freeze()?,
            tracer: global::tracer_with_scope(get_scope()),
            name: kept(name),
            attrs: attrs.into_iter().map(shared).collect(),
            #[cfg(feature = "metrics")]
            metrics: None,
        })
    }

    /// Measures the requests by these instruments too.
    #[cfg(feature = "metrics")]
    pub fn with_metrics(mut self, metrics: ClientMetrics) -> Self {
        self.metrics = Some(metrics);
        self
    }

    /// Sends the request once, with a span in `cx` that has `attributes` too, with `headers` beside its
    /// own, and with a body if there is one. It fails with [`SendRequestError::Timeout`] if `limit`
    /// ends before the head of the answer has come.
    pub async fn send(
        &self,
        cx: &Context,
        attributes: impl IntoIterator<Item = KeyValue>,
        mut headers: HeaderMap,
        body: Option<Bytes>,
        mut limit: impl Future<Output = ()> + Unpin,
    ) -> AwcResult {
        #[cfg(feature = "metrics")]
        let is_measured = self.metrics.is_some();
        #[cfg(not(feature = "metrics"))]
        let is_measured = false;
        let exchange = if can_be_traced(cx) || is_measured {
            let mut attrs = Vec::with_capacity(self.attrs.len() + ADDED_ATTRIBUTES);
            attrs.extend_from_slice(&self.attrs);
            attrs.extend(attributes);
            Exchange::start(
                &self.tracer,
                self.name.clone(),
                attrs,
                #[cfg(feature = "metrics")]
                self.metrics.as_ref(),
                cx,
            )
        } else {
            Exchange::untraced(cx)
        };
        exchange.inject(&mut headers);
        let request = self.request.extra_headers(headers);
        let mut sending = match body {
            Some(body) => request.send_body(body),
            None => request.send(),
        };
        let answer = poll_fn(|task| {
            let answer = Pin::new(&mut sending).poll(task);
            if answer.is_pending() && Pin::new(&mut limit).poll(task).is_ready() {
                return Poll::Ready(Err(SendRequestError::Timeout));
            }
            answer
        })
        .await;
        exchange.end(&answer);
        answer
    }
}

/// How many attributes a span gets beside those of its prepared request: the number of the attempt,
/// and of the answer the status, the protocol's version and the kind of error.
const ADDED_ATTRIBUTES: usize = 4;

/// False in a span that has no ids: the SDK is disabled, and would make no span of a request either.
fn can_be_traced(cx: &Context) -> bool {
    !cx.has_active_span() || cx.span().span_context().is_valid()
}

/// The attribute with a text that its clones share.
fn shared(attribute: KeyValue) -> KeyValue {
    match attribute.value {
        Value::String(text) => KeyValue::new(attribute.key, Arc::<str>::from(text.as_str())),
        value => KeyValue::new(attribute.key, value),
    }
}

/// Client attributes, as far as the request's head tells them:
/// https://opentelemetry.io/docs/specs/semconv/http/http-spans/#http-client
fn add_request_attributes(request: &ClientRequest, attrs: &mut Vec<KeyValue>) {
    let uri = request.get_uri();
    let scheme = uri.scheme_str().unwrap_or_default();
    attrs.push(KeyValue::new(
        SERVER_ADDRESS,
        uri.host()
            .map(|host| Cow::Owned(host.to_owned()))
            .unwrap_or(Cow::Borrowed("unknown")),
    ));
    if !attrs.iter().any(|attr| attr.key.as_str() == URL_FULL) {
        attrs.push(KeyValue::new(URL_FULL, http_url(uri)));
    }
    if let Some(port) = uri.port_u16().or_else(|| default_port(scheme)) {
        attrs.push(KeyValue::new(SERVER_PORT, i64::from(port)));
    }
    attrs.extend(method_attributes(request.get_method()));
    let headers = request.headers();
    if let Some(user_agent) = headers.get(USER_AGENT).and_then(|len| len.to_str().ok()) {
        attrs.push(KeyValue::new(USER_AGENT_ORIGINAL, user_agent.to_string()))
    }
    if let Some(content_length) = headers.get(CONTENT_LENGTH).and_then(|len| {
        len.to_str().ok().and_then(|str_len| str_len.parse::<i64>().ok())
    }) {
        attrs.push(KeyValue::new(HTTP_REQUEST_BODY_SIZE, content_length))
    }
}

/// A request that is under way, with its span.
struct Exchange {
    cx: Context,
    has_span: bool,
    #[cfg(feature = "metrics")]
    measured: Option<MeasuredRequest>,
}

impl Exchange {
    fn start(
        tracer: &BoxedTracer,
        name: impl Into<Cow<'static, str>>,
        attrs: Vec<KeyValue>,
        #[cfg(feature = "metrics")] metrics: Option<&ClientMetrics>,
        parent: &Context,
    ) -> Self {
        #[cfg(feature = "metrics")]
        let measured = metrics.map(|metrics| metrics.clone().start(&attrs));
        let span = tracer
            .span_builder(name)
            .with_kind(SpanKind::Client)
            .with_attributes(attrs)
            .start_with_context(tracer, parent);
        Self {
            cx: parent.with_span(span),
            has_span: true,
            #[cfg(feature = "metrics")]
            measured,
        }
    }

    /// A request without a span and without measurements, which only carries its context.
    fn untraced(cx: &Context) -> Self {
        Self {
            cx: cx.clone(),
            has_span: false,
            #[cfg(feature = "metrics")]
            measured: None,
        }
    }

    /// Writes the context of the span into the headers of the request.
    fn inject(&self, headers: &mut HeaderMap) {
        global::get_text_map_propagator(|injector| {
            injector.inject_context(&self.cx, &mut ActixClientCarrier { headers });
        });
    }

    fn end(self, answer: &AwcResult) {
        match answer {
            _ if !self.has_span => {}
            Ok(response) => record_response(response, &self.cx),
            Err(error) => record_err(error, &self.cx),
        }
        #[cfg(feature = "metrics")]
        if let Some(measured) = self.measured {
            match answer {
                Ok(response) => measured.answered(response.status(), response.version()),
                Err(error) => measured.failed(error_type(error)),
            }
        }
    }
}

// convert http status code to span status following the rules described by the spec:
// https://opentelemetry.io/docs/specs/semconv/http/http-spans/#status
fn convert_status(status: http::StatusCode) -> Status {
    match status.as_u16() {
        100..=399 => Status::Unset,
        // since we are the client, we MUST treat 4xx as error; the status code says which
        400..=599 => Status::error(""),
        code => Status::error(format!("Invalid HTTP status code {code}")),
    }
}

fn record_response<T>(response: &ClientResponse<T>, cx: &Context) {
    let span = cx.span();
    let status_code = response.status().as_u16();
    // Together, since each call locks the span.
    span.set_attributes([
        KeyValue::new(HTTP_RESPONSE_STATUS_CODE, i64::from(status_code)),
        KeyValue::new(NETWORK_PROTOCOL_VERSION, protocol_version(response.version())),
    ]);

    // Per semconv: set error.type to status code for error responses
    if status_code >= 400 {
        span.set_attribute(KeyValue::new(ERROR_TYPE, status_code.to_string()));
    }

    // A span begins as unset.
    match convert_status(response.status()) {
        Status::Unset => {}
        status => span.set_status(status),
    }
    span.end();
}

fn record_err(error: &SendRequestError, cx: &Context) {
    let span = cx.span();
    span.set_attribute(KeyValue::new(ERROR_TYPE, error_type(error)));
    span.set_status(Status::error(error.to_string()));
    span.end();
}

/// The kind of error in one of a few words: the text of an error is the description's business.
fn error_type(error: &SendRequestError) -> &'static str {
    match error {
        SendRequestError::Url(_) => "invalid_url",
        SendRequestError::Connect(error) => match error {
            ConnectError::Resolver(_) | ConnectError::NoRecords | ConnectError::Unresolved => {
                "name_not_resolved"
            }
            ConnectError::Timeout => "connect_timeout",
            ConnectError::Disconnected => "disconnected",
            ConnectError::SslIsNotSupported => "tls_not_supported",
            ConnectError::Io(error) => io_error_type(error),
            #[allow(unreachable_patterns)]
            _ => "connect_error",
        },
        SendRequestError::Send(error) => io_error_type(error),
        SendRequestError::Response(ParseError::Io(error)) => io_error_type(error),
        SendRequestError::Response(_) => "malformed_response",
        SendRequestError::Http(_) => "invalid_request",
        SendRequestError::Timeout => "timeout",
        SendRequestError::TunnelNotSupported => "tunnel_not_supported",
        SendRequestError::Body(_) => "request_body_error",
        _ => "_OTHER",
    }
}

fn io_error_type(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "connection_refused",
        io::ErrorKind::ConnectionReset => "connection_reset",
        io::ErrorKind::ConnectionAborted => "connection_aborted",
        io::ErrorKind::BrokenPipe => "broken_pipe",
        io::ErrorKind::UnexpectedEof => "disconnected",
        io::ErrorKind::TimedOut => "timeout",
        io::ErrorKind::HostUnreachable => "host_unreachable",
        io::ErrorKind::NetworkUnreachable => "network_unreachable",
        io::ErrorKind::AddrNotAvailable => "address_not_available",
        _ => "io_error",
    }
}

struct ActixClientCarrier<'a> {
    headers: &'a mut HeaderMap,
}

impl Injector for ActixClientCarrier<'_> {
    fn set(&mut self, key: &str, value: String) {
        // The SDK writes `tracestate` without a value where there is none, which says nothing.
        if value.is_empty() {
            return;
        }
        let name = propagation_header(key).cloned();
        let name = name.unwrap_or_else(|| HeaderName::from_str(key).expect("Must be header name"));
        let value =
            HeaderValue::from_maybe_shared(Bytes::from(value)).expect("Must be a header value");
        self.headers.insert(name, value);
    }
}
