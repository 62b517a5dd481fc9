//! The shopper: a load generator whose actors send shopping trips to the grocery store, each one
//! trace.

pub mod arrival;
pub mod live;
pub mod outcome;
pub mod plan;
pub mod report;
pub mod statistics;
