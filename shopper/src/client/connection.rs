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
//! TLS is within the connection and not around it, as awc would have it: the bytes of its handshake
//! are no request, and its messages are no answer. So awc takes all connections for plain ones, and
//! requests to `https` are given to it as `http`, see [`Target`](super::exchange::Target).

use std::{
    cell::Cell,
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use actix_rt::net::{ActixStream, Ready, TcpStream};
use actix_tls::connect::{ConnectError, ConnectInfo, Connection, Connector};
use actix_web::dev::{Service, fn_service};
use awc::http::Uri;
use rustls::{ClientConfig, pki_types::ServerName};
use telemetry::tls::{self, Credentials, Distrust};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::{TlsConnector, client::TlsStream};
use url::Url;

use crate::config::HttpConfig;

thread_local! {
    /// How many requests the connections of this thread have begun to send.
    static SENT: Cell<u64> = const { Cell::new(0) };
}

/// How many requests this thread has begun to send. A request is written while its future is
/// polled, so a difference of 1 over one poll means that this request was sent.
pub(super) fn requests_sent() -> u64 {
    SENT.get()
}

/// The TLS for connections to the store at `url`, if they need it. The certificates are read once,
/// for all threads.
///
/// # Errors
/// A text that says what is wrong with the certificates, or that there are none.
pub(crate) fn tls_for(url: &Url, http: &HttpConfig) -> Result<Option<Arc<ClientConfig>>, String> {
    if url.scheme() != "https" {
        return Ok(None);
    }
    let authorities = http.authorities.as_deref();
    let mut tls = tls::client(true, Credentials { authorities, identity: None })?;
    tls.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Some(Arc::new(tls)))
}

/// Makes connections over TCP, with TLS on them if it is given.
pub(super) fn connector(
    tls: Option<Arc<ClientConfig>>,
) -> impl Service<ConnectInfo<Uri>, Response = Connection<Uri, StoreStream>, Error = ConnectError> + Clone
{
    let tcp = Connector::default().service();
    fn_service(move |address: ConnectInfo<Uri>| {
        let (connecting, tls) = (tcp.call(address), tls.clone());
        async move {
            let (tcp, address) = connecting.await?.into_parts();
            let stream = match tls {
                None => Stream::Plain(tcp),
                Some(tls) => {
                    let host = address.host().unwrap_or_default().to_owned();
                    Stream::Tls(Box::new(shake_hands(tls, host, tcp).await?))
                }
            };
            Ok(Connection::new(address, StoreStream { stream, state: State::Idle }))
        }
    })
}

async fn shake_hands(
    tls: Arc<ClientConfig>,
    host: String,
    tcp: TcpStream,
) -> Result<TlsStream<TcpStream>, ConnectError> {
    // An IPv6 address is in brackets.
    let name = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    let name = ServerName::try_from(name).map_err(|error| {
        ConnectError::Io(io::Error::new(io::ErrorKind::InvalidInput, format!("{host}: {error}")))
    })?;
    let shaken = TlsConnector::from(tls).connect(name, tcp).await;
    shaken.map_err(|error| ConnectError::Io(io::Error::new(error.kind(), no_tls(&host, &error))))
}

/// Why there is no TLS connection, in words.
fn no_tls(host: &str, error: &io::Error) -> String {
    match tls::distrusted(error) {
        Some(Distrust { why, of_authority }) => {
            let advice = if of_authority { "; --ca-certificate names its authority" } else { "" };
            format!("the certificate of {host} is not trusted: {why}{advice}")
        }
        None => format!("no TLS connection with {host}: {error}; is it https there, or http?"),
    }
}

/// A connection to the store.
#[derive(Debug)]
pub(super) struct StoreStream {
    stream: Stream,
    state: State,
}

/// What the bytes of a connection go through.
#[derive(Debug)]
enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Stream {
    fn tcp(&self) -> &TcpStream {
        match self {
            Self::Plain(tcp) => tcp,
            Self::Tls(tls) => tls.get_ref().0,
        }
    }
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
        ready!(match &mut self.stream {
            Stream::Plain(tcp) => Pin::new(tcp).poll_read(cx, buffer),
            Stream::Tls(tls) => Pin::new(tls).poll_read(cx, buffer),
        })?;
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
        let written = ready!(match &mut self.stream {
            Stream::Plain(tcp) => Pin::new(tcp).poll_write(cx, bytes),
            Stream::Tls(tls) => Pin::new(tls).poll_write(cx, bytes),
        })?;
        self.asks();
        Poll::Ready(Ok(written))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(match &mut self.stream {
            Stream::Plain(tcp) => Pin::new(tcp).poll_write_vectored(cx, slices),
            Stream::Tls(tls) => Pin::new(tls).poll_write_vectored(cx, slices),
        })?;
        self.asks();
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        match &self.stream {
            Stream::Plain(tcp) => tcp.is_write_vectored(),
            Stream::Tls(tls) => tls.is_write_vectored(),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Plain(tcp) => Pin::new(tcp).poll_flush(cx),
            Stream::Tls(tls) => Pin::new(tls).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Plain(tcp) => Pin::new(tcp).poll_shutdown(cx),
            Stream::Tls(tls) => Pin::new(tls).poll_shutdown(cx),
        }
    }
}

impl ActixStream for StoreStream {
    fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<Ready>> {
        ActixStream::poll_read_ready(self.stream.tcp(), cx)
    }

    fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<Ready>> {
        ActixStream::poll_write_ready(self.stream.tcp(), cx)
    }
}
