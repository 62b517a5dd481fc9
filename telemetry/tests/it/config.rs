//! What the variables mean, and which go before others.

use crate::support::config;
use opentelemetry_sdk::metrics::Temporality;
use std::time::Duration;
use telemetry::config::{
    Config, ConsoleFormat, LineFormat, LogExporterConfig, MetricExporterConfig, OtlpConfig,
    Propagator, Protocol, SpanExporterConfig,
};

/// Reads variables that are expected to be valid.
fn right(variables: &[(&str, &str)]) -> Config {
    config(variables).unwrap_or_else(|error| panic!("{variables:?}: {error}"))
}

/// The first exporter, which is expected to be OTLP.
fn otlp(variables: &[(&str, &str)]) -> OtlpConfig {
    let config = right(&[&[("OTEL_TRACES_EXPORTER", "otlp")], variables].concat());
    let Some(SpanExporterConfig::Otlp(otlp)) = config.exporters.first() else { panic!("no OTLP") };
    otlp.clone()
}

#[test]
fn nothing_set_means_the_defaults() {
    let config = right(&[]);
    assert!(!config.disabled);
    let [SpanExporterConfig::Console(ConsoleFormat::Text), SpanExporterConfig::Otlp(otlp)] =
        &config.exporters[..]
    else {
        panic!("{:?}", config.exporters)
    };
    assert_eq!(otlp.protocol, Protocol::HttpProtobuf);
    assert_eq!(otlp.endpoint, "http://localhost:4318/v1/traces");
    assert_eq!(otlp.timeout, Some(Duration::from_secs(10)));
    assert!(config.metrics.is_empty());
    assert!(config.logs.is_empty());
    assert_eq!((config.log_batch.queue_size, config.log_batch.batch_size), (2_048, 512));
    assert_eq!(config.log_batch.schedule_delay, Duration::from_secs(1));
    assert_eq!(config.log_batch.export_timeout, Some(Duration::from_secs(30)));
    assert_eq!((config.log_limits.attributes, config.log_limits.value_length), (128, None));
    assert_eq!(config.line_format, LineFormat::Text);
    assert_eq!(config.propagators, [Propagator::TraceContext, Propagator::Baggage]);
    assert_eq!(format!("{:?}", config.sampler), "ParentBased(AlwaysOn)");
    assert_eq!((config.batch.queue_size, config.batch.batch_size), (32_768, 4_096));
    assert_eq!(config.batch.schedule_delay, Duration::from_secs(5));
    assert_eq!(config.limits.max_links_per_span, 128);
}

