//! The lab over HTTP: what its forms do, and whom it refuses.

use nix::sys::signal::Signal;
use reqwest::{
    StatusCode,
    blocking::{Client, RequestBuilder},
};

use serde_json::Value;
use testing::tls::{TlsFront, certificate};

use crate::support::{
    http::get,
    teaching::{Lab, Teaching},
};

fn client() -> Client {
    // It fails if an earlier call has installed it.
    rustls::crypto::ring::default_provider().install_default().ok();
    Client::builder().no_proxy().build().unwrap()
}

fn post(lab: &Lab, path: &str) -> RequestBuilder {
    client().post(format!("{}{path}", lab.url))
}

fn answer(request: RequestBuilder) -> (StatusCode, String) {
    let answer = request.send().unwrap();
    (answer.status(), answer.text().unwrap())
}

/// A form as a browser sends it.
fn trips(lab: &Lab, changes: &[(&str, &str)]) -> (StatusCode, String) {
    let usual = [
        ("kind", "quick-buy"),
        ("trips", "1"),
        ("share", "100%"),
        ("sampling", "yes"),
        ("propagation", "w3c"),
    ];
    let kept = usual.iter().filter(|(name, _)| changes.iter().all(|(other, _)| other != name));
    let pairs = kept.chain(changes);
    let form = pairs.map(|(name, value)| format!("{name}={}", value.replace('%', "%25")));
    let form = form.collect::<Vec<_>>().join("&");
    let request = post(lab, "/trips").header("content-type", "application/x-www-form-urlencoded");
    answer(request.body(form))
}

/// The lines of the trees on the page, each with its mark and its depth.
fn lines(page: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut depth = 0_usize;
    let mut rest = page;
    while let Some(at) = rest.find("<span class=\"line\"") {
        let before = &rest[..at];
        depth = depth + before.matches("<ul>").count() - before.matches("</ul>").count();
        let end = at + rest[at..].find("<span class=\"took\"").unwrap();
        let mut text = String::new();
        let mut is_tag = false;
        for character in rest[at..end].chars() {
            match character {
                '<' => is_tag = true,
                '>' => is_tag = false,
                character if !is_tag => text.push(character),
                _ => {}
            }
        }
        let text = text.replace("&gt;", ">").replace("&quot;", "\"").replace("&amp;", "&");
        let (sign, text) = text.trim_end().split_at(1);
        lines.push(format!("{sign} {}{text}", "  ".repeat(depth - 1)));
        rest = &rest[end..];
    }
    lines
}

#[test]
fn a_lesson_is_one_trace_from_the_labs_span_on_and_is_shown_with_what_differs() {
    let teaching = Teaching::start();
    let lab = teaching.lab();
    let (status, page) = answer(post(&lab, "/lessons/lazy-future"));
    assert_eq!(status, StatusCode::OK, "{page}");
    assert_eq!(
        lines(&page),
        [
            "  grocery-lab: lesson lazy-future INTERNAL {customer=alice}",
            "    grocery-lab: GET / CLIENT {customer=alice}",
            "      grocery-store: GET / SERVER {customer=alice}",
            "        grocery-store: reserve basket INTERNAL {customer=alice}",
            ">       elsewhere in the other: grocery-store: look up price INTERNAL {customer=alice}",
            ">       elsewhere in the other: grocery-store: ask Aisle Reserve INTERNAL {customer=alice}",
            "          grocery-store: update stock INTERNAL {customer=alice}",
            "        grocery-store: welcome message INTERNAL {customer=alice}",
            "  grocery-lab: lesson lazy-future INTERNAL {customer=alice}",
            "    grocery-lab: GET / CLIENT {customer=alice}",
            "      grocery-store: GET / SERVER {customer=alice}",
            "        grocery-store: reserve basket INTERNAL {customer=alice}",
            ">         elsewhere in the other: grocery-store: look up price INTERNAL {customer=alice}",
            ">         elsewhere in the other: grocery-store: ask Aisle Reserve INTERNAL {customer=alice}",
            "            grocery-store: update stock INTERNAL {customer=alice}",
            "        grocery-store: welcome message INTERNAL {customer=alice}",
        ],
        "{page}"
    );
    let compare = format!("href=\"http://{}/compare/", teaching.viewer);
    assert!(page.contains(&compare), "{page}");

    lab.process.signal(Signal::SIGTERM);
    let ended = lab.process.end();
    assert!(ended.status.success(), "{ended:#?}");
    assert!(ended.last_line().ends_with("exported=4 failed=0 dropped=0"), "{ended:#?}");
}

