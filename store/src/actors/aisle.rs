//! An aisle of the store: owns the view of its products' stock, reserves and releases.
//!
//! The view is there to say a fast no; the database has the last word. So an aisle reads its stock
//! again every few seconds, and at once when the database had less than the view.

use std::{borrow::Cow, sync::Arc, time::Duration};

use actix::{
    Actor, ActorFutureExt as _, ActorResponse, AsyncContext as _, Handler, Message, WrapFuture as _,
};
use actix_opentelemetry::{Reply, TracedActor, TracedContext};
use opentelemetry::{Context, KeyValue};
use shared::wire::Product;

use super::{
    ActorError, RestockPolicy,
    batch::BatchNumber,
    faults::InjectedFaults,
    ledger::{Ledger, ReadStock, StockReading},
    reservation::Reservation,
    restocker::{LowStock, Restocker},
    stock::AisleStock,
    supervised::Supervised,
};
use crate::domain::{BasketLine, CatalogueProduct, ProductId};

/// How long an aisle trusts its view: as long as replicas may disagree.
const READ_EVERY: Duration = Duration::from_secs(3);

/// One aisle.
pub(crate) struct Aisle {
    name: Arc<str>,
    stock: AisleStock,
    ledger: Arc<Supervised<Ledger>>,
    restocker: Arc<Supervised<Restocker>>,
    policy: RestockPolicy,
    is_reading: bool,
}

/// What does the aisle have?
#[derive(Message)]
#[rtype(result = "Result<Vec<Product>, ActorError>")]
pub(crate) struct ListProducts;

/// What is there of one product?
#[derive(Message)]
#[rtype(result = "Result<Product, ActorError>")]
pub(crate) struct ShowProduct(pub(crate) ProductId);

/// Set aside all of these, or nothing.
#[derive(Message)]
#[rtype(result = "Result<Reservation, ActorError>")]
pub(crate) struct Reserve(pub(crate) Vec<BasketLine>);

/// Put back what was set aside.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Release {
    pub(crate) lines: Vec<BasketLine>,
}

/// What was set aside is sold.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct MarkSold {
    pub(crate) lines: Vec<BasketLine>,
    pub(crate) batch: BatchNumber,
    /// The context of the sale.
    pub(crate) sale: Context,
}

/// The view was wrong: read the stock again.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Reread;

/// A delivery has been written to the database.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Restocked {
    pub(crate) reading: StockReading,
    pub(crate) product: ProductId,
    pub(crate) delivered: u64,
}

impl Aisle {
    /// The aisle in which all of these stand, with the pieces that there were at the beginning.
    pub(super) fn new(
        products: &[(CatalogueProduct, u64)],
        ledger: Arc<Supervised<Ledger>>,
        restocker: Arc<Supervised<Restocker>>,
        policy: RestockPolicy,
    ) -> Self {
        let name = products.first().map_or_else(Arc::default, |(first, _)| first.aisle.clone());
        let stock = AisleStock::new(products, policy.below);
        Self { name, stock, ledger, restocker, policy, is_reading: false }
    }

    fn reserve(
        &mut self,
        lines: Vec<BasketLine>,
        ctx: &TracedContext<Self>,
    ) -> Result<Reservation, ActorError> {
        self.stock.reserve(&lines)?;
        Ok(Reservation::new(ctx.address(), lines))
    }

    /// Has everything delivered that is low and was not when last looked at.
    fn report_low_stock(&mut self, ctx: &TracedContext<Self>) {
        for product in self.stock.has_become_low() {
            self.restocker.tell(LowStock { product, aisle: ctx.address() });
        }
    }

