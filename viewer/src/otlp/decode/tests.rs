//! The decoder by itself: what it takes in either form, that both forms mean the same, and what it
//! says of the rest.

mod logs;
mod metrics;
#[path = "../../../fuzz/otlp_json.rs"]
mod otlp_json;

use std::io::Write;

use flate2::Compression as Level;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{
    AnyValue, ArrayValue, InstrumentationScope, KeyValue, KeyValueList,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::{Event, Link};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span as OtlpSpan, Status};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::test_runner::{RngAlgorithm, TestRng, TestRunner};
use prost::Message as _;
use ruzstd::encoding::{CompressionLevel, compress_to_vec};
use serde_json::{Value as Json, json};

use super::*;
use crate::budget::Budget;
use crate::fuzzing::{self, Form};
use crate::otlp::limits;
use crate::store::model::{Attribute, Kind, Value};

const LIMIT: usize = 1 << 20;

fn decode_compressed(
    signal: Signal,
    encoding: Encoding,
    compression: Compression,
    body: &[u8],
) -> Result<Decoded, Failure> {
    Decoder::new(LIMIT, 4 * LIMIT).decode(Request {
        signal,
        encoding,
        compression,
        body: body.to_vec().into(),
        reservation: Budget::new(0).reservation(),
    })
}

fn decode_json(body: &Json) -> Result<Decoded, Failure> {
    let body = body.to_string();
    decode_compressed(Signal::Traces, Encoding::Json, Compression::None, body.as_bytes())
}

