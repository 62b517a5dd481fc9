//! `grocery`: one binary, every role.
//!
//! Without a subcommand it runs the trace viewer, the store and the shopper as child processes of
//! itself, so that the two services in a trace really are two processes; with one it is that role.
//!
//! - [`cli`]: the command line;
//! - [`together`]: all roles at once: what is started, in which order, and how it all ends;
//! - [`child`]: one role as a child process;
//! - [`receiver`]: who receives the spans: the viewer, or what listens already;
//! - [`probe`]: whether a role is well, for health checks.

mod child;
mod cli;
mod probe;
mod receiver;
mod together;

use std::process::ExitCode;

use crate::cli::{Cli, Role};

fn main() -> ExitCode {
    let cli: Cli = shared::env::parse();
    let outcome = match cli.role {
        Some(Role::Store(args)) => return store::run(args),
        Some(Role::Shopper(args)) => return shopper::run(args),
        Some(Role::Viewer(args)) => return viewer::run(args),
        Some(Role::Probe(args)) => probe::run(&args),
        None => together::run(cli.together),
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("grocery: {error:#}");
        ExitCode::FAILURE
    })
}
