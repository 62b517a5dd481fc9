//! Jaeger's own protocol carries the same spans as OTLP, to agents and to collectors.

use crate::support::{assert_balanced, config, pipeline, shutdown, story};
use opentelemetry::trace::{Span as _, Tracer as _, TracerProvider as _};
use opentelemetry::{Context, KeyValue};
use std::net::UdpSocket;
use std::time::{Duration, Instant};
use telemetry::config::{JaegerConfig, SpanExporterConfig};
use testing::http::{Answer, HttpReceiver};
use testing::span::{Span, sorted};
use testing::{PATIENCE, jaeger, otlp};

/// An agent's socket.
fn agent() -> (UdpSocket, String) {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    let port = socket.local_addr().expect("an address").port().to_string();
    (socket, port)
}

/// The datagrams that have arrived. All were sent before this is called, and loopback keeps them.
fn datagrams(socket: &UdpSocket) -> Vec<Vec<u8>> {
    socket.set_read_timeout(Some(Duration::from_millis(200))).expect("a timeout");
    let mut buffer = vec![0; 65_536];
    std::iter::from_fn(|| socket.recv(&mut buffer).ok().map(|length| buffer[..length].to_vec()))
        .collect()
}

/// The parts of spans that Jaeger has: its references have no attributes.
fn as_jaeger_has_them(mut spans: Vec<Span>) -> Vec<Span> {
    for link in spans.iter_mut().flat_map(|span| &mut span.links) {
        link.attributes.clear();
    }
    sorted(spans)
}

#[test]
fn an_agent_gets_the_spans_that_otlp_gets() {
    let receiver = HttpReceiver::answering(200);
    let (socket, port) = agent();
    let pipeline = pipeline(&[
        ("OTEL_TRACES_EXPORTER", "otlp,jaeger"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &receiver.url()),
        ("OTEL_EXPORTER_JAEGER_AGENT_HOST", "127.0.0.1"),
        ("OTEL_EXPORTER_JAEGER_AGENT_PORT", &port),
    ]);
    story::tell(pipeline.tracers());
    let totals = shutdown(pipeline);

    let expected = "telemetry: started=5 ended=5 | otlp exported=5 failed=0 dropped=0 \
                    | jaeger exported=5 failed=0 dropped=0";
    assert_eq!(totals.to_string(), expected);
    let got: Vec<_> = datagrams(&socket).iter().flat_map(|d| jaeger::from_datagram(d)).collect();
    assert_eq!(got.len(), 5);
    assert_eq!(sorted(got), as_jaeger_has_them(otlp::from_protobuf(&receiver.received())));
}

#[test]
fn a_collector_gets_the_spans_that_otlp_gets() {
    let receiver = HttpReceiver::answering(200);
    let collector = HttpReceiver::answering(200);
    let pipeline = pipeline(&[
        ("OTEL_TRACES_EXPORTER", "otlp,jaeger"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &receiver.url()),
        ("OTEL_EXPORTER_JAEGER_ENDPOINT", &format!("{}/api/traces", collector.url())),
        ("OTEL_EXPORTER_JAEGER_USER", "grocer"),
        ("OTEL_EXPORTER_JAEGER_PASSWORD", "potato"),
    ]);
    story::tell(pipeline.tracers());
    let totals = shutdown(pipeline);

    assert_balanced(&totals);
    let requests = collector.received();
    for request in &requests {
        assert_eq!(request.path, "/api/traces");
        assert_eq!(request.headers["content-type"], "application/vnd.apache.thrift.binary");
        assert_eq!(request.headers["authorization"], "Basic Z3JvY2VyOnBvdGF0bw==");
    }
    let got: Vec<_> = requests.iter().flat_map(|r| jaeger::from_body(&r.body)).collect();
    assert_eq!(got.len(), 5);
    assert_eq!(sorted(got), as_jaeger_has_them(otlp::from_protobuf(&receiver.received())));
}

#[test]
fn a_collector_that_refuses_fails_the_spans() {
    let collector = HttpReceiver::answering(503);
    let pipeline = pipeline(&[
        ("OTEL_TRACES_EXPORTER", "jaeger"),
        ("OTEL_EXPORTER_JAEGER_ENDPOINT", &collector.url()),
        ("OTEL_BSP_EXPORT_TIMEOUT", "1"),
    ]);
    story::end_spans(pipeline.tracers(), 4);
    let totals = shutdown(pipeline).to_string();
    assert_eq!(totals, "telemetry: started=4 ended=4 | jaeger exported=0 failed=4 dropped=0");
}