/// A request with one span that has these fields beside its ids.
fn with_span(fields: Json) -> Json {
    let mut span =
        json!({"traceId": "0af7651916cd43dd8448eb211c80319c", "spanId": "b7ad6b7169203331"});
    if let (Json::Object(span), Json::Object(fields)) = (&mut span, fields) {
        span.extend(fields);
    }
    json!({"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]})
}

/// The one span of a request that is taken whole.
fn span(fields: Json) -> Span {
    let decoded = decode_json(&with_span(fields)).expect("OTLP");
    assert_eq!(decoded.taken.rejected, 0, "{:?}", decoded.taken.reason);
    (*decoded.spans[0].1).clone()
}

/// The value of the one attribute that a span has.
fn value(value: Json) -> Value {
    span(json!({"attributes": [{"key": "k", "value": value}]})).attributes[0].value.clone()
}

/// What a request is refused for.
fn refused(body: Json) -> String {
    decode_json(&body).expect_err("no OTLP").to_string()
}

#[test]
fn numbers_may_be_strings_and_strings_that_are_numbers_may_be_numbers() {
    let strings = span(json!({
        "kind": "2", "flags": "257", "droppedEventsCount": "3",
        "startTimeUnixNano": "1795730000000000001", "endTimeUnixNano": "18446744073709551615",
    }));
    let numbers = span(json!({
        "kind": 2, "flags": 257, "droppedEventsCount": 3.0,
        "startTimeUnixNano": 1_795_730_000_000_000_001_u64,
        "endTimeUnixNano": 18_446_744_073_709_551_615_u64,
    }));

    assert_eq!(strings, numbers);
    assert_eq!((strings.start, strings.end), (1_795_730_000_000_000_001, u64::MAX));
    assert_eq!(value(json!({"intValue": "-9223372036854775808"})), Value::Int(i64::MIN));
    assert_eq!(value(json!({"intValue": -5})), Value::Int(-5));
    assert_eq!(value(json!({"intValue": "1e3"})), Value::Int(1000));
}

#[test]
fn doubles_are_read_to_the_last_digit_and_may_be_none() {
    let double = |written: Json| match value(json!({"doubleValue": written})) {
        Value::Double(number) => number.0,
        other => panic!("{other:?}"),
    };

    assert!(double(json!("NaN")).is_nan());
    assert_eq!(double(json!("Infinity")), f64::INFINITY);
    assert_eq!(double(json!("-Infinity")), f64::NEG_INFINITY);
    assert_eq!(double(json!("1.5")), 1.5);
    assert_eq!(double(json!(3)), 3.0);
    for number in [0.1, 1.0 / 3.0, 5e-324, f64::MAX, 9_007_199_254_740_993.0, -0.0] {
        assert_eq!(double(json!(number)).to_bits(), f64::to_bits(number), "{number}");
    }
}

#[test]
fn lists_and_maps_may_be_empty_left_out_or_null() {
    let list = Value::Array(Box::new([]));
    let map = Value::Map(Box::new([]));

    for empty in [json!({}), json!({"values": []}), json!({"values": null})] {
        assert_eq!(value(json!({ "arrayValue": empty })), list);
        assert_eq!(value(json!({ "kvlistValue": empty })), map);
    }
    assert_eq!(value(json!({"arrayValue": null})), Value::Empty);
    assert_eq!(value(json!({"arrayValue": {"values": [null, {"boolValue": true}]}})), {
        Value::Array(Box::new([Value::Empty, Value::Bool(true)]))
    });
    let nulls = span(json!({"name": null, "events": null, "status": null, "kind": null}));
    assert_eq!(nulls, span(json!({})));
}

#[test]
fn fields_have_two_names_and_unknown_ones_are_skipped() {
    let camel = span(json!({"startTimeUnixNano": 7, "droppedLinksCount": 1, "traceState": "a=b"}));
    let snake = span(json!({
        "start_time_unix_nano": 7, "dropped_links_count": 1, "trace_state": "a=b",
        "unknown": [[[{"deep": [1, "2", null, true]}]]], "another": {"a": {}},
    }));

    assert_eq!(camel, snake);
}

#[test]
fn enumerations_have_names_and_numbers() {
    let named = span(json!({
        "kind": "SPAN_KIND_CLIENT", "status": {"code": "STATUS_CODE_ERROR", "message": "m"},
    }));

    assert_eq!(named, span(json!({"kind": 3, "status": {"code": 2, "message": "m"}})));
    assert_eq!((named.kind, named.status), (Kind::Client, crate::store::model::Status::Error));
    assert_eq!(span(json!({"kind": 77})).kind, Kind::Unspecified);
}

#[test]
fn ids_are_hex_in_either_case_and_bytes_are_base64_in_either_alphabet() {
    let upper = span(json!({"parentSpanId": "00F067AA0BA902B7"}));

    assert_eq!(upper, span(json!({"parentSpanId": "00f067aa0ba902b7"})));
    for written in ["+/8=", "+/8", "-_8=", "-_8"] {
        assert_eq!(value(json!({ "bytesValue": written })), Value::Bytes([251, 255].into()));
    }
}

#[test]
fn a_span_that_cannot_be_read_is_left_out_with_its_path_and_the_others_are_kept() {
    let id = |last: u8| format!("b7ad6b71692033{last:02x}");
    let trace = "0af7651916cd43dd8448eb211c80319c";
    let bad = [
        (json!([]), "", "expected an object, found a list"),
        (json!({"name": 7}), ".name", "expected a string, found 7"),
        (
            json!({"kind": "SERVER"}),
            ".kind",
            "expected one of the enumeration's names or numbers, found \"SERVER\"",
        ),
        (
            json!({"kind": true}),
            ".kind",
            "expected one of the enumeration's names or numbers, found true",
        ),
        (json!({"attributes": {}}), ".attributes", "expected a list, found an object"),
        (json!({"status": []}), ".status", "expected an object, found a list"),
        (
            json!({"flags": -1}),
            ".flags",
            "expected a whole number of 32 bits, not negative, found -1",
        ),
        (
            json!({"startTimeUnixNano": 1.5}),
            ".startTimeUnixNano",
            "expected a whole number of 64 bits, not negative, found 1.5",
        ),
        (
            json!({"links": [{}, {"traceId": 1}]}),
            ".links[1].traceId",
            "expected a string of hex digits, found 1",
        ),
        (
            json!({"attributes": [{"key": "a"}, {"key": "b", "value": {"arrayValue": {"values": [{"intValue": "x"}]}}}]}),
            ".attributes[1].value.arrayValue.values[0].intValue",
            "expected a whole number of 64 bits, found \"x\"",
        ),
        (
            json!({"attributes": [{"value": {"doubleValue": "1e999"}}]}),
            ".attributes[0].value.doubleValue",
            "expected a number, found \"1e999\"",
        ),
        (
            json!({"attributes": [{"value": {"doubleValue": "inf"}}]}),
            ".attributes[0].value.doubleValue",
            "expected a number, found \"inf\"",
        ),
        (
            json!({"attributes": [{"value": {"bytesValue": "*"}}]}),
            ".attributes[0].value.bytesValue",
            "expected base64, found \"*\"",
        ),
    ];
    for (fields, path, what) in bad {
        let mut faulty = fields.clone();
        if let Json::Object(faulty) = &mut faulty {
            faulty.insert("traceId".into(), trace.into());
            faulty.insert("spanId".into(), id(1).into());
        }
        let good = |last| json!({"traceId": trace, "spanId": id(last), "name": "neighbour"});
        let spans = json!([good(2), faulty, good(3)]);

        let decoded =
            decode_json(&json!({"resourceSpans": [{"scopeSpans": [{ "spans": spans }]}]}));

        let decoded = decoded.expect("the neighbours are OTLP");
        let names: Vec<_> = decoded.spans.iter().map(|(_, span)| &*span.name).collect();
        assert_eq!(names, ["neighbour", "neighbour"], "{fields}");
        assert_eq!((decoded.taken.received, decoded.taken.rejected), (3, 1));
        let reason = format!("resourceSpans[0].scopeSpans[0].spans[1]{path}: {what}");
        assert_eq!(decoded.taken.reason, Some(reason));
    }
}

#[test]
fn ids_that_are_none_are_told_with_their_path() {
    let reason = |ids: Json| {
        let body = json!({"resourceSpans": [{"scopeSpans": [{"spans": [ids]}]}]});
        decode_json(&body).expect("OTLP").taken.reason.unwrap_or_default()
    };
    let span = "resourceSpans[0].scopeSpans[0].spans[0]";

    assert_eq!(reason(json!({})), format!("{span}.traceId is missing or all zeroes"));
    assert_eq!(reason(Json::Null), format!("{span}.traceId is missing or all zeroes"));
    assert_eq!(
        reason(json!({"traceId": "0af7651916cd43dd8448eb211c80319c", "spanId": "xyz"})),
        format!("{span}.spanId \"xyz\" is not 16 hex digits")
    );
}

#[test]
fn a_resource_or_scope_that_cannot_be_read_takes_only_its_own_spans_along() {
    let spans = with_span(json!({}))["resourceSpans"][0]["scopeSpans"][0]["spans"].clone();
    let good = json!({"scope": {"name": "good"}, "spans": spans});
    let bad_scope = json!({"scope": {"name": 1}, "spans": spans});
    let decoded = decode_json(&json!({"resourceSpans": [
        {"resource": {"attributes": 5}, "scopeSpans": [good, good]},
        {"scopeSpans": [bad_scope, good]},
        {"scopeSpans": [{"spans": spans, "schemaUrl": 5}]},
    ]}))
    .expect("one group is OTLP");

    assert_eq!((decoded.taken.received, decoded.taken.rejected), (5, 4));
    assert_eq!(decoded.spans.len(), 1);
    assert_eq!(&*decoded.spans[0].1.scope.name, "good");
    assert_eq!(
        decoded.taken.reason.as_deref(),
        Some("resourceSpans[0].resource.attributes: expected a list, found 5")
    );
}

#[test]
fn what_comes_after_the_spans_is_theirs_as_well() {
    let spans = with_span(json!({}))["resourceSpans"][0]["scopeSpans"][0]["spans"].clone();
    let text = json!([
        "{\"resourceSpans\":[{\"scopeSpans\":[{\"spans\":",
        spans.to_string(),
        ",\"schemaUrl\":\"s\",\"scope\":{\"name\":\"late\"}}],\"resource\":{\"attributes\":\
         [{\"key\":\"service.name\",\"value\":{\"stringValue\":\"later\"}}]}}]}",
    ]);
    let text: String = text.as_array().into_iter().flatten().filter_map(Json::as_str).collect();

    let decoded =
        decode_compressed(Signal::Traces, Encoding::Json, Compression::None, text.as_bytes())
            .expect("OTLP");

    let span = &decoded.spans[0].1;
    assert_eq!((&*span.scope.name, &*span.scope.schema_url), ("late", "s"));
    assert_eq!(&**span.service(), "later");
}

#[test]
fn what_is_no_request_is_refused_and_named() {
    assert_eq!(
        refused(json!({"resourceSpans": 7})),
        "cannot decode the request: resourceSpans: expected a list, found 7"
    );
    assert_eq!(
        refused(json!([])),
        "cannot decode the request: the request: expected an object, found a list"
    );
    assert_eq!(
        refused(json!(null)),
        "cannot decode the request: the request: expected an object, found null"
    );
    assert_eq!(
        refused(with_span(json!({"name": 7}))),
        "cannot decode the request: resourceSpans[0].scopeSpans[0].spans[0].name: \
         expected a string, found 7"
    );
    for text in ["", "{", "{}x", "{\"resourceSpans\":[{]}", "\u{feff}{}"] {
        let refused =
            decode_compressed(Signal::Traces, Encoding::Json, Compression::None, text.as_bytes());
        assert!(matches!(refused, Err(Failure::Malformed(_))), "{text:?}: {refused:?}");
    }
}

#[test]
fn a_broken_span_in_protobuf_is_left_out_with_its_path() {
    let good = OtlpSpan { trace_id: vec![1; 16], span_id: vec![2; 8], ..OtlpSpan::default() };
    let attribute = KeyValue { key: "key".into(), ..KeyValue::default() };
    let bad = OtlpSpan { attributes: vec![attribute; 2], ..good.clone() };
    let scope_spans = vec![ScopeSpans { spans: vec![good, bad], ..ScopeSpans::default() }];
    let request = ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans { scope_spans, ..ResourceSpans::default() }],
    };
    let mut body = request.encode_to_vec();
    // The last byte of the last key, which then is not UTF-8.
    let last = body.len() - 1;
    body[last] = 0xff;

    let decoded = decode_compressed(Signal::Traces, Encoding::Protobuf, Compression::None, &body);

    let decoded = decoded.expect("the neighbour is OTLP");
    assert_eq!((decoded.spans.len(), decoded.taken.rejected), (1, 1));
    assert_eq!(
        decoded.taken.reason.as_deref(),
        Some(
            "resourceSpans[0].scopeSpans[0].spans[1].attributes[1].key: \
             not UTF-8: invalid utf-8 sequence of 1 bytes from index 2"
        )
    );
}

