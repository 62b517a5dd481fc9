//! The grocery store: an actix-web service whose inventory actors create OpenTelemetry child spans.
//!
//! Read it in this order, from the outside in:
//!
//! - `cli`: the command line, [`Args`], and the process around the store, [`run`];
//! - `clock`: what time it is, [`Clock`];
//! - `config`: the settings that the command line gives, [`Config`];
//! - `server`: wires everything together and serves until it is told to stop, [`serve`];
//! - `http`: the routes, their handlers, which ask actors only, and the middleware around them;
//! - `actors`: `Inventory`, `Checkout`, `Aisle`, `Restocker`, `Retention`, `Ledger`, one a file, and
//!   the system that starts them;
//! - [`lessons`], a crate of its own: mistakes with context that a request can ask for, beside their fixes;
//! - [`storage`]: the database, which decides on stock and orders; all SQL is there;
//! - [`domain`]: baskets, products, orders and keys, used by all of the above; no I/O, no
//!   telemetry.

mod actors;
mod cli;
mod clock;
mod config;
pub mod domain;
mod http;
mod server;
pub mod storage;

pub use actors::{ActorConfig, RestockPolicy};
pub use cli::{Args, run};
pub use clock::Clock;
pub use config::Config;
pub use lessons;
pub use lessons::Program;
pub use server::{Error, Running, SHUTDOWN_TIMEOUT, serve};

use lessons::ACTIVITY;
