//! Answers that are cut off, compressed, or not as the contract says.

use std::collections::BTreeMap;

use proptest::{
    prelude::*,
    test_runner::{Config as Cases, RngSeed, TestRunner},
};
use shopper::{config::Config, result::RunResult};

use crate::{
    stub::{Blunt, Reply, Stub, nobody, proper_body},
    support::{DEADLINE, one_trip, run, trips},
};

const STEPS: [&str; 4] = ["GET /", "GET /whats-in-store", "GET /products/{id}", "POST /checkout"];

/// How an answer says where its body ends.
#[derive(Clone, Copy, Debug)]
enum Framing {
    Length,
    Chunked,
    Close,
}

/// An answer of `body` in chunks of `chunk` bytes, where the framing has any.
fn answer(framing: Framing, body: &str, chunk: usize) -> Vec<u8> {
    // The stub says that it closes the connection, so that no further request is sent on it.
    let head = "HTTP/1.1 200 OK\r\nconnection: close\r\n";
    match framing {
        Framing::Length => format!("{head}content-length: {}\r\n\r\n{body}", body.len()).into(),
        // HTTP/1.0, which the development servers of many frameworks speak.
        Framing::Close => format!("HTTP/1.0 200 OK\r\n\r\n{body}").into(),
        Framing::Chunked => {
            let mut bytes = format!("{head}transfer-encoding: chunked\r\n\r\n").into_bytes();
            for part in body.as_bytes().chunks(chunk) {
                bytes.extend(format!("{:x}\r\n", part.len()).bytes());
                bytes.extend(part);
                bytes.extend(b"\r\n");
            }
            bytes.extend(b"0\r\n\r\n");
            bytes
        }
    }
}

fn retried(retries: u32, mut config: Config) -> Config {
    config.http.retries = retries;
    config
}

fn total<T: std::iter::Sum>(result: &RunResult, of: impl Fn(usize) -> T) -> T {
    (0..result.steps.len()).map(of).sum()
}

