//! What is recorded in every case, asserted as whole trees. All are in one binary, which is linked
//! once.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod asks;
mod batches;
mod edges;
mod failures;
mod fixture;
mod property;
mod registry;
mod replies;
mod streams;
mod supervision;
mod sync_actors;
mod tells;
mod timers;
mod values;
