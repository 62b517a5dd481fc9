use std::{cell::RefCell, pin::Pin, rc::Rc, task::{ready, Poll}};

use actix_web::{
    dev::{Service, ServiceRequest, ServiceResponse, Transform},
    http::{
        header::{HeaderMap, HeaderName},
        StatusCode,
    },
    Error,
};
use futures_util::future::{ok, Ready};
use opentelemetry::{
    global::{self},
    propagation::Extractor,
    trace::{SpanBuilder, SpanKind, SpanRef, Status, TraceContextExt, Tracer},
    Context, KeyValue,
};
use opentelemetry_semantic_conventions::attribute::ERROR_TYPE;
use opentelemetry_semantic_conventions::trace::HTTP_RESPONSE_STATUS_CODE;
use pin_project_lite::pin_project;

use crate::util::{propagation_header, text};

use super::{
    attributes::RequestAttributes, get_scope, recent::Recent, route_formatter::RouteFormatter,
    ABANDONED,
};

/// Request tracing middleware.
///
/// The global tracer provider and propagator must have been set when the application is made.
///
/// # Examples:
///
/// ```no_run
/// use actix_web::{web, App, HttpServer};
/// use opentelemetry::global;
/// use opentelemetry_instrumentation_actix_web::RequestTracing;
/// use opentelemetry_sdk::trace::SdkTracerProvider;
///
/// async fn index() -> &'static str {
///     "Hello world!"
/// }
///
/// #[actix_web::main]
/// async fn main() -> std::io::Result<()> {
///     // Install an OpenTelemetry trace pipeline.
///     // Swap for https://docs.rs/opentelemetry-jaeger or other compatible
///     // exporter to send trace information to your collector.
///     let exporter = opentelemetry_stdout::SpanExporter::default();
///
///     // Configure your tracer provider with your exporter(s)
///     let provider = SdkTracerProvider::builder()
///         .with_simple_exporter(exporter)
///         .build();
///     global::set_tracer_provider(provider);
///
///     HttpServer::new(|| {
///         App::new()
///             .wrap(RequestTracing::new())
///             .service(web::resource("/").to(index))
///     })
///     .bind("127.0.0.1:8080")?
///     .run()
///     .await
/// }
///```
#[derive(Default, Debug)]
pub struct RequestTracing {
    route_formatter: Option<Rc<dyn RouteFormatter + 'static>>,
    makes_no_spans: bool,
    begins_empty: bool,
    is_dropped: Option<IsDropped>,
}

/// Whether the sampler drops a span in this context, whatever its attributes are.
type IsDropped = fn(&Context) -> bool;

impl RequestTracing {
    /// Actix web middleware to trace each request in an OpenTelemetry span.
    pub fn new() -> RequestTracing {
        RequestTracing::default()
    }

    /// Actix web middleware to trace each request in an OpenTelemetry span with
    /// formatted routes.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use actix_web::{web, App, HttpServer};
    /// use opentelemetry_instrumentation_actix_web::{RouteFormatter, RequestTracing};
    ///
    /// # #[actix_web::main]
    /// # async fn main() -> std::io::Result<()> {
    ///
    ///
    /// #[derive(Debug)]
    /// struct MyLowercaseFormatter;
    ///
    /// impl RouteFormatter for MyLowercaseFormatter {
    ///     fn format(&self, path: &str) -> String {
    ///         path.to_lowercase()
    ///     }
    /// }
    ///
    /// // report /users/{id} as /users/:id
    /// HttpServer::new(move || {
    ///     App::new()
    ///         .wrap(RequestTracing::with_formatter(MyLowercaseFormatter))
    ///         .service(web::resource("/users/{id}").to(|| async { "ok" }))
    /// })
    /// .bind("127.0.0.1:8080")?
    /// .run()
    /// .await
    /// # }
    /// ```
    pub fn with_formatter<T: RouteFormatter + 'static>(route_formatter: T) -> Self {
        RequestTracing {
            route_formatter: Some(Rc::new(route_formatter)),
            ..RequestTracing::default()
        }
    }

    /// Actix web middleware that reads the context of each request from its headers, and makes no
    /// spans: for a process whose tracer provider would make none either. It does without the
    /// attributes that nobody would have.
    pub fn without_spans() -> Self {
        RequestTracing {
            makes_no_spans: true,
            ..RequestTracing::default()
        }
    }

    /// Lets requests begin in an empty context instead of the one that is current, unless telemetry
    /// is suppressed there. So the baggage of requests that have the same as earlier ones need not be
    /// read again.
    pub fn begin_empty(mut self) -> Self {
        self.begins_empty = true;
        self
    }

    /// Makes no attributes for a span that will be dropped. `is_dropped` is asked about the context in which the
    /// span is started, and must be true only where the sampler drops it whatever its attributes are.
    pub fn without_attributes_if(mut self, is_dropped: fn(&Context) -> bool) -> Self {
        self.is_dropped = Some(is_dropped);
        self
    }
}

