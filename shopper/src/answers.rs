//! The fields that a shopper needs of the store's answers.
//!
//! They are fewer than in `shared::wire`. So the shopper also works with a simpler store, such as
//! one that is built in a tutorial, whose products have no aisle and no number in stock.

use serde::Deserialize;
use shared::money::Money;

/// The answer to `GET /whats-in-store`.
#[derive(Clone, Debug, Deserialize)]
pub struct WhatsInStore {
    /// What the store has.
    pub inventory: Inventory,
}

/// Everything the store sells.
#[derive(Clone, Debug, Deserialize)]
pub struct Inventory {
    /// All products, in stock or not.
    pub products: Vec<Product>,
}

/// One product.
#[derive(Clone, Debug, Deserialize)]
pub struct Product {
    /// Identifies the product. It never changes.
    pub id: String,
    /// What it is called.
    pub name: String,
    /// Price of one piece.
    pub price: Money,
    /// How many pieces can be bought now, if the store says it.
    pub in_stock: Option<u64>,
}