    /// Answers when whatever the request asked for is over, which is nearly always at once.
    fn after_faults<T: 'static>(
        &mut self,
        ctx: &mut TracedContext<Self>,
        work: impl FnOnce(&mut Self, &TracedContext<Self>) -> Result<T, ActorError> + 'static,
    ) -> ActorResponse<Self, Result<T, ActorError>> {
        let faults = InjectedFaults::of_aisle(&self.name);
        if faults.is_none() {
            return ActorResponse::reply(work(self, ctx));
        }
        faults.stall(self, ctx);
        ActorResponse::r#async(
            faults
                .endure()
                .into_actor(self)
                .map(|endured, aisle, ctx| endured.and_then(|()| work(aisle, ctx))),
        )
    }

    /// Reads the stock in the current context, unless that is under way.
    fn read(&mut self, ctx: &mut TracedContext<Self>) {
        if !std::mem::replace(&mut self.is_reading, true) {
            let reading = self.reading();
            ctx.spawn(reading);
        }
    }

    fn reading(&self) -> impl actix::ActorFuture<Self, Output = ()> + use<> {
        let products = self.stock.products();
        self.ledger.ask(ReadStock(products)).into_actor(self).map(|reading, aisle, ctx| {
            aisle.is_reading = false;
            match reading {
                Ok(reading) => {
                    aisle.stock.read(&reading);
                    aisle.report_low_stock(ctx);
                }
                Err(error) => {
                    tracing::warn!(aisle = %aisle.name, %error, "the stock could not be read");
                }
            }
        })
    }
}

/// Runs housekeeping that nobody asked for, which is no trace.
fn untraced<R>(work: impl FnOnce() -> R) -> R {
    let _guard = Context::new().with_telemetry_suppressed().attach();
    work()
}

impl Actor for Aisle {
    type Context = TracedContext<Self>;

    /// Reads the stock before the first message: an aisle that takes over from one that panicked
    /// knows only what there was at the beginning.
    fn started(&mut self, ctx: &mut Self::Context) {
        untraced(|| {
            ctx.wait(self.reading());
            ctx.run_interval(READ_EVERY, |aisle, ctx| aisle.read(ctx));
        });
    }
}

impl TracedActor for Aisle {
    const NAME: &'static str = "Aisle";

    fn attributes(&self) -> impl IntoIterator<Item = KeyValue> {
        [KeyValue::new("grocery.aisle", Arc::clone(&self.name))]
    }

    fn classify(reply: Reply<'_>) -> Option<Cow<'static, str>> {
        ActorError::classify::<Reservation>(reply)
            .or_else(|| ActorError::classify::<Vec<Product>>(reply))
            .or_else(|| ActorError::classify::<Product>(reply))
    }
}

impl Handler<ListProducts> for Aisle {
    type Result = ActorResponse<Self, Result<Vec<Product>, ActorError>>;

    fn handle(&mut self, _: ListProducts, ctx: &mut Self::Context) -> Self::Result {
        self.after_faults(ctx, |aisle, _| Ok(aisle.stock.list()))
    }
}

impl Handler<ShowProduct> for Aisle {
    type Result = ActorResponse<Self, Result<Product, ActorError>>;

    fn handle(&mut self, message: ShowProduct, ctx: &mut Self::Context) -> Self::Result {
        self.after_faults(ctx, move |aisle, _| aisle.stock.show(message.0))
    }
}

impl Handler<Reserve> for Aisle {
    type Result = ActorResponse<Self, Result<Reservation, ActorError>>;

    fn handle(&mut self, message: Reserve, ctx: &mut Self::Context) -> Self::Result {
        self.after_faults(ctx, |aisle, ctx| aisle.reserve(message.0, ctx))
    }
}

impl Handler<Release> for Aisle {
    type Result = ();

    fn handle(&mut self, message: Release, _: &mut Self::Context) {
        self.stock.release(&message.lines);
    }
}

impl Handler<MarkSold> for Aisle {
    type Result = ();

    fn handle(&mut self, message: MarkSold, ctx: &mut Self::Context) {
        self.stock.mark_sold(&message.lines, message.batch);
        let _guard = message.sale.attach();
        self.report_low_stock(ctx);
    }
}

impl Handler<Reread> for Aisle {
    type Result = ();

    fn handle(&mut self, _: Reread, ctx: &mut Self::Context) {
        self.read(ctx);
    }
}

impl Handler<Restocked> for Aisle {
    type Result = ();

    fn handle(&mut self, message: Restocked, _: &mut Self::Context) {
        self.stock.read(&message.reading);
        self.stock.set_low_mark(message.product, self.policy.low_mark(message.delivered));
    }
}
