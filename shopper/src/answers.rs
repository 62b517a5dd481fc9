//! What a shopper has to find in the answers of a store.
//!
//! It is less than `shared::wire` has: a store in another language, such as the one that a tutorial
//! builds, can be shopped in without aisles and without saying what is in stock.

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
    /// Names the product for ever.
    pub id: String,
    /// What it is called.
    pub name: String,
    /// Price of one piece.
    pub price: Money,
    /// How many pieces can be bought now, if the store says so.
    pub in_stock: Option<u64>,
}
