//! The page for Prometheus: the whole text of a small pipeline, and what a client may take.

use crate::support::{SERVICE, config, pipeline, shutdown, story};
use opentelemetry::KeyValue;
use opentelemetry::metrics::MeterProvider as _;
use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};
use telemetry::Pipeline;
use testing::wait_until;

/// A pipeline whose only exporter of metrics is the page, on a free port.
fn with_page() -> (Pipeline, SocketAddr) {
    let pipeline = pipeline(&[
        ("OTEL_TRACES_EXPORTER", "none"),
        ("OTEL_METRICS_EXPORTER", "prometheus"),
        ("OTEL_EXPORTER_PROMETHEUS_PORT", "0"),
        ("OTEL_RESOURCE_ATTRIBUTES", "team=veg"),
    ]);
    let address = pipeline.prometheus_address().expect("a page");
    (pipeline, address)
}

/// Sends `request` and reads until the connection is closed.
fn ask(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("something listens");
    stream.write_all(request.as_bytes()).expect("it is taken");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("text");
    answer
}

/// The body of the page.
fn page(address: SocketAddr) -> String {
    let answer = ask(address, "GET /metrics HTTP/1.1\r\nhost: localhost\r\n\r\n");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    assert!(head.contains("content-type: text/plain; version=0.0.4\r\n"), "{head}");
    body.to_owned()
}

/// The lines of the page about metrics whose names begin with `start`.
fn lines<'a>(page: &'a str, start: &str) -> Vec<&'a str> {
    let name = |line: &'a str| {
        line.strip_prefix("# HELP ").or_else(|| line.strip_prefix("# TYPE ")).unwrap_or(line)
    };
    page.lines().filter(|line| name(line).starts_with(start)).collect()
}

