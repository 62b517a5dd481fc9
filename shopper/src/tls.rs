//! Connections that speak TLS, for requests to `https`: which servers are trusted, and why one is not. The
//! shopper's requests go by them, and those that `grocery` makes itself.
//!
//! TLS is within the connection and not around it, as awc would have it. So awc takes all connections
//! for plain ones, and requests to `https` are given to it as `http`, see [`Target`].

use std::{
    io,
    path::{Path, PathBuf},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use actix_rt::net::{ActixStream, Ready, TcpStream};
use actix_tls::connect::{ConnectError, ConnectInfo, Connection, Connector};
use actix_web::dev::{Service, fn_service};
use awc::http::{Uri, header::HeaderValue, uri::Scheme};
use opentelemetry::StringValue;
use rustls::{ClientConfig, pki_types::ServerName};
use telemetry::tls::{self, Credentials, Distrust};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::{TlsConnector, client::TlsStream};
use url::Url;

/// Which servers are trusted.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct TrustArgs {
    /// A file with certificates, as PEM, of the authorities that may sign the certificate of a server
    /// at https:// [default: those that the system trusts]
    #[arg(
        long,
        env = "SHOPPER_CA_CERTIFICATE",
        value_name = "FILE",
        value_parser = Authorities::read,
    )]
    pub ca_certificate: Option<Authorities>,
}

/// A file with certificates of authorities.
#[derive(Clone, Debug)]
pub struct Authorities {
    file: PathBuf,
    pem: Arc<[u8]>,
}

impl Authorities {
    /// Reads the file.
    ///
    /// # Errors
    /// A text that says why it cannot be read, or what was expected in it.
    pub fn read(file: &str) -> Result<Self, String> {
        let pem = std::fs::read(file).map_err(|error| format!("it cannot be read: {error}"))?;
        tls::check_authorities(&pem).map_err(|expected| format!("expected {expected}"))?;
        Ok(Self { file: file.into(), pem: pem.into() })
    }

    /// Where they were read.
    #[must_use]
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// The certificates, as PEM.
    #[must_use]
    pub fn pem(&self) -> &Arc<[u8]> {
        &self.pem
    }
}

/// What connections to `https` need.
#[derive(Clone, Debug)]
pub struct Tls(Arc<ClientConfig>);

impl Tls {
    /// The TLS for connections to `url`, if they need it. It trusts the servers whose certificates lead
    /// to these authorities, as PEM, or without them to those of the system. The certificates are read
    /// once, for all threads, and only for `https`: a container may have none.
    ///
    /// # Errors
    /// A text that says what is wrong with the certificates, or that there are none.
    pub fn for_url(url: &Url, authorities: Option<&[u8]>) -> Result<Option<Self>, String> {
        if url.scheme() != "https" {
            return Ok(None);
        }
        let mut config = tls::client(true, Credentials { authorities, identity: None })?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Some(Self(Arc::new(config))))
    }
}

/// Where a request goes.
#[derive(Clone, Debug)]
pub struct Target {
    /// For awc, which is told `http` also where the connection speaks TLS by itself.
    uri: Uri,
    /// The whole address with `https`, for the spans; `None` if it is that for awc.
    full: Option<StringValue>,
}

impl Target {
    /// The target at this address; `None` if HTTP does not allow it.
    #[must_use]
    pub fn new(address: &str) -> Option<Self> {
        let uri: Uri = address.parse().ok()?;
        if uri.scheme_str() != Some("https") {
            return Some(Self { uri, full: None });
        }
        let mut parts = uri.into_parts();
        let authority = parts.authority.take()?;
        parts.scheme = Some(Scheme::HTTP);
        parts.authority = Some(match authority.port() {
            Some(_) => authority,
            None => format!("{authority}:443").parse().ok()?,
        });
        let full = Some(Arc::<str>::from(address).into());
        Some(Self { uri: Uri::from_parts(parts).ok()?, full })
    }

    /// For awc.
    #[must_use]
    pub fn uri(&self) -> &Uri {
        &self.uri
    }

    /// The attribute `url.full` of the request's span, where it is not that of the address for awc.
    #[must_use]
    pub fn full(&self) -> Option<&StringValue> {
        self.full.as_ref()
    }

    /// The header `Host` as awc would write it for each request anew.
    pub(crate) fn host(&self) -> Option<HeaderValue> {
        let host = self.uri.host()?;
        match self.uri.port_u16() {
            None | Some(80 | 443) => HeaderValue::from_str(host).ok(),
            Some(port) => HeaderValue::from_str(&format!("{host}:{port}")).ok(),
        }
    }
}

/// Makes connections over TCP, with TLS on them if it is given.
pub fn connector(
    tls: Option<Tls>,
) -> impl Service<ConnectInfo<Uri>, Response = Connection<Uri, Stream>, Error = ConnectError> + Clone
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
            Ok(Connection::new(address, stream))
        }
    })
}

async fn shake_hands(
    Tls(config): Tls,
    host: String,
    tcp: TcpStream,
) -> Result<TlsStream<TcpStream>, ConnectError> {
    // An IPv6 address is in brackets.
    let name = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    let name = ServerName::try_from(name).map_err(|error| {
        ConnectError::Io(io::Error::new(io::ErrorKind::InvalidInput, format!("{host}: {error}")))
    })?;
    let shaken = TlsConnector::from(config).connect(name, tcp).await;
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

/// What the bytes of a connection go through.
#[derive(Debug)]
pub enum Stream {
    /// Nothing more than TCP.
    Plain(TcpStream),
    /// TLS.
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

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_read(cx, buffer),
            Self::Tls(tls) => Pin::new(tls).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_write(cx, bytes),
            Self::Tls(tls) => Pin::new(tls).poll_write(cx, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_write_vectored(cx, slices),
            Self::Tls(tls) => Pin::new(tls).poll_write_vectored(cx, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Plain(tcp) => tcp.is_write_vectored(),
            Self::Tls(tls) => tls.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_flush(cx),
            Self::Tls(tls) => Pin::new(tls).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_shutdown(cx),
            Self::Tls(tls) => Pin::new(tls).poll_shutdown(cx),
        }
    }
}

impl ActixStream for Stream {
    fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<Ready>> {
        ActixStream::poll_read_ready(self.tcp(), cx)
    }

    fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<Ready>> {
        ActixStream::poll_write_ready(self.tcp(), cx)
    }
}
