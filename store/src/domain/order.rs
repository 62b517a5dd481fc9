//! Orders and deliveries that are to be recorded.

use std::{
    fmt,
    str::FromStr,
    time::{Duration, SystemTime},
};

use uuid::Uuid;

use super::{Basket, Fingerprint, IdempotencyKey, ProductId, Quantity};

/// An order's id. Ids grow with time, so new ones go to the end of the database's index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OrderId(Uuid);

/// Why a text is not an order id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{input:?} is not an order id: expected a UUID")]
pub struct OrderIdError {
    input: String,
}

/// A delivery's id. Recording the same id again does not deliver twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeliveryId(Uuid);

/// An order that is to be recorded.
#[derive(Clone, Debug)]
pub struct NewOrder {
    /// The order's id.
    pub id: OrderId,
    /// What is bought.
    pub basket: Basket,
    /// The key under which the client may repeat the checkout, if it gave one.
    pub key: Option<IdempotencyKey>,
    /// When the order was placed. Its key expires a day later.
    pub placed_at: SystemTime,
    /// The span in which it was placed, if that is recorded. It is kept with the key, so that who
    /// repeats the checkout finds the sale.
    pub placed_in: Option<SpanReference>,
}

/// A span, by the ids that find it in any backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpanReference {
    /// Its trace.
    pub trace_id: u128,
    /// The span in that trace.
    pub span_id: u64,
}

/// Pieces of one product that are added to the stock.
#[derive(Clone, Copy, Debug)]
pub struct Delivery {
    /// The delivery's id.
    pub id: DeliveryId,
    /// Which product.
    pub product: ProductId,
    /// How many pieces.
    pub quantity: Quantity,
    /// When they arrived.
    pub delivered_at: SystemTime,
}

/// A product of which an order asks for more than there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shortfall {
    /// Which product.
    pub product: ProductId,
    /// How many pieces the order asks for.
    pub requested: Quantity,
    /// How many there are.
    pub available: u64,
}

impl NewOrder {
    /// An order placed at `placed_at`, under an id of its own.
    pub fn new(basket: Basket, key: Option<IdempotencyKey>, placed_at: SystemTime) -> Self {
        Self { id: OrderId::new(), basket, key, placed_at, placed_in: None }
    }

    /// The fingerprint of the basket, to which the order's key is bound.
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::from(&self.basket)
    }
}

impl Delivery {
    /// A delivery that arrived at `delivered_at`, under an id of its own.
    pub fn new(product: ProductId, quantity: Quantity, delivered_at: SystemTime) -> Self {
        Self { id: DeliveryId(Uuid::now_v7()), product, quantity, delivered_at }
    }
}

impl OrderId {
    /// An id that no other order has.
    #[expect(clippy::new_without_default, reason = "every call gives another id")]
    pub fn new() -> Self {
        Self(Uuid::now_v7())
    }

    /// When it was made, in milliseconds precisely, as ids of the store say.
    pub fn time(self) -> Option<SystemTime> {
        // Other versions have other times in them: those of 1582 and later.
        let timestamp = self.0.get_timestamp().filter(|_| self.0.get_version_num() == 7)?;
        let (seconds, nanoseconds) = timestamp.to_unix();
        SystemTime::UNIX_EPOCH.checked_add(Duration::new(seconds, nanoseconds))
    }

    /// The id as it goes over the wire.
    pub const fn uuid(self) -> Uuid {
        self.0
    }
}

impl From<Uuid> for OrderId {
    fn from(uuid: Uuid) -> Self {
        Self(uuid)
    }
}

impl FromStr for OrderId {
    type Err = OrderIdError;

    /// Reads a UUID with its hyphens; the other ways of writing one are refused.
    fn from_str(text: &str) -> Result<Self, OrderIdError> {
        match text.parse::<uuid::fmt::Hyphenated>() {
            Ok(id) => Ok(Self(id.into_uuid())),
            Err(_) => Err(OrderIdError { input: text.into() }),
        }
    }
}

impl fmt::Display for OrderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for DeliveryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
