//! OTLP over gRPC, with the clients that `opentelemetry-proto` generates.

use opentelemetry_proto::tonic::collector::logs::v1::logs_service_client::LogsServiceClient;
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_client::MetricsServiceClient;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_client::TraceServiceClient;
use tonic::Code;
use tonic::codec::CompressionEncoding;
use tonic::transport::Channel;

use super::{counts, logs, metrics};
use crate::support::Backend;
use crate::support::spans::{Trace, of_service, request};

/// Runs `test` with a connection to the gRPC port of a viewer.
fn connected<F: Future<Output = ()>>(backend: &Backend, test: impl FnOnce(Channel) -> F) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let address = format!("http://{}", backend.handle().otlp_grpc());
    runtime.expect("a runtime").block_on(async {
        let endpoint = Channel::from_shared(address).expect("an address");
        test(endpoint.connect().await.expect("a connection")).await;
    });
}

#[test]
fn traces_are_taken_packed_and_unpacked() {
    let backend = Backend::viewer();
    let (one, two) = (Trace::new(), Trace::new());
    let sent = |trace: Trace| request([of_service("a", vec![trace.span(1, 0, "sent", 0..10)])]);

    connected(&backend, |channel| async move {
        let mut plain = TraceServiceClient::new(channel);
        let mut packed = plain.clone().send_compressed(CompressionEncoding::Gzip);
        for answer in [plain.export(sent(one)).await, packed.export(sent(two)).await] {
            assert_eq!(answer.expect("an answer").into_inner().partial_success, None);
        }
    });

    backend.stats_when_stored(2);
    for trace in [one, two] {
        assert_eq!(backend.get(&format!("/viewer/api/traces/{}", trace.hex())).0, 200);
    }
}

#[test]
fn a_partial_success_says_what_was_wrong() {
    let backend = Backend::viewer();
    let mut bad = Trace::new().span(1, 0, "bad", 0..10);
    bad.span_id.clear();

    connected(&backend, |channel| async move {
        let sent = request([of_service("a", vec![bad])]);
        let answer = TraceServiceClient::new(channel).export(sent).await.expect("an answer");

        let partial = answer.into_inner().partial_success.expect("a partial success");
        assert_eq!(partial.rejected_spans, 1);
        assert_eq!(
            partial.error_message,
            "resourceSpans[0].scopeSpans[0].spans[0].spanId is missing or all zeroes"
        );
    });
}

#[test]
fn metrics_and_logs_are_counted() {
    let backend = Backend::viewer();

    connected(&backend, |channel| async move {
        let sent = MetricsServiceClient::new(channel.clone()).export(metrics()).await;
        assert!(sent.is_ok(), "{sent:?}");
        let sent = LogsServiceClient::new(channel).export(logs()).await;
        assert!(sent.is_ok(), "{sent:?}");
    });

    assert_eq!(counts(&backend, "metrics"), [1, 2, 2, 0, 0]);
    assert_eq!(counts(&backend, "logs"), [1, 3, 3, 0, 0]);
}

#[test]
fn a_message_past_grpcs_own_limit_is_refused() {
    let backend = Backend::viewer();
    let name = "x".repeat(5 << 20);

    connected(&backend, |channel| async move {
        let sent = request([of_service("a", vec![Trace::new().span(1, 0, &name, 0..10)])]);
        let refused = TraceServiceClient::new(channel).export(sent).await.expect_err("too large");

        assert_eq!(refused.code(), Code::OutOfRange);
    });
}
