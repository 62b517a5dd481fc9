//! Random bytes, and requests that are random in every field: each is answered, and the viewer goes
//! on.

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, KeyValue, KeyValueList};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::{Event, Link};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use prost::Message;
use serde_json::Value as Json;
use viewer::Config;

use crate::support::Backend;

/// Runs `property` so often with values of `strategy`, against one viewer.
fn check<S: Strategy>(strategy: S, cases: u32, property: impl Fn(S::Value)) {
    let config = ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() };
    let checked = TestRunner::new(config).run(&strategy, |value| {
        property(value);
        Ok(())
    });
    assert!(checked.is_ok(), "{checked:?}");
}

fn any_value() -> impl Strategy<Value = AnyValue> {
    let leaf = prop_oneof![
        any::<String>().prop_map(Value::StringValue),
        any::<bool>().prop_map(Value::BoolValue),
        any::<i64>().prop_map(Value::IntValue),
        any::<f64>().prop_map(Value::DoubleValue),
        vec(any::<u8>(), 0..20).prop_map(Value::BytesValue),
        any::<i32>().prop_map(Value::StringValueStrindex),
    ];
    let leaf = option::of(leaf).prop_map(|value| AnyValue { value });
    leaf.prop_recursive(12, 64, 4, |inner| {
        let map = vec((any::<String>(), inner.clone()), 0..4).prop_map(|entries| {
            let entries = entries.into_iter().map(|(key, value)| KeyValue {
                key,
                value: Some(value),
                ..KeyValue::default()
            });
            Value::KvlistValue(KeyValueList { values: entries.collect() })
        });
        let array = vec(inner, 0..4).prop_map(|values| Value::ArrayValue(ArrayValue { values }));
        prop_oneof![map, array].prop_map(|value| AnyValue { value: Some(value) })
    })
}

fn attributes() -> impl Strategy<Value = Vec<KeyValue>> {
    let key = prop_oneof![
        any::<String>(),
        Just("service.name".to_owned()),
        Just("actix.actor.name".to_owned()),
        Just("actix.mailbox.wait".to_owned()),
        Just("peer.ipv4".to_owned()),
    ];
    let entry = (key, option::of(any_value()));
    vec(entry.prop_map(|(key, value)| KeyValue { key, value, ..KeyValue::default() }), 0..5)
}

/// An id: often one of a few, so that traces, parents and links meet.
fn id(bytes: usize) -> impl Strategy<Value = Vec<u8>> {
    let few = (0_u8..6).prop_map(move |id| {
        let mut bytes = vec![0; bytes];
        bytes[0] = id;
        bytes
    });
    prop_oneof![9 => few, 1 => vec(any::<u8>(), 0..20)]
}

fn span() -> impl Strategy<Value = Span> {
    let ids = (id(16), id(8), prop_oneof![id(8), Just(vec![])]);
    let times = (any::<u64>(), any::<u64>());
    let link = (id(16), id(8), attributes()).prop_map(|(trace_id, span_id, attributes)| Link {
        trace_id,
        span_id,
        attributes,
        ..Link::default()
    });
    let event =
        (any::<u64>(), any::<String>(), attributes()).prop_map(|(time, name, attributes)| Event {
            time_unix_nano: time,
            name,
            attributes,
            ..Event::default()
        });
    let status = option::of((any::<String>(), any::<i32>()))
        .prop_map(|status| status.map(|(message, code)| Status { message, code }));
    let rest = (attributes(), vec(link, 0..3), vec(event, 0..3), status);
    (ids, any::<String>(), prop_oneof![0..7, any::<i32>()], times, rest).prop_map(
        |((trace_id, span_id, parent_span_id), name, kind, (start, end), rest)| Span {
            trace_id,
            span_id,
            parent_span_id,
            name,
            kind,
            start_time_unix_nano: start,
            end_time_unix_nano: end,
            attributes: rest.0,
            links: rest.1,
            events: rest.2,
            status: rest.3,
            ..Span::default()
        },
    )
}

fn requests() -> impl Strategy<Value = ExportTraceServiceRequest> {
    let group = (option::of(attributes()), vec(span(), 0..8)).prop_map(|(attributes, spans)| {
        ResourceSpans {
            resource: attributes.map(|attributes| Resource { attributes, ..Resource::default() }),
            scope_spans: vec![ScopeSpans { spans, ..ScopeSpans::default() }],
            ..ResourceSpans::default()
        }
    });
    vec(group, 0..4).prop_map(|resource_spans| ExportTraceServiceRequest { resource_spans })
}

