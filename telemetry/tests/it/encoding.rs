//! OTLP's encoding of spans means the same as that of opentelemetry-proto, for any span.

use opentelemetry::trace::{
    Event, Link, SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState,
};
use opentelemetry::{Array, InstrumentationScope, Key, KeyValue, StringValue, Value};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::transform::trace::tonic::group_spans_by_resource_and_scope;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use prost::Message as _;
use std::time::{Duration, SystemTime};
use telemetry::SpanEncoder;

/// What opentelemetry-proto makes of the spans.
fn reference(spans: Vec<SpanData>, resource: &Resource) -> ExportTraceServiceRequest {
    let resource_spans = group_spans_by_resource_and_scope(spans, &resource.into());
    ExportTraceServiceRequest { resource_spans }
}

/// What the encoder of this crate makes of them, decoded.
fn encoded(spans: &[SpanData], resource: &Resource) -> ExportTraceServiceRequest {
    // What is in the buffer already stays.
    let mut buffer = b"before".to_vec();
    SpanEncoder::new(resource).encode(spans, &mut buffer);
    let request = buffer.strip_prefix(b"before").expect("what was there");
    let decoded = ExportTraceServiceRequest::decode(request).expect("protobuf");
    // Each length is as short as it can be, and so the whole is as long as that of prost. Only a
    // time of 0 is written here and left out there.
    if !has_time_of_zero(&decoded) {
        assert_eq!(decoded.encoded_len(), request.len(), "{decoded:#?}");
    }
    decoded
}

fn has_time_of_zero(request: &ExportTraceServiceRequest) -> bool {
    let scopes = request.resource_spans.iter().flat_map(|resource| &resource.scope_spans);
    let spans = scopes.flat_map(|scope| &scope.spans);
    let mut times = spans.flat_map(|span| {
        let of_events = span.events.iter().map(|event| event.time_unix_nano);
        [span.start_time_unix_nano, span.end_time_unix_nano].into_iter().chain(of_events)
    });
    times.any(|time| time == 0)
}

fn texts() -> impl Strategy<Value = String> {
    // Lengths around those at which the length of the length grows.
    let long = prop_oneof![110..140_usize, 16_370..16_390_usize];
    prop_oneof![8 => ".{0,12}", 1 => long.prop_map(|length| "ä".repeat(length / 2) + "x")]
}

fn string_values() -> impl Strategy<Value = StringValue> {
    prop_oneof![
        texts().prop_map(StringValue::from),
        texts().prop_map(|text| StringValue::from(std::sync::Arc::<str>::from(text))),
        Just(StringValue::from("static")),
    ]
}

fn doubles() -> impl Strategy<Value = f64> {
    // Not NaN, which is equal to nothing.
    prop_oneof![any::<f64>().prop_filter("equal to itself", |one| !one.is_nan()), Just(-0.0)]
}

fn values() -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<bool>().prop_map(Value::Bool),
        prop_oneof![any::<i64>(), -3..3_i64].prop_map(Value::I64),
        doubles().prop_map(Value::F64),
        string_values().prop_map(Value::String),
        vec(any::<bool>(), 0..4).prop_map(|values| Value::Array(Array::Bool(values))),
        vec(any::<i64>(), 0..4).prop_map(|values| Value::Array(Array::I64(values))),
        vec(doubles(), 0..20).prop_map(|values| Value::Array(Array::F64(values))),
        vec(string_values(), 0..4).prop_map(|values| Value::Array(Array::String(values))),
    ]
}

fn attributes() -> impl Strategy<Value = Vec<KeyValue>> {
    let keys = prop_oneof![texts().prop_map(Key::from), Just(Key::from_static_str("http.route"))];
    vec((keys, values()).prop_map(|(key, value)| KeyValue::new(key, value)), 0..5)
}

fn contexts() -> impl Strategy<Value = SpanContext> {
    let states = vec(("[a-z][a-z0-9]{0,8}", "[!-+\\--<>-~]{1,20}"), 0..4)
        .prop_map(|pairs| TraceState::from_key_value(pairs).expect("valid pairs"));
    let span_ids = prop_oneof![9 => any::<u64>(), 1 => Just(0)].prop_map(SpanId::from);
    (any::<u128>().prop_map(TraceId::from), span_ids, any::<u8>(), any::<bool>(), states).prop_map(
        |(trace, span, flags, is_remote, state)| {
            SpanContext::new(trace, span, TraceFlags::new(flags), is_remote, state)
        },
    )
}

fn times() -> impl Strategy<Value = SystemTime> {
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
    prop_oneof![
        8 => (0..10_000_000_000_u64).prop_map(move |nanos| now + Duration::from_nanos(nanos)),
        1 => Just(SystemTime::UNIX_EPOCH),
        1 => Just(SystemTime::UNIX_EPOCH - Duration::from_secs(5)),
        1 => Just(SystemTime::UNIX_EPOCH + Duration::from_secs(1 << 36)),
    ]
}

