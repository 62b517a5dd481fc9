//! The command line of `grocery`.

use std::{ffi::OsString, net::SocketAddr, num::NonZeroU64};

use clap::{Args, Parser, Subcommand};
use shared::env::number;
use store::{
    domain::KeepOrders,
    storage::{DatabaseUrl, DatabaseUrlError},
};

use crate::{lab::LabArgs, lesson::LessonArgs, probe::Probe};

/// A grocery store, its shoppers and their traces, in one command.
///
/// Without a command it runs all roles: the trace viewer, the store, the lab and the shopper, each a
/// process of its own, until Ctrl-C. They send their spans, log records and metrics to the viewer.
/// Without flags about load shoppers come in small groups, three trips a second in all, of every
/// kind, and one trip in ten asks for a slow aisle. Exit code 0 when done, 1 when something failed, 2
/// for wrong usage.
#[derive(Debug, Parser)]
#[command(name = "grocery", version, args_conflicts_with_subcommands = true)]
pub(crate) struct Cli {
    /// Run one role only.
    #[command(subcommand)]
    pub(crate) role: Option<Role>,
    #[command(flatten)]
    pub(crate) together: Together,
}

/// The roles that can be run alone.
#[derive(Debug, Subcommand)]
#[expect(clippy::large_enum_variant, reason = "there is one, and it lives as long as the process")]
pub(crate) enum Role {
    /// Run the store alone: HTTP on 127.0.0.1:5000, stock and orders in a database
    Store(store::Args),
    /// Run the shopper alone: sends shopping trips to a store and measures them
    Shopper(shopper::Args),
    /// Run the trace viewer alone: OTLP in, a Jaeger-compatible API and a web page out
    ///
    /// It is a development tool: it has no users and no disk. For more than one machine or one day use
    /// Jaeger on a storage of its own.
    Viewer(viewer::Args),
    /// Run the lab alone: a page to make lessons, faults and trips by hand, each in a request of its own
    Lab(LabArgs),
    /// See a mistake with trace context beside the right trace; without a name, list the lessons
    Lesson(LessonArgs),
    /// Ask a role whether it is well, as a container's health check does
    Probe(Probe),
    /// Work with the reports that shoppers wrote
    #[command(subcommand)]
    Report(Report),
}

/// What can be done with reports.
#[derive(Debug, Subcommand)]
pub(crate) enum Report {
    /// Merge the reports of shoppers that shared a run, as if one had made all trips: percentiles
    /// come from all values. Exit code 0 if all assertions hold, 1 if one does not, 2 for files that
    /// are not of one run
    Merge(shopper::MergeArgs),
}

/// What to run when all roles run together.
#[derive(Args, Debug)]
pub(crate) struct Together {
    /// Trips started per second, whether or not earlier ones are over [default: three, in small groups, unless
    /// another flag says what the load is]
    #[arg(long, env = "GROCERY_RATE", value_name = "TRIPS/S", conflicts_with_all = ["shoppers", "every"])]
    pub(crate) rate: Option<String>,

    /// Shoppers at work, each on one trip at a time [default: 1 with --every]
    #[arg(long, env = "GROCERY_SHOPPERS", value_name = "N")]
    #[arg(value_parser = number::<NonZeroU64>(1..=u64::MAX))]
    pub(crate) shoppers: Option<NonZeroU64>,

    /// Think time of a shopper between two trips, such as 500ms [default: 1s with --shoppers]
    #[arg(long, env = "GROCERY_EVERY", value_name = "DURATION")]
    pub(crate) every: Option<String>,

    /// Stop after this time, such as 10m [default: never]
    #[arg(long, env = "GROCERY_DURATION", value_name = "DURATION")]
    pub(crate) duration: Option<String>,

    /// Stop after this many trips [default: never]
    #[arg(long, env = "GROCERY_TRIPS", value_name = "N")]
    #[arg(value_parser = number::<NonZeroU64>(1..=u64::MAX))]
    pub(crate) trips: Option<NonZeroU64>,

    /// End with the run also at a terminal, where otherwise the viewer stays until Ctrl-C
    /// [default: off]
    #[arg(long, env = "GROCERY_EXIT")]
    pub(crate) exit: bool,

    /// Print every span in this terminal too [default: off]
    #[arg(long, env = "GROCERY_CONSOLE")]
    pub(crate) console: bool,

    /// Start no viewer, even if nothing else receives the spans [default: off]
    #[arg(long, env = "GROCERY_NO_VIEWER")]
    pub(crate) no_viewer: bool,

    /// Start no lab [default: off]
    #[arg(long, env = "GROCERY_NO_LAB")]
    pub(crate) no_lab: bool,

    /// Where the lab listens: a page to make lessons, faults and trips by hand. It needs the viewer, and is
    /// started with it
    #[arg(long, env = "GROCERY_LAB_LISTEN", value_name = "ADDR", default_value = "127.0.0.1:5050")]
    #[arg(value_parser = shared::listen::address)]
    pub(crate) lab_listen: SocketAddr,

    /// Where the store listens
    #[arg(long, env = "STORE_LISTEN", value_name = "ADDR", default_value = "127.0.0.1:5000")]
    #[arg(value_parser = shared::listen::address)]
    pub(crate) store_listen: SocketAddr,

    /// The store's database: sqlite:PATH, sqlite::memory: or postgres://... The variable keeps a
    /// password out of the list of processes [default: sqlite:grocery-data/store.db]
    #[arg(long, env = "DATABASE_URL", value_name = "URL", hide_env_values = true)]
    #[arg(value_parser = database)]
    pub(crate) database: Option<OsString>,

    /// For how long the store keeps orders one by one, such as 7d, or forever: older ones are folded into
    /// sums, so that the database stops growing
    #[arg(long, env = "STORE_KEEP_ORDERS", value_name = "DURATION", default_value = "24h")]
    pub(crate) keep_orders: KeepOrders,

    /// Where the viewer's page and query API listen
    #[arg(long, env = "VIEWER_LISTEN", value_name = "ADDR", default_value = "127.0.0.1:16686")]
    #[arg(value_parser = shared::listen::address)]
    pub(crate) viewer_listen: SocketAddr,

    /// Where the viewer receives OTLP over HTTP. If something receives OTLP there already, it gets the
    /// spans, and no viewer and no lab are started
    #[arg(long, env = "VIEWER_OTLP", value_name = "ADDR", default_value = "127.0.0.1:4318")]
    #[arg(value_parser = shared::listen::address)]
    pub(crate) otlp: SocketAddr,

    /// Where the viewer receives OTLP over gRPC
    #[arg(long, env = "VIEWER_OTLP_GRPC", value_name = "ADDR", default_value = "127.0.0.1:4317")]
    #[arg(value_parser = shared::listen::address)]
    pub(crate) otlp_grpc: SocketAddr,

    /// More flags for the shopper, as `grocery shopper --help` has them: grocery -- --seed 7
    #[arg(last = true, value_name = "SHOPPER FLAGS")]
    pub(crate) shopper_flags: Vec<OsString>,
}

/// Checks that `text` is the address of a database, and keeps it as it is.
fn database(text: &str) -> Result<OsString, DatabaseUrlError> {
    text.parse::<DatabaseUrl>().map(|_| text.into())
}
