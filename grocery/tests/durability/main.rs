//! The promises of the store, tested with real processes and real databases: an order that was
//! answered 201 is never lost, whichever process is killed, and nothing is sold twice.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod customer;
mod folding;
#[path = "../support/grocery.rs"]
mod grocery;
mod kill;
mod outage;
mod sellout;
mod store;
