//! The HTTP client of today behind the interface that opentelemetry-jaeger asks for.

use crate::{TelemetryError, http_client};
use async_trait::async_trait;
use http::Uri;
use opentelemetry_http_0_12::{Bytes, HttpClient, HttpError, Request, Response};
use reqwest::blocking::Client;
use std::time::Duration;

/// Posts to a Jaeger collector, with a user's name and password if there are any.
#[derive(Clone, Debug)]
pub(super) struct CollectorClient {
    client: Client,
    credentials: Option<(String, String)>,
}

impl CollectorClient {
    /// A client for `endpoint` that gives up on a request after `timeout`.
    pub(super) fn new(
        endpoint: &Uri,
        credentials: Option<(String, String)>,
        timeout: Duration,
    ) -> Result<Self, TelemetryError> {
        let client = http_client::build("jaeger", endpoint, timeout, Ok)?;
        Ok(CollectorClient { client, credentials })
    }
}

#[async_trait]
impl HttpClient for CollectorClient {
    async fn send(&self, request: Request<Vec<u8>>) -> Result<Response<Bytes>, HttpError> {
        let (parts, body) = request.into_parts();
        let mut post = self.client.post(parts.uri.to_string()).body(body);
        for (name, value) in &parts.headers {
            post = post.header(name.as_str(), value.as_bytes());
        }
        if let Some((user, password)) = &self.credentials {
            post = post.basic_auth(user, Some(password));
        }
        let response = post.send()?;
        let status = response.status().as_u16();
        Ok(Response::builder().status(status).body(response.bytes()?)?)
    }
}
