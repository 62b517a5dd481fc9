//! The check of telemetry against a registry finds each kind of violation, and nothing in what is right.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;

use testing::registry::{
    Registry,
    check::{check, names},
    seen::{Attributes, Log, Metric, Origin, Seen, Span, Value},
    table,
};

const MANIFEST: &str = "
name: shop
description: A shop.
schema_url: https://shop.example/schemas/1.0.0
dependencies:
  - {schema_url: 'https://published.example/schemas/1.0.0', registry_path: published}
";

const PUBLISHED: &str = "
groups:
  - id: registry.published
    type: attribute_group
    brief: Attributes.
    attributes:
      - {id: error.type, type: string, stability: stable, brief: What went wrong.}
      - {id: service.name, type: string, stability: stable, brief: The service.}
      - {id: host.name, type: string, stability: stable, brief: The host.}
      - {id: http.request.header, type: 'template[string[]]', stability: stable, brief: A header.}
      - id: http.request.method
        type:
          members:
            - {id: get, value: GET, stability: stable}
            - {id: other, value: _OTHER, stability: stable}
        stability: stable
        brief: The method.
  - id: span.http.server
    type: span
    span_kind: server
    stability: stable
    brief: A request.
    attributes:
      - {ref: http.request.method, requirement_level: required}
      - {ref: error.type, requirement_level: {conditionally_required: If request has ended with an error.}}
      - ref: http.request.header
  - id: entity.service
    type: entity
    name: service
    stability: stable
    brief: A service.
    attributes:
      - {ref: service.name, requirement_level: required}
  - id: metric.http.server.request.duration
    type: metric
    metric_name: http.server.request.duration
    instrument: histogram
    unit: s
    stability: stable
    brief: How long.
    attributes:
      - {ref: http.request.method, requirement_level: required}
  - id: metric.not.imported
    type: metric
    metric_name: not.imported
    instrument: counter
    unit: '1'
    stability: stable
    brief: Nobody uses it.
";

const OWN: &str = "
imports:
  entities: [service]
  metrics: [http.server.request.duration]
groups:
  - id: registry.shop
    type: attribute_group
    brief: Attributes.
    attributes:
      - {id: shop.aisle, type: string, stability: development, brief: The aisle., examples: [dairy]}
      - {id: shop.pieces, type: int, stability: development, brief: How many.}
      - id: shop.kind
        type:
          members:
            - {id: big, value: big, stability: development}
            - {id: small, value: small, stability: development}
        stability: development
        brief: The kind.
  - id: attributes.every.span
    type: attribute_group
    brief: On every span.
    attributes: [{ref: shop.kind}]
    annotations: {on_every: span}
  - id: attributes.every.log
    type: attribute_group
    brief: On every record.
    attributes: [{ref: shop.pieces}]
    annotations: {on_every: log, crates: [shop]}
  - id: span.shop.request
    type: span
    span_kind: server
    extends: span.http.server
    stability: stable
    brief: A request.
    attributes:
      - ref: error.type
        annotations: {values: [5xx, abandoned]}
    annotations:
      scope: http
      services: [store]
      names: ['{http.request.method} /stock', 'HTTP /stock']
  - id: span.shop.work
    type: span
    span_kind: internal
    stability: development
    brief: Work in an aisle.
    attributes:
      - {ref: shop.aisle, requirement_level: required}
      - ref: shop.pieces
      - ref: error.type
    events: [event.shop.sold]
    annotations:
      scope: shop
      names: ['sell in {shop.aisle} by {word}']
      links: To the request.
  - id: event.shop.sold
    type: event
    name: shop.sold
    stability: development
    brief: Something was sold.
    attributes: [{ref: shop.pieces, requirement_level: required}]
  - id: metric.shop.sold
    type: metric
    metric_name: shop.sold.count
    instrument: counter
    unit: '{piece}'
    stability: development
    brief: Pieces sold.
    attributes: [{ref: shop.aisle, requirement_level: required}]
    annotations:
      scope: shop
      services: [store]
      code_generation: {metric_value_type: int}
