//! What a store measures: exact values, and no time series that a client can make up.

use std::{
    collections::BTreeSet,
    io::{Read as _, Write as _},
    net::TcpStream,
};

use actix_web::http::Method;
use futures_util::future::join_all;
use proptest::{prelude::*, test_runner::TestRunner};
use shared::wire::Receipt;
use store::{Config, domain::CATALOGUE};
use telemetry::ServiceMeters;
use testing::metric::{Metric, MetricRecorder};

use crate::support::{PATIENCE, TestStore};

/// A store that is measured, and what it has measured.
async fn open(change: impl FnOnce(&mut Config)) -> (TestStore, MetricRecorder) {
    let recorder = MetricRecorder::start();
    let meters = Some(ServiceMeters::new(recorder.provider()));
    let store = TestStore::open_with(|config| {
        config.meters = meters;
        change(config);
    });
    (store.await, recorder)
}

/// The metrics under this prefix, a series a line.
fn lines(recorder: &MetricRecorder, prefix: &str) -> String {
    let metrics = recorder.metrics().into_iter().filter(|metric| metric.name.starts_with(prefix));
    let lines = |metric: Metric| {
        let Metric { name, unit, .. } = &metric;
        let head = format!("{name} [{unit}]");
        metric.lines().into_iter().map(move |line| format!("{head} {line}\n")).collect::<String>()
    };
    metrics.map(lines).collect()
}

/// Waits until a series is there with this value.
async fn await_line(recorder: &MetricRecorder, line: &str) {
    let seen = async {
        while !lines(recorder, "").lines().any(|seen| seen == line) {
            actix_rt::task::yield_now().await;
        }
    };
    let in_time = tokio::time::timeout(PATIENCE, seen).await;
    assert!(in_time.is_ok(), "there was never {line}:\n{}", lines(recorder, ""));
}

#[actix_web::test]
async fn five_orders_are_five_with_the_revenue_of_their_receipts() {
    let (store, recorder) = open(|_| {}).await;
    let orders = join_all((1..=5).map(|pieces| store.checkout(&[(1, pieces), (7, 2)]).send()));
    let receipts: Vec<Receipt> = orders.await.iter().map(|answer| answer.json()).collect();
    let revenue: u64 = receipts.iter().map(|receipt| receipt.total.cents()).sum();
    assert_eq!(revenue, 15 * 99 + 10 * 420);
    store.await_stock(None, 1, 485).await;
    store.await_stock(None, 7, 190).await;

    let mut expected = String::new();
    for (name, value) in [
        ("delivery.pieces [{piece}]", 0),
        ("delivery.received [{delivery}]", 0),
        ("order.pieces [{piece}]", 25),
        ("order.placed [{order}]", 5),
        ("order.revenue [{cent}]", revenue),
    ] {
        expected += &format!("grocery.{name} = {value}\n");
    }
    let aisles: BTreeSet<_> = CATALOGUE.iter().map(|entry| entry.aisle).collect();
    for aisle in aisles {
        let products = CATALOGUE.iter().filter(|entry| entry.aisle == aisle);
        let sold = match aisle {
            "produce" => 15,
            "bakery" => 10,
            _ => 0,
        };
        let left = products.map(|entry| entry.initial_stock).sum::<u32>() - sold;
        expected += &format!("grocery.stock.on_hand [{{piece}}] grocery.aisle={aisle} = {left}\n");
    }
    let business = ["grocery.delivery", "grocery.order", "grocery.stock"];
    assert_eq!(business.map(|prefix| lines(&recorder, prefix)).concat(), expected);
    // However many batches there were, each order was in one, and has waited for it.
    assert_eq!(recorder.metric("grocery.ledger.batch.size").sum(), 5.0);
    assert_eq!(recorder.metric("grocery.ledger.wait.duration").lines(), ["= 5"]);
}

