//! Variables of the specification that do nothing here. One warning at the start names those that
//! are set, and those that cannot be ignored are refused.

use super::variables::Variables;

/// A variable, the values that ask for what is done anyway, and why all others do nothing.
const UNSUPPORTED: &[(&str, &[&str], &str)] = &[
    ("OTEL_LOG_LEVEL", &[], "RUST_LOG says what is logged"),
    ("OTEL_ENTITIES", &[], "there are no entities"),
    ("OTEL_METRICS_EXEMPLAR_FILTER", &["always_off"], "the SDK makes no exemplars"),
    ("OTEL_EXPORTER_ZIPKIN_PROTOCOL", &["http/json"], "it is http/json"),
    ("OTEL_EXPORTER_JAEGER_PROTOCOL", &[], "an endpoint chooses between HTTP and UDP"),
    ("OTEL_EXPORTER_OTLP_SPAN_INSECURE", &[], "it is OTEL_EXPORTER_OTLP_TRACES_INSECURE"),
    ("OTEL_EXPORTER_OTLP_METRIC_INSECURE", &[], "it is OTEL_EXPORTER_OTLP_METRICS_INSECURE"),
];

/// Refuses a configuration file: by the specification no other variable would count beside it.
pub(super) fn refuse(vars: &Variables<'_>) {
    for name in ["OTEL_CONFIG_FILE", "OTEL_EXPERIMENTAL_CONFIG_FILE"] {
        if vars.text(name).is_some() {
            vars.refuse(name, "it not to be set: files of configuration are not supported");
        }
    }
}

/// Adds one warning that names all variables that are set and do nothing. It does not show their
/// values, which may be secret.
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
