//! The actors that run the store, one a file.
//!
//! [`Crew`] is all of them together, and what HTTP handlers talk to: `Inventory` knows what there
//! is, `Checkout` places orders; both ask the `Aisle`s, which own a view of their stock. `Ledger`
//! alone talks to the database, which decides. `Restocker` has sold goods delivered again.

mod admission;
mod aisle;
mod batch;
mod checkout;
mod crew;
mod failure;
mod floor;
mod inventory;
mod kept;
mod ledger;
mod reservation;
mod restocker;
mod shelf;
mod staff;
mod stock;
mod trouble;

pub(crate) use batch::Book;
pub(crate) use checkout::PlaceOrder;
pub use crew::CrewConfig;
pub(crate) use crew::{Crew, Premises};
pub(crate) use failure::Failure;
pub(crate) use inventory::{FindProduct, WhatsInStore};
pub(crate) use ledger::{FindOrder, Ping};
pub use restocker::RestockPolicy;
pub(crate) use staff::Staff;
pub(crate) use trouble::Faults;