#[actix_web::test]
async fn a_refused_order_counts_by_its_reason_and_a_repeated_one_not_at_all() {
    let (store, recorder) = open(|config| config.allow_faults = true).await;
    store.checkout(&[(1, 1)]).key("a").send().await.json::<Receipt>();
    store.checkout(&[(1, 1)]).key("a").send().await.json::<Receipt>();
    store.checkout(&[(1, 2)]).key("a").send().await.problem(422);
    store.checkout(&[(1, 501)]).send().await.problem(409);
    store.checkout(&[(1, 501)]).send().await.problem(409);
    store.checkout(&[(4711, 1)]).send().await.problem(422);
    store.checkout(&[(1, 1)]).fault("error=Checkout:100%").send().await.problem(500);
    // It never becomes an order.
    store.checkout(&[]).send().await.problem(422);

    let expected = "\
grocery.order.pieces [{piece}] = 1
grocery.order.placed [{order}] = 1
grocery.order.refused [{order}] error.type=injected_fault = 1
grocery.order.refused [{order}] error.type=key_reused = 1
grocery.order.refused [{order}] error.type=no_such_product = 1
grocery.order.refused [{order}] error.type=out_of_stock = 2
grocery.order.revenue [{cent}] = 99
";
    assert_eq!(lines(&recorder, "grocery.order"), expected);
}

#[actix_web::test]
async fn a_delivery_counts_with_its_pieces_and_is_on_hand() {
    const PRODUCT: u32 = 19;
    let (store, recorder) = open(|config| config.actors.restock.below = 140).await;
    store.checkout(&[(PRODUCT, 20)]).send().await.json::<Receipt>();
    store.await_stock(None, PRODUCT, 180).await;

    let expected = "\
grocery.delivery.pieces [{piece}] = 50
grocery.delivery.received [{delivery}] = 1
";
    assert_eq!(lines(&recorder, "grocery.delivery"), expected);
    let pantry = CATALOGUE.iter().filter(|entry| entry.aisle == "pantry");
    let pantry = pantry.map(|entry| entry.initial_stock).sum::<u32>() + 30;
    let line = format!("grocery.aisle=pantry = {pantry}");
    let stock = recorder.metric("grocery.stock.on_hand").lines();
    assert!(stock.contains(&line), "{line}: {stock:?}");
}

#[actix_web::test]
async fn requests_are_measured_by_route_method_and_status() {
    let (store, recorder) = open(|_| {}).await;
    let basket = r#"{"items":[{"id":"1","quantity":1}]}"#;
    let answers = [
        store.get("/"),
        store.get("/products/1"),
        store.get("/products/2"),
        store.get("/products/4711"),
        store.get("/healthz"),
        store.get("/nowhere"),
        store.request(Method::DELETE, "/checkout"),
        store
            .request(Method::POST, "/checkout")
            .header("content-type", "application/json")
            .body(basket),
    ];
    let mut sent = 0;
    for request in answers {
        sent += request.send().await.body.len();
    }
    // The length of an answer to HEAD is announced and not sent.
    store.request(Method::HEAD, "/").send().await;

    let expected = "\
http.server.request.duration [s] http.request.method=DELETE http.response.status_code=405 http.route=/checkout network.protocol.version=1.1 url.scheme=http = 1
http.server.request.duration [s] http.request.method=GET http.response.status_code=200 http.route=/ network.protocol.version=1.1 url.scheme=http = 1
http.server.request.duration [s] http.request.method=GET http.response.status_code=200 http.route=/healthz network.protocol.version=1.1 url.scheme=http = 1
http.server.request.duration [s] http.request.method=GET http.response.status_code=200 http.route=/products/{id} network.protocol.version=1.1 url.scheme=http = 2
http.server.request.duration [s] http.request.method=GET http.response.status_code=404 http.route=/products/{id} network.protocol.version=1.1 url.scheme=http = 1
http.server.request.duration [s] http.request.method=GET http.response.status_code=404 network.protocol.version=1.1 url.scheme=http = 1
http.server.request.duration [s] http.request.method=HEAD http.response.status_code=200 http.route=/ network.protocol.version=1.1 url.scheme=http = 1
http.server.request.duration [s] http.request.method=POST http.response.status_code=201 http.route=/checkout network.protocol.version=1.1 url.scheme=http = 1
";
    assert_eq!(lines(&recorder, "http.server.request.duration"), expected);
    let active = "\
http.server.active_requests [{request}] http.request.method=DELETE url.scheme=http = 0
http.server.active_requests [{request}] http.request.method=GET url.scheme=http = 0
http.server.active_requests [{request}] http.request.method=HEAD url.scheme=http = 0
http.server.active_requests [{request}] http.request.method=POST url.scheme=http = 0
";
    assert_eq!(lines(&recorder, "http.server.active_requests"), active);
    let received = recorder.metric("http.server.request.body.size").sum();
    assert_eq!(received, basket.len() as f64);
    assert_eq!(recorder.metric("http.server.response.body.size").sum(), sent as f64);
}

