//! The actor graph: who sends what to whom, over which time.

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use serde_json::{Value as Json, json};
use viewer::Config;

use crate::support::spans::{CLIENT, Trace, attribute, error, list, of_service, request, text};
use crate::support::{Backend, now_us};

const SECOND: u64 = 1_000_000;

fn graph(backend: &Backend, query: &str) -> Json {
    let (status, graph) = backend.get(&format!("/viewer/api/graph{query}"));
    assert_eq!(status, 200, "{graph}");
    graph
}

/// A node's name: its service, its actor, or its database.
fn name(node: &Json) -> String {
    let parts = [&node["service"], &node["actor"]].into_iter().filter_map(Json::as_str);
    let database = &node["database"];
    let of_database = [&database["system"], &database["namespace"], &database["server"]];
    parts.chain(of_database.into_iter().filter_map(Json::as_str)).collect::<Vec<_>>().join("/")
}

/// The edges as `[from, to, kind, count, errors]`, sorted.
fn edges(graph: &Json) -> Vec<Json> {
    let end = |edge: &Json, side: &str| {
        let id = edge[side].as_u64().and_then(|id| usize::try_from(id).ok());
        name(&graph["nodes"][id.unwrap_or(usize::MAX)])
    };
    let told = |edge: &Json| {
        json!([end(edge, "from"), end(edge, "to"), edge["kind"], edge["count"], edge["errors"]])
    };
    let mut edges: Vec<Json> = list(&graph["edges"]).map(told).collect();
    edges.sort_by_key(Json::to_string);
    edges
}

/// The nodes as `[name, spans, errors]`, sorted.
fn nodes(graph: &Json) -> Vec<Json> {
    let told = |node: &Json| json!([name(node), node["spans"], node["errors"]]);
    let mut nodes: Vec<Json> = list(&graph["nodes"]).map(told).collect();
    nodes.sort_by_key(Json::to_string);
    nodes
}

/// A trace that begins so many seconds ago.
fn ago(seconds: u64) -> Trace {
    Trace { start_us: now_us() - seconds * SECOND, ..Trace::new() }
}

#[test]
fn actors_are_nodes_and_their_messages_are_edges() {
    let backend = Backend::viewer();
    let trace = Trace::new();
    let ask = |id, actor: &str, us: std::ops::Range<u64>, wait| {
        let mut span = trace.span(id, 1, &format!("ask {actor}"), us);
        span.attributes = vec![
            text("actix.actor.name", actor),
            text("actix.message.kind", "ask"),
            attribute("actix.mailbox.wait", Value::DoubleValue(wait)),
        ];
        span
    };
    let mut failing = ask(4, "Aisle", 0..4_000, 0.003);
    failing.status = error("no");
    // A span without an actor of its own belongs to the actor that made it.
    let query = trace.span(5, 4, "SELECT", 0..100);
    backend.send(&request([
        of_service("shopper", vec![trace.span(9, 0, "trip", 0..9_000)]),
        of_service(
            "store",
            vec![
                trace.span(1, 9, "GET /", 0..8_000),
                ask(2, "Aisle", 0..1_000, 0.001),
                ask(3, "Aisle", 0..2_000, 0.002),
                failing,
                query,
            ],
        ),
    ]));
    backend.stats_when_stored(6);

    let graph = graph(&backend, "");

    assert_eq!(
        edges(&graph),
        [
            json!(["shopper", "store", "message", 1, 0]),
            json!(["store", "store/Aisle", "message", 3, 1])
        ]
    );
    let ask = list(&graph["edges"]).find(|edge| edge["count"] == 3).expect("the asks");
    assert_eq!(
        json!([ask["p50_ns"], ask["p99_ns"], ask["wait_p50_ns"], ask["wait_p99_ns"]]),
        json!([2_000_000, 4_000_000, 2_000_000, 3_000_000])
    );
    assert_eq!(
        nodes(&graph),
        [json!(["shopper", 1, 0]), json!(["store", 1, 0]), json!(["store/Aisle", 4, 1])]
    );
}