impl<S, B> Transform<S, ServiceRequest> for RequestTracing
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error>,
    S::Future: 'static,
    B: 'static,
{
    type Response = ServiceResponse<B>;
    type Error = Error;
    type Transform = RequestTracingMiddleware<S>;
    type InitError = ();
    type Future = Ready<Result<Self::Transform, Self::InitError>>;

    fn new_transform(&self, service: S) -> Self::Future {
        let tracer = (!self.makes_no_spans).then(|| global::tracer_with_scope(get_scope()));
        ok(RequestTracingMiddleware {
            tracer,
            service,
            route_formatter: self.route_formatter.clone(),
            attributes: RequestAttributes::default(),
            headers: self.begins_empty.then(Headers::learn),
            is_dropped: self.is_dropped,
        })
    }
}

/// Request tracing middleware
#[derive(Debug)]
pub struct RequestTracingMiddleware<S> {
    /// Nothing where no spans are made.
    tracer: Option<global::BoxedTracer>,
    service: S,
    route_formatter: Option<Rc<dyn RouteFormatter>>,
    attributes: RequestAttributes,
    /// What is known of headers, if requests begin with an empty context.
    headers: Option<Headers>,
    is_dropped: Option<IsDropped>,
}

impl<S> RequestTracingMiddleware<S> {
    /// The context that the headers of a request describe.
    fn context_of(&self, headers: &HeaderMap) -> Context {
        match &self.headers {
            Some(known) if !Context::map_current(Context::is_telemetry_suppressed) => known.context_of(headers),
            _ => global::get_text_map_propagator(|propagator| {
                propagator.extract(&RequestHeaderCarrier { headers })
            }),
        }
    }
}

/// What the headers of requests that begin in an empty context make of it.
#[derive(Debug)]
struct Headers {
    /// Contexts with nothing but the baggage of a header.
    baggage: Recent<Box<[u8]>, Context>,
    /// The headers that the propagator asks for where there are none, if it asks for single ones, and
    /// the context that it makes then. Where a request has none of them, it need not be asked.
    without: Option<(Box<[HeaderName]>, Context)>,
}

impl Headers {
    fn learn() -> Self {
        let asked = NoHeaders(RefCell::new(Some(Vec::new())));
        let cx = global::get_text_map_propagator(|propagator| {
            propagator.extract_with_context(&Context::new(), &asked)
        });
        Self {
            baggage: Recent::default(),
            without: asked.0.into_inner().map(|asked| (asked.into(), cx)),
        }
    }

    fn context_of(&self, headers: &HeaderMap) -> Context {
        if let Some((asked, cx)) = &self.without {
            if !headers.keys().any(|name| asked.contains(name)) {
                return cx.clone();
            }
        }
        global::get_text_map_propagator(|propagator| {
            let Some(header) = headers.get(&BAGGAGE) else {
                return propagator
                    .extract_with_context(&Context::new(), &RequestHeaderCarrier { headers });
            };
            let cx = self.baggage.get(header.as_bytes(), || {
                let only = OnlyBaggage(text(header));
                let cx = propagator.extract_with_context(&Context::new(), &only);
                (header.as_bytes().into(), cx)
            });
            propagator.extract_with_context(&cx, &AllButBaggage(RequestHeaderCarrier { headers }))
        })
    }
}

/// A request without headers, which notes what it is asked for: nothing once that is no single header.
struct NoHeaders(RefCell<Option<Vec<HeaderName>>>);

impl Extractor for NoHeaders {
    fn get(&self, key: &str) -> Option<&str> {
        let mut asked = self.0.borrow_mut();
        match HeaderName::from_bytes(key.as_bytes()) {
            Ok(name) => asked.iter_mut().for_each(|asked| asked.push(name.clone())),
            Err(_) => *asked = None,
        }
        None
    }

    fn keys(&self) -> Vec<&str> {
        *self.0.borrow_mut() = None;
        Vec::new()
    }
}

