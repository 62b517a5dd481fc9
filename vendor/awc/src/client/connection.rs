use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
    time,
};

use actix_codec::{AsyncRead, AsyncWrite, Framed, ReadBuf};
use actix_http::{
    body::MessageBody, h1::ClientCodec, Payload, RequestHeadType, ResponseHead, ServiceConfig,
};
use bytes::BytesMut;

use super::{error::SendRequestError, h1proto, pool::Acquired};
use crate::BoxError;

/// Trait alias for types impl [tokio::io::AsyncRead] and [tokio::io::AsyncWrite].
pub trait ConnectionIo: AsyncRead + AsyncWrite + Unpin + 'static {}

impl<T: AsyncRead + AsyncWrite + Unpin + 'static> ConnectionIo for T {}

/// HTTP client connection
pub struct H1Connection<Io: ConnectionIo> {
    io: Option<Io>,
    created: time::Instant,
    acquired: Acquired<Io>,
}

impl<Io: ConnectionIo> H1Connection<Io> {
    pub(super) fn new(io: Io, created: time::Instant, acquired: Acquired<Io>) -> Self {
        Self {
            io: Some(io),
            created,
            acquired,
        }
    }

    /// close or release the connection to pool based on flag input
    pub(super) fn on_release(&mut self, keep_alive: bool) {
        if keep_alive {
            self.release();
        } else {
            self.close();
        }
    }

    /// The settings of HTTP/1.
    pub(super) fn h1_config(&self) -> ServiceConfig {
        self.acquired.h1_config()
    }

    /// An empty buffer with room for a request or an answer.
    pub(super) fn buffer(&self) -> BytesMut {
        self.acquired.buffer()
    }

    /// Keeps a buffer for a later request, unless it holds something.
    pub(super) fn keep_buffer(&self, buffer: BytesMut) {
        self.acquired.keep_buffer(buffer);
    }

    /// Close connection
    fn close(&mut self) {
        let io = self.io.take().unwrap();
        self.acquired.close(io);
    }

    /// Release this connection to the connection pool
    fn release(&mut self) {
        let io = self.io.take().unwrap();
        self.acquired.release(io, self.created);
    }

    fn io_pin_mut(self: Pin<&mut Self>) -> Pin<&mut Io> {
        Pin::new(self.get_mut().io.as_mut().unwrap())
    }
}

impl<Io: ConnectionIo> AsyncRead for H1Connection<Io> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.io_pin_mut().poll_read(cx, buf)
    }
}

impl<Io: ConnectionIo> AsyncWrite for H1Connection<Io> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.io_pin_mut().poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.io_pin_mut().poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), io::Error>> {
        self.io_pin_mut().poll_shutdown(cx)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.io_pin_mut().poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.as_ref().unwrap().is_write_vectored()
    }
}

/// Unified connection type cover HTTP/1 Plain/TLS protocols.
#[allow(dead_code)]
pub enum Connection<A, B = Box<dyn ConnectionIo>>
where
    A: ConnectionIo,
    B: ConnectionIo,
{
    Tcp(H1Connection<A>),
    Tls(H1Connection<B>),
}

impl<A, B> Connection<A, B>
where
    A: ConnectionIo,
    B: ConnectionIo,
{
    /// Send a request through connection.
    pub async fn send_request<RB, H>(
        self,
        head: H,
        body: RB,
    ) -> Result<(ResponseHead, Payload), SendRequestError>
    where
        H: Into<RequestHeadType> + 'static,
        RB: MessageBody + 'static,
        RB::Error: Into<BoxError>,
    {
        match self {
            Connection::Tcp(conn) => h1proto::send_request(conn, head.into(), body).await,
            Connection::Tls(conn) => h1proto::send_request(conn, head.into(), body).await,
        }
    }

    /// Send request, returns Response and Framed tunnel.
    pub async fn open_tunnel<H: Into<RequestHeadType> + 'static>(
        self,
        head: H,
    ) -> Result<(ResponseHead, Framed<Connection<A, B>, ClientCodec>), SendRequestError> {
        h1proto::open_tunnel(self, head.into()).await
    }
}

impl<A, B> AsyncRead for Connection<A, B>
where
    A: ConnectionIo,
    B: ConnectionIo,
{
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Connection::Tcp(conn) => Pin::new(conn).poll_read(cx, buf),
            Connection::Tls(conn) => Pin::new(conn).poll_read(cx, buf),
        }
    }
}

impl<A, B> AsyncWrite for Connection<A, B>
where
    A: ConnectionIo,
    B: ConnectionIo,
{
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Connection::Tcp(conn) => Pin::new(conn).poll_write(cx, buf),
            Connection::Tls(conn) => Pin::new(conn).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Connection::Tcp(conn) => Pin::new(conn).poll_flush(cx),
            Connection::Tls(conn) => Pin::new(conn).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Connection::Tcp(conn) => Pin::new(conn).poll_shutdown(cx),
            Connection::Tls(conn) => Pin::new(conn).poll_shutdown(cx),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Connection::Tcp(conn) => Pin::new(conn).poll_write_vectored(cx, bufs),
            Connection::Tls(conn) => Pin::new(conn).poll_write_vectored(cx, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Connection::Tcp(conn) => conn.is_write_vectored(),
            Connection::Tls(conn) => conn.is_write_vectored(),
        }
    }
}
