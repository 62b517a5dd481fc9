//! An OTLP receiver over gRPC that keeps what it is sent.

use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::codec::CompressionEncoding;
use tonic::metadata::MetadataMap;
use tonic::transport::Server;
use tonic::{Request, Response, Status};

/// A server on a free port, until it is dropped.
pub struct GrpcReceiver {
    /// Where it listens.
    pub address: SocketAddr,
    inbox: Inbox,
    /// Runs the server.
    _runtime: Runtime,
}

#[derive(Clone, Default)]
struct Inbox(Arc<Mutex<Vec<(MetadataMap, ExportTraceServiceRequest)>>>);

#[tonic::async_trait]
impl TraceService for Inbox {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let (metadata, _, message) = request.into_parts();
        self.0.lock().unwrap().push((metadata, message));
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

impl GrpcReceiver {
    /// Starts a server.
    pub fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        let inbox = Inbox::default();
        let service = TraceServiceServer::new(inbox.clone())
            .accept_compressed(CompressionEncoding::Gzip)
            .send_compressed(CompressionEncoding::Gzip);
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a free port");
        let address = listener.local_addr().expect("an address");
        runtime.spawn(
            Server::builder()
                .add_service(service)
                .serve_with_incoming(TcpListenerStream::new(listener)),
        );
        GrpcReceiver { address, inbox, _runtime: runtime }
    }

    /// All requests so far, with their metadata.
    pub fn received(&self) -> Vec<(MetadataMap, ExportTraceServiceRequest)> {
        self.inbox.0.lock().unwrap().clone()
    }
}
