//! Log records: what is taken of them in either form, and what is not.

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::logs::v1::{LogRecord as OtlpRecord, ResourceLogs, ScopeLogs};

use super::*;
use crate::store::model::{LogRecord, Severity};

fn decode(body: &Json) -> Result<Decoded, Failure> {
    let body = body.to_string();
    decode_compressed(Signal::Logs, Encoding::Json, Compression::None, body.as_bytes())
}

/// A request with these records.
fn with_records(records: Json) -> Json {
    json!({"resourceLogs": [{"scopeLogs": [{ "logRecords": records }]}]})
}

/// The one record of a request that is taken whole.
fn record(fields: Json) -> LogRecord {
    let decoded = decode(&with_records(json!([fields]))).expect("OTLP");
    assert_eq!(decoded.taken.rejected, 0, "{:?}", decoded.taken.reason);
    (*decoded.records[0]).clone()
}

#[test]
fn every_field_of_a_record_is_kept() {
    let whole = json!({"resourceLogs": [{
        "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "store"}}]},
        "schemaUrl": "https://resource",
        "scopeLogs": [{
            "scope": {"name": "store::ledger", "version": "1.0"},
            "logRecords": [{
                "timeUnixNano": "1795730000000000001",
                "observedTimeUnixNano": "1795730000000000002",
                "severityNumber": "SEVERITY_NUMBER_WARN2",
                "severityText": "WARN",
                "eventName": "order.refused",
                "body": {"kvlistValue": {"values": [{"key": "why", "value": {"intValue": 7}}]}},
                "attributes": [{"key": "b", "value": {"boolValue": true}}, {"key": "a"}],
                "droppedAttributesCount": 3,
                "flags": 257,
                "traceId": "0AF7651916CD43DD8448EB211C80319C",
                "spanId": "b7ad6b7169203331",
            }],
        }],
    }]});
    let decoded = decode(&whole).expect("OTLP");
    let record = &*decoded.records[0];

    assert_eq!(
        (record.time, record.observed),
        (1_795_730_000_000_000_001, 1_795_730_000_000_000_002)
    );
    assert_eq!((record.severity, record.severity.name()), (Severity(14), "warn"));
    assert_eq!(record.severity_text.as_deref(), Some("WARN"));
    assert_eq!(record.event_name.as_deref(), Some("order.refused"));
    assert_eq!(crate::render::text(&record.body), r#"{"why":7}"#);
    let keys: Vec<_> = record.attributes.iter().map(|attribute| &*attribute.key).collect();
    assert_eq!((keys, record.dropped_attributes, record.flags), (vec!["a", "b"], 3, 257));
    let ids =
        (record.trace.expect("a trace").to_string(), record.span.expect("a span").to_string());
    assert_eq!(ids, ("0af7651916cd43dd8448eb211c80319c".into(), "b7ad6b7169203331".into()));
    assert_eq!((&**record.service(), &*record.scope.name), ("store", "store::ledger"));
    assert_eq!(&*record.resource.schema_url, "https://resource");
    assert_eq!((record.cut, record.has_invalid_ids), (0, false));
    assert_eq!((decoded.taken.received, decoded.taken.rejected), (1, 0));
}

#[test]
fn a_record_needs_nothing_and_its_place_is_where_it_was_observed() {
    let empty = record(json!({}));
    assert_eq!((empty.trace, empty.span, empty.severity), (None, None, Severity(0)));
    assert_eq!((&empty.body, &**empty.service()), (&Value::Empty, "missing-service-name"));

    assert_eq!(record(json!({"observedTimeUnixNano": "5"})).at(), 5);
    assert_eq!(record(json!({"observedTimeUnixNano": "5", "timeUnixNano": "4"})).at(), 4);
    let absurd = record(json!({"timeUnixNano": "18446744073709551615"}));
    assert_eq!(absurd.at(), u64::MAX);
}

#[test]
fn an_id_that_is_none_leaves_the_record_without_it() {
    for (ids, has_invalid) in [
        (json!({"traceId": "00000000000000000000000000000000", "spanId": ""}), false),
        (json!({"traceId": "0af7651916cd43dd8448eb211c8031", "spanId": "b7ad6b7169203331"}), true),
        (json!({"traceId": "not hex"}), true),
    ] {
        let record = record(ids.clone());
        assert_eq!((record.trace, record.has_invalid_ids), (None, has_invalid), "{ids}");
    }
    let record = record(json!({"traceId": "0af7651916cd43dd8448eb211c80319c", "spanId": "12"}));
    assert_eq!((record.trace.is_some(), record.span, record.has_invalid_ids), (true, None, true));
}

#[test]
fn a_record_that_cannot_be_read_is_rejected_and_its_neighbours_are_kept() {
    let good = json!({"body": {"stringValue": "good"}});
    for (bad, why) in [
        (json!({"traceId": 5}), "traceId: expected a string of hex digits, found 5"),
        (
            json!({"timeUnixNano": -1}),
            "timeUnixNano: expected a whole number of 64 bits, not negative, found -1",
        ),
        (json!({"body": "text"}), "body: expected an object, found \"text\""),
        (
            json!({"severityNumber": "LOUD"}),
            "severityNumber: expected one of the enumeration's names or numbers, found \"LOUD\"",
        ),
        (json!({"attributes": [{"key": 7}]}), "attributes[0].key: expected a string, found 7"),
    ] {
        let decoded = decode(&with_records(json!([good, bad, good]))).expect("OTLP");

        assert_eq!(decoded.records.len(), 2, "{bad}");
        assert_eq!((decoded.taken.received, decoded.taken.rejected), (3, 1), "{bad}");
        let reason = format!("resourceLogs[0].scopeLogs[0].logRecords[1].{why}");
        assert_eq!(decoded.taken.reason, Some(reason));
    }
    let refused = decode(&with_records(json!([{"traceId": 5}]))).expect_err("nothing to keep");
    assert!(matches!(refused, Failure::Malformed(_)), "{refused}");
}

#[test]
fn what_is_beyond_the_limits_is_cut_and_counted() {
    let attribute =
        |number: usize| json!({"key": format!("key{number}"), "value": {"intValue": 1}});
    let many: Vec<_> = (0..limits::ATTRIBUTES + 2).map(attribute).collect();
    let nested = (0..limits::DEPTH + 2)
        .fold(json!({"intValue": 1}), |inner, _| json!({"arrayValue": {"values": [inner]}}));
    let record = record(json!({
        "attributes": many,
        "body": nested,
        "eventName": "n".repeat(limits::NAME_BYTES + 1),
    }));

    assert_eq!((record.attributes.len(), record.cut), (limits::ATTRIBUTES, 4));
    let long = json!({"body": {"stringValue": "é".repeat(limits::VALUE_BYTES)}});
    let record = super::logs::record(long);
    assert_eq!((crate::render::text(&record.body).len(), record.cut), (limits::VALUE_BYTES, 1));
}

#[test]
fn memory_is_charged_before_it_is_taken() {
    // An empty record is 2 bytes in protobuf and some 200 in memory.
    let log_records = vec![OtlpRecord::default(); LIMIT / 2 - 100];
    let scope_logs = vec![ScopeLogs { log_records, ..ScopeLogs::default() }];
    let request = ExportLogsServiceRequest {
        resource_logs: vec![ResourceLogs { scope_logs, ..ResourceLogs::default() }],
    };
    let mut decoder = Decoder::new(LIMIT, 4 * LIMIT);

    let refused = decoder.decode(Request {
        signal: Signal::Logs,
        encoding: Encoding::Protobuf,
        compression: Compression::None,
        body: request.encode_to_vec().into(),
        reservation: Budget::new(0).reservation(),
    });

    assert!(matches!(refused, Err(Failure::TooExpensive { limit }) if limit == 4 * LIMIT));
    decoder.log_names.sweep();
    assert_eq!(decoder.log_names.bytes(), 0, "what was read has been let go");
}

fn otlp_record() -> impl Strategy<Value = OtlpRecord> {
    let ids = (id(16), prop_oneof![id(8), Just(vec![])]);
    let texts = (any::<String>(), any::<String>(), option::of(any_value()));
    let numbers = (any::<u64>(), any::<u64>(), prop_oneof![0..25, any::<i32>()], any::<u32>());
    (ids, texts, numbers, attributes()).prop_map(
        |((trace_id, span_id), texts, numbers, attributes)| {
            let (severity_text, event_name, body) = texts;
            let (time_unix_nano, observed_time_unix_nano, severity_number, flags) = numbers;
            OtlpRecord {
                time_unix_nano,
                observed_time_unix_nano,
                severity_number,
                severity_text,
                body,
                attributes,
                dropped_attributes_count: flags / 2,
                flags,
                trace_id,
                span_id,
                event_name,
            }
        },
    )
}

fn log_requests() -> impl Strategy<Value = ExportLogsServiceRequest> {
    let group = (attributes(), any::<String>(), vec(otlp_record(), 0..4));
    let group = group.prop_map(|(attributes, name, log_records)| ResourceLogs {
        resource: Some(Resource { attributes, ..Resource::default() }),
        scope_logs: vec![ScopeLogs {
            scope: Some(InstrumentationScope { name, ..InstrumentationScope::default() }),
            log_records,
            ..ScopeLogs::default()
        }],
        ..ResourceLogs::default()
    });
    vec(group, 0..3).prop_map(|resource_logs| ExportLogsServiceRequest { resource_logs })
}

#[test]
fn a_request_means_the_same_in_both_forms() {
    check((log_requests(), any::<u64>()), 200, |(request, style)| {
        let json = otlp_json::logs_to_json(&request, style);

        let protobuf = fuzzing::decode_logs(Form::Protobuf, &request.encode_to_vec());

        assert!(protobuf.is_some());
        assert_eq!(protobuf, fuzzing::decode_logs(Form::Json, json.as_bytes()), "{json}");
    });
}

#[test]
fn whatever_bytes_come_are_answered() {
    let damages = || vec((any::<prop::sample::Index>(), any::<u8>()), 0..6);
    check((log_requests(), any::<u64>(), damages()), 150, |(request, style, damages)| {
        let json = otlp_json::logs_to_json(&request, style).into_bytes();
        for mut body in [request.encode_to_vec(), json] {
            for (place, byte) in &damages {
                if !body.is_empty() {
                    let place = place.index(body.len());
                    body[place] = *byte;
                }
            }
            drop(fuzzing::decode_logs(Form::Protobuf, &body));
            drop(fuzzing::decode_logs(Form::Json, &body));
        }
    });
    check(vec(any::<u8>(), 0..300), 1_000, |body| {
        drop(fuzzing::decode_logs(Form::Protobuf, &body));
        drop(fuzzing::decode_logs(Form::Json, &body));
    });
}
