//! What the store promises, against real processes and real databases: an order that was answered
//! 201 is there whatever dies, and nothing is sold twice.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod customer;
#[path = "../support/grocery.rs"]
mod grocery;
mod kill;
mod outage;
mod sellout;
mod store;