";

fn registry() -> Registry {
    Registry::parse(MANIFEST, &[OWN], PUBLISHED).unwrap()
}

fn text(value: &str) -> Value {
    Value::Text(value.to_owned())
}

fn attributes<const N: usize>(pairs: [(&str, Value); N]) -> Attributes {
    pairs.map(|(key, value)| (key.to_owned(), value)).into()
}

fn by(scope: &str) -> Origin {
    Origin {
        service: "store".into(),
        scope: scope.into(),
        version: "1.0".into(),
        schema_url: "https://published.example/schemas/1.0.0".into(),
    }
}

fn request() -> Span {
    Span {
        origin: by("http"),
        name: "GET /stock".into(),
        kind: "server",
        attributes: attributes([("http.request.method", text("GET"))]),
        ..Span::default()
    }
}

fn work() -> Span {
    Span {
        origin: by("shop"),
        name: "sell in dairy by hand".into(),
        kind: "internal",
        attributes: attributes([("shop.aisle", text("dairy")), ("shop.kind", text("big"))]),
        events: vec![("shop.sold".into(), attributes([("shop.pieces", Value::Int(3))]))],
        links: vec![Attributes::new()],
        ..Span::default()
    }
}

fn sold() -> Metric {
    Metric {
        origin: by("shop"),
        name: "shop.sold.count".into(),
        unit: "{piece}".into(),
        instrument: "counter",
        value_type: "int",
        points: vec![attributes([("shop.aisle", text("dairy"))])],
    }
}

fn log() -> Log {
    let attributes = attributes([("shop.pieces", Value::Int(1))]);
    Log { origin: by("shop::till"), event_name: "shop.sold".into(), attributes }
}

/// What is wrong with one span.
fn of_span(change: impl FnOnce(&mut Span), mut span: Span) -> Vec<String> {
    change(&mut span);
    violations(Seen { spans: vec![span], ..Seen::default() })
}

fn of_request(change: impl FnOnce(&mut Span)) -> Vec<String> {
    of_span(change, request())
}

fn of_work(change: impl FnOnce(&mut Span)) -> Vec<String> {
    of_span(change, work())
}

fn of_metric(change: impl FnOnce(&mut Metric)) -> Vec<String> {
    let mut metric = sold();
    change(&mut metric);
    violations(Seen { metrics: vec![metric], ..Seen::default() })
}

fn of_log(change: impl FnOnce(&mut Log)) -> Vec<String> {
    let mut log = log();
    change(&mut log);
    violations(Seen { logs: vec![log], ..Seen::default() })
}

fn violations(seen: Seen) -> Vec<String> {
    check(&registry(), &seen).violations.into_iter().collect()
}

#[test]
fn nothing_is_wrong_with_what_the_registry_says_and_all_of_it_is_seen() {
    let registry = registry();
    let duration = Metric {
        origin: by("http"),
        name: "http.server.request.duration".into(),
        unit: "s".into(),
        instrument: "histogram",
        value_type: "",
        points: vec![attributes([("http.request.method", text("GET"))])],
    };
    let mut other = request();
    other.name = "HTTP /stock".into();
    other.attributes = attributes([
        ("http.request.method", text("_OTHER")),
        ("http.request.header.accept", Value::List(vec![text("*/*")])),
        ("error.type", text("503")),
    ]);
    other.failed = true;
    let resource = attributes([("service.name", text("store"))]);
    let seen = Seen {
        resources: vec![(resource, by("").schema_url)],
        spans: vec![request(), work(), other],
        metrics: vec![sold(), duration],
        logs: vec![log()],
    };
    let report = check(&registry, &seen);
    assert_eq!(report.violations, BTreeSet::new());
    assert_eq!(report.seen, names(&registry));
    let expected = [
        "attribute shop.aisle",
        "attribute shop.kind",
        "attribute shop.pieces",
        "entity service",
        "event shop.sold",
        "metric http.server.request.duration",
        "metric shop.sold.count of store",
        "span span.shop.request of store",
        "span span.shop.work",
    ];
    assert_eq!(report.seen.iter().collect::<Vec<_>>(), expected);
    assert_eq!(
        registry.metrics().into_iter().collect::<Vec<_>>(),
        ["http.server.request.duration", "shop.sold.count"]
    );
}

