//! The OpenTelemetry protocol, as a server: traces, metrics and logs, over [HTTP](http) in protobuf
//! and JSON and over [gRPC](grpc).
//!
//! In reading order: a [body] is read into a [buffer], within a [budget](crate::budget::Budget), and handed
//! to the thread that writes the store, which [decodes](decode) it. [Messages](message) are read by the
//! same code from [protobuf] and [JSON](json): [items], each a [span], a [log] record or a [metric]
//! with its [attributes], cut to [limits].
//!
//! A [saved file](mod@file), in OTLP's JSON or in [Jaeger's](jaeger), is read by the same code.
//!
//! Specification: <https://opentelemetry.io/docs/specs/otlp/>.

mod attributes;
pub(crate) mod body;
mod buffer;
pub(crate) mod decode;
pub(crate) mod failure;
mod file;
pub(crate) mod grpc;
pub(crate) mod http;
mod items;
mod jaeger;
mod jaeger_span;
mod json;
mod limits;
mod log;
mod message;
mod metric;
mod protobuf;
pub(crate) mod receiver;
mod span;

pub(crate) use self::buffer::Buffer;
pub(crate) use self::failure::Failure;
use crate::budget::Reservation;
use crate::store::model::TraceId;

/// A signal of OTLP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signal {
    Traces,
    Metrics,
    Logs,
}

impl Signal {
    pub(crate) const ALL: [Self; 3] = [Self::Traces, Self::Metrics, Self::Logs];

    /// The path under which HTTP takes it.
    pub(crate) fn http_path(self) -> &'static str {
        match self {
            Self::Traces => "/v1/traces",
            Self::Metrics => "/v1/metrics",
            Self::Logs => "/v1/logs",
        }
    }

    /// The path of the method that takes it in gRPC.
    pub(crate) fn grpc_path(self) -> &'static str {
        match self {
            Self::Traces => "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
            Self::Metrics => "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
            Self::Logs => "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
        }
    }
}

/// How a request is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    Protobuf,
    Json,
    /// Saved traces, in OTLP's JSON or in Jaeger's, in one document or several.
    File,
}

/// How a body is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Compression {
    None,
    Gzip,
    Deflate,
    Zstd,
}

impl Compression {
    /// The compression of that name, in HTTP and in gRPC.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        let known = [
            ("", Self::None),
            ("identity", Self::None),
            ("gzip", Self::Gzip),
            ("x-gzip", Self::Gzip),
            ("deflate", Self::Deflate),
            ("zstd", Self::Zstd),
        ];
        let found = known.iter().find(|(known, _)| name.trim().eq_ignore_ascii_case(known));
        found.map(|&(_, compression)| compression)
    }
}

/// A request with its whole body, and the memory that is reserved for it.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) signal: Signal,
    pub(crate) encoding: Encoding,
    pub(crate) compression: Compression,
    pub(crate) body: Buffer,
    pub(crate) reservation: Reservation,
}

/// What was taken of a request.
#[derive(Clone, Debug, Default)]
pub(crate) struct Taken {
    /// The ids of the traces that spans were taken of. They are told for a saved file only.
    pub(crate) traces: Vec<TraceId>,
    /// Spans, data points or log records.
    pub(crate) received: u64,
    pub(crate) rejected: u64,
    /// Why the first rejected one was rejected.
    pub(crate) reason: Option<String>,
}
