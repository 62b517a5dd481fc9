//! The grocery store as a program of its own; `grocery store` is the same.

use std::process::ExitCode;

use clap::Parser;

/// The grocery store: an HTTP service with actors and a database inside.
#[derive(Parser)]
#[command(name = "store", version)]
struct Cli {
    #[command(flatten)]
    args: store::Args,
}

fn main() -> ExitCode {
    store::run(shared::env::parse::<Cli>().args, &[])
}