#[test]
fn a_span_that_the_registry_does_not_have_is_found() {
    assert_eq!(
        of_request(|span| span.name = "GET /nothing".into()),
        ["span \"GET /nothing\" of store: no span of the scope \"http\" has this name"]
    );
    assert_eq!(
        of_request(|span| span.name = "POST /stock".into()),
        ["span \"POST /stock\" of store: no span of the scope \"http\" has this name"],
        "the name is not made of its own attribute"
    );
    assert_eq!(
        of_work(|span| span.name = "sell in dairy by hand or foot".into()),
        [
            "span \"sell in dairy by hand or foot\" of store: no span of the scope \"shop\" has this name"
        ]
    );
    assert_eq!(
        of_work(|span| span.origin.scope = "http".into()),
        ["span \"sell in dairy by hand\" of store: no span of the scope \"http\" has this name"]
    );
    assert_eq!(
        of_request(|span| span.kind = "internal"),
        ["span \"GET /stock\" of store: its kind is internal, and not that of span.shop.request"]
    );
    assert_eq!(
        of_request(|span| span.origin.service = "shopper".into()),
        ["span \"GET /stock\" of shopper: it is one of store only"]
    );
}

#[test]
fn a_scope_without_version_or_schema_is_found() {
    assert_eq!(
        of_request(|span| span.origin.version.clear()),
        ["span \"GET /stock\" of store: the scope \"http\" has no version"]
    );
    assert_eq!(
        of_metric(|metric| metric.origin.schema_url = "https://other.example".into()),
        [
            "metric shop.sold.count of store, scope \"shop\": the schema URL is \"https://other.example\""
        ]
    );
}

#[test]
fn an_attribute_that_is_unknown_missing_or_of_another_type_is_found() {
    let add = |key: &'static str, value: Value| {
        of_work(move |span| drop(span.attributes.insert(key.to_owned(), value)))
    };
    assert_eq!(
        add("shop.till", Value::Int(1)),
        ["span.shop.work of store: the attribute shop.till is not one of its own"]
    );
    assert_eq!(
        add("host.name", text("here")),
        ["span.shop.work of store: the attribute host.name is not one of its own"],
        "it is published, but not of this span"
    );
    assert_eq!(
        add("shop.pieces", text("three")),
        ["span.shop.work of store: shop.pieces is of the type string, and not int"]
    );
    assert_eq!(
        add("shop.kind", text("huge")),
        ["span.shop.work of store: shop.kind has the value \"huge\", which is not listed"]
    );
    assert_eq!(
        of_request(|span| {
            span.name = "get /stock".into();
            span.attributes.insert("http.request.method".into(), text("get"));
        }),
        [
            "span.shop.request of store: http.request.method has the value \"get\", which is not listed"
        ]
    );
    assert_eq!(
        of_request(|span| {
            span.name = "HTTP /stock".into();
            span.attributes.clear();
        }),
        ["span.shop.request of store: the required attribute http.request.method is missing"]
    );
    assert_eq!(
        of_request(|span| {
            span.attributes.insert("http.request.header.accept".into(), text("*/*"));
        }),
        [
            "span.shop.request of store: http.request.header.accept is of the type string, and not string[]"
        ]
    );
}

