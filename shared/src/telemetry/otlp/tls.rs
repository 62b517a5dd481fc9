//! Whom the OTLP exporters trust, and who they say they are.

use crate::telemetry::TelemetryError;
use crate::telemetry::config::OtlpConfig;
use reqwest::blocking::ClientBuilder;
use tonic::transport::{Certificate, ClientTlsConfig, Identity};

/// Sets up TLS for HTTP: the system's authorities and the configured ones.
pub(super) fn http(
    mut client: ClientBuilder,
    config: &OtlpConfig,
) -> Result<ClientBuilder, TelemetryError> {
    let refused = |error: reqwest::Error| TelemetryError::exporter("otlp", &error);
    if let Some(pem) = &config.authorities {
        let authorities = reqwest::Certificate::from_pem_bundle(pem).map_err(refused)?;
        client = client.tls_certs_merge(authorities);
    }
    if let Some(identity) = &config.identity {
        let pem = [&identity.key[..], &identity.certificate].concat();
        client = client.identity(reqwest::Identity::from_pem(&pem).map_err(refused)?);
    }
    Ok(client)
}

/// Sets up TLS for gRPC: the system's authorities and the configured ones.
pub(super) fn grpc(config: &OtlpConfig) -> ClientTlsConfig {
    let mut tls = ClientTlsConfig::new().with_enabled_roots();
    if let Some(pem) = &config.authorities {
        tls = tls.ca_certificate(Certificate::from_pem(pem));
    }
    if let Some(identity) = &config.identity {
        tls = tls.identity(Identity::from_pem(&identity.certificate, &identity.key));
    }
    tls
}