#[actix_web::test]
async fn a_request_whose_client_has_gone_is_no_longer_active() {
    let (store, recorder) = open(|config| config.allow_faults = true).await;
    let slow = store.get("/products/1").fault("slow-aisle=produce:10s");
    let connection = slow.send_only().await;
    await_line(
        &recorder,
        "http.server.active_requests [{request}] http.request.method=GET url.scheme=http = 1",
    )
    .await;
    drop(connection);
    await_line(
        &recorder,
        "http.server.request.duration [s] error.type=abandoned http.request.method=GET \
         http.route=/products/{id} network.protocol.version=1.1 url.scheme=http = 1",
    )
    .await;
    await_line(
        &recorder,
        "http.server.active_requests [{request}] http.request.method=GET url.scheme=http = 0",
    )
    .await;
}

/// A request that a stranger has made up, over a connection of its own.
#[derive(Clone, Debug)]
struct Hostile {
    method: String,
    path: String,
    version: &'static str,
    host: String,
    scheme: String,
}

impl Hostile {
    /// Sends it, and reads until the store closes the connection.
    fn send(&self, address: &str) {
        let Self { method, path, version, host, scheme } = self;
        let request = format!(
            "{method} {path} HTTP/{version}\r\nhost: {host}\r\nx-forwarded-proto: {scheme}\r\n\
             x-forwarded-host: {host}\r\nforwarded: proto={scheme};host={host};for={host}\r\n\
             user-agent: {scheme}\r\nconnection: close\r\n\r\n"
        );
        let mut connection = TcpStream::connect(address).unwrap();
        connection.set_read_timeout(Some(PATIENCE)).unwrap();
        connection.write_all(request.as_bytes()).unwrap();
        let mut answer = Vec::new();
        connection.read_to_end(&mut answer).unwrap();
        assert!(answer.starts_with(b"HTTP/1."), "{self:?}: {}", String::from_utf8_lossy(&answer));
    }
}

/// Makes requests on a thread on which it may wait for their answers.
async fn attack(store: &TestStore, requests: impl FnOnce(&str) + Send + 'static) {
    let address = store.base().trim_start_matches("http://").to_owned();
    actix_rt::task::spawn_blocking(move || requests(&address)).await.unwrap();
}

#[actix_web::test]
async fn a_hundred_methods_paths_hosts_and_schemes_are_one_time_series() {
    let (store, recorder) = open(|_| {}).await;
    attack(&store, |address| {
        for n in 0..100 {
            let hostile = Hostile {
                method: format!("FOO{n}"),
                path: format!("/nothing/{n}"),
                version: "1.1",
                host: format!("h{n}.example:{}", n + 1),
                scheme: format!("s{n}"),
            };
            hostile.send(address);
        }
    })
    .await;
    let series = |name: &str| recorder.metric(name).lines();
    let all = "http.request.method=_OTHER http.response.status_code=403 \
               network.protocol.version=1.1 url.scheme=http = 100";
    for name in ["request.duration", "request.body.size", "response.body.size"] {
        assert_eq!(series(&format!("http.server.{name}")), [all]);
    }
    let active = "http.request.method=_OTHER url.scheme=http = 0";
    assert_eq!(series("http.server.active_requests"), [active]);
}

