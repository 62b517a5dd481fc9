//! Finds out where the spans go: to the viewer, or to a receiver that runs already.

use std::{ffi::OsString, fmt, net::SocketAddr, time::Duration};

use anyhow::bail;
use tokio::net::{TcpStream, lookup_host};

use crate::{cli::Together, http::Http};

const TRACES_EXPORTER: &str = "OTEL_TRACES_EXPORTER";
const OTLP_ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
const OTLP_TRACES_ENDPOINT: &str = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT";
const OTLP_PROTOCOL: &str = "OTEL_EXPORTER_OTLP_PROTOCOL";
const OTLP_TRACES_PROTOCOL: &str = "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL";
const METRICS_EXPORTER: &str = "OTEL_METRICS_EXPORTER";
const LOGS_EXPORTER: &str = "OTEL_LOGS_EXPORTER";
const OTLP_LOGS_ENDPOINT: &str = "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT";
const PROMETHEUS_HOST: &str = "OTEL_EXPORTER_PROMETHEUS_HOST";
pub(crate) const PROMETHEUS_PORT: &str = "OTEL_EXPORTER_PROMETHEUS_PORT";
const SCHEDULE_DELAY: &str = "OTEL_BSP_SCHEDULE_DELAY";
const METRIC_INTERVAL: &str = "OTEL_METRIC_EXPORT_INTERVAL";
const VIEWER_LOG: &str = "VIEWER_LOG";

/// How long a span waits at most until it is sent, in milliseconds, unless the variable is set. A
/// trace is complete only when both services have sent their spans, and somebody may be looking.
const SHORT_DELAY: &str = "1000";

/// How often metrics are sent to the viewer, in milliseconds, unless the variable is set: as often as
/// its charts have a point.
const SHORT_INTERVAL: &str = "10000";

/// The media type of OTLP in protobuf.
const PROTOBUF: &str = "application/x-protobuf";

/// How long a receiver that runs already may take to answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);

/// Where the spans go.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Receiver {
    /// To the viewer, which is to be started.
    Viewer,
    /// To a receiver that listens on the OTLP address already.
    Running,
    /// To the endpoint in the standard variables.
    Configured(OsString),
    /// To no receiver that is known: nothing listens on the OTLP address, and `--no-viewer` is set.
    Nobody,
}

/// The variables of this process that decide where the spans go.
#[derive(Debug, Default)]
pub(crate) struct Environment {
    exporter: Option<OsString>,
    endpoint: Option<OsString>,
    protocol: Option<OsString>,
    /// The page for Prometheus of the first role, if its metrics go to one.
    page: Option<MetricsPage>,
    /// Whether the variable for the wait of a span is set.
    delays: bool,
    /// Whether a variable says where log records go.
    logs: bool,
    /// Whether the variable for where metrics go is set, and that for how often.
    has_metrics_exporter: bool,
    has_metric_interval: bool,
    /// Whether the variable for the viewer's log is set.
    viewer_logs: bool,
}

/// Where the page for Prometheus of one role is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MetricsPage {
    pub(crate) host: String,
    pub(crate) port: u16,
}

impl MetricsPage {
    /// The page that the variables ask for. `None` if they ask for none, or if the port is none:
    /// the role refuses it then.
    fn read(read: impl Fn(&'static str) -> Option<OsString>) -> Option<Self> {
        let exporters = read(METRICS_EXPORTER)?.to_string_lossy().to_ascii_lowercase();
        if !exporters.split(',').any(|exporter| exporter.trim() == "prometheus") {
            return None;
        }
        let text = |name| read(name).map(|value| value.to_string_lossy().trim().to_owned());
        let text = |name| text(name).filter(|value| !value.is_empty());
        Some(Self {
            host: text(PROMETHEUS_HOST).unwrap_or_else(|| "localhost".to_owned()),
            port: text(PROMETHEUS_PORT).map_or(Some(9464), |port| port.parse().ok())?,
        })
    }

    /// The address that the role listens on.
    ///
    /// # Errors
    /// When the host cannot be found.
    pub(crate) async fn address(&self) -> std::io::Result<Option<SocketAddr>> {
        let host = self.host.trim_start_matches('[').trim_end_matches(']');
        let mut addresses: Vec<_> = lookup_host((host, self.port)).await?.collect();
        // As the role does, IPv4 is preferred.
        addresses.sort_by_key(SocketAddr::is_ipv6);
        Ok(addresses.first().copied())
    }

    /// Its variable.
    pub(crate) fn variable(&self) -> (&'static str, OsString) {
        (PROMETHEUS_PORT, self.port.to_string().into())
    }
}

impl fmt::Display for MetricsPage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}:{}/metrics", self.host, self.port)
    }
}

