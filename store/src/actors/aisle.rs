//! An aisle of the store: has a view of its products' stock, and reserves pieces for orders.
//!
//! The view refuses orders quickly, without asking the database; the database has the last word. So
//! an aisle reads its stock again every few seconds, and at once when the database had less than
//! the view.
//!
//! A [`Reservation`] is the pieces that an aisle has set aside for one order. The [`AisleRouter`]
//! has all aisles, and finds the one in which a product stands.

use std::{borrow::Cow, collections::HashMap, sync::Arc, time::Duration};

use actix::{
    Actor, ActorContext as _, ActorFutureExt as _, ActorResponse, Addr, AsyncContext as _, Handler,
    Message, WrapFuture as _,
};
use actix_opentelemetry::{Reply, TracedActor, TracedContext};
use futures_util::future::join_all;
use opentelemetry::{Context, KeyValue};
use shared::{
    fault::FaultyActor,
    notice::{Notice, Over},
    wire::Product,
};
use tokio::time::Instant;

use super::{
    error::{ActorError, answers},
    faults::InjectedFaults,
    ledger::{BatchNumber, Ledger, ReadStock},
    listing::Products,
    metrics::{AISLE, StockGauge},
    restocker::{LowStock, RestockPolicy, Restocked, Restocker},
    serve::Serve,
    stock::AisleStock,
    supervised::Supervised,
};
use crate::domain::{Basket, BasketLine, CatalogueProduct, ProductId};

/// How long an aisle trusts its view. Two stores on one database disagree for at most this long.
const READ_EVERY: Duration = Duration::from_secs(3);

/// One aisle.
pub(crate) struct Aisle {
    name: Arc<str>,
    stock: AisleStock,
    gauge: StockGauge,
    parts: AisleParts,
    is_reading: bool,
}

/// What all aisles of one system share.
#[derive(Clone)]
pub(super) struct AisleParts {
    /// The ledger, of which the aisles ask their stock.
    pub(super) ledger: Arc<Supervised<Ledger>>,
    /// The restocker, to which they report low stock.
    pub(super) restocker: Arc<Supervised<Restocker>>,
    /// When stock is low.
    pub(super) policy: RestockPolicy,
    /// When they were opened. It decides at which moments they read their stock: all at the same, so that the
    /// ledger reads it for all at once.
    pub(super) opened_at: Instant,
    /// Logs that stock cannot be read, once for all aisles.
    pub(super) unread: Arc<Notice>,
}

/// What does the aisle have? The answer is JSON.
#[derive(Message)]
#[rtype(result = "Result<Products, ActorError>")]
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

/// End the aisle: its router is gone.
#[derive(Message)]
#[rtype(result = "()")]
struct Close;

answers!(Aisle: Products, Product, Reservation);

impl Aisle {
    /// The aisle with these products, each with the pieces on hand when the store opened.
    /// What there is of them all is shown by the gauge.
    pub(super) fn new(
        products: &[(CatalogueProduct, u64)],
        gauge: StockGauge,
        parts: AisleParts,
    ) -> Self {
        let name = products.first().map_or_else(Arc::default, |(first, _)| first.aisle.clone());
        let stock = AisleStock::new(products, parts.policy.below);
        gauge.set(|| stock.on_hand());
        Self { name, stock, gauge, parts, is_reading: false }
    }

    /// Has the gauge show what there is now.
    fn show_stock(&self) {
        self.gauge.set(|| self.stock.on_hand());
    }

    fn reserve(
        &mut self,
        lines: Vec<BasketLine>,
        ctx: &TracedContext<Self>,
    ) -> Result<Reservation, ActorError> {
        self.stock.reserve(&lines)?;
        Ok(Reservation::new(ctx.address(), lines))
    }

    /// Reports each product that has become low to the restocker.
    fn report_low_stock(&mut self, ctx: &TracedContext<Self>) {
        for product in self.stock.has_become_low() {
            self.parts.restocker.tell(LowStock { product, aisle: ctx.address().recipient() });
        }
    }

    /// When the stock is read again.
    fn next_reading(&self) -> Instant {
        let opened_at = self.parts.opened_at;
        let readings = opened_at.elapsed().as_nanos() / READ_EVERY.as_nanos() + 1;
        opened_at + READ_EVERY * u32::try_from(readings).unwrap_or(u32::MAX)
    }

    /// Reads the stock in the current context, unless it is being read already.
    fn read(&mut self, ctx: &mut TracedContext<Self>) {
        if !std::mem::replace(&mut self.is_reading, true) {
            let reading = self.reading();
            ctx.spawn(reading);
        }
    }

