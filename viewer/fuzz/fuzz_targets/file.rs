//! Whatever bytes come as a file of traces: an answer, and no more memory than allowed.

#![no_main]

use libfuzzer_sys::fuzz_target;
use viewer::fuzzing::{Form, decode};

fuzz_target!(|body: &[u8]| drop(decode(Form::File, body)));