impl Environment {
    /// The page for Prometheus of the role with this number, from 0. Each has a port of its own:
    /// that of the variable, and those after it. With port 0 the system chooses each.
    pub(crate) fn metrics_page(&self, role: u16) -> Option<MetricsPage> {
        let MetricsPage { host, port } = self.page.clone()?;
        let port = if port == 0 { 0 } else { port.checked_add(role)? };
        Some(MetricsPage { host, port })
    }

    /// Reads them. As the OpenTelemetry specification says, an empty variable counts as not set.
    #[expect(clippy::disallowed_methods, reason = "this is configuration code")]
    pub(crate) fn read() -> Self {
        let read = |name| std::env::var_os(name).filter(|value| !value.is_empty());
        Self {
            exporter: read(TRACES_EXPORTER),
            endpoint: read(OTLP_TRACES_ENDPOINT).or_else(|| read(OTLP_ENDPOINT)),
            protocol: read(OTLP_TRACES_PROTOCOL).or_else(|| read(OTLP_PROTOCOL)),
            page: MetricsPage::read(read),
            delays: read(SCHEDULE_DELAY).is_some(),
            logs: read(LOGS_EXPORTER).or_else(|| read(OTLP_LOGS_ENDPOINT)).is_some(),
            has_metrics_exporter: read(METRICS_EXPORTER).is_some(),
            has_metric_interval: read(METRIC_INTERVAL).is_some(),
            viewer_logs: read(VIEWER_LOG).is_some(),
        }
    }

    /// The variables that the viewer gets in addition to those of this process. Its log has
    /// warnings only, unless the user asked for more, since `grocery` itself says where the viewer
    /// is.
    pub(crate) fn for_viewer(&self) -> Vec<(&'static str, OsString)> {
        if self.viewer_logs { Vec::new() } else { vec![(VIEWER_LOG, "warn".into())] }
    }

    /// The variables that the store, the lab and the shopper get in addition to those of this process.
    /// Metrics and log records go only to the viewer that is started here, unless the user says where
    /// they go: another receiver may not take any.
    pub(crate) fn for_services(
        &self,
        options: &Together,
        receiver: &Receiver,
    ) -> Vec<(&'static str, OsString)> {
        let mut exporter = self.exporter.clone().unwrap_or_else(|| "otlp".into());
        let names = exporter.to_string_lossy().to_ascii_lowercase();
        let lists = |wanted| names.split(',').any(|name| name.trim() == wanted);
        if options.console && lists("none") {
            exporter = "console".into();
        } else if options.console && !lists("console") {
            exporter = [OsString::from("console,"), exporter].into_iter().collect();
        }
        let mut variables = vec![(TRACES_EXPORTER, exporter)];
        if self.endpoint.is_none() {
            let is_grpc =
                self.protocol.as_ref().is_some_and(|name| name.eq_ignore_ascii_case("grpc"));
            let receiver = if is_grpc { options.otlp_grpc } else { options.otlp };
            variables.push((OTLP_ENDPOINT, format!("http://{receiver}").into()));
        }
        if *receiver == Receiver::Viewer && !self.logs {
            variables.push((LOGS_EXPORTER, "otlp".into()));
        }
        if !self.delays {
            variables.push((SCHEDULE_DELAY, SHORT_DELAY.into()));
        }
        if *receiver == Receiver::Viewer && !self.has_metrics_exporter {
            variables.push((METRICS_EXPORTER, "otlp".into()));
            if !self.has_metric_interval {
                variables.push((METRIC_INTERVAL, SHORT_INTERVAL.into()));
            }
        }
        variables
    }
}