#[test]
fn a_failure_and_its_error_type_go_together() {
    let failed = |span: &mut Span, value: &str| {
        span.failed = true;
        span.attributes.insert("error.type".into(), text(value));
    };
    assert_eq!(
        of_request(|span| span.failed = true),
        ["span.shop.request of store: its status is an error, and it has no error.type"]
    );
    assert_eq!(
        of_request(|span| drop(span.attributes.insert("error.type".into(), text("503")))),
        ["span.shop.request of store: it has the error.type 503, and its status is no error"]
    );
    for value in ["404", "5xx", "gone"] {
        let expected = format!(
            "span.shop.request of store: error.type has the value {value:?}, which is not listed"
        );
        assert_eq!(of_request(|span| failed(span, value)), [expected]);
    }
    for value in ["OutOfStock", "out-of-stock", "connection refused (os error 111)", ""] {
        let expected = format!(
            "span.shop.work of store: error.type has the value {value:?}, which is not in snake case"
        );
        assert_eq!(of_work(|span| failed(span, value)), [expected]);
    }
    for value in ["out_of_stock", "40P01", "5", "_OTHER"] {
        assert_eq!(of_work(|span| failed(span, value)), [""; 0], "{value}");
    }
}

/// A registry of one SERVER span, one CLIENT span and one span in a database, as the conventions have them.
fn with_conditions() -> Registry {
    let attribute = |key: &str, kind: &str| {
        format!("      - {{id: {key}, type: {kind}, stability: stable, brief: b}}\n")
    };
    let keys = [
        "error.type",
        "http.request.method",
        "http.request.method_original",
        "http.route",
        "server.address",
        "url.full",
        "url.query",
        "db.response.status_code",
        "db.namespace",
        "network.protocol.name",
        "network.protocol.version",
    ];
    let texts = keys.iter().map(|key| attribute(key, "string"));
    let numbers =
        ["server.port", "http.response.status_code"].iter().map(|key| attribute(key, "int"));
    let attributes: String = texts.chain(numbers).collect();
    let registry = format!(
        "groups:\n  - id: registry.all\n    type: attribute_group\n    brief: b\n    attributes:\n{attributes}"
    );
    let group = |id: &str, kind: &str, names: &str, references: &[(&str, &str)]| {
        let mut group = format!(
            "  - id: {id}\n    type: span\n    span_kind: {kind}\n    brief: b\n    stability: stable\n    \
             annotations: {{scope: {kind}, names: {names}}}\n    attributes:\n"
        );
        for (key, condition) in references {
            let level = match *condition {
                "" => "recommended".to_owned(),
                condition => format!("{{conditionally_required: \"{condition}\"}}"),
            };
            group += &format!("      - {{ref: {key}, requirement_level: {level}}}\n");
        }
        group
    };
    let status = ("http.response.status_code", "If and only if one was received/sent.");
    let failed = ("error.type", "If request has ended with an error.");
    let server = [
        ("http.request.method", ""),
        ("server.address", ""),
        ("network.protocol.version", ""),
        status,
        failed,
        ("http.route", "If and only if it's available"),
        ("url.query", "If and only if one was received/sent."),
        ("server.port", "If available and `server.address` is set."),
        (
            "http.request.method_original",
            "If and only if it's different than `http.request.method`.",
        ),
        ("network.protocol.name", "If not `http` and `network.protocol.version` is set."),
    ];
    let client =
        [("url.full", ""), ("server.port", ""), ("network.protocol.version", ""), status, failed];
    let database = [
        ("db.namespace", "If available."),
        ("error.type", "If and only if the operation failed."),
        ("db.response.status_code", "If the operation failed and status code is available."),
    ];
    let own = registry
        + &group("span.http.server", "server", "['GET {http.route}', GET]", &server)
        + &group("span.http.client", "client", "[call]", &client)
        + &group("span.db", "internal", "[query]", &database)
        + &group("span.strange", "producer", "[send]", &[("url.full", "If the moon is full.")]);
    Registry::parse(MANIFEST, &[own], "groups: []").unwrap()
}

