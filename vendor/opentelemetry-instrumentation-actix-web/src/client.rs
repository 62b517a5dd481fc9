#[cfg(feature = "metrics")]
use crate::client_metrics::ClientMetrics;
use crate::{
    middleware::get_scope,
    util::{default_port, http_url, method_attributes, method_in_name, protocol_version},
};
use actix_http::{encoding::Decoder, error::ParseError, BoxedPayloadStream, Error, Payload};
use actix_web::{
    body::MessageBody,
    http::{
        self,
        header::{HeaderName, HeaderValue},
    },
    web::Bytes,
};
use awc::{
    error::{ConnectError, SendRequestError},
    http::header::{CONTENT_LENGTH, USER_AGENT},
    ClientRequest, ClientResponse,
};
use futures_util::{future::TryFutureExt as _, Future, Stream};
use opentelemetry::{
    global,
    propagation::Injector,
    trace::{SpanKind, Status, TraceContextExt, Tracer},
    Context, KeyValue,
};
use opentelemetry_semantic_conventions::{
    attribute::{ERROR_TYPE, HTTP_REQUEST_BODY_SIZE, URL_TEMPLATE},
    trace::{
        HTTP_RESPONSE_STATUS_CODE, NETWORK_PROTOCOL_VERSION, SERVER_ADDRESS, SERVER_PORT, URL_FULL,
        USER_AGENT_ORIGINAL,
    },
};
use serde::Serialize;
use std::{io, mem};
use std::str::FromStr;
use std::{
    borrow::Cow,
    fmt::{self, Debug},
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

        // Client attributes
        // https://opentelemetry.io/docs/specs/semconv/http/http-spans/#http-client
        let uri = self.request.get_uri();
        let scheme = uri.scheme_str().unwrap_or_default();
        self.attrs.push(KeyValue::new(
            SERVER_ADDRESS,
            uri.host()
                .map(|host| Cow::Owned(host.to_owned()))
                .unwrap_or(Cow::Borrowed("unknown")),
        ));
        if !self.attrs.iter().any(|attr| attr.key.as_str() == URL_FULL) {
            self.attrs.push(KeyValue::new(URL_FULL, http_url(uri)));
        }
        if let Some(port) = uri.port_u16().or_else(|| default_port(scheme)) {
            self.attrs
                .push(KeyValue::new(SERVER_PORT, i64::from(port)));
        }
        self.attrs
            .extend(method_attributes(self.request.get_method()));

        if let Some(user_agent) = self
            .request
            .headers()
            .get(USER_AGENT)
            .and_then(|len| len.to_str().ok())
        {
            self.attrs
                .push(KeyValue::new(USER_AGENT_ORIGINAL, user_agent.to_string()))
        }

        if let Some(content_length) = self.request.headers().get(CONTENT_LENGTH).and_then(|len| {
            len.to_str()
                .ok()
                .and_then(|str_len| str_len.parse::<i64>().ok())
        }) {
            self.attrs
                .push(KeyValue::new(HTTP_REQUEST_BODY_SIZE, content_length))
        }

        #[cfg(feature = "metrics")]
        let measured = self
            .metrics
            .take()
            .map(|metrics| metrics.start(&self.attrs));

        let span = tracer
            .span_builder(name)
            .with_kind(SpanKind::Client)
            .with_attributes(mem::take(&mut self.attrs))
            .start_with_context(&tracer, &self.cx);
        let cx = self.cx.with_span(span);

        global::get_text_map_propagator(|injector| {
            injector.inject_context(&cx, &mut ActixClientCarrier::new(&mut self.request));
        });

        let answer = f(self.request)
            .inspect_ok(|res| record_response(res, &cx))
            .inspect_err(|error| record_err(error, &cx))
            .await;
        #[cfg(feature = "metrics")]
        if let Some(measured) = measured {
            match &answer {
                Ok(response) => measured.answered(response.status(), response.version()),
                Err(error) => measured.failed(error_type(error)),
            }
        }
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
    let status = convert_status(response.status());

    span.set_attribute(KeyValue::new(HTTP_RESPONSE_STATUS_CODE, status_code as i64));
    span.set_attribute(KeyValue::new(
        NETWORK_PROTOCOL_VERSION,
        protocol_version(response.version()),
    ));

    // Per semconv: set error.type to status code for error responses
    if status_code >= 400 {
        span.set_attribute(KeyValue::new(ERROR_TYPE, status_code.to_string()));
    }

    span.set_status(status);
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
            ConnectError::H2(_) => "http2_error",
            ConnectError::Io(error) => io_error_type(error),
            #[allow(unreachable_patterns)]
            _ => "connect_error",
        },
        SendRequestError::Send(error) => io_error_type(error),
        SendRequestError::Response(ParseError::Io(error)) => io_error_type(error),
        SendRequestError::Response(_) => "malformed_response",
        SendRequestError::Http(_) => "invalid_request",
        SendRequestError::H2(_) => "http2_error",
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
    request: &'a mut ClientRequest,
}

impl<'a> ActixClientCarrier<'a> {
    fn new(request: &'a mut ClientRequest) -> Self {
        ActixClientCarrier { request }
    }
}

impl Injector for ActixClientCarrier<'_> {
    fn set(&mut self, key: &str, value: String) {
        let header_name = HeaderName::from_str(key).expect("Must be header name");
        let header_value = HeaderValue::from_str(&value).expect("Must be a header value");
        self.request.headers_mut().insert(header_name, header_value);
    }
}
