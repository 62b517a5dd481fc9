//! The OpenTelemetry protocol, as a server: [traces are kept](signal), metrics and logs are
//! accepted and counted, over [HTTP](http) in protobuf and JSON and over [gRPC](grpc).
//!
//! All decoding is `opentelemetry-proto`'s. What a request may cost is settled
//! [before](measure) that: its bytes on the wire, its bytes unpacked, and the memory that its
//! decoded form takes all come out of one [budget](crate::ingest::Budget).
//!
//! Specification: <https://opentelemetry.io/docs/specs/otlp/>.

pub(crate) mod body;
pub(crate) mod grpc;
pub(crate) mod http;
mod measure;
pub(crate) mod receiver;
mod shapes;
pub(crate) mod signal;
pub(crate) mod status;