#[test]
fn the_page_has_a_card_for_each_lesson_with_its_code_and_a_line_for_curl() {
    let teaching = Teaching::start();
    let lab = teaching.lab();
    let answer = client().get(&lab.url).send().unwrap();
    let policy = answer.headers()["content-security-policy"].to_str().unwrap().to_owned();
    assert_eq!(
        policy,
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; \
         base-uri 'none'; frame-ancestors 'none'; form-action 'self'"
    );
    let page = answer.text().unwrap();
    for lesson in store::lessons::LESSONS {
        let name = lesson.name;
        assert!(page.contains(&format!("id=\"lesson-{name}\"")), "{name}");
        let by_hand = format!("/?lesson={name}&amp;as=mistake&amp;run=my-mistake'");
        assert!(page.contains(&by_hand), "{name}: {page}");
    }
    for aisle in ["bakery", "dairy", "frozen"] {
        assert!(page.contains(&format!("<option>{aisle}</option>")), "{aisle}");
    }
}

#[test]
fn faults_sampling_and_headers_go_with_the_trips_that_ask_for_them() {
    let teaching = Teaching::start();
    let lab = teaching.lab();

    let fault = [("panic", "on"), ("panic_actor", "Checkout"), ("trips", "2"), ("share", "50%")];
    let (status, page) = trips(&lab, &fault);
    assert_eq!(status, StatusCode::OK, "{page}");
    let cell = |text: &str| page.matches(&format!("<td>{text}</td>")).count();
    assert_eq!(cell("honoured;struck=1"), 1, "the checkout of one of two trips: {page}");
    assert_eq!(cell("honoured;struck=0"), 2, "{page}");
    assert_eq!((cell("503 Service Unavailable"), cell("201 Created")), (1, 1), "{page}");
    assert!(page.contains("curl -si -H 'baggage: "), "{page}");
    let roots: Vec<_> = lines(&page).into_iter().filter(|line| !line.starts_with("   ")).collect();
    assert_eq!(
        roots, ["  grocery-lab: going to the grocery store INTERNAL {customer=alice}"; 2],
        "{page}"
    );

    let (status, page) = trips(&lab, &[("kind", "browse-only"), ("sampling", "no")]);
    assert_eq!(status, StatusCode::OK, "{page}");
    assert!(page.contains("No span was recorded"), "{page}");

    let (status, page) = trips(&lab, &[("kind", "browse-only"), ("propagation", "b3")]);
    assert_eq!(status, StatusCode::OK, "{page}");
    let lines = lines(&page);
    let roots: Vec<_> = lines.iter().filter(|line| !line.starts_with("   ")).collect();
    assert_eq!(
        roots,
        [
            "  grocery-lab: going to the grocery store INTERNAL {customer=alice}",
            "  grocery-store: GET / SERVER {customer=alice}",
            "  grocery-store: GET /whats-in-store SERVER {customer=alice}",
        ],
        "a store that reads no B3 begins traces of its own: {lines:#?}"
    );
}

#[test]
fn only_the_labs_own_page_may_have_something_done() {
    let teaching = Teaching::start();
    let lab = teaching.lab();
    for path in ["/lessons/spawn", "/trips"] {
        for (name, value) in [
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-site", "same-site"),
            ("origin", "http://evil.example"),
            ("origin", "null"),
        ] {
            let (status, text) = answer(post(&lab, path).header(name, value));
            assert_eq!(status, StatusCode::FORBIDDEN, "{path}, {name}: {value}");
            assert!(text.contains("only the lab's own page"), "{text}");
        }
    }
    for host in ["evil.example", "127.0.0.1.evil.example"] {
        for request in [client().get(&lab.url), post(&lab, "/lessons/spawn")] {
            let (status, text) = answer(request.header("host", host));
            assert_eq!(status, StatusCode::FORBIDDEN, "{host}");
            assert!(text.contains(host), "{text}");
        }
    }
    let own = post(&lab, "/trips").header("origin", &lab.url);
    let own = own.header("content-type", "application/x-www-form-urlencoded");
    let (status, page) = answer(own.header("sec-fetch-site", "same-origin"));
    assert_eq!(status, StatusCode::BAD_REQUEST, "it is let through, and its form is empty");
    assert!(page.contains("Kind of trip is &quot;&quot;"), "{page}");
}

