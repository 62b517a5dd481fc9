//! A store of a test's own, on a free port, and a client that reads whole answers.

use std::{num::NonZeroU32, path::Path, time::Duration};

use actix_opentelemetry::testing::{TestTrace, recorder};
use actix_web::{http::Method, http::header::HeaderMap, web::Bytes};
use opentelemetry::trace::TraceContextExt as _;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use shared::{
    fault::{FaultOutcome, OUTCOMES_HEADER},
    wire::{Problem, Product, WhatsInStore},
};
use sqlx::{Connection as _, PgConnection};
use store::{
    ActorConfig, Clock, Config, RestockPolicy, Running,
    domain::KeepOrders,
    storage::{DatabaseUrl, PostgresLimits},
};
pub(crate) use testing::PATIENCE;
use tokio::{io::AsyncWriteExt as _, net::TcpStream, sync::oneshot};

/// A store that runs until the test drops or closes it.
pub(crate) struct TestStore {
    client: StoreClient,
    close: oneshot::Sender<()>,
    running: Running,
}

/// A lock on a store's database: no other connection can write, until this is dropped.
pub(crate) struct LockedDatabase(rusqlite::Connection);

/// Sends requests to a store, in this process or in another.
pub(crate) struct StoreClient {
    base: String,
    client: awc::Client,
}

/// A whole answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// A request that is being put together.
pub(crate) struct Ask {
    client: awc::Client,
    method: Method,
    url: String,
    headers: Vec<(&'static str, String)>,
    body: Bytes,
}

impl TestStore {
    /// A store with a database in memory, full shelves and no deliveries.
    pub(crate) async fn open() -> Self {
        Self::open_with(|_| {}).await
    }

    /// The same store, with a change of its configuration.
    pub(crate) async fn open_with(change: impl FnOnce(&mut Config)) -> Self {
        recorder();
        let mut config = Config {
            listen: "127.0.0.1:0".parse().unwrap(),
            database: "sqlite::memory:".parse().unwrap(),
            postgres: PostgresLimits::default(),
            http_threads: 1,
            actor_threads: 1,
            actors: ActorConfig {
                mailbox: 1024,
                concurrency: 512,
                ledger_queue: 1024,
                restock: RestockPolicy {
                    below: 0,
                    quantity: NonZeroU32::new(50).unwrap(),
                    delay: Duration::from_millis(10),
                },
            },
            keep_orders: KeepOrders::Forever,
            clock: Clock::default(),
            request_timeout: PATIENCE,
            drain: Duration::ZERO,
            allow_faults: false,
            allowed_hosts: Vec::new(),
            is_traced: true,
            meters: None,
            program: None,
        };
        change(&mut config);
        let (close, closed) = oneshot::channel::<()>();
        let running = store::serve(config, async { drop(closed.await) }).await.unwrap();
        let client = StoreClient::of(format!("http://{}", running.addr()));
        Self { client, close, running }
    }

    /// Closes the store and waits until it is closed.
    pub(crate) async fn close(self) {
        self.close.send(()).unwrap();
        tokio::time::timeout(PATIENCE, self.running.stopped()).await.unwrap().unwrap();
    }
}

impl LockedDatabase {
    /// Locks the SQLite database in this file, which a store has opened.
    pub(crate) fn lock(file: &Path) -> Self {
        let connection = rusqlite::Connection::open(file).unwrap();
        connection.execute_batch("BEGIN IMMEDIATE").unwrap();
        Self(connection)
    }

    /// Lets others write again.
    pub(crate) fn unlock(self) {
        self.0.close().unwrap();
    }
}

/// Changes a database without the storage. Its address has no password that this would leave out.
pub(crate) async fn change(url: &DatabaseUrl, statements: &[&str]) {
    let url = url.to_string();
    if let Some(file) = url.strip_prefix("sqlite:") {
        let connection = rusqlite::Connection::open(file).unwrap();
        for statement in statements {
            connection.execute_batch(statement).unwrap();
        }
        return;
    }
    let mut connection = PgConnection::connect(&url).await.unwrap();
    for statement in statements {
        let statement = sqlx::AssertSqlSafe(statement.to_string());
        sqlx::query(statement).execute(&mut connection).await.unwrap();
    }
    connection.close().await.unwrap();
}

impl std::ops::Deref for TestStore {
    type Target = StoreClient;

    fn deref(&self) -> &StoreClient {
        &self.client
    }
}

impl StoreClient {
    /// A client of the store at this address, such as `http://127.0.0.1:41234`.
    pub(crate) fn of(base: String) -> Self {
        let client = awc::Client::builder().timeout(PATIENCE).finish();
        Self { base, client }
    }

    /// A `GET` of this path.
    pub(crate) fn get(&self, path: &str) -> Ask {
        self.request(Method::GET, path)
    }

    /// Any request.
    pub(crate) fn request(&self, method: Method, path: &str) -> Ask {
        let (client, url) = (self.client.clone(), format!("{}{path}", self.base));
        Ask { client, method, url, headers: Vec::new(), body: Bytes::new() }
    }