/// Asks every route; each must answer.
fn ask_everything(backend: &Backend) {
    let times = "query.startTimeMin=1970-01-01T00:00:00Z&query.startTimeMax=2600-01-01T00:00:00Z";
    let mut paths = vec![
        "/viewer/api/services".to_owned(),
        "/viewer/api/graph?window=600".to_owned(),
        "/api/services".to_owned(),
        "/api/dependencies?lookback=9223372036854".to_owned(),
        format!("/api/v3/traces?{times}"),
        format!("/api/v3/trace-summaries?{times}"),
    ];
    let (_, services) = backend.get("/api/services");
    for service in services["data"].as_array().into_iter().flatten() {
        let name = service.as_str().expect("a name").bytes().collect::<Vec<_>>();
        let name = url::form_urlencoded::byte_serialize(&name).collect::<String>();
        paths.push(format!("/api/traces?service={name}&start=0&end=9223372036854775807"));
    }
    let (_, found) = backend.get("/viewer/api/traces?limit=1000");
    for trace in found["traces"].as_array().into_iter().flatten() {
        let id = trace["trace_id"].as_str().expect("an id");
        let routes = ["/viewer/api/traces/", "/api/traces/", "/api/v3/traces/"];
        paths.extend(routes.map(|route| format!("{route}{id}")));
    }
    for path in paths {
        let (status, answer) = backend.get(&path);
        let empty = status == 404 && path.starts_with("/api/v3");
        assert!(status == 200 || empty, "{path}: {status} {answer}");
        assert!(!matches!(answer, Json::String(_)), "{path} answers no JSON: {answer}");
    }
}

#[test]
fn random_bytes_are_answered_whatever_they_are_called() {
    let backend = Backend::viewer();
    let types = prop_oneof![Just("application/x-protobuf"), Just("application/json")];
    let paths = prop_oneof![Just("/v1/traces"), Just("/v1/metrics"), Just("/v1/logs")];
    let bodies = prop_oneof![vec(any::<u8>(), 0..200), any::<String>().prop_map(Into::into)];

    check((types, paths, bodies, any::<bool>()), 400, |(content_type, path, body, packed)| {
        let mut request = backend.otlp(path).header("content-type", content_type).body(body);
        if packed {
            request = request.header("content-encoding", "gzip");
        }
        let status = request.send().expect("an answer").status().as_u16();
        assert!([200, 400].contains(&status), "{status}");
    });

    assert_eq!(backend.get("/viewer/api/stats").0, 200);
}

#[test]
fn requests_with_damaged_bytes_are_answered() {
    let backend = Backend::viewer();

    let damages = vec((any::<prop::sample::Index>(), any::<u8>()), 1..4);
    check((requests(), damages), 150, |(request, damages)| {
        let mut body = request.encode_to_vec();
        for (place, byte) in damages {
            if !body.is_empty() {
                let place = place.index(body.len());
                body[place] = byte;
            }
        }
        let answer = backend.post("/v1/traces", "application/x-protobuf", body);
        assert!([200, 400].contains(&answer.status().as_u16()), "{answer:?}");
    });

    ask_everything(&backend);
}

#[test]
fn whatever_is_taken_is_counted_bounded_and_can_be_asked_for() {
    let backend = Backend::with(Config { max_spans: 100, ..Config::on_free_ports() });

    check(requests(), 60, |request| {
        backend.send(&request);
        let (_, stats) = backend.get("/viewer/api/stats");
        assert!(stats["spans"].as_u64().is_some_and(|spans| spans <= 100), "{stats}");
        ask_everything(&backend);
    });

    let (_, stats) = backend.get("/viewer/api/stats");
    let traces = &stats["signals"]["traces"];
    let count = |name: &str| traces[name].as_u64().unwrap_or_default();
    assert_eq!(count("received"), count("accepted") + count("rejected"));
    let accepted = count("accepted");
    let stored = backend.stats_when_stored(accepted);
    let sum: u64 = ["/spans", "/evicted/spans", "/duplicates", "/overflow"]
        .iter()
        .filter_map(|path| stored.pointer(path)?.as_u64())
        .sum();
    assert_eq!(sum, accepted);
}
