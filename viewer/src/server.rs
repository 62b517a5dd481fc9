//! The threads and ports of the viewer: one thread writes the store, one runs OTLP over gRPC, one
//! runs the HTTP servers with their workers.

mod grpc;
mod web;

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::JoinHandle;

use actix_web::dev::ServerHandle;
use nix::sys::resource::{Resource, getrlimit};
use tokio::sync::oneshot;

use crate::answer::Readers;
use crate::api::live::Live;
use crate::api::{Receives, State};
use crate::budget::Budget;
use crate::config::Config;
use crate::error::Error;
use crate::ingest::{Queue, SharedStore};
use crate::otlp::decode::Decoder;
use crate::otlp::receiver::Receiver;
use crate::stats::Stats;
use crate::store::instruments::Instruments;
use crate::store::logs::{LogBounds, Logs};
use crate::store::model::now;
use crate::store::monitor::SeriesBounds;
use crate::store::{Bounds, Store};

/// A running viewer. It stops when this is dropped, or [stopped](Self::stop).
#[derive(Debug)]
pub struct Handle {
    listen: SocketAddr,
    otlp: SocketAddr,
    otlp_grpc: SocketAddr,
    web: Vec<ServerHandle>,
    grpc: Option<oneshot::Sender<()>>,
    threads: Vec<JoinHandle<()>>,
}

impl Handle {
    /// Where the page and the query API are.
    #[must_use]
    pub fn listen(&self) -> SocketAddr {
        self.listen
    }

    /// Where OTLP over HTTP goes.
    #[must_use]
    pub fn otlp(&self) -> SocketAddr {
        self.otlp
    }

    /// Where OTLP over gRPC goes.
    #[must_use]
    pub fn otlp_grpc(&self) -> SocketAddr {
        self.otlp_grpc
    }

    /// Stops at once and waits for the threads to end. The traces are in memory only, so nothing
    /// has to be saved.
    pub fn stop(self) {
        drop(self);
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        for server in &self.web {
            // The command is sent by the call; its future only waits for the end.
            drop(server.stop(false));
        }
        drop(self.grpc.take());
        for thread in self.threads.drain(..) {
            // If it panicked, the panic has been logged already.
            drop(thread.join());
        }
    }
}

/// How many connections each port may have. A connection is a file descriptor, and a process has a
/// limited number of them: they are divided, so that no port can take those of another.
#[derive(Clone, Copy, Debug)]
struct Connections {
    page: usize,
    otlp: usize,
    grpc: usize,
}

impl Connections {
    /// The most that one port gets.
    const MOST: usize = 2_048;
    /// Descriptors that the process needs for itself.
    const OWN: usize = 40;

    fn of_this_process() -> Self {
        // Without a number the system has no limit.
        let descriptors = getrlimit(Resource::RLIMIT_NOFILE).map_or(u64::MAX, |(soft, _)| soft);
        Self::of(usize::try_from(descriptors).unwrap_or(usize::MAX))
    }

    fn of(descriptors: usize) -> Self {
        let most = |share: usize| share.clamp(2, Self::MOST);
        let free = descriptors.saturating_sub(Self::OWN);
        Self { page: most(free / 2), otlp: most(free / 4), grpc: most(free / 4).min(256) }
    }
}

/// Starts the viewer; it runs in threads of its own until the handle is dropped.
///
/// # Errors
///
/// [`Error::Bind`] when an address cannot be listened on, [`Error::Start`] when the system gives no
/// thread.
pub fn serve(config: Config) -> Result<Handle, Error> {
    let page = listen(config.listen, "the page", "listen")?;
    let http = listen(config.otlp, "OTLP over HTTP", "otlp")?;
    let grpc = listen(config.otlp_grpc, "OTLP over gRPC", "otlp-grpc")?;
    let (listen, otlp, otlp_grpc) = (page.1, http.1, grpc.1);

    let log_bounds = LogBounds { records: config.max_logs, bytes: config.max_log_bytes };
    let monitor = SeriesBounds { series: config.max_series, bytes: config.max_series_bytes };
    let bounds = Bounds { spans: config.max_spans, bytes: config.max_bytes, monitor };
    let instruments =
        SeriesBounds { series: config.max_metric_series, bytes: config.max_metric_bytes };
    let instruments = Instruments::new(instruments, now());
    let store = SharedStore::new(Store::new(bounds), Logs::new(log_bounds), instruments);
    let stats = Arc::new(Stats::new());
    // One request is decoded at a time: it gets the larger part of what requests may take, and
    // the bodies that wait for that share the rest.
    let decoded_bytes = config.max_waiting_bytes / 3 * 2;
    let decoder = Decoder::new(config.max_request_bytes, decoded_bytes);
    let (queue, writer) = Queue::start(decoder, store.clone(), Arc::clone(&stats))
        .map_err(|source| Error::Start { what: "the writer", source })?;
    let receiver = Receiver {
        queue,
        budget: Budget::new(config.max_waiting_bytes - decoded_bytes),
        stats: Arc::clone(&stats),
        request_bytes: config.max_request_bytes,
    };
    let readers = Readers::new(config.max_reading_bytes, config.read_patience);
    let receives = Receives { otlp, otlp_grpc };
    let live = Arc::new(Live::default());
    let chips = config.chips.clone();
    let state = State { store, stats, live, readers, chips, receives };

    let connections = Connections::of_this_process();
    let (stop_grpc, grpc_stopped) = oneshot::channel();
    let grpc = grpc::start(grpc.0, connections.grpc, receiver.clone(), grpc_stopped)?;
    let (web, servers) = web::start(page, http, connections, receiver, state, &config)?;
    Ok(Handle {
        listen,
        otlp,
        otlp_grpc,
        web: servers,
        grpc: Some(stop_grpc),
        threads: vec![web, grpc, writer],
    })
}

fn listen(
    address: SocketAddr,
    purpose: &'static str,
    flag: &'static str,
) -> Result<(TcpListener, SocketAddr), Error> {
    let bound = TcpListener::bind(address).and_then(|listener| {
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        Ok((listener, address))
    });
    bound.map_err(|source| Error::Bind { address, purpose, flag, source })
}
