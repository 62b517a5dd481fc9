//! All roles at once: viewer, store, lab and shopper, started in that order and stopped in reverse.
//!
//! At the end the shopper is told to stop first. As soon as its trips are over, the lab and the store
//! are told too, and all three send their last spans at the same time. Then the viewer is stopped. All of this
//! takes at most [`STOP_TIMEOUT`]:
//!
//! ```text
//! 0 s       shopper: its trips end, for 2.1 s at most (TRIPS_TIMEOUT)
//! ≤ 2.1 s   lab, store: told to stop; they and the shopper send their last spans
//! 4.1 s     whatever still runs of the three is killed; viewer: told to stop (VIEWER_STOP)
//! 4.5 s     the viewer is killed, if it still runs; the last lines are written (LAST_LINES)
//! 5 s       the end (STOP_TIMEOUT); at 6 s the process ends whatever happens (LAST_RESORT)
//! ```
//!
//! If the run ends by itself at a terminal, the viewer stays until Ctrl-C: the links of the report
//! lead to it.

use std::{
    ffi::OsString,
    fmt,
    future::pending,
    io::{self, IsTerminal as _, Write as _},
    net::{SocketAddr, TcpListener},
    process::{ExitCode, ExitStatus},
    time::Duration,
};

use anyhow::{bail, ensure};
use futures_util::future::select_all;
use shared::{
    output,
    signal::{self, READER_GONE, Stop},
};
use tokio::time::{Instant, timeout};

use crate::{
    child::Child,
    cli::Together,
    receiver::{Environment, MetricsPage, PROMETHEUS_PORT, Receiver, listens},
    shopping::shopper_args,
};

const STORE: &str = "store";
const SHOPPER: &str = "shopper";
const LAB: &str = "lab";
const VIEWER: &str = "viewer";

/// The roles that have metrics, in the order of their ports for Prometheus.
const METRICS_ROLES: [&str; 3] = [STORE, SHOPPER, LAB];

/// How long all roles together may take to stop.
const STOP_TIMEOUT: Duration = Duration::from_secs(5);

/// The part of [`STOP_TIMEOUT`] that is kept for the last lines of this process.
const LAST_LINES: Duration = Duration::from_millis(500);

/// How long the store is kept open for the trips that are under way. The shopper itself ends them
/// after 2 s.
const TRIPS_TIMEOUT: Duration = Duration::from_millis(2_100);

/// How long the store and the lab may take to stop, from the moment they are told to.
const STORE_STOP: &str = "1900ms";

/// The part of [`STOP_TIMEOUT`] that is kept for the viewer, which has nothing to finish.
const VIEWER_STOP: Duration = Duration::from_millis(400);

/// When this process ends even if something still holds it up.
const LAST_RESORT: Duration = Duration::from_secs(6);

/// Runs all roles until Ctrl-C, SIGTERM, SIGHUP or the end of the shopper.
///
/// # Errors
/// When a role cannot be started, fails, or does not stop.
pub(crate) fn run(options: Together) -> anyhow::Result<ExitCode> {
    output::report_panics();
    // Wrong usage is refused before anything is started.
    let shopper_args = shopper_args(&options).unwrap_or_else(|error| error.exit());
    let stop = signal::watch(false, LAST_RESORT)?;
    let code = actix_rt::System::new().block_on(run_all(options, shopper_args, stop))?;
    output::finish();
    Ok(code)
}

/// Writes a line for the user to standard error.
fn say(text: fmt::Arguments<'_>) {
    writeln!(output::stderr(), "grocery: {text}").ok();
}

async fn run_all(
    options: Together,
    shopper_args: Vec<OsString>,
    stop: Stop,
) -> anyhow::Result<ExitCode> {
    let environment = Environment::read();
    check_free(options.store_listen, "the store", "--store-listen").await?;
    let receiver = Receiver::find(&options, &environment).await?;
    if receiver == Receiver::Viewer {
        check_free(options.viewer_listen, "the viewer's page", "--viewer-listen").await?;
        check_free(options.otlp, "the viewer", "--otlp").await?;
        check_free(options.otlp_grpc, "the viewer, for OTLP over gRPC,", "--otlp-grpc").await?;
    }
    if has_lab(&options, &receiver) {
        check_free(options.lab_listen, "the lab", "--lab-listen").await?;
    }
    check_metrics_pages(&options, &environment, &receiver).await?;
    announce(&options, &environment, &receiver);

    let mut running = Vec::new();
    let outcome = tokio::select! {
        outcome = shop(&options, &environment, &receiver, shopper_args, &mut running) => outcome,
        reason = stop.requested() => {
            say(format_args!(
                "{reason}, stopping: the last spans are sent, for {STOP_TIMEOUT:?} at most; \
                 Ctrl-C again ends at once"
            ));
            Ok(())
        }
    };
    let is_over = outcome.is_ok() && stop.reason().is_none();
    let stays = is_over && receiver == Receiver::Viewer && !options.exit && is_at_terminal();
    let ending = async {
        let mut endings = Vec::new();
        if stays {
            endings = stop_services(&mut running, Instant::now() + STOP_TIMEOUT).await;
            show(&options, &mut running, &stop).await?;
        }
        stop_all(running, endings).await
    };
    tokio::select! {
        stopped = ending => {
            let code = stopped?;
            outcome.map(|()| code)
        }
        () = stop.at_once() => {
            // Dropping the children kills them. Then the thread for signals ends the process.
            pending().await
        }
    }
}

