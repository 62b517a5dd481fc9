//! Tests of the shopper with a store that answers as each test wants.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails by a panic")]

mod answers;
mod failures;
mod faults;
mod figures;
mod hostile;
mod live;
mod metrics;
mod missed;
mod process;
mod receipts;
mod report;
mod retries;
mod seed;
mod stall;
mod stub;
mod support;
mod tls;
mod trees;
