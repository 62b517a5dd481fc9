//! Every variable with every kind of value (unset, empty, blank, in another case, 0, negative,
//! garbage), both strictly and leniently.

use crate::support::config;
use telemetry::config::{Config, LENIENT};

/// What a value leads to.
#[derive(Clone, Copy, Debug)]
enum Leads {
    /// A configuration with this text in its debug form.
    To(&'static str),
    /// An error that says that this was expected.
    Refused(&'static str),
}
use Leads::{Refused, To};

/// A variable, and what some of its values lead to.
struct Row {
    name: &'static str,
    /// Other variables that must be set so that it has an effect.
    with: &'static [(&'static str, &'static str)],
    /// A valid value that differs from the default.
    right: &'static str,
    /// Whether the value means the same in another case.
    any_case: bool,
    zero: Leads,
    negative: Leads,
    garbage: Leads,
}

const MILLIS: Leads = Refused("milliseconds, from 0 to 86400000");
const NUMBER: Leads = Refused("a whole number, 0 or more");
const SIZE: Leads = Refused("a whole number from 1 to 10000000");
const URL: Leads = Refused("a URL that starts with http:// or https://");
const PAIRS: Leads = Refused("key=value pairs separated by commas, percent-encoded");
const BOOLEAN: Leads = Refused("true or false");
const PROPAGATORS: Leads =
    Refused("a comma-separated list of tracecontext, baggage, b3, b3multi; or none");
const SAMPLERS: Leads = Refused(
    "always_on, always_off, traceidratio, parentbased_always_on, parentbased_always_off or \
     parentbased_traceidratio",
);
const PROTOCOL: Leads = Refused("grpc, http/protobuf or http/json");
const COMPRESSION: Leads = Refused("gzip or none");
const CONSOLE_FORMAT: Leads = Refused("text or json");
const TEMPORALITY: Leads = Refused("cumulative, delta or lowmemory");
const HISTOGRAMS: Leads =
    Refused("explicit_bucket_histogram or base2_exponential_bucket_histogram");
const PORT: Leads = Refused("a port, 0 to 65535");
const PEM: Leads = Refused("No such file or directory (os error 2)");
const RATIO: Leads = Refused("a number from 0 to 1");

const ZIPKIN: &[(&str, &str)] = &[("OTEL_TRACES_EXPORTER", "zipkin")];
const JAEGER: &[(&str, &str)] = &[("OTEL_TRACES_EXPORTER", "jaeger")];
const COLLECTOR: &[(&str, &str)] =
    &[("OTEL_TRACES_EXPORTER", "jaeger"), ("OTEL_EXPORTER_JAEGER_ENDPOINT", "http://h:1")];
const COLLECTOR_WITH_PASSWORD: &[(&str, &str)] = &[
    ("OTEL_TRACES_EXPORTER", "jaeger"),
    ("OTEL_EXPORTER_JAEGER_ENDPOINT", "http://h:1"),
    ("OTEL_EXPORTER_JAEGER_PASSWORD", "p"),
];
const COLLECTOR_WITH_USER: &[(&str, &str)] = &[
    ("OTEL_TRACES_EXPORTER", "jaeger"),
    ("OTEL_EXPORTER_JAEGER_ENDPOINT", "http://h:1"),
    ("OTEL_EXPORTER_JAEGER_USER", "ann"),
];
const METRICS: &[(&str, &str)] = &[("OTEL_METRICS_EXPORTER", "otlp")];
const PROMETHEUS: &[(&str, &str)] = &[("OTEL_METRICS_EXPORTER", "prometheus")];
const LOGS: &[(&str, &str)] = &[("OTEL_LOGS_EXPORTER", "otlp")];
const LOGS_GRPC: &[(&str, &str)] = &[
    ("OTEL_LOGS_EXPORTER", "otlp"),
    ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
    ("OTEL_EXPORTER_OTLP_ENDPOINT", "h:1"),
];
const GRPC: &[(&str, &str)] =
    &[("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"), ("OTEL_EXPORTER_OTLP_ENDPOINT", "h:1")];
const METRICS_BY_GRPC: &[(&str, &str)] = &[
    ("OTEL_METRICS_EXPORTER", "otlp"),
    ("OTEL_EXPORTER_OTLP_METRICS_PROTOCOL", "grpc"),
    ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "h:1"),
];
const RATIO_SAMPLER: &[(&str, &str)] = &[("OTEL_TRACES_SAMPLER", "traceidratio")];

const fn row(
    name: &'static str,
    right: &'static str,
    [zero, negative, garbage]: [Leads; 3],
) -> Row {
    Row { name, with: &[], right, any_case: false, zero, negative, garbage }
}

impl Row {
    const fn with(mut self, with: &'static [(&'static str, &'static str)]) -> Self {
        self.with = with;
        self
    }

