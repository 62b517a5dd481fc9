//! How the parts of this pipeline are named in its metrics.
//!
//! <https://opentelemetry.io/docs/specs/semconv/registry/attributes/otel/#otel-component-attributes>

use http::Uri;
use opentelemetry::KeyValue;
use opentelemetry_semantic_conventions::attribute::{
    OTEL_COMPONENT_NAME, OTEL_COMPONENT_TYPE, SERVER_ADDRESS, SERVER_PORT,
};

/// A processor, an exporter or a reader.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Component {
    /// `otel.component.type`: a name of the conventions, or the path of a type of this crate.
    kind: &'static str,
    /// Which one of its type it is, from 0.
    index: usize,
    /// The host and the port of the backend that it sends to.
    server: Option<(String, u16)>,
}

impl Component {
    /// The component of this type with this index.
    pub(crate) fn new(kind: &'static str, index: usize) -> Self {
        Component { kind, index, server: None }
    }

    /// The only exporter of this type, which sends to `endpoint`.
    pub(crate) fn exporter_to(kind: &'static str, endpoint: &Uri) -> Self {
        let host = endpoint.host().unwrap_or_default();
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let default = if endpoint.scheme_str() == Some("https") { 443 } else { 80 };
        Self::exporter_at(kind, host, endpoint.port_u16().unwrap_or(default))
    }

    /// The only exporter of this type, which sends to `port` of `host`.
    pub(crate) fn exporter_at(kind: &'static str, host: &str, port: u16) -> Self {
        Component { kind, index: 0, server: Some((host.to_owned(), port)) }
    }

    /// The host and the port of the backend that it sends to.
    pub(crate) fn server(&self) -> Option<String> {
        let (host, port) = self.server.as_ref()?;
        Some(if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") })
    }

    /// Its attributes: `otel.component.type`, `otel.component.name`, and for an exporter that sends
    /// to a backend `server.address` and `server.port`.
    pub(crate) fn attributes(&self) -> Vec<KeyValue> {
        let Component { kind, index, server } = self;
        let mut attributes = vec![
            KeyValue::new(OTEL_COMPONENT_TYPE, *kind),
            KeyValue::new(OTEL_COMPONENT_NAME, format!("{kind}/{index}")),
        ];
        if let Some((host, port)) = server {
            attributes.push(KeyValue::new(SERVER_ADDRESS, host.clone()));
            attributes.push(KeyValue::new(SERVER_PORT, i64::from(*port)));
        }
        attributes
    }
}
