//! All that the services emit, against the registry of names in `docs/telemetry/registry/`.
//!
//! One run makes every request, failure, fault and lesson, and keeps all spans, metrics and log records. An
//! unknown name, a wrong type, unit, instrument or kind, a missing attribute or a value that is not listed
//! fails. So does a name of the registry that the run has not seen, unless it is in [`NOT_REACHED`].

use std::{collections::BTreeSet, sync::LazyLock};

use nix::sys::signal::Signal;
use reqwest::{Method, blocking::Client};
use testing::{
    PATIENCE,
    http::{Answer, HANG, HttpReceiver},
    ports,
    process::Process,
    registry::{Registry, check, seen::Seen, table},
};

use crate::support::{
    grocery::{grocery, url},
    teaching::Teaching,
};

/// The document beside the registry.
const TABLE: &str = "docs/telemetry/registry/README.md";

/// The names that this run does not reach, each with the reason.
const NOT_REACHED: &[(&str, &str)] = &[
    (
        "event actix.tell.failed",
        "the store tells only actors that have room: the library's tests make it",
    ),
    (
        "event grocery.lesson.cut_short",
        "a lesson would have to last ten seconds: the store's tests make it",
    ),
    (
        "span span.actix.restart",
        "the store starts its actors again itself: the library's tests make it",
    ),
    ("attribute actix.restart.count", "only on restarts"),
    ("attribute drain", "only with --drain: the store's tests stop one so"),
    (
        "attribute grocery.orders.folded",
        "orders are kept a minute at least: the store's tests set the clock",
    ),
    ("attribute grocery.deliveries.folded", "as grocery.orders.folded"),
    ("event grocery.retention.folded of grocery-store", "as grocery.orders.folded"),
    ("event grocery.retention.failed of grocery-store", "as grocery.orders.folded"),
    ("event grocery.retention.recovered of grocery-store", "as grocery.orders.folded"),
    ("event grocery.retention.postponed of grocery-store", "only with RUST_LOG=debug"),
    ("event grocery.delivery.postponed of grocery-store", "only with RUST_LOG=debug"),
    (
        "event grocery.db.file.not_shrinkable of grocery-store",
        "only with the large file of an older version: the store's tests have one",
    ),
    ("event grocery.db.file.not_rewritten of grocery-store", "only if the disk is full then"),
    ("event grocery.connection.failed of grocery-store", "only if the system refuses"),
    ("event grocery.store.not_ready of grocery-store", "only if an actor fails at the start"),
    ("event grocery.store.cut_short of grocery-store", "only if closing takes too long"),
    ("event shopper.store.reached of shopper", "a store would have to come back during a run"),
    ("event shopper.receipts.failed of shopper", "only if the disk is full"),
    ("event shopper.live_view.failed of shopper", "only if the terminal fails"),
    ("event shopper.open_files.limited of shopper", "only if the system refuses"),
    ("event shopper.timer.coarse of shopper", "only if the system refuses"),
    ("event telemetry.prometheus.failed", "only if the runtime refuses"),
    ("event telemetry.prometheus.page_failed", "only if the metrics contradict each other"),
];

#[test]
fn the_table_is_the_registry() {
    let table = table::render(&Registry::load());
    let path = testing::registry::root().join(TABLE);
    #[expect(clippy::disallowed_methods, reason = "a test may be asked to write the document")]
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(path, table).unwrap();
        return;
    }
    let written = std::fs::read_to_string(path).unwrap_or_default();
    assert_eq!(written, table, "{TABLE} is not what the registry says: UPDATE_DOCS=1 writes it");
}

#[test]
fn everything_that_is_emitted_is_in_the_registry_and_the_other_way_round() {
    let registry = Registry::load();
    let backend = HttpReceiver::answering(200);
    shop_and_fail(&backend);
    overload(&backend);
    lose_the_database(&backend);
    shop_where_nothing_works(&backend);
    export_to_nobody(&backend);
    let mut seen = Seen::of(&backend.received());
    seen.extend(teach());

    let report = check::check(&registry, &seen);

    assert_eq!(report.violations, BTreeSet::new(), "violations: {:#?}", report.violations);
    let excused: BTreeSet<_> = NOT_REACHED.iter().map(|(name, _)| (*name).to_owned()).collect();
    let reached: Vec<_> = excused.intersection(&report.seen).collect();
    assert_eq!(reached, [""; 0], "they are reached, and need no excuse");
    let names = check::names(&registry);
    let missing: Vec<_> =
        names.difference(&report.seen).filter(|name| !excused.contains(*name)).collect();
    assert_eq!(missing, [""; 0], "the registry has names that nothing emits");
}