/// Starts the roles one after the other, then waits for the end of the shopper. A store or viewer
/// that ends before it has failed, unless it ended because the reader of its output is gone.
async fn shop(
    options: &Together,
    environment: &Environment,
    receiver: &Receiver,
    shopper_args: Vec<OsString>,
    running: &mut Vec<Child>,
) -> anyhow::Result<()> {
    if *receiver == Receiver::Viewer {
        let variables = environment.for_viewer();
        let viewer = start(running, Child::start(VIEWER, viewer_args(options), &variables)?);
        viewer.listening(options.otlp).await?;
        viewer.listening(options.viewer_listen).await?;
    }
    let variables = environment.for_services(options, receiver);
    let store_variables = [variables.clone(), database_variable(options)].concat();
    let store_variables = [store_variables, page_variable(environment, STORE)].concat();
    start(running, Child::start(STORE, store_args(options), &store_variables)?)
        .listening(options.store_listen)
        .await?;
    if has_lab(options, receiver) {
        let lab_variables = [variables.clone(), page_variable(environment, LAB)].concat();
        start(running, Child::start(LAB, lab_args(options), &lab_variables)?)
            .listening(options.lab_listen)
            .await?;
    }
    let variables = [variables, page_variable(environment, SHOPPER)].concat();
    start(running, Child::start(SHOPPER, shopper_args, &variables)?);

    let ended = running.iter_mut().map(|child| {
        let role = child.role();
        Box::pin(async move { (role, child.ended().await) })
    });
    let ((role, status), ..) = select_all(ended).await;
    let has_no_reader = status?.code() == Some(READER_GONE.into());
    ensure!(
        role == SHOPPER || has_no_reader,
        "the {role} ended while the shopper was still at work"
    );
    Ok(())
}

fn start(running: &mut Vec<Child>, child: Child) -> &mut Child {
    running.push(child);
    let last = running.len() - 1;
    &mut running[last]
}

/// Whether a person reads what is said, and the shopper's report.
fn is_at_terminal() -> bool {
    io::stdout().is_terminal() && io::stderr().is_terminal()
}

/// Leaves the viewer, which is all that still runs, until somebody wants it to stop.
async fn show(options: &Together, running: &mut [Child], stop: &Stop) -> anyhow::Result<()> {
    say(format_args!(
        "the run is over, and its traces stay at http://{}/ until Ctrl-C (with --exit they do not)",
        options.viewer_listen
    ));
    let ended = running.iter_mut().map(|viewer| Box::pin(viewer.ended()));
    tokio::select! {
        (status, ..) = select_all(ended) => bail!("the viewer ended: {}", status?),
        _ = stop.requested() => Ok(()),
    }
}