#[test]
fn an_attribute_of_an_unusual_form_means_the_same() {
    /// A field of bytes whose length takes two bytes though one would do.
    fn field(number: u8, content: &[u8]) -> Vec<u8> {
        let length = u8::try_from(content.len()).expect("a short field");
        assert!(length < 128);
        [&[number << 3 | 2, length | 128, 0][..], content].concat()
    }
    let read = |entries: &[Vec<u8>]| {
        let ids = [field(1, &[1; 16]), field(2, &[2; 8])].concat();
        let entries: Vec<_> = entries.iter().flat_map(|entry| field(9, entry)).collect();
        let body = field(1, &field(2, &field(2, &[ids, entries].concat())));
        let read = decode_compressed(Signal::Traces, Encoding::Protobuf, Compression::None, &body);
        // A request of which nothing can be read is refused.
        let Decoded { spans, taken, .. } = read.map_err(|refused| refused.to_string())?;
        assert_eq!((spans.len(), taken.rejected), (1, 0));
        Ok::<_, String>(spans[0].1.attributes.clone())
    };
    let key = |key: &str| field(1, key.as_bytes());
    let text = |text: &[u8]| field(2, &field(1, text));
    let usual = [b"\x0a\x01k\x12\x03\x0a\x01v".to_vec()];
    let expected = |value| Ok([Attribute { key: "k".into(), value }].into());

    let same = expected(Value::String("v".into()));
    assert_eq!(read(&usual), same);
    for unusual in [
        [key("k"), text(b"v")].concat(),
        [text(b"v"), key("k")].concat(),
        [key("x"), key("k"), text(b"v")].concat(),
        [key("k"), text(b"x"), text(b"v")].concat(),
        [key("k"), text(b"v"), vec![15 << 3, 1]].concat(),
        [key("k"), field(2, &[field(1, b"v"), vec![15 << 3, 1]].concat())].concat(),
        [key("k"), field(2, &[vec![3 << 3, 1], field(1, b"v")].concat())].concat(),
    ] {
        assert_eq!(read(std::slice::from_ref(&unusual)), same, "{unusual:?}");
    }
    assert_eq!(read(&[[key("k"), field(2, &[3 << 3, 129, 0])].concat()]), expected(Value::Int(1)));
    assert_eq!(read(&[[key("k"), field(2, &[2 << 3, 2])].concat()]), expected(Value::Bool(true)));
    assert_eq!(read(&[key("k")]), expected(Value::Empty));
    for (wrong, path) in [
        ([field(1, &[255]), text(b"v")].concat(), "key: not UTF-8"),
        ([key("k"), text(&[255])].concat(), "value.stringValue: not UTF-8"),
        ([key("k"), field(2, &[4 << 3 | 1, 0])].concat(), "value: "),
    ] {
        let refused = read(&[wrong]).expect_err("no OTLP");
        assert!(refused.contains(&format!("attributes[0].{path}")), "{refused}");
    }
}

