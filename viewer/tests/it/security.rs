//! Hostile senders: what they send cannot crash the viewer or make it grow, and it is never more
//! than text in a browser.

mod fuzz;
mod limits;

use reqwest::blocking::RequestBuilder;
use viewer::Config;

use crate::support::Backend;
use crate::support::spans::{Trace, of_service, request, text};

fn status(request: RequestBuilder) -> u16 {
    request.send().expect("an answer").status().as_u16()
}

#[test]
fn every_answer_forbids_what_the_page_does_not_need() {
    let backend = Backend::viewer();

    for path in ["/", "/trace/1", "/assets/app.js", "/viewer/api/stats", "/api/services", "/none"] {
        let answer = backend.query(path).send().expect("an answer");

        let header = |name: &str| answer.headers()[name].to_str().expect("ASCII").to_owned();
        assert_eq!(
            header("content-security-policy"),
            "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
             img-src 'self' data:; base-uri 'none'; frame-ancestors 'none'; form-action 'none'",
            "{path}"
        );
        assert_eq!(header("x-content-type-options"), "nosniff");
        assert_eq!(header("referrer-policy"), "no-referrer");
        assert!(!answer.headers().contains_key("access-control-allow-origin"));
    }
}

#[test]
fn a_name_that_is_rebound_to_this_machine_is_refused() {
    let backend = Backend::viewer();

    for host in ["evil.example", "evil.example:16686", "127.0.0.1.evil.example"] {
        assert_eq!(status(backend.query("/api/services").header("host", host)), 403, "{host}");
        let post = backend.otlp("/v1/traces").header("host", host).body("{}");
        assert_eq!(status(post.header("content-type", "application/json")), 403, "{host}");
    }
    for host in ["localhost:16686", "127.0.0.1", "[::1]:1"] {
        assert_eq!(status(backend.query("/api/services").header("host", host)), 200, "{host}");
    }
}

#[test]
fn a_request_to_another_host_is_told_what_helps_and_counted() {
    let backend = Backend::viewer();
    let port = backend.handle().otlp().port();

    let post = backend.otlp("/v1/traces").header("host", "host.docker.internal:4318").body("{}");
    let refused = post.send().expect("an answer");

    assert_eq!(refused.status(), 403);
    let answer: serde_json::Value =
        serde_json::from_str(&refused.text().expect("a text")).expect("JSON");
    assert_eq!(
        answer["error"],
        format!(
            "host \"host.docker.internal:4318\" is not this machine: use localhost or 127.0.0.1, \
             or start the viewer with --allowed-hosts host.docker.internal, or, to be reached from \
             containers and other machines, with --otlp 0.0.0.0:{port}"
        )
    );
    let traces = &backend.get("/viewer/api/stats").1["signals"]["traces"];
    assert_eq!(
        serde_json::json!([traces["requests"], traces["refused"]]),
        serde_json::json!([1, 1])
    );
}

#[test]
fn names_that_are_listed_are_answered() {
    let listed = ["host.docker.internal", "traces.example"];
    let allowed_hosts = listed.map(|host| host.parse().expect("a host")).into();
    let backend = Backend::with(Config { allowed_hosts, ..Config::on_free_ports() });

    for host in ["host.docker.internal:4318", "Traces.Example", "localhost"] {
        assert_eq!(status(backend.query("/api/services").header("host", host)), 200, "{host}");
        let post = backend.otlp("/v1/traces").header("host", host).body("{}");
        assert_eq!(status(post.header("content-type", "application/json")), 200, "{host}");
    }
    assert_eq!(status(backend.query("/api/services").header("host", "evil.example")), 403);
}

/// What a browser asks before a page of `origin` may send JSON to `path`, and what it is told.
fn ask(backend: &Backend, origin: &str, path: &str) -> reqwest::blocking::Response {
    let url = format!("http://{}{path}", backend.handle().otlp());
    let client = reqwest::blocking::Client::new();
    let request = client
        .request(reqwest::Method::OPTIONS, url)
        .header("origin", origin)
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "content-encoding,content-type,x-team");
    request.send().expect("an answer")
}

