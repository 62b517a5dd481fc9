//! Things that only a whole process shows: its variables, global providers, logs and streams.

use crate::support::process::{self, Process};
use testing::http::HttpReceiver;
use testing::{PATIENCE, otlp};

#[test]
#[ignore = "what the other tests start as a process of its own"]
fn obey() {
    process::run(telemetry::Streams::default());
}

#[test]
fn the_last_line_on_stderr_accounts_for_every_span() {
    let receiver = HttpReceiver::answering(200);
    let process = Process::start(&[
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &receiver.url()),
        ("OTEL_SERVICE_NAME", "shop"),
    ]);
    process.order("spans 3");
    let ended = process.ended();

    let expected = "telemetry: started=3 ended=3 | console exported=3 failed=0 dropped=0 \
                    | otlp exported=3 failed=0 dropped=0";
    assert_eq!(ended.last_line(), expected, "{ended:#?}");
    let received = otlp::from_protobuf(&receiver.received());
    assert_eq!(received.len(), 3);
    assert!(received.iter().all(|span| span.resource["service.name"] == "shop"));
    assert_eq!(ended.stdout.matches("Name         : potato").count(), 3, "{ended:#?}");
}

#[test]
fn logs_carry_the_ids_of_the_current_span() {
    let process = Process::start(&[("OTEL_TRACES_EXPORTER", "none")]);
    let ids = process.order("log weighing potatoes");
    let said = process.end();

    let lines: Vec<_> = said.iter().filter(|line| line.contains("weighing potatoes")).collect();
    let [line] = lines[..] else { panic!("{said:#?}") };
    let expected = format!(" INFO it::support::process: weighing potatoes answer=42 {ids}");
    assert!(line.ends_with(&expected), "{line}");
}

#[test]
fn what_a_service_calls_quiet_is_exported_and_is_written_only_when_asked_for() {
    let asked = [("RUST_LOG", "info")];
    for (filter, times_written) in [(&[][..], 0), (&asked, 1)] {
        let exporters = [("OTEL_TRACES_EXPORTER", "none"), ("OTEL_LOGS_EXPORTER", "console")];
        let process = Process::start(&[&exporters, filter].concat());
        process.order("quiet a trip of many");

        let ended = process.ended();

        let written = ended.stderr.iter().filter(|line| line.contains("a trip of many"));
        assert_eq!(written.count(), times_written, "{ended:#?}");
        assert_eq!(ended.stdout.matches("a trip of many").count(), 1, "{ended:#?}");
    }
}

#[test]
fn an_outage_is_logged_once_and_its_end_once() {
    let receiver = HttpReceiver::answering(503);
    let process = Process::start(&[
        ("OTEL_TRACES_EXPORTER", "otlp"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &receiver.url()),
        ("OTEL_BSP_SCHEDULE_DELAY", "5"),
        ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "1"),
        // No batch is sent twice.
        ("OTEL_BSP_EXPORT_TIMEOUT", "1"),
    ]);
    process.order("spans 3");
    process.order("settle");
    receiver.answer(200);
    process.order("spans 3");
    process.order("settle");
    receiver.answer(503);
    process.order("spans 2");
    let totals = process.order("settle");
    let said = process.end();

    assert_eq!(totals, "telemetry: started=8 ended=8 | otlp exported=3 failed=5 dropped=0");
    let changes: Vec<_> = said.iter().filter_map(|line| line.split(" WARN ").nth(1)).collect();
    let gone = format!(
        "telemetry::health: telemetry backend does not take what it is sent exporter=\"otlp\" \
         reason=\"{}/v1/traces answers 503 Service Unavailable\"",
        receiver.url()
    );
    let back = "telemetry::health: telemetry backend takes what it is sent again \
                exporter=\"otlp\" attempts=3 seconds=0 lost=3";
    assert_eq!(changes, [&gone, back, &gone], "{said:#?}");
}

