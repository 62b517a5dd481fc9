//! `grocery lab`: a page to see lessons, faults, sampling and propagation at work, each in a request of
//! one's own.
//!
//! - [`server`]: HTTP, and who may ask for what;
//! - [`page`]: the page;
//! - [`trip`]: the requests that it makes of the store, each with a span;
//! - [`propagation`]: the headers that carry their context.

mod page;
mod propagation;
mod server;
mod trip;

use std::{
    io::Write as _,
    net::{SocketAddr, TcpListener},
    process::ExitCode,
    time::Duration,
};

use anyhow::Context as _;
use clap::Args;
use opentelemetry::global;
use shared::{
    hosts::HostName,
    output,
    signal::{self, READER_GONE, Reason, Stop},
};
use shopper::tls::TrustArgs;
use store::lessons::CUSTOMER;
use telemetry::{Service, Streams, Telemetry};

use self::{propagation::PerRequest, server::Lab};
use crate::{
    http::{Http, ServerUrl},
    runs::Store,
    viewer_api::Viewer,
};

/// The arguments of `grocery lab`.
#[derive(Args, Debug)]
pub(crate) struct LabArgs {
    /// Address and port to listen on; port 0 takes any free port
    #[arg(long, env = "GROCERY_LAB_LISTEN", value_name = "ADDR", default_value = "127.0.0.1:5050")]
    #[arg(value_parser = shared::listen::address)]
    listen: SocketAddr,

    /// The store to send requests to, which was started with --allow-faults
    #[arg(long, env = "STORE_URL", value_name = "URL", default_value = "http://127.0.0.1:5000")]
    store_url: ServerUrl,

    /// The viewer that gets the spans of the store and of the lab
    #[arg(
        long,
        env = "GROCERY_VIEWER_URL",
        value_name = "URL",
        default_value = "http://127.0.0.1:16686"
    )]
    viewer_url: ServerUrl,

    #[command(flatten)]
    trust: TrustArgs,

    /// Names and addresses by which the lab is reached, without port, separated by commas
    ///
    /// A lab that listens on the loopback interface answers to the names of this machine alone, such as
    /// localhost, and to these. One that listens elsewhere answers to every name, unless there are some
    /// here [default: none]
    #[arg(long, env = "GROCERY_LAB_ALLOWED_HOSTS", value_name = "HOST", value_delimiter = ',')]
    allowed_hosts: Vec<HostName>,

    /// Stop within this time, such as 10s, of being told to
    #[arg(long, value_name = "DURATION", default_value = "10s", hide = true)]
    #[arg(value_parser = shared::env::duration)]
    stop_within: Duration,

    /// Stop when stdin ends, because the process that started the lab has gone
    #[arg(long, hide = true)]
    parent_pipe: bool,
}

/// Serves the lab until it is told to stop.
///
/// # Errors
/// When it cannot listen, or telemetry does not start.
pub(crate) fn run(args: LabArgs) -> anyhow::Result<ExitCode> {
    output::report_panics();
    let stop = signal::watch(args.parent_pipe, args.stop_within)?;
    let service = Service {
        name: "grocery-lab",
        namespace: "grocery",
        version: env!("CARGO_PKG_VERSION"),
        baggage_attributes: &[CUSTOMER],
        crates: &["grocery"],
        ..Service::default()
    };
    let telemetry = Telemetry::init_with(service, Streams::new(output::stderr, stop.stdout()))?;
    global::set_text_map_propagator(PerRequest::new());
    let served = actix_rt::System::new().block_on(serve(args, stop.clone()));
    output::stderr().open_reserve();
    telemetry.shutdown_within(stop.time_for(telemetry::SHUTDOWN_TIMEOUT));
    served?;
    output::finish();
    Ok(match stop.reason() {
        Some(Reason::ReaderGone) => READER_GONE.into(),
        _ => ExitCode::SUCCESS,
    })
}

async fn serve(args: LabArgs, stop: Stop) -> anyhow::Result<()> {
    let listener = TcpListener::bind(args.listen);
    let listener = listener.with_context(|| format!("cannot listen on {}", args.listen))?;
    let address = listener.local_addr()?;
    let to = |url: &ServerUrl| Http::to(url.url(), &args.trust);
    let store = Store { http: to(&args.store_url)?, url: args.store_url };
    let viewer = Viewer { http: to(&args.viewer_url)?, url: args.viewer_url };
    let server = server::serve(Lab::new(store, viewer, address, &args.allowed_hosts), listener)?;
    // With a parent this is said already.
    if !args.parent_pipe {
        writeln!(output::stderr(), "grocery lab: open on http://{address}").ok();
    }
    let handle = server.handle();
    actix_rt::spawn(async move {
        stop.requested().await;
        handle.stop(true).await;
    });
    Ok(server.await?)
}
