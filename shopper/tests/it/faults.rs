//! Faults that trips ask for: the report counts what the store says about them, and a warning
//! before the run names those that will do nothing.

use serde_json::Value;
use testing::process::Ended;

use crate::{
    stub::{Reply, Stub},
    support::{end, shopper},
};

/// Runs a shopper for four trips that ask for two faults.
async fn shop(store_url: &str, propagators: &str, assertion: &str) -> (Ended, Value) {
    let shopper = shopper(store_url)
        .args(["--trips", "4", "--every", "1ms", "--mix", "quick-buy=1"])
        .args(["--fault", "slow-aisle=moon:1ms", "--fault", "panic=Checkout"])
        .args(["--output", "json", "--assert", assertion])
        .envs([("OTEL_PROPAGATORS", propagators)]);
    let ended = end(shopper.start()).await;
    let report = serde_json::from_str(&ended.stdout).unwrap();
    (ended, report)
}

#[actix_web::test]
async fn what_the_store_says_of_each_fault_is_counted_and_can_be_asserted() {
    let stub = Stub::start(|asked| match asked.line.as_str() {
        "GET /faults" => {
            Reply::Body(r#"{"honoured": true, "actors": ["Checkout"], "aisles": ["produce"]}"#)
        }
        "POST /checkout" => Reply::Faults("ignored;reason=no-such-aisle, honoured;struck=1"),
        _ => Reply::Faults("ignored;reason=no-such-aisle, honoured;struck=0"),
    });
    let (output, report) = shop(&stub.url, "tracecontext,baggage", "faults_honoured>=50%").await;
    let stderr = output.errors();
    assert_eq!(output.status.code(), Some(0), "{stderr}");
    assert!(
        stderr.contains("--fault slow-aisle=moon:1ms@100% will do nothing: there is no such aisle"),
        "{stderr}"
    );
    assert!(!stderr.contains("panic=Checkout"), "that one is honoured: {stderr}");
    let counts = |fault: &str| {
        let counts = &report["faults"][fault];
        ["asked", "honoured", "struck", "ignored"].map(|name| counts[name].as_u64().unwrap())
    };
    assert_eq!(counts("slow-aisle=moon:1ms"), [12, 0, 0, 12]);
    assert_eq!(counts("panic=Checkout"), [12, 12, 4, 0]);
    assert_eq!(report["faults"]["slow-aisle=moon:1ms"]["reasons"]["no-such-aisle"], 12);

    let (output, _) = shop(&stub.url, "tracecontext,baggage", "faults_ignored<1").await;
    assert_eq!(output.status.code(), Some(1));
}

#[actix_web::test]
async fn a_store_that_does_not_speak_of_faults_is_said_to_ignore_them() {
    let stub = Stub::proper();
    let (output, report) = shop(&stub.url, "tracecontext,baggage", "faults_ignored<1").await;
    let stderr = output.errors();
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("faults may do nothing: GET "), "{stderr}");
    assert!(stderr.contains("faults_ignored<1: measured 100% (24)"), "{stderr}");
    assert_eq!(report["faults"]["panic=Checkout"]["reasons"]["not-answered-for"], 12);
}

#[actix_web::test]
async fn a_store_that_honours_no_faults_is_said_so_before_the_first_trip() {
    let stub = Stub::start(|asked| match asked.line.as_str() {
        "GET /faults" => Reply::Body(r#"{"honoured": false, "actors": [], "aisles": []}"#),
        _ => Reply::Faults("ignored;reason=not-allowed, ignored;reason=not-allowed"),
    });
    let (output, _) = shop(&stub.url, "tracecontext,baggage", "failures<1%").await;
    let stderr = output.errors();
    assert_eq!(output.status.code(), Some(0), "{stderr}");
    let said = "will do nothing: this store does not honour faults: start it with --allow-faults";
    assert_eq!(stderr.matches(said).count(), 2, "{stderr}");
    assert_eq!(stub.asked()[0].line, "GET /faults");
    assert_eq!(stub.asked()[0].header("traceparent"), "", "it is no trip");
}

#[actix_web::test]
async fn faults_that_cannot_travel_are_said_so() {
    let stub = Stub::proper();
    let (output, report) = shop(&stub.url, "tracecontext", "faults_honoured>0%").await;
    let stderr = output.errors();
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("OTEL_PROPAGATORS has none"), "{stderr}");
    assert_eq!(report["faults"]["panic=Checkout"]["ignored"], 12);
    assert!(stub.asked().iter().all(|asked| asked.baggage("grocery.fault").is_none()));
}
