//! The command line and the environment; nothing else reads them.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

/// What is logged unless told otherwise. actix says much at its start, and has an error for each
/// answer that was cut short, of which the viewer itself says when that begins and when it is over.
const DEFAULT_LOG: &str = "info,actix_server=warn,actix_http=off";

/// The arguments of the viewer.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Address of the page and the query API
    #[arg(long, env = "VIEWER_LISTEN", value_name = "ADDR", default_value = "127.0.0.1:16686")]
    #[arg(value_parser = shared::listen::address)]
    pub listen: SocketAddr,

    /// Address that takes OTLP over HTTP, in protobuf and JSON
    #[arg(long, env = "VIEWER_OTLP", value_name = "ADDR", default_value = "127.0.0.1:4318")]
    #[arg(value_parser = shared::listen::address)]
    pub otlp: SocketAddr,

    /// Address that takes OTLP over gRPC
    #[arg(long, env = "VIEWER_OTLP_GRPC", value_name = "ADDR", default_value = "127.0.0.1:4317")]
    #[arg(value_parser = shared::listen::address)]
    pub otlp_grpc: SocketAddr,

    /// Spans held at most; the oldest traces go first
    #[arg(long, env = "VIEWER_MAX_SPANS", value_name = "N", default_value_t = Config::MAX_SPANS)]
    #[arg(value_parser = at_least_one)]
    pub max_spans: usize,

    /// Memory of the spans held at most, in bytes; the oldest traces go first
    ///
    /// It is an estimate of what the spans and their indexes take. The process takes up to a quarter
    /// more, whatever spans there are, and 24 MiB for itself; while the store is behind, up to
    /// 192 MiB of requests that wait.
    #[arg(long, env = "VIEWER_MAX_BYTES", value_name = "BYTES", default_value_t = Config::MAX_BYTES)]
    #[arg(value_parser = at_least_one)]
    pub max_bytes: usize,

    /// What is logged on stderr, as tracing filters write it
    #[arg(long, env = "VIEWER_LOG", value_name = "FILTER", default_value = DEFAULT_LOG)]
    pub log: String,

    /// Stop when stdin ends: whoever started the viewer is gone
    #[arg(long, hide = true)]
    pub parent_pipe: bool,
}

/// What the viewer does, settled.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// Address of the page and the query API.
    pub listen: SocketAddr,
    /// Address that takes OTLP over HTTP.
    pub otlp: SocketAddr,
    /// Address that takes OTLP over gRPC.
    pub otlp_grpc: SocketAddr,
    /// Spans held at most.
    pub max_spans: usize,
    /// Bytes held at most, estimated.
    pub max_bytes: usize,
    /// Bytes that one request may have, compressed and decompressed.
    pub max_request_bytes: usize,
    /// Bytes that requests may take together: a third of it those that are on their way in or wait,
    /// the rest the one that is being decoded.
    pub max_waiting_bytes: usize,
    /// Bytes that all readers may hold together while their answers are made.
    pub max_reading_bytes: usize,
    /// How long a reader may leave a piece of an answer unread before its connection ends.
    pub read_patience: Duration,
}

impl Config {
    const MAX_SPANS: usize = 200_000;
    const MAX_BYTES: usize = 256 << 20;
    const MAX_REQUEST_BYTES: usize = 16 << 20;
    const MAX_WAITING_BYTES: usize = 192 << 20;
    const MAX_READING_BYTES: usize = 64 << 20;
    const READ_PATIENCE: Duration = Duration::from_secs(10);

    /// The default limits on free ports of the loopback interface: for tests, which run side by
    /// side.
    #[must_use]
    pub fn on_free_ports() -> Self {
        let free = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Self {
            listen: free,
            otlp: free,
            otlp_grpc: free,
            max_spans: Self::MAX_SPANS,
            max_bytes: Self::MAX_BYTES,
            max_request_bytes: Self::MAX_REQUEST_BYTES,
            max_waiting_bytes: Self::MAX_WAITING_BYTES,
            max_reading_bytes: Self::MAX_READING_BYTES,
            read_patience: Self::READ_PATIENCE,
        }
    }
}

impl From<&Args> for Config {
    fn from(args: &Args) -> Self {
        Self {
            listen: args.listen,
            otlp: args.otlp,
            otlp_grpc: args.otlp_grpc,
            max_spans: args.max_spans,
            max_bytes: args.max_bytes,
            ..Self::on_free_ports()
        }
    }
}

fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) | Err(_) => Err(String::from("expected a whole number of at least 1")),
        Ok(number) => Ok(number),
    }
}
