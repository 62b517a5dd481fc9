//! Sends a million messages between two hundred actors on eight arbiters, and checks that no span
//! has the wrong parent, none stays open and no memory is lost. Exits with 1 if one of these is not
//! so.
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
