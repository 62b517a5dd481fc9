//! TLS in front of a receiver that has none.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

/// The path of a file in `testing/certificates`.
pub fn certificate(file: &str) -> String {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("certificates");
    folder.join(file).to_str().expect("a path in UTF-8").to_owned()
}

/// A server on a free port that takes TLS and passes its content on to a receiver. It runs until it
/// is dropped.
pub struct TlsFront {
    /// Where it listens.
    pub address: SocketAddr,
    /// Runs the server.
    runtime: Option<Runtime>,
}

impl Drop for TlsFront {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl TlsFront {
    /// Starts a server in front of `receiver`. It shows the certificate `name` of
    /// `testing/certificates`. With `asks_clients` it asks its clients for a certificate that the
    /// authority there has signed.
    pub fn start(name: &str, asks_clients: bool, receiver: SocketAddr) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        // The test may run in a runtime of its own, which must not wait for this one.
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        listener.set_nonblocking(true).expect("a socket");
        let address = listener.local_addr().expect("an address");
        let acceptor = TlsAcceptor::from(Arc::new(config(name, asks_clients)));
        runtime.spawn(async move {
            let listener = TcpListener::from_std(listener).expect("a socket");
            while let Ok((client, _)) = listener.accept().await {
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    // The handshake fails if one side does not trust the other.
                    let Ok(mut client) = acceptor.accept(client).await else { return };
                    let mut receiver = TcpStream::connect(receiver).await.expect("the receiver");
                    tokio::io::copy_bidirectional(&mut client, &mut receiver).await.ok();
                });
            }
        });
        TlsFront { address, runtime: Some(runtime) }
    }

    /// The URL, with the name that is in the certificates: `localhost`.
    pub fn url(&self) -> String {
        format!("https://localhost:{}", self.address.port())
    }
}

fn config(name: &str, asks_clients: bool) -> ServerConfig {
    let read =
        |file: &str| CertificateDer::from_pem_file(certificate(file)).expect("a certificate");
    let key = PrivateKeyDer::from_pem_file(certificate(&format!("{name}.key"))).expect("a key");
    let provider = Arc::new(default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .expect("versions of TLS");
    let builder = if asks_clients {
        let mut roots = RootCertStore::empty();
        roots.add(read("ca.pem")).expect("an authority");
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
        builder.with_client_cert_verifier(verifier.build().expect("a verifier"))
    } else {
        builder.with_no_client_auth()
    };
    let chain = vec![read(&format!("{name}.pem"))];
    let mut config = builder.with_single_cert(chain, key).expect("a certificate with its key");
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    config
}
