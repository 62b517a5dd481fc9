//! `grocery probe`, as a container's health check asks.

use std::net::TcpListener;

use testing::{
    http::HttpReceiver,
    ports,
    process::Ended,
    tls::{TlsFront, certificate},
};

use crate::support::{
    grocery::{grocery, url},
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
    let expected = "expected an http:// or https:// URL";
    for (url, why) in [
        ("ftp://127.0.0.1/readyz", ""),
        ("/readyz", "relative URL without a base; "),
        ("http://", "empty host; "),
        ("http://127.0.0.1:99999/", "invalid port number; "),
        ("http://127.0.0.1/a b", "HTTP does not allow it; "),
    ] {
        let ended = grocery(["probe", url], []).run();
        assert_eq!(ended.status.code(), Some(2));
        let said = format!("error: invalid value '{url}' for '[URL]': {why}{expected}");
        assert_eq!(ended.stderr[0], said);
    }
}

/// Probes `url`. The system trusts the authorities in the file `system`, and no others.
fn probe(url: &str, system: &str, flags: &[&str]) -> Ended {
    let variables = [
        ("SSL_CERT_FILE", system.to_owned()),
        ("SSL_CERT_DIR", "/nonexistent".to_owned()),
        ("SHOPPER_CA_CERTIFICATE", String::new()),
    ];
    grocery(["probe", url].iter().chain(flags).copied(), variables).run()
}

#[test]
fn a_role_behind_tls_is_asked_if_its_authority_is_trusted() {
    let well = HttpReceiver::answering(200);
    let front = TlsFront::start("server", false, well.address);
    let (ours, anothers) = (certificate("ca.pem"), certificate("self-signed.pem"));
    let url = format!("{}/readyz", front.url());
    let by_address = format!("https://{}/readyz", front.address);

    let by_flag = ["--ca-certificate", &ours];
    for ended in [
        probe(&url, &anothers, &by_flag),
        probe(&by_address, &anothers, &by_flag),
        probe(&url, &ours, &[]),
        grocery(["probe", &url], [("SHOPPER_CA_CERTIFICATE", ours.clone())]).run(),
    ] {
        assert!(ended.status.success() && ended.stderr.is_empty(), "{ended:#?}");
    }
    let asked: Vec<_> = well.requests().iter().map(|one| one.path.clone()).collect();
    assert_eq!(asked, ["/readyz"; 4]);
    assert_eq!(well.requests()[0].headers["host"], url["https://".len()..].replace("/readyz", ""));

    well.answer(503);
    let ended = probe(&url, &anothers, &by_flag);
    assert_eq!(ended.status.code(), Some(1));
    assert_eq!(ended.stderr, [format!("grocery: {url} answers 503 Service Unavailable")]);
}

#[test]
fn a_role_that_is_not_trusted_is_not_asked_and_the_reason_is_said() {
    let well = HttpReceiver::answering(200);
    let front = |name| TlsFront::start(name, false, well.address);
    let (ours, anothers) = (certificate("ca.pem"), certificate("self-signed.pem"));
    let elsewhere = certificate("self-signed-elsewhere.pem");
    let unknown = "its authority is not one of those trusted; --ca-certificate names its authority";
    let other_name = "certificate not valid for name \"localhost\"";
    for (name, system, flags, reason) in [
        ("server", &anothers, &[][..], unknown),
        // The authorities that are named are trusted in place of the system's.
        ("server", &ours, &["--ca-certificate", &anothers], unknown),
        ("self-signed-elsewhere", &ours, &["--ca-certificate", &elsewhere], other_name),
    ] {
        let front = front(name);
        let url = front.url();
        let ended = probe(&url, system, flags);
        assert_eq!(ended.status.code(), Some(1), "{ended:#?}");
        let said = format!(
            "grocery: no answer from {url}: Failed to connect to host: the certificate of localhost \
             is not trusted: {reason}"
        );
        assert!(ended.last_line().starts_with(&said), "{ended:#?}");
    }

    let front = front("server");
    let url = front.url();
    let ended = probe(&url, "/nonexistent", &[]);
    assert_eq!(ended.status.code(), Some(1), "{ended:#?}");
    let said = format!(
        "grocery: cannot make connections to {url}/: https needs certificates of authorities, and none \
         were found where SSL_CERT_FILE and SSL_CERT_DIR say"
    );
    assert!(ended.last_line().starts_with(&said), "{ended:#?}");
    let ended = probe(&url, &ours, &["--ca-certificate", "/nonexistent"]);
    assert_eq!(ended.status.code(), Some(2), "{ended:#?}");
    assert!(ended.errors().contains("it cannot be read"), "{ended:#?}");

    assert!(well.requests().is_empty());
}

#[test]
fn a_server_that_speaks_no_tls_is_told_from_one_that_does_not_speak() {
    let plain = HttpReceiver::answering(200);
    let url = format!("https://{}", plain.address);
    let ca = certificate("ca.pem");
    let ended = probe(&url, &ca, &[]);
    assert_eq!(ended.status.code(), Some(1), "{ended:#?}");
    assert!(ended.last_line().contains("no TLS connection with 127.0.0.1: "), "{ended:#?}");
    assert!(ended.last_line().ends_with("is it https there, or http?"), "{ended:#?}");

    // The system takes the connection, and nobody answers.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}", silent.local_addr().unwrap());
    for time in ["1", "100ms"] {
        let ended = probe(&url, &ca, &["--timeout", time]);
        assert_eq!(ended.status.code(), Some(1), "{ended:#?}");
        let said = format!("grocery: no answer from {url}: Timeout while waiting for response");
        assert_eq!(ended.stderr, [said]);
    }
}
