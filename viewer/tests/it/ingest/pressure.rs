//! More requests than can be stored, and requests that come too slowly: their senders are told to
//! wait, what is refused is counted, and one sender cannot keep the others out.

use std::convert::Infallible;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http_body_util::StreamBody;
use hyper::body::Frame;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_client::TraceServiceClient;
use prost::Message;
use tonic::Code;
use tonic::client::GrpcService;
use tonic::transport::Channel;
use tonic_types::StatusExt;
use viewer::Config;

use super::counts;
use crate::support::Backend;
use crate::support::spans::{Trace, of_service, request};

/// What may wait there: less than one large request.
const WAITING_BYTES: usize = 64 << 10;

/// A viewer in which hardly anything may wait.
fn overloaded() -> Backend {
    Backend::with(Config { max_waiting_bytes: WAITING_BYTES, ..Config::on_free_ports() })
}

/// One span with a long name.
fn long_name() -> opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest {
    request([of_service("a", vec![Trace::new().span(1, 0, &"x".repeat(600), 0..10)])])
}

#[test]
fn http_answers_503_and_says_when_to_try_again() {
    let backend = overloaded();

    let refused = backend.post("/v1/traces", "application/x-protobuf", vec![0; WAITING_BYTES + 1]);

    assert_eq!(refused.status(), 503);
    assert_eq!(refused.headers()["retry-after"], "1");
    let status = tonic_types::Status::decode(refused.bytes().expect("a body")).expect("a status");
    assert_eq!(status.code, Code::Unavailable as i32);
    assert_eq!(status.message, "too much is waiting to be stored, try again in 1 s");
    assert_eq!(counts(&backend, "traces"), [1, 0, 0, 0, 1]);
}

#[test]
fn grpc_answers_unavailable_with_the_time_to_try_again() {
    let backend = Backend::with(Config { max_waiting_bytes: 100, ..Config::on_free_ports() });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();

    let refused = runtime.expect("a runtime").block_on(async {
        let address = format!("http://{}", backend.handle().otlp_grpc());
        let mut client = TraceServiceClient::connect(address).await.expect("a connection");
        client.export(long_name()).await.expect_err("overloaded")
    });

    assert_eq!(refused.code(), Code::Unavailable);
    let retry = refused.get_details_retry_info().and_then(|retry| retry.retry_delay);
    assert_eq!(retry, Some(std::time::Duration::from_secs(1)));
    assert_eq!(counts(&backend, "traces"), [1, 0, 0, 0, 1]);
}

#[test]
fn what_was_refused_is_taken_when_there_is_room_again() {
    let backend = overloaded();
    let trace = Trace::new();
    let small = request([of_service("a", vec![trace.span(1, 0, "small", 0..10)])]);

    let large = backend.post("/v1/traces", "application/x-protobuf", vec![0; WAITING_BYTES + 1]);
    backend.send(&small);

    assert_eq!(large.status(), 503);
    backend.stats_when_stored(1);
    assert_eq!(backend.get(&format!("/viewer/api/traces/{}", trace.hex())).0, 200);
    assert_eq!(counts(&backend, "traces"), [2, 1, 1, 0, 1]);
}

