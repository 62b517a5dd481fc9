//! The actors that run the store, one a file.
//!
//! [`ActorSystem`] is all of them together, and what HTTP handlers talk to: `Inventory` knows what there
//! is, `Checkout` places orders; both ask the `Aisle`s, which own a view of their stock. `Ledger`
//! alone talks to the database, which decides. `Restocker` has sold goods delivered again.

mod aisle;
mod checkout;
mod error;
mod faults;
mod inventory;
mod ledger;
mod limit;
mod restocker;
mod stock;
mod supervised;
mod system;

pub(crate) use checkout::PlaceOrder;
pub(crate) use error::ActorError;
pub(crate) use faults::Faults;
pub(crate) use inventory::{FindProduct, WhatsInStore};
pub(crate) use ledger::{FindOrder, Ping, WriteLock};
pub use restocker::RestockPolicy;
pub use system::ActorConfig;
pub(crate) use system::{ActorPools, ActorSystem, ActorSystemParts};
