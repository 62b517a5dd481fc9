//! Trips that a reader asks for in the lab: what they do, which faults they ask for, and how their
//! context travels. All of it goes with the requests of these trips, and with no others.

use std::{fmt, time::Duration};

use actix_web_opentelemetry::ClientExt as _;
use anyhow::{Context as _, anyhow, ensure};
use awc::{Client, ClientRequest, http::Method};
use opentelemetry::{
    Context, KeyValue,
    baggage::BaggageExt as _,
    global::{self, BoxedTracer},
    trace::{
        SpanContext, SpanId, TraceContextExt as _, TraceFlags, TraceId, TraceState, Tracer as _,
    },
};
use opentelemetry_semantic_conventions::attribute::{URL_FULL, URL_TEMPLATE};
use serde::Deserialize;
use shared::{
    fault::{BAGGAGE_KEY, Fault, OUTCOMES_HEADER, SHOPPER_KIND},
    share::Share,
    wire::{BasketItem, CheckoutRequest, Product, TRACERESPONSE, WhatsInStore},
};
use store::lessons::{CUSTOMER, FIRST_CUSTOMER, Lesson, Variant};
use uuid::Uuid;

use super::propagation::Propagation;
use crate::{
    http::{Whole, quoted, target},
    runs::{self, STORE_TIMEOUT, Sent, Store},
    tree::Tree,
    viewer_api::Viewer,
};

/// The most trips that one click makes.
pub(super) const MAX_TRIPS: u32 = 20;

/// How long an impatient shopper waits for an answer.
const PATIENCE: Duration = Duration::from_millis(50);

/// The tracer of the lab's own spans.
fn tracer() -> BoxedTracer {
    let scope = telemetry::instrumentation_scope("grocery-lab", env!("CARGO_PKG_VERSION"));
    global::tracer_with_scope(scope)
}

/// The form, as a browser sends it. A fault is asked for if its box is checked.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct TripForm {
    kind: String,
    trips: String,
    share: String,
    sampling: String,
    propagation: Propagation,
    slow: Option<String>,
    slow_aisle: String,
    slow_delay: String,
    panic: Option<String>,
    panic_actor: String,
    error: Option<String>,
    error_actor: String,
    error_share: String,
    stall: Option<String>,
    stall_actor: String,
    stall_delay: String,
}

/// What is to be done.
#[derive(Debug, PartialEq)]
pub(super) struct TripOrder {
    kind: TripKind,
    trips: u32,
    /// How many of them ask for the faults, the first ones.
    with_faults: u32,
    faults: Vec<Fault>,
    is_sampled: bool,
    propagation: Propagation,
}

/// What a trip does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TripKind {
    BrowseOnly,
    QuickBuy,
    BigBasket,
    Hesitant,
    Impatient,
    SoldOut,
}

/// What became of the trips.
#[derive(Debug)]
pub(super) struct TripReport {
    pub(super) requests: Vec<RequestReport>,
    pub(super) is_sampled: bool,
    /// All spans of the trips, also those of traces that the store has begun itself.
    pub(super) tree: Tree,
}

/// A request, and how to make it by hand.
#[derive(Debug)]
pub(super) struct RequestReport {
    pub(super) name: String,
    /// The status of the answer, or why there is none.
    pub(super) outcome: String,
    /// What became of the faults, or nothing.
    pub(super) faults: String,
    pub(super) curl: String,
}

impl TripForm {
    /// Reads the form.
    ///
    /// # Errors
    /// Which input is wrong, and what was expected.
    pub(super) fn read(&self) -> Result<TripOrder, String> {
        let kind = TripKind::ALL.into_iter().find(|kind| kind.name() == self.kind);
        let kind = kind.ok_or_else(|| {
            let names = TripKind::ALL.map(TripKind::name).join(", ");
            format!("Kind of trip is {:?}: expected one of {names}.", self.kind)
        })?;
        let trips = self.trips.trim().parse().ok().filter(|trips| (1..=MAX_TRIPS).contains(trips));
        let trips = trips.ok_or_else(|| {
            format!("Trips is {:?}: expected a whole number from 1 to {MAX_TRIPS}.", self.trips)
        })?;
        let share = self.share.trim().trim_end_matches('%').trim();
        let share: Share = format!("{share}%").parse().map_err(|_| {
            format!("Share of trips is {:?}: expected a percentage from 0 to 100.", self.share)
        })?;
        let is_sampled = match self.sampling.as_str() {
            "yes" => true,
            "no" => false,
            other => return Err(format!("Sampling is {other:?}: expected yes or no.")),
        };
        let asked = [
            (&self.slow, format!("slow-aisle={}:{}", self.slow_aisle, self.slow_delay.trim())),
            (&self.panic, format!("panic={}", self.panic_actor)),
            (&self.error, {
                let share = self.error_share.trim().trim_end_matches('%').trim();
                format!("error={}:{share}%", self.error_actor)
            }),
            (&self.stall, format!("stall={}:{}", self.stall_actor, self.stall_delay.trim())),
        ];
        let asked = asked.into_iter().filter(|(checked, _)| checked.is_some());
        let faults: Result<Vec<Fault>, _> = asked.map(|(_, text)| text.parse()).collect();
        let faults = faults.map_err(|error: shared::fault::FaultError| format!("{error}."))?;
        let propagation = self.propagation;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it is 20 at most"
        )]
        let with_faults = (f64::from(trips) * share.fraction()).round() as u32;
        Ok(TripOrder { kind, trips, with_faults, faults, is_sampled, propagation })
    }
}

