//! OTLP over gRPC: log records and metrics by opentelemetry-proto's generated clients, spans as the
//! bytes that were made when they ended.
//!
//! The connection lives on a runtime of its own, and the exporter's own thread waits for each call.
//! The service's runtimes are not used: tonic is known to hang on a current-thread runtime, which
//! is what actix has.

use super::encode::{EncodedSpans, SpanEncoder};
use super::requests::Requests;
use crate::config::OtlpConfig;
use crate::error::TelemetryError;
use crate::exporter::{BatchOf, Deliver, DeliverMetrics, Logs, Signal as _};
use crate::http::Destination;
use crate::outcome::Outcome;
use crate::outcome::{Accepted, Failure, Retryable, quoted};
use crate::quiet;
use crate::retry::Retry;
use crate::tls;
use ::http::Uri;
use ::http::uri::{PathAndQuery, Scheme};
use bytes::BufMut as _;
use hyper_util::rt::TokioIo;
use opentelemetry_http::Bytes;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::logs::v1::logs_service_client::LogsServiceClient;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_client::MetricsServiceClient;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use opentelemetry_proto::transform::common::tonic::ResourceAttributesWithSchema;
use opentelemetry_proto::transform::logs::tonic::group_logs_by_resource_and_scope;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::metrics::Temporality;
use opentelemetry_sdk::metrics::data::ResourceMetrics;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Runtime};
use tokio_rustls::TlsConnector;
use tonic::client::Grpc;
use tonic::codec::{BufferSettings, Codec, CompressionEncoding, EncodeBuf, Encoder};
use tonic::codegen::Service;
use tonic::metadata::MetadataMap;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, GrpcMethod, Request, Response, Status};
use tonic_prost::ProstDecoder;
use tonic_types::StatusExt as _;

/// The most bytes of an answer that are read.
const LONGEST_ANSWER: usize = 64 * 1024;

/// A connection to a receiver, and what goes with each call.
#[derive(Debug)]
struct Connection {
    /// `None` only while this is being dropped.
    runtime: Option<Runtime>,
    channel: Channel,
    destination: Destination,
    metadata: MetadataMap,
    gzip: bool,
    timeout: Option<Duration>,
    retry: Retry,
}

impl Connection {
    /// Prepares a connection; nothing is sent or looked up yet.
    fn new(config: &OtlpConfig, retry: Retry) -> Result<Self, TelemetryError> {
        let destination = Destination::new(&config.endpoint, None);
        let refused = |reason: String| TelemetryError::Exporter {
            exporter: "otlp",
            reason: format!("{reason} (for {})", destination.shown),
        };
        let is_secure = config.endpoint.scheme_str() == Some("https");
        let tls = tls::client(is_secure, config.credentials()).map_err(refused)?;
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("telemetry-grpc")
            .on_thread_start(quiet::this_thread)
            .enable_all()
            .build()
            .map_err(|error| refused(error.to_string()))?;
        // tonic would set up TLS of its own for an `https` endpoint, but here the connector does that.
        // So the endpoint is `http`, and `origin` gives the requests the right scheme.
        let endpoint = Endpoint::from(plain(&config.endpoint))
            .origin(config.endpoint.clone())
            .user_agent(concat!("telemetry/", env!("CARGO_PKG_VERSION")))
            .map_err(|error| refused(error.to_string()))?;
        let channel = {
            let _entered = runtime.enter();
            endpoint.connect_with_connector_lazy(Connector::new(is_secure.then_some(tls)))
        };
        Ok(Connection {
            runtime: Some(runtime),
            channel,
            destination,
            metadata: MetadataMap::from_headers(config.header_map()),
            gzip: config.gzip,
            timeout: config.timeout,
            retry,
        })
    }

    /// Sends `message` by `call` until it is taken or given up.
    fn send<M: Clone, A: Into<Accepted>>(
        &self,
        message: &M,
        call: impl AsyncFn(Request<M>) -> Result<Response<A>, Status>,
    ) -> Result<Accepted, Failure> {
        let Some(runtime) = &self.runtime else { unreachable!("it is taken only by `drop`") };
        self.retry.run(|| {
            let mut request = Request::new(message.clone());
            *request.metadata_mut() = self.metadata.clone();
            let called = runtime.block_on(async {
                match self.timeout {
                    Some(timeout) => tokio::time::timeout(timeout, call(request)).await.ok(),
                    None => Some(call(request).await),
                }
            });
            match called {
                Some(Ok(answer)) => Ok(answer.into_inner().into().by(&self.destination.shown)),
                Some(Err(status)) => Err(self.refused(&status)),
                None => Err(self.destination.unreached(&TimedOut, self.timeout)),
            }
        })
    }

