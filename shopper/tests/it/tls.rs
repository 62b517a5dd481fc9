//! A store behind TLS: the shopper checks its certificate, and counts as it does without TLS.

use std::sync::Arc;

use actix_opentelemetry::testing::SpanRecord;
use shopper::{config::Config, result::RunResult};
use testing::tls::{TlsFront, certificate};

use crate::{
    stub::Stub,
    support::{one_trip, run, shopper, spans_of, trace_id, tree_of_only_trip},
};

/// TLS in front of a stub, with this certificate.
fn front(stub: &Stub, name: &str) -> TlsFront {
    TlsFront::start(name, false, stub.url.trim_start_matches("http://").parse().unwrap())
}

/// One trip to a store whose certificate may be signed by the authorities in this file.
fn trusting(store_url: &str, authorities: &str) -> Config {
    let mut config = one_trip(store_url);
    let pem = std::fs::read(certificate(authorities)).unwrap();
    config.http.authorities = Some(Arc::from(pem));
    config
}

async fn spans(result: &RunResult) -> Vec<SpanRecord> {
    spans_of(trace_id(&result.slowest[0])).await
}

#[actix_web::test]
async fn a_trip_over_tls_is_a_trip_like_any_other() {
    let stub = Stub::proper();
    let plain = run(&one_trip(&stub.url)).await;
    for (certificate, authorities) in [("server", "ca.pem"), ("self-signed", "self-signed.pem")] {
        let front = front(&stub, certificate);
        let secure = run(&trusting(&front.url(), authorities)).await;

        assert_eq!(tree_of_only_trip(&secure).await, tree_of_only_trip(&plain).await);
        // The bytes of the handshake are no request.
        assert_eq!(secure.requests, plain.requests);
        let port = front.address.port();
        for span in
            spans(&secure).await.iter().filter(|span| span.name != "going to the grocery store")
        {
            let attribute = |key| span.attribute(key).map(ToString::to_string);
            let path = span.name.split(' ').nth(1).unwrap();
            let full = format!("https://localhost:{port}{path}");
            assert_eq!(attribute("url.full"), Some(full));
            assert_eq!(attribute("server.address").as_deref(), Some("localhost"));
            assert_eq!(attribute("server.port"), Some(port.to_string()));
        }
    }
}

#[actix_web::test]
async fn a_store_that_is_not_trusted_gets_no_request_and_the_reason_is_said() {
    let stub = Stub::proper();
    for (name, authorities, reason) in [
        (
            "server",
            "self-signed.pem",
            "its authority is not one of those trusted; --ca-certificate names its authority",
        ),
        (
            "self-signed",
            "ca.pem",
            "it is its own authority, and not one of those named; --ca-certificate names its \
             authority",
        ),
        ("self-signed-elsewhere", "self-signed-elsewhere.pem", "certificate not valid for name"),
        ("self-signed-expired", "self-signed-expired.pem", "certificate expired"),
    ] {
        let result = run(&trusting(&front(&stub, name).url(), authorities)).await;
        assert_eq!(result.failures["connect"], 1);
        let spans = spans(&result).await;
        let request = spans.iter().find(|span| span.name == "GET /").unwrap();
        let status = format!("{:?}", request.status);
        let expected = format!("the certificate of localhost is not trusted: {reason}");
        assert!(status.contains(&expected), "{name}: {status}");
    }
    assert!(stub.asked().is_empty());
}

#[actix_web::test]
async fn a_store_that_speaks_no_tls_is_said_to_speak_none() {
    let stub = Stub::proper();
    let url = stub.url.replace("http://127.0.0.1", "https://localhost");
    let result = run(&trusting(&url, "ca.pem")).await;
    assert_eq!(result.failures["connect"], 1);
    let spans = spans(&result).await;
    let request = spans.iter().find(|span| span.name == "GET /").unwrap();
    let status = format!("{:?}", request.status);
    assert!(status.contains("no TLS connection with localhost: "), "{status}");
    assert!(status.contains("is it https there, or http?"), "{status}");
}

#[actix_web::test]
async fn the_authority_is_named_by_a_flag_or_a_variable() {
    let stub = Stub::proper();
    let front = front(&stub, "server");
    let (url, ca) = (front.url(), certificate("ca.pem"));
    let trip = ["--trips", "1", "--retries", "0", "--assert", "failures<1"];
    let by_flag = shopper(&url).args(trip).args(["--ca-certificate", &ca]).start();
    assert!(crate::support::end(by_flag).await.status.success());
    let by_variable = shopper(&url).args(trip).envs([("SHOPPER_CA_CERTIFICATE", &ca)]).start();
    assert!(crate::support::end(by_variable).await.status.success());
    for (file, problem) in [
        (certificate("ca.key"), "expected a file with certificates as PEM"),
        ("/nowhere/ca.pem".to_owned(), "it cannot be read: No such file or directory"),
    ] {
        let wrong = shopper(&url).args(["--ca-certificate", &file]).start();
        let ended = crate::support::end(wrong).await;
        assert_eq!(ended.status.code(), Some(2));
        assert!(ended.errors().contains(problem), "{}", ended.errors());
    }
}
