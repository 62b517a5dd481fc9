//! Why a request was not taken: as an HTTP status, as a gRPC code, and as a message that says what
//! was wrong and what helps.

use actix_web::http::StatusCode;
use thiserror::Error;
use tonic::Code;

/// Why a request was not taken.
#[derive(Debug, Error)]
pub(crate) enum Failure {
    /// The request is not OTLP. The sender must not try again.
    #[error("cannot decode the request: {0}")]
    Malformed(String),
    #[error(
        "a request may have {limit} bytes at most, also when decompressed: send smaller batches \
         (OTEL_BSP_MAX_EXPORT_BATCH_SIZE of an SDK, send_batch_max_size of a Collector's batch \
         processor)"
    )]
    TooLarge { limit: usize },
    #[error(
        "decoding the request would take more than {limit} bytes of memory: send smaller batches \
         (OTEL_BSP_MAX_EXPORT_BATCH_SIZE of an SDK, send_batch_max_size of a Collector's batch \
         processor)"
    )]
    TooExpensive { limit: usize },
    #[error("content type {0:?} is not taken: send application/x-protobuf or application/json")]
    ContentType(String),
    #[error(
        "content encoding {0:?} is not taken: send {ACCEPTED_ENCODINGS} or none \
         (OTEL_EXPORTER_OTLP_COMPRESSION=gzip of an SDK, `compression: gzip` of a Collector's \
         exporter)"
    )]
    ContentEncoding(String),
    #[error(
        "the body came too slowly: {bytes} bytes in {seconds} s are expected, and the whole of it \
         in {whole_seconds} s"
    )]
    TooSlow { bytes: usize, seconds: u64, whole_seconds: u64 },
    /// The sender ended the body before its end.
    #[error("the body ended too early: {0}")]
    Broken(String),
    /// The viewer cannot keep up. The sender is to try again later.
    #[error("too much is waiting to be stored, try again in {RETRY_AFTER_SECONDS} s")]
    Overloaded,
}

/// How bodies may be compressed, as `Accept-Encoding` lists it.
pub(crate) const ACCEPTED_ENCODINGS: &str = "gzip, deflate, zstd";

/// How long a sender is told to wait before it tries again.
pub(crate) const RETRY_AFTER_SECONDS: u64 = 1;

impl Failure {
    /// The HTTP status; see <https://opentelemetry.io/docs/specs/otlp/#otlphttp-response>.
    pub(crate) fn http_status(&self) -> StatusCode {
        match self {
            Self::Malformed(_) | Self::Broken(_) => StatusCode::BAD_REQUEST,
            Self::TooLarge { .. } | Self::TooExpensive { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::ContentType(_) | Self::ContentEncoding(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::TooSlow { .. } => StatusCode::REQUEST_TIMEOUT,
            Self::Overloaded => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// The gRPC code; see <https://opentelemetry.io/docs/specs/otlp/#failures>. A sender repeats
    /// the request only when the viewer is overloaded.
    pub(crate) fn grpc_code(&self) -> Code {
        match self {
            Self::Overloaded => Code::Unavailable,
            Self::TooLarge { .. } => Code::OutOfRange,
            Self::ContentEncoding(_) => Code::Unimplemented,
            _ => Code::InvalidArgument,
        }
    }
}