#[test]
fn a_browser_is_told_whose_pages_may_send() {
    let listed = ["https://shop.example", "http://localhost:3000"];
    let cors_origins = listed.map(|origin| origin.parse().expect("an origin")).into();
    let backend = Backend::with(Config { cors_origins, ..Config::on_free_ports() });
    let header = |answer: &reqwest::blocking::Response, name: &str| {
        answer.headers().get(name).map(|value| value.to_str().expect("ASCII").to_owned())
    };

    for origin in listed {
        for path in ["/v1/traces", "/v1/logs", "/v1/metrics"] {
            let answer = ask(&backend, origin, path);
            assert_eq!(answer.status(), 200, "{origin} {path}");
            let said = |name: &str| header(&answer, &format!("access-control-allow-{name}"));
            assert_eq!(said("origin").as_deref(), Some(origin));
            assert_eq!(said("methods").as_deref(), Some("POST"));
            let headers = said("headers").unwrap_or_default();
            for name in ["content-encoding", "content-type", "x-team"] {
                assert!(headers.split(',').any(|allowed| allowed.trim() == name), "{headers}");
            }
            assert_eq!(said("credentials"), None);
        }
        // The answer that the page reads, also where it is an error.
        for (body, status) in [("{}", 200), ("{", 400)] {
            let post = backend.otlp("/v1/traces").header("content-type", "application/json");
            let answer = post.header("origin", origin).body(body).send().expect("an answer");
            assert_eq!(answer.status(), status);
            let allowed = header(&answer, "access-control-allow-origin");
            assert_eq!(allowed.as_deref(), Some(origin), "{body}");
        }
    }
    for backend in [&backend, &Backend::viewer()] {
        let answer = ask(backend, "https://evil.example", "/v1/traces");
        assert_eq!(header(&answer, "access-control-allow-origin"), None);
        assert_eq!(answer.status(), 403);
        let said: serde_json::Value =
            serde_json::from_str(&answer.text().expect("a text")).expect("JSON");
        assert_eq!(
            said["error"],
            "pages of \"https://evil.example\" may not send from a browser: start the viewer \
             with --cors-origins and the origins that may"
        );
    }
}

#[test]
fn another_sites_page_cannot_send_spans() {
    let backend = Backend::viewer();

    // What a page may send elsewhere without asking first.
    for content_type in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"] {
        let post = backend.otlp("/v1/traces").header("content-type", content_type).body("{}");
        assert_eq!(status(post), 415, "{content_type}");
    }
}

#[test]
fn a_script_in_every_field_comes_out_as_json_text() {
    let backend = Backend::viewer();
    let script = "</script><script>alert(1)</script>";
    let trace = Trace::new();
    let mut span = trace.span(1, 0, script, 0..10);
    span.attributes = vec![text(script, script)];
    span.trace_state = script.into();
    backend.send(&request([of_service(script, vec![span])]));
    backend.stats_when_stored(1);
    let id = trace.hex();

    for path in [
        format!("/viewer/api/traces/{id}"),
        format!("/api/traces/{id}"),
        format!("/api/v3/traces/{id}"),
        "/viewer/api/services".into(),
        "/viewer/api/graph".into(),
    ] {
        let answer = backend.query(&path).send().expect("an answer");

        let content_type = answer.headers()["content-type"].to_str().expect("ASCII").to_owned();
        let json: Result<serde_json::Value, _> =
            serde_json::from_str(&answer.text().expect("a text"));
        assert_eq!(content_type, "application/json", "{path}");
        assert!(json.is_ok_and(|json| json.to_string().contains(script)), "{path}");
    }
}

#[test]
fn a_port_that_is_taken_is_named() {
    let backend = Backend::viewer();
    let taken = backend.handle().otlp();

    let refused = viewer::serve(viewer::Config { otlp: taken, ..viewer::Config::on_free_ports() });

    let error = refused.err().map(|error| error.to_string()).unwrap_or_default();
    assert_eq!(error, format!("cannot listen on {taken} for OTLP over HTTP (--otlp)"));
}