#[test]
fn the_page_has_every_metric_with_its_type_unit_and_labels() {
    let (pipeline, address) = with_page();
    story::end_spans(pipeline.tracers(), 2);
    let meter = pipeline.meters().expect("metrics").meter("shop");
    let sold = meter.u64_counter("shop.sold").with_unit("By").with_description("Bytes sold.");
    sold.build().add(3, &[KeyValue::new("aisle.name", "produce")]);
    let open = meter.i64_up_down_counter("shop.open").with_unit("{door}").build();
    open.add(-2, &[]);
    let wait =
        meter.f64_histogram("shop.wait").with_unit("s").with_description("A \"wait\".\nHere.");
    wait.build().record(0.003, &[]);
    // The first page is not counted in itself.
    page(address);
    let page = page(address);

    assert_eq!(
        lines(&page, "shop_"),
        [
            "# TYPE shop_open gauge",
            "shop_open{otel_scope_name=\"shop\"} -2",
            "# HELP shop_sold_bytes_total Bytes sold.",
            "# TYPE shop_sold_bytes_total counter",
            "shop_sold_bytes_total{aisle_name=\"produce\",otel_scope_name=\"shop\"} 3",
            "# HELP shop_wait_seconds A \"wait\".\\nHere.",
            "# TYPE shop_wait_seconds histogram",
            "shop_wait_seconds_bucket{otel_scope_name=\"shop\",le=\"0.000001\"} 0",
            "shop_wait_seconds_bucket{otel_scope_name=\"shop\",le=\"0.0000025\"} 0",
            "shop_wait_seconds_bucket{otel_scope_name=\"shop\",le=\"0.000005\"} 0",
            "shop_wait_seconds_bucket{otel_scope_name=\"shop\",le=\"0.00001\"} 0",
            "shop_wait_seconds_bucket{otel_scope_name=\"shop\",le=\"0.000025\"} 0",
            "shop_wait_seconds_bucket{otel_scope_name=\"shop\",le=\"0.00005\"} 0",
            "shop_wait_seconds_bucket{otel_scope_name=\"shop\",le=\"0.0001\"} 0",
            "shop_wait_seconds_bucket{otel_scope_name=\"shop\",le=\"0.00025\"} 0",
            "shop_wait_seconds_bucket{otel_scope_name=\"shop\",le=\"0.0005\"} 0",
            "shop_wait_seconds_bucket{otel_scope_name=\"shop\",le=\"0.001\"} 0",
            "shop_wait_seconds_bucket{otel_scope_name=\"shop\",le=\"0.0025\"} 0",
            "shop_wait_seconds_bucket{otel_scope_name=\"shop\",le=\"0.005\"} 1",
            "shop_wait_seconds_bucket{otel_scope_name=\"shop\",le=\"0.01\"} 1",
            "shop_wait_seconds_bucket{otel_scope_name=\"shop\",le=\"0.025\"} 1",
            "shop_wait_seconds_bucket{otel_scope_name=\"shop\",le=\"0.05\"} 1",
            "shop_wait_seconds_bucket{otel_scope_name=\"shop\",le=\"0.1\"} 1",
            "shop_wait_seconds_bucket{otel_scope_name=\"shop\",le=\"0.25\"} 1",
            "shop_wait_seconds_bucket{otel_scope_name=\"shop\",le=\"0.5\"} 1",
            "shop_wait_seconds_bucket{otel_scope_name=\"shop\",le=\"1\"} 1",
            "shop_wait_seconds_bucket{otel_scope_name=\"shop\",le=\"2.5\"} 1",
            "shop_wait_seconds_bucket{otel_scope_name=\"shop\",le=\"5\"} 1",
            "shop_wait_seconds_bucket{otel_scope_name=\"shop\",le=\"10\"} 1",
            "shop_wait_seconds_bucket{otel_scope_name=\"shop\",le=\"25\"} 1",
            "shop_wait_seconds_bucket{otel_scope_name=\"shop\",le=\"50\"} 1",
            "shop_wait_seconds_bucket{otel_scope_name=\"shop\",le=\"100\"} 1",
            "shop_wait_seconds_bucket{otel_scope_name=\"shop\",le=\"+Inf\"} 1",
            "shop_wait_seconds_sum{otel_scope_name=\"shop\"} 0.003",
            "shop_wait_seconds_count{otel_scope_name=\"shop\"} 1",
        ]
    );
    let scope = format!(
        "otel_scope_name=\"telemetry\",otel_scope_version=\"{}\",\
         otel_scope_schema_url=\"https://opentelemetry.io/schemas/1.42.0\"",
        env!("CARGO_PKG_VERSION")
    );
    let started = format!(
        "otel_sdk_span_started_total{{otel_span_parent_origin=\"none\",\
         otel_span_sampling_result=\"RECORD_AND_SAMPLE\",{scope}}} 2"
    );
    assert_eq!(
        lines(&page, "otel_sdk_span_started"),
        [
            "# HELP otel_sdk_span_started_total The number of created spans.",
            "# TYPE otel_sdk_span_started_total counter",
            &started,
        ]
    );
    let types: BTreeMap<&str, &str> = page
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '))
        .filter(|(name, _)| !name.starts_with("shop_"))
        .collect();
    let mut expected = BTreeMap::from([
        ("otel_sdk_metric_reader_collection_duration_seconds", "histogram"),
        ("otel_sdk_span_live", "gauge"),
        ("otel_sdk_span_started_total", "counter"),
        ("process_cpu_time_seconds_total", "counter"),
        ("process_memory_usage_bytes", "gauge"),
        ("process_memory_virtual_bytes", "gauge"),
        ("process_unix_file_descriptor_count", "gauge"),
        ("process_uptime_seconds", "gauge"),
        ("target_info", "gauge"),
    ]);
    if cfg!(target_os = "linux") {
        expected.insert("process_thread_count", "gauge");
    }
    assert_eq!(types, expected);
    let [.., target] = &lines(&page, "target_info")[..] else { panic!("{page}") };
    for label in [
        "service_name=\"grocery-store\"",
        "service_namespace=\"grocery\"",
        "service_version=\"1.2.3\"",
        "team=\"veg\"",
        "telemetry_sdk_language=\"rust\"",
    ] {
        assert!(target.contains(label), "{label} in {target}");
    }
    assert!(target.ends_with("} 1"), "{target}");
    shutdown(pipeline);
}

