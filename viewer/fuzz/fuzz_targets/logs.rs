//! Whatever bytes come as log records, in either form: an answer, and no more memory than allowed. A
//! request means the same in protobuf and in JSON.

#![no_main]

// Of its two functions this needs one.
#[allow(dead_code)]
#[path = "../otlp_json.rs"]
mod otlp_json;

use libfuzzer_sys::fuzz_target;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use prost::Message;
use viewer::fuzzing::{Form, decode_logs};

fuzz_target!(|input: (u64, &[u8])| {
    let (style, body) = input;
    drop(decode_logs(Form::Json, body));
    drop(decode_logs(Form::Protobuf, body));
    let Ok(request) = ExportLogsServiceRequest::decode(body) else { return };
    let json = otlp_json::logs_to_json(&request, style);
    let protobuf = decode_logs(Form::Protobuf, &request.encode_to_vec());
    assert_eq!(protobuf, decode_logs(Form::Json, json.as_bytes()), "{json}");
});
