//! # Metrics Middleware

use actix_http::body::{BodySize, MessageBody};
use actix_web::{
    dev,
    http::{Method, StatusCode},
    HttpMessage as _,
};
use futures_util::{future, StreamExt as _};
use opentelemetry::{
    global,
    metrics::{Histogram, Meter, MeterProvider, UpDownCounter},
    KeyValue,
};
use pin_project_lite::pin_project;
use std::borrow::Cow;
use std::future::Future;
use std::pin::Pin;
use std::task::{ready, Context, Poll};
use std::{cell::Cell, rc::Rc, sync::Arc, time::Instant};

use super::{get_scope, ABANDONED};
use crate::util::{active_request_attributes, metrics_attributes_from_request};
use crate::RouteFormatter;

// Follows the stable semantic conventions for HTTP metrics:
// https://opentelemetry.io/docs/specs/semconv/http/http-metrics/
//
use opentelemetry_semantic_conventions::attribute::ERROR_TYPE;
use opentelemetry_semantic_conventions::metric::{
    HTTP_SERVER_ACTIVE_REQUESTS, HTTP_SERVER_REQUEST_BODY_SIZE, HTTP_SERVER_REQUEST_DURATION,
    HTTP_SERVER_RESPONSE_BODY_SIZE,
};
use opentelemetry_semantic_conventions::trace::HTTP_RESPONSE_STATUS_CODE;

/// The bounds of the histograms of sizes, in bytes: from a short text to the largest bodies.
const SIZE_BOUNDS: [f64; 10] = [
    0.0, 64.0, 256.0, 1_024.0, 4_096.0, 16_384.0, 65_536.0, 262_144.0, 1_048_576.0, 16_777_216.0,
];

/// Records http server metrics
///
/// See the [spec] for details.
///
/// [spec]: https://opentelemetry.io/docs/specs/semconv/http/http-metrics/#http-server
#[derive(Clone, Debug)]
struct Metrics {
    http_server_request_duration: Histogram<f64>,
    http_server_active_requests: UpDownCounter<i64>,
    http_server_request_body_size: Histogram<u64>,
    http_server_response_body_size: Histogram<u64>,
}

impl Metrics {
    /// Create a new [`RequestMetrics`]
    fn new(meter: Meter) -> Self {
        let http_server_request_duration = meter
            .f64_histogram(HTTP_SERVER_REQUEST_DURATION)
            .with_boundaries(vec![
                0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0,
            ])
            .with_description("Duration of HTTP server requests.")
            .with_unit("s")
            .build();

        let http_server_active_requests = meter
            .i64_up_down_counter(HTTP_SERVER_ACTIVE_REQUESTS)
            .with_description("Number of active HTTP server requests.")
            .with_unit("{request}")
            .build();

        let http_server_request_body_size = meter
            .u64_histogram(HTTP_SERVER_REQUEST_BODY_SIZE)
            .with_description("Size of HTTP server request bodies.")
            .with_boundaries(SIZE_BOUNDS.to_vec())
            .with_unit("By")
            .build();

        let http_server_response_body_size = meter
            .u64_histogram(HTTP_SERVER_RESPONSE_BODY_SIZE)
            .with_description("Size of HTTP server response bodies.")
            .with_boundaries(SIZE_BOUNDS.to_vec())
            .with_unit("By")
            .build();

        Metrics {
            http_server_active_requests,
            http_server_request_duration,
            http_server_request_body_size,
            http_server_response_body_size,
        }
    }
}