#[test]
fn a_stuck_stdout_stops_neither_the_spans_nor_the_end_of_the_process() {
    let receiver = HttpReceiver::answering(200);
    let variables =
        [("OTEL_EXPORTER_OTLP_ENDPOINT", &*receiver.url()), ("OTEL_BSP_MAX_QUEUE_SIZE", "2048")];
    let (process, never_read) = Process::start_with_stdout(&variables);
    let mut ended = 0;
    while ended < 10_000 {
        process.order("spans 1000");
        ended += 1_000;
    }
    let said = process.end();
    drop(never_read);

    let last = said.last().expect("the accounting");
    assert!(last.starts_with("telemetry: started=10000 ended=10000 | console exported="), "{last}");
    assert_eq!(sum_of_console(last), 10_000, "{last}");
    let full = said
        .iter()
        .filter(|line| line.contains("the queue is full: spans are being dropped"))
        .count();
    assert!((1..=2).contains(&full), "once for an exporter at most: {said:#?}");
}

/// `exported + failed + dropped` of the first exporter in an accounting line.
fn sum_of_console(line: &str) -> u64 {
    let console = line.split(" | ").nth(1).expect("an exporter");
    let numbers = console.split(['=', ' ']).filter_map(|word| word.parse::<u64>().ok());
    numbers.sum()
}

#[test]
fn a_closed_stdout_fails_the_console_and_nothing_else() {
    let (process, stdout) = Process::start_with_stdout(&[("OTEL_TRACES_EXPORTER", "console")]);
    process.order("start");
    drop(stdout);
    process.order("spans 5");
    let said = process.end();

    let expected = "telemetry: started=5 ended=5 | console exported=0 failed=5 dropped=0";
    assert_eq!(said.last().map(String::as_str), Some(expected), "{said:#?}");
}

#[test]
fn a_disabled_sdk_makes_no_spans() {
    let process = Process::start(&[("OTEL_SDK_DISABLED", "true")]);
    process.order("spans 5");
    let said = process.end();
    assert_eq!(said.last().map(String::as_str), Some("telemetry: started=0 ended=0"), "{said:#?}");
}

/// The exporters, with the variables that make each send to a receiver.
fn exporters(url: &str) -> Vec<(&'static str, Vec<(&'static str, String)>)> {
    let traces = |name: &str| ("OTEL_TRACES_EXPORTER", name.to_owned());
    let protocol = |name: &str| ("OTEL_EXPORTER_OTLP_PROTOCOL", name.to_owned());
    let otlp = || ("OTEL_EXPORTER_OTLP_ENDPOINT", url.to_owned());
    let metrics = ("OTEL_METRICS_EXPORTER", "otlp".to_owned());
    let mut exporters = vec![
        ("otlp", vec![traces("otlp"), protocol("http/protobuf"), otlp()]),
        ("otlp", vec![traces("otlp"), protocol("http/json"), otlp()]),
        ("otlp", vec![traces("otlp"), protocol("grpc"), otlp()]),
        ("otlp", vec![traces("none"), metrics.clone(), protocol("http/protobuf"), otlp()]),
        ("otlp", vec![traces("none"), metrics, protocol("grpc"), otlp()]),
        ("zipkin", vec![traces("zipkin"), ("OTEL_EXPORTER_ZIPKIN_ENDPOINT", url.to_owned())]),
    ];
    if cfg!(feature = "jaeger") {
        let endpoint = ("OTEL_EXPORTER_JAEGER_ENDPOINT", url.to_owned());
        exporters.push(("jaeger", vec![traces("jaeger"), endpoint]));
    }
    exporters
}

/// Variables by which no certificates are found, even if the system has some.
const NO_CERTIFICATES: [(&str, &str); 2] =
    [("SSL_CERT_FILE", "/nonexistent/file"), ("SSL_CERT_DIR", "/nonexistent/folder")];

