//! A store and a viewer that a command starts for itself, and ends.

use std::{ffi::OsString, net::SocketAddr, time::Duration};

use anyhow::Context;
use tokio::{net::TcpListener, time::Instant};

use crate::{
    child::Child,
    http::{Http, ServerUrl},
    runs::Store,
    viewer_api::Viewer,
};

/// How long both may take to stop.
const STOP_TIMEOUT: Duration = Duration::from_secs(4);

/// How long a span of this store waits at most until it is sent, in milliseconds: a person is waiting.
const SEND_EVERY: &str = "50";

/// A store with an empty database in memory, and a viewer that gets its spans.
#[derive(Debug)]
pub(crate) struct OwnRoles {
    viewer: Child,
    /// `None` when it has been stopped.
    store: Option<Child>,
    addresses: Addresses,
}

#[derive(Clone, Copy, Debug)]
struct Addresses {
    store: SocketAddr,
    viewer: SocketAddr,
}

impl OwnRoles {
    /// Starts both, on ports that are free.
    ///
    /// # Errors
    /// When one of them does not start.
    pub(crate) async fn start() -> anyhow::Result<Self> {
        let [store, viewer, otlp, otlp_grpc] = free_addresses().await?;
        let args = flags([("--listen", viewer), ("--otlp", otlp), ("--otlp-grpc", otlp_grpc)]);
        let mut viewer_child = Child::start("viewer", args, &[("VIEWER_LOG", "warn".into())])?;
        viewer_child.listening(otlp).await?;
        viewer_child.listening(viewer).await?;

        let mut args = flags([("--listen", store)]);
        args.push("--allow-faults".into());
        // What the user has set for the store of a demo must not keep these spans from this viewer.
        let variables = [
            ("DATABASE_URL", "sqlite::memory:".into()),
            ("STORE_DRAIN", "0s".into()),
            ("OTEL_SDK_DISABLED", "false".into()),
            ("OTEL_TRACES_EXPORTER", "otlp".into()),
            // The port of a page for Prometheus is that of the user's own store.
            ("OTEL_METRICS_EXPORTER", "none".into()),
            ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/protobuf".into()),
            ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", format!("http://{otlp}/v1/traces").into()),
            ("OTEL_TRACES_SAMPLER", "parentbased_always_on".into()),
            ("OTEL_PROPAGATORS", "tracecontext,baggage".into()),
            ("OTEL_BSP_SCHEDULE_DELAY", SEND_EVERY.into()),
            ("RUST_LOG", "warn".into()),
        ];
        let mut store_child = Child::start("store", args, &variables)?;
        store_child.listening(store).await?;
        let addresses = Addresses { store, viewer };
        Ok(Self { viewer: viewer_child, store: Some(store_child), addresses })
    }

    pub(crate) fn store(&self) -> Store {
        Store { url: url(self.addresses.store), http: Http::plain() }
    }

    pub(crate) fn viewer(&self) -> Viewer {
        Viewer { url: url(self.addresses.viewer), http: Http::plain() }
    }

    /// Stops the store. The viewer stays.
    ///
    /// # Errors
    /// When it does not stop, or fails.
    pub(crate) async fn stop_store(&mut self) -> anyhow::Result<()> {
        let Some(mut store) = self.store.take() else { return Ok(()) };
        stop(&mut store).await
    }

    /// Waits until the viewer ends although it was not asked to.
    pub(crate) async fn viewer_ended(&mut self) -> anyhow::Error {
        match self.viewer.ended().await {
            Ok(status) => anyhow::anyhow!("the viewer ended: {status}"),
            Err(error) => error.into(),
        }
    }

    /// Stops both.
    ///
    /// # Errors
    /// When one does not stop, or fails.
    pub(crate) async fn stop(mut self) -> anyhow::Result<()> {
        let stopped = self.stop_store().await;
        stop(&mut self.viewer).await?;
        stopped
    }
}

async fn stop(child: &mut Child) -> anyhow::Result<()> {
    child.ask_to_stop();
    let status = child.stopped(Instant::now() + STOP_TIMEOUT).await?;
    anyhow::ensure!(status.success(), "the {} failed: {status}", child.role());
    Ok(())
}

/// Addresses on which nothing listens.
async fn free_addresses<const N: usize>() -> anyhow::Result<[SocketAddr; N]> {
    // All are bound at the same time, so that they differ.
    let mut listeners = Vec::new();
    for _ in 0..N {
        listeners.push(TcpListener::bind("127.0.0.1:0").await.context("there is no free port")?);
    }
    let addresses: Vec<_> =
        listeners.iter().map(TcpListener::local_addr).collect::<Result<_, _>>()?;
    Ok(addresses.try_into().expect("as many as listeners"))
}

fn url(address: SocketAddr) -> ServerUrl {
    format!("http://{address}").parse().expect("an address makes a URL")
}

fn flags<const N: usize>(values: [(&str, SocketAddr); N]) -> Vec<OsString> {
    values.into_iter().flat_map(|(flag, value)| [flag.into(), value.to_string().into()]).collect()
}
