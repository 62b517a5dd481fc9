//! TLS over HTTP and over gRPC: which servers an exporter trusts, and which certificate it shows.

use crate::support::log::Log;
use crate::support::{config, impatient, shutdown, story};
use testing::grpc::GrpcReceiver;
use testing::http::HttpReceiver;
use testing::tls::{TlsFront, certificate};

/// Sends two spans to a server that shows the certificate `server`. Returns what became of them and
/// what was logged.
fn export(protocol: &str, server: &str, asks: bool, trust: &[(&str, &str)]) -> (String, String) {
    let (http, grpc) = (HttpReceiver::answering(200), GrpcReceiver::start());
    let receiver = if protocol == "grpc" { grpc.address } else { http.address };
    let front = TlsFront::start(server, asks, receiver);
    let log = Log::start();
    let url = front.url();
    let variables = [
        ("OTEL_TRACES_EXPORTER", "otlp"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", protocol),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &url),
        ("OTEL_BSP_EXPORT_TIMEOUT", "20000"),
    ];
    let pipeline = impatient(&[&variables[..], trust].concat());
    story::end_spans(pipeline.tracers(), 2);
    let totals = shutdown(pipeline).to_string();
    let said = log.lines(&url).join("\n");
    (totals.rsplit(" | ").next().unwrap_or_default().to_owned(), said)
}

const TAKEN: &str = "otlp exported=2 failed=0 dropped=0";
const LOST: &str = "otlp exported=0 failed=2 dropped=0";

#[test]
fn a_named_authority_and_a_named_self_signed_certificate_are_trusted() {
    let ca = certificate("ca.pem");
    let own = certificate("self-signed.pem");
    let elsewhere = certificate("self-signed-elsewhere.pem");
    let expired = certificate("self-signed-expired.pem");
    for protocol in ["http/protobuf", "grpc"] {
        for (server, trusted, expected, said) in [
            ("server", &ca, TAKEN, ""),
            ("self-signed", &own, TAKEN, ""),
            // A self-signed certificate is not trusted if it is another one, for another name, or
            // expired.
            ("self-signed", &ca, LOST, "it is its own authority, and not one of those named"),
            (
                "self-signed",
                &elsewhere,
                LOST,
                "it is its own authority, and not one of those named",
            ),
            ("self-signed-elsewhere", &elsewhere, LOST, "not valid for name"),
            ("self-signed-expired", &expired, LOST, "expired"),
            ("server", &own, LOST, "its authority is not one of those trusted"),
        ] {
            let trust = [("OTEL_EXPORTER_OTLP_CERTIFICATE", trusted.as_str())];
            let (totals, warning) = export(protocol, server, false, &trust);
            assert_eq!(totals, expected, "{protocol} {server}: {warning}");
            assert!(warning.contains(said), "{protocol} {server}: {warning}");
            if expected == LOST {
                let named = "is not trusted: ";
                let remedy = "name its authority in OTEL_EXPORTER_OTLP_CERTIFICATE";
                assert!(warning.contains(named) && warning.contains(remedy), "{warning}");
                assert_eq!(warning.lines().count(), 1, "{warning}");
            }
        }
    }
}

#[test]
fn a_client_shows_its_certificate_to_a_server_that_asks() {
    let ca = certificate("ca.pem");
    let (client, key) = (certificate("client.pem"), certificate("client.key"));
    for protocol in ["http/protobuf", "grpc"] {
        let trust = [("OTEL_EXPORTER_OTLP_CERTIFICATE", ca.as_str())];
        let identity = [
            ("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", client.as_str()),
            ("OTEL_EXPORTER_OTLP_CLIENT_KEY", key.as_str()),
        ];
        let both = [&trust[..], &identity].concat();
        assert_eq!(export(protocol, "server", true, &both).0, TAKEN, "{protocol}");
        assert_eq!(export(protocol, "server", true, &trust).0, LOST, "{protocol}");
    }
}

#[test]
fn the_error_tells_https_to_an_http_server_from_http_to_an_https_server() {
    let receiver = HttpReceiver::answering(200);
    let log = Log::start();
    let ca = certificate("ca.pem");
    let url = format!("https://localhost:{}", receiver.address.port());
    let pipeline = impatient(&[
        ("OTEL_TRACES_EXPORTER", "otlp"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &url),
        ("OTEL_EXPORTER_OTLP_CERTIFICATE", &ca),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "500"),
        ("OTEL_BSP_EXPORT_TIMEOUT", "1"),
    ]);
    story::end_spans(pipeline.tracers(), 1);
    assert_eq!(shutdown(pipeline).exporters[0].failed, 1);
    assert_eq!(log.lines(&url).len(), 1, "{:#?}", log.lines(&url));
}

#[test]
fn certificates_that_cannot_be_used_are_refused_at_the_start_by_their_variable() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("a file");
        path.to_str().expect("a path in UTF-8").to_owned()
    };
    let garbage =
        file("garbage.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    let other = file("other.pem", "potato");
    let own = |name: &str| certificate(name);
    let (client, client_key) = (own("client.pem"), own("client.key"));
    let certificates = "a file with certificates as PEM";
    let (ca, cert, key) = (
        "OTEL_EXPORTER_OTLP_CERTIFICATE",
        "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE",
        "OTEL_EXPORTER_OTLP_CLIENT_KEY",
    );
    let v1 = "a certificate of X.509 version 3, and this one is of version 1";
    /// Variables, the one that the error names, and what it says.
    type Row<'a> = (&'a [(&'a str, &'a str)], &'a str, &'a str);
    let rows: &[Row<'_>] = &[
        (&[(ca, "/nowhere")], ca, "a file as PEM, but: No such file or directory (os error 2)"),
        (&[(ca, &other)], ca, certificates),
        (&[(ca, &client_key)], ca, certificates),
        (&[(ca, &garbage)], ca, "a file with certificates as PEM, but: "),
        (&[(cert, &garbage)], cert, "a file with certificates as PEM, but: "),
        (&[(cert, &own("client-v1.pem"))], cert, v1),
        (&[(cert, &client)], cert, "the client's key to be set, too"),
        (&[(key, &client)], key, "a file with a private key as PEM"),
        (&[(key, &client_key)], key, "the client's certificate to be set, too"),
        (
            &[(cert, &client), (key, &own("server.key"))],
            key,
            "the private key of the client's certificate, and this is another's",
        ),
    ];
    for (variables, named, expected) in rows {
        for lenient in [&[][..], &[("GROCERY_OTEL_LENIENT", "true")]] {
            let all = [variables, lenient].concat();
            let error = config(&all).expect_err(named).to_string();
            assert!(error.starts_with(&format!("{named}=")), "{error}");
            assert!(error.contains(&format!(" is not valid: expected {expected}")), "{error}");
        }
    }
    let right = [(ca, &own("ca.pem")[..]), (cert, &client), (key, &client_key)];
    let right = config(&right).expect("files of the right kind");
    assert!(!format!("{right:?}").contains("PRIVATE"), "a key does not get into a log");
}