#[actix_web::test]
async fn whatever_a_stranger_sends_every_attribute_has_one_of_a_few_values() {
    let (store, recorder) = open(|_| {}).await;
    attack(&store, |address| {
        let known = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH"];
        let paths = ["/", "/checkout", "/whats-in-store", "/faults", "/openapi.json"];
        let requests = (
            prop_oneof![
                prop::sample::select(known.to_vec()).prop_map(str::to_owned),
                "[A-Za-z][A-Za-z0-9_~.!-]{0,20}",
            ],
            prop_oneof![
                prop::sample::select(paths.to_vec()).prop_map(str::to_owned),
                "/(products|orders)/[a-zA-Z0-9._~-]{1,20}",
                "/[a-zA-Z0-9/._~-]{0,30}(\\?[a-z]{1,5}=[a-z0-9]{1,5})?",
            ],
            prop_oneof![Just("1.0"), Just("1.1")],
            prop_oneof![Just("localhost".to_owned()), "[a-z0-9.-]{1,20}(:[0-9]{1,4})?"],
            "[a-z][a-z0-9+.-]{0,10}",
        );
        let hostile = requests.prop_map(|(method, path, version, host, scheme)| Hostile {
            method,
            path,
            version,
            host,
            scheme,
        });
        let mut runner = TestRunner::new(ProptestConfig::with_cases(128));
        runner
            .run(&hostile, |hostile| {
                hostile.send(address);
                Ok(())
            })
            .unwrap();
    })
    .await;

    let routes = [
        "/",
        "/whats-in-store",
        "/products/{id}",
        "/orders/{id}",
        "/faults",
        "/lessons",
        "/healthz",
        "/readyz",
        "/openapi.json",
        "/checkout",
    ];
    let statuses = ["200", "400", "403", "404", "405", "408", "413", "415", "422"];
    let methods =
        ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH", "CONNECT", "_OTHER"];
    let mut checked = 0;
    for metric in recorder.metrics() {
        for series in metric.series.iter().filter(|_| metric.name.starts_with("http.")) {
            for (key, value) in &series.attributes {
                let may_be: &[&str] = match key.as_str() {
                    "http.route" => &routes,
                    "http.request.method" => &methods,
                    "http.response.status_code" => &statuses,
                    "network.protocol.version" => &["1.0", "1.1"],
                    "url.scheme" => &["http"],
                    key => panic!("{} has {key}", metric.name),
                };
                assert!(may_be.contains(&value.as_str()), "{}: {key}={value}", metric.name);
                checked += 1;
            }
        }
    }
    assert!(checked > 0);
}

#[actix_web::test]
async fn statements_and_connections_are_measured() {
    let folder = tempfile::tempdir().unwrap();
    let database = format!("sqlite:{}/grocery.db", folder.path().display());
    let (store, recorder) = open(|config| config.database = database.parse().unwrap()).await;
    store.checkout(&[(1, 1)]).send().await.json::<Receipt>();

    // Aisles read their stock when they please.
    let statements = recorder.metric("db.client.operation.duration").lines();
    let of_orders: Vec<_> = (statements.into_iter())
        .filter(|line| !line.contains("SELECT"))
        .map(|line| line.replace(&folder.path().display().to_string(), "FOLDER"))
        .collect();
    let line = |operation: &str, summary: &str| {
        format!(
            "db.namespace=FOLDER/grocery.db db.operation.name={operation} \
             db.query.summary={summary} db.system.name=sqlite = 1"
        )
    };
    let expected = [
        line("BEGIN", "BEGIN"),
        line("COMMIT", "COMMIT"),
        line("INSERT", "INSERT order_lines"),
        line("INSERT", "INSERT orders"),
        line("UPDATE", "UPDATE products"),
    ];
    assert_eq!(of_orders, expected);

    let pool = |line: &str| format!("db.client.connection.{line}");
    for line in [
        "count [{connection}] db.client.connection.pool.name=reader \
         db.client.connection.state=used = 0",
        "count [{connection}] db.client.connection.pool.name=writer \
         db.client.connection.state=idle = 1",
        "count [{connection}] db.client.connection.pool.name=writer \
         db.client.connection.state=used = 0",
        "max [{connection}] db.client.connection.pool.name=reader = 4",
        "max [{connection}] db.client.connection.pool.name=writer = 1",
        "pending_requests [{request}] db.client.connection.pool.name=reader = 0",
        "pending_requests [{request}] db.client.connection.pool.name=writer = 0",
        "timeouts [{timeout}] db.client.connection.pool.name=writer = 0",
        "use_time [s] db.client.connection.pool.name=writer = 1",
        "wait_time [s] db.client.connection.pool.name=writer = 1",
    ] {
        await_line(&recorder, &pool(line)).await;
    }
}

#[actix_web::test]
async fn a_database_in_memory_has_one_pool() {
    let (store, recorder) = open(|_| {}).await;
    store.get("/readyz").send().await;
    let max = recorder.metric("db.client.connection.max").lines();
    assert_eq!(max, ["db.client.connection.pool.name=shared = 1"]);
}

/// Without meters there is nothing to be read, also not by a store that has them.
#[actix_web::test]
async fn a_store_without_meters_measures_nothing() {
    let (measured, recorder) = open(|_| {}).await;
    let other = TestStore::open().await;
    other.checkout(&[(1, 1)]).send().await.json::<Receipt>();
    assert_eq!(recorder.metric("grocery.order.placed").lines(), ["= 0"]);
    assert_eq!(lines(&recorder, "http."), "");
    measured.close().await;
    tokio::time::timeout(PATIENCE, other.close()).await.unwrap();
}
