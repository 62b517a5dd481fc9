//! A connection that reports an error if it ends within an answer.
//!
//! awc takes the end of the connection for the end of a chunked body, so half an answer would count
//! as a whole one (RFC 9112, section 8, calls it incomplete). Here the end of the connection is an
//! error as soon as an answer has begun. One kind of body does end with its connection, that of an
//! HTTP/1.0 answer without a length. For it, `exchange` takes this error as the end.
//!
//! The connection also counts a request when its first byte is sent. So a request that finds no
//! connection is not counted as sent.
//!
//! TLS is below this, in [`Stream`]: the bytes of its handshake are no request, and its messages are no
//! answer.

use std::{
    cell::Cell,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use actix_rt::net::{ActixStream, Ready};
use actix_tls::connect::{ConnectError, ConnectInfo, Connection};
use actix_web::dev::{Service, fn_service};
use awc::http::Uri;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::tls::{self, Stream, Tls};

thread_local! {
    /// How many requests the connections of this thread have begun to send.
    static SENT: Cell<u64> = const { Cell::new(0) };
}

/// How many requests this thread has begun to send. A request is written while its future is
/// polled, so a difference of 1 over one poll means that this request was sent.
pub(super) fn requests_sent() -> u64 {
    SENT.get()
}

/// Makes connections over TCP, with TLS on them if it is given.
pub(super) fn connector(
    tls: Option<Tls>,
) -> impl Service<ConnectInfo<Uri>, Response = Connection<Uri, StoreStream>, Error = ConnectError> + Clone
{
    let connector = tls::connector(tls);
    fn_service(move |address: ConnectInfo<Uri>| {
        let connecting = connector.call(address);
        async move {
            let (stream, address) = connecting.await?.into_parts();
            Ok(Connection::new(address, StoreStream { stream, state: State::Idle }))
        }
    })
}

/// A connection to the store.
#[derive(Debug)]
pub(super) struct StoreStream {
    stream: Stream,
    state: State,
}

#[derive(Debug, PartialEq, Eq)]
enum State {
    /// Nothing has been sent yet.
    Idle,
    /// A request is being sent, and nothing of its answer has come.
    Asking,
    /// At least a part of an answer has come.
    Answered,
}

impl StoreStream {
    /// Notes that bytes were sent. The first after an answer begin a request.
    fn asks(&mut self) {
        if self.state != State::Asking {
            self.state = State::Asking;
            SENT.set(SENT.get() + 1);
        }
    }
}

impl AsyncRead for StoreStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buffer))?;
        if buffer.filled().len() > before {
            self.state = State::Answered;
        } else if self.state == State::Answered {
            return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for StoreStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write(cx, bytes))?;
        self.asks();
        Poll::Ready(Ok(written))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write_vectored(cx, slices))?;
        self.asks();
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl ActixStream for StoreStream {
    fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<Ready>> {
        ActixStream::poll_read_ready(&self.stream, cx)
    }

    fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<Ready>> {
        ActixStream::poll_write_ready(&self.stream, cx)
    }
}
