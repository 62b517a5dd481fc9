//! The command line and the environment; nothing else reads them.

use std::net::{Ipv4Addr, SocketAddr};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use shared::hosts::HostName;
use tracing_subscriber::EnvFilter;

use crate::base_path::BasePath;
use crate::cors::Origin;

/// What is logged unless told otherwise. actix logs much at its start, and an error for each answer
/// that is cut short; the viewer has log lines of its own for that.
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
    /// It is an estimate of what the spans and their indexes take. The process takes up to a
    /// quarter more, whatever spans there are, and 24 MiB for itself; while the store is behind, up
    /// to 192 MiB of requests that wait. The figures of the last hour come on top, see
    /// --max-series-bytes.
    #[arg(long, env = "VIEWER_MAX_BYTES", value_name = "BYTES", default_value_t = Config::MAX_BYTES)]
    #[arg(value_parser = at_least_one)]
    pub max_bytes: usize,

    /// Log records held at most; the oldest go first
    #[arg(long, env = "VIEWER_MAX_LOGS", value_name = "N", default_value_t = Config::MAX_LOGS)]
    #[arg(value_parser = at_least_one)]
    pub max_logs: usize,

    /// Memory of the log records held at most, in bytes; the oldest go first
    ///
    /// It is an estimate as for the spans, beside which it comes.
    #[arg(long, env = "VIEWER_MAX_LOG_BYTES", value_name = "BYTES")]
    #[arg(default_value_t = Config::MAX_LOG_BYTES, value_parser = at_least_one)]
    pub max_log_bytes: usize,

    /// Operations, actors and services together whose rate, errors and duration are remembered for an
    /// hour at most; a service counts as three. What more there are is one series, "other"
    #[arg(long, env = "VIEWER_MAX_SERIES", value_name = "N", default_value_t = Config::MAX_SERIES)]
    #[arg(value_parser = at_least_one)]
    pub max_series: usize,

    /// Memory of these figures at most, in bytes; the oldest go first
    #[arg(long, env = "VIEWER_MAX_SERIES_BYTES", value_name = "BYTES")]
    #[arg(default_value_t = Config::MAX_SERIES_BYTES, value_parser = at_least_one)]
    pub max_series_bytes: usize,

    /// Series of metrics held at most, one for each set of attributes of an instrument; the points of
    /// further ones are rejected
    #[arg(long, env = "VIEWER_MAX_METRIC_SERIES", value_name = "N")]
    #[arg(default_value_t = Config::MAX_METRIC_SERIES, value_parser = at_least_one)]
    pub max_metric_series: usize,

    /// Memory of the metrics held at most, in bytes; the oldest points go first
    #[arg(long, env = "VIEWER_MAX_METRIC_BYTES", value_name = "BYTES")]
    #[arg(default_value_t = Config::MAX_METRIC_BYTES, value_parser = at_least_one)]
    pub max_metric_bytes: usize,

    /// Attributes whose values stand on each trace of the list, such as http.route,user.id
    ///
    /// Keys, separated by commas, eight at most. The value is that of the trace's root; where that
    /// has none, of the first span that has one [default: none]
    #[arg(long, env = "VIEWER_CHIPS", value_name = "KEYS", default_value = "")]
    #[arg(hide_default_value = true)]
    pub chips: Chips,

    /// Path under which a proxy shows the page, such as /tools/traces
    ///
    /// The page, both query APIs and the live feeds are then reached under this path, whether the
    /// proxy passes it on or takes it away. OTLP stays at /v1/traces of its own port [default: none]
    #[arg(long, env = "VIEWER_BASE_PATH", value_name = "PATH", default_value = "")]
    #[arg(hide_default_value = true)]
    pub base_path: BasePath,

    /// Names and addresses by which the viewer is reached, without port, separated by commas
    ///
    /// A viewer that listens on the loopback interface answers to the names of this machine alone,
    /// such as localhost, and to these, for example host.docker.internal. One that listens elsewhere
    /// answers to every name, unless there are some here [default: none]
    #[arg(long, env = "VIEWER_ALLOWED_HOSTS", value_name = "HOST", value_delimiter = ',')]
    pub allowed_hosts: Vec<HostName>,

    /// Origins whose pages may send OTLP over HTTP from a browser, separated by commas, such as
    /// `https://shop.example,http://localhost:3000`
    ///
    /// `*` lets the pages of every site send; it is for development [default: none]
    #[arg(long, env = "VIEWER_CORS_ORIGINS", value_name = "ORIGIN", value_delimiter = ',')]
    pub cors_origins: Vec<Origin>,

    /// What is logged on stderr, as tracing filters write it
    #[arg(long, env = "VIEWER_LOG", value_name = "FILTER", default_value = DEFAULT_LOG)]
    #[arg(value_parser = log_filter)]
    pub log: String,

    /// Stop when stdin ends, because the process that started the viewer has gone
    #[arg(long, hide = true)]
    pub parent_pipe: bool,
}

/// Keys of attributes that tell traces apart: their values stand on each trace of the list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Chips(Arc<[Box<str>]>);

impl Chips {
    /// Keys at most, and characters in each.
    const MOST: usize = 8;
    const LONGEST: usize = 128;

