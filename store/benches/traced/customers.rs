//! Customers who buy as fast as they are served.

use std::time::{Duration, Instant};

use actix_web::rt;
use futures_util::future::join_all;

/// Customers at a time.
const CUSTOMERS: usize = 64;

const BASKET: &str =
    r#"{"items":[{"id":"1","quantity":1},{"id":"8","quantity":1},{"id":"20","quantity":1}]}"#;

/// Buys for this time, and returns how many orders were answered 201 in it.
pub(crate) async fn buy_for(url: &str, duration: Duration) -> u64 {
    let until = Instant::now() + duration;
    let customers = (0..CUSTOMERS).map(|_| rt::spawn(buy_until(url.to_owned(), until)));
    join_all(customers).await.into_iter().map(Result::unwrap).sum()
}

#[expect(clippy::disallowed_methods, reason = "the customers are not what is traced here")]
async fn buy_until(url: String, until: Instant) -> u64 {
    let client = awc::Client::new();
    let checkout = format!("{url}/checkout");
    let mut bought = 0;
    while Instant::now() < until {
        let request = client.post(&checkout).content_type("application/json");
        let mut response = request.send_body(BASKET).await.unwrap();
        assert_eq!(response.status(), 201);
        response.body().await.unwrap();
        bought += 1;
    }
    bought
}
