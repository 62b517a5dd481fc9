//! What the store promises, against real processes and real databases: an order that was answered
//! 201 is there whatever dies, and nothing is sold twice.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod customer;
mod kill;
mod outage;
#[path = "../support/process.rs"]
#[allow(dead_code, reason = "each test binary uses a part of it")]
mod process;
mod sellout;
mod store;
