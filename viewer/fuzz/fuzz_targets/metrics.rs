//! Whatever bytes come as metrics, in either form: an answer, and no more memory than allowed.

#![no_main]

use libfuzzer_sys::fuzz_target;
use viewer::fuzzing::{Form, decode_metrics};

fuzz_target!(|body: &[u8]| {
    drop(decode_metrics(Form::Json, body));
    drop(decode_metrics(Form::Protobuf, body));
});