impl<S, B> Service<ServiceRequest> for RequestTracingMiddleware<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error>,
    S::Future: 'static,
    B: 'static,
{
    type Response = ServiceResponse<B>;
    type Error = Error;
    type Future = TracedAnswer<S::Future>;

    fn poll_ready(&self, cx: &mut std::task::Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.service.poll_ready(cx)
    }

    fn call(&self, req: ServiceRequest) -> Self::Future {
        let parent_context = self.context_of(req.headers());
        let Some(tracer) = &self.tracer else {
            return TracedAnswer::of(&self.service, req, parent_context, false);
        };
        let route = self.attributes.route(&req, self.route_formatter.as_deref());
        let mut builder = SpanBuilder::from_name(route.span_name.clone());
        builder.span_kind = Some(SpanKind::Server);
        if !self.is_dropped.is_some_and(|is_dropped| is_dropped(&parent_context)) {
            builder.attributes = Some(self.attributes.of(&req, &route));
        }

        let span = tracer.build_with_context(builder, &parent_context);
        let cx = parent_context.with_span(span);
        TracedAnswer::of(&self.service, req, cx, true)
    }
}

pin_project! {
    /// The answer to a request, in whose context it is made.
    #[derive(Debug)]
    pub struct TracedAnswer<F> {
        #[pin]
        answer: F,
        request: Request,
    }
}

impl<F> TracedAnswer<F> {
    fn of<S>(service: &S, req: ServiceRequest, cx: Context, has_span: bool) -> Self
    where
        S: Service<ServiceRequest, Future = F>,
    {
        #[cfg(feature = "sync-middleware")]
        let _attachment = cx.clone().attach();

        Self { answer: service.call(req), request: Request { cx, has_open_span: has_span } }
    }
}

impl<F, B> std::future::Future for TracedAnswer<F>
where
    F: std::future::Future<Output = Result<ServiceResponse<B>, Error>>,
{
    type Output = Result<ServiceResponse<B>, Error>;

    fn poll(self: Pin<&mut Self>, task: &mut std::task::Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let attachment = this.request.cx.clone().attach();
        let answer = ready!(this.answer.poll(task));
        drop(attachment);
        if this.request.has_open_span {
            this.request.has_open_span = false;
            let status = match &answer {
                Ok(response) => response.status(),
                // What actix-web will make of it.
                Err(error) => error.as_response_error().status_code(),
            };
            record_status(&this.request.cx.span(), status, answer.as_ref().err());
        }
        Poll::Ready(answer)
    }
}

/// The context of a request. Dropped, it ends the span of a request that has got no answer: its future is
/// dropped when the client closes the connection, or the server stops.
#[derive(Debug)]
struct Request {
    cx: Context,
    /// Whether the context has the request's own span, and it is open.
    has_open_span: bool,
}

impl Drop for Request {
    fn drop(&mut self) {
        if self.has_open_span {
            let span = self.cx.span();
            span.set_attribute(KeyValue::new(ERROR_TYPE, ABANDONED));
            span.set_status(Status::error(
                "not answered: the caller has gone, or the server stops",
            ));
            // What works on may hold the context for longer.
            span.end();
        }
    }
}

/// Ends the span of a request that was answered so. Per semconv only 5xx is the server's error; the
/// description says nothing that the status code says already.
fn record_status(span: &SpanRef<'_>, status: StatusCode, error: Option<&Error>) {
    span.set_attribute(KeyValue::new(
        HTTP_RESPONSE_STATUS_CODE,
        i64::from(status.as_u16()),
    ));
    if status.is_server_error() {
        span.set_attribute(KeyValue::new(ERROR_TYPE, status.as_str().to_owned()));
        span.set_status(Status::error(
            error.map(ToString::to_string).unwrap_or_default(),
        ));
    }
    span.end();
}

/// The header that W3C Baggage has: <https://www.w3.org/TR/baggage/>.
const BAGGAGE: HeaderName = HeaderName::from_static("baggage");

struct RequestHeaderCarrier<'a> {
    headers: &'a HeaderMap,
}

impl Extractor for RequestHeaderCarrier<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        let value = match propagation_header(key) {
            Some(name) => self.headers.get(name),
            None => self.headers.get(key),
        };
        value.and_then(text)
    }

    fn keys(&self) -> Vec<&str> {
        self.headers.keys().map(|header| header.as_str()).collect()
    }
}

/// A request of which only this baggage is seen.
struct OnlyBaggage<'a>(Option<&'a str>);

impl Extractor for OnlyBaggage<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.filter(|_| key.eq_ignore_ascii_case(BAGGAGE.as_str()))
    }

    fn keys(&self) -> Vec<&str> {
        self.0.map(|_| "baggage").into_iter().collect()
    }
}

/// A request whose baggage is not seen.
struct AllButBaggage<'a>(RequestHeaderCarrier<'a>);

impl Extractor for AllButBaggage<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        if key.eq_ignore_ascii_case(BAGGAGE.as_str()) {
            return None;
        }
        self.0.get(key)
    }

    fn keys(&self) -> Vec<&str> {
        let keys = self.0.headers.keys().filter(|name| *name != BAGGAGE);
        keys.map(|header| header.as_str()).collect()
    }
}