/// Everything to this backend, at once.
fn exporting_to(backend: &HttpReceiver) -> Vec<(&'static str, String)> {
    vec![
        ("OTEL_TRACES_EXPORTER", "otlp".to_owned()),
        ("OTEL_METRICS_EXPORTER", "otlp,prometheus".to_owned()),
        ("OTEL_EXPORTER_PROMETHEUS_PORT", "0".to_owned()),
        ("OTEL_LOGS_EXPORTER", "otlp".to_owned()),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", backend.url()),
        ("OTEL_BSP_SCHEDULE_DELAY", "20".to_owned()),
        ("OTEL_METRIC_EXPORT_INTERVAL", "200".to_owned()),
    ]
}

/// A client, which takes a while to be made. Each of its requests has a connection of its own: one that
/// has been idle may be closed at the moment of a request.
fn client() -> &'static Client {
    static CLIENT: LazyLock<Client> = LazyLock::new(|| {
        // It fails if an earlier call has installed it.
        rustls::crypto::ring::default_provider().install_default().ok();
        let client = Client::builder().no_proxy().timeout(PATIENCE).pool_max_idle_per_host(0);
        client.build().unwrap()
    });
    &CLIENT
}

/// Sends a request with this baggage and body, and returns the status and the body of its answer.
fn send(base: &str, method: &str, path: &str, baggage: &str, body: &str) -> (u16, String) {
    let method = Method::from_bytes(method.as_bytes()).unwrap();
    let mut request = client().request(method, format!("{base}{path}"));
    if !baggage.is_empty() {
        request = request.header("baggage", baggage);
    }
    if !body.is_empty() {
        let request_body = body.to_owned();
        request = request.header("content-type", "application/json").body(request_body);
        request = request.header("idempotency-key", format!("{baggage}{body}"));
    }
    let answer = request.send().unwrap();
    (answer.status().as_u16(), answer.text().unwrap())
}

fn end(process: Process) {
    process.signal(Signal::SIGTERM);
    let ended = process.end();
    assert!(ended.status.success(), "{ended:#?}");
}

const BUY_ONE: &str = r#"{"items":[{"id":"1","quantity":1}]}"#;

