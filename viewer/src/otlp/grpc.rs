//! OTLP over gRPC: <https://opentelemetry.io/docs/specs/otlp/#otlpgrpc>.
//!
//! The messages come as bytes and go the way of HTTP's from there, so that both have the same
//! limits: the services that `opentelemetry-proto` generates would decode a message before
//! anybody could say what that costs.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf, BufMut, Bytes};
use futures_util::future::BoxFuture;
use prost::Message;
use tokio::sync::Semaphore;
use tonic::codec::{Codec, CompressionEncoding, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::codegen::{Body, Service, StdError, http};
use tonic::server::{Grpc, NamedService, UnaryService};
use tonic::{Code, Request, Response, Status};
use tonic_types::{ErrorDetails, StatusExt};

use super::receiver::{Encoding, Receiver};
use super::signal::Signal;
use super::status::{Failure, RETRY_AFTER_SECONDS};

/// Requests that are read at one time; the others wait their turn.
const CONCURRENT_REQUESTS: usize = 16;
/// The bytes of one message, packed or unpacked: what gRPC's libraries allow unless told otherwise.
const MESSAGE_BYTES: usize = 4 << 20;

/// The one method of every service.
const METHOD: &str = "Export";

/// What all services share.
#[derive(Clone, Debug)]
pub(crate) struct Services {
    receiver: Arc<Receiver>,
    reading: Arc<Semaphore>,
}

impl Services {
    pub(crate) fn new(receiver: Receiver) -> Self {
        Self {
            receiver: Arc::new(receiver),
            reading: Arc::new(Semaphore::new(CONCURRENT_REQUESTS)),
        }
    }

    /// The service of one signal.
    pub(crate) fn export<S: Signal>(&self) -> Export<S> {
        Export { shared: self.clone(), signal: PhantomData }
    }
}

/// The gRPC service of one signal, with its one method `Export`.
#[derive(Debug)]
pub(crate) struct Export<S> {
    shared: Services,
    signal: PhantomData<fn() -> S>,
}

impl<S> Clone for Export<S> {
    fn clone(&self) -> Self {
        Self { shared: self.shared.clone(), signal: PhantomData }
    }
}

impl<S: Signal> NamedService for Export<S> {
    const NAME: &'static str = S::SERVICE;
}

impl<S, B> Service<http::Request<B>> for Export<S>
where
    S: Signal,
    B: Body + Send + 'static,
    B::Error: Into<StdError> + Send + 'static,
{
    type Response = http::Response<tonic::body::Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        let service = self.clone();
        Box::pin(async move {
            let method = request.uri().path().rsplit('/').next().unwrap_or_default();
            if method != METHOD {
                let message = format!("method {method:?}: the only one is {METHOD}");
                return Ok(Status::unimplemented(message).into_http());
            }
            let _turn = service.shared.reading.clone().acquire_owned().await;
            let limit = service.shared.receiver.request_bytes.min(MESSAGE_BYTES);
            let mut grpc = Grpc::new(Raw)
                .accept_compressed(CompressionEncoding::Gzip)
                .max_decoding_message_size(limit);
            Ok(grpc.unary(service, request).await)
        })
    }
}

impl<S: Signal> UnaryService<Bytes> for Export<S> {
    type Response = Bytes;
    type Future = Ready<Result<Response<Bytes>, Status>>;

    fn call(&mut self, request: Request<Bytes>) -> Self::Future {
        let receiver = &self.shared.receiver;
        S::counts(&receiver.stats).requests.fetch_add(1, Relaxed);
        let body = request.into_inner();
        let mut reservation = receiver.budget.reservation();
        let taken = if reservation.grow(body.len()) {
            receiver.receive::<S>(&body, Encoding::Protobuf, reservation)
        } else {
            Err(Failure::Overloaded)
        };
        ready(match taken {
            Ok(response) => Ok(Response::new(response.encode_to_vec().into())),
            Err(failure) => {
                receiver.count_failure::<S>(&failure);
                Err(status(&failure))
            }
        })
    }
}

/// The error; the one that a sender is to repeat says when.
fn status(failure: &Failure) -> Status {
    match failure.grpc_code() {
        Code::Unavailable => Status::with_error_details(
            Code::Unavailable,
            failure.to_string(),
            ErrorDetails::with_retry_info(Some(Duration::from_secs(RETRY_AFTER_SECONDS))),
        ),
        code => Status::new(code, failure.to_string()),
    }
}

/// Messages as bytes.
#[derive(Clone, Copy, Debug)]
struct Raw;

impl Codec for Raw {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put(item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(buffer.copy_to_bytes(buffer.remaining())))
    }
}
