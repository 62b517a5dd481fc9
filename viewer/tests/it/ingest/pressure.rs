//! When more comes than can be stored: senders are told to wait, and nothing is lost unsaid.

use opentelemetry_proto::tonic::collector::trace::v1::trace_service_client::TraceServiceClient;
use prost::Message;
use tonic::Code;
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