/// Waits until the stub has had exactly so many requests.
async fn until_asked(stub: &Stub, times: usize) {
    let asked = async {
        while stub.asked().len() != times {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    };
    let asked = tokio::time::timeout(DEADLINE, asked).await;
    asked.unwrap_or_else(|_| panic!("{times} requests counted, {} came", stub.asked().len()));
}

/// With every framing, an answer that is cut off anywhere counts as none, and the request is
/// repeated.
#[test]
fn an_answer_that_is_cut_is_a_broken_connection_and_asked_for_again() {
    let cases = Cases {
        cases: 48,
        rng_seed: RngSeed::Fixed(12),
        failure_persistence: None,
        ..Cases::default()
    };
    let framing = prop::sample::select(vec![Framing::Length, Framing::Chunked, Framing::Close]);
    let cut =
        (framing, prop::sample::select(vec![1, 2, 3]), 1_usize..4000, any::<prop::sample::Index>());
    TestRunner::new(cases)
        .run(&cut, |(framing, step, chunk, cut)| {
            actix_web::rt::System::new().block_on(cut_once(framing, step - 1, chunk, cut));
            Ok(())
        })
        .unwrap();
}

/// The first answer to request number `step` of a trip is cut off.
async fn cut_once(framing: Framing, step: usize, chunk: usize, cut: prop::sample::Index) {
    let whole = move |line: &str| answer(framing, &proper_body(line), chunk);
    let blunt = Blunt::start(move |line, before| {
        let mut bytes = whole(line);
        if before == step {
            // The welcome is plain text, so without a length half of it looks like all of it.
            let least =
                if line == "GET /" && matches!(framing, Framing::Close) { 0 } else { bytes.len() };
            let end = match (least, framing) {
                (0, _) => bytes.windows(4).position(|end| end == b"\r\n\r\n").unwrap(),
                // A chunked body is complete with the line after its last chunk.
                (length, Framing::Chunked) => length - 2,
                (length, _) => length,
            };
            bytes.truncate(cut.index(end));
        }
        bytes
    })
    .await;
    let result = run(&retried(1, one_trip(&blunt.url))).await;
    let told = format!("{framing:?} step {step} chunk {chunk}: {:?}", blunt.asked());
    assert_eq!((result.trips.completed, result.requests.retries), (1, 1), "{told}");
    assert_eq!(result.requests.requests, blunt.asked().len() as u64, "{told}");
    // Without a retry the trip fails, in this step and for this reason.
    let blunt = Blunt::start(move |line, before| {
        let mut bytes = answer(framing, &proper_body(line), chunk);
        bytes.truncate(if before == step && line != "GET /" {
            bytes.len() - 6
        } else {
            usize::MAX
        });
        bytes
    })
    .await;
    let result = run(&one_trip(&blunt.url)).await;
    let expected =
        if step == 0 { BTreeMap::new() } else { BTreeMap::from([("disconnect".to_owned(), 1)]) };
    assert_eq!(result.failures, expected, "{told}");
    assert_eq!(total(&result, |step| result.steps[step].failures), result.trips.failed);
}

#[actix_web::test]
async fn a_whole_answer_may_be_delimited_in_any_way() {
    for framing in [Framing::Length, Framing::Chunked, Framing::Close] {
        let blunt = Blunt::start(move |line, _| answer(framing, &proper_body(line), 100)).await;
        let result = run(&trips(3, &blunt.url)).await;
        assert_eq!((result.trips.completed, result.requests.requests), (3, 9), "{framing:?}");
        let bodies: u64 = blunt.asked().iter().map(|line| proper_body(line).len() as u64).sum();
        assert_eq!(result.requests.received_bytes, bodies, "{framing:?}");
    }
}

#[actix_web::test]
async fn a_request_that_found_no_connection_was_not_sent() {
    let result = run(&retried(2, trips(5, &nobody()))).await;
    assert_eq!((result.trips.failed, result.requests.requests, result.requests.retries), (5, 0, 0));
    assert_eq!(result.requests.sent_bytes, 0);
    assert_eq!(result.steps[0].failures, 5);
}

#[actix_web::test]
async fn what_is_packed_without_being_asked_for_is_not_unpacked() {
    // 9 bytes of gzip. The shopper must not unpack them: a megabyte of gzip may be a gigabyte.
    let stub = Stub::start(|_| Reply::Packed("gzip", b"\x1f\x8b\x08\0\0\0\0\0\0\xff"));
    let result = run(&one_trip(&stub.url)).await;
    assert_eq!(result.failures, BTreeMap::from([("body".to_owned(), 1)]));
    assert_eq!(result.requests.received_bytes, 10, "what came, as it came");
    assert_eq!(stub.asked()[0].header("accept-encoding"), "identity");
}

#[actix_web::test]
async fn an_answer_without_end_is_not_kept_without_end() {
    let mut endless = b"HTTP/1.1 200 OK\r\ncontent-length: 99999999\r\n\r\n".to_vec();
    endless.resize(6 << 20, b'x');
    let blunt = Blunt::start(move |_, _| endless.clone()).await;
    let result = run(&one_trip(&blunt.url)).await;
    assert_eq!(result.failures, BTreeMap::from([("body".to_owned(), 1)]));
    assert!(result.requests.received_bytes < 5 << 20, "{} bytes", result.requests.received_bytes);
}

#[actix_web::test]
async fn a_store_that_says_neither_aisle_nor_stock_can_be_shopped_in() {
    let stub = Stub::start(|asked| match asked.line.as_str() {
        "GET /whats-in-store" => Reply::Body(
            r#"{"inventory": {"products": [{"id": "1", "name": "potato", "price": 0.99}]}}"#,
        ),
        _ => Reply::Proper,
    });
    let mix = "quick-buy=1".parse().unwrap();
    let result = run(&Config { mix, ..trips(3, &stub.url) }).await;
    assert_eq!(result.outcomes, BTreeMap::from([("bought".to_owned(), 3)]));
    assert!(stub.asked()[2].body.contains(r#""id":"1""#), "{:?}", stub.asked()[2]);
}

#[actix_web::test]
async fn patience_that_ends_is_no_failure_of_a_step() {
    for given_up in 0..3 {
        let stub = Stub::start(move |asked| match asked.line.as_str() {
            line if line == STEPS[[0, 1, 3][given_up]] => Reply::Never,
            _ => Reply::Proper,
        });
        let mix = "impatient=1".parse().unwrap();
        let patience = std::time::Duration::from_millis(150);
        let result = run(&Config { mix, patience, ..trips(2, &stub.url) }).await;
        assert_eq!((result.trips.gave_up, result.trips.failed), (2, 0));
        assert_eq!(total(&result, |step| result.steps[step].failures), 0);
        // The stub may see the last request only after the shopper has given up on it.
        until_asked(&stub, result.requests.requests as usize).await;
    }
}