#[test]
fn metrics_and_logs_are_counted() {
    let count = |signal, body: Json| {
        let body = body.to_string();
        let decoded = decode_compressed(signal, Encoding::Json, Compression::None, body.as_bytes());
        decoded.map(|decoded| decoded.taken.received).map_err(|failure| failure.to_string())
    };
    let empty_list = json!([{"key": "l", "value": {"arrayValue": {}}}]);

    assert_eq!(
        count(
            Signal::Logs,
            json!({"resourceLogs": [{"scopeLogs": [{"logRecords": [{ "attributes": empty_list }, {}]}]}]})
        ),
        Ok(2)
    );
    assert_eq!(
        count(
            Signal::Metrics,
            json!({"resourceMetrics": [{"scopeMetrics": [{"metrics": [
                {"gauge": {"dataPoints": [{}, {}]}}, {"summary": {"dataPoints": [{}]}}, {"sum": {}},
            ]}]}]})
        ),
        Ok(3)
    );
    assert_eq!(
        count(Signal::Logs, json!({"resourceLogs": [{"scopeLogs": [{"logRecords": [[]]}]}]})),
        Err(String::from(
            "cannot decode the request: resourceLogs[0].scopeLogs[0].logRecords[0]: \
             expected an object, found a list"
        ))
    );
}

