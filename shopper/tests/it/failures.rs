//! Every failure ends one trip only, is counted by its kind, and is recorded on the trip's span.

use std::{collections::BTreeMap, time::Duration};

use actix_opentelemetry::testing::SpanTree;
use opentelemetry::trace::TraceId;
use shopper::{config::Config, result::RunResult};

use crate::{
    stub::{Reply, Stub, blunt, nobody},
    support::{one_trip, run, run_until, spans_of, tree_of_only_trip, trips},
};

/// The patience of impatient shoppers here. The store in their tests never answers.
const SOON: Duration = Duration::from_secs(1);

const TOO_LATE: &str = "the store did not answer in time";
const BROKEN: &str = "the connection broke before the answer was complete";

fn only(kind: &str) -> BTreeMap<String, u64> {
    BTreeMap::from([(kind.to_owned(), 1)])
}

fn hurried(store_url: &str) -> Config {
    let mut config = one_trip(store_url);
    config.http.request_timeout = SOON;
    config
}

/// The only trip failed in this way, with this message on its span, and so did its only request.
async fn assert_fails(result: &RunResult, kind: &str, message: &str, request: &str) {
    assert_eq!(result.failures, only(kind));
    assert_eq!(result.slowest[0].failure.as_deref(), Some(kind));
    assert_eq!(
        tree_of_only_trip(result).await,
        format!(
            "going to the grocery store INTERNAL ERROR {kind} \"{message}\" \
             {{shopper.kind=quick-buy shopper.outcome={kind}}}\n  GET / CLIENT{request}\n"
        )
    );
}

#[actix_web::test]
async fn nobody_listens() {
    let result = run(&one_trip(&nobody())).await;
    let refused = std::io::Error::from_raw_os_error(nix::libc::ECONNREFUSED);
    let error = format!("Failed to connect to host: {refused}");
    let request = format!(" ERROR connection_refused \"{error}\"");
    assert_fails(&result, "connect", "no connection to the store", &request).await;
}

#[actix_web::test]
async fn the_store_never_answers() {
    let stub = Stub::start(|_| Reply::Never);
    let result = run(&hurried(&stub.url)).await;
    let request = " ERROR timeout \"Timeout while waiting for response\"";
    assert_fails(&result, "timeout", TOO_LATE, request).await;
}

#[actix_web::test]
async fn the_answer_never_ends() {
    let stub = Stub::start(|_| Reply::NeverEnding);
    let result = run(&hurried(&stub.url)).await;
    assert_fails(&result, "timeout", TOO_LATE, "").await;
}

#[actix_web::test]
async fn the_store_hangs_up() {
    let result = run(&one_trip(&blunt(b"").await)).await;
    let request = " ERROR disconnected \"Failed to connect to host: Internal error: connector has been \
                   disconnected\"";
    assert_fails(&result, "disconnect", BROKEN, request).await;
    let broken = b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nWelc";
    let result = run(&one_trip(&blunt(broken).await)).await;
    assert_fails(&result, "disconnect", BROKEN, "").await;
}

#[actix_web::test]
async fn the_answer_is_not_http() {
    let result = run(&one_trip(&blunt(b"welcome!\r\n\r\n").await)).await;
    let request = " ERROR malformed_response \"invalid HTTP version specified\"";
    let message =
        "the answer cannot be understood: GET /: it is not HTTP: invalid HTTP version specified";
    assert_fails(&result, "body", message, request).await;
}

#[actix_web::test]
async fn each_error_status_is_a_kind_of_its_own() {
    for code in [400, 404, 409, 500, 503] {
        let stub = Stub::start(move |_| Reply::Status(code));
        let result = run(&one_trip(&stub.url)).await;
        let message = format!("the store answered with status {code}");
        let request = format!(" ERROR {code}");
        assert_fails(&result, &code.to_string(), &message, &request).await;
    }
}

#[actix_web::test]
async fn the_answer_is_not_what_the_contract_says() {
    for body in ["", "[]", "{\"inventory\":{\"products\":[{\"id\":1}]}}"] {
        let stub = Stub::start(move |asked| match asked.line.as_str() {
            "GET /whats-in-store" => Reply::Body(body),
            _ => Reply::Proper,
        });
        let result = run(&one_trip(&stub.url)).await;
        assert_eq!(result.failures, only("body"), "{body:?}");
        let failed: Vec<_> = result.steps.iter().map(|step| step.failures).collect();
        assert_eq!(failed, [0, 1, 0, 0], "it is the second step that failed");
    }
}

#[actix_web::test]
async fn out_of_stock_is_an_answer_and_no_failure() {
    let stub = Stub::start(|asked| match asked.line.as_str() {
        "POST /checkout" => Reply::Status(409),
        _ => Reply::Proper,
    });
    let result = run(&one_trip(&stub.url)).await;
    assert_eq!(result.outcomes, only("out-of-stock"));
    assert_eq!(
        tree_of_only_trip(&result).await,
        "\
going to the grocery store INTERNAL {shopper.kind=quick-buy shopper.outcome=out-of-stock}
  GET / CLIENT
  GET /whats-in-store CLIENT
  POST /checkout CLIENT ERROR 409
"
    );
}

#[actix_web::test]
async fn the_impatient_give_up_and_that_is_no_failure() {
    let stub = Stub::start(|asked| match asked.line.as_str() {
        "GET /" => Reply::Proper,
        _ => Reply::Never,
    });
    let mix = "impatient=1".parse().unwrap();
    let result = run(&Config { mix, patience: 2 * SOON, ..one_trip(&stub.url) }).await;
    assert_eq!((result.trips.gave_up, result.trips.failed), (1, 0));
    assert_eq!(
        tree_of_only_trip(&result).await,
        "\
going to the grocery store INTERNAL {shopper.kind=impatient shopper.outcome=gave-up}
  GET / CLIENT
  GET /whats-in-store CLIENT
"
    );
}

#[actix_web::test]
async fn a_failure_does_not_stop_the_shopper() {
    let stub = Stub::start(|asked| match (asked.line.as_str(), asked.before) {
        ("GET /", 1) => Reply::Status(500),
        ("POST /checkout", 1) => Reply::Body("thanks"),
        _ => Reply::Proper,
    });
    let result = run(&trips(5, &stub.url)).await;
    assert_eq!((result.trips.completed, result.trips.failed), (3, 2));
    assert_eq!(result.failures, BTreeMap::from([("500".into(), 1), ("body".into(), 1)]));
}

#[actix_web::test]
async fn trips_that_are_cut_off_at_the_end_are_counted_and_their_spans_end() {
    let (seen_tx, seen) = tokio::sync::oneshot::channel();
    let seen_tx = std::sync::Mutex::new(Some(seen_tx));
    let stub = Stub::start(move |_| {
        seen_tx.lock().unwrap().take().map(|seen| seen.send(()));
        Reply::Never
    });
    let result = run_until(&one_trip(&stub.url), async { seen.await.unwrap() }).await;
    assert_eq!(result.failures, only("abandoned"));
    assert_eq!(result.requests.requests, stub.asked().len() as u64, "it was sent all the same");
    assert_eq!(result.steps[0].failures, 1, "the step in which it was cut off");
    let traceparent = stub.asked()[0].header("traceparent").to_owned();
    let trace_id = traceparent.split('-').nth(1).unwrap();
    let spans = spans_of(TraceId::from_hex(trace_id).unwrap()).await;
    let tree = SpanTree::new(&spans).render();
    let root = "going to the grocery store INTERNAL ERROR abandoned \"the trip was cut off\"";
    assert_eq!(tree, format!("{root}\n  GET / CLIENT\n"));
}
