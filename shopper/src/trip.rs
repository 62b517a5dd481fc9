//! One trip to the grocery store, from the first step to the last: the root of one trace.

use std::{pin::Pin, sync::Arc, time::Duration};

use awc::http::{Method, header::HeaderValue};
use opentelemetry::{
    Context, KeyValue, StringValue,
    baggage::BaggageExt,
    global::{self, BoxedTracer},
    trace::{SpanKind, Status, TraceContextExt, TraceId, Tracer},
};
use opentelemetry_semantic_conventions::attribute::ERROR_TYPE;
use serde::Deserialize;
use shared::{
    fault,
    wire::{BasketItem, CheckoutRequest},
};
use tokio::time::Sleep;
use url::Url;

use crate::{
    ACTIVITY,
    answers::{Product, Receipt, WhatsInStore},
    client::{Answer, Call, Exchanges, Purchase, Route, StoreClient, Unanswered},
    order_keys::OrderKeys,
    outcome::{Failure, OUTCOME, Outcome},
    plan::{Step, TripKind, TripPlan, fill_basket, fill_repeatable_basket},
    receipts::Receipts,
    result::Traffic,
    statistics::{StepEnd, StepRecord, TripRecord},
    tls::Target,
    under_way::Clock,
};

/// How many products a hesitant shopper looks at more closely.
const LOOKS: usize = 3;

/// What all trips of one thread share.
pub(crate) struct TripContext {
    client: StoreClient,
    routes: Routes,
    clock: Clock,
    patience: Duration,
    orders: Orders,
}

/// By which keys orders go, and where their receipts are written.
pub(crate) struct Orders {
    pub(crate) keys: OrderKeys,
    pub(crate) receipts: Option<Receipts>,
}

impl TripContext {
    /// What trips to the store of this itinerary share, which `client` makes.
    pub(crate) fn new(
        client: StoreClient,
        itinerary: &Itinerary,
        clock: Clock,
        patience: Duration,
        orders: Orders,
    ) -> Self {
        let routes = Routes::new(&client, itinerary);
        Self { client, routes, clock, patience, orders }
    }
}

/// Makes a trip that is due at the time in its record, or was due then, and fills in the record.
/// What the trip has done so far is always in the record, so it is known even if this future is
/// dropped.
pub(crate) async fn make_trip(context: &TripContext, plan: &TripPlan, record: &mut TripRecord) {
    record.started = context.clock.reach(record.intended).await;
    let span = RootSpan::start(plan);
    record.trace_id = span.trace_id();
    let patience_ends = record.intended.saturating_add(context.patience);
    let patience_left = patience_ends.saturating_sub(record.started);
    let timer = context.client.timer(context.clock.instant(record.started).into());
    let mut visit = Visit { context, plan, cx: span.cx(), timer, steps: &mut record.steps };
    let outcome = match plan.kind {
        TripKind::Impatient => {
            let trip = tokio::time::timeout(patience_left, visit.walk()).await;
            trip.unwrap_or(Ok(Outcome::GaveUp))
        }
        _ => visit.walk().await,
    };
    (record.outcome, record.reason) = match outcome {
        Ok(outcome) => (outcome, None),
        Err(Unanswered { failure, reason, .. }) => (Outcome::Failed(failure), reason),
    };
    span.tell(record.outcome, record.reason.as_deref());
    span.end(record.outcome, record.reason.as_deref());
    record.ended = context.clock.now();
}

/// A trip under way.
struct Visit<'a> {
    context: &'a TripContext,
    plan: &'a TripPlan,
    cx: &'a Context,
    /// Limits the time of each request.
    timer: Pin<Box<Sleep>>,
    steps: &'a mut Vec<StepRecord>,
}

