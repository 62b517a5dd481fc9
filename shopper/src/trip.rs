//! One trip to the grocery store, from the first step to the last: the root of one trace.

mod itinerary;
mod root_span;

pub(crate) use itinerary::Itinerary;
pub use itinerary::StoreUrlError;

use std::time::Duration;

use opentelemetry::Context;
use serde::de::DeserializeOwned;
use shared::wire::{BasketItem, CheckoutRequest, Receipt};

use crate::{
    answers::{Product, WhatsInStore},
    client::{Answer, Call, StoreClient, Unanswered},
    clock::Clock,
    outcome::{Failure, Outcome},
    plan::{Step, TripKind, TripPlan, fill_basket},
    statistics::{StepEnd, StepRecord, Traffic, TripRecord},
};
use root_span::RootSpan;

/// How many products a hesitant shopper has a closer look at.
const LOOKS: usize = 3;

/// What all trips of a thread have in common.
pub(crate) struct Shop {
    pub(crate) client: StoreClient,
    pub(crate) itinerary: Itinerary,
    pub(crate) clock: Clock,
    pub(crate) patience: Duration,
}

/// Makes a trip that should start at `intended` (or should have), and tells how it went.
pub(crate) async fn make_trip(shop: &Shop, plan: &TripPlan, intended: Duration) -> TripRecord {
    shop.clock.reach(intended).await;
    let started = shop.clock.now();
    let span = RootSpan::start(plan);
    let mut visit = Visit { shop, plan, cx: span.cx(), steps: Vec::with_capacity(4) };
    let outcome = match plan.kind {
        TripKind::Impatient => {
            let left = intended.saturating_add(shop.patience).saturating_sub(started);
            tokio::time::timeout(left, visit.walk()).await.unwrap_or(Ok(Outcome::GaveUp))
        }
        _ => visit.walk().await,
    };
    let steps = visit.steps;
    let (outcome, reason) = match outcome {
        Ok(outcome) => (outcome, None),
        Err(unanswered) => (Outcome::Failed(unanswered.failure), Some(unanswered.to_string())),
    };
    let trace_id = span.end(outcome, reason.as_deref());
    let ended = shop.clock.now();
    TripRecord { intended, started, ended, kind: plan.kind, outcome, trace_id, steps }
}

/// A trip under way.
struct Visit<'a> {
    shop: &'a Shop,
    plan: &'a TripPlan,
    cx: &'a Context,
    steps: Vec<StepRecord>,
}

impl Visit<'_> {
    async fn walk(&mut self) -> Result<Outcome, Unanswered> {
        let itinerary = &self.shop.itinerary;
        self.step(Step::Welcome, &Call::Get(itinerary.welcome()), |_| Ok(())).await?;
        let whats_in_store: WhatsInStore =
            self.step(Step::Browse, &Call::Get(itinerary.whats_in_store()), json).await?;
        if self.plan.kind == TripKind::BrowseOnly {
            return Ok(Outcome::Browsed);
        }
        let basket = fill_basket(self.plan, &whats_in_store.inventory.products);
        if basket.is_empty() {
            return Ok(Outcome::OutOfStock);
        }
        match self.plan.kind {
            TripKind::Hesitant => self.hesitate(&basket).await,
            _ => self.check_out(basket).await,
        }
    }

    /// A closer look at what is in the basket, and away without it.
    async fn hesitate(&mut self, basket: &[BasketItem]) -> Result<Outcome, Unanswered> {
        for item in basket.iter().take(LOOKS) {
            let Some(uri) = self.shop.itinerary.product(&item.id) else {
                return Err(self.cannot_ask(Step::Look, "an id is too long for an address"));
            };
            self.step(Step::Look, &Call::Get(uri), json::<Product>).await?;
        }
        Ok(Outcome::Left)
    }

    async fn check_out(&mut self, items: Vec<BasketItem>) -> Result<Outcome, Unanswered> {
        let call = self.shop.itinerary.checkout(&CheckoutRequest { items });
        self.step(Step::Checkout, &call, |answer| {
            if !answer.status.is_success() {
                return Ok(Outcome::OutOfStock);
            }
            json::<Receipt>(answer).map(|_| Outcome::Bought)
        })
        .await
    }

    /// Makes the request of a step and reads its answer; either may fail.
    async fn step<T>(
        &mut self,
        step: Step,
        call: &Call,
        read: impl Fn(&Answer) -> Result<T, Unanswered>,
    ) -> Result<T, Unanswered> {
        let mut under_way = StepUnderWay {
            step,
            began: self.shop.clock.now(),
            clock: &self.shop.clock,
            traffic: Traffic::default(),
            end: StepEnd::BrokenOff,
            steps: &mut self.steps,
        };
        let (client, traffic) = (&self.shop.client, &mut under_way.traffic);
        let read = client.request(self.cx, step.name(), call, read, traffic).await;
        under_way.end = if read.is_ok() { StepEnd::Answered } else { StepEnd::Failed };
        read
    }
}

impl Visit<'_> {
    /// A step fails without a request, because of what the store said before.
    fn cannot_ask(&mut self, step: Step, why: &str) -> Unanswered {
        let (service, traffic) = (Duration::ZERO, Traffic::default());
        self.steps.push(StepRecord { step, service, end: StepEnd::Failed, traffic });
        Unanswered::not_understood(format!("{}: {why}", step.name()))
    }
}

/// A step that is counted when it ends, also when it ends because the shopper gives up.
struct StepUnderWay<'a> {
    step: Step,
    began: Duration,
    clock: &'a Clock,
    traffic: Traffic,
    end: StepEnd,
    steps: &'a mut Vec<StepRecord>,
}

impl Drop for StepUnderWay<'_> {
    fn drop(&mut self) {
        let service = self.clock.now().saturating_sub(self.began);
        let Self { step, traffic, end, .. } = *self;
        self.steps.push(StepRecord { step, service, end, traffic });
    }
}

/// Reads what the contract promises.
fn json<T: DeserializeOwned>(answer: &Answer) -> Result<T, Unanswered> {
    serde_json::from_slice(&answer.body).map_err(|error| {
        // Half an answer that nothing but its connection ended: the connection broke.
        if answer.ended_by_connection && is_cut(&error, &answer.body) {
            return Failure::Disconnect.into();
        }
        let problem = which_field::<T>(&answer.body).unwrap_or_else(|| error.to_string());
        Unanswered::not_understood(problem)
    })
}

/// Whether JSON is well-formed up to where it ends, and only does not go on.
fn is_cut(error: &serde_json::Error, body: &[u8]) -> bool {
    let last_line = body.split(|byte| *byte == b'\n').next_back().unwrap_or_default();
    let lines = body.iter().filter(|byte| **byte == b'\n').count() + 1;
    // A number that ends after its point is no number, rather than half of one.
    let at_the_end = error.line() == lines && error.column() >= last_line.len();
    error.is_eof() || (error.is_syntax() && at_the_end)
}

/// Where a body is not what it should be, such as `inventory.products[2].price: missing field`.
/// Only asked when it is not: to keep the path takes time.
fn which_field<T: DeserializeOwned>(body: &[u8]) -> Option<String> {
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let error = serde_path_to_error::deserialize::<_, T>(&mut deserializer).err()?;
    let path = error.path().to_string();
    let problem = error.into_inner();
    Some(if path == "." { problem.to_string() } else { format!("{path}: {problem}") })
}
