//! The database, each test on SQLite, on PostgreSQL, and on PostgreSQL behind PgBouncer.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod audit;
mod conservation;
mod deliveries;
mod failover;
mod fixture;
mod folding;
mod keys;
mod opening;
mod orders;
mod outage;
mod pooler;
mod references;
mod retries;
mod spans;
mod time_limit;
mod tls;