#[test]
fn what_is_required_under_a_condition_is_checked_as_far_as_telemetry_tells() {
    let registry = with_conditions();
    let span = |name: &str, kind: &'static str, pairs: &[(&str, Value)]| {
        let pairs = pairs.iter().map(|(key, value)| ((*key).to_owned(), value.clone()));
        let (name, attributes) = (name.to_owned(), pairs.collect());
        Span { origin: by(kind), name, kind, attributes, ..Span::default() }
    };
    let of = |spans: Vec<Span>| -> Vec<String> {
        check(&registry, &Seen { spans, ..Seen::default() }).violations.into_iter().collect()
    };
    let ok = || ("http.response.status_code", Value::Int(200));
    let route = || ("http.route", text("/stock"));
    let failing = |mut span: Span| {
        span.failed = true;
        span
    };

    let server = |pairs: &[(&str, Value)]| span("GET /stock", "server", pairs);
    assert_eq!(of(vec![server(&[ok(), route()])]), [""; 0]);
    let place = "span.http.server of store: ";
    for (pairs, expected) in [
        (vec![route()], "the attribute http.response.status_code is missing: If and only if one"),
        (
            vec![route(), ("http.response.status_code", Value::Int(503))],
            "the attribute error.type is",
        ),
        (
            vec![route(), ok(), ("network.protocol.version", text("spdy"))],
            "the attribute network.protocol.name is missing: If not `http`",
        ),
        (
            vec![route(), ok(), ("server.port", Value::Int(80))],
            "it has the attribute server.port: If available",
        ),
        (
            vec![route(), ok(), ("http.request.method", text("_OTHER"))],
            "the attribute http.request.method_original is missing",
        ),
        (
            vec![route(), ok(), ("http.request.method_original", text("GET"))],
            "it has the attribute http.request.method_original",
        ),
    ] {
        let found = of(vec![server(&pairs)]);
        assert!(
            found.len() == 1 && found[0].starts_with(&format!("{place}{expected}")),
            "{found:?}"
        );
    }
    let unrouted = span("GET", "server", &[ok()]);
    assert!(of(vec![unrouted])[0].starts_with(&format!("{place}the attribute http.route is")));
    assert_eq!(
        of(vec![span("GET", "server", &[("http.response.status_code", Value::Int(404))])]),
        [""; 0],
        "nothing is there"
    );
    assert_eq!(
        of(vec![span("GET", "server", &[ok(), route()])]),
        ["span.http.server of store: its name is \"GET\", without its http.route"]
    );

    // What the caller sent is what the server must have got.
    let version = || ("network.protocol.version", text("1.1"));
    let call = |url: &str| {
        let pairs = [ok(), version(), ("url.full", text(url)), ("server.port", Value::Int(5000))];
        let mut call = span("call", "client", &pairs);
        call.id = (vec![1], vec![2]);
        call
    };
    let called = |pairs: &[(&str, Value)]| {
        let mut called = server(&[&[ok(), route()], pairs].concat());
        called.parent_id = (vec![1], vec![2]);
        called
    };
    let query = || ("url.query", text("a=1"));
    let at = [("server.address", text("store"))];
    assert_eq!(of(vec![call("http://store/stock?a=1"), called(&[query()])]), [""; 0]);
    for (url, pairs, expected) in [
        ("http://store/stock?a=1", &[][..], "the attribute url.query is missing"),
        ("http://store/stock", &[query()], "it has the attribute url.query"),
        ("http://store/stock", &at, "the attribute server.port is missing"),
    ] {
        let found = of(vec![call(url), called(pairs)]);
        assert!(
            found.len() == 1 && found[0].starts_with(&format!("{place}{expected}")),
            "{found:?}"
        );
    }

    // A client's request also fails by 4xx, and may have no answer.
    assert_eq!(of(vec![span("call", "client", &[])]), [""; 0], "its sender gave it up");
    let found = of(vec![span("call", "client", &[version()])]);
    assert!(found[0].contains("the attribute http.response.status_code is missing"), "{found:?}");
    let refused = [("http.response.status_code", Value::Int(404)), version()];
    let found = of(vec![span("call", "client", &refused)]);
    assert!(found[0].contains("the attribute error.type is missing"), "{found:?}");
    let unanswered = failing(span("call", "client", &[("error.type", text("timeout"))]));
    assert_eq!(of(vec![unanswered]), [""; 0]);
    let answered = failing(span("call", "client", &[("error.type", text("timeout")), ok()]));
    assert!(of(vec![answered]).iter().any(|one| one.contains("it has the attribute http.resp")));

    let query = |pairs: &[(&str, Value)]| span("query", "internal", pairs);
    let file = || ("db.namespace", text("store.db"));
    let code = || ("error.type", text("40P01"));
    let answer = || ("db.response.status_code", text("40P01"));
    assert_eq!(of(vec![query(&[file()])]), [""; 0]);
    assert_eq!(of(vec![failing(query(&[file(), code(), answer()]))]), [""; 0]);
    for (query, expected) in [
        (query(&[]), "the attribute db.namespace is missing"),
        (failing(query(&[file(), code()])), "the attribute db.response.status_code is missing"),
        (
            failing(query(&[file(), ("error.type", text("io")), answer()])),
            "it has the attribute db.response.status_code",
        ),
    ] {
        let found = of(vec![query]);
        assert!(found.len() == 1 && found[0].contains(expected), "{found:?}");
    }

    assert_eq!(
        of(vec![span("send", "producer", &[])]),
        ["span.strange of store: nothing checks when url.full is required: If the moon is full."]
    );
}

