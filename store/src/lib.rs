//! The grocery store: an actix-web service whose inventory actors create OpenTelemetry child spans.
//!
//! From the outside in, which is the order to read it in:
//!
//! - `cli`: the command line, [`Args`], and the process around the store, [`run`];
//! - `server`: wires everything together and serves until it is told to stop, [`serve`];
//! - `http`: one handler a file, which ask actors and nobody else;
//! - `actors`: `Inventory`, `Aisle`, `Checkout`, `Ledger`, `Restocker`, one a file;
//! - [`storage`]: the database, the authority on stock and orders, and the only place with SQL;
//! - [`domain`]: under all of them, the grocery's own terms; pure, with no I/O and no telemetry.

mod actors;
mod cli;
pub mod domain;
mod http;
mod server;
pub mod storage;

pub use actors::{ActorConfig, RestockPolicy};
pub use cli::{Args, run};
pub use server::{Config, Error, Running, SHUTDOWN_TIMEOUT, serve};
