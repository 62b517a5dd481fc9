//! Reading: however large a trace is, however many read it, and also when they stop reading, the
//! viewer holds little memory for them and goes on to serve others.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use serde_json::{Value as Json, json};
use socket2::{Domain, Socket, Type};
use viewer::Config;

use crate::support::spans::{Trace, attribute, error, list, of_service, request, spans_of, text};
use crate::support::{Backend, eventually};

/// A trace of so many spans that say `note`.
fn noted(trace: Trace, spans: u64, note: &str) -> ExportTraceServiceRequest {
    let noted = |id| {
        let mut span = trace.span(id, id - 1, "step", id..id + 5);
        span.attributes = vec![text("note", note)];
        span
    };
    request([of_service("store", (1..=spans).map(noted).collect())])
}

/// The ways in which a whole trace is read.
fn paths(trace: Trace) -> [String; 4] {
    let id = trace.hex();
    let times = "query.startTimeMin=2020-01-01T00:00:00Z&query.startTimeMax=2100-01-01T00:00:00Z";
    [
        format!("/viewer/api/traces/{id}"),
        format!("/api/traces/{id}"),
        format!("/api/v3/traces/{id}"),
        format!("/api/v3/traces?{times}&query.num_traces=1500"),
    ]
}

/// A client that asks and does not read.
struct Silent(TcpStream);

impl Silent {
    fn new(address: SocketAddr, path: &str) -> Self {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        // A small buffer, so that the viewer soon waits for the reader.
        socket.set_recv_buffer_size(4_096).expect("a size");
        socket.connect(&address.into()).expect("a connection");
        let mut stream = TcpStream::from(socket);
        let head = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n");
        stream.write_all(head.as_bytes()).expect("a request");
        Self(stream)
    }

    /// One whose answer has begun: the viewer is making it.
    fn being_answered(address: SocketAddr, path: &str) -> Self {
        eventually("the start of an answer", || {
            let silent = Self::new(address, path);
            let mut status = [0; 12];
            let peeked = silent.0.peek(&mut status);
            let is_answered = peeked.is_ok() && status == *b"HTTP/1.1 200";
            if is_answered { Ok(silent) } else { Err(status) }
        })
    }

    /// Reads now; the status, and whether the connection ended before the answer did.
    fn read_all(mut self) -> (String, bool) {
        let mut answer = Vec::new();
        let end = self.0.read_to_end(&mut answer);
        let status = String::from_utf8_lossy(&answer[..answer.len().min(12)]).into_owned();
        let is_reset = end.is_err_and(|error| error.kind() == ErrorKind::ConnectionReset);
        (status, is_reset || !answer.ends_with(b"0\r\n\r\n"))
    }
}

#[test]
fn a_large_trace_is_read_whole_in_every_api() {
    let backend = Backend::viewer();
    let trace = Trace::new();
    backend.send(&noted(trace, 2_000, &"x".repeat(300)));
    backend.stats_when_stored(2_000);

    for path in paths(trace) {
        let answer = backend.query(&path).send().expect("an answer");
        assert_eq!(
            answer.headers().get("transfer-encoding").map(|value| value.as_bytes()),
            Some(&b"chunked"[..])
        );
        let answer: Json = serde_json::from_str(&answer.text().expect("a text")).expect("JSON");
        let legacy = list(&answer["data"][0]["spans"]).count();
        assert_eq!(legacy.max(spans_of(&answer).len()), 2_000, "{path}");
    }
    let pretty = backend.query(&format!("/api/traces/{}?prettyPrint=true", trace.hex())).send();
    let pretty = pretty.and_then(|answer| answer.text()).expect("a text");
    assert!(
        pretty.starts_with("{\n    \"data\": [\n        {\n            \"traceID\": "),
        "{pretty:.80}"
    );
    assert!(serde_json::from_str::<Json>(&pretty).is_ok());
}

