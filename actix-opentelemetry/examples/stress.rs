//! A million messages between two hundred actors on eight arbiters: no span under a foreign parent,
//! none left open, no memory left behind. Exits with 1 if that is not so.
//!
//! ```text
//! cargo run --release -p actix-opentelemetry --example stress
//! ```

#[path = "../tests/stress/scenario.rs"]
mod scenario;

use std::process::ExitCode;

const MESSAGES: u64 = 1_000_000;

#[expect(clippy::print_stdout, reason = "the report is what it is for")]
fn main() -> ExitCode {
    let report = scenario::run(MESSAGES);
    println!("{report}");
    if report.is_clean() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
