//! Requests are repeated where that may help, and never so often that it adds much load.

use shopper::config::Config;

use crate::{
    stub::{Reply, Stub},
    support::{one_trip, run, tree_of_only_trip, trips},
};

fn with_retries(retries: u32, budget: &str, mut config: Config) -> Config {
    config.http.retries = retries;
    config.http.retry_budget = budget.parse().unwrap();
    config
}

#[actix_web::test]
async fn a_request_that_finds_the_store_overloaded_is_repeated() {
    let stub = Stub::start(|asked| match asked.before {
        0 => Reply::Status(503),
        _ => Reply::Proper,
    });
    let result = run(&with_retries(1, "100%", one_trip(&stub.url))).await;
    assert_eq!(
        (result.trips.completed, result.requests.requests, result.requests.retries),
        (1, 6, 3)
    );
    assert_eq!(
        tree_of_only_trip(&result).await,
        "\
going to the grocery store INTERNAL {shopper.kind=quick-buy shopper.outcome=bought}
  GET / CLIENT ERROR 503
  GET / CLIENT {http.request.resend_count=1}
  GET /whats-in-store CLIENT ERROR 503
  GET /whats-in-store CLIENT {http.request.resend_count=1}
  POST /checkout CLIENT ERROR 503
  POST /checkout CLIENT {http.request.resend_count=1}
"
    );
}

#[actix_web::test]
async fn a_checkout_keeps_its_key_and_its_basket_when_it_is_repeated() {
    let stub = Stub::start(|asked| match (asked.line.as_str(), asked.before % 2) {
        ("POST /checkout", 0) => Reply::Status(503),
        _ => Reply::Proper,
    });
    run(&with_retries(1, "100%", trips(2, &stub.url))).await;
    let checkouts: Vec<_> =
        stub.asked().into_iter().filter(|asked| asked.line == "POST /checkout").collect();
    let key = |index: usize| checkouts[index].header("idempotency-key");
    assert_eq!(checkouts.len(), 4);
    assert_eq!((key(0), key(2)), (key(1), key(3)));
    assert_eq!(checkouts[0].body, checkouts[1].body);
    assert_ne!(key(0), key(2), "another trip is another purchase");
}

#[actix_web::test]
async fn what_repeating_cannot_mend_is_not_repeated() {
    for code in [400, 404, 500] {
        let stub = Stub::start(move |_| Reply::Status(code));
        let result = run(&with_retries(5, "100%", one_trip(&stub.url))).await;
        assert_eq!((result.requests.requests, result.requests.retries), (1, 0), "{code}");
    }
}

#[actix_web::test]
async fn a_store_in_trouble_sees_no_more_load_than_the_budget_allows() {
    let stub = Stub::start(|_| Reply::Status(503));
    let result = run(&with_retries(5, "20%", trips(50, &stub.url))).await;
    assert_eq!(result.trips.failed, 50);
    assert_eq!((result.requests.requests, result.requests.retries), (60, 10), "20% of 50");
    assert_eq!(stub.asked().len(), 60);
}