#[test]
fn bodies_may_be_packed_in_each_way() {
    let body = with_span(json!({"name": "compressed"})).to_string();
    let body = body.as_bytes();
    let mut gzip = GzEncoder::new(Vec::new(), Level::fast());
    let mut zlib = ZlibEncoder::new(Vec::new(), Level::fast());
    let mut bare = DeflateEncoder::new(Vec::new(), Level::fast());
    gzip.write_all(body).expect("memory");
    zlib.write_all(body).expect("memory");
    bare.write_all(body).expect("memory");
    let gzip = gzip.finish().expect("memory");
    let zstd = compress_to_vec(body, CompressionLevel::Fastest);
    // A body may be compressed in several pieces.
    let (first, second) = body.split_at(20);
    let frames = [first, second].map(|part| compress_to_vec(part, CompressionLevel::Fastest));

    for (compression, compressed) in [
        (Compression::None, body.to_vec()),
        (Compression::Gzip, gzip.clone()),
        (Compression::Deflate, zlib.finish().expect("memory")),
        (Compression::Deflate, bare.finish().expect("memory")),
        (Compression::Zstd, zstd.clone()),
        (Compression::Zstd, frames.concat()),
    ] {
        let decoded = decode_compressed(Signal::Traces, Encoding::Json, compression, &compressed);
        let decoded = decoded.unwrap_or_else(|failure| panic!("{compression:?}: {failure}"));
        assert_eq!(&*decoded.spans[0].1.name, "compressed");
    }
    for (compression, compressed) in [(Compression::Gzip, gzip), (Compression::Zstd, zstd)] {
        let cut = &compressed[..compressed.len() - 5];
        let refused = decode_compressed(Signal::Traces, Encoding::Json, compression, cut);
        assert!(matches!(refused, Err(Failure::Malformed(_))), "{compression:?}: {refused:?}");
    }
}