/// Every route of a store, with and without success, every fault, every lesson, and all kinds of trips.
fn shop_and_fail(backend: &HttpReceiver) {
    let args =
        ["store", "--listen", "127.0.0.1:0", "--database", "sqlite::memory:", "--allow-faults"];
    let restocking =
        ["--restock-below", "500", "--restock-delay", "10ms", "--request-timeout", "5s"];
    let store = grocery(args.into_iter().chain(restocking), exporting_to(backend)).start();
    let base = url(&store);
    let ask = |method: &str, path: &str| send(&base, method, path, "", "").0;
    let reading = [
        "/",
        "/whats-in-store",
        "/products/1",
        "/faults",
        "/lessons",
        "/openapi.json",
        "/healthz",
        "/readyz",
    ];
    for path in reading {
        assert_eq!(ask("GET", path), 200, "{path}");
        assert_eq!(ask("HEAD", path), 200, "{path}");
        assert_eq!(ask("DELETE", path), 405, "{path}");
    }
    assert_eq!(
        (ask("GET", "/nothing"), ask("FOO", "/"), ask("GET", "/products/none")),
        (404, 405, 404)
    );

    let buy = |body: &str, baggage: &str| send(&base, "POST", "/checkout", baggage, body);
    let (status, receipt) = buy(BUY_ONE, "");
    assert_eq!(status, 201, "{receipt}");
    assert_eq!(buy(BUY_ONE, "").1, receipt, "a replay");
    let order = receipt.split('"').find(|word| word.len() == 36).unwrap();
    assert_eq!((ask("GET", &format!("/orders/{order}")), ask("GET", "/orders/none")), (200, 404));
    assert_eq!(buy(r#"{"items":[{"id":"19","quantity":100000}]}"#, "").0, 409);
    assert_eq!(buy(r#"{"items":[{"id":"999","quantity":1}]}"#, "").0, 422);
    assert_eq!(buy("{", "").0, 400);

    for (fault, status) in [
        ("error=Checkout:100%25", 500),
        ("error=Ledger:100%25", 500),
        ("panic=Aisle", 503),
        ("panic=Checkout", 503),
        ("panic=Ledger", 503),
        // It finds that the actor has stopped.
        ("panic=Ledger", 503),
        ("stall=Aisle:1ms", 201),
        ("slow-aisle=produce:6s", 504),
        ("slow-aisle=nowhere:1ms", 201),
        ("panic=Nobody", 201),
        ("nonsense", 201),
    ] {
        assert_eq!(buy(BUY_ONE, &format!("grocery.fault={fault}")).0, status, "{fault}");
    }
    let metrics = store.await_line("the address of the metrics", |line| {
        line.split_once("metrics for Prometheus: ").map(|(_, url)| url.trim().to_owned())
    });
    assert!(client().get(metrics).send().unwrap().status().is_success());
    for path in ["/whats-in-store?error", "/whats-in-store?panic"] {
        let fault =
            if path.ends_with("panic") { "panic=Inventory" } else { "error=Inventory:100%25" };
        let status = send(&base, "GET", path, &format!("grocery.fault={fault}"), "").0;
        assert!(status >= 500, "{status}");
    }

    for lesson in store::lessons::LESSONS {
        for variant in ["mistake", "fix"] {
            let path = format!("/?lesson={}&as={variant}&run={variant}", lesson.name);
            send(&base, "GET", &path, "customer=alice", "");
        }
    }
    for path in ["/?lesson=none", "/?lesson=spawn&as=nothing", "/?lesson=spawn&run=%20"] {
        send(&base, "GET", path, "", "");
    }

    let mix = "browse-only=1,quick-buy=2,big-basket=1,hesitant=1,impatient=1,bulk-buy=2";
    let trips = ["shopper", "--store-url", &base, "--mix", mix, "--trips", "60", "--every", "1ms"];
    let faults = ["--seed", "1", "--fault", "panic=Ledger@20%"];
    let shopper = grocery(trips.into_iter().chain(faults), exporting_to(backend)).start();
    let ended = shopper.end();
    assert!(ended.status.success(), "{ended:#?}");
    end(store);
}

/// More orders at a time than an actor has room for.
fn overload(backend: &HttpReceiver) {
    let args = ["store", "--listen", "127.0.0.1:0", "--database", "sqlite::memory:"];
    let args = args.into_iter().chain(["--allow-faults", "--mailbox", "1"]);
    let store = grocery(args, exporting_to(backend)).start();
    let base = url(&store);
    let buy = &|number: u32| {
        let baggage = format!("grocery.fault=stall=Checkout:200ms,number={number}");
        send(&base, "POST", "/checkout", &baggage, BUY_ONE).0
    };
    assert_eq!(buy(0), 201, "the actors of the experiment have started");
    // On a busy machine so many may come one after the other.
    testing::wait_until("an order finds no room", || {
        let statuses: Vec<_> = std::thread::scope(|threads| {
            let buying: Vec<_> = (1..16).map(|number| threads.spawn(move || buy(number))).collect();
            buying.into_iter().map(|one| one.join().unwrap()).collect()
        });
        statuses.contains(&503)
    });
    end(store);
}

/// Orders while PostgreSQL is stopped, if there is one.
fn lose_the_database(backend: &HttpReceiver) {
    let Some(mut server) = testing::postgres::Postgres::start(&[]) else { return };
    // A parameter that means nothing is ignored.
    let database = server.database::<String>() + "?means=nothing";
    let args = ["store", "--listen", "127.0.0.1:0", "--database", &database];
    let store = grocery(args, exporting_to(backend)).start();
    let base = url(&store);
    assert_eq!(send(&base, "POST", "/checkout", "", BUY_ONE).0, 201);
    assert_eq!(
        send(&base, "GET", "/", "grocery.fault=panic%3DLedger", "").0,
        200,
        "faults are ignored"
    );
    server.stop();
    let again = || send(&base, "POST", "/checkout", "again=1", BUY_ONE).0;
    let status = again();
    assert!([503, 504].contains(&status), "{status}");
    let await_said = |text: &str| {
        store.await_line(text, |line| line.contains(text).then_some(()));
    };
    await_said("the aisles cannot read their stock");
    server.start_again();
    testing::wait_until("orders are recorded again", || again() == 201);
    await_said("the aisles read their stock again");
    end(store);
}

/// A shopper for each way in which a store can fail.
fn shop_where_nothing_works(backend: &HttpReceiver) {
    let [nobody] = ports::free();
    let stores = [
        Answer::Hang,
        Answer::Close,
        Answer::Bytes(b"not http\r\n\r\n".to_vec()),
        Answer::from(503),
        Answer::from(404),
        Answer::body(200, "text/plain", "Welcome"),
    ];
    let stores: Vec<_> = stores.into_iter().map(HttpReceiver::answering).collect();
    let hangs = stores[0].url();
    let urls = stores.iter().map(HttpReceiver::url).chain([format!("http://{nobody}")]);
    for store in urls {
        // Only the one that hangs is to be too late.
        let patience = if store == hangs { "100ms" } else { "30s" };
        let args =
            ["shopper", "--store-url", &store, "--trips", "1", "--request-timeout", patience];
        grocery(args, exporting_to(backend)).run();
    }
    // Variables that are ignored, and a fault that cannot travel.
    let mut variables = exporting_to(backend);
    variables.push(("GROCERY_OTEL_LENIENT", "true".to_owned()));
    variables.push(("OTEL_BSP_SCHEDULE_DELAY", "soon".to_owned()));
    variables.push(("OTEL_PROPAGATORS", "tracecontext".to_owned()));
    let away = format!("http://{nobody}");
    let args = ["shopper", "--store-url", &away, "--trips", "1", "--fault", "panic=Ledger"];
    grocery(args, variables).run();
    let silent = HttpReceiver::answering(HANG);
    let args = ["shopper", "--store-url", &silent.url(), "--trips", "1"];
    let shopper = grocery(args, exporting_to(backend)).start();
    testing::wait_until("the shopper waits for an answer", || silent.hanging() > 0);
    end(shopper);
}

/// Spans and log records to a backend that refuses them, and then takes them, and metrics of that.
fn export_to_nobody(backend: &HttpReceiver) {
    let refusing = HttpReceiver::answering(400);
    let mut variables = exporting_to(backend);
    variables.extend([
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", format!("{}/v1/traces", refusing.url())),
        ("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", format!("{}/v1/logs", refusing.url())),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "2".to_owned()),
        ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "1".to_owned()),
    ]);
    let args = ["store", "--listen", "127.0.0.1:0", "--database", "sqlite::memory:"];
    let store = grocery(args, variables).start();
    let base = url(&store);
    for _ in 0..3 {
        assert_eq!(send(&base, "GET", "/whats-in-store", "", "").0, 200);
    }
    testing::wait_until("spans were refused", || refusing.requests().len() > 2);
    end(store);
}

/// What the lab emits when it makes lessons and trips, from the viewer that it shows them in.
fn teach() -> Seen {
    let teaching = Teaching::start();
    let lab = teaching.lab();
    let post = |path: &str, body: &str| {
        let request = client().post(format!("{}{path}", lab.url));
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        let answer = request.body(body.to_owned()).send().unwrap();
        assert!(answer.status().is_success(), "{path}: {answer:?}");
    };
    for lesson in store::lessons::LESSONS {
        post(&format!("/lessons/{}", lesson.name), "");
    }
    let trip = "trips=1&share=100%25&sampling=yes&propagation=w3c";
    for kind in ["quick-buy", "hesitant", "browse-only"] {
        post("/trips", &format!("kind={kind}&{trip}"));
    }
    post("/trips", &format!("kind=quick-buy&{trip}&panic=on&panic_actor=Checkout"));
    let viewer = format!("http://{}/viewer/api", teaching.viewer);
    let get = |path: &str| client().get(format!("{viewer}{path}")).send().unwrap();
    let listed = get("/traces?limit=1000").bytes().unwrap();
    let listed: serde_json::Value = serde_json::from_slice(&listed).unwrap();
    let traces = listed["traces"].as_array().unwrap();
    let ids: Vec<_> = traces.iter().map(|trace| trace["trace_id"].as_str().unwrap()).collect();
    let all = get(&format!("/otlp?traceID={}", ids.join("&traceID=")));
    assert!(all.status().is_success(), "{all:?}");
    Seen::of_json(&all.bytes().unwrap())
}
