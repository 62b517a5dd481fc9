//! The exporter `zipkin`, for a Zipkin server.
#![expect(deprecated, reason = "the crate is deprecated, in favour of OTLP")]

use crate::config::ZipkinConfig;
use crate::error::TelemetryError;
use crate::exporter::Posted;
use crate::http::{Post, Target};
use crate::retry::Retry;
use crate::tls::Credentials;
use async_trait::async_trait;
use http::{Request, Response};
use opentelemetry_http::{Bytes, HttpClient, HttpError};
use opentelemetry_zipkin::ZipkinExporter;
use serde_json::Value;
use std::sync::Arc;

/// Builds the exporter for the spans of `service`.
///
/// # Errors
/// [`TelemetryError::Exporter`] when there is no certificate to trust where one is needed.
pub(super) fn spans(
    config: &ZipkinConfig,
    service: String,
    retry: Retry,
) -> Result<Posted<ZipkinExporter>, TelemetryError> {
    let target = Target {
        exporter: "zipkin",
        endpoint: &config.endpoint,
        timeout: config.timeout,
        proxy: config.proxy,
        credentials: Credentials::default(),
    };
    let post = Post::new(target, None, retry)?;
    let exporter = ZipkinExporter::builder()
        .with_http_client(CorrectingClient { post: Arc::clone(&post), service })
        .with_collector_endpoint(config.endpoint.to_string())
        .build()
        .map_err(|error| TelemetryError::exporter("zipkin", &error))?;
    Ok(Posted::new(exporter, post))
}

/// Corrects the JSON of opentelemetry-zipkin, and posts it.
///
/// That exporter sends no service name, by which Zipkin sorts everything. It gives a root span a
/// parent of zeros, and a span of less than a microsecond the duration 0, which Zipkin takes for
/// "unknown".
#[derive(Debug)]
struct CorrectingClient {
    post: Arc<Post>,
    service: String,
}

impl CorrectingClient {
    fn corrected(&self, body: &[u8]) -> Result<Bytes, serde_json::Error> {
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
            let duration = span.get("duration").and_then(Value::as_u64).unwrap_or(0);
            span.insert("duration".to_owned(), duration.max(1).into());
        }
        serde_json::to_vec(&spans).map(Bytes::from)
    }
}

fn is_zero(id: &str) -> bool {
    id.bytes().all(|digit| digit == b'0')
}

#[async_trait]
impl HttpClient for CorrectingClient {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let (parts, body) = request.into_parts();
        self.post.send(&parts.uri.to_string(), &parts.headers, self.corrected(&body)?);
        Ok(Response::new(Bytes::new()))
    }
}