#[test]
fn unpacking_ends_where_the_limit_is() {
    let zeroes = vec![0; 20 * LIMIT];
    let mut gzip = GzEncoder::new(Vec::new(), Level::best());
    gzip.write_all(&zeroes).expect("memory");
    let bombs = [
        (Compression::Gzip, gzip.finish().expect("memory")),
        (Compression::Zstd, compress_to_vec(&*zeroes, CompressionLevel::Fastest)),
    ];

    for (compression, bomb) in bombs {
        let mut decompressed = Buffer::for_more_than(LIMIT, Vec::new());
        let refused = decompress(compression, &bomb, LIMIT, &mut decompressed);

        assert!(matches!(refused, Err(Failure::TooLarge { .. })), "{compression:?}: {refused:?}");
        assert!(
            decompressed.capacity() < 2 * LIMIT,
            "{compression:?}: {}",
            decompressed.capacity()
        );
    }
}

#[test]
fn a_zstd_frame_that_wants_a_large_window_is_refused_before_it_gets_one() {
    // A frame header that asks for a window of 2 GiB, and an empty last block.
    let frame = [0x28, 0xb5, 0x2f, 0xfd, 0x00, 0xa8, 0x01, 0x00, 0x00];

    let refused = decode_compressed(Signal::Traces, Encoding::Protobuf, Compression::Zstd, &frame);

    assert!(matches!(refused, Err(Failure::Malformed(_))), "{refused:?}");
}

fn nested_array(levels: usize) -> Json {
    (0..levels).fold(json!({}), |inner, _| json!({"arrayValue": {"values": [inner]}}))
}

#[test]
fn a_value_nested_too_deep_is_cut_and_counted() {
    let deep = span(json!({"attributes": [{"key": "k", "value": nested_array(30)}]}));

    let mut levels = 0;
    let mut value = &deep.attributes[0].value;
    while let Value::Array(values) = value {
        levels += 1;
        value = &values[0];
    }
    assert_eq!(levels, limits::DEPTH);
    assert_eq!(deep.extra.map(|extra| extra.cut), Some(1));
}

#[test]
fn a_value_with_too_many_parts_is_cut_and_counted() {
    let row = json!({"arrayValue": {"values": vec![json!({"intValue": 1}); 200]}});
    let table = json!({"arrayValue": {"values": vec![row; 200]}});

    let span = span(json!({"attributes": [{"key": "k", "value": table}]}));

    let Value::Array(rows) = &span.attributes[0].value else { panic!("an array stays one") };
    let cells = |row: &Value| match row {
        Value::Array(cells) => cells.len(),
        _ => 0,
    };
    // Five rows whole, one in part; the rows after that are cut, each as one part.
    let kept: usize = rows.iter().map(cells).sum();
    assert_eq!((rows.len(), rows.len() + kept), (6, limits::NESTED_VALUES));
    let cuts = 200 - cells(&rows[5]) + 200 - rows.len();
    assert_eq!(span.extra.map(|extra| extra.cut as usize), Some(cuts));
}

#[test]
fn a_service_is_found_after_however_many_attributes() {
    let mut attributes: Vec<_> =
        (0..400).map(|number| json!({"key": format!("k{number}")})).collect();
    for service in ["store", "another"] {
        attributes.push(json!({"key": "service.name", "value": {"stringValue": service}}));
    }
    let mut request = with_span(json!({}));
    request["resourceSpans"][0]["resource"] = json!({ "attributes": attributes });

    let decoded = decode_json(&request).expect("OTLP");

    let resource = &decoded.spans[0].1.resource;
    assert_eq!((&*resource.service, resource.attributes.len()), ("store", limits::ATTRIBUTES + 1));
}

