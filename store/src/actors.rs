//! The actors that run the store, one a file.
//!
//! From the top down:
//!
//! - [`system`]: [`ActorSystem`] is all of them together, and what HTTP handlers talk to; [`ActorPools`]
//!   has one for everybody, and one for each experiment with faults;
//! - [`inventory`] knows what there is, and [`checkout`] places orders;
//! - [`aisle`]: each owns a view of its [`stock`], and sets aside what is about to be sold;
//! - [`restocker`] has sold goods delivered again;
//! - [`ledger`] alone talks to the database, which decides;
//! - under all of them: [`serve`] with [`faults`] and [`limit`], [`supervised`] and [`error`].

mod aisle;
mod checkout;
mod error;
mod faults;
mod inventory;
mod ledger;
mod limit;
mod restocker;
mod serve;
mod stock;
mod supervised;
mod system;

pub(crate) use checkout::PlaceOrder;
pub(crate) use error::ActorError;
pub(crate) use faults::Faults;
pub(crate) use inventory::{FindProduct, WhatsInStore};
pub(crate) use ledger::{FindOrder, Ping};
pub use restocker::RestockPolicy;
pub use system::ActorConfig;
pub(crate) use system::{ActorParts, ActorPools, ActorSystem};
