//! The shopper: a load generator whose actors send shopping trips to the grocery store, each one
//! trace.
//!
//! Modules in reading order:
//!
//! - [`config`]: what a run is to do;
//! - [`arrival`] and `pace`: when trips start, in the open and in the closed model;
//! - [`plan`]: what a trip will be, by the seed alone;
//! - `pacer`: the thread that starts the trips, each with a `ticket` that counts it once;
//! - `actors`: who makes them;
//! - `trip`: one trip, the root of one trace;
//! - `client`: the store's HTTP interface, with time limits and retries;
//! - [`outcome`] and [`statistics`]: how trips ended, and what they took;
//! - [`run`](mod@run): all of it together.

mod actors;
pub mod arrival;
mod client;
mod clock;
pub mod config;
mod error;
pub mod outcome;
mod pace;
mod pacer;
pub mod plan;
pub mod run;
pub mod share;
pub mod statistics;
mod ticket;
mod trip;

pub use error::ShopperError;
pub use run::drive;
pub use trip::StoreUrlError;
