//! Wrong values of variables, and the error for each.

use crate::support::config;

#[test]
fn wrong_values_are_refused_by_name_value_and_what_is_allowed() {
    let span_exporters = if cfg!(feature = "jaeger") {
        "a comma-separated list of console, otlp, zipkin, jaeger; or none"
    } else {
        "a comma-separated list of console, otlp, zipkin; or none \
         (this program was built without the feature jaeger)"
    };
    let exporters = "a comma-separated list of console, otlp, prometheus; or none";
    let log_exporters = "a comma-separated list of console, otlp; or none";
    let propagators = "a comma-separated list of tracecontext, baggage, b3, b3multi; or none";
    let samplers = "always_on, always_off, traceidratio, parentbased_always_on, \
                    parentbased_always_off or parentbased_traceidratio";
    let number = "a whole number, 0 or more";
    let size = "a whole number from 1 to 10000000";
    let millis = "milliseconds, from 0 to 86400000";
    let url = "a URL that starts with http:// or https://";
    let pairs = "key=value pairs separated by commas, percent-encoded";
    let protocol = "grpc, http/protobuf or http/json";
    let rows = [
        ("OTEL_SDK_DISABLED", "yes", "true or false"),
        ("OTEL_TRACES_EXPORTER", "stdout", span_exporters),
        ("OTEL_TRACES_EXPORTER", "otlp,none", span_exporters),
        ("OTEL_TRACES_EXPORTER", "otlp,,zipkin", span_exporters),
        ("OTEL_METRICS_EXPORTER", "statsd", exporters),
        ("OTEL_LOGS_EXPORTER", "stderr", log_exporters),
        ("OTEL_LOGS_EXPORTER", "otlp,none", log_exporters),
        (
            "OTEL_BLRP_MAX_EXPORT_BATCH_SIZE",
            "2049",
            "at most OTEL_BLRP_MAX_QUEUE_SIZE, which is 2048",
        ),
        ("OTEL_BLRP_SCHEDULE_DELAY", "1s", millis),
        ("OTEL_LOGRECORD_ATTRIBUTE_COUNT_LIMIT", "many", number),
        ("GROCERY_LOG_FORMAT", "logfmt", "text or json"),
        ("OTEL_METRIC_EXPORT_INTERVAL", "-1", millis),
        ("OTEL_PROPAGATORS", "tracecontext,jaeger", propagators),
        ("OTEL_TRACES_SAMPLER", "jaeger_remote", samplers),
        ("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "many", number),
        ("OTEL_SPAN_EVENT_COUNT_LIMIT", "-1", number),
        ("OTEL_SPAN_LINK_COUNT_LIMIT", "4294967296", number),
        ("OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT", "1.5", number),
        ("OTEL_LINK_ATTRIBUTE_COUNT_LIMIT", "0x10", number),
        ("OTEL_ATTRIBUTE_COUNT_LIMIT", "x", number),
        ("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", "x", number),
        ("OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", "x", number),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "0", size),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "99999999999", size),
        ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "0", size),
        (
            "OTEL_BSP_MAX_EXPORT_BATCH_SIZE",
            "32769",
            "at most OTEL_BSP_MAX_QUEUE_SIZE, which is 32768",
        ),
        ("OTEL_BSP_SCHEDULE_DELAY", "5s", millis),
        ("OTEL_BSP_EXPORT_TIMEOUT", "-5", millis),
        ("OTEL_RESOURCE_ATTRIBUTES", "team", pairs),
        ("OTEL_RESOURCE_ATTRIBUTES", "team=%2", pairs),
        ("OTEL_RESOURCE_ATTRIBUTES", "=veg", pairs),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "http", protocol),
        ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "thrift", protocol),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "localhost:4318", url),
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "ftp://localhost", url),
        ("OTEL_EXPORTER_OTLP_HEADERS", "x", pairs),
        ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "x y=1", "valid HTTP header names and values"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "soon", millis),
        ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "86400001", millis),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "zstd", "gzip or none"),
    ];
    for (variable, value, expected) in rows {
        let error = config(&[(variable, value)]).expect_err(variable).to_string();
        assert_eq!(error, format!("{variable}={value:?} is not valid: expected {expected}"));
    }
}

#[test]
fn wrong_values_of_chosen_exporters_and_samplers_are_refused() {
    let jaeger = ("OTEL_TRACES_EXPORTER", "jaeger");
    let millis = "milliseconds, from 0 to 86400000";
    let url = "a URL that starts with http:// or https://";
    let mut rows = vec![
        (
            ("OTEL_TRACES_SAMPLER", "traceidratio"),
            "OTEL_TRACES_SAMPLER_ARG",
            "1.1",
            "a number from 0 to 1",
        ),
        (
            ("OTEL_TRACES_SAMPLER", "traceidratio"),
            "OTEL_TRACES_SAMPLER_ARG",
            "NaN",
            "a number from 0 to 1",
        ),
        (("OTEL_TRACES_EXPORTER", "zipkin"), "OTEL_EXPORTER_ZIPKIN_ENDPOINT", "localhost", url),
        (("OTEL_TRACES_EXPORTER", "zipkin"), "OTEL_EXPORTER_ZIPKIN_TIMEOUT", "x", millis),
        (("OTEL_METRICS_EXPORTER", "otlp"), "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "x", url),
        (
            ("OTEL_METRICS_EXPORTER", "otlp"),
            "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE",
            "x",
            "cumulative, delta or lowmemory",
        ),
        (
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
            "OTEL_EXPORTER_OTLP_INSECURE",
            "x",
            "true or false",
        ),
        (("OTEL_TRACES_EXPORTER", "otlp"), "OTEL_TRACES_EXPORTER", "otlp,otlp", "each once"),
    ];
    if cfg!(feature = "jaeger") {
        rows.extend([
            (jaeger, "OTEL_EXPORTER_JAEGER_AGENT_PORT", "70000", "a port, 1 to 65535"),
            (jaeger, "OTEL_EXPORTER_JAEGER_AGENT_PORT", "0", "a port, 1 to 65535"),
            (jaeger, "OTEL_EXPORTER_JAEGER_ENDPOINT", "x", url),
        ]);
    }
    for (choice, variable, value, expected) in rows {
        // Of two variables with the same name the first counts: `choice` may be the same variable.
        let error = config(&[(variable, value), choice]).expect_err(variable).to_string();
        let start = format!("{variable}={value:?} is not valid: expected ");
        assert!(error.starts_with(&start) && error.ends_with(expected), "{error}");
    }
}

#[test]
#[cfg(not(feature = "jaeger"))]
fn jaeger_is_refused_in_a_build_without_it() {
    let error = config(&[("OTEL_TRACES_EXPORTER", "jaeger")]).expect_err("no Jaeger").to_string();
    assert!(error.ends_with("(this program was built without the feature jaeger)"), "{error}");
}
