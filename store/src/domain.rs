//! The grocery's own terms, as values that cannot be wrong: a basket that exists can be sold.
//!
//! Nothing here does I/O or knows of telemetry, so everything is tested by plain calls.

mod basket;
mod catalogue;
mod idempotency;
mod order;
mod product;

pub use basket::{Basket, BasketError, BasketLine, Quantity};
pub use catalogue::{CATALOGUE, CatalogueEntry};
pub use idempotency::{Fingerprint, IdempotencyKey, IdempotencyKeyError};
pub use order::{Delivery, DeliveryId, NewOrder, OrderId, OrderIdError, Shortfall};
pub use product::{CatalogueProduct, ProductId, ProductIdError, StockLevel};
