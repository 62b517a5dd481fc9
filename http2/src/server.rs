//! One connection of a server.

use std::convert::Infallible;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::Service;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::net::TcpStream;

/// The body of an answer.
pub type AnswerBody = UnsyncBoxBody<Bytes, Infallible>;

/// The answer to a call, when it is ready.
pub type Answer =
    Pin<Box<dyn Future<Output = Result<Response<AnswerBody>, Infallible>> + Send + 'static>>;

/// What a client may take of a connection.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Calls that may be open.
    pub calls: u32,
    /// The bytes of headers that a call may have.
    pub header_bytes: u32,
    /// The bytes that the connection, and a call on it, may send ahead of what is read.
    pub window_bytes: u32,
}

/// A connection that a client has opened. It is served while this future is polled, and the future is
/// ready when it is closed.
pub struct Connection(Pin<Box<http2::Connection<TokioIo<TcpStream>, Calls, TokioExecutor>>>);

impl Connection {
    /// Answers each call on this connection by `answer`.
    pub fn new(
        stream: TcpStream,
        limits: Limits,
        answer: Box<dyn Fn(Request<Incoming>) -> Answer + Send>,
    ) -> Self {
        let mut http2 = http2::Builder::new(TokioExecutor::new());
        http2
            .timer(TokioTimer::new())
            .max_concurrent_streams(limits.calls)
            .max_header_list_size(limits.header_bytes)
            .initial_stream_window_size(limits.window_bytes)
            .initial_connection_window_size(limits.window_bytes);
        Self(Box::pin(http2.serve_connection(TokioIo::new(stream), Calls(answer))))
    }

    /// Asks the client to open no more calls, and closes the connection when those that are open are done.
    pub fn graceful_shutdown(&mut self) {
        self.0.as_mut().graceful_shutdown();
    }
}

impl Future for Connection {
    type Output = hyper::Result<()>;

    fn poll(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<hyper::Result<()>> {
        self.0.as_mut().poll(task)
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Connection").finish_non_exhaustive()
    }
}

struct Calls(Box<dyn Fn(Request<Incoming>) -> Answer + Send>);

impl Service<Request<Incoming>> for Calls {
    type Response = Response<AnswerBody>;
    type Error = Infallible;
    type Future = Answer;

    fn call(&self, call: Request<Incoming>) -> Answer {
        (self.0)(call)
    }
}
