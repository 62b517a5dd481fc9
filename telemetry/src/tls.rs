//! TLS for clients, of all exporters and of the shopper: which servers they trust, and which
//! certificate they show.
//!
//! Certificates are loaded only to send to `https://`. So a container without the system's authorities
//! can export to `http://`, and for `https://` the error says what is missing.

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::sign::CertifiedKey;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, OtherError, RootCertStore,
    SignatureScheme,
};
use std::io;
use std::sync::Arc;

/// The certificates of a client, as PEM.
#[derive(Clone, Copy, Debug, Default)]
pub struct Credentials<'a> {
    /// The authorities to trust in place of the system's.
    pub authorities: Option<&'a [u8]>,
    /// The client's certificate, with those that lead to its authority, and its private key.
    pub identity: Option<(&'a [u8], &'a [u8])>,
}

/// Makes the TLS configuration of a client. For an endpoint that is not secure it trusts no server,
/// and no certificates are loaded.
///
/// # Errors
/// A text that says what is wrong with the certificates, or where they were looked for and not
/// found.
pub fn client(is_secure: bool, credentials: Credentials<'_>) -> Result<ClientConfig, String> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    if !is_secure {
        return Ok(builder.with_root_certificates(RootCertStore::empty()).with_no_client_auth());
    }
    let verifier = match credentials.authorities {
        Some(pem) => OwnAuthorities::new(pem, provider)?,
        None => OwnAuthorities { inner: verifier(system_roots()?, provider)?, named: Vec::new() },
    };
    // rustls calls every verifier "dangerous" that it did not build itself.
    let builder = builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier));
    match credentials.identity {
        Some((certificate, key)) => {
            let chain = certificates(certificate)?;
            let key = PrivateKeyDer::from_pem_slice(key).map_err(|error| error.to_string())?;
            builder.with_client_auth_cert(chain, key).map_err(|error| error.to_string())
        }
        None => Ok(builder.with_no_client_auth()),
    }
}

/// Checks that `pem` holds authorities that can be trusted.
///
/// # Errors
/// A text that says what was expected, to follow the word "expected".
pub fn check_authorities(pem: &[u8]) -> Result<(), String> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    OwnAuthorities::new(pem, provider).map(|_| ())
}

/// Checks that `pem` holds certificates that a client can show.
///
/// # Errors
/// A text that says what was expected, to follow the word "expected".
pub(crate) fn check_certificate(pem: &[u8]) -> Result<(), String> {
    for certificate in certificates(pem)? {
        ParsedCertificate::try_from(&certificate).map_err(|error| match cause(&error) {
            Some(webpki::Error::UnsupportedCertVersion) => {
                "a certificate of X.509 version 3, and this one is of version 1, which is made \
                 when a certificate is signed without extensions"
                    .to_owned()
            }
            _ => format!("{CERTIFICATES}, but: {error}"),
        })?;
    }
    Ok(())
}

/// Checks that `key` is a private key, and that it belongs to the first certificate in
/// `certificate`.
///
/// # Errors
/// A text that says what was expected, to follow the word "expected".
pub(crate) fn check_key(certificate: Option<&[u8]>, key: &[u8]) -> Result<(), String> {
    let expected = "a file with a private key as PEM";
    let provider = rustls::crypto::ring::default_provider();
    let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| expected.to_owned())?;
    let Some(certificate) = certificate else { return Ok(()) };
    let chain = certificates(certificate)?;
    match CertifiedKey::from_der(chain, key, &provider) {
        Ok(_) => Ok(()),
        Err(Error::InconsistentKeys(_)) => {
            Err("the private key of the client's certificate, and this is another's".to_owned())
        }
        Err(error) => Err(format!("{expected}, but: {error}")),
    }
}

const CERTIFICATES: &str = "a file with certificates as PEM";

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<_, _>>()
        .map_err(|_| CERTIFICATES.to_owned())?;
    if certificates.is_empty() { Err(CERTIFICATES.to_owned()) } else { Ok(certificates) }
}

