//! A request means the same in protobuf and in JSON, however the JSON is written.

#![no_main]

// Of its two functions this needs one.
#[allow(dead_code)]
#[path = "../otlp_json.rs"]
mod otlp_json;

use libfuzzer_sys::fuzz_target;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message;
use viewer::fuzzing::{Form, decode};

fuzz_target!(|input: (u64, &[u8])| {
    let (style, body) = input;
    let Ok(request) = ExportTraceServiceRequest::decode(body) else { return };
    let json = otlp_json::to_json(&request, style);
    let protobuf = decode(Form::Protobuf, &request.encode_to_vec());
    assert_eq!(protobuf, decode(Form::Json, json.as_bytes()), "{json}");
});
