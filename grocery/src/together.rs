//! All roles at once: viewer, store and shopper, started in that order and stopped in reverse.

use std::{ffi::OsString, net::SocketAddr, process::ExitCode};

use anyhow::{bail, ensure};
use clap::{Args, Command, FromArgMatches};
use futures_util::future::select_all;

use crate::{
    child::Child,
    cli::Together,
    receiver::{Environment, Receiver, listens},
};

const SHOPPER: &str = "shopper";

/// Runs everything until Ctrl-C, SIGTERM or the shopper's end.
///
/// # Errors
/// When a role cannot be started, fails, or does not stop.
pub(crate) fn run(options: Together) -> anyhow::Result<ExitCode> {
    let shopper_args = shopper_args(&options);
    check_shopper_args(&shopper_args);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(run_all(options, shopper_args))?;
    Ok(ExitCode::SUCCESS)
}

async fn run_all(options: Together, shopper_args: Vec<OsString>) -> anyhow::Result<()> {
    let stop = shared::signal::shutdown(false)?;
    let environment = Environment::read();
    if listens(options.store_listen).await {
        bail!(
            "something listens on {} already, so the store cannot: stop it, or choose another \
             address with --store-listen",
            options.store_listen
        );
    }
    let receiver = Receiver::find(&options, &environment).await;
    announce(&options, &receiver);

    let mut running = Vec::new();
    let outcome = tokio::select! {
        outcome = shop(&options, &environment, &receiver, shopper_args, &mut running) => outcome,
        reason = stop => {
            eprintln!("\ngrocery: {reason}, stopping");
            Ok(())
        }
    };
    outcome.and(stop_all(running).await)
}

/// Starts the roles one after the other, then waits for the shopper's end: a store or viewer that
/// ends before it has failed.
async fn shop(
    options: &Together,
    environment: &Environment,
    receiver: &Receiver,
    shopper_args: Vec<OsString>,
    running: &mut Vec<Child>,
) -> anyhow::Result<()> {
    if *receiver == Receiver::Viewer {
        let viewer = start(running, Child::start("viewer", viewer_args(options), &[])?);
        viewer.listening(options.otlp).await?;
        viewer.listening(options.viewer_listen).await?;
    }
    let variables = environment.for_services(options.console, options.otlp);
    start(running, Child::start("store", store_args(options), &variables)?)
        .listening(options.store_listen)
        .await?;
    start(running, Child::start(SHOPPER, shopper_args, &variables)?);

    let ended = running.iter_mut().map(|child| Box::pin(child.ended()));
    let (role, ..) = select_all(ended).await;
    ensure!(role == SHOPPER, "the {role} ended while the shopper was still at work");
    Ok(())
}

fn start(running: &mut Vec<Child>, child: Child) -> &mut Child {
    running.push(child);
    let last = running.len() - 1;
    &mut running[last]
}

/// Stops the roles, the last started first, each after the other is done: so the store still
/// answers while the shopper finishes, and the viewer still receives what both flush.
async fn stop_all(running: Vec<Child>) -> anyhow::Result<()> {
    let mut outcome = Ok(());
    for child in running.into_iter().rev() {
        outcome = outcome.and(child.stop().await);
    }
    outcome
}

/// Says where to look, before anything starts.
fn announce(options: &Together, receiver: &Receiver) {
    let page = format!("http://{}/", options.viewer_listen);
    let traces = match receiver {
        Receiver::Viewer => page,
        Receiver::Running => format!(
            "something receives OTLP on {} already, so it gets the spans; if it is a Jaeger: {page}",
            options.otlp
        ),
        Receiver::Configured(endpoint) => format!("sent to {}", endpoint.display()),
        Receiver::Nobody => format!("nobody receives OTLP on {} yet", options.otlp),
    };
    eprintln!("grocery: traces  {traces}");
    eprintln!("grocery: store   http://{}/whats-in-store", options.store_listen);
    eprintln!("grocery: Ctrl-C stops");
}

fn viewer_args(options: &Together) -> Vec<OsString> {
    flags([
        ("--listen", Some(options.viewer_listen.to_string().into())),
        ("--otlp", Some(options.otlp.to_string().into())),
        ("--otlp-grpc", Some(options.otlp_grpc.to_string().into())),
    ])
}

fn store_args(options: &Together) -> Vec<OsString> {
    let mut args = flags([
        ("--listen", Some(options.store_listen.to_string().into())),
        ("--database", options.database.clone()),
    ]);
    args.push("--allow-faults".into());
    args
}

fn shopper_args(options: &Together) -> Vec<OsString> {
    let number = |number: std::num::NonZeroU64| number.to_string().into();
    let text = |text: &Option<String>| text.as_ref().map(OsString::from);
    let mut args = flags([
        ("--store-url", Some(url(options.store_listen))),
        ("--ui-url", Some(url(options.viewer_listen))),
        ("--rate", text(&options.rate)),
        ("--shoppers", options.shoppers.map(number)),
        ("--every", text(&options.every)),
        ("--duration", text(&options.duration)),
        ("--trips", options.trips.map(number)),
    ]);
    args.extend(options.shopper_flags.iter().cloned());
    args
}

fn url(addr: SocketAddr) -> OsString {
    format!("http://{addr}").into()
}

fn flags<const N: usize>(values: [(&str, Option<OsString>); N]) -> Vec<OsString> {
    let given = values.into_iter().filter_map(|(flag, value)| Some((flag, value?)));
    given.flat_map(|(flag, value)| [flag.into(), value]).collect()
}

/// Refuses wrong usage of the shopper before anything is started, in clap's own words and with its
/// exit code 2.
fn check_shopper_args(args: &[OsString]) {
    let command = shopper::Args::augment_args(Command::new("grocery shopper").no_binary_name(true));
    let matches = command.get_matches_from(args);
    if let Err(error) = shopper::Args::from_arg_matches(&matches) {
        error.exit();
    }
}
