//! Texts that the command line, the environment and the store have for trips and faults.
#![no_main]

#[allow(dead_code, reason = "each target uses one of the checks")]
#[path = "../src/checks.rs"]
mod checks;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| checks::plan(&String::from_utf8_lossy(bytes)));