    /// The keys, in the order in which they are shown.
    pub fn keys(&self) -> impl ExactSizeIterator<Item = &str> {
        self.0.iter().map(|key| &**key)
    }
}

impl FromStr for Chips {
    type Err = String;

    /// The keys in `text`, separated by commas.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut keys: Vec<Box<str>> = Vec::new();
        for key in text.split(',').map(str::trim).filter(|key| !key.is_empty()) {
            if key.chars().count() > Self::LONGEST || key.contains(char::is_whitespace) {
                let most = Self::LONGEST;
                return Err(format!(
                    "{key:?} is no key: expected at most {most} characters without white space"
                ));
            }
            if !keys.iter().any(|known| **known == *key) {
                keys.push(key.into());
            }
        }
        if keys.len() > Self::MOST {
            return Err(format!("expected {} keys at most, not {}", Self::MOST, keys.len()));
        }
        Ok(Self(keys.into()))
    }
}

/// The settings of a viewer.
#[derive(Clone, Debug)]
pub struct Config {
    /// Address of the page and the query API.
    pub listen: SocketAddr,
    /// Address that takes OTLP over HTTP.
    pub otlp: SocketAddr,
    /// Address that takes OTLP over gRPC.
    pub otlp_grpc: SocketAddr,
    /// Spans held at most.
    pub max_spans: usize,
    /// Bytes of spans held at most, estimated.
    pub max_bytes: usize,
    /// Log records held at most.
    pub max_logs: usize,
    /// Bytes of log records held at most, estimated.
    pub max_log_bytes: usize,
    /// Series that are remembered for an hour at most.
    pub max_series: usize,
    /// Bytes of these at most, estimated.
    pub max_series_bytes: usize,
    /// Series of metrics held at most.
    pub max_metric_series: usize,
    /// Bytes of metrics held at most, estimated.
    pub max_metric_bytes: usize,
    /// Attributes whose values stand on each trace of the list.
    pub chips: Chips,
    /// Path under which a proxy shows the page.
    pub base_path: BasePath,
    /// Names by which the viewer is reached, beside those of the loopback interface.
    pub allowed_hosts: Vec<HostName>,
    /// Origins whose pages may send OTLP over HTTP from a browser.
    pub cors_origins: Vec<Origin>,
    /// Bytes that one request may have, compressed and decompressed.
    pub max_request_bytes: usize,
    /// Bytes that requests may take together. A third of them is for bodies that come in or wait,
    /// the rest for the request that is being decoded.
    pub max_waiting_bytes: usize,
    /// Bytes that all readers may hold together while their answers are made.
    pub max_reading_bytes: usize,
    /// How long a reader may leave a piece of an answer unread before its connection ends.
    pub read_patience: Duration,
}

impl Config {
    const MAX_SPANS: usize = 200_000;
    const MAX_BYTES: usize = 256 << 20;
    const MAX_LOGS: usize = 100_000;
    const MAX_LOG_BYTES: usize = 64 << 20;
    const MAX_SERIES: usize = 1_000;
    const MAX_SERIES_BYTES: usize = 64 << 20;
    const MAX_METRIC_SERIES: usize = 5_000;
    const MAX_METRIC_BYTES: usize = 64 << 20;
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
            max_logs: Self::MAX_LOGS,
            max_log_bytes: Self::MAX_LOG_BYTES,
            max_series: Self::MAX_SERIES,
            max_series_bytes: Self::MAX_SERIES_BYTES,
            max_metric_series: Self::MAX_METRIC_SERIES,
            max_metric_bytes: Self::MAX_METRIC_BYTES,
            chips: Chips::default(),
            base_path: BasePath::default(),
            allowed_hosts: Vec::new(),
            cors_origins: Vec::new(),
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
            max_logs: args.max_logs,
            max_log_bytes: args.max_log_bytes,
            max_series: args.max_series,
            max_series_bytes: args.max_series_bytes,
            max_metric_series: args.max_metric_series,
            max_metric_bytes: args.max_metric_bytes,
            chips: args.chips.clone(),
            base_path: args.base_path.clone(),
            allowed_hosts: args.allowed_hosts.clone(),
            cors_origins: args.cors_origins.clone(),
            ..Self::on_free_ports()
        }
    }
}

fn log_filter(text: &str) -> Result<String, String> {
    match EnvFilter::try_new(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err(format!("{error}; expected a filter such as info or warn,viewer=debug")),
    }
}

fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) | Err(_) => Err(String::from("expected a whole number of at least 1")),
        Ok(number) => Ok(number),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chips_are_keys_between_commas() {
        let keys = |text: &str| {
            let chips = text.parse::<Chips>()?;
            Ok::<_, String>(chips.keys().map(str::to_owned).collect::<Vec<_>>().join("|"))
        };

        assert_eq!(keys("a.b, c ,,a.b"), Ok("a.b|c".into()));
        assert_eq!(keys(""), Ok(String::new()));
        assert_eq!(keys("1,2,3,4,5,6,7,8,9"), Err("expected 8 keys at most, not 9".into()));
        let error = "\"a b\" is no key: expected at most 128 characters without white space";
        assert_eq!(keys("a b"), Err(error.into()));
    }
}