    fn refused(&self, status: &Status) -> Failure {
        // A status with a source was made by the client, because the connection failed.
        if std::error::Error::source(status).is_some() {
            return self.destination.unreached(status, None);
        }
        let Destination { shown, .. } = &self.destination;
        let message = match status.message() {
            "" => String::new(),
            message => format!(": {}", quoted(message)),
        };
        let reason = format!("{shown} answers {:?}{message}", status.code());
        Failure { reason, retryable: retryable(status), error_type: name(status.code()).into() }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        // Dropping a runtime waits for its blocking work. A name look-up, for example, can take
        // very long.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// `endpoint` with the scheme `http`.
fn plain(endpoint: &Uri) -> Uri {
    let mut parts = endpoint.clone().into_parts();
    parts.scheme = Some(Scheme::HTTP);
    Uri::from_parts(parts).unwrap_or_else(|_| endpoint.clone())
}

/// Whether the protocol lets a client try again after `status`:
/// <https://opentelemetry.io/docs/specs/otlp/#failures>
fn retryable(status: &Status) -> Retryable {
    let delay = status.get_details_retry_info().and_then(|info| info.retry_delay);
    match status.code() {
        Code::Cancelled
        | Code::DeadlineExceeded
        | Code::Aborted
        | Code::OutOfRange
        | Code::Unavailable
        | Code::DataLoss => Retryable::Busy(delay),
        // By the specification it may be sent again only if the server names a delay.
        Code::ResourceExhausted if delay.is_some() => Retryable::Busy(delay),
        _ => Retryable::Never,
    }
}

/// The name of a status: <https://github.com/grpc/grpc/blob/master/doc/statuscodes.md>
fn name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}

#[derive(Debug, thiserror::Error)]
#[error("no answer in time")]
struct TimedOut;

/// Exports spans, which are encoded before they are sent.
#[derive(Debug)]
pub(crate) struct GrpcSpans {
    connection: Connection,
    requests: Requests,
}

impl GrpcSpans {
    pub(super) fn new(config: &OtlpConfig, retry: Retry) -> Result<Self, TelemetryError> {
        let connection = Connection::new(config, retry)?;
        Ok(GrpcSpans { connection, requests: Requests::default() })
    }
}

impl Deliver<EncodedSpans> for GrpcSpans {
    async fn deliver(&self, batch: BatchOf<'_, EncodedSpans>) -> Outcome {
        let client = client(
            Grpc::new(self.connection.channel.clone()).max_decoding_message_size(LONGEST_ANSWER),
            self.connection.gzip,
            Grpc::send_compressed,
        );
        self.requests.send(batch, |body| {
            self.connection.send(body, async |mut request: Request<Bytes>| {
                let mut client = client.clone();
                client.ready().await.map_err(|error| Status::from_error(error.into()))?;
                request.extensions_mut().insert(GrpcMethod::new(TRACE_SERVICE, "Export"));
                let path = PathAndQuery::from_static(EXPORT_TRACES);
                client.unary(request, path, EncodedCodec).await
            })
        })
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.requests.encoder = SpanEncoder::new(resource);
    }
}

/// The service that takes spans, and its method:
/// <https://opentelemetry.io/docs/specs/otlp/#otlpgrpc>
const TRACE_SERVICE: &str = "opentelemetry.proto.collector.trace.v1.TraceService";
const EXPORT_TRACES: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";

/// Sends a request that is encoded already, and decodes the answer.
struct EncodedCodec;

impl Codec for EncodedCodec {
    type Encode = Bytes;
    type Decode = ExportTraceServiceResponse;
    type Encoder = EncodedCodec;
    type Decoder = ProstDecoder<ExportTraceServiceResponse>;

    fn encoder(&mut self) -> Self::Encoder {
        EncodedCodec
    }

