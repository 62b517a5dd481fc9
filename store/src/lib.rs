//! The grocery store: an actix-web service whose inventory actors create OpenTelemetry child spans.
//!
//! Read it in this order, from the outside in:
//!
//! - `cli`: the command line, [`Args`], and the process around the store, [`run`];
//! - `config`: what the command line comes to, [`Config`];
//! - `server`: wires everything together and serves until it is told to stop, [`serve`];
//! - `http`: the routes, their handlers, which ask actors and nobody else, and what stands around them;
//! - `actors`: `Inventory`, `Checkout`, `Aisle`, `Restocker`, `Ledger`, one a file, and the system that
//!   starts them;
//! - [`storage`]: the database, the authority on stock and orders, and the only place with SQL;
//! - [`domain`]: under all of them, the grocery's own terms; pure, with no I/O and no telemetry.

mod actors;
mod cli;
mod config;
pub mod domain;
mod http;
mod server;
pub mod storage;

pub use actors::{ActorConfig, RestockPolicy};
pub use cli::{Args, run};
pub use config::Config;
pub use server::{Error, Running, SHUTDOWN_TIMEOUT, serve};