#[test]
fn a_batch_is_an_eighth_of_the_queue_within_bounds_unless_it_is_set() {
    for (queue, batch) in [(1, 1), (100, 100), (600, 512), (2_048, 512), (8_192, 1_024)] {
        let config = right(&[("OTEL_BSP_MAX_QUEUE_SIZE", &queue.to_string())]);
        assert_eq!((config.batch.queue_size, config.batch.batch_size), (queue, batch));
    }
    let config = right(&[("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "32768")]);
    assert_eq!(config.batch.batch_size, 32_768);
}

#[test]
fn an_empty_variable_is_an_unset_one() {
    let names = [
        "OTEL_SDK_DISABLED",
        "OTEL_TRACES_EXPORTER",
        "OTEL_METRICS_EXPORTER",
        "OTEL_PROPAGATORS",
        "OTEL_TRACES_SAMPLER",
        "OTEL_BSP_MAX_QUEUE_SIZE",
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "OTEL_EXPORTER_OTLP_PROTOCOL",
        "OTEL_EXPORTER_OTLP_HEADERS",
        "OTEL_RESOURCE_ATTRIBUTES",
        "RUST_LOG",
    ];
    for blank in ["", " "] {
        let config = right(&names.map(|name| (name, blank)));
        assert_eq!(format!("{config:?}"), format!("{:?}", right(&[])));
    }
}

#[test]
fn a_signal_s_own_variable_goes_before_the_general_one() {
    let otlp = otlp(&[
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
        ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/json"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "1000"),
        ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "250"),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip"),
        ("OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "none"),
    ]);
    assert_eq!(otlp.protocol, Protocol::HttpJson);
    assert_eq!(otlp.timeout, Some(Duration::from_millis(250)));
    assert!(!otlp.gzip);
}

#[test]
fn endpoints_are_bases_or_whole_and_secure_for_grpc_unless_told_otherwise() {
    let general = "OTEL_EXPORTER_OTLP_ENDPOINT";
    let own = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT";
    let grpc = ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc");
    let insecure = ("OTEL_EXPORTER_OTLP_INSECURE", "true");
    let rows: [(&[(&str, &str)], &str); 7] = [
        (&[(general, "https://otel.example/base/")], "https://otel.example/base/v1/traces"),
        (&[(general, "http://h:1")], "http://h:1/v1/traces"),
        (&[(general, "http://h:1"), (own, "http://h:2/x")], "http://h:2/x"),
        (&[grpc], "http://localhost:4317/"),
        (&[grpc, (general, "http://h:1")], "http://h:1/"),
        (&[grpc, (general, "h:1")], "https://h:1/"),
        (&[grpc, insecure, (general, "h:1")], "http://h:1/"),
    ];
    for (variables, expected) in rows {
        assert_eq!(otlp(variables).endpoint, expected, "{variables:?}");
    }
}

#[test]
fn metrics_have_variables_of_their_own() {
    let config = right(&[
        ("OTEL_METRICS_EXPORTER", "console,otlp"),
        ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "http://h:1/m"),
        ("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "Delta"),
        ("OTEL_METRIC_EXPORT_INTERVAL", "100"),
    ]);
    let [MetricExporterConfig::Console, MetricExporterConfig::Otlp { receiver, temporality, .. }] =
        &config.metrics[..]
    else {
        panic!("{:?}", config.metrics)
    };
    assert_eq!(receiver.endpoint, "http://h:1/m");
    assert_eq!(*temporality, Temporality::Delta);
    assert_eq!(config.metric_interval, Duration::from_millis(100));
}

#[test]
fn logs_have_variables_of_their_own() {
    let config = right(&[
        ("OTEL_LOGS_EXPORTER", "console,OTLP"),
        ("OTEL_EXPORTER_CONSOLE_FORMAT", "json"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://h:1/base/"),
        ("OTEL_EXPORTER_OTLP_LOGS_TIMEOUT", "250"),
        ("OTEL_BLRP_MAX_QUEUE_SIZE", "100"),
        ("OTEL_ATTRIBUTE_COUNT_LIMIT", "5"),
        ("OTEL_LOGRECORD_ATTRIBUTE_COUNT_LIMIT", "6"),
    ]);
    let [LogExporterConfig::Console(ConsoleFormat::Json), LogExporterConfig::Otlp(receiver)] =
        &config.logs[..]
    else {
        panic!("{:?}", config.logs)
    };
    assert_eq!(receiver.endpoint, "http://h:1/base/v1/logs");
    assert_eq!(receiver.timeout, Some(Duration::from_millis(250)));
    assert_eq!(config.log_batch.batch_size, 100, "no larger than the queue");
    assert_eq!((config.batch.queue_size, config.log_limits.attributes), (32_768, 6));
}

#[test]
fn general_limits_hold_where_there_is_no_own_one() {
    let config = right(&[
        ("OTEL_ATTRIBUTE_COUNT_LIMIT", "5"),
        ("OTEL_LINK_ATTRIBUTE_COUNT_LIMIT", "6"),
        ("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", "7"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "100"),
    ]);
    let limits = config.limits;
    assert_eq!((limits.max_attributes_per_span, limits.max_attributes_per_event), (5, 5));
    assert_eq!((limits.max_attributes_per_link, config.value_length_limit), (6, Some(7)));
    assert_eq!(config.batch.batch_size, 100, "no larger than the queue");
    assert_eq!((config.log_limits.attributes, config.log_limits.value_length), (5, Some(7)));
}
