//! `grocery`: one binary, every role.
//!
//! With a subcommand it runs one role. Without one it runs the trace viewer, the store, the lab and
//! the shopper as child processes of itself, so that the two services in a trace really are two
//! processes.
//!
//! - [`cli`]: the command line;
//! - [`together`]: all roles at once: what is started, in which order, and how all of it ends;
//! - [`shopping`]: the load: what the shopper is started with;
//! - [`child`]: one role as a child process;
//! - [`receiver`]: where the spans go: to the viewer, or to what listens already;
//! - [`probe`]: a health check of a role;
//! - [`lesson`]: makes a lesson and shows both traces;
//! - [`lab`]: a page that makes lessons, and trips with faults;
//! - [`runs`]: the two runs of a lesson, and when all their spans are in the viewer ([`viewer_api`]);
//! - [`trace`] and [`tree`]: the spans, and what differs between two trees of them;
//! - [`own_roles`]: a store and a viewer for a lesson, when none run;
//! - [`http`]: requests over HTTP, with TLS or without.

mod child;
mod cli;
mod http;
mod lab;
mod lesson;
mod own_roles;
mod probe;
mod receiver;
mod runs;
mod shopping;
mod together;
mod trace;
mod tree;
mod viewer_api;

use std::{io::Write, process::ExitCode};

use shared::{fault, output};

use crate::cli::{Cli, Report, Role};

/// The store and the viewer make and free much on many threads, for which mimalloc takes less processor
/// time than the allocator of the GNU C library.
#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli: Cli = shared::env::parse();
    let outcome = match cli.role {
        Some(Role::Store(args)) => return store::run(args, &["store"]),
        Some(Role::Shopper(args)) => return shopper::run(args),
        Some(Role::Viewer(args)) => return viewer::run(with_chips(args)),
        Some(Role::Lab(args)) => lab::run(args),
        Some(Role::Lesson(args)) => lesson::run(&args),
        Some(Role::Probe(args)) => probe::run(&args),
        Some(Role::Report(Report::Merge(args))) => return shopper::merge(&args),
        None => together::run(cli.together),
    };
    outcome.unwrap_or_else(|error| {
        writeln!(output::stderr(), "grocery: {error:#}").ok();
        output::finish();
        ExitCode::FAILURE
    })
}

/// The viewer knows nothing of the grocery: what tells one trip from another it is told here, unless
/// somebody asked for something else.
fn with_chips(mut args: viewer::Args) -> viewer::Args {
    if args.chips == viewer::Chips::default() {
        let keys = [fault::SHOPPER_KIND, "shopper.outcome", fault::BAGGAGE_KEY];
        args.chips = keys.join(",").parse().expect("three keys without white space");
    }
    args
}