#[test]
fn batches_are_split_to_fit_datagrams_and_only_a_span_that_is_too_large_fails() {
    let (socket, port) = agent();
    let pipeline = pipeline(&[
        ("OTEL_TRACES_EXPORTER", "jaeger"),
        ("OTEL_EXPORTER_JAEGER_AGENT_HOST", "127.0.0.1"),
        ("OTEL_EXPORTER_JAEGER_AGENT_PORT", &port),
    ]);
    let tracer = pipeline.tracers().tracer("large");
    for (name, bytes) in [("a", 30_000), ("b", 30_000), ("c", 70_000), ("d", 30_000)] {
        let mut span = tracer.start_with_context(name, &Context::new());
        span.set_attribute(KeyValue::new("text", "x".repeat(bytes)));
        span.end();
    }
    let totals = shutdown(pipeline).to_string();

    assert_eq!(totals, "telemetry: started=4 ended=4 | jaeger exported=3 failed=1 dropped=0");
    let datagrams = datagrams(&socket);
    assert!(datagrams.len() >= 2, "three spans of 30 kB don't fit into one datagram");
    let mut names: Vec<_> = datagrams
        .iter()
        .flat_map(|datagram| jaeger::from_datagram(datagram))
        .map(|span| span.name)
        .collect();
    names.sort();
    assert_eq!(names, ["a", "b", "d"]);
}

/// A burst of datagrams of 65 kB overflows the buffer of a receiver's socket.
#[test]
fn datagrams_are_small_and_are_sent_one_at_a_time() {
    let (socket, port) = agent();
    let pipeline = pipeline(&[
        ("OTEL_TRACES_EXPORTER", "jaeger"),
        ("OTEL_EXPORTER_JAEGER_AGENT_HOST", "127.0.0.1"),
        ("OTEL_EXPORTER_JAEGER_AGENT_PORT", &port),
    ]);
    // No more spans than a socket's buffer holds, so that all can be read afterwards.
    story::end_spans(pipeline.tracers(), 300);
    let start = Instant::now();
    let totals = shutdown(pipeline).to_string();
    let took = start.elapsed();

    let expected = "telemetry: started=300 ended=300 | jaeger exported=300 failed=0 dropped=0";
    assert_eq!(totals, expected);
    let datagrams = datagrams(&socket);
    assert!(datagrams.iter().all(|datagram| datagram.len() <= 7_680), "small");
    assert!(took >= Duration::from_millis(2 * datagrams.len() as u64), "{took:?}");
    let mut ids: Vec<_> = datagrams
        .iter()
        .flat_map(|datagram| jaeger::from_datagram(datagram))
        .map(|span| span.span_id)
        .collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 300);
}

/// An agent with a buffer of the default size takes more than a millisecond for each datagram. Of
/// datagrams of 65 kB without pauses it got a third of these spans. With the exporter's pauses it
/// gets them all, unless the machine is so busy that the agent does not run for 50 ms, so one whole
/// burst is enough.
#[test]
fn a_slow_agent_gets_a_burst_whole() {
    const SPANS: usize = 3_000;
    let expected = format!(
        "telemetry: started={SPANS} ended={SPANS} | jaeger exported={SPANS} failed=0 dropped=0"
    );
    let (mut arrived, began) = (Vec::new(), Instant::now());
    while began.elapsed() < PATIENCE && arrived.last() != Some(&SPANS) {
        let (socket, port) = agent();
        socket.set_read_timeout(Some(Duration::from_secs(2))).expect("a timeout");
        let agent = std::thread::spawn(move || {
            let mut buffer = vec![0; 65_536];
            let mut datagrams = Vec::new();
            while let Ok(length) = socket.recv(&mut buffer) {
                datagrams.push(buffer[..length].to_vec());
                std::thread::sleep(Duration::from_micros(1_300));
            }
            datagrams.iter().map(|datagram| jaeger::from_datagram(datagram).len()).sum()
        });
        let pipeline = pipeline(&[
            ("OTEL_TRACES_EXPORTER", "jaeger"),
            ("OTEL_EXPORTER_JAEGER_AGENT_HOST", "127.0.0.1"),
            ("OTEL_EXPORTER_JAEGER_AGENT_PORT", &port),
            ("OTEL_BSP_MAX_QUEUE_SIZE", "4096"),
        ]);
        let tracer = pipeline.tracers().tracer("burst");
        for _ in 0..SPANS {
            let mut span = tracer.start_with_context("one of a burst", &Context::new());
            span.set_attribute(KeyValue::new("text", "x".repeat(400)));
            span.end();
        }
        assert_eq!(shutdown(pipeline).to_string(), expected);
        arrived.push(agent.join().expect("the agent reads until nothing comes"));
    }
    assert_eq!(arrived.last(), Some(&SPANS), "{arrived:?}");
}