#[test]
fn plain_http_needs_no_certificates_of_the_system() {
    for (_, variables) in exporters("http://127.0.0.1:1") {
        let all: Vec<_> =
            variables.iter().map(|(n, v)| (*n, v.as_str())).chain(NO_CERTIFICATES).collect();
        let process = Process::start(&all);
        process.order("start");
        let last = process.end().pop().expect("the accounting");
        assert!(last.starts_with("telemetry: started=0 ended=0"), "{variables:?}: {last}");
    }
    let receiver = HttpReceiver::answering(200);
    let url = receiver.url();
    let variables = [
        ("OTEL_TRACES_EXPORTER", "otlp,zipkin"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &url),
        ("OTEL_EXPORTER_ZIPKIN_ENDPOINT", &url),
    ];
    let process = Process::start(&[&variables[..], &NO_CERTIFICATES].concat());
    process.order("spans 1");
    let expected = "telemetry: started=1 ended=1 | otlp exported=1 failed=0 dropped=0 \
                    | zipkin exported=1 failed=0 dropped=0";
    assert_eq!(process.end().last().map(String::as_str), Some(expected));
}

#[test]
fn https_without_certificates_says_what_is_missing_and_where_it_was_looked_for() {
    for (exporter, variables) in exporters("https://127.0.0.1:1") {
        let all: Vec<_> =
            variables.iter().map(|(n, v)| (*n, v.as_str())).chain(NO_CERTIFICATES).collect();
        let process = Process::start(&all);
        let refusal = process.order("start");
        let start = format!(
            "cannot set up the {exporter} exporter: https needs certificates of authorities, and \
             none were found where SSL_CERT_FILE and SSL_CERT_DIR say"
        );
        assert!(refusal.starts_with(&start), "{variables:?}: {refusal}");
        assert!(refusal.contains("/nonexistent/f"), "{variables:?}: {refusal}");
        assert!(refusal.contains("https://127.0.0.1:1"), "{variables:?}: {refusal}");
    }
}

#[test]
fn loopback_is_never_reached_through_a_proxy() {
    let receiver = HttpReceiver::answering(200);
    let url = receiver.url();
    let proxies = ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"];
    let proxies = proxies.map(|name| (name, "http://127.0.0.1:9"));
    let variables = [
        ("OTEL_TRACES_EXPORTER", "otlp,zipkin"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &url),
        ("OTEL_EXPORTER_ZIPKIN_ENDPOINT", &url),
    ];
    let process = Process::start(&[&variables[..], &proxies].concat());
    process.order("spans 1");
    let expected = "telemetry: started=1 ended=1 | otlp exported=1 failed=0 dropped=0 \
                    | zipkin exported=1 failed=0 dropped=0";
    assert_eq!(process.end().last().map(String::as_str), Some(expected));
}

#[test]
fn a_proxy_is_named_where_it_is_in_the_way() {
    let process = Process::start(&[
        ("OTEL_TRACES_EXPORTER", "otlp"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://otel.example:4318"),
        ("http_proxy", "http://127.0.0.1:1"),
        ("OTEL_BSP_EXPORT_TIMEOUT", "1"),
    ]);
    process.order("spans 1");
    let said = process.end();
    let proxy = "(through the proxy that http_proxy names, unless NO_PROXY excepts the host)";
    assert!(said.iter().any(|line| line.contains(proxy)), "{said:#?}");
}

/// opentelemetry-otlp reads variables itself, too. It must not override the configuration.
#[test]
fn variables_mean_in_the_exporter_what_they_mean_in_the_configuration() {
    let blank = [
        "OTEL_EXPORTER_OTLP_COMPRESSION",
        "OTEL_EXPORTER_OTLP_HEADERS",
        "OTEL_EXPORTER_OTLP_PROTOCOL",
        "OTEL_EXPORTER_OTLP_TIMEOUT",
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
        "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT",
    ]
    .map(|name| (name, " "));
    let capitals = [
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "GZip"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "HTTP/Protobuf"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "0"),
    ];
    let wrong = [
        ("GROCERY_OTEL_LENIENT", "yes"),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "zstd"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "x"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "thrift"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "soon"),
        ("OTEL_BSP_SCHEDULE_DELAY", "-1"),
    ];
    for (variables, warnings) in [(&blank[..], 0), (&capitals[..], 0), (&wrong[..], 5)] {
        let receiver = HttpReceiver::answering(200);
        let url = receiver.url();
        let sent =
            [("OTEL_TRACES_EXPORTER", "OTLP"), ("OTEL_EXPORTER_OTLP_ENDPOINT", url.as_str())];
        let process = Process::start(&[variables, &sent].concat());
        process.order("spans 2");
        let said = process.end();
        let expected = "telemetry: started=2 ended=2 | otlp exported=2 failed=0 dropped=0";
        assert_eq!(said.last().map(String::as_str), Some(expected), "{said:#?}");
        assert_eq!(otlp::from_protobuf(&receiver.received()).len(), 2);
        let warned = said.iter().filter(|line| line.ends_with("; it is ignored")).count();
        assert_eq!(warned, warnings, "{said:#?}");
    }
}