    fn decoder(&mut self) -> Self::Decoder {
        ProstDecoder::new(BufferSettings::default())
    }
}

impl Encoder for EncodedCodec {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, request: Bytes, into: &mut EncodeBuf<'_>) -> Result<(), Status> {
        into.put(request);
        Ok(())
    }
}

/// Exports log records.
#[derive(Debug)]
pub(crate) struct GrpcLogs {
    connection: Connection,
    resource: ResourceAttributesWithSchema,
}

impl GrpcLogs {
    pub(super) fn new(config: &OtlpConfig, retry: Retry) -> Result<Self, TelemetryError> {
        let connection = Connection::new(config, retry)?;
        Ok(GrpcLogs { connection, resource: ResourceAttributesWithSchema::default() })
    }
}

impl Deliver<Logs> for GrpcLogs {
    async fn deliver(&self, batch: BatchOf<'_, Logs>) -> Outcome {
        let records = Logs::count(&batch);
        let resource_logs = group_logs_by_resource_and_scope(&batch, &self.resource);
        let client = client(
            LogsServiceClient::new(self.connection.channel.clone())
                .max_decoding_message_size(LONGEST_ANSWER),
            self.connection.gzip,
            LogsServiceClient::send_compressed,
        );
        let sent = self.connection.send(&ExportLogsServiceRequest { resource_logs }, async |r| {
            client.clone().export(r).await
        });
        Outcome::of(sent, records)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.resource = resource.into();
    }
}

/// Exports metrics.
#[derive(Debug)]
pub(crate) struct GrpcMetrics {
    connection: Connection,
    temporality: Temporality,
}

impl GrpcMetrics {
    pub(super) fn new(
        config: &OtlpConfig,
        temporality: Temporality,
        retry: Retry,
    ) -> Result<Self, TelemetryError> {
        Ok(GrpcMetrics { connection: Connection::new(config, retry)?, temporality })
    }
}

impl DeliverMetrics for GrpcMetrics {
    async fn deliver(&self, metrics: &ResourceMetrics) -> Outcome {
        let client = client(
            MetricsServiceClient::new(self.connection.channel.clone())
                .max_decoding_message_size(LONGEST_ANSWER),
            self.connection.gzip,
            MetricsServiceClient::send_compressed,
        );
        let request = ExportMetricsServiceRequest::from(metrics);
        let sent =
            self.connection.send(&request, async |request| client.clone().export(request).await);
        Outcome::of_export(sent)
    }

    fn shutdown(&self, _timeout: Duration) -> OTelSdkResult {
        Ok(())
    }

    fn temporality(&self) -> Temporality {
        self.temporality
    }
}

/// `client`, which compresses its requests if `gzip` is set.
fn client<C>(client: C, gzip: bool, compressed: fn(C, CompressionEncoding) -> C) -> C {
    if gzip { compressed(client, CompressionEncoding::Gzip) } else { client }
}

/// Makes connections: TCP, with TLS for a secure endpoint.
///
/// tonic's own connector cannot be used, because it takes no verifier of certificates.
#[derive(Clone)]
struct Connector {
    tls: Option<TlsConnector>,
}

impl Connector {
    fn new(tls: Option<ClientConfig>) -> Self {
        let tls = tls.map(|mut tls| {
            tls.alpn_protocols = vec![b"h2".to_vec()];
            TlsConnector::from(Arc::new(tls))
        });
        Connector { tls }
    }

    async fn connect(self, uri: Uri) -> io::Result<TokioIo<Box<dyn Stream>>> {
        let host = uri.host().unwrap_or_default();
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let port = uri.port_u16().unwrap_or(if self.tls.is_some() { 443 } else { 80 });
        let tcp = TcpStream::connect((host.as_str(), port)).await?;
        tcp.set_nodelay(true)?;
        Ok(TokioIo::new(match self.tls {
            Some(tls) => {
                let name = ServerName::try_from(host).map_err(io::Error::other)?;
                Box::new(tls.connect(name, tcp).await?)
            }
            None => Box::new(tcp),
        }))
    }
}

impl Service<Uri> for Connector {
    type Response = TokioIo<Box<dyn Stream>>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<TokioIo<Box<dyn Stream>>>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        Box::pin(self.clone().connect(uri))
    }
}

/// A connection with or without TLS.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}
