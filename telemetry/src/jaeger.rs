//! The exporter `jaeger`, for a Jaeger before 1.35, which does not take OTLP yet. It uses the last
//! release of opentelemetry-jaeger.
//!
//! That crate is written for opentelemetry 0.23, so spans are converted first
//! (`jaeger/convert.rs`). This module is the only one that may use the deprecated crate.
//!
//! The crate is unmaintained and brings thrift 0.17, whose *reading* of Thrift has known faults
//! (CVE-2026-43871, CVE-2026-55969). These cannot be reached, because nothing that comes from the
//! network is read as Thrift here:
//!
//! - to an agent, `emitBatch` is `oneway`: the client writes a datagram and reads no answer. Its
//!   input is a `TNoopChannel`, and its socket is only sent to;
//! - a collector's answer over HTTP is read by [`Post`], which looks at the status and the content
//!   type, and hands on an empty body; opentelemetry-jaeger looks at the status alone.
//!
//! `tests/it/jaeger.rs` shows both with an agent and a collector that answer with hostile Thrift.
//!
//! A sender over UDP does not know what arrives, so spans count as exported when they have been
//! sent, also those that the receiver's kernel drops because the socket's buffer is full. Datagrams
//! are small and are sent with pauses, so that this is rare.
#![expect(deprecated, reason = "the crate is deprecated as a whole, in favour of OTLP")]

mod convert;

use crate::config::JaegerConfig;
use crate::error::TelemetryError;
use crate::exporter::{BatchOf, Deliver, Spans};
use crate::http::{Post, Target};
use crate::outcome::{Outcome, error_type};
use crate::retry::Retry;
use crate::tls::Credentials;
use async_trait::async_trait;
use base64::prelude::{BASE64_STANDARD, Engine as _};
use http::HeaderMap;
use http::header::AUTHORIZATION;
use old_sdk::export::trace::{SpanData as OldSpan, SpanExporter as _};
use opentelemetry_http_0_12::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_jaeger::Exporter;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk_0_23 as old_sdk;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// The largest payload of most datagrams, in bytes. Linux charges a datagram to its receiver's
/// buffer with the memory that it takes, a power of two: of this size a buffer of the default size
/// (208 KiB) holds 25, of 8,192 bytes only 12, and of 65,000 bytes 3.
const PACKET_BYTES: usize = 7_680;

/// The largest payload of a datagram that Jaeger's agent accepts, in bytes. It is used for a single
/// span that needs it: <https://www.jaegertracing.io/docs/1.21/client-features/>
const MAX_PACKET_BYTES: usize = 65_000;

/// The pause after a datagram, in which the receiver can read it. A receiver that does not read for
/// 50 ms loses nothing. It limits the rate to 3.8 MB/s, which is about 8,000 spans of 480 bytes a
/// second; what comes faster waits in the queue, and counts as dropped when that is full.
const PAUSE: Duration = Duration::from_millis(2);

/// Sends spans to a Jaeger agent or collector by Jaeger's own protocol.
#[derive(Debug)]
pub(super) struct JaegerExporter {
    receiver: Receiver,
    resource: old_sdk::Resource,
}

#[derive(Debug)]
enum Receiver {
    Agent(Agent),
    Collector { endpoint: String, client: CollectorClient, exporter: Mutex<Option<Exporter>> },
}

impl JaegerExporter {
    /// Prepares an exporter; nothing is sent or looked up yet.
    ///
    /// # Errors
    /// [`TelemetryError::Exporter`] when there is no certificate to trust where one is needed.
    pub(super) fn new(config: &JaegerConfig, retry: Retry) -> Result<Self, TelemetryError> {
        let receiver = match config {
            JaegerConfig::Agent { host, port } => Receiver::Agent(Agent {
                address: format!("{host}:{port}"),
                small: Mutex::new(None),
                large: Mutex::new(None),
            }),
            JaegerConfig::Collector { endpoint, credentials, timeout, proxy } => {
                let target = Target {
                    exporter: "jaeger",
                    endpoint,
                    timeout: *timeout,
                    proxy: *proxy,
                    credentials: Credentials::default(),
                };
                let post = Post::new(target, None, retry)?;
                Receiver::Collector {
                    endpoint: endpoint.to_string(),
                    client: CollectorClient { post, credentials: credentials.clone() },
                    exporter: Mutex::new(None),
                }
            }
        };
        Ok(JaegerExporter { receiver, resource: old_sdk::Resource::empty() })
    }
}

impl Deliver<Spans> for JaegerExporter {
    async fn deliver(&self, batch: BatchOf<'_, Spans>) -> Outcome {
        let batch: Vec<_> =
            batch.into_iter().map(|span| convert::span(span, &self.resource)).collect();
        let spans = batch.len() as u64;
        match &self.receiver {
            Receiver::Agent(agent) => agent.deliver(batch, &self.resource).await,
            Receiver::Collector { endpoint, client, exporter } => {
                let build = || {
                    opentelemetry_jaeger::new_collector_pipeline()
                        .with_endpoint(endpoint)
                        .with_http_client(client.clone())
                        .with_trace_config(trace_config(&self.resource))
                        // The type of the runtime is not used when a client is given.
                        .build_collector_exporter::<old_sdk::runtime::Tokio>()
                };
                let told = send(exporter, build, batch).await;
                match (client.post.outcome(), told) {
                    (Some(outcome), _) => Outcome::of(outcome, spans),
                    (None, Ok(())) => Outcome::default(),
                    (None, Err(reason)) => Outcome::failed(spans, reason, error_type::OTHER),
                }
            }
        }
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.resource = convert::resource(resource);
    }
}