#[test]
fn memory_that_is_spent_ends_the_reading_and_is_given_back() {
    let trace_id = vec![1; 16];
    let span = |id: u64| OtlpSpan {
        trace_id: trace_id.clone(),
        span_id: id.to_be_bytes().to_vec(),
        name: format!("name {id}"),
        ..OtlpSpan::default()
    };
    let spans = (1..100_000).map(span).collect();
    let request = ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans {
            scope_spans: vec![ScopeSpans { spans, ..ScopeSpans::default() }],
            ..ResourceSpans::default()
        }],
    };
    let mut decoder = Decoder::new(usize::MAX, LIMIT);

    let refused = decoder.decode(Request {
        signal: Signal::Traces,
        encoding: Encoding::Protobuf,
        compression: Compression::None,
        body: request.encode_to_vec().into(),
        reservation: Budget::new(0).reservation(),
    });

    assert!(matches!(refused, Err(Failure::TooExpensive { .. })), "{refused:?}");
    // But for the names of the span that was being read.
    assert!(decoder.names.bytes() < 1000, "{}", decoder.names.bytes());
}

/// Runs `property` so often, always with the same values.
fn check<S: Strategy>(strategy: S, cases: u32, property: impl Fn(S::Value)) {
    let config = ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() };
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let checked = TestRunner::new_with_rng(config, rng).run(&strategy, |value| {
        property(value);
        Ok(())
    });
    assert!(checked.is_ok(), "{checked:?}");
}

fn any_value() -> impl Strategy<Value = AnyValue> {
    let leaf = prop_oneof![
        any::<String>().prop_map(Any::StringValue),
        any::<bool>().prop_map(Any::BoolValue),
        any::<i64>().prop_map(Any::IntValue),
        any::<f64>().prop_map(Any::DoubleValue),
        vec(any::<u8>(), 0..20).prop_map(Any::BytesValue),
        any::<i32>().prop_map(Any::StringValueStrindex),
    ];
    let leaf = option::of(leaf).prop_map(|value| AnyValue { value });
    leaf.prop_recursive(12, 64, 4, |inner| {
        let map = vec((any::<String>(), inner.clone()), 0..4).prop_map(|entries| {
            let entries = entries.into_iter().map(|(key, value)| KeyValue {
                key,
                value: Some(value),
                ..KeyValue::default()
            });
            Any::KvlistValue(KeyValueList { values: entries.collect() })
        });
        let array = vec(inner, 0..4).prop_map(|values| Any::ArrayValue(ArrayValue { values }));
        prop_oneof![map, array].prop_map(|value| AnyValue { value: Some(value) })
    })
}

fn attributes() -> impl Strategy<Value = Vec<KeyValue>> {
    let key = prop_oneof![any::<String>(), Just("service.name".to_owned())];
    let entry = (key, option::of(any_value()));
    vec(entry.prop_map(|(key, value)| KeyValue { key, value, ..KeyValue::default() }), 0..4)
}

/// An id that is mostly one.
fn id(bytes: usize) -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![9 => vec(any::<u8>(), bytes), 1 => vec(any::<u8>(), 0..20), 1 => Just(vec![0; bytes])]
}

fn counts() -> impl Strategy<Value = (u32, u32, u32, u32)> {
    (any::<u32>(), 0..2_u32, 0..2_u32, any::<u32>())
}

fn otlp_span() -> impl Strategy<Value = OtlpSpan> {
    let ids = (id(16), id(8), prop_oneof![id(8), Just(vec![])]);
    let link = (id(16), id(8), attributes(), any::<String>(), any::<u32>());
    let link = link.prop_map(|(trace_id, span_id, attributes, trace_state, flags)| Link {
        trace_id,
        span_id,
        attributes,
        trace_state,
        flags,
        dropped_attributes_count: flags / 2,
    });
    let event = (any::<u64>(), any::<String>(), attributes(), any::<u32>());
    let event = event.prop_map(|(time_unix_nano, name, attributes, dropped)| Event {
        time_unix_nano,
        name,
        attributes,
        dropped_attributes_count: dropped,
    });
    let status = option::of((any::<String>(), prop_oneof![0..3, any::<i32>()]))
        .prop_map(|status| status.map(|(message, code)| Status { message, code }));
    let lists = (attributes(), vec(link, 0..3), vec(event, 0..3), status);
    let scalars = (
        any::<String>(),
        any::<String>(),
        prop_oneof![0..6, any::<i32>()],
        (any::<u64>(), any::<u64>()),
        counts(),
    );
    (ids, scalars, lists).prop_map(|((trace_id, span_id, parent_span_id), scalars, lists)| {
        let (name, trace_state, kind, (start, end), dropped) = scalars;
        let (attributes, links, events, status) = lists;
        OtlpSpan {
            trace_id,
            span_id,
            parent_span_id,
            name,
            trace_state,
            kind,
            start_time_unix_nano: start,
            end_time_unix_nano: end,
            attributes,
            dropped_attributes_count: dropped.0,
            links,
            dropped_links_count: dropped.1,
            events,
            dropped_events_count: dropped.2,
            status,
            flags: dropped.3,
        }
    })
}