impl TripKind {
    pub(super) const ALL: [Self; 6] = [
        Self::QuickBuy,
        Self::BrowseOnly,
        Self::BigBasket,
        Self::Hesitant,
        Self::Impatient,
        Self::SoldOut,
    ];

    /// Its value in a form.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::BrowseOnly => "browse-only",
            Self::QuickBuy => "quick-buy",
            Self::BigBasket => "big-basket",
            Self::Hesitant => "hesitant",
            Self::Impatient => "impatient",
            Self::SoldOut => "sold-out",
        }
    }

    /// The basket, of what there is; `None` if nothing is bought.
    fn basket(self, products: &[Product]) -> Option<Vec<BasketItem>> {
        let of = |count: usize, quantity: u32| {
            let step = (products.len() / count.max(1)).max(1);
            let chosen = products.iter().step_by(step).take(count);
            chosen.map(|product| BasketItem { id: product.id.clone(), quantity }).collect()
        };
        match self {
            Self::BrowseOnly | Self::Hesitant => None,
            Self::QuickBuy | Self::Impatient => Some(of(2, 1)),
            Self::BigBasket => Some(of(8, 2)),
            Self::SoldOut => Some(of(2, u32::MAX)),
        }
    }
}

impl fmt::Display for TripKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BrowseOnly => "browse only: looks at what is in store",
            Self::QuickBuy => "quick buy: two things",
            Self::BigBasket => "big basket: eight things",
            Self::Hesitant => "hesitant: looks closely at three things, and buys none",
            Self::Impatient => "impatient: waits 50 ms for an answer",
            Self::SoldOut => "sold out: wants more than there is",
        })
    }
}

/// A trip under way.
struct Trip<'a> {
    client: Client,
    store: &'a Store,
    cx: Context,
    requests: Vec<RequestReport>,
    /// The traces in which the store recorded it.
    trace_ids: Vec<String>,
}

/// Makes the trips, one after the other, and waits for their spans.
///
/// # Errors
/// When there is no store or viewer, or the spans do not come.
pub(super) async fn make(
    order: &TripOrder,
    store: &Store,
    viewer: &Viewer,
) -> anyhow::Result<TripReport> {
    let mut requests = Vec::new();
    let mut callers = Vec::new();
    let mut trace_ids = Vec::new();
    for nth in 0..order.trips {
        let cx = context(order, nth < order.with_faults);
        let patience = match order.kind {
            TripKind::Impatient => PATIENCE,
            _ => STORE_TIMEOUT,
        };
        let client = store.http.client(patience);
        let mut trip = Trip { client, store, cx, requests: Vec::new(), trace_ids: Vec::new() };
        // Why it ended early is in the report of its last request.
        trip.go(order.kind).await.ok();
        let span = trip.cx.span();
        span.end();
        if order.is_sampled {
            let span = span.span_context();
            trip.trace_ids.insert(0, span.trace_id().to_string());
            callers.push((span.trace_id().to_string(), span.span_id().to_string()));
        }
        requests.append(&mut trip.requests);
        trace_ids.append(&mut trip.trace_ids);
    }
    runs::wait_for_spans(store, viewer, &callers).await?;
    let mut seen = Vec::new();
    let mut spans = Vec::new();
    for trace_id in trace_ids {
        if !seen.contains(&trace_id) {
            spans.extend(viewer.spans(&trace_id).await?);
            seen.push(trace_id);
        }
    }
    Ok(TripReport { requests, is_sampled: order.is_sampled, tree: Tree::of(&spans) })
}

