//! A customer who keeps a record: what was ordered with which key, and what the store answered.

use std::time::Duration;

use shared::wire::{IDEMPOTENCY_KEY, Receipt};

/// A customer who buys over HTTP.
#[derive(Clone)]
pub(crate) struct Customer {
    client: reqwest::Client,
    store: String,
}

/// An order and the key that makes it safe to repeat.
#[derive(Clone, Debug)]
pub(crate) struct Purchase {
    pub(crate) key: String,
    pub(crate) body: String,
}

/// What the store answered to an order.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Answer {
    /// 201 with this receipt.
    Sold(Receipt),
    /// 409: there is too little.
    OutOfStock,
    /// 503 with `Retry-After`.
    Unavailable,
    /// The connection broke before there was an answer.
    Lost,
}

impl Purchase {
    /// So many pieces of each product, under this key.
    pub(crate) fn new(key: String, lines: &[(u32, u32)]) -> Self {
        let item =
            |(id, quantity): &(u32, u32)| format!(r#"{{"id":"{id}","quantity":{quantity}}}"#);
        let items: Vec<_> = lines.iter().map(item).collect();
        Self { key, body: format!(r#"{{"items":[{}]}}"#, items.join(",")) }
    }
}

/// How often a customer who is to be sure of its receipt asks a store that is overloaded.
const MOST_TRIES: u32 = 10;

impl Customer {
    /// A customer of the store at this address.
    pub(crate) fn of(store: &str) -> Self {
        // It fails if an earlier call has installed it.
        rustls::crypto::ring::default_provider().install_default().ok();
        let client = reqwest::Client::builder().timeout(Duration::from_secs(30)).build().unwrap();
        Self { client, store: store.to_owned() }
    }

    /// Buys, and expects one of the answers above.
    pub(crate) async fn buy(&self, purchase: &Purchase) -> Answer {
        let request = self.client.post(format!("{}/checkout", self.store));
        let request = request.header(IDEMPOTENCY_KEY, &purchase.key);
        let request = request.header("content-type", "application/json");
        let Ok(response) = request.body(purchase.body.clone()).send().await else {
            return Answer::Lost;
        };
        let status = response.status().as_u16();
        let retry_after = response.headers().contains_key("retry-after");
        let Ok(body) = response.bytes().await else { return Answer::Lost };
        match status {
            201 => Answer::Sold(serde_json::from_slice(&body).unwrap()),
            409 => Answer::OutOfStock,
            503 if retry_after => Answer::Unavailable,
            _ => panic!("{status}: {}", String::from_utf8_lossy(&body)),
        }
    }

    /// Buys, and expects a receipt. On a busy machine a store may say that it is to be asked again.
    pub(crate) async fn buy_surely(&self, purchase: &Purchase) -> Receipt {
        for _ in 0..MOST_TRIES {
            match self.buy(purchase).await {
                Answer::Sold(receipt) => return receipt,
                Answer::Unavailable => {}
                other => panic!("{purchase:?}: expected a receipt, but got {other:?}"),
            }
        }
        panic!("{purchase:?}: unavailable {MOST_TRIES} times");
    }

    /// Asks for the receipt of an order again.
    pub(crate) async fn receipt(&self, order: &Receipt) -> Receipt {
        let body = self.get(&format!("/orders/{}", order.order_id)).await.1;
        serde_json::from_slice(&body).unwrap()
    }

    /// The status and body of a page.
    pub(crate) async fn get(&self, path: &str) -> (u16, Vec<u8>) {
        let response = self.client.get(format!("{}{path}", self.store)).send().await.unwrap();
        (response.status().as_u16(), response.bytes().await.unwrap().into())
    }
}
