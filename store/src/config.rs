//! What a store is to be like, settled: the command line and the environment say it in `cli`.

use std::{net::SocketAddr, time::Duration};

use shared::hosts::HostName;

use crate::{actors::ActorConfig, storage::DatabaseUrl};

/// What a store is to be like.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where it listens; port 0 is any free port.
    pub listen: SocketAddr,
    /// Where its database is.
    pub database: DatabaseUrl,
    /// Threads that serve HTTP.
    pub http_threads: usize,
    /// Threads that the actors run on.
    pub actor_threads: usize,
    /// How much the actors take on.
    pub actors: ActorConfig,
    /// How long a request may take.
    pub request_timeout: Duration,
    /// Whether requests may ask for faults.
    pub allow_faults: bool,
    /// Names by which it is reached, see [`AllowedHosts::of`](shared::hosts::AllowedHosts::of).
    pub allowed_hosts: Vec<HostName>,
}