/// The context of a trip, with its span.
fn context(order: &TripOrder, with_faults: bool) -> Context {
    let mut baggage = vec![
        KeyValue::new(SHOPPER_KIND, order.kind.name()),
        KeyValue::new(CUSTOMER, FIRST_CUSTOMER),
    ];
    if with_faults && !order.faults.is_empty() {
        let faults: Vec<_> = order.faults.iter().map(ToString::to_string).collect();
        baggage.push(KeyValue::new(BAGGAGE_KEY, faults.join(";")));
    }
    let mut cx = Context::new().with_baggage(baggage).with_value(order.propagation);
    if !order.is_sampled {
        // A service that continues a trace that is not sampled does not record it.
        let id = Uuid::new_v4().as_u128();
        let (trace_id, span_id) = (TraceId::from(id), SpanId::from((id >> 64) as u64));
        let flags = TraceFlags::default();
        let remote = SpanContext::new(trace_id, span_id, flags, true, TraceState::default());
        cx = cx.with_remote_span_context(remote);
    }
    let tracer = tracer();
    let span = tracer.span_builder("going to the grocery store");
    let span = span.with_attributes([KeyValue::new(SHOPPER_KIND, order.kind.name())]);
    let span = tracer.build_with_context(span, &cx);
    cx.with_span(span)
}

impl Trip<'_> {
    async fn go(&mut self, kind: TripKind) -> anyhow::Result<()> {
        self.ask(Method::GET, "/", None).await?;
        let listed = self.ask(Method::GET, "/whats-in-store", None).await?;
        let listed: WhatsInStore = listed.json("/whats-in-store")?;
        let products = listed.inventory.products;
        if kind == TripKind::Hesitant {
            for product in products.iter().take(3) {
                self.ask(Method::GET, &format!("/products/{}", product.id), None).await?;
            }
        }
        if let Some(items) = kind.basket(&products) {
            let body = serde_json::to_string(&CheckoutRequest { items })?;
            self.ask(Method::POST, "/checkout", Some(body)).await?;
        }
        Ok(())
    }

    /// Makes a request, and reports on it.
    async fn ask(
        &mut self,
        method: Method,
        path: &str,
        body: Option<String>,
    ) -> anyhow::Result<Whole> {
        let url = self.store.url.at(path);
        let headers = Propagation::headers(&self.cx);
        let curl = curl(&self.store.http.curl(), &method, &url, &headers, body.as_deref());
        let name = format!("{method} {path}");
        let answer = send(&self.client, method, &url, body, &self.cx).await;
        let outcome = match &answer {
            Ok(answer) => answer.status.to_string(),
            Err(error) => format!("{error:#}"),
        };
        let faults = answer.as_ref().map(|answer| answer.header(OUTCOMES_HEADER).to_owned());
        let faults = faults.unwrap_or_default();
        let trace = answer.as_ref().ok().and_then(|answer| trace_of(answer.header(TRACERESPONSE)));
        self.trace_ids.extend(trace);
        self.requests.push(RequestReport { name, outcome, faults, curl });
        answer
    }
}

/// The trace in the header `traceresponse`.
fn trace_of(traceresponse: &str) -> Option<String> {
    traceresponse.split('-').nth(1).map(str::to_owned)
}

/// Makes a request with a span of its own in `cx`, and the headers that `cx` asks for.
async fn send(
    client: &Client,
    method: Method,
    url: &str,
    body: Option<String>,
    cx: &Context,
) -> anyhow::Result<Whole> {
    let target = target(url)?;
    let request = client.request(method, target.uri().clone());
    let request = match body {
        Some(_) => request.content_type("application/json"),
        None => request,
    };
    let template = KeyValue::new(URL_TEMPLATE, path_template(&request));
    let full = target.full().map(|full| KeyValue::new(URL_FULL, full.clone()));
    let attributes = [template].into_iter().chain(full);
    let traced = request.trace_request_with_context(cx.clone()).with_attributes(attributes);
    let response = match body {
        Some(body) => traced.send_body(body).await,
        None => traced.send().await,
    };
    Whole::read(url, response.map_err(|error| anyhow!("no answer: {error}"))?).await
}

/// The path without what is different each time.
fn path_template(request: &ClientRequest) -> String {
    match request.get_uri().path() {
        path if path.starts_with("/products/") => "/products/{id}".to_owned(),
        path => path.to_owned(),
    }
}

