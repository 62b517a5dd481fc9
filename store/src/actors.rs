//! The actors that run the store, one a file.
//!
//! From the top down:
//!
//! - [`pools`]: one set of actors for ordinary requests, and one for each experiment with faults;
//! - [`system`]: one set of actors, [`ActorSystem`]: what HTTP handlers ask, and who asks whom;
//! - [`inventory`] says what there is, and [`checkout`] places orders;
//! - [`aisle`]: an actor for each aisle, which has a view of its [`stock`] and reserves pieces for
//!   orders;
//! - [`listing`]: products as JSON, kept until the stock changes;
//! - [`restocker`] has sold goods delivered again;
//! - [`retention`] has old orders folded into sums;
//! - [`ledger`] is the only actor that talks to the database, which decides;
//! - [`metrics`]: what is measured of orders, batches, deliveries and stock;
//! - below all of them: [`serve`] with [`faults`] and [`limit`], then [`supervised`] and [`error`].

mod aisle;
mod checkout;
mod error;
mod faults;
mod inventory;
mod ledger;
mod limit;
mod listing;
mod metrics;
mod pools;
mod restocker;
mod retention;
mod serve;
mod stock;
mod supervised;
mod system;

pub(crate) use checkout::PlaceOrder;
pub(crate) use error::ActorError;
pub(crate) use faults::Faults;
pub(crate) use inventory::{FindProduct, WhatsInStore};
pub(crate) use ledger::{FindOrder, FoundOrder, Ping};
pub(crate) use metrics::ShopMetrics;
pub(crate) use pools::ActorPools;
pub use restocker::RestockPolicy;
pub(crate) use retention::RetentionPolicy;
pub use system::ActorConfig;
pub(crate) use system::{ActorParts, ActorSystem};
