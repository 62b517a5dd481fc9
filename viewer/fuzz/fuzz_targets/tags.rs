//! Whatever text is searched for: tags or a refusal, and what was read can be written and read
//! again.

#![no_main]

use libfuzzer_sys::fuzz_target;
use viewer::fuzzing::{read_tags, write_tags};

fuzz_target!(|text: &str| {
    if let Some(tags) = read_tags(text) {
        assert_eq!(read_tags(&write_tags(&tags)), Some(tags));
    }
});
