//! What the store and the shopper both need, and nothing more.
//!
//! - [`telemetry`]: spans, logs and accounting, set up once per process;
//! - [`wire`]: the types that go over HTTP between the two;
//! - [`money`]: amounts in whole cents;
//! - [`fault`]: faults that a shopper asks for and the store's actors honour;
//! - [`signal`]: when a process should stop;
//! - `testing` (a feature): backends that keep what they are sent.

pub mod fault;
pub mod money;
pub mod signal;
pub mod telemetry;
#[cfg(feature = "testing")]
pub mod testing;
pub mod wire;
