//! What the command line and the environment say of trips, and what the store says of faults.
#![no_main]

#[allow(dead_code, reason = "each target uses one of the checks")]
#[path = "../src/checks.rs"]
mod checks;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| checks::plan(&String::from_utf8_lossy(bytes)));
