//! Baskets, products, orders and keys, as types that cannot hold a wrong value.
//!
//! A text is parsed once, where it comes in. From then on its type guarantees that it is valid:
//! code that gets a [`Basket`] need not check it again. Nothing here does I/O or makes spans.

mod basket;
mod catalogue;
mod idempotency;
mod keep_orders;
mod order;
mod product;

pub use basket::{Basket, BasketError, BasketLine, Quantity};
pub use catalogue::{CATALOGUE, CatalogueEntry};
pub use idempotency::{Fingerprint, IdempotencyKey, IdempotencyKeyError};
pub use keep_orders::{KeepOrders, KeepOrdersError};
pub use order::{Delivery, DeliveryId, NewOrder, OrderId, OrderIdError, Shortfall, SpanReference};
pub use product::{CatalogueProduct, ProductId, ProductIdError, StockLevel};
