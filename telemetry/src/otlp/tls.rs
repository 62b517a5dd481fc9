//! Whom the OTLP exporters trust, and who they say they are.

use crate::config::OtlpConfig;
use reqwest::blocking::ClientBuilder;
use tonic::transport::{Certificate, ClientTlsConfig, Identity};

/// Sets up TLS for HTTP, with the configured authorities in place of the system's.
pub(super) fn http(
    mut client: ClientBuilder,
    config: &OtlpConfig,
) -> reqwest::Result<ClientBuilder> {
    if let Some(pem) = &config.authorities {
        client = client.tls_certs_only(reqwest::Certificate::from_pem_bundle(pem)?);
    }
    if let Some(identity) = &config.identity {
        let pem = [&identity.key[..], &identity.certificate].concat();
        client = client.identity(reqwest::Identity::from_pem(&pem)?);
    }
    Ok(client)
}

/// Sets up TLS for gRPC, with the configured authorities in place of the system's.
pub(super) fn grpc(config: &OtlpConfig) -> ClientTlsConfig {
    let mut tls = ClientTlsConfig::new();
    tls = match &config.authorities {
        Some(pem) => tls.ca_certificate(Certificate::from_pem(pem)),
        None => tls.with_enabled_roots(),
    };
    if let Some(identity) = &config.identity {
        tls = tls.identity(Identity::from_pem(&identity.certificate, &identity.key));
    }
    tls
}