#[test]
fn databases_are_nodes_by_the_conventions_of_today_and_of_before() {
    let backend = Backend::viewer();
    let trace = Trace::new();
    let call = |id, kind, attributes| {
        let mut span = trace.span(id, 1, "SELECT", 0..1_000 * id);
        span.kind = kind;
        span.attributes = attributes;
        span
    };
    let port = |key, port| attribute(key, Value::IntValue(port));
    let postgres = || {
        vec![
            text("db.system.name", "postgresql"),
            text("db.namespace", "shop|public"),
            text("server.address", "db.internal"),
            port("server.port", 5432),
        ]
    };
    let mut failing = call(3, CLIENT, postgres());
    failing.status = error("deadlock");
    let mysql = vec![
        text("db.system", "mysql"),
        text("db.name", "old"),
        text("net.peer.name", "elder"),
        port("net.peer.port", 3306),
    ];
    backend.send(&request([of_service(
        "store",
        vec![
            trace.span(1, 0, "GET /", 0..9_000),
            call(2, CLIENT, postgres()),
            failing,
            call(4, CLIENT, mysql),
            call(5, CLIENT, vec![text("db.system.name", "sqlite")]),
            // The wait for a connection calls no database.
            call(6, 1, postgres()),
        ],
    )]));
    backend.stats_when_stored(6);

    let graph = graph(&backend, "");

    assert_eq!(
        edges(&graph),
        [
            json!(["store", "mysql/old/elder:3306", "query", 1, 0]),
            json!(["store", "postgresql/shop|public/db.internal:5432", "query", 2, 1]),
            json!(["store", "sqlite", "query", 1, 0]),
        ]
    );
    assert_eq!(
        nodes(&graph),
        [
            json!(["mysql/old/elder:3306", 1, 0]),
            json!(["postgresql/shop|public/db.internal:5432", 2, 1]),
            json!(["sqlite", 1, 0]),
            json!(["store", 6, 1]),
        ]
    );
    let keys: Vec<&Json> = list(&graph["nodes"]).map(|node| &node["system_key"]).collect();
    assert_eq!(json!(keys), json!([null, "db.system.name", "db.system", "db.system.name"]));
}

#[test]
fn it_is_of_everything_held_or_of_the_stretch_that_is_asked_for() {
    let backend = Backend::viewer();
    let [old, new] = [ago(3_600), ago(30)];
    for (trace, service) in [(old, "old"), (new, "new")] {
        backend.send(&request([of_service(
            service,
            vec![trace.span(1, 0, "work", 0..SECOND), trace.span(2, 1, "later", 0..3 * SECOND)],
        )]));
    }
    backend.stats_when_stored(4);
    let spans = |query: &str| json!(nodes(&graph(&backend, query)));

    assert_eq!(spans(""), json!([["new", 2, 0], ["old", 2, 0]]));
    assert_eq!(spans("?window=60"), json!([["new", 2, 0]]));
    assert_eq!(spans("?window=7200"), json!([["new", 2, 0], ["old", 2, 0]]));
    // A span counts when it ends.
    let until = |us: u64| format!("?end={}", old.start_us + us);
    assert_eq!(spans(&until(SECOND)), json!([["old", 1, 0]]));
    assert_eq!(spans(&until(10 * SECOND)), json!([["old", 2, 0]]));
    assert_eq!(spans(&format!("?start={}", new.start_us + 2 * SECOND)), json!([["new", 1, 0]]));
    let both = format!("?start={}&end={}", old.start_us + 2 * SECOND, new.start_us + 2 * SECOND);
    assert_eq!(spans(&both), json!([["new", 1, 0], ["old", 1, 0]]));

    let everything = graph(&backend, "");
    assert_eq!(
        json!([everything["from_us"], everything["to_us"], everything["whole_from_us"]]),
        json!([old.start_us, new.start_us + 3 * SECOND, old.start_us])
    );
    let nothing = graph(&backend, &format!("?end={}", old.start_us - SECOND));
    assert_eq!(json!([nothing["nodes"], nothing["spans"]]), json!([[], 0]));
}

