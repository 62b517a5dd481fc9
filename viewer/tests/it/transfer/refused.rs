//! Files that are not taken, or not whole, and pages that may not send any.

use reqwest::blocking::RequestBuilder;
use serde_json::{Value as Json, json};

use super::{one_span, upload};
use crate::support::Backend;
use crate::support::spans::to_json;

#[test]
fn what_is_no_file_of_traces_is_refused_and_named() {
    let backend = Backend::viewer();
    let otlp = to_json(&one_span("a").0);

    for (file, message) in [
        ("", "the file is empty"),
        (" \n", "the file is empty"),
        ("traces", "it is not JSON: expected ident at line 1 column 3"),
        ("{}", "expected an object with resourceSpans (OTLP) or data (Jaeger)"),
        ("7", "expected an object with resourceSpans (OTLP) or data (Jaeger)"),
        (
            &format!("{otlp}\n{{\"traces\":[]}}"),
            "document[1]: expected an object with resourceSpans (OTLP) or data (Jaeger)",
        ),
        (
            &format!("[{otlp},[]]"),
            "document[1]: expected an object with resourceSpans (OTLP) or data (Jaeger)",
        ),
        (
            &format!("{otlp}\n{{\"resourceSpans\":["),
            "it is not JSON: EOF while parsing a list at line 2 column 18",
        ),
        ("{\"data\":7}", "data: expected a list, found 7"),
        ("{\"resourceSpans\":{}}", "resourceSpans: expected a list, found an object"),
    ] {
        let refused = json!({"error": format!("cannot read the file: {message}")});

        assert_eq!(upload(&backend, file), (400, refused), "{file}");
    }
    let stats = backend.get("/viewer/api/stats").1;
    assert_eq!(stats["spans"], 0, "nothing of a file that is refused is kept");
    assert_eq!(stats["signals"]["traces"]["refused"], 10);
}

/// A trace in Jaeger's JSON with one good span and one with these fields.
fn with_span(fields: Json) -> String {
    let span = |id: &str| {
        json!({
            "traceID": "abc", "spanID": id, "operationName": "work", "references": [],
            "startTime": 1_700_000_000_000_000_u64, "duration": 5, "tags": [], "logs": [],
            "processID": "p1",
        })
    };
    let mut odd = span("2");
    if let (Json::Object(odd), Json::Object(fields)) = (&mut odd, fields) {
        odd.extend(fields);
    }
    let processes = json!({"p1": {"serviceName": "store", "tags": []}});
    json!({"data": [{"traceID": "abc", "spans": [span("1"), odd], "processes": processes}]})
        .to_string()
}

#[test]
fn a_span_that_cannot_be_read_is_left_out_with_its_path_and_the_others_are_taken() {
    for (fields, reason) in [
        (json!({"traceID": "xyz"}), "data[0].spans[1].traceID \"xyz\" is not 32 hex digits"),
        (json!({"spanID": ""}), "data[0].spans[1].spanID is missing or all zeroes"),
        (json!({"processID": null}), "data[0].spans[1].processID is missing"),
        (
            json!({"processID": "p2"}),
            "data[0]: a span's processID is \"p2\", which is none of its processes",
        ),
        (
            json!({"startTime": "noon"}),
            "data[0].spans[1].startTime: expected a whole number of 64 bits, not negative, found \
             \"noon\"",
        ),
        (
            json!({"tags": [{"key": "port", "type": "int64", "value": "many"}]}),
            "data[0].spans[1].tags[0]: its value is not a whole number of 64 bits",
        ),
        (
            json!({"logs": [{"timestamp": 1, "fields": [{"key": "k", "value": [1]}]}]}),
            "data[0].spans[1].logs[0].fields[0].value: expected a string, a number, true or \
             false, found [1]",
        ),
        (
            json!({"references": [{"refType": 1}]}),
            "data[0].spans[1].references[0].refType: expected a string, found 1",
        ),
    ] {
        let backend = Backend::viewer();

        let answer = upload(&backend, with_span(fields));

        let taken = json!({
            "trace_count": 1, "span_count": 1, "rejected": 1, "reason": reason,
            "trace_ids": ["00000000000000000000000000000abc"],
        });
        assert_eq!(answer, (200, taken));
        backend.stats_when_stored(1);
    }
}

#[test]
fn a_process_that_cannot_be_read_takes_its_traces_spans_along() {
    let backend = Backend::viewer();
    let file = with_span(json!({})).replace("\"serviceName\":\"store\"", "\"serviceName\":7");

    let (status, answer) = upload(&backend, file);

    let message = "cannot read the file: data[0].processes.process.serviceName: expected a string, \
                   found 7";
    assert_eq!((status, &answer["error"]), (400, &json!(message)));
}

#[test]
fn a_file_that_is_too_large_is_refused() {
    let backend = Backend::with(viewer::Config {
        max_request_bytes: 1 << 20,
        ..viewer::Config::on_free_ports()
    });

    let (status, answer) = upload(&backend, vec![b' '; (1 << 20) + 1]);

    let message = "the file has more than 1048576 bytes: split it, or send it compressed";
    assert_eq!((status, &answer["error"]), (413, &json!(message)));
}

#[test]
fn only_the_viewers_own_page_and_programs_may_send_files() {
    let backend = Backend::viewer();
    let own = format!("http://{}", backend.handle().listen());
    let file = to_json(&one_span("a").0);
    let status = |path: &str, headers: &[(&str, &str)]| {
        let add = |post: RequestBuilder, (name, value): &(&str, &str)| post.header(*name, *value);
        let post = headers.iter().fold(backend.query_post(path), add);
        post.body(file.clone()).send().expect("an answer").status().as_u16()
    };

    for path in ["/viewer/api/upload", "/api/transform"] {
        for headers in [
            &[][..],
            &[("sec-fetch-site", "same-origin"), ("origin", &own)],
            &[("sec-fetch-site", "none")],
            &[("origin", &own)],
        ] {
            assert_eq!(status(path, headers), 200, "{path} {headers:?}");
        }
        for headers in [
            &[("sec-fetch-site", "cross-site"), ("origin", "http://evil.example")][..],
            &[("sec-fetch-site", "same-site"), ("origin", "http://127.0.0.1:1")],
            &[("sec-fetch-site", "cross-site"), ("content-type", "text/plain")],
            &[("origin", "http://evil.example")],
            &[("origin", "null")],
            &[("origin", "http://127.0.0.1:1")],
            &[("host", "evil.example")],
        ] {
            assert_eq!(status(path, headers), 403, "{path} {headers:?}");
        }
    }
}

#[test]
fn a_file_is_only_ever_sent() {
    let backend = Backend::viewer();

    let status = |path: &str| backend.get(path).0;

    assert_eq!(status("/viewer/api/upload"), 405);
    assert_eq!(status("/viewer/api/traces/xyz/otlp"), 400);
    assert_eq!(status("/viewer/api/traces/abc/otlp"), 404);
}