#[test]
fn readers_that_do_not_read_are_let_go_and_others_are_told_to_come_again() {
    let read_patience = Duration::from_secs(2);
    // Room for one trace of a thousand spans, not for two.
    let max_reading_bytes = 400 * 1_024;
    let config = Config { max_reading_bytes, read_patience, ..Config::on_free_ports() };
    let backend = Backend::with(config);
    let trace = Trace::new();
    backend.send(&noted(trace, 1_000, &"x".repeat(12_000)));
    backend.stats_when_stored(1_000);
    let silent = || Silent::being_answered(backend.handle().listen(), &paths(trace)[0]);

    let mut reading = silent();
    let refusals = paths(trace).map(|path| {
        eventually("a refusal", || {
            let answer = backend.query(&path).send().expect("an answer");
            if answer.status() == 503 {
                assert_eq!(answer.headers()["retry-after"], "1");
                return Ok(
                    serde_json::from_str::<Json>(&answer.text().expect("a text")).expect("JSON")
                );
            }
            // The silent reader has been let go meanwhile: another one takes its place.
            drop(answer);
            reading = silent();
            Err("not refused")
        })
    });
    let words = "the viewer is answering as many readers as it can: try again in a second";
    assert_eq!(refusals[0], json!({"error": words}));
    assert_eq!(refusals[1]["errors"], json!([{"code": 503, "msg": words}]));
    assert_eq!(refusals[2], json!({"error": {"httpCode": 503, "message": words}}));
    assert_eq!(refusals[3], refusals[2]);

    // What the silent one held is free again, though it is still there.
    let path = &paths(trace)[2];
    eventually("room again", || match backend.query(path).send().map(|answer| answer.status()) {
        Ok(status) if status == 200 => Ok(()),
        other => Err(other),
    });
    assert_eq!(reading.read_all(), (String::from("HTTP/1.1 200"), true));
}

#[test]
#[cfg(target_os = "linux")]
fn a_connection_that_takes_nothing_ends_by_itself() {
    let read_patience = Duration::from_millis(500);
    let backend = Backend::with(Config { read_patience, ..Config::on_free_ports() });
    let trace = Trace::new();
    backend.send(&noted(trace, 1_000, &"x".repeat(12_000)));
    backend.stats_when_stored(1_000);

    let silent: Vec<_> = (0..30)
        .map(|number| Silent::new(backend.handle().listen(), &paths(trace)[number % 4]))
        .collect();

    // Others are served meanwhile.
    assert_eq!(backend.get("/viewer/api/stats").0, 200);
    let port = backend.handle().listen().port();
    for Silent(stream) in &silent {
        let own = stream.local_addr().expect("an address").port();
        eventually("the end of a connection", || {
            // The viewer's side of the connection: on its own side the silent reader would have to
            // read to see the end.
            let ends = format!("0100007F:{port:04X} 0100007F:{own:04X} ");
            let sockets = std::fs::read_to_string("/proc/net/tcp").expect("the list of sockets");
            if sockets.contains(&ends) { Err("still open") } else { Ok(()) }
        });
    }
}

#[test]
fn a_trace_of_very_many_services_is_read_and_sent_again_quickly() {
    const SERVICES: u64 = 20_000;
    let backend = Backend::viewer();
    let trace = Trace::new();
    let sent = |name: &str| {
        request((1..=SERVICES).map(|id| {
            let span = trace.span(id, id.min(2) - 1, name, 0..10);
            of_service(&format!("service-{id}"), vec![span])
        }))
    };
    let start = Instant::now();

    backend.send(&sent("once"));
    backend.stats_when_stored(SERVICES);
    // Every span again, changed: each service has none for a moment.
    backend.send(&sent("again"));
    backend.stats_when_stored(2 * SERVICES);

    let (_, legacy) = backend.get(&paths(trace)[1]);
    assert_eq!(legacy["data"][0]["processes"].as_object().map(serde_json::Map::len), Some(20_000));
    let spans = list(&legacy["data"][0]["spans"]);
    let processes = &legacy["data"][0]["processes"];
    for (number, span) in (1..).zip(spans) {
        let process = span["processID"].as_str().expect("a process");
        assert_eq!(processes[process]["serviceName"], format!("service-{number}"));
    }
    let (_, found) = backend.get("/viewer/api/traces?service=service-77");
    assert_eq!(json!([found["total"], found["traces"][0]["more_services"]]), json!([1, 19_984]));
    // Two seconds on a quiet machine, minutes where every service is compared with every other.
    assert!(start.elapsed() < Duration::from_secs(40), "{:?}", start.elapsed());
}