#[test]
fn rates_are_over_the_time_that_is_held_whole() {
    let backend = Backend::with(Config { max_spans: 3, ..Config::on_free_ports() });
    // The first to come is let go: what is older than it may lack others.
    let evicted = ago(33);
    backend.send(&request([of_service("store", vec![evicted.span(1, 0, "gone", 0..1_000)])]));
    let long = ago(50);
    backend.send(&request([of_service(
        "store",
        vec![
            long.span(1, 0, "long", 0..40 * SECOND),
            long.span(2, 1, "long ago", 0..SECOND),
            long.span(3, 1, "of late", 0..30 * SECOND),
        ],
    )]));
    backend.get_when("/viewer/api/stats", |stats| stats["evicted"]["spans"] == 1);

    let graph = graph(&backend, "?window=60");

    assert_eq!(graph["whole_from_us"], evicted.start_us);
    let whole = graph["whole_s"].as_f64().expect("seconds");
    assert!((33.0..60.0).contains(&whole), "{whole}");
    // Three spans have ended in the last minute, two of them in the time that is held whole.
    let store = &graph["nodes"][0];
    let rate = store["rate"].as_f64().expect("a rate");
    assert_eq!((&store["spans"], (rate * whole).round()), (&json!(3), 2.0));

    // Of a time before it, nothing can be told.
    let before = format!("?start={}&end={}", long.start_us, evicted.start_us);
    let graph = self::graph(&backend, &before);
    assert_eq!(
        json!([graph["whole_s"], graph["nodes"][0]["spans"], graph["nodes"][0]["rate"]]),
        json!([0.0, 1, null])
    );
}

#[test]
fn what_is_dated_in_the_future_is_left_out_and_counted() {
    let backend = Backend::with(Config { max_spans: 2, ..Config::on_free_ports() });
    let future = Trace { start_us: now_us() + 3_600 * SECOND, ..Trace::new() };
    let now = Trace::new();
    let send = |service: &str, trace: Trace, id| {
        backend.send(&request([of_service(service, vec![trace.span(id, 0, "work", 0..1_000)])]));
    };
    send("tomorrow's store", future, 1);
    send("store", now, 1);
    backend.stats_when_stored(2);

    let graph = graph(&backend, "?window=60");
    assert_eq!(
        json!([graph["spans"], graph["future"], nodes(&graph)]),
        json!([1, 1, [["store", 1, 0]]])
    );
    let everything = self::graph(&backend, "");
    assert_eq!(everything["to_us"], now.start_us + 1_000, "everything ends with what has happened");

    // When it is let go, that does not say that nothing else is held.
    send("store", now, 2);
    backend.get_when("/viewer/api/stats", |stats| stats["evicted"]["spans"] == 1);
    assert_eq!(self::graph(&backend, "")["whole_from_us"], now.start_us);
}

#[test]
fn a_start_that_nobody_has_set_is_not_the_first_there_is() {
    let backend = Backend::viewer();
    let unset = Trace { start_us: 0, ..Trace::new() };
    let now = Trace::new();
    let spans = vec![unset.span(1, 0, "work", 0..1_000), now.span(1, 0, "work", 0..1_000)];
    backend.send(&request([of_service("store", spans)]));
    backend.stats_when_stored(2);

    let graph = graph(&backend, "");
    assert_eq!(
        json!([graph["from_us"], graph["to_us"], nodes(&graph)]),
        json!([now.start_us, now.start_us + 1_000, [["store", 2, 0]]])
    );
}

#[test]
fn a_stretch_that_makes_no_sense_is_refused_in_words() {
    let backend = Backend::viewer();
    let error = |query: &str| backend.get(&format!("/viewer/api/graph?{query}"));

    for window in ["0", "-1", "a minute"] {
        assert_eq!(
            error(&format!("window={window}")),
            (
                400,
                json!({"error": format!("parameter 'window' is {window:?}: expected a whole number of seconds, at least 1")})
            )
        );
    }
    assert_eq!(error("start=9&end=9"), (400, json!({"error": "'end' must be after 'start'"})));
    assert_eq!(
        error("window=60&end=9"),
        (400, json!({"error": "'window' ends now: it goes without 'start' and 'end'"}))
    );
    assert_eq!(error("window=18446744073709551615").0, 200);
}
