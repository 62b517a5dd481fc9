//! One trip to the grocery store, from the first step to the last: the root of one trace.

mod itinerary;
mod root_span;

pub(crate) use itinerary::Itinerary;
pub use itinerary::StoreUrlError;

use std::time::Duration;

use opentelemetry::Context;
use shared::wire::{BasketItem, CheckoutRequest, Product, Receipt, WhatsInStore};

use crate::{
    client::{Answer, Call, StoreClient},
    clock::Clock,
    outcome::{Failure, Outcome},
    plan::{Step, TripKind, TripPlan, fill_basket},
    statistics::{StepRecord, Traffic, TripRecord},
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
    let outcome = outcome.unwrap_or_else(Outcome::Failed);
    let steps = visit.steps;
    let trace_id = span.end(outcome);
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
    async fn walk(&mut self) -> Result<Outcome, Failure> {
        let itinerary = &self.shop.itinerary;
        self.step(Step::Welcome, &Call::Get(itinerary.welcome()), |_| Ok(())).await?;
        let whats_in_store: WhatsInStore =
            self.step(Step::Browse, &Call::Get(itinerary.whats_in_store()), json).await?;
        if self.plan.kind == TripKind::BrowseOnly {
            return Ok(Outcome::Browsed);
        }
        let basket = fill_basket(self.plan, &whats_in_store.inventory);
        if basket.is_empty() {
            return Ok(Outcome::OutOfStock);
        }
        match self.plan.kind {
            TripKind::Hesitant => self.hesitate(&basket).await,
            _ => self.check_out(basket).await,
        }
    }

    /// A closer look at what is in the basket, and away without it.
    async fn hesitate(&mut self, basket: &[BasketItem]) -> Result<Outcome, Failure> {
        for item in basket.iter().take(LOOKS) {
            let uri = self.shop.itinerary.product(&item.id).ok_or(Failure::Body)?;
            self.step(Step::Look, &Call::Get(uri), json::<Product>).await?;
        }
        Ok(Outcome::Left)
    }

    async fn check_out(&mut self, items: Vec<BasketItem>) -> Result<Outcome, Failure> {
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
        read: impl FnOnce(Answer) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let mut under_way = StepUnderWay {
            step,
            began: self.shop.clock.now(),
            clock: &self.shop.clock,
            traffic: Traffic::default(),
            failed: true,
            steps: &mut self.steps,
        };
        let answer = self.shop.client.request(self.cx, call, &mut under_way.traffic).await;
        let read = answer.and_then(read);
        under_way.failed = read.is_err();
        read
    }
}

/// A step that is counted when it ends, also when it ends because the shopper gives up.
struct StepUnderWay<'a> {
    step: Step,
    began: Duration,
    clock: &'a Clock,
    traffic: Traffic,
    failed: bool,
    steps: &'a mut Vec<StepRecord>,
}

impl Drop for StepUnderWay<'_> {
    fn drop(&mut self) {
        let service = self.clock.now().saturating_sub(self.began);
        let Self { step, traffic, failed, .. } = *self;
        self.steps.push(StepRecord { step, service, failed, traffic });
    }
}

/// Reads what the contract promises.
fn json<T: serde::de::DeserializeOwned>(answer: Answer) -> Result<T, Failure> {
    serde_json::from_slice(&answer.body).map_err(|error| {
        tracing::debug!("the store's answer cannot be understood: {error}");
        Failure::Body
    })
}