    /// A checkout of these products and quantities.
    pub(crate) fn checkout(&self, items: &[(u32, u32)]) -> Ask {
        let item =
            |(id, quantity): &(u32, u32)| json!({ "id": id.to_string(), "quantity": quantity });
        self.checkout_json(&json!({ "items": items.iter().map(item).collect::<Vec<_>>() }))
    }

    /// A checkout with this body.
    pub(crate) fn checkout_json(&self, body: &Value) -> Ask {
        self.request(Method::POST, "/checkout")
            .header("content-type", "application/json")
            .body(body.to_string())
    }

    /// What is in store. With `with_faults`, it is asked of the actors for requests with faults.
    pub(crate) async fn products(&self, fault: Option<&str>) -> Vec<Product> {
        self.whats_in_store(fault).send().await.json::<WhatsInStore>().inventory.products
    }

    fn whats_in_store(&self, fault: Option<&str>) -> Ask {
        let ask = self.get("/whats-in-store");
        match fault {
            Some(fault) => ask.fault(fault),
            None => ask,
        }
    }

    /// Repeats the request for as long as the store answers 503.
    pub(crate) async fn retried(&self, ask: impl Fn() -> Ask) -> Answer {
        let done = async {
            loop {
                let answer = ask().send().await;
                if answer.status != 503 {
                    return answer;
                }
            }
        };
        tokio::time::timeout(PATIENCE, done).await.unwrap()
    }

    /// How many pieces of a product can be bought.
    pub(crate) async fn in_stock(&self, product: u32) -> u64 {
        self.get(&format!("/products/{product}")).send().await.json::<Product>().in_stock
    }

    /// Waits until so many pieces of a product can be bought, as the actors for requests with
    /// `fault` see it.
    pub(crate) async fn await_stock(&self, fault: Option<&str>, product: u32, pieces: u64) {
        let id = product.to_string();
        let seen = async {
            loop {
                let products = self.retried(|| self.whats_in_store(fault)).await;
                let products = products.json::<WhatsInStore>().inventory.products;
                if products.iter().any(|p| p.id == id && p.in_stock == pieces) {
                    return;
                }
                tokio::task::yield_now().await;
            }
        };
        let in_time = tokio::time::timeout(PATIENCE, seen).await;
        assert!(in_time.is_ok(), "there were never {pieces} pieces of product {product} in stock");
    }

    /// Where it listens.
    pub(crate) fn base(&self) -> &str {
        &self.base
    }
}

impl Ask {
    /// Adds a header, even if there is one of this name already.
    pub(crate) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// Sends this body.
    pub(crate) fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    /// Makes the request a child of a test's root span.
    pub(crate) fn in_trace(self, trace: &TestTrace) -> Self {
        let span = trace.cx().span().span_context().clone();
        self.header("traceparent", format!("00-{}-{}-01", span.trace_id(), span.span_id()))
    }

    /// Asks for faults.
    pub(crate) fn fault(self, fault: &str) -> Self {
        self.header("baggage", format!("grocery.fault={}", fault.replace(';', "%3B")))
    }

    /// Adds this idempotency key.
    pub(crate) fn key(self, key: &str) -> Self {
        self.header("idempotency-key", key)
    }

    /// Sends it over a connection of its own, and leaves the answer to the caller.
    pub(crate) async fn send_only(self) -> TcpStream {
        let url = url::Url::parse(&self.url).unwrap();
        let host = format!("{}:{}", url.host_str().unwrap(), url.port().unwrap());
        let length = ("content-length", self.body.len().to_string());
        let headers = [("host", host.clone()), length].into_iter().chain(self.headers);
        let headers: String = headers.map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let head = format!("{} {} HTTP/1.1\r\n{headers}\r\n", self.method, url.path());
        let mut connection = TcpStream::connect(host).await.unwrap();
        connection.write_all(&[head.as_bytes(), &self.body].concat()).await.unwrap();
        connection
    }

    /// Sends it and reads the whole answer.
    #[expect(clippy::disallowed_methods, reason = "tests make the trace headers themselves")]
    pub(crate) async fn send(self) -> Answer {
        let mut request = self.client.request(self.method, self.url);
        for (name, value) in self.headers {
            request = request.append_header((name, value));
        }
        let mut response = request.send_body(self.body).await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Answer { status, headers, body: response.body().await.unwrap() }
    }
}

impl Answer {
    /// The value of a header, or an empty text.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
    }

    /// What became of the faults that the request asked for.
    #[track_caller]
    pub(crate) fn fault_outcomes(&self) -> Vec<FaultOutcome> {
        FaultOutcome::read_all(self.header(OUTCOMES_HEADER)).unwrap()
    }

    /// The body as JSON, of a success.
    #[track_caller]
    pub(crate) fn json<T: DeserializeOwned>(&self) -> T {
        assert!(matches!(self.status, 200 | 201), "{self:?}");
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The body as a problem document of this status, which must be about this very request.
    #[track_caller]
    pub(crate) fn problem(&self, status: u16) -> Problem {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(self.header("content-type"), "application/problem+json");
        let problem: Problem = serde_json::from_slice(&self.body).unwrap();
        assert_eq!(problem.status, status);
        assert_eq!(problem.trace_id.as_deref(), self.header("traceresponse").get(3..35));
        problem
    }
}
