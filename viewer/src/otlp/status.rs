//! How a request fails: a gRPC code, an HTTP status, and a message that says what was wrong.

use actix_web::http::StatusCode;
use thiserror::Error;
use tonic::Code;

/// Why a request was not taken.
#[derive(Debug, Error)]
pub(crate) enum Failure {
    /// Not what OTLP prescribes. The sender must not try again.
    #[error("cannot decode the request: {0}")]
    Malformed(String),
    #[error("a request may have {limit} bytes at most, unpacked too")]
    TooLarge { limit: usize },
    #[error("decoding the request would take {bytes} bytes of memory, {limit} are allowed")]
    TooExpensive { bytes: usize, limit: usize },
    #[error("content type {0:?} is not application/x-protobuf or application/json")]
    ContentType(String),
    #[error("content encoding {0:?} is not gzip or identity")]
    ContentEncoding(String),
    #[error("the body did not come within {seconds} s")]
    TooSlow { seconds: u64 },
    /// It cannot keep up. The sender is to try again, later.
    #[error("too much is waiting to be stored, try again in {RETRY_AFTER_SECONDS} s")]
    Overloaded,
}

/// How long a sender is told to wait before it tries again.
pub(crate) const RETRY_AFTER_SECONDS: u64 = 1;

impl Failure {
    /// The HTTP status; see <https://opentelemetry.io/docs/specs/otlp/#otlphttp-response>.
    pub(crate) fn http_status(&self) -> StatusCode {
        match self {
            Self::Malformed(_) => StatusCode::BAD_REQUEST,
            Self::TooLarge { .. } | Self::TooExpensive { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::ContentType(_) | Self::ContentEncoding(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::TooSlow { .. } => StatusCode::REQUEST_TIMEOUT,
            Self::Overloaded => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// The gRPC code; see <https://opentelemetry.io/docs/specs/otlp/#failures>. None that a
    /// sender repeats but for being overloaded.
    pub(crate) fn grpc_code(&self) -> Code {
        match self {
            Self::Overloaded => Code::Unavailable,
            _ => Code::InvalidArgument,
        }
    }
}
