//! What happens around every handler, inside the SERVER span.
//!
//! A probe (`/healthz`, `/readyz`) is outside any trace, so for it there are no lessons and no faults.
//!
//! First a request is refused if a browser sent it for a page of another site. Then the lesson that it
//! asks for is made. Then it is decided which of the faults that it asks for are honoured, and these are
//! passed on to the actors. The answer gets two headers with its trace, and one each with the outcome of
//! the lesson and of the faults.

use std::{
    cell::RefCell,
    future::{Ready, ready},
    mem,
    pin::Pin,
    rc::Rc,
    sync::Arc,
    task::{self, Poll, ready},
};

use actix_web::{
    Error, HttpMessage as _, ResponseError as _,
    dev::{Service, ServiceRequest, ServiceResponse, Transform},
    http::{
        Method,
        header::{HOST, HeaderName, HeaderValue, ORIGIN},
        uri::Authority,
    },
    web,
};
use futures_util::future::LocalBoxFuture;
use opentelemetry::{
    Context, KeyValue,
    baggage::BaggageExt as _,
    trace::{FutureExt as _, TraceContextExt as _},
};
use shared::{
    fault::{self, Fault, FaultOutcome, Ignored, MAX_FAULTS},
    site::{self, SEC_FETCH_SITE},
};
use tokio::time::Instant;

use super::{
    problem::ApiError,
    state::AppState,
    trace_headers::{baggage_value, has_baggage, may_have_baggage, of_answer},
};
use crate::{
    ACTIVITY,
    actors::{ActorSystem, Faults},
    lessons::{LESSON_BAGGAGE, OUTCOME_HEADER, Taught},
};

/// Refuses requests from pages of other sites, passes the faults that the request asks for on to
/// the actors, logs a failure, and tells the client its trace.
pub(crate) struct InTrace(web::Data<AppState>);

impl InTrace {
    pub(crate) fn new(state: web::Data<AppState>) -> Self {
        Self(state)
    }
}

impl<S> Transform<S, ServiceRequest> for InTrace
where
    S: Service<ServiceRequest, Response = ServiceResponse, Error = Error> + 'static,
    S::Future: Unpin,
{
    type Response = ServiceResponse;
    type Error = Error;
    type Transform = InTraceService<S>;
    type InitError = ();
    type Future = Ready<Result<Self::Transform, ()>>;

    fn new_transform(&self, next: S) -> Self::Future {
        let (state, host) = (self.0.clone(), RefCell::default());
        ready(Ok(InTraceService(Rc::new(Layer { state, host, next }))))
    }
}

/// The service that [`InTrace`] makes.
pub(crate) struct InTraceService<S>(Rc<Layer<S>>);

struct Layer<S> {
    state: web::Data<AppState>,
    /// The host that was allowed last: nearly all requests are sent to the same.
    host: RefCell<Option<String>>,
    next: S,
}

impl<S> Service<ServiceRequest> for InTraceService<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse, Error = Error> + 'static,
    S::Future: Unpin,
{
    type Response = ServiceResponse;
    type Error = Error;
    type Future = InTraceAnswer<S>;

    fn poll_ready(&self, task: &mut task::Context<'_>) -> Poll<Result<(), Error>> {
        self.0.next.poll_ready(task)
    }

    fn call(&self, request: ServiceRequest) -> Self::Future {
        InTraceAnswer { layer: Rc::clone(&self.0), step: Step::Begin(request) }
    }
}

/// The answer to a request, on which the middleware works in the context of the request. It is no
/// `async` block, so that it needs no box: a request has enough of them.
pub(crate) struct InTraceAnswer<S: Service<ServiceRequest>> {
    layer: Rc<Layer<S>>,
    step: Step<S::Future>,
}