#[test]
fn only_the_page_is_served_and_only_to_names_of_this_machine() {
    let (pipeline, address) = with_page();
    for (request, status, more) in [
        ("GET / HTTP/1.1\r\nhost: localhost\r\n\r\n", "404 Not Found", "are at /metrics"),
        (
            "POST /metrics HTTP/1.1\r\nhost: localhost\r\n\r\n",
            "405 Method Not Allowed",
            "allow: GET, HEAD",
        ),
        ("GET /metrics HTTP/1.1\r\nhost: evil.example\r\n\r\n", "403 Forbidden", "localhost"),
        ("nonsense\r\n\r\n", "400 Bad Request", ""),
    ] {
        let answer = ask(address, request);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}\r\n")), "{request:?}: {answer}");
        assert!(answer.contains(more), "{request:?}: {answer}");
    }
    let long =
        format!("GET /metrics HTTP/1.1\r\nhost: localhost\r\nx: {}\r\n\r\n", "y".repeat(9_000));
    let answer = ask(address, &long);
    assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
    let head = ask(address, "HEAD /metrics?x=y HTTP/1.1\r\nhost: localhost\r\n\r\n");
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n") && head.ends_with("\r\n\r\n"), "{head}");
    // No request has made a span.
    assert_eq!(pipeline.accounting().snapshot().started, 0);
    shutdown(pipeline);
}

/// More clients than there is room for send nothing. They are cut off, and then the others are
/// served.
#[test]
fn clients_that_are_slow_hold_up_neither_the_page_nor_the_end() {
    let (pipeline, address) = with_page();
    let slow: Vec<_> = (0..33)
        .map(|_| {
            let mut stream = TcpStream::connect(address).expect("something listens");
            stream.write_all(b"GET /metrics HTTP/1.1\r\nho").expect("it is taken");
            stream
        })
        .collect();
    assert!(page(address).contains("target_info"));
    for mut stream in slow {
        let mut answer = Vec::new();
        // Closed, perhaps by a reset.
        stream.read_to_end(&mut answer).ok();
    }

    let _slow = TcpStream::connect(address).expect("something listens");
    let start = Instant::now();
    shutdown(pipeline);
    // For the rest of its request a client has two seconds.
    assert!(start.elapsed() < Duration::from_millis(1_800), "{:?}", start.elapsed());
    wait_until("the port is free", || TcpListener::bind(address).is_ok());
}

#[test]
fn a_port_that_is_taken_is_an_error_that_names_the_variable() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = taken.local_addr().expect("an address").port();
    let settings = |host: &str, port: u16| {
        let port = port.to_string();
        let config = config(&[
            ("OTEL_TRACES_EXPORTER", "none"),
            ("OTEL_METRICS_EXPORTER", "prometheus"),
            ("OTEL_EXPORTER_PROMETHEUS_HOST", host),
            ("OTEL_EXPORTER_PROMETHEUS_PORT", &port),
        ]);
        let config = config.expect("the variables are valid");
        Pipeline::new(&SERVICE, &config).expect_err("it cannot listen").to_string()
    };
    assert_eq!(
        settings("localhost", port),
        format!(
            "cannot set up the prometheus exporter: something listens on 127.0.0.1:{port} already: \
             choose another port with OTEL_EXPORTER_PROMETHEUS_PORT, a different one for each process"
        )
    );
    assert_eq!(
        settings("192.0.2.1", 0),
        "cannot set up the prometheus exporter: 192.0.2.1:0 is no address of this machine: \
         OTEL_EXPORTER_PROMETHEUS_HOST names one"
    );
    let unknown = settings("no-such-host.invalid", 0);
    let start = "cannot set up the prometheus exporter: the host \"no-such-host.invalid\" of \
                 OTEL_EXPORTER_PROMETHEUS_HOST cannot be found: ";
    assert!(unknown.starts_with(start), "{unknown}");
}

/// The text format has no exponential histograms, so they would be missing.
#[test]
fn exponential_histograms_and_the_page_exclude_each_other() {
    let name = "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION";
    let value = "base2_exponential_bucket_histogram";
    let both = [("OTEL_METRICS_EXPORTER", "otlp,prometheus"), (name, value)];
    let error = config(&both).expect_err("they exclude each other").to_string();
    assert_eq!(
        error,
        format!(
            "{name}={value:?} is not valid: expected explicit_bucket_histogram, because \
             OTEL_METRICS_EXPORTER lists prometheus"
        )
    );
}
