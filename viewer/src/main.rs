//! `viewer`: the trace viewer as a process of its own.

use std::process::ExitCode;

use clap::Parser;

/// As in `grocery`: what is measured of this program, its memory above all, is true of that one too.
#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Shows traces: takes OTLP, answers Jaeger's query API, serves a page
///
/// It is a development tool: it has no users and no disk. For more than one machine or one day use
/// Jaeger on a storage of its own.
#[derive(Debug, Parser)]
#[command(version, about)]
struct Cli {
    #[command(flatten)]
    args: viewer::Args,
}

fn main() -> ExitCode {
    viewer::run(shared::env::parse::<Cli>().args)
}