enum Step<F> {
    /// Nobody has looked at the request yet.
    Begin(ServiceRequest),
    /// What comes next answers the request.
    Next(F),
    /// The request is refused, or asks for something.
    Apart(LocalBoxFuture<'static, Result<ServiceResponse, Error>>),
    Answered,
}

impl<S> Future for InTraceAnswer<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse, Error = Error> + 'static,
    S::Future: Unpin,
{
    type Output = Result<ServiceResponse, Error>;

    fn poll(self: Pin<&mut Self>, task: &mut task::Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        this.step = match mem::replace(&mut this.step, Step::Answered) {
            Step::Begin(request) => begin(&this.layer, request),
            step => step,
        };
        let mut response = match &mut this.step {
            Step::Next(answer) => ready!(Pin::new(answer).poll(task)),
            Step::Apart(answer) => ready!(answer.as_mut().poll(task)),
            Step::Begin(_) | Step::Answered => unreachable!("it has begun, and has no answer yet"),
        }?;
        this.step = Step::Answered;
        let failure = response.response().error().and_then(|error| error.as_error::<ApiError>());
        if let Some(failure) = failure {
            failure.log(&response.request().match_pattern().unwrap_or_default());
        }
        let trace = Context::map_current(|cx| {
            of_answer(cx.span().span_context(), response.request().headers())
        });
        for (name, value) in trace.into_iter().flatten() {
            response.headers_mut().insert(name, value);
        }
        Poll::Ready(Ok(response))
    }
}

/// Looks at a request in its context, and begins to answer it.
fn begin<S>(layer: &Rc<Layer<S>>, request: ServiceRequest) -> Step<S::Future>
where
    S: Service<ServiceRequest, Response = ServiceResponse, Error = Error> + 'static,
{
    if let Some(refusal) = layer.foreign_host(&request).or_else(|| cross_site(&request)) {
        let response = request.into_response(refusal.error_response());
        return Step::Apart(Box::pin(ready(Ok(response))));
    }
    let asks = Context::map_current(|cx| {
        !cx.is_telemetry_suppressed() && asks_for_something(&request, cx, &layer.state)
    });
    if !asks {
        return Step::Next(layer.next.call(request));
    }
    let (layer, cx) = (Rc::clone(layer), Context::current());
    Step::Apart(Box::pin(async move { with_lesson(&layer.state, &cx, request, &layer.next).await }))
}

impl<S> Layer<S> {
    /// Refuses a request to a `Host` that is not this store.
    fn foreign_host(&self, request: &ServiceRequest) -> Option<ApiError> {
        let host = host(request);
        if self.host.borrow().as_deref() == Some(host) {
            return None;
        }
        if !self.state.allowed_hosts().allow(host) {
            return Some(ApiError::host_not_allowed(host));
        }
        if host.len() <= LONGEST_HOST {
            *self.host.borrow_mut() = Some(host.to_owned());
        }
        None
    }
}

/// The longest host that is remembered, in bytes: a longer one is no name in the DNS.
const LONGEST_HOST: usize = 256;

/// [`SEC_FETCH_SITE`] as a header's name.
const SEC_FETCH_SITE_NAME: HeaderName = HeaderName::from_static(SEC_FETCH_SITE);

/// Whether the request asks for a lesson or for faults. Nearly none does: for that it needs a query, or baggage
/// that names them.
fn asks_for_something(request: &ServiceRequest, cx: &Context, state: &AppState) -> bool {
    const KEYS: [&str; 2] = [LESSON_BAGGAGE, fault::BAGGAGE_KEY];
    let headers = request.headers();
    let may_ask = !request.query_string().is_empty() || may_have_baggage(headers, KEYS);
    may_ask
        && (state.lessons().are_asked_for(request.request(), cx)
            || cx.baggage().get(fault::BAGGAGE_KEY).is_some()
            || has_baggage(headers, KEYS))
}

/// Refuses a request that would change something and that a browser sends for a page of another
/// site. No browser would let the page read the answer, but the order would be placed.
fn cross_site(request: &ServiceRequest) -> Option<ApiError> {
    if matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS) {
        return None;
    }
    let header = |name: &HeaderName| request.headers().get(name).map(HeaderValue::as_bytes);
    let is_ours = site::is_own(header(&SEC_FETCH_SITE_NAME), header(&ORIGIN), host(request));
    (!is_ours).then(ApiError::cross_site)
}

/// The host that the request was sent to. An absolute request line, or HTTP/2's authority, goes
/// before the header. It is empty if the request names none.
fn host(request: &ServiceRequest) -> &str {
    let named = request.uri().authority().map(Authority::as_str);
    named.or_else(|| request.headers().get(HOST)?.to_str().ok()).unwrap_or_default()
}

/// Makes the lesson that the request asks for, if any. Then the request is handled as usual, unless the
/// lesson gives the answer itself.
async fn with_lesson<S>(
    state: &AppState,
    cx: &Context,
    request: ServiceRequest,
    next: &S,
) -> Result<ServiceResponse, Error>
where
    S: Service<ServiceRequest, Response = ServiceResponse, Error = Error>,
{
    let unread = baggage_value(request.headers(), LESSON_BAGGAGE);
    let taught = state.lessons().teach(request.request(), unread).await;
    let Some(Taught { outcome, answer }) = taught else {
        return with_faults(state, cx, request, next).await;
    };
    let mut response = match answer {
        Some(answer) => request.into_response(answer),
        None => with_faults(state, cx, request, next).await?,
    };
    if let Ok(value) = HeaderValue::try_from(outcome) {
        response.headers_mut().insert(HeaderName::from_static(OUTCOME_HEADER), value);
    }
    Ok(response)
}

/// Handles the request. If it asks for faults that are honoured, the actors of its experiment serve
/// it, and the faults are in the context of the handler.
async fn with_faults<S>(
    state: &AppState,
    cx: &Context,
    request: ServiceRequest,
    next: &S,
) -> Result<ServiceResponse, Error>
where
    S: Service<ServiceRequest, Response = ServiceResponse, Error = Error>,
{
    let Some(mut asked) = AskedFaults::of(&request, cx, state) else {
        return next.call(request).await;
    };
    let response = match asked.honoured(state, cx) {
        Some((faults, actors)) => {
            request.extensions_mut().insert(actors);
            let response = next.call(request).with_context(cx.with_value(faults.clone())).await;
            asked.count(&faults);
            response
        }
        None => next.call(request).await,
    };
    response.map(|mut response| {
        let outcomes = FaultOutcome::write_all(&asked.outcomes);
        if let Ok(value) = HeaderValue::try_from(outcomes) {
            response.headers_mut().insert(HeaderName::from_static(fault::OUTCOMES_HEADER), value);
        }
        response
    })
}

