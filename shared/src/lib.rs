//! What the store and the shopper both mean by the same word, and nothing more.
//!
//! - [`wire`]: the types that go over HTTP between the two;
//! - [`money`]: amounts in whole cents;
//! - [`fault`]: faults that a shopper asks for and the store's actors honour;
//! - [`hosts`]: which `Host` a server answers to;
//! - [`share`]: a share of a whole, such as `5%`;
//! - [`notice`]: saying a thing once when it begins, and once when it is over;
//! - [`backoff`]: pauses between attempts that grow;
//! - [`signal`]: when a process should stop, and until when it has to;
//! - [`output`]: what a process writes, without waiting for whoever reads it;
//! - [`listen`]: an address to listen on, as flags have it;
//! - [`mod@env`]: the command line and the environment, read in one way.

pub mod backoff;
pub mod env;
pub mod fault;
pub mod hosts;
pub mod listen;
pub mod money;
pub mod notice;
pub mod output;
pub mod share;
pub mod signal;
pub mod wire;