/// Asks for a run of a lesson, in a trace that begins here.
///
/// # Errors
/// When the store does not answer.
pub(super) async fn send_lesson(
    lesson: &Lesson,
    variant: Variant,
    path: &str,
    store: &Store,
) -> anyhow::Result<Sent> {
    let cx = Context::new().with_baggage([KeyValue::new(CUSTOMER, FIRST_CUSTOMER)]);
    let tracer = tracer();
    let span = tracer.span_builder(format!("lesson {}", lesson.name));
    let span = span.with_attributes([KeyValue::new("lesson.as", variant.name())]);
    let span = tracer.build_with_context(span, &cx);
    let cx = cx.with_span(span);
    let url = store.url.at(path);
    let client = store.http.client(STORE_TIMEOUT);
    let answer = send(&client, Method::GET, &url, None, &cx).await;
    cx.span().end();
    let span = cx.span().span_context().clone();
    let answer = answer.with_context(|| format!("GET {url}"))?;
    ensure!(span.is_valid(), "this program records no spans: OTEL_SDK_DISABLED is set");
    let caller = span.is_sampled();
    let caller = caller.then(|| (span.trace_id().to_string(), span.span_id().to_string()));
    Ok(Sent { answer, caller })
}

/// The command that makes a request by hand: `command` with what this request needs.
fn curl(
    command: &str,
    method: &Method,
    url: &str,
    headers: &[(String, String)],
    body: Option<&str>,
) -> String {
    let mut line = command.to_owned();
    for (name, value) in headers {
        line += &format!(" -H {}", quoted(&format!("{name}: {value}")));
    }
    if let Some(body) = body {
        line += &format!(" -H 'content-type: application/json' -d {}", quoted(body));
    } else if method != Method::GET {
        line += &format!(" -X {method}");
    }
    format!("{line} {}", quoted(url))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form() -> TripForm {
        TripForm {
            kind: "quick-buy".into(),
            trips: "4".into(),
            share: "50".into(),
            sampling: "yes".into(),
            ..TripForm::default()
        }
    }

    #[test]
    fn a_form_says_which_trips_and_which_of_them_ask_for_faults() {
        let form = TripForm {
            slow: Some("on".into()),
            slow_aisle: "produce".into(),
            slow_delay: " 200ms".into(),
            error: Some("on".into()),
            error_actor: "Ledger".into(),
            error_share: "5 %".into(),
            // Not checked, so that it does not matter what it says.
            stall_actor: "nonsense".into(),
            ..form()
        };
        let order = form.read().unwrap();
        let faults: Vec<_> = order.faults.iter().map(ToString::to_string).collect();
        assert_eq!(faults, ["slow-aisle=produce:200ms", "error=Ledger:5%"]);
        assert_eq!((order.trips, order.with_faults), (4, 2));
    }

    #[test]
    fn wrong_input_is_named_with_what_was_expected() {
        let wrong = |form: TripForm, said: &[&str]| {
            let error = form.read().unwrap_err();
            said.iter().for_each(|said| assert!(error.contains(said), "{error}"));
        };
        wrong(TripForm { kind: "x".into(), ..form() }, &["Kind of trip", "\"x\"", "quick-buy"]);
        for trips in ["", "0", "21", "-1", "1.5", "99999999999"] {
            wrong(TripForm { trips: trips.into(), ..form() }, &["Trips", trips, "from 1 to 20"]);
        }
        for share in ["", "101", "x"] {
            wrong(TripForm { share: share.into(), ..form() }, &["Share of trips", share]);
        }
        wrong(TripForm { sampling: "maybe".into(), ..form() }, &["Sampling", "maybe"]);
        let slow = TripForm {
            slow: Some("on".into()),
            slow_aisle: "produce".into(),
            slow_delay: "2h".into(),
            ..form()
        };
        wrong(slow, &["slow-aisle=produce:2h", "at most 60s"]);
        let panic = TripForm { panic: Some("on".into()), panic_actor: "Nobody".into(), ..form() };
        wrong(panic, &["panic=Nobody", "Inventory, Aisle, Checkout, Ledger"]);
    }

    #[test]
    fn the_line_for_curl_is_quoted_for_a_shell() {
        let headers = [("baggage".to_owned(), "a=it's".to_owned())];
        assert_eq!(
            curl("curl -si", &Method::GET, "http://s/?a&b", &headers, None),
            r"curl -si -H 'baggage: a=it'\''s' 'http://s/?a&b'"
        );
        assert_eq!(
            curl("curl -si", &Method::POST, "http://s/", &[], Some("{}")),
            "curl -si -H 'content-type: application/json' -d '{}' 'http://s/'"
        );
    }
}
