//! The database, each test on SQLite and on PostgreSQL.

mod audit;
mod conservation;
mod deliveries;
mod fixture;
mod keys;
mod opening;
mod orders;
mod outage;
mod spans;
