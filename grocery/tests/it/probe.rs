//! `grocery probe`, as a container's health check asks.

use testing::http::HttpReceiver;

use crate::support::{
    grocery::{grocery, url},
    ports,
    shopping::open_store,
};

#[test]
fn a_store_that_is_well_is_told_from_none() {
    let store = open_store(&vec![("OTEL_SDK_DISABLED", "true".into())]);
    let ready = format!("{}/readyz", url(&store));
    let ended = grocery(["probe", &ready], []).run();
    assert!(ended.status.success() && ended.stderr.is_empty(), "{ended:#?}");

    let [nobody] = ports::free();
    let nowhere = format!("http://{nobody}/readyz");
    let ended = grocery(["probe", &nowhere], []).run();
    assert_eq!(ended.status.code(), Some(1));
    let said = format!("grocery: no answer from {nowhere}");
    assert!(ended.last_line().starts_with(&said), "{ended:#?}");
}

#[test]
fn it_needs_no_certificates_and_no_proxy() {
    let well = HttpReceiver::answering(200);
    let variables = [
        ("SSL_CERT_FILE", "/nonexistent"),
        ("SSL_CERT_DIR", "/nonexistent"),
        ("http_proxy", "http://127.0.0.1:9"),
    ];
    let variables = variables.map(|(name, value)| (name, value.to_owned()));
    let ended = grocery(["probe", &well.url()], variables).run();
    assert!(ended.status.success(), "{ended:#?}");
}

#[test]
fn an_answer_that_is_no_success_is_said() {
    for status in [503, 404, 301] {
        let unwell = HttpReceiver::answering(status);
        let ended = grocery(["probe", &unwell.url()], []).run();
        assert_eq!(ended.status.code(), Some(1), "{ended:#?}");
        let said = format!("grocery: {} answers {status}", unwell.url());
        assert!(ended.last_line().starts_with(&said), "{ended:#?}");
    }
}

#[test]
fn it_says_which_urls_it_asks() {
    let ended = grocery(["probe", "https://127.0.0.1:5000/readyz"], []).run();
    assert_eq!(ended.status.code(), Some(1));
    assert_eq!(ended.stderr, ["grocery: https://127.0.0.1:5000/readyz: expected an http:// URL"],);
}