fn trace_config(resource: &old_sdk::Resource) -> old_sdk::trace::Config {
    old_sdk::trace::Config::default().with_resource(resource.clone())
}

/// Sends `batch` by the exporter in `slot`, which is built when it is needed first.
async fn send<E: std::fmt::Display>(
    slot: &Mutex<Option<Exporter>>,
    build: impl FnOnce() -> Result<Exporter, E>,
    batch: Vec<OldSpan>,
) -> Result<(), String> {
    let sending = {
        let mut exporter = slot.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *exporter {
            Some(exporter) => exporter.export(batch),
            empty => empty.insert(build().map_err(|error| error.to_string())?).export(batch),
        }
    };
    sending.await.map_err(|error| error.to_string())
}

/// An agent, which takes compact Thrift over UDP.
#[derive(Debug)]
struct Agent {
    address: String,
    /// Sends datagrams of up to [`PACKET_BYTES`]. It is built when it is needed first and again
    /// after a failure: building it looks up the agent's name, which may be unknown at the start or
    /// belong to another address after a restart.
    small: Mutex<Option<Exporter>>,
    /// Sends a single span of up to [`MAX_PACKET_BYTES`].
    large: Mutex<Option<Exporter>>,
}

impl Agent {
    /// Sends `batch` in as many datagrams as it needs, with a pause after each.
    async fn deliver(&self, batch: Vec<OldSpan>, resource: &old_sdk::Resource) -> Outcome {
        let mut outcome = Outcome::default();
        let mut left = &batch[..];
        // How many spans fit into a datagram is found out by trying: half as many after one that
        // was too large, and one more after each that was sent.
        let mut count = 16;
        while !left.is_empty() {
            let (part, rest) = left.split_at(count.min(left.len()));
            let mut sent = self.send(&self.small, PACKET_BYTES, part, resource).await;
            if is_too_large(&sent) && part.len() > 1 {
                count = part.len() / 2;
                continue;
            }
            if is_too_large(&sent) {
                sent = self.send(&self.large, MAX_PACKET_BYTES, part, resource).await;
            }
            match sent {
                Ok(()) => count += 1,
                Err(reason) => {
                    outcome.failed += part.len() as u64;
                    outcome.error_type = Some(error_type::OTHER.into());
                    outcome.reason = format!("agent at {}: {reason}", self.address);
                }
            }
            left = rest;
            std::thread::sleep(PAUSE);
        }
        outcome
    }

    async fn send(
        &self,
        exporter: &Mutex<Option<Exporter>>,
        packet_bytes: usize,
        part: &[OldSpan],
        resource: &old_sdk::Resource,
    ) -> Result<(), String> {
        let build = || {
            opentelemetry_jaeger::new_agent_pipeline()
                .with_endpoint(&self.address)
                .with_max_packet_size(packet_bytes)
                .with_trace_config(trace_config(resource))
                .build_sync_agent_exporter()
        };
        let sent = send(exporter, build, part.to_vec()).await;
        if sent.is_err() && !is_too_large(&sent) {
            exporter.lock().unwrap_or_else(PoisonError::into_inner).take();
        }
        sent
    }
}

/// Whether spans did not fit into a datagram. Only the text of the error says so.
fn is_too_large(sent: &Result<(), String>) -> bool {
    sent.as_ref().is_err_and(|error| error.contains("over max UDP packet size"))
}

/// A [`Post`] to a Jaeger collector, with a user's name and password if there are any, behind the
/// interface that opentelemetry-jaeger asks for.
#[derive(Clone, Debug)]
struct CollectorClient {
    post: Arc<Post>,
    credentials: Option<(String, String)>,
}

#[async_trait]
impl HttpClient for CollectorClient {
    async fn send(&self, request: Request<Vec<u8>>) -> Result<Response<Bytes>, HttpError> {
        let (parts, body) = request.into_parts();
        // That crate uses another major version of the HTTP types.
        let mut headers = HeaderMap::new();
        for (name, value) in &parts.headers {
            let name: http::HeaderName = name.as_str().parse()?;
            headers.insert(name, http::HeaderValue::from_bytes(value.as_bytes())?);
        }
        if let Some((user, password)) = &self.credentials {
            let credentials = BASE64_STANDARD.encode(format!("{user}:{password}"));
            headers.insert(AUTHORIZATION, format!("Basic {credentials}").parse()?);
        }
        self.post.send(&parts.uri.to_string(), &headers, body.into());
        Ok(Response::new(Bytes::new()))
    }
}
