//! The fields that a shopper needs of the store's answers.
//!
//! They are fewer than in `shared::wire`. So the shopper also works with a simpler store, such as
//! one that is built in a tutorial, whose products have no aisle and no number in stock.
//!
//! Texts are not copied out of an answer: they are read where they stand in it.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer, de};
use serde_json::value::RawValue;
use shared::money::Money;
use uuid::Uuid;

/// The answer to `GET /whats-in-store`.
#[derive(Clone, Debug, Deserialize)]
pub struct WhatsInStore<'a> {
    /// What the store has.
    #[serde(borrow)]
    pub inventory: Inventory<'a>,
}

/// Everything the store sells.
#[derive(Clone, Debug, Deserialize)]
pub struct Inventory<'a> {
    /// All products, in stock or not.
    #[serde(borrow)]
    pub products: Vec<Product<'a>>,
}

/// One product.
#[derive(Clone, Debug, Deserialize)]
pub struct Product<'a> {
    /// Identifies the product. It never changes.
    #[serde(borrow)]
    pub id: Cow<'a, str>,
    /// What it is called.
    #[serde(borrow)]
    pub name: Cow<'a, str>,
    /// Price of one piece.
    #[serde(deserialize_with = "money")]
    pub price: Money,
    /// How many pieces can be bought now, if the store says it.
    pub in_stock: Option<u64>,
}

/// The answer to `POST /checkout`, as far as it tells a receipt from anything else.
#[derive(Clone, Debug, Deserialize)]
pub struct Receipt {
    /// The id of the order.
    pub order_id: Uuid,
    /// What was paid.
    #[serde(deserialize_with = "money")]
    pub total: Money,
}

/// Reads an amount of money where it stands. [`Money`] itself can be read from anything, and so
/// copies its digits first.
fn money<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Money, D::Error> {
    let number = <&RawValue>::deserialize(deserializer)?;
    number.get().parse().map_err(de::Error::custom)
}
