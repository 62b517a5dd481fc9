//! The attributes of SERVER spans, by the semantic conventions for HTTP.
//! See <https://opentelemetry.io/docs/specs/semconv/http/http-spans/>.

use actix_opentelemetry::testing::{SpanTree, TestTrace};
use actix_web::http::Method;

use crate::support::TestStore;

/// The SERVER spans of requests of these methods and paths, with these attributes.
async fn spans_of(requests: &[(&str, &str)], attributes: &[&'static str]) -> String {
    let store = TestStore::open().await;
    let trace = TestTrace::start("a client");
    for (method, path) in requests {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        store.request(method, path).in_trace(&trace).send().await;
    }
    let spans = trace.spans(1 + requests.len()).await;
    SpanTree::new(&spans).attributes(attributes.iter().copied()).render()
}

#[actix_web::test]
async fn a_caller_cannot_make_up_names_of_spans() {
    let requests = [
        ("FOO1", "/checkout"),
        ("FOO2", "/checkout"),
        ("get", "/checkout"),
        ("GET", "/checkout"),
        ("FOO3", "/nowhere"),
        ("GET", "/nowhere"),
        ("GET", "/nowhere/else"),
    ];
    let attributes = ["http.request.method_original", "http.response.status_code", "http.route"];
    let expected = "\
a client INTERNAL
  GET /checkout SERVER {http.response.status_code=405 http.route=/checkout}
  GET SERVER {http.response.status_code=404}
  GET SERVER {http.response.status_code=404}
  HTTP /checkout SERVER {FOO1 http.response.status_code=405 http.route=/checkout}
  HTTP /checkout SERVER {FOO2 http.response.status_code=405 http.route=/checkout}
  HTTP /checkout SERVER {get http.response.status_code=405 http.route=/checkout}
  HTTP SERVER {FOO3 http.response.status_code=404}
";
    let seen = spans_of(&requests, &attributes).await;
    assert_eq!(seen.replace("http.request.method_original=", ""), expected);
    let methods = spans_of(&[("FOO", "/"), ("HEAD", "/healthz")], &["http.request.method"]).await;
    assert_eq!(
        methods,
        "\
a client INTERNAL
  HEAD /healthz SERVER {http.request.method=HEAD}
  HTTP / SERVER {http.request.method=_OTHER}
"
    );
}

#[actix_web::test]
async fn a_path_is_always_there_and_secrets_in_the_query_never() {
    let requests = [
        ("GET", "/nothing?color=blue&sig=SECRET&X-Amz-Credential=SECRET=&x=y"),
        ("GET", "/nothing?signature&sig&SIG=kept"),
        ("DELETE", "/"),
    ];
    assert_eq!(
        spans_of(&requests, &["url.path", "url.query"]).await,
        "\
a client INTERNAL
  DELETE / SERVER {url.path=/}
  GET SERVER {url.path=/nothing url.query=color=blue&sig=REDACTED&X-Amz-Credential=REDACTED&x=y}
  GET SERVER {url.path=/nothing url.query=signature&sig&SIG=kept}
"
    );
}

#[actix_web::test]
async fn the_server_is_where_the_host_says() {
    let store = TestStore::open().await;
    for (host, address, port) in [
        ("localhost", "localhost", None),
        ("localhost:80", "localhost", Some("80")),
        ("[::1]:5000", "[::1]", Some("5000")),
    ] {
        let trace = TestTrace::start("a client");
        store.request(Method::PUT, "/").header("host", host).in_trace(&trace).send().await;
        let spans = trace.spans(2).await;
        let span = spans.iter().find(|span| span.kind == "SERVER").unwrap();
        assert_eq!(span.attribute("server.address"), Some(address), "{host}");
        assert_eq!(span.attribute("server.port"), port, "{host}");
    }
}
