//! The way to a Jaeger that does not take OTLP yet (before 1.35), through the last release of
//! opentelemetry-jaeger.
//!
//! That crate is written for opentelemetry 0.23, so spans are converted on their way. This module
//! is the only one that may use what is deprecated in it.
#![expect(deprecated, reason = "the crate is deprecated as a whole, in favour of OTLP")]

mod collector_client;
mod convert;

use super::TelemetryError;
use super::config::JaegerConfig;
use super::exporter::{Deliver, Undelivered};
use collector_client::CollectorClient;
use old_sdk::export::trace::SpanExporter as _;
use opentelemetry_jaeger::Exporter;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkError;
use opentelemetry_sdk::trace::SpanData;
use opentelemetry_sdk_0_23 as old_sdk;
use std::sync::{Mutex, PoisonError};

/// The largest payload of a UDP datagram that Jaeger's agent accepts, in bytes:
/// <https://www.jaegertracing.io/docs/1.21/client-features/>
const MAX_PACKET_BYTES: usize = 65_000;

/// Sends spans to a Jaeger agent or collector by Jaeger's own protocol.
#[derive(Debug)]
pub(super) struct JaegerExporter {
    target: Target,
    resource: old_sdk::Resource,
    /// Built when it is first needed and again after a failure: building it looks up the agent's
    /// name, which may be unknown at the start or stand for another address after a restart.
    exporter: Mutex<Option<Exporter>>,
}

#[derive(Debug)]
enum Target {
    Agent { address: String },
    Collector { endpoint: String, client: CollectorClient },
}

impl JaegerExporter {
    /// Prepares an exporter; nothing is sent or looked up yet.
    pub(super) fn new(config: &JaegerConfig) -> Result<Self, TelemetryError> {
        let target = match config {
            JaegerConfig::Agent { host, port } => {
                Target::Agent { address: format!("{host}:{port}") }
            }
            JaegerConfig::Collector { endpoint, credentials, timeout } => Target::Collector {
                endpoint: endpoint.to_string(),
                client: CollectorClient::new(endpoint, credentials.clone(), *timeout)?,
            },
        };
        Ok(JaegerExporter {
            target,
            resource: old_sdk::Resource::empty(),
            exporter: Mutex::new(None),
        })
    }

    fn build(&self) -> Result<Exporter, OTelSdkError> {
        let config = old_sdk::trace::Config::default().with_resource(self.resource.clone());
        match &self.target {
            Target::Agent { address } => opentelemetry_jaeger::new_agent_pipeline()
                .with_endpoint(address)
                .with_max_packet_size(MAX_PACKET_BYTES)
                .with_auto_split_batch(true)
                .with_trace_config(config)
                .build_sync_agent_exporter(),
            Target::Collector { endpoint, client } => {
                opentelemetry_jaeger::new_collector_pipeline()
                    .with_endpoint(endpoint)
                    .with_http_client(client.clone())
                    .with_trace_config(config)
                    // The runtime is a type that nothing is called on when a client is given.
                    .build_collector_exporter::<old_sdk::runtime::Tokio>()
            }
        }
        .map_err(failure)
    }

    /// Sends `batch` in one piece, or in as many datagrams as it needs.
    async fn send(&self, batch: Vec<old_sdk::export::trace::SpanData>) -> Result<(), OTelSdkError> {
        let sending = {
            let mut exporter = self.exporter.lock().unwrap_or_else(PoisonError::into_inner);
            match &mut *exporter {
                Some(exporter) => exporter.export(batch),
                empty => empty.insert(self.build()?).export(batch),
            }
        };
        sending.await.map_err(|error| {
            let error = failure(error);
            if !is_too_large(&error) {
                self.exporter.lock().unwrap_or_else(PoisonError::into_inner).take();
            }
            error
        })
    }
}

impl Deliver for JaegerExporter {
    async fn deliver(&self, batch: Vec<SpanData>) -> Result<(), Undelivered> {
        let batch = batch.into_iter().map(|span| convert::span(span, &self.resource)).collect();
        let mut undelivered: Option<Undelivered> = None;
        let mut parts: Vec<Vec<_>> = vec![batch];
        while let Some(mut part) = parts.pop() {
            let Err(error) = self.send(part.clone()).await else { continue };
            // One span too large for a datagram makes its whole batch fail before anything of it
            // is sent, so the others are sent without it.
            if is_too_large(&error) && part.len() > 1 {
                parts.push(part.split_off(part.len() / 2));
                parts.push(part);
            } else {
                undelivered.get_or_insert(Undelivered { spans: 0, error }).spans += part.len();
            }
        }
        undelivered.map_or(Ok(()), Err)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.resource = convert::resource(resource);
    }
}

/// Whether a span did not fit into a datagram, which only the text of the error tells.
fn is_too_large(error: &OTelSdkError) -> bool {
    error.to_string().contains("over max UDP packet size")
}

fn failure(error: impl std::fmt::Display) -> OTelSdkError {
    OTelSdkError::InternalFailure(error.to_string())
}