    fn reading(&self) -> impl actix::ActorFuture<Self, Output = ()> + use<> {
        let products = self.stock.products();
        self.parts.ledger.ask(ReadStock(products)).into_actor(self).map(|reading, aisle, ctx| {
            aisle.is_reading = false;
            match reading {
                Ok(reading) => {
                    aisle.stock.read(&reading);
                    aisle.show_stock();
                    aisle.report_low_stock(ctx);
                    if let Some(Over { count, lasted }) = aisle.parts.unread.over() {
                        tracing::warn!(
                            name: "grocery.stock.read.recovered",
                            failed = count,
                            ?lasted,
                            "the aisles read their stock again"
                        );
                    }
                }
                Err(error) => {
                    if aisle.parts.unread.occurred() {
                        tracing::warn!(name: "grocery.stock.read.failed", %error, "the aisles cannot read their stock");
                    }
                }
            }
        })
    }
}

/// Runs work that no request asked for, without spans.
fn untraced<R>(work: impl FnOnce() -> R) -> R {
    let _guard = telemetry::without_spans(&Context::new()).attach();
    work()
}

impl Actor for Aisle {
    type Context = TracedContext<Self>;

    /// Reads the stock before the first message. An aisle that replaces one that panicked starts
    /// with the stock of the day the store opened, which is out of date.
    fn started(&mut self, ctx: &mut Self::Context) {
        untraced(|| {
            ctx.wait(self.reading());
            ctx.run_interval_at(self.next_reading(), READ_EVERY, |aisle, ctx| aisle.read(ctx));
        });
    }
}

impl TracedActor for Aisle {
    const NAME: &'static str = "Aisle";

    fn attributes(&self) -> impl IntoIterator<Item = KeyValue> {
        [KeyValue::new(AISLE, Arc::clone(&self.name))]
    }

    fn classify(reply: Reply<'_>) -> Option<Cow<'static, str>> {
        Self::error_type(reply)
    }
}

impl Serve for Aisle {
    const FAULTY: FaultyActor = FaultyActor::Aisle;

    fn faults(&self) -> InjectedFaults {
        InjectedFaults::of_aisle(&self.name)
    }
}

impl Handler<ListProducts> for Aisle {
    type Result = ActorResponse<Self, Result<Products, ActorError>>;

    fn handle(&mut self, _: ListProducts, ctx: &mut Self::Context) -> Self::Result {
        self.serve_now(ctx, |aisle, _| Ok(aisle.stock.list()))
    }
}

impl Handler<ShowProduct> for Aisle {
    type Result = ActorResponse<Self, Result<Product, ActorError>>;

    fn handle(&mut self, message: ShowProduct, ctx: &mut Self::Context) -> Self::Result {
        self.serve_now(ctx, move |aisle, _| aisle.stock.show(message.0))
    }
}

impl Handler<Reserve> for Aisle {
    type Result = ActorResponse<Self, Result<Reservation, ActorError>>;

    fn handle(&mut self, message: Reserve, ctx: &mut Self::Context) -> Self::Result {
        self.serve_now(ctx, |aisle, ctx| aisle.reserve(message.0, ctx))
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
        self.show_stock();
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
        self.show_stock();
        self.stock.set_low_mark(message.product, self.parts.policy.low_mark(message.delivered));
    }
}

impl Handler<Close> for Aisle {
    type Result = ();

    fn handle(&mut self, _: Close, ctx: &mut Self::Context) {
        // The interval holds the aisle's address, so without this the aisle would run on.
        ctx.stop();
    }
}

/// Pieces that an aisle has set aside for an order.
///
/// Dropping it puts the pieces back. So they are put back however the order fails: a shortage in
/// another aisle, a deadline, a panic, a client that disconnects. Only
/// [`mark_sold`](Self::mark_sold) keeps them.
#[derive(Debug)]
pub(crate) struct Reservation {
    aisle: Addr<Aisle>,
    lines: Vec<BasketLine>,
    /// The context in which the pieces were reserved, for the delivery that the sale may cause.
    cx: Context,
}

impl Reservation {
    /// The reservation of `lines` in an aisle, made in the current context.
    pub(super) fn new(aisle: Addr<Aisle>, lines: Vec<BasketLine>) -> Self {
        Self { aisle, lines, cx: Context::current() }
    }