impl Receiver {
    /// Finds out where the spans go. It must be called in an actix system.
    ///
    /// # Errors
    /// When something listens on the OTLP address and does not take OTLP.
    pub(crate) async fn find(
        options: &Together,
        environment: &Environment,
    ) -> anyhow::Result<Self> {
        if let Some(endpoint) = &environment.endpoint {
            return Ok(Self::Configured(endpoint.clone()));
        }
        if !listens(options.otlp).await {
            return Ok(if options.no_viewer { Self::Nobody } else { Self::Viewer });
        }
        if let Err(answer) = takes_otlp(options.otlp).await {
            bail!(
                "what listens on {} does not take OTLP: {answer}; stop it, or choose another \
                 address with --otlp",
                options.otlp
            );
        }
        Ok(Self::Running)
    }
}

/// Checks that `addr` takes OTLP, by sending it an export without spans, which is an empty message.
///
/// A receiver answers in protobuf even when it refuses the export, for example because it wants
/// credentials. So every answer in protobuf counts.
///
/// # Errors
/// The answer of something else.
async fn takes_otlp(addr: SocketAddr) -> Result<(), String> {
    let url = format!("http://{addr}/v1/traces");
    let answer = Http::plain().post(&url, PROTOBUF, Vec::new(), ANSWER_TIMEOUT).await;
    let answer = answer.map_err(|error| error.to_string())?;
    let is_empty_success = answer.status.is_success() && answer.content_type.is_empty();
    if answer.content_type.starts_with(PROTOBUF) || is_empty_success {
        return Ok(());
    }
    let told = |what: &str, value: &str| match value {
        "" => String::new(),
        value => format!(", {what} {value:?}"),
    };
    let content_type = told("content-type", &answer.content_type);
    let server = told("server", &answer.server);
    Err(format!("it answers POST /v1/traces with {}{content_type}{server}", answer.status))
}

/// Whether something accepts connections on `addr`.
pub(crate) async fn listens(addr: SocketAddr) -> bool {
    TcpStream::connect(addr).await.is_ok()
}

#[cfg(test)]
mod tests {
    use clap::{Args as _, FromArgMatches as _};

    use super::*;

    /// All variables but how long spans wait.
    fn variables(environment: &Environment, flags: &[&str]) -> Vec<String> {
        let mut variables = all_variables(environment, flags);
        assert_eq!(variables.pop().as_deref(), Some("OTEL_BSP_SCHEDULE_DELAY=1000"));
        variables
    }

    fn all_variables(environment: &Environment, flags: &[&str]) -> Vec<String> {
        variables_for(&Receiver::Running, environment, flags)
    }

    fn variables_for(
        receiver: &Receiver,
        environment: &Environment,
        flags: &[&str],
    ) -> Vec<String> {
        let command = clap::Command::new("grocery").no_binary_name(true);
        let matches = Together::augment_args(command).get_matches_from(flags);
        let options = Together::from_arg_matches(&matches).unwrap();
        let variables = environment.for_services(&options, receiver);
        variables.into_iter().map(|(name, value)| format!("{name}={}", value.display())).collect()
    }

    #[test]
    fn the_services_send_to_the_viewer_unless_told_otherwise() {
        assert_eq!(
            variables(&Environment::default(), &[]),
            ["OTEL_TRACES_EXPORTER=otlp", "OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4318"]
        );
        let told = Environment {
            exporter: Some("zipkin".into()),
            endpoint: Some("http://collector:4318".into()),
            ..Environment::default()
        };
        assert_eq!(variables(&told, &[]), ["OTEL_TRACES_EXPORTER=zipkin"]);
        let grpc = Environment { protocol: Some("grpc".into()), ..Environment::default() };
        assert_eq!(
            variables(&grpc, &[]),
            ["OTEL_TRACES_EXPORTER=otlp", "OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4317"]
        );
    }

