//! The way to a Zipkin server.
#![expect(deprecated, reason = "the crate is deprecated, in favour of OTLP")]

use super::TelemetryError;
use super::config::ZipkinConfig;
use super::http_client;
use async_trait::async_trait;
use http::{Request, Response};
use opentelemetry_http::{Bytes, HttpClient, HttpError};
use opentelemetry_zipkin::ZipkinExporter;
use reqwest::blocking::Client;
use serde_json::Value;

/// Builds the exporter for the spans of `service`.
pub(super) fn spans(
    config: &ZipkinConfig,
    service: String,
) -> Result<ZipkinExporter, TelemetryError> {
    let client = http_client::build("zipkin", &config.endpoint, config.timeout, Ok)?;
    let client = NamingClient { client, service };
    let endpoint = config.endpoint.to_string();
    // Its builder makes a blocking client before it can be given another one.
    http_client::off_runtime("zipkin", || {
        ZipkinExporter::builder().with_http_client(client).with_collector_endpoint(endpoint).build()
    })?
    .map_err(|error| TelemetryError::exporter("zipkin", &error))
}

/// Puts right what the exporter leaves out of its JSON, and posts it.
///
/// The exporter gives no service name, by which Zipkin files everything, and gives a root span a
/// parent of zeros.
#[derive(Debug)]
struct NamingClient {
    client: Client,
    service: String,
}

impl NamingClient {
    fn mend(&self, body: &[u8]) -> Result<Bytes, serde_json::Error> {
        let mut spans: Vec<serde_json::Map<String, Value>> = serde_json::from_slice(body)?;
        for span in &mut spans {
            let endpoint =
                span.entry("localEndpoint").or_insert_with(|| Value::Object(<_>::default()));
            if let Value::Object(endpoint) = endpoint {
                endpoint.insert("serviceName".to_owned(), self.service.clone().into());
            }
            if span.get("parentId").and_then(Value::as_str).is_some_and(is_zero) {
                span.remove("parentId");
            }
        }
        serde_json::to_vec(&spans).map(Bytes::from)
    }
}

fn is_zero(id: &str) -> bool {
    id.bytes().all(|digit| digit == b'0')
}

#[async_trait]
impl HttpClient for NamingClient {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let (parts, body) = request.into_parts();
        let request = Request::from_parts(parts, self.mend(&body)?);
        self.client.send_bytes(request).await
    }
}