/// The authorities that the system trusts.
fn system_roots() -> Result<RootCertStore, String> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(found.certs);
    if !roots.is_empty() {
        return Ok(roots);
    }
    let errors: Vec<_> = found.errors.iter().map(ToString::to_string).collect();
    let errors = if errors.is_empty() { String::new() } else { format!(": {}", errors.join("; ")) };
    Err(format!(
        "https needs certificates of authorities, and none were found where SSL_CERT_FILE and \
         SSL_CERT_DIR say or, without them, in the system's usual places{errors}"
    ))
}

fn verifier(
    roots: RootCertStore,
    provider: Arc<CryptoProvider>,
) -> Result<Arc<WebPkiServerVerifier>, String> {
    WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider)
        .build()
        .map_err(|error| error.to_string())
}

/// The error of webpki, if `error` comes from there.
fn cause(error: &Error) -> Option<&webpki::Error> {
    match error {
        Error::InvalidCertificate(CertificateError::Other(OtherError(cause))) => {
            cause.downcast_ref()
        }
        _ => None,
    }
}

/// Why a server's certificate is not trusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Distrust {
    /// The reason, in words.
    pub why: String,
    /// Whether the reason is that its authority is not known here.
    pub of_authority: bool,
}

/// Why a handshake failed, if it was because of the server's certificate.
pub fn distrusted(error: &io::Error) -> Option<Distrust> {
    match error.get_ref()?.downcast_ref()? {
        Error::InvalidCertificate(why) => Some(Distrust {
            why: distrust(why),
            of_authority: matches!(why, CertificateError::UnknownIssuer)
                || matches!(
                    cause(&Error::InvalidCertificate(why.clone())),
                    Some(webpki::Error::CaUsedAsEndEntity)
                ),
        }),
        _ => None,
    }
}

/// Why a server's certificate is not trusted, in words.
pub(crate) fn distrust(error: &CertificateError) -> String {
    match error {
        CertificateError::UnknownIssuer => "its authority is not one of those trusted".to_owned(),
        CertificateError::Other(OtherError(cause)) => match cause.downcast_ref() {
            Some(webpki::Error::CaUsedAsEndEntity) => {
                "it is its own authority, and not one of those named".to_owned()
            }
            _ => cause.to_string(),
        },
        other => other.to_string(),
    }
}

/// Trusts servers whose certificate leads to an authority, and those whose certificate was itself
/// named as one to trust.
///
/// The second is for `openssl req -x509`, which makes a certificate that is its own authority and a
/// server's at the same time. webpki always refuses such a certificate as a server's. Here it is
/// taken if it is, byte for byte, one of those named, and is valid now and for the server's name.
#[derive(Debug)]
struct OwnAuthorities {
    inner: Arc<WebPkiServerVerifier>,
    named: Vec<CertificateDer<'static>>,
}

impl OwnAuthorities {
    fn new(pem: &[u8], provider: Arc<CryptoProvider>) -> Result<Self, String> {
        let named = certificates(pem)?;
        let mut roots = RootCertStore::empty();
        for certificate in &named {
            roots
                .add(certificate.clone())
                .map_err(|error| format!("{CERTIFICATES}, but: {error}"))?;
        }
        Ok(OwnAuthorities { inner: verifier(roots, provider)?, named })
    }
}

impl ServerCertVerifier for OwnAuthorities {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verified = self.inner.verify_server_cert(
            end_entity,
            intermediates,
            server_name,
            ocsp_response,
            now,
        );
        match verified {
            // webpki returns this error only after it has checked the time of validity.
            Err(error)
                if matches!(cause(&error), Some(webpki::Error::CaUsedAsEndEntity))
                    && self.named.iter().any(|named| named == end_entity) =>
            {
                verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)?;
                Ok(ServerCertVerified::assertion())
            }
            verified => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}