fn requests() -> impl Strategy<Value = ExportTraceServiceRequest> {
    let scope = (any::<String>(), any::<String>(), attributes(), any::<u32>());
    let scope = scope.prop_map(|(name, version, attributes, dropped)| InstrumentationScope {
        name,
        version,
        attributes,
        dropped_attributes_count: dropped,
    });
    let scope_spans = (option::of(scope), vec(otlp_span(), 0..4), any::<String>());
    let scope_spans =
        scope_spans.prop_map(|(scope, spans, schema_url)| ScopeSpans { scope, spans, schema_url });
    let resource = (attributes(), any::<u32>()).prop_map(|(attributes, dropped)| Resource {
        attributes,
        dropped_attributes_count: dropped,
        ..Resource::default()
    });
    let group = (option::of(resource), vec(scope_spans, 0..3), any::<String>());
    let group = group.prop_map(|(resource, scope_spans, schema_url)| ResourceSpans {
        resource,
        scope_spans,
        schema_url,
    });
    vec(group, 0..3).prop_map(|resource_spans| ExportTraceServiceRequest { resource_spans })
}

#[test]
fn a_request_means_the_same_in_both_forms() {
    check((requests(), any::<u64>()), 200, |(request, style)| {
        let json = otlp_json::to_json(&request, style);

        let protobuf = fuzzing::decode(Form::Protobuf, &request.encode_to_vec());

        assert!(protobuf.is_some());
        assert_eq!(protobuf, fuzzing::decode(Form::Json, json.as_bytes()), "{json}");
        if !request.resource_spans.is_empty() {
            assert_eq!(protobuf, fuzzing::decode(Form::File, json.as_bytes()), "{json}");
        }
    });
}

#[test]
fn whatever_bytes_come_are_answered() {
    let damages = || vec((any::<prop::sample::Index>(), any::<u8>()), 0..6);
    let damaged = |mut body: Vec<u8>, damages: Vec<(prop::sample::Index, u8)>| {
        for (place, byte) in damages {
            if !body.is_empty() {
                let place = place.index(body.len());
                body[place] = byte;
            }
        }
        body
    };
    check((requests(), any::<u64>(), damages()), 150, |(request, style, damages)| {
        let protobuf = damaged(request.encode_to_vec(), damages.clone());
        let json = damaged(otlp_json::to_json(&request, style).into_bytes(), damages);
        for body in [protobuf, json] {
            drop(fuzzing::decode(Form::Protobuf, &body));
            drop(fuzzing::decode(Form::Json, &body));
            drop(fuzzing::decode(Form::File, &body));
        }
    });
    check(vec(any::<u8>(), 0..300), 1_000, |body| {
        drop(fuzzing::decode(Form::Protobuf, &body));
        drop(fuzzing::decode(Form::Json, &body));
        drop(fuzzing::decode(Form::File, &body));
    });
    let jaeger = include_bytes!("../../../fuzz/corpus/file/jaeger.json");
    assert_eq!(fuzzing::decode(Form::File, jaeger).map(|outcome| outcome.received), Some(3));
    check(damages(), 1_000, |damages| {
        drop(fuzzing::decode(Form::File, &damaged(jaeger.to_vec(), damages)));
    });
}

#[test]
fn the_corpus_of_the_fuzz_targets_is_answered() {
    let corpus = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/corpus");
    for folder in std::fs::read_dir(corpus).expect("the corpus") {
        for file in std::fs::read_dir(folder.expect("a folder").path()).expect("a folder") {
            let body = std::fs::read(file.expect("a file").path()).expect("a file");
            drop(fuzzing::decode(Form::Protobuf, &body));
            drop(fuzzing::decode(Form::Json, &body));
            drop(fuzzing::decode(Form::File, &body));
        }
    }
}
