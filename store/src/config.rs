//! The settings of a store, as plain values. `cli` reads them from the command line and the
//! environment.

use std::{net::SocketAddr, time::Duration};

use lessons::Program;
use shared::hosts::HostName;
use telemetry::ServiceMeters;

use crate::{
    actors::ActorConfig,
    clock::Clock,
    domain::KeepOrders,
    storage::{DatabaseUrl, PostgresLimits},
};

/// The settings of a store.
#[derive(Clone, Debug)]
pub struct Config {
    /// The address to listen on; port 0 takes any free port.
    pub listen: SocketAddr,
    /// Where its database is.
    pub database: DatabaseUrl,
    /// The limits of its use, if it is PostgreSQL.
    pub postgres: PostgresLimits,
    /// Threads that serve HTTP.
    pub http_threads: usize,
    /// Threads that only the actors run on. With none, they run on the first thread that serves HTTP.
    pub actor_threads: usize,
    /// How much work the actors accept.
    pub actors: ActorConfig,
    /// For how long orders are kept.
    pub keep_orders: KeepOrders,
    /// What time it is.
    pub clock: Clock,
    /// How long a request may take.
    pub request_timeout: Duration,
    /// How long it goes on serving after it was told to stop, while it says that it is not ready.
    pub drain: Duration,
    /// Whether requests may ask for faults.
    pub allow_faults: bool,
    /// The names by which clients reach it, see
    /// [`AllowedHosts::of`](shared::hosts::AllowedHosts::of).
    pub allowed_hosts: Vec<HostName>,
    /// Whether the process makes spans. If not, nothing is prepared for them.
    pub is_traced: bool,
    /// The meters by which it measures; without them it measures nothing.
    pub meters: Option<ServiceMeters>,
    /// The program of this process, for lessons that need more processes. Without it they fail.
    pub program: Option<Program>,
}