/// The faults that a request asks for.
struct AskedFaults {
    /// The outcome of each, in the order of the request.
    outcomes: Vec<FaultOutcome>,
    /// Those that the store honours.
    honoured: Vec<Fault>,
}

impl AskedFaults {
    /// Decides on each fault that the request asks for; `None` if it asks for none. A fault that is
    /// ignored becomes an event on the request's span.
    fn of(request: &ServiceRequest, cx: &Context, state: &AppState) -> Option<Self> {
        let mut asked = Self { outcomes: Vec::new(), honoured: Vec::new() };
        let Some(value) = cx.baggage().get(fault::BAGGAGE_KEY) else {
            return asked.past_the_propagator(request, cx);
        };
        let value = value.as_str();
        for (index, read) in Fault::read_all(value).take(MAX_FAULTS + 1).enumerate() {
            let judged = match read {
                _ if index == MAX_FAULTS => Err((Ignored::TooManyFaults, None)),
                _ if !state.faults().honoured => Err((Ignored::NotAllowed, None)),
                Ok(fault) => match state.faults().ignores(&fault) {
                    Some(reason) => Err((reason, None)),
                    None => Ok(fault),
                },
                Err(error) => Err((error.ignored(), Some(error.to_string()))),
            };
            match judged {
                Ok(fault) => {
                    asked.outcomes.push(FaultOutcome::Honoured { struck: 0 });
                    asked.honoured.push(fault);
                }
                Err((reason, message)) => asked.ignore(cx, value, reason, message),
            }
        }
        (!asked.outcomes.is_empty()).then_some(asked)
    }

    /// The faults in the `baggage` header, if the store's propagators do not read baggage. They are
    /// all ignored, and the client is told so.
    fn past_the_propagator(mut self, request: &ServiceRequest, cx: &Context) -> Option<Self> {
        let value = baggage_value(request.headers(), fault::BAGGAGE_KEY)?;
        // The `;` between faults is percent-encoded in the header, because baggage uses `;` itself.
        let count = value.split("%3B").flat_map(|part| part.split("%3b")).count();
        for _ in 0..count.min(MAX_FAULTS + 1) {
            self.ignore(cx, value, Ignored::NoBaggage, None);
        }
        Some(self)
    }

    fn ignore(&mut self, cx: &Context, asked_for: &str, reason: Ignored, message: Option<String>) {
        self.outcomes.push(FaultOutcome::Ignored(reason));
        add_ignored_event(cx, asked_for, reason, message);
    }

    /// The faults that the store honours, with the actors of their experiment; `None` if there are
    /// no such faults, or too many experiments.
    fn honoured(&mut self, state: &AppState, cx: &Context) -> Option<(Faults, Arc<ActorSystem>)> {
        if self.honoured.is_empty() {
            return None;
        }
        if let Some(actors) = state.pools().experiment(&self.honoured, Instant::now()) {
            return Some((Faults::new(std::mem::take(&mut self.honoured)), actors));
        }
        for outcome in &mut self.outcomes {
            if let FaultOutcome::Honoured { .. } = outcome {
                *outcome = FaultOutcome::Ignored(Ignored::TooManyExperiments);
            }
        }
        for fault in self.honoured.drain(..) {
            add_ignored_event(cx, &fault.to_string(), Ignored::TooManyExperiments, None);
        }
        None
    }

    /// Notes how many messages each fault has struck.
    fn count(&mut self, faults: &Faults) {
        let honoured = self.outcomes.iter_mut().filter_map(|outcome| match outcome {
            FaultOutcome::Honoured { struck } => Some(struck),
            FaultOutcome::Ignored(_) => None,
        });
        for (struck, count) in honoured.zip(faults.struck()) {
            *struck = count;
        }
    }
}

/// Says on the request's span and in a log record that a fault is ignored.
fn add_ignored_event(cx: &Context, asked_for: &str, reason: Ignored, message: Option<String>) {
    let message = message.unwrap_or_else(|| reason.to_string());
    tracing::info!(
        name: "grocery.fault.ignored",
        target: ACTIVITY,
        {
            grocery.fault = asked_for,
            grocery.fault_ignored.reason = reason.name(),
            grocery.fault_ignored.message = message,
        },
        "a fault is ignored"
    );
    let attributes = vec![
        KeyValue::new(fault::BAGGAGE_KEY, asked_for.to_owned()),
        KeyValue::new("grocery.fault_ignored.reason", reason.name()),
        KeyValue::new("grocery.fault_ignored.message", message),
    ];
    cx.span().add_event("grocery.fault.ignored", attributes);
}