/// A role, and how it ended.
type Ending = (&'static str, anyhow::Result<ExitStatus>);

/// Stops all that still runs, the last started first: the store still answers while the shopper's
/// trips end, and the viewer still receives what both flush. Says of the first that failed that it
/// did, also of those that had ended before.
async fn stop_all(mut running: Vec<Child>, mut endings: Vec<Ending>) -> anyhow::Result<ExitCode> {
    let deadline = Instant::now() + STOP_TIMEOUT - LAST_LINES;
    endings.extend(stop_services(&mut running, deadline - VIEWER_STOP).await);
    for viewer in &mut running {
        viewer.ask_to_stop();
        endings.push((VIEWER, viewer.stopped(deadline).await));
    }
    let mut failed = None;
    for (role, ending) in endings {
        match ending {
            Ok(status) if status.code() == Some(READER_GONE.into()) => {
                return Ok(READER_GONE.into());
            }
            Ok(status) if status.success() => {}
            Ok(status) => drop(failed.get_or_insert(format!("the {role} failed: {status}"))),
            Err(error) => drop(failed.get_or_insert(error.to_string())),
        }
    }
    match failed {
        Some(failed) => bail!(failed),
        None => Ok(ExitCode::SUCCESS),
    }
}

/// Stops the shopper and the store, and takes them from those that run.
async fn stop_services(running: &mut Vec<Child>, deadline: Instant) -> Vec<Ending> {
    let mut services: Vec<_> = running.extract_if(.., |child| child.role() != VIEWER).collect();
    for service in services.iter_mut().rev() {
        service.ask_to_stop();
        if service.role() == SHOPPER {
            // Trips that go on for longer are cut off when the store ends.
            timeout(TRIPS_TIMEOUT, service.needs_no_other()).await.ok();
        }
    }
    let mut endings = Vec::new();
    for service in services.iter_mut().rev() {
        endings.push((service.role(), service.stopped(deadline).await));
    }
    endings
}

/// Refuses an address that a role could not listen on, with the flag that chooses another one.
async fn check_free(addr: SocketAddr, whose: &str, flag: &str) -> anyhow::Result<()> {
    if listens(addr).await {
        bail!(
            "something listens on {addr} already, so {whose} cannot: stop it, or choose another \
             address with {flag}"
        );
    }
    if let Err(error) = TcpListener::bind(addr) {
        bail!("{whose} cannot listen on {addr}: {error}; choose another address with {flag}");
    }
    Ok(())
}

/// The page for Prometheus of a role, if metrics go to one. The store has the first port.
fn metrics_page(environment: &Environment, role: &str) -> Option<MetricsPage> {
    let number = METRICS_ROLES.iter().position(|one| *one == role)?;
    environment.metrics_page(u16::try_from(number).ok()?)
}

/// The variable that gives a role its own port for Prometheus.
fn page_variable(environment: &Environment, role: &str) -> Vec<(&'static str, OsString)> {
    metrics_page(environment, role).iter().map(MetricsPage::variable).collect()
}

/// The roles that will be started and have a page for Prometheus, with their pages.
fn metrics_pages(
    options: &Together,
    environment: &Environment,
    receiver: &Receiver,
) -> Vec<(&'static str, MetricsPage)> {
    METRICS_ROLES
        .into_iter()
        .filter(|role| *role != LAB || has_lab(options, receiver))
        .filter_map(|role| Some((role, metrics_page(environment, role)?)))
        .collect()
}

async fn check_metrics_pages(
    options: &Together,
    environment: &Environment,
    receiver: &Receiver,
) -> anyhow::Result<()> {
    for (role, page) in metrics_pages(options, environment, receiver) {
        // A host that cannot be found is refused by the role.
        let Ok(Some(address)) = page.address().await else { continue };
        if page.port != 0 {
            let whose = format!("the page for Prometheus of the {role}");
            check_free(address, &whose, PROMETHEUS_PORT).await?;
        }
    }
    Ok(())
}

/// Says where the traces and the store will be, before anything starts.
fn announce(options: &Together, environment: &Environment, receiver: &Receiver) {
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
    say(format_args!("traces  {traces}"));
    if *receiver == Receiver::Viewer {
        say(format_args!("logs    http://{}/logs", options.viewer_listen));
        say(format_args!("monitor http://{}/monitor", options.viewer_listen));
    }
    say(format_args!("store   http://{}/whats-in-store", options.store_listen));
    if has_lab(options, receiver) {
        say(format_args!("lab     http://{}/", options.lab_listen));
    }
    for (role, page) in metrics_pages(options, environment, receiver) {
        // A port that the system chooses is said by the role.
        if page.port != 0 {
            say(format_args!("metrics {page} ({role})"));
        }
    }
    say(format_args!("Ctrl-C stops"));
}

/// Whether the lab is started. It shows what is in the viewer.
fn has_lab(options: &Together, receiver: &Receiver) -> bool {
    *receiver == Receiver::Viewer && !options.no_lab
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
        ("--keep-orders", Some(options.keep_orders.to_string().into())),
    ]);
    // Nothing balances load here: it stops at once, also in a container whose variables say otherwise.
    args.extend(
        ["--allow-faults", "--drain", "0s", "--stop-within", STORE_STOP].map(OsString::from),
    );
    args
}

fn lab_args(options: &Together) -> Vec<OsString> {
    let url = |address: SocketAddr| Some(format!("http://{address}").into());
    flags([
        ("--listen", Some(options.lab_listen.to_string().into())),
        ("--store-url", url(options.store_listen)),
        ("--viewer-url", url(options.viewer_listen)),
        ("--stop-within", Some(STORE_STOP.into())),
    ])
}

/// The database as a variable. As a flag its password would be in the list of processes.
fn database_variable(options: &Together) -> Vec<(&'static str, OsString)> {
    options.database.iter().map(|url| ("DATABASE_URL", url.clone())).collect()
}

fn flags<const N: usize>(values: [(&str, Option<OsString>); N]) -> Vec<OsString> {
    let given = values.into_iter().filter_map(|(flag, value)| Some((flag, value?)));
    given.flat_map(|(flag, value)| [flag.into(), value]).collect()
}
