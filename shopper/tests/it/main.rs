//! Tests of the shopper against a store that does what each test says.

mod failures;
mod live;
mod missed;
mod process;
mod report;
mod retries;
mod seed;
mod stall;
mod stub;
mod support;
mod trees;
