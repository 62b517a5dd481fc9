//! The shopper: a load generator whose actors send shopping trips to the grocery store, each one
//! trace.
//!
//! Modules in reading order:
//!
//! - [`Args`] and [`config`]: the command line, and what it asks for;
//! - [`arrival`] and `pace`: when trips start, in the open and in the closed model;
//! - [`plan`]: what a trip will be, by the seed alone;
//! - `pacer`: starts the trips of a thread when its `alarm` wakes it, each with a `ticket` that
//!   counts it once;
//! - `actors`: who makes them;
//! - `trip`: one trip, the root of one trace, and [`answers`]: what it must find in the store's;
//! - `client`: the store's HTTP interface, with time limits and retries;
//! - [`outcome`] and [`statistics`]: how trips ended, and what they took;
//! - [`drive`]: one run, all of the above together;
//! - [`live`] and [`report`]: what is shown of it, while it goes on and at its end;
//! - [`run`]: the whole process.

mod actors;
mod alarm;
pub mod answers;
pub mod arrival;
mod cli;
mod client;
mod clock;
pub mod config;
mod drive;
mod error;
pub mod live;
pub mod outcome;
mod pace;
mod pacer;
pub mod plan;
mod process;
pub mod report;
pub mod statistics;
mod ticket;
mod trip;

pub use cli::Args;
pub use drive::{STOP_GRACE, drive};
pub use error::ShopperError;
pub use process::run;
pub use shared::share;
pub use trip::StoreUrlError;
