//! The server of OTLP over gRPC, on a thread of its own, and the bounds on its connections.
//!
//! gRPC's clients keep a connection for good, so it needs bounds that HTTP/1 does not: how many
//! there may be, how many calls each may have open, and how long one may be idle. When there is no
//! room for another one, or the process has no descriptor left, those that have been idle for a
//! moment are asked to go.

use std::net::{IpAddr, TcpListener};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use http2::{Connection, Limits};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::{Instant, interval, sleep};

use crate::error::Error;
use crate::otlp::grpc::answer;
use crate::otlp::receiver::Receiver;

/// What a client may take of a connection.
const LIMITS: Limits = Limits { calls: 16, header_bytes: 16 << 10, window_bytes: 512 << 10 };
/// How long a connection may be without a call.
const IDLE: Duration = Duration::from_secs(300);
/// The same before its first call, and when others wait for its place.
const IDLE_UNDER_PRESSURE: Duration = Duration::from_secs(10);
/// How often a connection is looked at, and how long it is given to go.
const CHECK: Duration = Duration::from_secs(1);
/// The pause before the next attempt, when a connection could not be accepted.
const PAUSE: Duration = Duration::from_millis(200);

/// Starts the server, which runs until `stopped` resolves.
pub(super) fn start(
    listener: TcpListener,
    connections: usize,
    receiver: Receiver,
    stopped: oneshot::Receiver<()>,
) -> Result<JoinHandle<()>, Error> {
    let failed = |source| Error::Start { what: "the gRPC server", source };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(failed)?;
    let listener = {
        let _entered = runtime.enter();
        tokio::net::TcpListener::from_std(listener).map_err(failed)?
    };
    let server = Arc::new(Server {
        receiver,
        places: Arc::new(Semaphore::new(connections)),
        crowded: AtomicBool::new(false),
    });
    let run = move || {
        runtime.block_on(async {
            tokio::select! {
                () = accept(&listener, &server) => {}
                _ = stopped => {}
            }
        });
        runtime.shutdown_background();
    };
    std::thread::Builder::new().name(String::from("otlp-grpc")).spawn(run).map_err(failed)
}

#[derive(Debug)]
struct Server {
    receiver: Receiver,
    /// One for each connection that there may be.
    places: Arc<Semaphore>,
    /// Whether a connection waits for a place.
    crowded: AtomicBool,
}

/// Accepts connections, until its task ends.
async fn accept(listener: &tokio::net::TcpListener, server: &Arc<Server>) {
    loop {
        let place = place(server).await;
        match listener.accept().await {
            Ok((stream, peer)) => {
                server.crowded.store(false, Ordering::Relaxed);
                let server = Arc::clone(server);
                tokio::spawn(serve(stream, peer.ip(), server, place));
            }
            // Most likely the process is out of descriptors, and trying again at once would fail
            // again.
            Err(error) => {
                tracing::debug!("cannot accept a connection for OTLP over gRPC: {error}");
                server.crowded.store(true, Ordering::Relaxed);
                sleep(PAUSE).await;
            }
        }
    }
}

/// A place for one more connection.
async fn place(server: &Server) -> Option<OwnedSemaphorePermit> {
    if let Ok(place) = Arc::clone(&server.places).try_acquire_owned() {
        return Some(place);
    }
    server.crowded.store(true, Ordering::Relaxed);
    // The semaphore is never closed.
    Arc::clone(&server.places).acquire_owned().await.ok()
}

/// Serves one connection until its client closes it or it has been idle for too long.
async fn serve(
    stream: TcpStream,
    peer: IpAddr,
    server: Arc<Server>,
    _place: Option<OwnedSemaphorePermit>,
) {
    // Answers are small, and their senders wait for them.
    drop(stream.set_nodelay(true));
    let activity = Arc::new(Activity::new());
    let (answering, calls) = (Arc::clone(&server), Arc::clone(&activity));
    let mut connection = Connection::new(
        stream,
        LIMITS,
        Box::new(move |call| {
            let (server, open) = (Arc::clone(&answering), Activity::begin(&calls));
            Box::pin(async move {
                let answer = answer(&server.receiver, peer, call).await;
                drop(open);
                Ok(answer)
            })
        }),
    );
    let mut checks = interval(CHECK);
    let mut asked_to_go = false;
    loop {
        tokio::select! {
            ended = &mut connection => {
                if let Err(error) = ended {
                    tracing::debug!(%peer, "a connection for OTLP over gRPC has failed: {error}");
                }
                return;
            }
            _ = checks.tick() => {
                if !activity.is_idle(server.crowded.load(Ordering::Relaxed)) {
                    asked_to_go = false;
                } else if asked_to_go {
                    return;
                } else {
                    connection.graceful_shutdown();
                    asked_to_go = true;
                }
            }
        }
    }
}

/// What has happened on a connection.
#[derive(Debug)]
struct Activity {
    open_calls: AtomicUsize,
    /// When it was accepted, or its last call ended.
    last: Mutex<(Instant, Calls)>,
}

/// Whether there was a call yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Calls {
    None,
    Some,
}

/// A call that is open.
struct OpenCall(Arc<Activity>);

impl Activity {
    fn new() -> Self {
        Self { open_calls: AtomicUsize::new(0), last: Mutex::new((Instant::now(), Calls::None)) }
    }

    fn begin(this: &Arc<Self>) -> OpenCall {
        this.open_calls.fetch_add(1, Ordering::Relaxed);
        OpenCall(Arc::clone(this))
    }

    /// Whether there has been no call for longer than there may be.
    fn is_idle(&self, crowded: bool) -> bool {
        let (last, calls) = *self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let most = if crowded || calls == Calls::None { IDLE_UNDER_PRESSURE } else { IDLE };
        self.open_calls.load(Ordering::Relaxed) == 0 && last.elapsed() > most
    }
}

impl Drop for OpenCall {
    fn drop(&mut self) {
        self.0.open_calls.fetch_sub(1, Ordering::Relaxed);
        let mut last = self.0.last.lock().unwrap_or_else(PoisonError::into_inner);
        *last = (Instant::now(), Calls::Some);
    }
}
