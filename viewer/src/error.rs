//! What can keep the viewer from running.

use std::net::SocketAddr;

use thiserror::Error;

/// Why the viewer could not start.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// An address is taken, or is not this machine's.
    #[error("cannot listen on {address} for {purpose} (--{flag})")]
    Bind {
        /// The address that was asked for.
        address: SocketAddr,
        /// What would have been served there.
        purpose: &'static str,
        /// The flag that sets the address.
        flag: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
    /// The system gave no thread, or no event loop.
    #[error("cannot start {what}")]
    Start {
        /// What was to be started.
        what: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
}
