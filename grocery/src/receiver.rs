//! Who receives the spans: the viewer, or what is there already.

use std::{ffi::OsString, net::SocketAddr};

use tokio::net::TcpStream;

use crate::cli::Together;

const TRACES_EXPORTER: &str = "OTEL_TRACES_EXPORTER";
const OTLP_ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
const OTLP_TRACES_ENDPOINT: &str = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT";

/// Where the spans go.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Receiver {
    /// To the viewer, which is to be started.
    Viewer,
    /// To what listens on the OTLP address already.
    Running,
    /// To where the standard variables say.
    Configured(OsString),
    /// To nobody that we know of: no viewer was asked for, and nothing listens.
    Nobody,
}

/// The variables of this process that decide where the spans go.
#[derive(Debug, Default)]
pub(crate) struct Environment {
    exporter: Option<OsString>,
    endpoint: Option<OsString>,
}

impl Environment {
    /// Reads them; one that is set and empty counts as unset, as the OpenTelemetry specification
    /// has it.
    #[expect(clippy::disallowed_methods, reason = "this is configuration code")]
    pub(crate) fn read() -> Self {
        let read = |name| std::env::var_os(name).filter(|value| !value.is_empty());
        Self {
            exporter: read(TRACES_EXPORTER),
            endpoint: read(OTLP_TRACES_ENDPOINT).or_else(|| read(OTLP_ENDPOINT)),
        }
    }

    /// The variables that the store and the shopper get on top of those of this process.
    pub(crate) fn for_services(
        &self,
        console: bool,
        otlp: SocketAddr,
    ) -> Vec<(&'static str, OsString)> {
        let mut exporter = self.exporter.clone().unwrap_or_else(|| "otlp".into());
        let listed = exporter.to_string_lossy().split(',').any(|name| name.trim() == "console");
        if console && !listed {
            exporter = [OsString::from("console,"), exporter].into_iter().collect();
        }
        let mut variables = vec![(TRACES_EXPORTER, exporter)];
        if self.endpoint.is_none() {
            variables.push((OTLP_ENDPOINT, format!("http://{otlp}").into()));
        }
        variables
    }
}

impl Receiver {
    /// Looks who is there.
    pub(crate) async fn find(options: &Together, environment: &Environment) -> Self {
        if let Some(endpoint) = &environment.endpoint {
            return Self::Configured(endpoint.clone());
        }
        match (listens(options.otlp).await, options.no_viewer) {
            (true, _) => Self::Running,
            (false, true) => Self::Nobody,
            (false, false) => Self::Viewer,
        }
    }
}

/// Whether something accepts connections on `addr`.
pub(crate) async fn listens(addr: SocketAddr) -> bool {
    TcpStream::connect(addr).await.is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables(environment: &Environment, console: bool) -> Vec<String> {
        let otlp = "127.0.0.1:4318".parse().unwrap();
        let variables = environment.for_services(console, otlp);
        variables.into_iter().map(|(name, value)| format!("{name}={}", value.display())).collect()
    }

    #[test]
    fn the_services_send_to_the_viewer_unless_told_otherwise() {
        assert_eq!(
            variables(&Environment::default(), false),
            ["OTEL_TRACES_EXPORTER=otlp", "OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4318"]
        );
        let told = Environment {
            exporter: Some("zipkin".into()),
            endpoint: Some("http://collector:4318".into()),
        };
        assert_eq!(variables(&told, false), ["OTEL_TRACES_EXPORTER=zipkin"]);
    }

    #[test]
    fn the_console_comes_on_top_of_what_was_asked_for_and_once() {
        let told = |exporter: &str| Environment {
            exporter: Some(exporter.into()),
            endpoint: Some("http://collector:4318".into()),
        };
        assert_eq!(variables(&told("jaeger"), true), ["OTEL_TRACES_EXPORTER=console,jaeger"]);
        assert_eq!(variables(&told("otlp, console"), true), ["OTEL_TRACES_EXPORTER=otlp, console"]);
    }
}