/// Writes the beginning of a request over HTTP to a bare connection.
fn begin_request(backend: &Backend, length: usize, body: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(backend.handle().otlp()).expect("a connection");
    let head = format!(
        "POST /v1/traces HTTP/1.1\r\nhost: localhost\r\n\
         content-type: application/x-protobuf\r\ncontent-length: {length}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body)).expect("room to send");
    stream
}

/// A connection for gRPC.
async fn connect(backend: &Backend) -> Channel {
    let address = format!("http://{}", backend.handle().otlp_grpc());
    let endpoint = Channel::from_shared(address).expect("an address");
    endpoint.connect().await.expect("a connection")
}

/// The beginning of a call over gRPC, whose body says it has 4 MB and never ends.
async fn begin_call(
    mut channel: Channel,
) -> Result<http::Response<tonic::body::Body>, tonic::transport::Error> {
    let prefix = Bytes::from_static(&[0, 0, 63, 0, 0, 1, 2, 3]);
    let begun = stream::iter([Ok::<_, Infallible>(Frame::data(prefix))]).chain(stream::pending());
    let call = http::Request::post(
        "http://localhost/opentelemetry.proto.collector.trace.v1.TraceService/Export",
    )
    .header("content-type", "application/grpc")
    .header("te", "trailers")
    .body(tonic::body::Body::new(StreamBody::new(begun)))
    .expect("a call");
    futures_util::future::poll_fn(|context| channel.poll_ready(context))
        .await
        .expect("a connection");
    GrpcService::call(&mut channel, call).await
}

#[test]
fn requests_that_only_announce_their_size_do_not_hold_up_others() {
    let backend = Backend::viewer();
    let idle: Vec<_> = (0..64).map(|_| begin_request(&backend, 16 << 20, &[])).collect();

    for _ in 0..20 {
        backend.send(&long_name());
    }

    assert_eq!(counts(&backend, "traces")[4], 0);
    drop(idle);
}

#[test]
fn requests_that_do_not_end_are_ended_and_do_not_hold_up_others() {
    let backend = Backend::viewer();
    let mut over_http = begin_request(&backend, 1 << 20, &[0; 100]);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();

    runtime.expect("a runtime").block_on(async {
        let channel = connect(&backend).await;
        let stalled: Vec<_> = (0..16).map(|_| tokio::spawn(begin_call(channel.clone()))).collect();
        // Each of them has begun when as many requests have been counted.
        tokio::task::block_in_place(|| {
            backend.get_when("/viewer/api/stats", |stats| {
                stats["signals"]["traces"]["requests"].as_u64() >= Some(17)
            });
        });

        let mut other = TraceServiceClient::new(connect(&backend).await);
        let sent = tokio::time::timeout(Duration::from_secs(4), other.export(long_name())).await;

        assert!(sent.is_ok_and(|sent| sent.is_ok()), "another sender is held up");
        for stalled in stalled {
            let answer = stalled.await.expect("no panic").expect("an answer");
            let status = tonic::Status::from_header_map(answer.headers()).expect("a status");
            assert_eq!(status.code(), Code::InvalidArgument);
            assert!(status.message().starts_with("the body came too slowly"), "{status}");
        }
    });

    let mut answer = String::new();
    over_http.read_to_string(&mut answer).expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert_eq!(counts(&backend, "traces"), [18, 1, 1, 0, 17]);
}

#[test]
fn one_connection_has_only_so_many_calls_open() {
    let backend = Backend::viewer();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();

    runtime.expect("a runtime").block_on(async {
        let channel = connect(&backend).await;
        let calls: Vec<_> = (0..40).map(|_| tokio::spawn(begin_call(channel.clone()))).collect();

        // The others are refused, or wait for the first to end.
        let begun = tokio::task::block_in_place(|| {
            let stats = backend.get_when("/viewer/api/stats", |stats| {
                stats["signals"]["traces"]["requests"].as_u64() >= Some(16)
            });
            stats["signals"]["traces"]["requests"].clone()
        });
        assert_eq!(begun, 16);
        calls.into_iter().for_each(|call| call.abort());
    });
}

#[test]
fn a_connection_over_grpc_that_never_calls_is_closed() {
    let backend = Backend::viewer();
    let mut silent = TcpStream::connect(backend.handle().otlp_grpc()).expect("a connection");
    silent.set_read_timeout(Some(Duration::from_secs(60))).expect("a socket");

    // HTTP/2's settings come, then its GOAWAY, then the end of the connection.
    let mut said = Vec::new();
    let closed = silent.read_to_end(&mut said);

    assert!(closed.is_ok(), "{closed:?}");
}