#[test]
fn variables_without_effect_are_logged_once_at_the_start() {
    let process = Process::start(&[
        ("OTEL_TRACES_EXPORTER", "none"),
        ("OTEL_LOG_LEVEL", "hunter2"),
        ("OTEL_EXPORTER_JAEGER_PROTOCOL", "hunter2"),
    ]);
    process.order("start");
    let said = process.end();
    let warnings: Vec<_> = said.iter().filter_map(|line| line.split(" WARN ").nth(1)).collect();
    let expected = "telemetry: set, but without effect here: OTEL_LOG_LEVEL (RUST_LOG says what is \
                    logged), OTEL_EXPORTER_JAEGER_PROTOCOL (an endpoint chooses between HTTP and \
                    UDP)";
    assert_eq!(warnings, [expected], "{said:#?}");
}

#[test]
fn a_variable_that_is_not_text_is_named_and_only_leniently_ignored() {
    use std::ffi::OsString;
    use std::os::unix::ffi::OsStringExt as _;
    let no_text = [("OTEL_SERVICE_NAME", OsString::from_vec(vec![0xff]))];
    let none = [("OTEL_TRACES_EXPORTER", "none")];
    let refusal = Process::start_with(&none, &no_text).order("start");
    assert_eq!(refusal, "OTEL_SERVICE_NAME is not valid: expected UTF-8 text");
    let lenient = [none[0], ("GROCERY_OTEL_LENIENT", "on")];
    let process = Process::start_with(&lenient, &no_text);
    process.order("start");
    let warning = "telemetry: OTEL_SERVICE_NAME is not valid: expected UTF-8 text; it is ignored";
    let said = process.end();
    assert!(said.iter().any(|line| line.ends_with(warning)), "{said:#?}");
}

#[test]
fn a_wrong_variable_stops_the_start() {
    let process = Process::start(&[("OTEL_TRACES_SAMPLER", "sometimes")]);
    let refusal = process.order("spans 1");
    assert!(refusal.starts_with("OTEL_TRACES_SAMPLER=\"sometimes\" is not valid: "), "{refusal}");
}

#[test]
fn shutting_down_from_an_async_runtime_is_fine() {
    let receiver = HttpReceiver::answering(200);
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let done = runtime.block_on(async {
        let url = receiver.url();
        let variables = [("OTEL_TRACES_EXPORTER", "otlp"), ("OTEL_EXPORTER_OTLP_ENDPOINT", &url)];
        let pipeline = crate::support::pipeline(&variables);
        crate::support::story::end_spans(pipeline.tracers(), 3);
        let accounting = pipeline.accounting();
        let started = std::time::Instant::now();
        pipeline.shutdown();
        drop(pipeline);
        assert!(started.elapsed() < PATIENCE);
        accounting.to_string()
    });
    assert_eq!(done, "telemetry: started=3 ended=3 | otlp exported=3 failed=0 dropped=0");
}