impl Visit<'_> {
    async fn walk(&mut self) -> Result<Outcome, Unanswered> {
        let (plan, routes) = (self.plan, &self.context.routes);
        let fill = match self.context.orders.keys.are_repeated() {
            true => fill_repeatable_basket,
            false => fill_basket,
        };
        self.step(Step::Welcome, &routes.welcome(), |_| Ok(())).await?;
        let basket = self
            .step(Step::Browse, &routes.whats_in_store(), |answer| {
                let text = std::str::from_utf8(&answer.body).ok();
                let whats_in_store = match text.and_then(WhatsInStore::read_compact) {
                    Some(whats_in_store) => whats_in_store,
                    None => json(answer)?,
                };
                Ok(fill(plan, &whats_in_store.inventory.products))
            })
            .await?;
        if plan.kind == TripKind::BrowseOnly {
            return Ok(Outcome::Browsed);
        }
        if basket.is_empty() {
            return Ok(Outcome::OutOfStock);
        }
        match plan.kind {
            TripKind::Hesitant => self.hesitate(&basket).await,
            _ => self.check_out(basket).await,
        }
    }

    /// Looks at the products in the basket, and leaves without them.
    async fn hesitate(&mut self, basket: &[BasketItem]) -> Result<Outcome, Unanswered> {
        for item in basket.iter().take(LOOKS) {
            let Some(route) = self.context.routes.product(&self.context.client, &item.id) else {
                return Err(self.cannot_ask(Step::Look, "an id is too long for an address"));
            };
            let call = Call { route: &route, purchase: None };
            self.step(Step::Look, &call, |answer| json::<Product<'_>>(answer).map(drop)).await?;
        }
        Ok(Outcome::Left)
    }

    async fn check_out(&mut self, items: Vec<BasketItem>) -> Result<Outcome, Unanswered> {
        let Orders { keys, receipts } = &self.context.orders;
        let key = keys.key(self.plan);
        let call = self.context.routes.checkout(&CheckoutRequest { items }, key.clone());
        let receipt = self.step(Step::Checkout, &call, |answer| {
            answer.status.is_success().then(|| json::<Receipt>(answer)).transpose()
        });
        let Some(receipt) = receipt.await? else { return Ok(Outcome::OutOfStock) };
        if let (Some(receipts), Ok(key)) = (receipts, key.to_str()) {
            receipts.add(key, &receipt);
        }
        Ok(Outcome::Bought)
    }

    /// Makes the request of a step and reads its answer.
    async fn step<T>(
        &mut self,
        step: Step,
        call: &Call<'_>,
        read: impl Fn(&Answer) -> Result<T, Unanswered>,
    ) -> Result<T, Unanswered> {
        let mut under_way = StepUnderWay {
            step,
            began: self.context.clock.now(),
            clock: &self.context.clock,
            exchanges: Exchanges::new(self.plan.fault.is_some()),
            end: StepEnd::BrokenOff,
            steps: self.steps,
        };
        let (client, exchanges) = (&self.context.client, &mut under_way.exchanges);
        let timer = &mut self.timer;
        client.set(timer, self.context.clock.instant(under_way.began).into());
        let read = client.request(self.cx, step.name(), call, read, timer, exchanges).await;
        under_way.end = if read.is_ok() { StepEnd::Answered } else { StepEnd::Failed };
        read
    }
}

impl Visit<'_> {
    /// Counts a step that failed without a request, because of an earlier answer of the store.
    fn cannot_ask(&mut self, step: Step, why: &str) -> Unanswered {
        self.steps.push(StepRecord {
            step,
            service: Duration::ZERO,
            end: StepEnd::Failed,
            traffic: Traffic::default(),
            fault_answers: Vec::new(),
        });
        Unanswered::not_understood(format!("{}: {why}", step.name()))
    }
}

/// A step that is under way. It is counted when this is dropped, so also when the shopper gives up.
struct StepUnderWay<'a> {
    step: Step,
    began: Duration,
    clock: &'a Clock,
    exchanges: Exchanges,
    end: StepEnd,
    steps: &'a mut Vec<StepRecord>,
}

impl Drop for StepUnderWay<'_> {
    fn drop(&mut self) {
        let service = self.clock.now().saturating_sub(self.began);
        let Exchanges { traffic, fault_answers, .. } = std::mem::take(&mut self.exchanges);
        let Self { step, end, .. } = *self;
        self.steps.push(StepRecord { step, service, end, traffic, fault_answers });
    }
}

/// Parses the body of an answer as the contract has it.
fn json<'a, T: Deserialize<'a>>(answer: &'a Answer) -> Result<T, Unanswered> {
    // What is known to be UTF-8 is not checked again text by text.
    let parsed = match std::str::from_utf8(&answer.body) {
        Ok(text) => serde_json::from_str(text),
        Err(_) => serde_json::from_slice(&answer.body),
    };
    parsed.map_err(|error| {
        // A body that ended with its connection and is not complete: the connection broke.
        if answer.ended_by_connection && is_cut(&error, &answer.body) {
            return Failure::Disconnect.into();
        }
        let problem = which_field::<T>(&answer.body).unwrap_or_else(|| error.to_string());
        Unanswered::not_understood(problem)
    })
}

/// Whether JSON is well-formed as far as it goes, and merely incomplete.
fn is_cut(error: &serde_json::Error, body: &[u8]) -> bool {
    let last_line = body.split(|byte| *byte == b'\n').next_back().unwrap_or_default();
    let lines = body.iter().filter(|byte| **byte == b'\n').count() + 1;
    // For a number that was cut off, such as `1.`, serde reports a syntax error and no early end.
    let at_the_end = error.line() == lines && error.column() >= last_line.len();
    error.is_eof() || (error.is_syntax() && at_the_end)
}