    const fn any_case(mut self) -> Self {
        self.any_case = true;
        self
    }

    fn config(&self, value: Option<&str>, lenient: bool) -> Result<Config, String> {
        let mut variables = self.with.to_vec();
        // Of two variables with the same name only the first would count.
        variables.retain(|(name, _)| *name != self.name);
        variables.extend(value.map(|value| (self.name, value)));
        if lenient {
            variables.push((LENIENT, "on"));
        }
        config(&variables).map_err(|error| error.to_string())
    }
}

fn rows() -> Vec<Row> {
    let text = |value| To(value);
    let mut rows = vec![
        row("OTEL_SDK_DISABLED", "true", [BOOLEAN, BOOLEAN, BOOLEAN]).any_case(),
        row(
            "OTEL_SERVICE_NAME",
            "shop",
            [
                text("service_name: Some(\"0\")"),
                text("service_name: Some(\"-1\")"),
                text("service_name: Some(\"%$!\")"),
            ],
        ),
        row("OTEL_RESOURCE_ATTRIBUTES", "team=veg", [PAIRS, PAIRS, PAIRS]),
        row("OTEL_TRACES_EXPORTER", "zipkin", [EXPORTERS, EXPORTERS, EXPORTERS]).any_case(),
        row("OTEL_EXPORTER_CONSOLE_FORMAT", "json", [CONSOLE_FORMAT; 3]).any_case(),
        row("OTEL_METRICS_EXPORTER", "console", [METRIC_EXPORTERS; 3]).any_case(),
        row("OTEL_PROPAGATORS", "b3multi,baggage", [PROPAGATORS; 3]).any_case(),
        row("OTEL_TRACES_SAMPLER", "parentbased_always_off", [SAMPLERS; 3]).any_case(),
        row(
            "OTEL_TRACES_SAMPLER_ARG",
            "0.25",
            [To("sampler: TraceIdRatioBased(0.0)"), RATIO, RATIO],
        )
        .with(RATIO_SAMPLER),
        row("OTEL_BSP_MAX_QUEUE_SIZE", "1000", [SIZE; 3]),
        row("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "100", [SIZE; 3]),
        row("OTEL_BSP_SCHEDULE_DELAY", "100", [To("schedule_delay: 1ms"), MILLIS, MILLIS]),
        row("OTEL_BSP_EXPORT_TIMEOUT", "100", [To("export_timeout: None"), MILLIS, MILLIS]),
        row("OTEL_ATTRIBUTE_COUNT_LIMIT", "5", [To("attributes_per_span: 0"), NUMBER, NUMBER]),
        row(
            "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT",
            "5",
            [To("value_length_limit: Some(0)"), NUMBER, NUMBER],
        ),
        row("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "5", [To("per_span: 0"), NUMBER, NUMBER]),
        row(
            "OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT",
            "5",
            [To("value_length_limit: Some(0)"), NUMBER, NUMBER],
        ),
        row("OTEL_SPAN_EVENT_COUNT_LIMIT", "5", [To("max_events_per_span: 0"), NUMBER, NUMBER]),
        row("OTEL_SPAN_LINK_COUNT_LIMIT", "5", [To("max_links_per_span: 0"), NUMBER, NUMBER]),
        row("OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT", "5", [To("per_event: 0"), NUMBER, NUMBER]),
        row("OTEL_LINK_ATTRIBUTE_COUNT_LIMIT", "5", [To("per_link: 0"), NUMBER, NUMBER]),
        row("OTEL_LOGS_EXPORTER", "console", [LOG_EXPORTERS; 3]).any_case(),
        row("GROCERY_LOG_FORMAT", "json", [CONSOLE_FORMAT; 3]).any_case(),
        row("OTEL_BLRP_MAX_QUEUE_SIZE", "1000", [SIZE; 3]),
        row("OTEL_BLRP_MAX_EXPORT_BATCH_SIZE", "100", [SIZE; 3]),
        row("OTEL_BLRP_SCHEDULE_DELAY", "100", [To("schedule_delay: 1ms"), MILLIS, MILLIS]),
        row("OTEL_BLRP_EXPORT_TIMEOUT", "100", [To("export_timeout: None"), MILLIS, MILLIS]),
        row("OTEL_LOGRECORD_ATTRIBUTE_COUNT_LIMIT", "5", [To("attributes: 0"), NUMBER, NUMBER]),
        row(
            "OTEL_LOGRECORD_ATTRIBUTE_VALUE_LENGTH_LIMIT",
            "5",
            [To("value_length: Some(0)"), NUMBER, NUMBER],
        ),
        row("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", "http://h:1", [URL; 3]).with(LOGS),
        row("OTEL_EXPORTER_OTLP_LOGS_PROTOCOL", "grpc", [PROTOCOL; 3]).with(LOGS).any_case(),
        row("OTEL_EXPORTER_OTLP_LOGS_COMPRESSION", "gzip", [COMPRESSION; 3]).with(LOGS).any_case(),
        row("OTEL_EXPORTER_OTLP_LOGS_HEADERS", "x-tenant=veg", [PAIRS; 3]).with(LOGS),
        row("OTEL_EXPORTER_OTLP_LOGS_TIMEOUT", "5", [To("timeout: None"), MILLIS, MILLIS])
            .with(LOGS),
        row("OTEL_EXPORTER_OTLP_LOGS_INSECURE", "true", [BOOLEAN; 3]).with(LOGS_GRPC).any_case(),
        row("OTEL_METRIC_EXPORT_INTERVAL", "100", [To("metric_interval: 1ms"), MILLIS, MILLIS]),
        row("OTEL_METRIC_EXPORT_TIMEOUT", "100", [To("metric_timeout: None"), MILLIS, MILLIS]),
        row("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "delta", [TEMPORALITY; 3])
            .with(METRICS)
            .any_case(),
        row(
            "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION",
            "base2_exponential_bucket_histogram",
            [HISTOGRAMS; 3],
        )
        .with(METRICS)
        .any_case(),
        row(
            "OTEL_EXPORTER_PROMETHEUS_HOST",
            "10.1.2.3",
            [To("host: \"0\""), To("host: \"-1\""), To("host: \"%$!\"")],
        )
        .with(PROMETHEUS),
        row("OTEL_EXPORTER_PROMETHEUS_PORT", "9465", [To("port: 0"), PORT, PORT]).with(PROMETHEUS),
        row("OTEL_EXPORTER_ZIPKIN_ENDPOINT", "http://h:1/x", [URL; 3]).with(ZIPKIN),
        row("OTEL_EXPORTER_ZIPKIN_TIMEOUT", "5", [To("timeout: None"), MILLIS, MILLIS])
            .with(ZIPKIN),
        row("OTEL_EXPORTER_OTLP_ENDPOINT", "http://h:1", [URL; 3]),
        row("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://h:1", [URL; 3]),
        row("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "http://h:1", [URL; 3]).with(METRICS),
        row("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json", [PROTOCOL; 3]).any_case(),
        row("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "grpc", [PROTOCOL; 3]).any_case(),
        row("OTEL_EXPORTER_OTLP_METRICS_PROTOCOL", "grpc", [PROTOCOL; 3]).with(METRICS).any_case(),
        row("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip", [COMPRESSION; 3]).any_case(),
        row("OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "gzip", [COMPRESSION; 3]).any_case(),
        row("OTEL_EXPORTER_OTLP_METRICS_COMPRESSION", "gzip", [COMPRESSION; 3])
            .with(METRICS)
            .any_case(),
        row("OTEL_EXPORTER_OTLP_HEADERS", "x-tenant=veg", [PAIRS; 3]),
        row("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "x-tenant=veg", [PAIRS; 3]),
        row("OTEL_EXPORTER_OTLP_METRICS_HEADERS", "x-tenant=veg", [PAIRS; 3]).with(METRICS),
        row("OTEL_EXPORTER_OTLP_TIMEOUT", "5", [To("timeout: None"), MILLIS, MILLIS]),
        row("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "5", [To("timeout: None"), MILLIS, MILLIS]),
        row("OTEL_EXPORTER_OTLP_METRICS_TIMEOUT", "5", [To("timeout: None"), MILLIS, MILLIS])
            .with(METRICS),
        row("OTEL_EXPORTER_OTLP_INSECURE", "true", [BOOLEAN; 3]).with(GRPC).any_case(),
        row("OTEL_EXPORTER_OTLP_TRACES_INSECURE", "true", [BOOLEAN; 3]).with(GRPC).any_case(),
        row("OTEL_EXPORTER_OTLP_METRICS_INSECURE", "true", [BOOLEAN; 3])
            .with(METRICS_BY_GRPC)
            .any_case(),
        row(
            "RUST_LOG",
            "debug",
            [
                To("log_filter: Some(\"0\")"),
                To("log_filter: Some(\"-1\")"),
                To("log_filter: Some(\"%$!\")"),
            ],
        ),
        row(LENIENT, "true", [To("warnings: []"), LENIENCE, LENIENCE]).any_case(),
    ];
    if cfg!(feature = "jaeger") {
        rows.extend([
            row("OTEL_EXPORTER_JAEGER_ENDPOINT", "http://h:1/x", [URL; 3]).with(JAEGER),
            row("OTEL_EXPORTER_JAEGER_TIMEOUT", "5", [To("timeout: None"), MILLIS, MILLIS])
                .with(COLLECTOR),
            row(
                "OTEL_EXPORTER_JAEGER_USER",
                "ann",
                [To("Some((\"0\", \"p\"))"), To("((\"-1\", "), To("((\"%$!\", ")],
            )
            .with(COLLECTOR_WITH_PASSWORD),
            row(
                "OTEL_EXPORTER_JAEGER_PASSWORD",
                "secret",
                [To("Some((\"ann\", \"0\"))"), To(", \"-1\"))"), To(", \"%$!\"))")],
            )
            .with(COLLECTOR_WITH_USER),
        ]);
    }
    rows
}

const EXPORTERS: Leads = if cfg!(feature = "jaeger") {
    Refused("a comma-separated list of console, otlp, zipkin, jaeger; or none")
} else {
    Refused(
        "a comma-separated list of console, otlp, zipkin; or none \
         (this program was built without the feature jaeger)",
    )
};
const METRIC_EXPORTERS: Leads =
    Refused("a comma-separated list of console, otlp, prometheus; or none");
const LOG_EXPORTERS: Leads = Refused("a comma-separated list of console, otlp; or none");
const LENIENCE: Leads = Refused("1, true, yes or on; or 0, false, no or off");

/// The variables that name files, which are read at the start.
const FILES: &[&str] = &[
    "OTEL_EXPORTER_OTLP_CERTIFICATE",
    "OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE",
    "OTEL_EXPORTER_OTLP_METRICS_CERTIFICATE",
    "OTEL_EXPORTER_OTLP_LOGS_CERTIFICATE",
    "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE",
    "OTEL_EXPORTER_OTLP_TRACES_CLIENT_CERTIFICATE",
    "OTEL_EXPORTER_OTLP_METRICS_CLIENT_CERTIFICATE",
    "OTEL_EXPORTER_OTLP_LOGS_CLIENT_CERTIFICATE",
    "OTEL_EXPORTER_OTLP_CLIENT_KEY",
    "OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY",
    "OTEL_EXPORTER_OTLP_METRICS_CLIENT_KEY",
    "OTEL_EXPORTER_OTLP_LOGS_CLIENT_KEY",
];

#[track_caller]
fn shown(config: Result<Config, String>) -> String {
    format!("{:?}", config.expect("it is right"))
}

#[test]
fn a_variable_set_to_nothing_counts_as_unset() {
    for row in rows() {
        let unset = shown(row.config(None, false));
        for nothing in ["", " ", "\t \n"] {
            assert_eq!(shown(row.config(Some(nothing), false)), unset, "{}={nothing:?}", row.name);
        }
    }
    for name in FILES.iter().chain(UNSUPPORTED).chain(REFUSED) {
        assert_eq!(shown(config_of(name, " ")), shown(config_of(name, "")), "{name}");
        assert!(config_of(name, "").expect("it is not set").warnings.is_empty(), "{name}");
    }
}

fn config_of(name: &str, value: &str) -> Result<Config, String> {
    config(&[(name, value)]).map_err(|error| error.to_string())
}

#[test]
fn a_valid_value_has_an_effect_and_names_are_read_in_any_case() {
    for row in rows() {
        let unset = shown(row.config(None, false));
        let right = shown(row.config(Some(row.right), false));
        // The variable for lenience changes only how others are read.
        assert!(right != unset || row.name == LENIENT, "{}={}", row.name, row.right);
        let padded = format!(" {}\n", row.right);
        assert_eq!(shown(row.config(Some(&padded), false)), right, "{}={padded:?}", row.name);
        let capitals = row.right.to_ascii_uppercase();
        let mut mixed = row.right.to_owned();
        mixed[..1].make_ascii_uppercase();
        for other in [capitals, mixed].iter().filter(|_| row.any_case) {
            assert_eq!(shown(row.config(Some(other), false)), right, "{}={other}", row.name);
        }
    }
}

#[test]
fn zero_negative_and_garbage_are_understood_or_refused_by_name() {
    for row in rows() {
        for (value, leads) in [("0", row.zero), ("-1", row.negative), ("%$!", row.garbage)] {
            let context = format!("{}={value}", row.name);
            match (leads, row.config(Some(value), false)) {
                (To(expected), Ok(config)) => {
                    let config = format!("{config:?}");
                    assert!(config.contains(expected), "{context}: {expected} in {config}");
                }
                (Refused(expected), Err(error)) => {
                    let name = row.name;
                    let text = format!("{name}={value:?} is not valid: expected {expected}");
                    assert_eq!(error, text, "{context}");
                }
                (_, got) => panic!("{context} leads {leads:?}, but: {got:?}"),
            }
        }
    }
}

#[test]
fn leniently_what_would_be_refused_is_ignored_with_one_warning() {
    for row in rows().iter().filter(|row| row.name != LENIENT) {
        let unset = shown(row.config(None, false));
        for (value, leads) in [("0", row.zero), ("-1", row.negative), ("%$!", row.garbage)] {
            let Refused(_) = leads else { continue };
            let mut config = row.config(Some(value), true).expect("nothing is refused");
            let warnings = std::mem::take(&mut config.warnings);
            let [warning] = &warnings[..] else { panic!("{}: {warnings:?}", row.name) };
            let start = format!("{}={value:?} is not valid: expected ", row.name);
            assert!(warning.starts_with(&start), "{warning}");
            assert!(warning.ends_with("is ignored"), "{warning}");
            assert_eq!(format!("{config:?}"), unset, "{}={value}", row.name);
        }
    }
}

#[test]
fn files_that_are_not_there_are_refused_leniently_too() {
    for name in FILES {
        for value in ["0", "-1", "%$!"] {
            for lenient in ["false", "true"] {
                let variables = [METRICS, LOGS, &[(*name, value), (LENIENT, lenient)]].concat();
                let error = config(&variables).expect_err(name).to_string();
                let start = format!("{name}={value:?} is not valid: expected ");
                let Refused(end) = PEM else { unreachable!() };
                assert!(error.starts_with(&start) && error.ends_with(end), "{error}");
            }
        }
    }
}

/// The variables of the specification that do nothing here.
const UNSUPPORTED: &[&str] = &[
    "OTEL_LOG_LEVEL",
    "OTEL_ENTITIES",
    "OTEL_METRICS_EXEMPLAR_FILTER",
    "OTEL_EXPORTER_ZIPKIN_PROTOCOL",
    "OTEL_EXPORTER_JAEGER_PROTOCOL",
    "OTEL_EXPORTER_OTLP_SPAN_INSECURE",
    "OTEL_EXPORTER_OTLP_METRIC_INSECURE",
];

/// The variables that name a configuration file.
const REFUSED: &[&str] = &["OTEL_CONFIG_FILE", "OTEL_EXPERIMENTAL_CONFIG_FILE"];

#[test]
fn what_is_not_supported_is_named_in_one_warning() {
    let all: Vec<_> = UNSUPPORTED.iter().map(|name| (*name, "hunter2")).collect();
    let warnings = config(&all).expect("nothing is refused").warnings;
    let [warning] = &warnings[..] else { panic!("{warnings:?}") };
    assert!(warning.starts_with("set, but without effect here: "), "{warning}");
    assert!(!warning.contains("hunter2"), "values may be secret: {warning}");
    for name in UNSUPPORTED {
        assert!(warning.contains(&format!("{name} (")), "{name}: {warning}");
        let own = config_of(name, "hunter2").expect("it is not refused").warnings;
        assert_eq!(own.len(), 1, "{name}: {own:?}");
    }
    // These values ask for what is done anyway.
    for (name, value) in [
        ("OTEL_METRICS_EXEMPLAR_FILTER", "always_off"),
        ("OTEL_EXPORTER_ZIPKIN_PROTOCOL", "http/json"),
    ] {
        assert_eq!(config_of(name, value).expect("it is right").warnings, [""; 0], "{name}");
    }
}

#[test]
fn a_file_of_configuration_is_refused() {
    for name in REFUSED {
        let error = config_of(name, "otel.yaml").expect_err(name);
        let expected = "expected it not to be set: files of configuration are not supported";
        assert_eq!(error, format!("{name}=\"otel.yaml\" is not valid: {expected}"));
    }
}

#[test]
fn leniently_only_the_unknown_names_of_a_list_are_ignored() {
    let lenient = |name, value| config(&[(name, value), (LENIENT, "1")]).expect("it is lenient");
    let config = lenient("OTEL_PROPAGATORS", "b3,jaeger,xray");
    assert_eq!(format!("{:?}", config.propagators), "[B3]");
    assert_eq!(config.warnings.len(), 2, "{:?}", config.warnings);
    assert!(config.warnings[0].ends_with("; \"jaeger\" is ignored"), "{:?}", config.warnings);
    let config = lenient("OTEL_TRACES_EXPORTER", "zipkin,otlp/stdout");
    assert_eq!(config.exporters.len(), 1, "{:?}", config.exporters);
    // A list of which nothing is left counts as unset.
    let config = lenient("OTEL_METRICS_EXPORTER", "statsd");
    assert!(config.metrics.is_empty());
    let config = lenient("OTEL_TRACES_EXPORTER", "stdout");
    assert_eq!(config.exporters.len(), 2, "the default: {:?}", config.exporters);
}

#[test]
fn a_propagator_that_is_named_twice_counts_once() {
    let config = config_of("OTEL_PROPAGATORS", "b3,TraceContext,b3,tracecontext").expect("right");
    assert_eq!(format!("{:?}", config.propagators), "[B3, TraceContext]");
}

/// <https://opentelemetry.io/docs/specs/otel/resource/sdk/#specifying-resource-information-via-an-environment-variable>
#[test]
fn keys_of_the_resource_are_percent_encoded_and_names_of_headers_are_not() {
    let attributes = config_of("OTEL_RESOURCE_ATTRIBUTES", "k%3D1=v%2C1,a b=c%20d").expect("right");
    let expected = [("k=1", "v,1"), ("a b", "c d")];
    let expected = expected.map(|(key, value)| (key.to_owned(), value.to_owned()));
    assert_eq!(attributes.resource_attributes, expected);
    let headers = config_of("OTEL_EXPORTER_OTLP_HEADERS", "x%2Dy=a%2Cb").expect("right");
    assert!(format!("{headers:?}").contains("headers: [(\"x%2Dy\", \"a,b\")]"), "{headers:?}");
}

/// opentelemetry-jaeger reads the agent's address itself, so a wrong value cannot be ignored.
#[test]
#[cfg(feature = "jaeger")]
fn the_address_of_a_jaeger_agent_must_be_right_leniently_too() {
    let (host, port) = ("OTEL_EXPORTER_JAEGER_AGENT_HOST", "OTEL_EXPORTER_JAEGER_AGENT_PORT");
    let nothing = "a value, or the variable not set at all";
    for (name, value, expected) in [
        (host, "", nothing),
        (host, " ", nothing),
        (port, "", nothing),
        (port, "0", "a port, 1 to 65535"),
        (port, "-1", "a port, 1 to 65535"),
        (port, "70000", "a port, 1 to 65535"),
        (port, "%$!", "a port, 1 to 65535"),
    ] {
        for lenient in ["false", "true"] {
            let variables = [JAEGER, &[(name, value), (LENIENT, lenient)]].concat();
            let error = config(&variables).expect_err(name).to_string();
            let value = value.trim();
            assert_eq!(error, format!("{name}={value:?} is not valid: expected {expected}"));
        }
    }
    let right = [JAEGER, &[(host, "Agent"), (port, "1")]].concat();
    let right = shown(config(&right).map_err(|error| error.to_string()));
    assert!(right.contains("Agent { host: \"Agent\", port: 1 }"), "{right}");
}

/// Every variable of the specification's pages on environment variables and on the OTLP exporter.
const OF_THE_SPECIFICATION: &[&str] = &[
    "OTEL_SDK_DISABLED",
    "OTEL_ENTITIES",
    "OTEL_RESOURCE_ATTRIBUTES",
    "OTEL_SERVICE_NAME",
    "OTEL_LOG_LEVEL",
    "OTEL_PROPAGATORS",
    "OTEL_TRACES_SAMPLER",
    "OTEL_TRACES_SAMPLER_ARG",
    "OTEL_BSP_SCHEDULE_DELAY",
    "OTEL_BSP_EXPORT_TIMEOUT",
    "OTEL_BSP_MAX_QUEUE_SIZE",
    "OTEL_BSP_MAX_EXPORT_BATCH_SIZE",
    "OTEL_BLRP_SCHEDULE_DELAY",
    "OTEL_BLRP_EXPORT_TIMEOUT",
    "OTEL_BLRP_MAX_QUEUE_SIZE",
    "OTEL_BLRP_MAX_EXPORT_BATCH_SIZE",
    "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT",
    "OTEL_ATTRIBUTE_COUNT_LIMIT",
    "OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT",
    "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT",
    "OTEL_SPAN_EVENT_COUNT_LIMIT",
    "OTEL_SPAN_LINK_COUNT_LIMIT",
    "OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT",
    "OTEL_LINK_ATTRIBUTE_COUNT_LIMIT",
    "OTEL_LOGRECORD_ATTRIBUTE_VALUE_LENGTH_LIMIT",
    "OTEL_LOGRECORD_ATTRIBUTE_COUNT_LIMIT",
    "OTEL_EXPORTER_ZIPKIN_ENDPOINT",
    "OTEL_EXPORTER_ZIPKIN_TIMEOUT",
    "OTEL_EXPORTER_ZIPKIN_PROTOCOL",
    "OTEL_EXPORTER_PROMETHEUS_HOST",
    "OTEL_EXPORTER_PROMETHEUS_PORT",
    "OTEL_TRACES_EXPORTER",
    "OTEL_METRICS_EXPORTER",
    "OTEL_LOGS_EXPORTER",
    "OTEL_METRICS_EXEMPLAR_FILTER",
    "OTEL_METRIC_EXPORT_INTERVAL",
    "OTEL_METRIC_EXPORT_TIMEOUT",
    "OTEL_CONFIG_FILE",
    "OTEL_EXPERIMENTAL_CONFIG_FILE",
    "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE",
    "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION",
    "OTEL_EXPORTER_OTLP_SPAN_INSECURE",
    "OTEL_EXPORTER_OTLP_METRIC_INSECURE",
];

/// What the specification has for all signals together, and again for each.
const OF_OTLP: [&str; 9] = [
    "ENDPOINT",
    "INSECURE",
    "CERTIFICATE",
    "CLIENT_KEY",
    "CLIENT_CERTIFICATE",
    "HEADERS",
    "COMPRESSION",
    "TIMEOUT",
    "PROTOCOL",
];

/// The address of a Jaeger agent, which has a test of its own.
const AGENT: [&str; 2] = ["OTEL_EXPORTER_JAEGER_AGENT_HOST", "OTEL_EXPORTER_JAEGER_AGENT_PORT"];

/// The variables and their statuses in the tables of the document.
fn documented() -> Vec<(&'static str, &'static str)> {
    let document = include_str!("../../../docs/telemetry/environment.md");
    let rows = document.lines().filter(|line| line.starts_with("| `"));
    rows.map(|line| {
        let cells: Vec<_> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        let [name, status, meaning, _default] = cells[..] else { panic!("four cells: {line}") };
        assert!(!meaning.is_empty(), "{line}");
        (name.trim_matches('`'), status)
    })
    .collect()
}

/// Each row of the document says what the code does: the tests above try what is implemented, and
/// this one the others. Nothing that the code knows is missing in the document.
#[test]
fn the_document_lists_every_variable_with_what_becomes_of_it() {
    let mut implemented: Vec<_> =
        rows().iter().map(|row| row.name).chain(FILES.iter().copied()).chain(AGENT).collect();
    if !cfg!(feature = "jaeger") {
        implemented.extend([
            "OTEL_EXPORTER_JAEGER_ENDPOINT",
            "OTEL_EXPORTER_JAEGER_TIMEOUT",
            "OTEL_EXPORTER_JAEGER_USER",
            "OTEL_EXPORTER_JAEGER_PASSWORD",
        ]);
    }
    let documented = documented();
    for (name, status) in &documented {
        match (*status, config_of(name, "x")) {
            ("implemented", _) => assert!(implemented.contains(name), "{name} is not tried"),
            ("refused", got) => {
                let error = got.expect_err(name);
                assert!(error.starts_with(&format!("{name}=\"x\" is not valid: ")), "{error}");
            }
            ("warned", got) => {
                let warnings = got.expect(name).warnings;
                let [warning] = &warnings[..] else { panic!("{name}: {warnings:?}") };
                assert!(warning.contains(&format!("without effect here: {name} (")), "{warning}");
            }
            (status, _) => panic!("{name} has an unknown status: {status}"),
        }
        let times = documented.iter().filter(|(other, _)| other == name).count();
        assert_eq!(times, 1, "{name} is listed once");
    }
    let of_otlp = ["", "TRACES_", "METRICS_", "LOGS_"]
        .iter()
        .flat_map(|signal| OF_OTLP.map(|what| format!("OTEL_EXPORTER_OTLP_{signal}{what}")));
    let of_the_code = implemented.iter().chain(UNSUPPORTED).chain(REFUSED);
    let all = of_the_code.chain(OF_THE_SPECIFICATION).map(|name| (*name).to_owned());
    for name in all.chain(of_otlp) {
        assert!(documented.iter().any(|(listed, _)| *listed == name), "{name} is not listed");
    }
}

#[test]
fn a_variable_that_is_unknown_is_named_in_a_warning_and_its_value_is_not() {
    let variables = [
        ("OTEL_EXPORTER_OTLP_ENDPIONT", "http://hunter2@h:1"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://h:1"),
        ("OTEL_ABSENT", ""),
        ("OTEL_PYTHON_ID_GENERATOR", "xray"),
        ("PATH", "/bin"),
    ];
    assert_eq!(
        config(&variables).expect("nothing is refused").warnings,
        ["set, but unknown here, perhaps misspelt: OTEL_EXPORTER_OTLP_ENDPIONT, \
          OTEL_PYTHON_ID_GENERATOR"]
    );
}
