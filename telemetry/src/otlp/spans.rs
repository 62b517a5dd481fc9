//! Sends spans that were encoded as they ended, over HTTP.

use super::encode::{EncodedSpans, SpanEncoder};
use super::requests::Requests;
use crate::chunks::Chunks;
use crate::config::OtlpConfig;
use crate::exporter::{BatchOf, Deliver};
use crate::http::Post;
use crate::outcome::{Failure, Outcome, Retryable, error_type};
use flate2::Compression;
use flate2::write::GzEncoder;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, USER_AGENT};
use http::{HeaderMap, HeaderValue};
use opentelemetry_http::Bytes;
use opentelemetry_sdk::Resource;
use std::io::{self, Write as _};
use std::sync::Arc;

/// Exports spans in protobuf over HTTP.
#[derive(Debug)]
pub(crate) struct HttpSpans {
    post: Arc<Post>,
    url: String,
    headers: HeaderMap,
    gzip: bool,
    requests: Requests,
}

impl HttpSpans {
    /// An exporter that sends through `post`.
    pub(super) fn new(config: &OtlpConfig, post: Arc<Post>) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-protobuf"));
        let user_agent = concat!("telemetry/", env!("CARGO_PKG_VERSION"));
        headers.insert(USER_AGENT, HeaderValue::from_static(user_agent));
        if config.gzip {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        headers.extend(config.header_map());
        let url = config.endpoint.to_string();
        HttpSpans { post, url, headers, gzip: config.gzip, requests: Requests::default() }
    }
}

impl Deliver<EncodedSpans> for HttpSpans {
    async fn deliver(&self, batch: BatchOf<'_, EncodedSpans>) -> Outcome {
        self.requests.send(batch, |body| {
            if self.gzip {
                let body = Bytes::from(compressed(body).map_err(|error| Failure {
                    reason: format!("the request could not be compressed: {error}"),
                    retryable: Retryable::Never,
                    error_type: error_type::OTHER.into(),
                })?);
                return self.post.request(&self.url, &self.headers, &body.into());
            }
            self.post.request(&self.url, &self.headers, body)
        })
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.requests.encoder = SpanEncoder::new(resource);
    }
}

fn compressed(body: &Chunks) -> io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    for piece in body.pieces() {
        encoder.write_all(piece)?;
    }
    encoder.finish()
}
