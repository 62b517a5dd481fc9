//! Whom the OTLP exporters trust, and who they say they are.

use crate::telemetry::TelemetryError;
use crate::telemetry::config::OtlpConfig;
use reqwest::blocking::ClientBuilder;
use std::path::Path;
use tonic::transport::ClientTlsConfig;

/// Sets up TLS for HTTP: the system's authorities and the configured one.
pub(super) fn http(
    mut client: ClientBuilder,
    config: &OtlpConfig,
) -> Result<ClientBuilder, TelemetryError> {
    let refused = |error: reqwest::Error| TelemetryError::exporter("otlp", &error);
    if let Some(path) = &config.certificate {
        let authorities = reqwest::Certificate::from_pem_bundle(&read(path)?).map_err(refused)?;
        client = client.tls_certs_merge(authorities);
    }
    if let Some((certificate, key)) = &config.identity {
        let pem = [read(key)?, read(certificate)?].concat();
        client = client.identity(reqwest::Identity::from_pem(&pem).map_err(refused)?);
    }
    Ok(client)
}

/// Sets up TLS for gRPC: the system's authorities and the configured one.
pub(super) fn grpc(config: &OtlpConfig) -> Result<ClientTlsConfig, TelemetryError> {
    let mut tls = ClientTlsConfig::new().with_enabled_roots();
    if let Some(path) = &config.certificate {
        tls = tls.ca_certificate(tonic::transport::Certificate::from_pem(read(path)?));
    }
    if let Some((certificate, key)) = &config.identity {
        let identity = tonic::transport::Identity::from_pem(read(certificate)?, read(key)?);
        tls = tls.identity(identity);
    }
    Ok(tls)
}

fn read(path: &Path) -> Result<Vec<u8>, TelemetryError> {
    std::fs::read(path).map_err(|error| TelemetryError::Exporter {
        exporter: "otlp",
        reason: format!("cannot read {}: {error}", path.display()),
    })
}
