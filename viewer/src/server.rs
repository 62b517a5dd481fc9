//! The threads and ports of the viewer: one thread writes the store, one runs OTLP over gRPC, one
//! runs the HTTP servers with their workers.

mod grpc;
mod web;

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::JoinHandle;

use actix_web::dev::ServerHandle;
use tokio::sync::oneshot;

use crate::answer::Readers;
use crate::api::State;
use crate::api::live::Live;
use crate::config::Config;
use crate::error::Error;
use crate::ingest::{Budget, Queue, SharedStore};
use crate::otlp::receiver::Receiver;
use crate::stats::Stats;
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

    /// Stops at once and waits for the threads to end. What is held is in memory and goes with
    /// them, so there is nothing to wait for.
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
            // A thread that panicked has said so.
            drop(thread.join());
        }
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

    let bounds = Bounds { spans: config.max_spans, bytes: config.max_bytes };
    let store = SharedStore::new(Store::new(bounds));
    let stats = Arc::new(Stats::new());
    let (queue, writer) = Queue::start(store.clone())
        .map_err(|source| Error::Start { what: "the writer", source })?;
    let receiver = Receiver {
        queue,
        budget: Budget::new(config.max_waiting_bytes),
        stats: Arc::clone(&stats),
        request_bytes: config.max_request_bytes,
        // Most of what may wait at all, so that a large request alone is not overload.
        decoded_bytes: config.max_waiting_bytes / 3 * 2,
    };
    let readers = Readers::new(config.max_reading_bytes, config.read_patience);
    let state = State { store, stats, live: Arc::new(Live::default()), readers };

    let (stop_grpc, grpc_stopped) = oneshot::channel();
    let grpc = grpc::start(grpc.0, receiver.clone(), grpc_stopped)?;
    let (web, servers) = web::start(page, http, receiver, state, config.read_patience)?;
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