/// The field of a body that is wrong, and why, such as `inventory.products[2].price: missing
/// field`. It is found by parsing once more, since keeping track of the path takes time.
fn which_field<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Option<String> {
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let error = serde_path_to_error::deserialize::<_, T>(&mut deserializer).err()?;
    let path = error.path().to_string();
    let problem = error.into_inner();
    Some(if path == "." { problem.to_string() } else { format!("{path}: {problem}") })
}

thread_local! {
    /// Made once for each thread, at its first trip, when the tracer provider has been set.
    static TRACER: BoxedTracer = global::tracer_with_scope(telemetry::instrumentation_scope(
        "shopper",
        env!("CARGO_PKG_VERSION"),
    ));
}

/// The span of a whole trip: the root of its trace. The kind and number of the shopper are in its
/// baggage.
///
/// If it is dropped, because the trip is cut off, the span ends as [`Failure::Abandoned`].
struct RootSpan {
    cx: Context,
    ended: bool,
}

impl RootSpan {
    fn start(plan: &TripPlan) -> Self {
        let kind = KeyValue::new(fault::SHOPPER_KIND, plan.kind.name());
        let id = KeyValue::new(fault::SHOPPER_ID, plan.shopper.to_string());
        let fault = plan.fault.clone().map(|fault| KeyValue::new(fault::BAGGAGE_KEY, fault));
        // With room for those that the span gets at its end.
        let mut attributes = Vec::with_capacity(5);
        attributes.extend([kind, id].into_iter().chain(fault));
        // A trip begins a new trace, so it is not in the current context.
        let cx = Context::new().with_baggage(attributes.iter().cloned());
        let span = TRACER.with(|tracer| {
            tracer
                .span_builder("going to the grocery store")
                .with_kind(SpanKind::Internal)
                .with_attributes(attributes)
                .start_with_context(tracer, &cx)
        });
        Self { cx: cx.with_span(span), ended: false }
    }

    /// The context of the trip: its span and its baggage.
    fn cx(&self) -> &Context {
        &self.cx
    }

    /// The id of its trace, if it is sampled.
    fn trace_id(&self) -> Option<TraceId> {
        let span = self.cx.span();
        let span_context = span.span_context();
        span_context.is_sampled().then(|| span_context.trace_id())
    }

    /// Ends the span, with the outcome of the trip and the reason of its failure.
    fn end(mut self, outcome: Outcome, reason: Option<&str>) {
        self.record(outcome, reason);
    }

    /// Logs a trip that failed, as a part of its trace.
    fn tell(&self, outcome: Outcome, reason: Option<&str>) {
        if let Some(failure) = outcome.failure() {
            let _current = self.cx.clone().attach();
            let reason = reason.unwrap_or_default();
            tracing::error!(name: "shopper.trip.failed", target: ACTIVITY, { "error.type" = %failure.name(), reason }, "a trip failed: {failure}");
        }
    }

    fn record(&mut self, outcome: Outcome, reason: Option<&str>) {
        self.ended = true;
        let span = self.cx.span();
        span.set_attribute(KeyValue::new(OUTCOME, outcome.name()));
        if let Some(failure) = outcome.failure() {
            span.set_attribute(KeyValue::new(ERROR_TYPE, failure.name()));
            let description = match (failure, reason) {
                (Failure::Body, Some(reason)) => format!("{failure}: {reason}"),
                _ => failure.to_string(),
            };
            span.set_status(Status::error(description));
        }
        span.end();
    }
}

impl Drop for RootSpan {
    fn drop(&mut self) {
        if !self.ended {
            self.record(Outcome::Failed(Failure::Abandoned), None);
        }
    }
}

/// The addresses of a store.
#[derive(Clone, Debug)]
pub(crate) struct Itinerary {
    base: Url,
    welcome: Address,
    whats_in_store: Address,
    /// The template of all products' addresses.
    product: StringValue,
    checkout: Address,
}

/// Where a request goes, and the template of its path, which is made once for all requests.
#[derive(Clone, Debug)]
struct Address {
    target: Target,
    template: StringValue,
}

/// Why a URL is not that of a store.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{url:?} is not the address of a store: {problem}; expected http(s)://HOST[:PORT], such as \
     http://127.0.0.1:5000"
)]
pub struct StoreUrlError {
    url: String,
    problem: &'static str,
}

