//! What the store and the shopper both need, and nothing more.
//!
//! - [`wire`]: the types that go over HTTP between the two;
//! - [`money`]: amounts in whole cents;
//! - [`fault`]: faults that a shopper asks for and the store's actors honour;
//! - [`signal`]: when a process should stop;
//! - [`env`]: the command line and the environment, read in one way.

pub mod env;
pub mod fault;
pub mod money;
pub mod signal;
pub mod wire;
