//! A receiver for OTLP over gRPC. It keeps what it is sent, and answers as the test tells it.

use opentelemetry_proto::tonic::collector::logs::v1::logs_service_server::{
    LogsService, LogsServiceServer,
};
use opentelemetry_proto::tonic::collector::logs::v1::{
    ExportLogsPartialSuccess, ExportLogsServiceRequest, ExportLogsServiceResponse,
};
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_server::{
    MetricsService, MetricsServiceServer,
};
use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsPartialSuccess, ExportMetricsServiceRequest, ExportMetricsServiceResponse,
};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::codec::CompressionEncoding;
use tonic::metadata::MetadataMap;
use tonic::transport::Server;
use tonic::{Request, Response, Status};

/// The answer to a request.
#[derive(Clone, Debug, Default)]
pub enum Answer {
    /// Everything was taken.
    #[default]
    Taken,
    /// So many spans, log records or data points were rejected.
    Rejected(i64),
    /// A status other than success.
    Refused(Status),
    /// No answer.
    Hang,
}

/// A server on a free port. It runs until it is dropped.
pub struct GrpcReceiver {
    /// Where it listens.
    pub address: SocketAddr,
    inbox: Inbox,
    /// Runs the server.
    _runtime: Runtime,
}

#[derive(Clone, Default)]
struct Inbox(Arc<State>);

#[derive(Default)]
struct State {
    first: Mutex<VecDeque<Answer>>,
    answer: Mutex<Answer>,
    traces: Mutex<Vec<(MetadataMap, ExportTraceServiceRequest)>>,
    metrics: Mutex<Vec<ExportMetricsServiceRequest>>,
    logs: Mutex<Vec<(MetadataMap, ExportLogsServiceRequest)>>,
    requests: Mutex<usize>,
}

impl Inbox {
    /// The next answer: how many items are rejected, or the status of a refusal.
    async fn answer(&self) -> Result<i64, Status> {
        let answer = {
            *self.0.requests.lock().unwrap() += 1;
            let first = self.0.first.lock().unwrap().pop_front();
            first.unwrap_or_else(|| self.0.answer.lock().unwrap().clone())
        };
        match answer {
            Answer::Taken => Ok(0),
            Answer::Rejected(count) => Ok(count),
            Answer::Refused(status) => Err(status),
            Answer::Hang => std::future::pending().await,
        }
    }
}

#[tonic::async_trait]
impl TraceService for Inbox {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let rejected_spans = self.answer().await?;
        let (metadata, _, message) = request.into_parts();
        self.0.traces.lock().unwrap().push((metadata, message));
        let partial = ExportTracePartialSuccess { rejected_spans, ..Default::default() };
        let partial_success = (rejected_spans != 0).then_some(partial);
        Ok(Response::new(ExportTraceServiceResponse { partial_success }))
    }
}

#[tonic::async_trait]
impl MetricsService for Inbox {
    async fn export(
        &self,
        request: Request<ExportMetricsServiceRequest>,
    ) -> Result<Response<ExportMetricsServiceResponse>, Status> {
        let rejected_data_points = self.answer().await?;
        self.0.metrics.lock().unwrap().push(request.into_inner());
        let partial = ExportMetricsPartialSuccess { rejected_data_points, ..Default::default() };
        let partial_success = (rejected_data_points != 0).then_some(partial);
        Ok(Response::new(ExportMetricsServiceResponse { partial_success }))
    }
}

#[tonic::async_trait]
impl LogsService for Inbox {
    async fn export(
        &self,
        request: Request<ExportLogsServiceRequest>,
    ) -> Result<Response<ExportLogsServiceResponse>, Status> {
        let rejected_log_records = self.answer().await?;
        let (metadata, _, message) = request.into_parts();
        self.0.logs.lock().unwrap().push((metadata, message));
        let partial = ExportLogsPartialSuccess { rejected_log_records, ..Default::default() };
        let partial_success = (rejected_log_records != 0).then_some(partial);
        Ok(Response::new(ExportLogsServiceResponse { partial_success }))
    }
}

impl GrpcReceiver {
    /// Starts a server that takes everything.
    pub fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        let inbox = Inbox::default();
        let traces = TraceServiceServer::new(inbox.clone())
            .accept_compressed(CompressionEncoding::Gzip)
            .send_compressed(CompressionEncoding::Gzip);
        let metrics = MetricsServiceServer::new(inbox.clone());
        let logs = LogsServiceServer::new(inbox.clone())
            .accept_compressed(CompressionEncoding::Gzip)
            .send_compressed(CompressionEncoding::Gzip);
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a free port");
        let address = listener.local_addr().expect("an address");
        runtime.spawn(
            Server::builder()
                .add_service(traces)
                .add_service(metrics)
                .add_service(logs)
                .serve_with_incoming(TcpListenerStream::new(listener)),
        );
        GrpcReceiver { address, inbox, _runtime: runtime }
    }

    /// `http://` and the address.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Answers with `answer` from now on.
    pub fn answer(&self, answer: Answer) {
        *self.inbox.0.answer.lock().unwrap() = answer;
    }

    /// Answers the next requests with `answers`, one each.
    pub fn answer_first(&self, answers: impl IntoIterator<Item = Answer>) {
        self.inbox.0.first.lock().unwrap().extend(answers);
    }

    /// All requests of spans that were taken, with their metadata.
    pub fn received(&self) -> Vec<(MetadataMap, ExportTraceServiceRequest)> {
        self.inbox.0.traces.lock().unwrap().clone()
    }

    /// All requests of metrics that were taken.
    pub fn metrics(&self) -> Vec<ExportMetricsServiceRequest> {
        self.inbox.0.metrics.lock().unwrap().clone()
    }

    /// All requests of log records that were taken, with their metadata.
    pub fn logs(&self) -> Vec<(MetadataMap, ExportLogsServiceRequest)> {
        self.inbox.0.logs.lock().unwrap().clone()
    }

    /// How many requests there were, with any answer.
    pub fn requests(&self) -> usize {
        *self.inbox.0.requests.lock().unwrap()
    }
}
