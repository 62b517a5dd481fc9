//! A report that `--compare` is given.
#![no_main]

#[allow(dead_code, reason = "each target uses one of the checks")]
#[path = "../src/checks.rs"]
mod checks;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| checks::report(bytes));