type MetricsAttrsFromReqFn = fn(&dev::ServiceRequest, Cow<'static, str>) -> Vec<KeyValue>;

/// Builder for [RequestMetrics]
#[derive(Clone, Debug, Default)]
pub struct RequestMetricsBuilder {
    route_formatter: Option<Arc<dyn RouteFormatter + Send + Sync + 'static>>,
    meter: Option<Meter>,
    metric_attrs_from_req: Option<MetricsAttrsFromReqFn>,
}

impl RequestMetricsBuilder {
    /// Create a new `RequestMetricsBuilder`
    pub fn new() -> Self {
        Self::default()
    }

    /// Add a route formatter to customize metrics match patterns
    pub fn with_route_formatter<R>(mut self, route_formatter: R) -> Self
    where
        R: RouteFormatter + Send + Sync + 'static,
    {
        self.route_formatter = Some(Arc::new(route_formatter));
        self
    }

    /// Set the meter provider this middleware should use to construct meters
    pub fn with_meter_provider(mut self, meter_provider: impl MeterProvider) -> Self {
        self.meter = Some(meter_provider.meter_with_scope(get_scope()));
        self
    }

    /// Set a metric attrs function that the middleware will use to create metric attributes
    pub fn with_metric_attrs_from_req(
        mut self,
        metric_attrs_from_req: fn(&dev::ServiceRequest, Cow<'static, str>) -> Vec<KeyValue>,
    ) -> Self {
        self.metric_attrs_from_req = Some(metric_attrs_from_req);
        self
    }

    /// Build the `RequestMetrics` middleware
    pub fn build(self) -> RequestMetrics {
        let meter = self
            .meter
            .unwrap_or_else(|| global::meter_provider().meter_with_scope(get_scope()));

        RequestMetrics {
            route_formatter: self.route_formatter,
            metrics: Some(Arc::new(Metrics::new(meter))),
            metric_attrs_from_req: self
                .metric_attrs_from_req
                .unwrap_or(metrics_attributes_from_request),
        }
    }
}

/// Request metrics tracking
///
/// For more information on how to configure Prometheus with [OTLP](https://prometheus.io/docs/guides/opentelemetry)
///
/// # Examples
///
/// ```no_run
/// use actix_web::{http, web, App, HttpRequest, HttpResponse, HttpServer, Responder};
/// use opentelemetry::{global, KeyValue};
/// use opentelemetry_instrumentation_actix_web::{RequestMetrics, RequestTracing};
/// use opentelemetry_sdk::{metrics::SdkMeterProvider, Resource};
///
/// async fn manual_hello() -> impl Responder {
///     HttpResponse::Ok().body("Hey there!")
/// }
///
/// #[actix_web::main]
/// async fn main() -> Result<(), Box<dyn std::error::Error>> {
///     // Initialize STDOUT exporter
///     let exporter = opentelemetry_stdout::MetricExporter::default();
///
///     // set up your meter provider with your exporter(s)
///     let provider = SdkMeterProvider::builder()
///         .with_periodic_exporter(exporter)
///         .with_resource(
///             // recommended attributes
///             Resource::builder_empty()
///                 .with_attribute(KeyValue::new("service.name", "my_app"))
///                 .build(),
///         )
///         .build();
///     global::set_meter_provider(provider.clone());
///
///     // Run actix server, metrics will be exported periodically
///     HttpServer::new(move || {
///         App::new()
///             .wrap(RequestTracing::new())
///             .wrap(RequestMetrics::default())
///             .route("/hey", web::get().to(manual_hello))
///         })
///         .bind("localhost:8080")?
///         .run()
///         .await?;
///
///     //Shutdown the meter provider. This will trigger an export of all metrics.
///     provider.shutdown()?;
///
///     Ok(())
/// }
/// ```
#[derive(Clone, Debug)]
pub struct RequestMetrics {
    route_formatter: Option<Arc<dyn RouteFormatter + Send + Sync + 'static>>,
    /// Nothing where nothing is measured.
    metrics: Option<Arc<Metrics>>,
    metric_attrs_from_req: fn(&dev::ServiceRequest, Cow<'static, str>) -> Vec<KeyValue>,
}

impl RequestMetrics {
    /// Create a builder to configure this middleware
    pub fn builder() -> RequestMetricsBuilder {
        RequestMetricsBuilder::new()
    }

    /// A middleware that measures nothing, for an application that is measured only sometimes. It has
    /// the same type, and lets requests and answers pass as they are.
    pub fn disabled() -> Self {
        RequestMetrics {
            route_formatter: None,
            metrics: None,
            metric_attrs_from_req: metrics_attributes_from_request,
        }
    }
}

impl Default for RequestMetrics {
    fn default() -> Self {
        RequestMetrics::builder().build()
    }
}

impl<S, B> dev::Transform<S, dev::ServiceRequest> for RequestMetrics
where
    S: dev::Service<
        dev::ServiceRequest,
        Response = dev::ServiceResponse<B>,
        Error = actix_web::Error,
    >,
    S::Future: 'static,
    B: MessageBody + 'static,
{
    type Response = dev::ServiceResponse<B>;
    type Error = actix_web::Error;
    type Transform = RequestMetricsMiddleware<S>;
    type InitError = ();
    type Future = future::Ready<Result<Self::Transform, Self::InitError>>;

    fn new_transform(&self, service: S) -> Self::Future {
        let service = RequestMetricsMiddleware {
            service,
            metrics: self.metrics.clone(),
            route_formatter: self.route_formatter.clone(),
            metric_attrs_from_req: self.metric_attrs_from_req,
        };

        future::ok(service)
    }
}

/// Request metrics middleware
#[allow(missing_debug_implementations)]
pub struct RequestMetricsMiddleware<S> {
    service: S,
    metrics: Option<Arc<Metrics>>,
    route_formatter: Option<Arc<dyn RouteFormatter + Send + Sync + 'static>>,
    metric_attrs_from_req: fn(&dev::ServiceRequest, Cow<'static, str>) -> Vec<KeyValue>,
}

impl<S, B> dev::Service<dev::ServiceRequest> for RequestMetricsMiddleware<S>
where
    S: dev::Service<
        dev::ServiceRequest,
        Response = dev::ServiceResponse<B>,
        Error = actix_web::Error,
    >,
    S::Future: 'static,
    B: MessageBody + 'static,
{
    type Response = dev::ServiceResponse<B>;
    type Error = actix_web::Error;
    type Future = MeasuredAnswer<S::Future>;

    dev::forward_ready!(service);

    fn call(&self, mut req: dev::ServiceRequest) -> Self::Future {
        let measured = self.metrics.as_ref().map(|metrics| self.start(metrics, &mut req));
        let is_head = req.method() == Method::HEAD;
        MeasuredAnswer { answer: self.service.call(req), measured, is_head }
    }
}

impl<S> RequestMetricsMiddleware<S> {
    fn start(&self, metrics: &Arc<Metrics>, req: &mut dev::ServiceRequest) -> ActiveRequest {
        let mut http_route: Cow<'static, str> =
            req.match_pattern().map(Cow::Owned).unwrap_or_default();
        if let Some(formatter) = self.route_formatter.as_ref().filter(|_| !http_route.is_empty()) {
            http_route = Cow::Owned(formatter.format(&http_route));
        }
        ActiveRequest::start(
            metrics.clone(),
            active_request_attributes(req),
            (self.metric_attrs_from_req)(req, http_route),
            received_bytes(req),
        )
    }
}

pin_project! {
    /// The answer to a request that is measured, unless nothing is.
    #[allow(missing_debug_implementations)]
    pub struct MeasuredAnswer<F> {
        #[pin]
        answer: F,
        measured: Option<ActiveRequest>,
        is_head: bool,
    }
}

impl<F, B> Future for MeasuredAnswer<F>
where
    F: Future<Output = Result<dev::ServiceResponse<B>, actix_web::Error>>,
    B: MessageBody,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let answer = ready!(this.answer.poll(task));
        if let Some(measured) = this.measured.take() {
            match &answer {
                Ok(response) => {
                    let body = response.response().body().size();
                    measured.answered(response.status(), sent_bytes(body, *this.is_head));
                }
                // What actix-web will make of it; how large that is, is not known here.
                Err(error) => measured.answered(error.as_response_error().status_code(), None),
            }
        }
        Poll::Ready(answer)
    }
}

/// Counts the bytes of a request's body as they are read. A header that says how many there will
/// be is only what the client says.
fn received_bytes(req: &mut dev::ServiceRequest) -> Rc<Cell<u64>> {
    let received = Rc::new(Cell::new(0));
    match req.take_payload() {
        dev::Payload::None => {}
        payload => {
            let counter = Rc::clone(&received);
            let counted = payload.inspect(move |chunk| {
                if let Ok(chunk) = chunk {
                    counter.set(counter.get() + chunk.len() as u64);
                }
            });
            req.set_payload(dev::Payload::Stream {
                payload: Box::pin(counted),
            });
        }
    }
    received
}

/// How large the body of a response will be; `None` for a stream, whose length is not known yet.
fn sent_bytes(body: BodySize, is_head: bool) -> Option<u64> {
    match body {
        _ if is_head => Some(0),
        BodySize::None => Some(0),
        BodySize::Sized(bytes) => Some(bytes),
        BodySize::Stream => None,
    }
}

/// A request that is counted as active until this is dropped: when it is answered, or when its
/// future is dropped without an answer, because the client has closed the connection or the server
/// stops.
struct ActiveRequest {
    metrics: Arc<Metrics>,
    active: [KeyValue; 2],
    attributes: Vec<KeyValue>,
    received: Rc<Cell<u64>>,
    started: Instant,
    is_answered: bool,
}

impl ActiveRequest {
    fn start(
        metrics: Arc<Metrics>,
        active: [KeyValue; 2],
        attributes: Vec<KeyValue>,
        received: Rc<Cell<u64>>,
    ) -> Self {
        metrics.http_server_active_requests.add(1, &active);
        Self {
            metrics,
            active,
            attributes,
            received,
            started: Instant::now(),
            is_answered: false,
        }
    }

    /// Measures a request that is answered with this status and so many bytes.
    fn answered(mut self, status: StatusCode, sent: Option<u64>) {
        self.is_answered = true;
        self.attributes.push(KeyValue::new(
            HTTP_RESPONSE_STATUS_CODE,
            i64::from(status.as_u16()),
        ));
        // Per semconv only 5xx is the server's error: 4xx is the client's.
        if status.is_server_error() {
            self.attributes
                .push(KeyValue::new(ERROR_TYPE, status.as_str().to_owned()));
        }
        if let Some(sent) = sent {
            self.metrics
                .http_server_response_body_size
                .record(sent, &self.attributes);
        }
        self.end();
    }

    fn end(&self) {
        let (metrics, attributes) = (&self.metrics, &self.attributes);
        metrics
            .http_server_request_body_size
            .record(self.received.get(), attributes);
        metrics
            .http_server_request_duration
            .record(self.started.elapsed().as_secs_f64(), attributes);
    }
}

impl Drop for ActiveRequest {
    fn drop(&mut self) {
        self.metrics
            .http_server_active_requests
            .add(-1, &self.active);
        if !self.is_answered {
            self.attributes.push(KeyValue::new(ERROR_TYPE, ABANDONED));
            self.end();
        }
    }
}