#[test]
fn events_and_links_that_the_registry_does_not_have_are_found() {
    assert_eq!(
        of_work(|span| span.events[0].0 = "something sold".into()),
        ["span.shop.work of store: it has no event \"something sold\""]
    );
    assert_eq!(
        of_request(|span| span.events = work().events),
        ["span.shop.request of store: it has no event \"shop.sold\""],
        "it is an event of other spans"
    );
    assert_eq!(
        of_work(|span| span.events[0].1.clear()),
        ["span.shop.work of store, event shop.sold: the required attribute shop.pieces is missing"]
    );
    assert_eq!(
        of_work(|span| drop(span.events[0].1.insert("reason".into(), text("hunger")))),
        ["span.shop.work of store, event shop.sold: the attribute reason is not one of its own"]
    );
    assert_eq!(
        of_request(|span| span.links = work().links),
        ["span.shop.request of store: it has a link, and the registry says of none"]
    );
    assert_eq!(
        of_work(|span| drop(span.links[0].insert("reason".into(), text("hunger")))),
        ["span.shop.work of store: a link has the attribute reason"]
    );
}

#[test]
fn a_metric_of_another_name_unit_instrument_or_type_is_found() {
    for name in ["shop.bought", "not.imported"] {
        let expected = format!("metric {name} of store: there is no metric of this name");
        assert_eq!(of_metric(|metric| metric.name = name.into()), [expected]);
    }
    assert_eq!(
        of_metric(|metric| metric.unit = "1".into()),
        ["metric shop.sold.count of store: its unit is \"1\", and not \"{piece}\""]
    );
    assert_eq!(
        of_metric(|metric| metric.instrument = "gauge"),
        ["metric shop.sold.count of store: its instrument is \"gauge\", and not \"counter\""]
    );
    assert_eq!(
        of_metric(|metric| metric.value_type = "double"),
        ["metric shop.sold.count of store: its values are of the type double, and not int"]
    );
    assert_eq!(
        of_metric(|metric| metric.origin.scope = "http".into()),
        ["metric shop.sold.count of store: its scope is \"http\", and not \"shop\""]
    );
    assert_eq!(
        of_metric(|metric| metric.origin.service = "shopper".into()),
        ["metric shop.sold.count of shopper: it is one of store only"]
    );
    assert_eq!(
        of_metric(|metric| metric.points[0].clear()),
        ["metric shop.sold.count of store: the required attribute shop.aisle is missing"]
    );
    assert_eq!(
        of_metric(|metric| drop(metric.points[0].insert("shop.kind".into(), text("big")))),
        ["metric shop.sold.count of store: the attribute shop.kind is not one of its own"],
        "what is on every span is not on metrics"
    );
}