impl Itinerary {
    /// The addresses of the store at `url`, which may have a path of its own.
    ///
    /// # Errors
    /// [`StoreUrlError`] when requests cannot be sent there.
    pub(crate) fn new(url: &Url) -> Result<Self, StoreUrlError> {
        let error = |problem| StoreUrlError { url: url.to_string(), problem };
        if !matches!(url.scheme(), "http" | "https") {
            return Err(error("its scheme is neither http nor https"));
        }
        if url.host_str().is_none_or(str::is_empty) {
            return Err(error("it names no host"));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(error("it has a query or a fragment"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(error("it has a user name or a password"));
        }
        let base = url.as_str().trim_end_matches('/');
        let template = |step: Step| -> StringValue {
            let prefix = url.path().trim_end_matches('/');
            Arc::<str>::from(format!("{prefix}{}", step.path_template())).into()
        };
        let address = |step: Step| {
            let target = Target::new(&format!("{base}{}", step.path_template()));
            let target = target.ok_or_else(|| error("HTTP does not allow it"))?;
            Ok(Address { target, template: template(step) })
        };
        Ok(Self {
            welcome: address(Step::Welcome)?,
            whats_in_store: address(Step::Browse)?,
            product: template(Step::Look),
            checkout: address(Step::Checkout)?,
            base: url.clone(),
        })
    }
}

/// The requests of trips to one store, each made ready once for a thread.
struct Routes {
    welcome: Route,
    whats_in_store: Route,
    checkout: Route,
    /// The address of the store, to which that of a product is added.
    base: Url,
    /// The template of all products' addresses.
    product: StringValue,
}

impl Routes {
    fn new(client: &StoreClient, itinerary: &Itinerary) -> Self {
        let route = |method, Address { target, template }: &Address| {
            client
                .route(method, target, template)
                .expect("an address of an itinerary has a scheme and a host")
        };
        Self {
            welcome: route(Method::GET, &itinerary.welcome),
            whats_in_store: route(Method::GET, &itinerary.whats_in_store),
            checkout: route(Method::POST, &itinerary.checkout),
            base: itinerary.base.clone(),
            product: itinerary.product.clone(),
        }
    }

    fn welcome(&self) -> Call<'_> {
        Call { route: &self.welcome, purchase: None }
    }

    fn whats_in_store(&self) -> Call<'_> {
        Call { route: &self.whats_in_store, purchase: None }
    }

    /// The route to a product; `None` if its id is too long for an address.
    fn product(&self, client: &StoreClient, id: &str) -> Option<Route> {
        client.route(Method::GET, &product_target(&self.base, id)?, &self.product)
    }

    /// A checkout with this idempotency key.
    fn checkout(&self, basket: &CheckoutRequest, key: HeaderValue) -> Call<'_> {
        let json = serde_json::to_vec(basket).expect("a basket is only text and numbers");
        Call { route: &self.checkout, purchase: Some(Purchase { basket: json.into(), key }) }
    }
}

/// The address of a product. Its id may have any characters. It is `None` if it is too long for an
/// address.
fn product_target(base: &Url, id: &str) -> Option<Target> {
    let mut url = base.clone();
    url.path_segments_mut().ok()?.pop_if_empty().push("products").push(id);
    Target::new(url.as_str())
}

/// The address at which the store at `url` says which faults it honours.
pub(crate) fn faults_url(url: &Url) -> Option<String> {
    let mut url = url.clone();
    url.path_segments_mut().ok()?.pop_if_empty().push("faults");
    Some(url.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_may_have_a_path_of_its_own() {
        for (url, expected, template) in [
            ("http://127.0.0.1:5000", "http://127.0.0.1:5000/checkout", "/checkout"),
            ("http://[::1]:5000/", "http://[::1]:5000/checkout", "/checkout"),
            ("http://shop.example/a/", "http://shop.example/a/checkout", "/a/checkout"),
            // awc takes a connection that speaks TLS for a plain one.
            ("https://shop.example/", "http://shop.example:443/checkout", "/checkout"),
            ("https://[::1]:5443/", "http://[::1]:5443/checkout", "/checkout"),
        ] {
            let Address { target, template: found } =
                Itinerary::new(&url.parse().unwrap()).unwrap().checkout;
            assert_eq!((target.uri().to_string().as_str(), found.as_str()), (expected, template));
        }
    }

    #[test]
    fn every_id_has_an_address_but_one_that_is_too_long() {
        let url = "http://shop.example/grocery/".parse().unwrap();
        for (id, path) in [
            ("7", "/grocery/products/7"),
            ("a/b?c#d e", "/grocery/products/a%2Fb%3Fc%23d%20e"),
            ("ä^|[\"", "/grocery/products/%C3%A4^|[%22"),
        ] {
            let target = product_target(&url, id).expect(id);
            assert_eq!(target.uri().path(), path);
        }
        assert!(product_target(&url, &"7".repeat(70_000)).is_none());
        assert_eq!(Itinerary::new(&url).unwrap().product.as_str(), "/grocery/products/{id}");
    }

    #[test]
    fn what_is_no_store_is_refused_by_name() {
        for url in ["ftp://127.0.0.1/", "file:///tmp", "http://a/?b", "http://me:pw@a/"] {
            let error = Itinerary::new(&url.parse().unwrap()).unwrap_err().to_string();
            assert!(error.starts_with(&format!("{url:?}")), "{error}");
        }
    }
}