    #[test]
    fn log_records_go_to_the_viewer_that_is_started_here_unless_told_otherwise() {
        let logs = |receiver, environment: &Environment| {
            let variables = variables_for(receiver, environment, &[]);
            variables.into_iter().filter(|one| one.contains("LOGS")).collect::<Vec<_>>()
        };
        let told = Environment { logs: true, ..Environment::default() };

        assert_eq!(logs(&Receiver::Viewer, &Environment::default()), ["OTEL_LOGS_EXPORTER=otlp"]);
        assert_eq!(logs(&Receiver::Viewer, &told), [""; 0]);
        assert_eq!(logs(&Receiver::Running, &Environment::default()), [""; 0]);
        assert_eq!(logs(&Receiver::Nobody, &Environment::default()), [""; 0]);
    }

    #[test]
    fn metrics_go_to_our_own_viewer_unless_told_otherwise() {
        let of = |environment: Environment, receiver| {
            let variables = variables_for(&receiver, &environment, &[]).into_iter();
            variables.filter(|one| one.starts_with("OTEL_METRIC")).collect::<Vec<_>>()
        };
        let nothing_set = Environment::default;

        let (exporter, interval) =
            ("OTEL_METRICS_EXPORTER=otlp", "OTEL_METRIC_EXPORT_INTERVAL=10000");
        assert_eq!(of(nothing_set(), Receiver::Viewer), [exporter, interval]);
        let told = Environment { has_metric_interval: true, ..nothing_set() };
        assert_eq!(of(told, Receiver::Viewer), [exporter]);
        let told = Environment { has_metrics_exporter: true, ..nothing_set() };
        assert!(of(told, Receiver::Viewer).is_empty());
        for receiver in [Receiver::Running, Receiver::Nobody, Receiver::Configured("x".into())] {
            assert!(of(nothing_set(), receiver).is_empty());
        }
    }

    #[test]
    fn spans_wait_for_a_second_unless_told_otherwise() {
        let told = Environment { delays: true, ..Environment::default() };
        assert_eq!(all_variables(&told, &[]), variables(&Environment::default(), &[]));
    }

    #[test]
    fn each_role_has_a_page_for_prometheus_of_its_own() {
        let page = |variables: &[(&str, &str)], role| {
            let read = |name| {
                let found = variables.iter().find(|(variable, _)| *variable == name);
                found.map(|(_, value)| OsString::from(value))
            };
            let environment =
                Environment { page: MetricsPage::read(read), ..Environment::default() };
            environment.metrics_page(role).map(|page| page.to_string())
        };
        let asked = (METRICS_EXPORTER, "otlp, Prometheus");
        let at = |page: &str| Some(page.to_owned());
        assert_eq!(page(&[], 0), None);
        assert_eq!(page(&[(METRICS_EXPORTER, "otlp")], 0), None);
        assert_eq!(page(&[asked], 0), at("http://localhost:9464/metrics"));
        assert_eq!(page(&[asked], 2), at("http://localhost:9466/metrics"));
        let elsewhere = [asked, (PROMETHEUS_HOST, "10.1.2.3"), (PROMETHEUS_PORT, "7000")];
        assert_eq!(page(&elsewhere, 1), at("http://10.1.2.3:7001/metrics"));
        assert_eq!(page(&[asked, (PROMETHEUS_PORT, "0")], 1), at("http://localhost:0/metrics"));
        // The role says what is wrong.
        assert_eq!(page(&[asked, (PROMETHEUS_PORT, "many")], 0), None);
        assert_eq!(page(&[asked, (PROMETHEUS_PORT, "65535")], 1), None);
    }

    #[test]
    fn the_console_comes_on_top_of_what_was_asked_for_and_once() {
        let told = |exporter: &str| Environment {
            exporter: Some(exporter.into()),
            endpoint: Some("http://collector:4318".into()),
            ..Environment::default()
        };
        assert_eq!(
            variables(&told("jaeger"), &["--console"]),
            ["OTEL_TRACES_EXPORTER=console,jaeger"]
        );
        assert_eq!(
            variables(&told("otlp, console"), &["--console"]),
            ["OTEL_TRACES_EXPORTER=otlp, console"]
        );
        assert_eq!(variables(&told("none"), &["--console"]), ["OTEL_TRACES_EXPORTER=console"]);
    }
}