#[test]
fn a_log_record_with_an_unknown_event_or_attribute_is_found() {
    assert_eq!(
        of_log(|log| drop(log.attributes.insert("till".into(), Value::Int(1)))),
        [
            "log record \"shop.sold\" of store by \"shop::till\": the attribute till is not one of its own"
        ]
    );
    assert_eq!(
        of_log(|log| log.event_name.clear()),
        ["log record \"\" of store by \"shop::till\": it is no event"]
    );
    assert_eq!(
        of_log(|log| log.attributes.clear()),
        [
            "log record \"shop.sold\" of store by \"shop::till\": the required attribute shop.pieces is missing"
        ]
    );
    assert_eq!(
        of_log(|log| log.origin.version.clear()),
        [
            "log record \"shop.sold\" of store by \"shop::till\": the scope \"shop::till\" has no version"
        ]
    );
    let of_library = |log: &mut Log| {
        log.origin = Origin { scope: "sqlx::query".into(), ..Origin::default() };
        log.event_name.clear();
        log.attributes.insert("elapsed".into(), text("2s"));
    };
    assert_eq!(of_log(of_library), [""; 0], "what a library logs is its own business");
    assert_eq!(
        of_log(|log| {
            log.origin = by("shop");
            log.event_name = "shop.opened".into();
        }),
        ["log record \"shop.opened\" of store by \"shop\": there is no event of this name"]
    );
}

#[test]
fn a_resource_with_what_is_of_no_entity_is_found() {
    let of_resource = |attributes: Attributes, schema: &str| {
        violations(Seen { resources: vec![(attributes, schema.to_owned())], ..Seen::default() })
    };
    let schema = by("").schema_url;
    assert_eq!(
        of_resource(
            attributes([("service.name", text("store")), ("host.name", text("x"))]),
            &schema
        ),
        ["the resource of \"store\": the attribute host.name is of no entity"]
    );
    assert_eq!(
        of_resource(attributes([("service.name", Value::Int(1))]), &schema),
        ["the resource of \"1\": service.name is of the type int, and not string"]
    );
    assert_eq!(
        of_resource(attributes([("service.name", text("store"))]), ""),
        ["the resource of \"store\": the schema URL is \"\""]
    );
}

#[test]
fn a_registry_that_makes_no_sense_is_refused() {
    let refused = |own: &str| Registry::parse(MANIFEST, &[own], PUBLISHED).unwrap_err().to_string();
    let group = |rest: &str| format!("groups: [{{id: g, type: span, brief: b, {rest}}}]");
    assert_eq!(refused(&group("attributes: [{ref: nothing}]")), "g: there is no attribute nothing");
    assert_eq!(refused(&group("extends: nothing")), "g: there is no group nothing");
    assert_eq!(refused(&group("events: [nothing]")), "g: there is no event nothing");
    assert!(refused("imports: {metrics: [nothing]}").starts_with("imports: nothing is not in "));
    let again = "attributes: [{id: error.type, type: string, stability: stable, brief: b}]";
    assert_eq!(refused(&group(again)), "g: error.type is defined twice");
    assert!(refused(&group("colour: red")).contains("colour"));
    assert!(refused("groups: [").contains("line"));
}

#[test]
fn the_table_has_all_of_it() {
    let table = table::render(&registry());
    for line in [
        "| `sell in {shop.aisle} by {word}` | INTERNAL | Work in an aisle. |  | `error.type` recommended<br>`shop.aisle` \
         required<br>`shop.pieces` recommended |",
        "| `shop.sold` | Something was sold. |  | `shop.pieces` required |",
        "| `shop.sold.count` | counter, `{piece}` | Pieces sold. |  | `shop.aisle` required |",
        "| `http.server.request.duration` | histogram, `s` | How long. | published | `http.request.method` required |",
        "| `shop.aisle` | string | development | The aisle. | such as `dairy` |",
    ] {
        assert!(table.lines().any(|one| one == line), "{line}\nin\n{table}");
    }
    assert!(!table.contains("not.imported"));
}
