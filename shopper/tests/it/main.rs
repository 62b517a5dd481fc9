//! Tests of the shopper against a store that does what each test says.

mod failures;
mod missed;
mod process;
mod retries;
mod seed;
mod stall;
mod stub;
mod support;
mod trees;