#[test]
fn wrong_input_is_named() {
    let teaching = Teaching::start();
    let lab = teaching.lab();
    for (name, value, said) in [
        ("trips", "999", "Trips is &quot;999&quot;: expected a whole number from 1 to 20."),
        ("kind", "shoplift", "Kind of trip is &quot;shoplift&quot;: expected one of quick-buy"),
        ("propagation", "carrier-pigeon", "carrier-pigeon"),
        ("sampling", "perhaps", "Sampling is &quot;perhaps&quot;: expected yes or no."),
    ] {
        let (status, page) = trips(&lab, &[(name, value)]);
        assert_eq!(status, StatusCode::BAD_REQUEST, "{name}");
        assert!(page.contains(said), "{name}: {page}");
    }
    let fault = [("slow", "on"), ("slow_aisle", "produce"), ("slow_delay", "fast")];
    let (status, page) = trips(&lab, &fault);
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(page.contains("slow-aisle=produce:fast"), "{page}");

    let (status, text) = answer(post(&lab, "/lessons/spwan"));
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert!(text.contains("\"spwan\""), "{text}");
    let long = "x".repeat(9 * 1024);
    assert_eq!(trips(&lab, &[("kind", &long)]).0, StatusCode::PAYLOAD_TOO_LARGE);
}

#[test]
fn a_store_that_has_gone_is_said_where_the_lesson_would_be() {
    let mut teaching = Teaching::start();
    let lab = teaching.lab();
    let store = teaching.store_url();
    teaching.close_store();
    let (status, page) = answer(post(&lab, "/lessons/spawn"));
    assert_eq!(status, StatusCode::BAD_GATEWAY, "{page}");
    assert!(page.contains("The store does not answer"), "{page}");
    assert!(page.contains(&format!("GET {store}/?lesson=spawn")), "{page}");
}

/// What a trip to a store behind TLS makes, all spans of one trace.
const BROWSE: [&str; 3] = [
    "  grocery-lab: going to the grocery store INTERNAL {customer=alice}",
    "    grocery-lab: GET / CLIENT {customer=alice}",
    "      grocery-store: GET / SERVER {customer=alice}",
];

#[test]
fn a_store_and_a_viewer_behind_tls_are_reached_as_they_are_without() {
    let teaching = Teaching::start();
    let store = TlsFront::start("server", false, teaching.store_address());
    let viewer = TlsFront::start("server", false, teaching.viewer);
    let ca = certificate("ca.pem");
    let lab = teaching.lab_with(&store.url(), &viewer.url(), &["--ca-certificate", &ca]);
    let plain = teaching.lab();

    let [(status, page), (_, without)] =
        [&lab, &plain].map(|lab| answer(post(lab, "/lessons/batch")));
    assert_eq!(status, StatusCode::OK, "{page}");
    assert_eq!(lines(&page), lines(&without), "{page}");
    let compare = format!("href=\"{}/compare/", viewer.url());
    assert!(page.contains(&compare), "{page}");
    let by_hand =
        format!("curl -si --cacert '{ca}' -H 'baggage: customer=alice' '{}/?", store.url());
    assert!(page.contains(&by_hand), "{page}");

    let (status, page) = trips(&lab, &[("kind", "browse-only")]);
    assert_eq!(status, StatusCode::OK, "{page}");
    assert_eq!(lines(&page)[..3], BROWSE, "{page}");
    let by_hand = format!("curl -si --cacert '{ca}' -H 'baggage: ");
    assert!(page.contains(&by_hand), "{page}");
    // The spans have the address that was asked, and not the one that awc was told.
    let trace = page.split_once("/trace/").unwrap().1[..32].to_owned();
    let trace = get(&format!("http://{}/api/traces/{trace}", teaching.viewer)).unwrap();
    let trace: Value = serde_json::from_slice(&trace).unwrap();
    let mut asked: Vec<_> = (trace["data"][0]["spans"].as_array().unwrap().iter())
        .flat_map(|span| span["tags"].as_array().unwrap())
        .filter(|tag| tag["key"] == "url.full")
        .map(|tag| tag["value"].as_str().unwrap().to_owned())
        .collect();
    asked.sort();
    let paths = ["/", "/whats-in-store"];
    assert_eq!(asked, paths.map(|path| format!("{}{path}", store.url())));
}

#[test]
fn a_store_that_is_not_trusted_is_said_where_the_lesson_would_be() {
    let teaching = Teaching::start();
    let front = TlsFront::start("server", false, teaching.store_address());
    let viewer = format!("http://{}", teaching.viewer);
    let another = certificate("self-signed.pem");
    let lab = teaching.lab_with(&front.url(), &viewer, &["--ca-certificate", &another]);
    let (status, page) = answer(post(&lab, "/lessons/spawn"));
    assert_eq!(status, StatusCode::BAD_GATEWAY, "{page}");
    let said = "the certificate of localhost is not trusted: its authority is not one of those \
                trusted; --ca-certificate names its authority";
    assert!(page.contains(said), "{page}");
}
