//! Variables of the specification that do nothing here: named at the start, and not passed over in
//! silence.

use super::variables::Variables;
use crate::TelemetryError;

/// What does nothing, and why; with the values that ask for nothing else than what is done anyway.
const UNSUPPORTED: &[(&str, &[&str], &str)] = &[
    ("OTEL_LOGS_EXPORTER", &["none"], "logs are not exported, and go to stderr"),
    ("OTEL_LOG_LEVEL", &[], "RUST_LOG says what is logged"),
    ("OTEL_ENTITIES", &[], "there are no entities"),
    ("OTEL_METRICS_EXEMPLAR_FILTER", &["always_off"], "the SDK makes no exemplars"),
    (
        "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION",
        &["explicit_bucket_histogram"],
        "histograms have explicit buckets",
    ),
    ("OTEL_EXPORTER_PROMETHEUS_HOST", &[], "there is no exporter prometheus"),
    ("OTEL_EXPORTER_PROMETHEUS_PORT", &[], "there is no exporter prometheus"),
    ("OTEL_EXPORTER_ZIPKIN_PROTOCOL", &["http/json"], "it is http/json"),
    ("OTEL_EXPORTER_JAEGER_PROTOCOL", &[], "an endpoint chooses between HTTP and UDP"),
    ("OTEL_EXPORTER_OTLP_SPAN_INSECURE", &[], "it is OTEL_EXPORTER_OTLP_TRACES_INSECURE"),
    ("OTEL_EXPORTER_OTLP_METRIC_INSECURE", &[], "it is OTEL_EXPORTER_OTLP_METRICS_INSECURE"),
    ("OTEL_BLRP_SCHEDULE_DELAY", &[], LOGS),
    ("OTEL_BLRP_EXPORT_TIMEOUT", &[], LOGS),
    ("OTEL_BLRP_MAX_QUEUE_SIZE", &[], LOGS),
    ("OTEL_BLRP_MAX_EXPORT_BATCH_SIZE", &[], LOGS),
    ("OTEL_LOGRECORD_ATTRIBUTE_COUNT_LIMIT", &[], LOGS),
    ("OTEL_LOGRECORD_ATTRIBUTE_VALUE_LENGTH_LIMIT", &[], LOGS),
    ("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", &[], LOGS),
    ("OTEL_EXPORTER_OTLP_LOGS_INSECURE", &[], LOGS),
    ("OTEL_EXPORTER_OTLP_LOGS_CERTIFICATE", &[], LOGS),
    ("OTEL_EXPORTER_OTLP_LOGS_CLIENT_KEY", &[], LOGS),
    ("OTEL_EXPORTER_OTLP_LOGS_CLIENT_CERTIFICATE", &[], LOGS),
    ("OTEL_EXPORTER_OTLP_LOGS_HEADERS", &[], LOGS),
    ("OTEL_EXPORTER_OTLP_LOGS_COMPRESSION", &[], LOGS),
    ("OTEL_EXPORTER_OTLP_LOGS_TIMEOUT", &[], LOGS),
    ("OTEL_EXPORTER_OTLP_LOGS_PROTOCOL", &[], LOGS),
];

const LOGS: &str = "logs are not exported";

/// Refuses what says that the other variables do not count.
pub(super) fn refuse(vars: &Variables<'_>) -> Result<(), TelemetryError> {
    for name in ["OTEL_CONFIG_FILE", "OTEL_EXPERIMENTAL_CONFIG_FILE"] {
        if vars.text(name).is_some() {
            let expected = "it not to be set: files of configuration are not supported";
            return Err(vars.invalid(name, expected));
        }
    }
    Ok(())
}

/// Warns of all that is set and does nothing, at once. Values may be secret and are not shown.
pub(super) fn warn(vars: &Variables<'_>) {
    let set: Vec<_> = UNSUPPORTED
        .iter()
        .filter(|(name, anyway, _)| {
            vars.text(name).is_some_and(|value| {
                !anyway.iter().any(|anyway| value.eq_ignore_ascii_case(anyway))
            })
        })
        .map(|(name, _, why)| format!("{name} ({why})"))
        .collect();
    if !set.is_empty() {
        vars.warn(format!("set, but without effect here: {}", set.join(", ")));
    }
}
