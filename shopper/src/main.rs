//! The shopper as a program of its own.

use std::process::ExitCode;

use clap::Parser;

/// Sends shoppers to the grocery store, each trip a trace
#[derive(Debug, Parser)]
#[command(name = "shopper", version)]
struct Shopper {
    #[command(flatten)]
    args: shopper::Args,
}

fn main() -> ExitCode {
    shopper::run(shared::env::parse::<Shopper>().args)
}