/// An agent and a collector answer with hostile Thrift. An exporter that read it would panic, fail
/// its spans, or take memory without end.
#[test]
fn nothing_that_is_received_is_read_as_thrift() {
    // Binary Thrift: a message of the protocol's version 1 with a name of 2 GiB; a struct whose
    // first field is a list of 2^31 - 1 structs; and structs within structs.
    let mut messages = vec![
        b"\x80\x01\x00\x02\x7f\xff\xff\xff".to_vec(),
        b"\x0f\x00\x01\x0c\x7f\xff\xff\xff".to_vec(),
        b"\x0c\x00\x01".repeat(20_000),
    ];
    // Compact Thrift: a reply whose name is longer than there are bytes; a list of 2^32 structs.
    messages.push(b"\x82\x41\x00\xff\xff\xff\xff\x0f".to_vec());
    messages.push(b"\x19\xfc\xff\xff\xff\xff\x0f".to_vec());
    messages.push(vec![0x1c; 60_000]);

    for message in &messages {
        let thrift = "application/vnd.apache.thrift.binary";
        let collector = HttpReceiver::answering(Answer::body(200, thrift, message.clone()));
        let pipeline = pipeline(&[
            ("OTEL_TRACES_EXPORTER", "jaeger"),
            ("OTEL_EXPORTER_JAEGER_ENDPOINT", &collector.url()),
        ]);
        story::end_spans(pipeline.tracers(), 2);
        let totals = shutdown(pipeline).to_string();
        // Only the status counts.
        assert_eq!(totals, "telemetry: started=2 ended=2 | jaeger exported=2 failed=0 dropped=0");
    }

    let (socket, port) = agent();
    let pipeline = pipeline(&[
        ("OTEL_TRACES_EXPORTER", "jaeger"),
        ("OTEL_EXPORTER_JAEGER_AGENT_HOST", "127.0.0.1"),
        ("OTEL_EXPORTER_JAEGER_AGENT_PORT", &port),
        ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "1"),
        ("OTEL_BSP_SCHEDULE_DELAY", "1"),
    ]);
    let mut buffer = vec![0; 65_536];
    for message in &messages {
        story::end_spans(pipeline.tracers(), 1);
        let (length, exporter) = socket.recv_from(&mut buffer).expect("a datagram");
        assert_eq!(jaeger::from_datagram(&buffer[..length]).len(), 1);
        socket.send_to(message, exporter).expect("it is there");
    }
    let count = messages.len();
    let totals = shutdown(pipeline).to_string();
    let expected = format!(
        "telemetry: started={count} ended={count} | jaeger exported={count} failed=0 dropped=0"
    );
    assert_eq!(totals, expected);
}

#[test]
fn a_span_without_a_duration_takes_a_microsecond() {
    let collector = HttpReceiver::answering(200);
    let zipkin = HttpReceiver::answering(200);
    let pipeline = pipeline(&[
        ("OTEL_TRACES_EXPORTER", "jaeger,zipkin"),
        ("OTEL_EXPORTER_JAEGER_ENDPOINT", &collector.url()),
        ("OTEL_EXPORTER_ZIPKIN_ENDPOINT", &format!("{}/api/v2/spans", zipkin.url())),
    ]);
    let at = |ns: u64| {
        std::time::SystemTime::UNIX_EPOCH + Duration::from_nanos(1_700_000_000_000_000_000 + ns)
    };
    // A clock may also have been set back between start and end.
    for (name, end_ns) in [("0 ns", 10_000), ("999 ns", 10_999), ("backwards", 5_000)] {
        let start = opentelemetry::trace::SpanBuilder::from_name(name).with_start_time(at(10_000));
        let tracer = pipeline.tracers().tracer("short");
        tracer.build_with_context(start, &Context::new()).end_with_timestamp(at(end_ns));
    }
    shutdown(pipeline);
    let thrift: Vec<_> =
        collector.received().iter().flat_map(|r| jaeger::from_body(&r.body)).collect();
    for spans in [thrift, testing::zipkin::from_json(&zipkin.received())] {
        let durations: Vec<_> = spans.iter().map(|span| span.duration_us).collect();
        assert_eq!(durations, [1, 1, 1]);
    }
}

#[test]
fn an_agent_whose_name_is_unknown_fails_the_spans_and_not_the_start() {
    let pipeline = pipeline(&[
        ("OTEL_TRACES_EXPORTER", "jaeger"),
        ("OTEL_EXPORTER_JAEGER_AGENT_HOST", "no-such-host.invalid"),
    ]);
    story::end_spans(pipeline.tracers(), 2);
    let totals = shutdown(pipeline);
    assert_balanced(&totals);
    assert_eq!(totals.exporters[0].exported, 0, "{totals}");
}

#[test]
fn jaeger_is_an_agent_unless_an_endpoint_is_set() {
    let jaeger = |variables: &[(&str, &str)]| {
        let variables = [&[("OTEL_TRACES_EXPORTER", "jaeger")], variables].concat();
        let config = config(&variables).expect("the variables are right");
        let Some(SpanExporterConfig::Jaeger(jaeger)) = config.exporters.first() else {
            panic!("no Jaeger")
        };
        jaeger.clone()
    };
    let agent = |host: &str, port| JaegerConfig::Agent { host: host.to_owned(), port };
    assert_eq!(jaeger(&[]), agent("localhost", 6831));
    let host = ("OTEL_EXPORTER_JAEGER_AGENT_HOST", "agent");
    assert_eq!(jaeger(&[host, ("OTEL_EXPORTER_JAEGER_AGENT_PORT", "1")]), agent("agent", 1));
    let endpoint = ("OTEL_EXPORTER_JAEGER_ENDPOINT", "http://h:14268/api/traces");
    assert!(matches!(jaeger(&[host, endpoint]), JaegerConfig::Collector { credentials: None, .. }));
}
