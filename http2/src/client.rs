//! A client of gRPC: messages are bytes, and the thread that calls waits for the answer.
//!
//! The connection lives on a runtime of its own. The service's runtimes are not used: tonic is known to
//! hang on a current-thread runtime, which is what actix has.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf as _, BufMut as _, Bytes};
use http::uri::{PathAndQuery, Scheme};
use http::{HeaderMap, Uri};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Runtime};
use tokio_rustls::TlsConnector;
use tonic::client::Grpc;
use tonic::codec::{
    BufferSettings, Codec, CompressionEncoding, DecodeBuf, Decoder, EncodeBuf, Encoder,
};
use tonic::codegen::Service;
use tonic::metadata::MetadataMap;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};

/// What a client needs to know.
#[derive(Debug)]
pub struct Settings<'a> {
    /// Where the server is: scheme, host and port.
    pub endpoint: &'a Uri,
    /// Whom to trust, for an endpoint that is `https`.
    pub tls: Option<ClientConfig>,
    /// The program's name, for the header `user-agent`.
    pub user_agent: &'static str,
    /// The metadata of each call.
    pub metadata: HeaderMap,
    /// Whether messages are compressed.
    pub gzip: bool,
    /// The most bytes of an answer that are read.
    pub longest_answer: usize,
    /// The name of the thread on which the connection lives.
    pub thread_name: &'static str,
    /// What that thread does first.
    pub on_thread_start: fn(),
}

/// A connection to a server, which is made when it is first needed, and again when it was lost.
#[derive(Debug)]
pub struct Client {
    /// `None` only while this is being dropped.
    runtime: Option<Runtime>,
    grpc: Grpc<Channel>,
    metadata: MetadataMap,
}

impl Client {
    /// Prepares a connection; nothing is sent or looked up yet.
    ///
    /// # Errors
    /// A text that says why the system gives no thread, or what is wrong with the settings.
    pub fn new(settings: Settings<'_>) -> Result<Self, String> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name(settings.thread_name)
            .on_thread_start(settings.on_thread_start)
            .enable_all()
            .build()
            .map_err(|error| error.to_string())?;
        // tonic would set up TLS of its own for an `https` endpoint, but here the connector does that.
        // So the endpoint is `http`, and `origin` gives the requests the right scheme.
        let endpoint = Endpoint::from(plain(settings.endpoint))
            .origin(settings.endpoint.clone())
            .user_agent(settings.user_agent)
            .map_err(|error| error.to_string())?;
        let channel = {
            let _entered = runtime.enter();
            endpoint.connect_with_connector_lazy(Connector::new(settings.tls))
        };
        let grpc = Grpc::new(channel).max_decoding_message_size(settings.longest_answer);
        let grpc = match settings.gzip {
            true => grpc.send_compressed(CompressionEncoding::Gzip),
            false => grpc,
        };
        let metadata = MetadataMap::from_headers(settings.metadata);
        Ok(Client { runtime: Some(runtime), grpc, metadata })
    }

    /// Calls the method at this path with an encoded message, which may be in several pieces, and returns
    /// the encoded answer; `None` if there was none within `timeout`.
    ///
    /// # Errors
    /// The status that the server answers. A status with a source was made here, because the connection
    /// failed.
    ///
    /// # Panics
    /// When it is called on a thread of a tokio runtime.
    pub fn call(
        &self,
        path: &'static str,
        message: &[Bytes],
        timeout: Option<Duration>,
    ) -> Option<Result<Bytes, Status>> {
        let Some(runtime) = &self.runtime else { unreachable!("it is taken only by `drop`") };
        let mut request = Request::new(message.to_vec());
        *request.metadata_mut() = self.metadata.clone();
        let mut grpc = self.grpc.clone();
        let answer = async {
            grpc.ready().await.map_err(|error| Status::from_error(error.into()))?;
            let path = PathAndQuery::from_static(path);
            grpc.unary(request, path, Encoded).await.map(tonic::Response::into_inner)
        };
        runtime.block_on(async {
            match timeout {
                Some(timeout) => tokio::time::timeout(timeout, answer).await.ok(),
                None => Some(answer.await),
            }
        })
    }
}

impl Drop for Client {
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

/// Messages that are encoded already, and answers that are decoded elsewhere.
struct Encoded;

impl Codec for Encoded {
    type Encode = Vec<Bytes>;
    type Decode = Bytes;
    type Encoder = Encoded;
    type Decoder = Encoded;

    fn encoder(&mut self) -> Self::Encoder {
        Encoded
    }

    fn decoder(&mut self) -> Self::Decoder {
        Encoded
    }
}

impl Encoder for Encoded {
    type Item = Vec<Bytes>;
    type Error = Status;

    fn encode(&mut self, message: Vec<Bytes>, into: &mut EncodeBuf<'_>) -> Result<(), Status> {
        into.reserve(message.iter().map(Bytes::len).sum());
        for piece in &message {
            into.put_slice(piece);
        }
        Ok(())
    }

    fn buffer_settings(&self) -> BufferSettings {
        BufferSettings::default()
    }
}

impl Decoder for Encoded {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(from.copy_to_bytes(from.remaining())))
    }

    fn buffer_settings(&self) -> BufferSettings {
        BufferSettings::default()
    }
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