fn counts() -> impl Strategy<Value = u32> {
    prop_oneof![3 => Just(0), 1 => any::<u32>(), 1 => 1..200_u32]
}

prop_compose! {
    fn events()(
        of in vec((texts(), times(), attributes(), counts()), 0..3),
        dropped_count in counts(),
    ) -> SpanEvents {
        let mut events = SpanEvents::default();
        events.events = of.into_iter().map(|(name, at, of, lost)| Event::new(name, at, of, lost)).collect();
        events.dropped_count = dropped_count;
        events
    }
}

prop_compose! {
    fn links()(
        of in vec((contexts(), attributes(), counts()), 0..3),
        dropped_count in counts(),
    ) -> SpanLinks {
        let mut links = SpanLinks::default();
        links.links = of.into_iter().map(|(to, of, lost)| Link::new(to, of, lost)).collect();
        links.dropped_count = dropped_count;
        links
    }
}

fn kinds() -> impl Strategy<Value = SpanKind> {
    prop_oneof![
        Just(SpanKind::Internal),
        Just(SpanKind::Server),
        Just(SpanKind::Client),
        Just(SpanKind::Producer),
        Just(SpanKind::Consumer),
    ]
}

fn statuses() -> impl Strategy<Value = Status> {
    prop_oneof![Just(Status::Unset), Just(Status::Ok), texts().prop_map(Status::error)]
}

/// Scopes of which some differ in one part only.
fn scopes() -> impl Strategy<Value = InstrumentationScope> {
    let names = prop_oneof![Just("store"), Just("actix"), Just("")];
    let parts = || option::of(prop_oneof![Just("1.2"), Just(""), Just("https://o.io/1.0")]);
    let own = vec(values().prop_map(|value| KeyValue::new("part", value)), 0..2);
    (names, parts(), parts(), own).prop_map(|(name, version, schema_url, attributes)| {
        let mut scope = InstrumentationScope::builder(name).with_attributes(attributes);
        if let Some(version) = version {
            scope = scope.with_version(version);
        }
        if let Some(schema_url) = schema_url {
            scope = scope.with_schema_url(schema_url);
        }
        scope.build()
    })
}

prop_compose! {
    fn spans()(
        span_context in contexts(),
        parent in (prop_oneof![any::<u64>(), Just(0)], any::<bool>()),
        name in texts(),
        of_kind in (kinds(), statuses()),
        (start_time, end_time) in (times(), times()),
        attributes in attributes(),
        dropped_attributes_count in counts(),
        events in events(),
        links in links(),
        instrumentation_scope in scopes(),
    ) -> SpanData {
        SpanData {
            span_context,
            parent_span_id: SpanId::from(parent.0),
            parent_span_is_remote: parent.1,
            span_kind: of_kind.0,
            name: name.into(),
            start_time,
            end_time,
            attributes,
            dropped_attributes_count,
            events,
            links,
            status: of_kind.1,
            instrumentation_scope,
        }
    }
}

fn resources() -> impl Strategy<Value = Resource> {
    (attributes(), option::of(texts())).prop_map(|(attributes, schema_url)| match schema_url {
        Some(url) => Resource::builder_empty().with_schema_url(attributes, url).build(),
        None => Resource::builder_empty().with_attributes(attributes).build(),
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(256) })]

    #[test]
    fn any_spans_are_encoded_as_opentelemetry_proto_encodes_them(
        spans in vec(spans(), 0..12),
        resource in resources(),
    ) {
        let expected = reference(spans.clone(), &resource);
        prop_assert_eq!(encoded(&spans, &resource), expected);
    }
}

#[test]
fn a_request_of_many_scopes_and_of_more_than_two_mebibytes_is_encoded_the_same() {
    let name = |index: usize| format!("{index} {}", "potato ".repeat(100));
    let span = |index: usize| SpanData {
        span_context: SpanContext::empty_context(),
        parent_span_id: SpanId::INVALID,
        parent_span_is_remote: false,
        span_kind: SpanKind::Internal,
        name: name(index).into(),
        start_time: SystemTime::UNIX_EPOCH + Duration::from_secs(1),
        end_time: SystemTime::UNIX_EPOCH + Duration::from_secs(2),
        attributes: vec![],
        dropped_attributes_count: 0,
        events: SpanEvents::default(),
        links: SpanLinks::default(),
        status: Status::Unset,
        instrumentation_scope: InstrumentationScope::builder((index % 700).to_string()).build(),
    };
    let spans: Vec<_> = (0..4_096).map(span).collect();
    let resource = Resource::builder_empty().build();
    assert_eq!(encoded(&spans, &resource), reference(spans, &resource));
}
