//! The spans of requests, by the semantic conventions for HTTP.
//! See <https://opentelemetry.io/docs/specs/semconv/http/http-spans/>.

use actix_opentelemetry::testing::{SpanRecord, SpanStatus, SpanTree, TestTrace, recorder};
use actix_web::http::Method;
use actix_web_opentelemetry::ClientExt as _;
use opentelemetry::trace::TraceContextExt as _;

use crate::support::TestStore;

/// A span with all that it says. The port of the server is different in each run.
fn whole(span: &SpanRecord, port: &str) -> String {
    let SpanRecord { name, kind, status, attributes, events, .. } = span;
    let mut text = format!("{name} {kind}");
    if let SpanStatus::Error(description) = status {
        text += &format!(" ERROR {description:?}");
    }
    for (key, value) in attributes {
        let value = value.replace(&format!(":{port}"), ":PORT");
        let value = if key == "server.port" && value == port { "PORT" } else { &value };
        text += &format!("\n  {key}={value}");
    }
    assert_eq!(events, &[""; 0]);
    text + "\n"
}

/// The port that a store listens on.
fn port(store: &TestStore) -> &str {
    store.base().rsplit(':').next().unwrap()
}

/// The SERVER span of one request with these headers and body, as it is when its caller is `browser`.
async fn server_span(method: &str, path: &str, headers: &[(&'static str, &str)]) -> String {
    let store = TestStore::open_with(|config| config.allow_faults = true).await;
    let trace = TestTrace::start("a client");
    let method = Method::from_bytes(method.as_bytes()).unwrap();
    let request = store.request(method, path).header("user-agent", "browser").in_trace(&trace);
    headers.iter().fold(request, |ask, (name, value)| ask.header(name, *value)).send().await;
    let spans = trace.spans(2).await;
    let span = spans.iter().find(|span| span.kind == "SERVER").unwrap();
    whole(span, port(&store))
}

#[actix_web::test]
async fn a_server_span_says_everything_about_its_request() {
    assert_eq!(
        server_span("GET", "/lessons?color=blue&sig=SECRET", &[]).await,
        "\
GET /lessons SERVER
  client.address=127.0.0.1
  http.request.method=GET
  http.response.status_code=200
  http.route=/lessons
  network.protocol.version=1.1
  server.address=127.0.0.1
  server.port=PORT
  url.path=/lessons
  url.query=color=blue&sig=REDACTED
  url.scheme=http
  user_agent.original=browser
"
    );
}

#[actix_web::test]
async fn what_the_client_did_wrong_is_no_error_of_the_server() {
    assert_eq!(
        server_span("FOO", "/", &[]).await,
        "\
HTTP / SERVER
  client.address=127.0.0.1
  http.request.method=_OTHER
  http.request.method_original=FOO
  http.response.status_code=405
  http.route=/
  network.protocol.version=1.1
  server.address=127.0.0.1
  server.port=PORT
  url.path=/
  url.scheme=http
  user_agent.original=browser
"
    );
    assert_eq!(
        server_span("QUERY", "/nowhere", &[("x-forwarded-for", "10.1.2.3")]).await,
        "\
QUERY SERVER
  client.address=10.1.2.3
  http.request.method=QUERY
  http.response.status_code=404
  network.peer.address=127.0.0.1
  network.protocol.version=1.1
  server.address=127.0.0.1
  server.port=PORT
  url.path=/nowhere
  url.scheme=http
  user_agent.original=browser
"
    );
}

#[actix_web::test]
async fn what_the_server_could_not_do_is_an_error_by_its_status() {
    let store = TestStore::open_with(|config| config.allow_faults = true).await;
    let trace = TestTrace::start("a client");
    let checkout = store.checkout(&[(1, 1)]).fault("error=Checkout:100%");
    checkout.header("user-agent", "browser").in_trace(&trace).send().await.problem(500);
    let spans = trace.spans(3).await;
    let span = spans.iter().find(|span| span.kind == "SERVER").unwrap();
    assert_eq!(
        whole(span, port(&store)),
        "\
POST /checkout SERVER ERROR \"\"
  client.address=127.0.0.1
  error.type=500
  http.request.body.size=35
  http.request.method=POST
  http.response.status_code=500
  http.route=/checkout
  network.protocol.version=1.1
  server.address=127.0.0.1
  server.port=PORT
  url.path=/checkout
  url.scheme=http
  user_agent.original=browser
"
    );
}

/// The CLIENT span of one request.
async fn client_span(method: Method, url: &str, port: &str) -> String {
    let trace = TestTrace::start("a client");
    let request =
        awc::Client::default().request(method, url).trace_request_with_context(trace.cx().clone());
    drop(request.send().await);
    let id = trace.id();
    trace.cx().span().end();
    let is_there = || recorder().spans(id).into_iter().find(|span| span.kind == "CLIENT");
    whole(&is_there().unwrap(), port)
}

#[actix_web::test]
async fn a_client_span_says_everything_about_its_request() {
    let store = TestStore::open().await;
    let url = format!("{}/nowhere?color=blue&sig=SECRET", store.base());
    assert_eq!(
        client_span(Method::GET, &url, port(&store)).await,
        "\
GET 127.0.0.1 CLIENT ERROR \"\"
  error.type=404
  http.request.method=GET
  http.response.status_code=404
  network.protocol.version=1.1
  server.address=127.0.0.1
  server.port=PORT
  url.full=http://127.0.0.1:PORT/nowhere?color=blue&sig=REDACTED
"
    );
}

#[actix_web::test]
async fn a_client_span_has_the_port_of_its_scheme_and_one_word_for_what_went_wrong() {
    // Nothing can be reached by TCP at the broadcast address. The text is the operating system's.
    let url = "http://alice:secret@255.255.255.255/?X-Amz-Signature=SECRET";
    let span = client_span(Method::from_bytes(b"FOO").unwrap(), url, "none").await;
    let (first, rest) = span.split_once('\n').unwrap();
    assert!(
        first.starts_with("HTTP 255.255.255.255 CLIENT ERROR \"Failed to connect to host: "),
        "{first}"
    );
    assert_eq!(
        rest,
        "  error.type=network_unreachable
  http.request.method=_OTHER
  http.request.method_original=FOO
  server.address=255.255.255.255
  server.port=80
  url.full=http://REDACTED:REDACTED@255.255.255.255/?X-Amz-Signature=REDACTED
"
    );
}

#[actix_web::test]
async fn probes_make_no_trace_and_are_told_none() {
    let store = TestStore::open_with(|config| config.allow_faults = true).await;
    let trace = TestTrace::start("a prober");
    for path in ["/healthz", "/readyz", "/readyz?lesson=spawn&as=mistake&run=of-a-probe"] {
        let probe = store.get(path).fault("panic=Ledger").in_trace(&trace).send().await;
        assert_eq!(probe.status, 200, "{path}");
        for header in ["traceresponse", "server-timing", "grocery-lesson", "grocery-faults"] {
            assert_eq!(probe.header(header), "", "{path}");
        }
        let refused = store.request(Method::POST, path).in_trace(&trace).send().await;
        assert_eq!(refused.problem(405).trace_id, None);
    }
    // A request of the same client shows that nothing is still to come.
    store.get("/faults").in_trace(&trace).send().await;
    assert_eq!(trace.tree(2).await, "a prober INTERNAL\n  GET /faults SERVER\n");
    assert_eq!(recorder().traces_with("lesson.run", "of-a-probe").0, []);
}

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
    let methods = spans_of(&[("FOO", "/"), ("HEAD", "/faults")], &["http.request.method"]).await;
    assert_eq!(
        methods,
        "\
a client INTERNAL
  HEAD /faults SERVER {http.request.method=HEAD}
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

/// A thread keeps what the last requests said, and there are more here than it keeps.
#[actix_web::test]
async fn requests_after_one_another_each_say_what_is_theirs() {
    let store = TestStore::open_with(|config| config.allow_faults = true).await;
    for number in (1..=12).chain(1..=12) {
        let path = ["/", "/faults", "/products/1"][number % 3].to_owned();
        let (agent, host) = (format!("agent-{number}"), format!("h{number}.localhost"));
        let (client, fault) = (format!("10.1.2.{number}"), format!("slow-aisle=frozen:{number}us"));
        let trace = TestTrace::start("a client");
        let request = store
            .request(if number % 2 == 0 { Method::GET } else { Method::HEAD }, &path)
            .header("user-agent", &agent)
            .header("host", format!("{host}:{number}"))
            .in_trace(&trace);
        let is_forwarded = number % 4 == 0;
        let request =
            if is_forwarded { request.header("x-forwarded-for", &client) } else { request };
        let asks_for_fault = number % 5 != 0;
        let request = if asks_for_fault { request.fault(&fault) } else { request };
        let answer = request.send().await;
        let outcomes = answer.header("grocery-faults");
        assert_eq!(!outcomes.is_empty(), asks_for_fault, "{number}: {outcomes}");
        let spans = trace.spans([3, 2, 4][number % 3]).await;
        let span = spans.iter().find(|span| span.kind == "SERVER").unwrap();
        let expected = [
            ("client.address", if is_forwarded { &client } else { "127.0.0.1" }),
            ("network.peer.address", if is_forwarded { "127.0.0.1" } else { "" }),
            ("server.address", &host),
            ("server.port", &number.to_string()),
            ("url.path", &path),
            ("user_agent.original", &agent),
        ];
        for (key, value) in expected {
            assert_eq!(span.attribute(key).unwrap_or_default(), value, "{number}: {key}");
        }
    }
}

/// A thread keeps what requests of a route have in common, and these differ in what it does not keep.
#[actix_web::test]
async fn a_request_that_says_more_than_the_last_has_it_in_its_span() {
    let store = TestStore::open_with(|config| config.allow_faults = true).await;
    let mut said = Vec::new();
    for (query, name, value) in [
        ("", "accept", "text/plain"),
        ("?color=blue", "accept", "text/plain"),
        ("", "x-forwarded-for", "10.1.2.3"),
        ("", "content-length", "2"),
        ("", "user-agent", "another"),
        ("", "accept", "text/plain"),
    ] {
        let trace = TestTrace::start("a client");
        let request = store.request(Method::GET, &format!("/{query}")).in_trace(&trace);
        let request = match name {
            "content-length" => request.body("{}"),
            "user-agent" => request,
            _ => request.header(name, value),
        };
        let agent = if name == "user-agent" { value } else { "browser" };
        request.header("user-agent", agent).send().await;
        let spans = trace.spans(3).await;
        let span = spans.iter().find(|span| span.kind == "SERVER").unwrap();
        let keys = [
            "client.address",
            "http.request.body.size",
            "http.response.status_code",
            "http.route",
            "network.peer.address",
            "url.path",
            "url.query",
            "user_agent.original",
        ];
        let values = keys.map(|key| span.attribute(key).unwrap_or("-"));
        said.push(values.join(" "));
    }
    assert_eq!(
        said,
        [
            "127.0.0.1 - 200 / - / - browser",
            "127.0.0.1 - 200 / - / color=blue browser",
            "10.1.2.3 - 200 / 127.0.0.1 / - browser",
            "127.0.0.1 2 200 / - / - browser",
            "127.0.0.1 - 200 / - / - another",
            "127.0.0.1 - 200 / - / - browser",
        ]
    );
}