#[test]
fn numbers_that_json_does_not_have_keep_their_values() {
    let backend = Backend::viewer();
    let trace = Trace::new();
    let mut span = trace.span(1, 0, "odd", 0..10);
    span.attributes = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1.5, 5.0]
        .iter()
        .enumerate()
        .map(|(at, number)| attribute(&format!("n{at}"), Value::DoubleValue(*number)))
        .collect();
    backend.send(&request([of_service("store", vec![span])]));
    backend.stats_when_stored(1);

    for path in [&paths(trace)[0], &paths(trace)[2]] {
        let (_, answer) = backend.get(path);
        let numbers: Vec<_> = list(&spans_of(&answer)[0]["attributes"])
            .map(|attribute| attribute["value"]["doubleValue"].clone())
            .collect();
        assert_eq!(
            numbers,
            [json!("NaN"), json!("Infinity"), json!("-Infinity"), json!(1.5), json!(5.0)]
        );
    }
}

#[test]
fn a_span_answered_by_the_stable_api_is_the_same_when_it_is_sent_again() {
    let backend = Backend::viewer();
    let trace = Trace::new();
    let mut span: Span = trace.span(1, 0, "all of it", 0..10);
    span.status = error("no");
    span.attributes = vec![
        attribute("empty text", Value::StringValue(String::new())),
        attribute("false", Value::BoolValue(false)),
        attribute("zero", Value::IntValue(0)),
        attribute("large", Value::IntValue(i64::MIN)),
        attribute("bytes", Value::BytesValue(vec![0, 255])),
    ];
    span.links = vec![trace.link(9)];
    backend.send(&request([of_service("store", vec![span])]));
    backend.stats_when_stored(1);
    let (_, answer) = backend.get(&paths(trace)[2]);

    let again = Backend::viewer();
    let body = answer["result"].to_string();
    let sent = again.post("/v1/traces", "application/json", body);

    assert_eq!(sent.status(), 200);
    again.stats_when_stored(1);
    assert_eq!(again.get(&paths(trace)[2]).1, answer);
}

#[test]
fn tags_with_quoted_keys_are_found() {
    let backend = Backend::viewer();
    let trace = Trace::new();
    let mut span = trace.span(1, 0, "served", 0..10);
    span.attributes =
        vec![text("guid:x-request-id", "some guid"), text("foo", "bar"), text("a = b", "")];
    backend.send(&request([of_service("store", vec![span])]));
    backend.stats_when_stored(1);

    for (tags, finds) in [
        (r#""guid:x-request-id"="some guid""#, 1),
        (r#"guid:x-request-id="some guid""#, 1),
        (r#"foo = "bar""#, 1),
        (r#"foo = "baz""#, 0),
        (r#""a = b"="" foo=bar"#, 1),
        ("error=false", 0),
        ("error=true", 0),
    ] {
        let (status, answer) = backend.get(&format!("/viewer/api/traces?tags={}", encoded(tags)));
        assert_eq!((status, &answer["total"]), (200, &json!(finds)), "{tags}");
    }
    for path in ["/viewer/api/traces?", "/viewer/api/live?", "/api/traces?service=store&"] {
        for tags in ["=lost", "\"open", "a= b=1", "{\"a\":1}"] {
            let (status, _) = backend.get(&format!("{path}tags={}", encoded(tags)));
            assert_eq!(status, 400, "{path} {tags}");
        }
    }
}

/// As part of a query string.
fn encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}
