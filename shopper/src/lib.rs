//! The shopper: a load generator whose actors send shopping trips to the grocery store, each one
//! trace.
//!
//! Modules in reading order:
//!
//! - [`Args`] and [`config`]: the command line, and the settings that it gives;
//! - [`arrival`] and `pace`: when trips start, in the open and in the closed model;
//! - [`plan`]: what a trip will do, decided by the seed alone;
//! - `shard`: starts the trips of one thread, each at its time;
//! - `under_way`: counts each of them once, and has the clock of the run;
//! - `actors`: the shoppers that make the trips;
//! - `trip`: one trip, the root of one trace, and [`answers`]: the fields that it needs of the
//!   store's answers;
//! - `order_keys` and `receipts`: by what an order is known, and what the store has answered;
//! - `client`: the store's HTTP interface, with time limits and retries;
//! - [`tls`]: connections to `https`, also for others;
//! - [`outcome`] and [`statistics`]: how trips ended, and how long they took;
//! - `metrics`: the same for a backend of metrics;
//! - [`drive`]: one run, all of the above together;
//! - [`result`]: the result of a run, the one model that all of the following read;
//! - [`live`] and [`report`]: what is shown of it, during the run and at its end;
//! - [`run`]: the whole process.

mod actors;
pub mod answers;
pub mod arrival;
mod cli;
mod client;
pub mod config;
mod drive;
pub mod live;
mod metrics;
mod order_keys;
pub mod outcome;
mod pace;
pub mod plan;
mod process;
mod receipts;
pub mod report;
pub mod result;
mod shard;
pub mod statistics;
pub mod tls;
mod trip;
mod under_way;

pub use cli::{Args, UsageError};
pub use drive::{STOP_GRACE, ShopperError, drive};
pub use order_keys::{RunName, RunNameError};
pub use process::run;
pub use receipts::{Receipts, ReceiptsError};
pub use report::{MergeArgs, merge};
pub use shared::share;
pub use trip::StoreUrlError;

/// The target of the log events about single trips and requests. They are exported, but not written
/// to standard error unless `RUST_LOG` asks for it: there may be as many of them as there are requests.
const ACTIVITY: &str = "shopper::activity";
