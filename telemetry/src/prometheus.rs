//! The exporter `prometheus`: a small HTTP server whose page `/metrics` Prometheus reads.
//!
//! It runs on a thread of its own, with a runtime of its own, so that a service needs no web server
//! for it and its port can be closed to those who may reach the service. It makes no spans. It
//! answers `GET` and `HEAD` of `/metrics` and nothing else, and a connection carries one request.
//!
//! What a client may take from it is limited:
//!
//! | limit | constant |
//! |---|---|
//! | connections at the same time; others wait until one of them is closed | [`MOST_CONNECTIONS`] |
//! | time from the first byte to the last of a request's head | [`HEAD_TIMEOUT`] |
//! | time of a connection, from its start to its end | [`CONNECTION_TIMEOUT`] |
//! | bytes of a request's head | [`LONGEST_HEAD`] |
//!
//! The page is in the text format, version 0.0.4, whatever a client accepts: the crate `prometheus`
//! makes no OpenMetrics, and Prometheus takes a format that it did not ask for.
//!
//! <https://prometheus.io/docs/instrumenting/exposition_formats/>

use crate::config::PrometheusConfig;
use crate::error::TelemetryError;
use http::header::{ALLOW, CONTENT_TYPE, HOST};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use opentelemetry::KeyValue;
use opentelemetry::metrics::Histogram;
use prometheus::{Encoder as _, Registry, TextEncoder};
use shared::hosts::AllowedHosts;
use std::convert::Infallible;
use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs as _};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{Semaphore, oneshot};

/// How many connections are served at the same time. One Prometheus needs one.
const MOST_CONNECTIONS: usize = 32;

/// How long the head of a request may take to arrive.
const HEAD_TIMEOUT: Duration = Duration::from_secs(2);

/// How long a connection may last.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(10);

/// The most bytes of a request's head. It is the least that hyper can be told.
const LONGEST_HEAD: usize = 8 * 1024;

/// How long to wait before the next connection is accepted when the system refuses one, for example
/// because the process has no file descriptor left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How long it takes to collect the metrics for a page, for a histogram.
#[derive(Debug)]
pub(crate) struct CollectionDuration {
    pub(crate) histogram: Histogram<f64>,
    pub(crate) attributes: Vec<KeyValue>,
}

/// A running server. It stops when this is dropped, or by [`Page::close`].
#[derive(Debug)]
pub(crate) struct Page {
    address: SocketAddr,
    shared: Arc<Shared>,
    stop: Mutex<Option<(oneshot::Sender<()>, Receiver<()>)>>,
}

/// What the connections share.
#[derive(Debug)]
struct Shared {
    registry: Registry,
    hosts: AllowedHosts,
    duration: OnceLock<CollectionDuration>,
}

impl Page {
    /// Listens, and serves what is collected by `registry` from then on.
    ///
    /// # Errors
    /// [`TelemetryError::Exporter`] when it cannot listen.
    pub(crate) fn serve(
        config: &PrometheusConfig,
        registry: Registry,
    ) -> Result<Self, TelemetryError> {
        let refused = |reason: String| TelemetryError::Exporter { exporter: "prometheus", reason };
        let (listener, address) = listen(config).map_err(refused)?;
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| refused(error.to_string()))?;
        let hosts = AllowedHosts::of(address, &[]);
        let shared = Arc::new(Shared { registry, hosts, duration: OnceLock::new() });
        let (stop, stopped) = oneshot::channel();
        let (ended, end) = mpsc::channel();
        let on_thread = Arc::clone(&shared);
        std::thread::Builder::new()
            .name("telemetry-prometheus".to_owned())
            .spawn(move || {
                run(runtime, listener, on_thread, stopped);
                ended.send(()).ok();
            })
            .map_err(|error| refused(error.to_string()))?;
        Ok(Page { address, shared, stop: Mutex::new(Some((stop, end))) })
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Measures from now on how long it takes to collect the metrics. Only the first call counts.
    pub(crate) fn measure(&self, duration: CollectionDuration) {
        self.shared.duration.set(duration).ok();
    }

    /// Stops listening and closes all connections. Waits until `deadline` for that.
    pub(crate) fn close(&self, deadline: Instant) {
        let stop = self.stop.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some((stop, end)) = stop else { return };
        stop.send(()).ok();
        end.recv_timeout(deadline.saturating_duration_since(Instant::now())).ok();
    }
}