    /// Keeps the pieces: the order was recorded in `batch`.
    pub(crate) fn mark_sold(mut self, batch: BatchNumber) {
        let sold =
            MarkSold { lines: std::mem::take(&mut self.lines), batch, sale: self.cx.clone() };
        // The order is done, so the message does not become a span of its trace.
        let _guard = Context::new().attach();
        self.aisle.do_send(sold);
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if !self.lines.is_empty() {
            self.aisle.do_send(Release { lines: std::mem::take(&mut self.lines) });
        }
    }
}

/// All aisles, and the aisle of each product.
pub(crate) struct AisleRouter {
    aisles: Vec<Supervised<Aisle>>,
    places: HashMap<ProductId, Place>,
}

struct Place {
    aisle: usize,
    name: Arc<str>,
}

impl AisleRouter {
    /// A router with one aisle for each name in the catalogue, each opened by `open` with its
    /// number and its products.
    pub(super) fn new(
        catalogue: &[(CatalogueProduct, u64)],
        mut open: impl FnMut(usize, Vec<(CatalogueProduct, u64)>) -> Supervised<Aisle>,
    ) -> Self {
        let mut stock: Vec<Vec<(CatalogueProduct, u64)>> = Vec::new();
        let mut places = HashMap::new();
        for (product, on_hand) in catalogue {
            let is_here = |aisle: &Vec<(CatalogueProduct, u64)>| aisle[0].0.aisle == product.aisle;
            let aisle = stock.iter().position(is_here).unwrap_or(stock.len());
            if aisle == stock.len() {
                stock.push(Vec::new());
            }
            stock[aisle].push((product.clone(), *on_hand));
            places.insert(product.id, Place { aisle, name: Arc::clone(&product.name) });
        }
        let aisles = stock.into_iter().enumerate().map(|(n, products)| open(n, products)).collect();
        Self { aisles, places }
    }

    /// All aisles.
    pub(super) fn all(&self) -> impl Iterator<Item = &Supervised<Aisle>> {
        self.aisles.iter()
    }

    /// The aisle in which a product stands.
    pub(super) fn of(&self, product: ProductId) -> Result<&Supervised<Aisle>, ActorError> {
        self.places
            .get(&product)
            .map(|place| &self.aisles[place.aisle])
            .ok_or(ActorError::NoSuchProduct(product))
    }

    /// What a product is called; nothing if the store does not sell it.
    pub(super) fn name_of(&self, product: ProductId) -> &str {
        self.places.get(&product).map_or("", |place| &place.name)
    }

    /// Reserves a basket in all its aisles at once. An error for a shortage names the products that
    /// are short in all of them.
    pub(super) async fn reserve(&self, basket: &Basket) -> Result<Vec<Reservation>, ActorError> {
        let lines = self.lines_by_aisle(basket)?;
        let asks = lines.into_iter().map(|(aisle, lines)| self.aisles[aisle].ask(Reserve(lines)));
        let mut reservations = Vec::new();
        let mut short = Vec::new();
        let mut other = None;
        for reply in join_all(asks).await {
            match reply {
                Ok(reservation) => reservations.push(reservation),
                Err(ActorError::OutOfStock(shortages)) => short.extend(shortages),
                Err(error) => other = Some(error),
            }
        }
        match other {
            Some(error) => Err(error),
            None if !short.is_empty() => Err(ActorError::OutOfStock(short)),
            None => Ok(reservations),
        }
    }

    /// Has the aisles of a basket read their stock again.
    pub(super) fn reread(&self, basket: &Basket) {
        for (aisle, _) in self.lines_by_aisle(basket).into_iter().flatten() {
            self.aisles[aisle].tell(Reread);
        }
    }

    fn lines_by_aisle(&self, basket: &Basket) -> Result<Vec<(usize, Vec<BasketLine>)>, ActorError> {
        let mut by_aisle: Vec<(usize, Vec<BasketLine>)> = Vec::new();
        for line in basket.lines() {
            let place =
                self.places.get(&line.product).ok_or(ActorError::NoSuchProduct(line.product))?;
            match by_aisle.iter_mut().find(|(aisle, _)| *aisle == place.aisle) {
                Some((_, lines)) => lines.push(*line),
                None => by_aisle.push((place.aisle, vec![*line])),
            }
        }
        Ok(by_aisle)
    }
}

impl Drop for AisleRouter {
    /// Ends the aisles, which can be reached through their router only.
    fn drop(&mut self) {
        untraced(|| {
            for aisle in &self.aisles {
                aisle.tell_if_running(Close);
            }
        });
    }
}