/// Binds the first address that `config` names, an IPv4 one if it names both: the name `localhost`
/// often stands for `::1` too, which is not where people look.
fn listen(config: &PrometheusConfig) -> Result<(TcpListener, SocketAddr), String> {
    let PrometheusConfig { host, port } = config;
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let mut addresses: Vec<_> = (bare, *port)
        .to_socket_addrs()
        .map_err(|error| {
            format!("the host {host:?} of OTEL_EXPORTER_PROMETHEUS_HOST cannot be found: {error}")
        })?
        .collect();
    addresses.sort_by_key(SocketAddr::is_ipv6);
    let Some(&address) = addresses.first() else {
        return Err(format!("OTEL_EXPORTER_PROMETHEUS_HOST={host:?} names no address"));
    };
    let bound = TcpListener::bind(address).and_then(|listener| {
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        Ok((listener, address))
    });
    bound.map_err(|error| match error.kind() {
        io::ErrorKind::AddrInUse => format!(
            "something listens on {address} already: choose another port with \
             OTEL_EXPORTER_PROMETHEUS_PORT, a different one for each process"
        ),
        io::ErrorKind::AddrNotAvailable => format!(
            "{address} is no address of this machine: OTEL_EXPORTER_PROMETHEUS_HOST names one"
        ),
        _ => format!(
            "cannot listen on {address}: {error}; OTEL_EXPORTER_PROMETHEUS_HOST and \
             OTEL_EXPORTER_PROMETHEUS_PORT choose another address"
        ),
    })
}

/// Serves until `stopped` resolves, which it also does when its sender is dropped.
fn run(
    runtime: Runtime,
    listener: TcpListener,
    shared: Arc<Shared>,
    stopped: oneshot::Receiver<()>,
) {
    runtime.block_on(async {
        match tokio::net::TcpListener::from_std(listener) {
            Ok(listener) => tokio::select! {
                _ = stopped => {}
                () = accept(listener, shared) => {}
            },
            Err(error) => tracing::error!(name: "telemetry.prometheus.failed", %error, "metrics cannot be served to Prometheus"),
        }
    });
    // Dropping the runtime closes the connections that are open.
    runtime.shutdown_background();
}

async fn accept(listener: tokio::net::TcpListener, shared: Arc<Shared>) {
    let room = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    loop {
        // The semaphore is never closed.
        let Ok(place) = Arc::clone(&room).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => {
                let shared = Arc::clone(&shared);
                tokio::spawn(async move {
                    serve_one(stream, shared).await;
                    drop(place);
                });
            }
            Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
        }
    }
}

/// Serves the one request of a connection. What goes wrong on the way is the client's.
async fn serve_one(stream: TcpStream, shared: Arc<Shared>) {
    let answer = service_fn(|request: Request<Incoming>| {
        let answer = shared.answer(&request);
        async { Ok::<_, Infallible>(answer) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(LONGEST_HEAD)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), answer);
    tokio::time::timeout(CONNECTION_TIMEOUT, connection).await.map(Result::ok).ok();
}

impl Shared {
    fn answer(&self, request: &Request<Incoming>) -> Response<Full<Bytes>> {
        let host = request.headers().get(HOST).and_then(|host| host.to_str().ok());
        if !host.is_none_or(|host| self.hosts.allow(host)) {
            let why = "this address answers only to names of this machine, such as localhost\n";
            return text(StatusCode::FORBIDDEN, why);
        }
        if request.uri().path() != "/metrics" {
            return text(StatusCode::NOT_FOUND, "the metrics are at /metrics\n");
        }
        if ![Method::GET, Method::HEAD].contains(request.method()) {
            let mut refusal = text(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n");
            refusal.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            return refusal;
        }
        match self.page() {
            Ok(page) => {
                let mut answer = Response::new(Full::from(page));
                let format = HeaderValue::from_static(prometheus::TEXT_FORMAT);
                answer.headers_mut().insert(CONTENT_TYPE, format);
                answer
            }
            Err(error) => {
                tracing::warn!(name: "telemetry.prometheus.page_failed", %error, "the metrics for Prometheus cannot be written");
                text(StatusCode::INTERNAL_SERVER_ERROR, "the metrics cannot be written\n")
            }
        }
    }

    /// Collects all metrics.
    fn page(&self) -> prometheus::Result<Vec<u8>> {
        let start = Instant::now();
        let families = self.registry.gather();
        if let Some(duration) = self.duration.get() {
            duration.histogram.record(start.elapsed().as_secs_f64(), &duration.attributes);
        }
        let mut page = Vec::new();
        TextEncoder::new().encode(&families, &mut page)?;
        Ok(page)
    }
}

fn text(status: StatusCode, text: &'static str) -> Response<Full<Bytes>> {
    let mut answer = Response::new(Full::from(text));
    *answer.status_mut() = status;
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    answer.headers_mut().insert(CONTENT_TYPE, plain);
    answer
}
