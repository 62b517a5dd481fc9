//! A real Zipkin server takes what the `zipkin` exporter sends, and returns it when asked.

use std::{
    collections::BTreeSet,
    io::Write as _,
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use testing::{
    ports,
    span::{Span, sorted},
    wait_longer, wait_until, zipkin,
};

use crate::{
    formats::{as_zipkin_can_tell, shop_with},
    support::http::get,
};

#[test]
fn a_zipkin_server_shows_the_spans_that_an_otlp_receiver_gets() {
    let Some(server) = Server::start() else { return };
    let endpoint = format!("{}/api/v2/spans", server.url);
    let (sent, _) = shop_with("zipkin", [("OTEL_EXPORTER_ZIPKIN_ENDPOINT", endpoint)]);

    let traces: BTreeSet<_> = sent.iter().map(|span| span.trace_id.clone()).collect();
    let ask = || -> Vec<Span> {
        let bodies =
            traces.iter().filter_map(|id| get(&format!("{}/api/v2/trace/{id}", server.url)));
        bodies.flat_map(|body| zipkin::spans(&body)).collect()
    };
    wait_until("the server has stored every span", || ask().len() >= sent.len());

    let expected = sent.into_iter().map(as_zipkin_can_tell).map(as_zipkin_stores).collect();
    assert_eq!(sorted(ask()), sorted(expected));
}

/// A Zipkin server keeps names in lower case.
fn as_zipkin_stores(mut span: Span) -> Span {
    span.name = span.name.to_lowercase();
    span
}

/// A Zipkin server with its storage in memory, which ends when this is dropped.
struct Server {
    url: String,
    process: Child,
}

impl Server {
    /// Starts the server in the file that `ZIPKIN_JAR` names. Without it, it says that the test is
    /// skipped.
    #[expect(clippy::disallowed_methods, reason = "this configures the test")]
    fn start() -> Option<Self> {
        let Some(jar) = std::env::var_os("ZIPKIN_JAR").map(PathBuf::from) else {
            let required = std::env::var("CI").is_ok_and(|ci| ci == "true");
            assert!(
                !required,
                "ZIPKIN_JAR is not set, and CI=true: expected the server's exec jar"
            );
            // libtest hides what `eprintln!` prints, but not this.
            let missing = "ZIPKIN_JAR does not name a Zipkin server";
            writeln!(std::io::stderr(), "SKIPPED: {missing}").ok();
            return None;
        };
        let [address] = ports::free();
        let url = format!("http://{address}");
        let process = Command::new("java")
            // It is to start soon, and not to run for long.
            .args(["-Xmx256m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"])
            .args(["-Dserver.address=127.0.0.1", "-jar"])
            .arg(&jar)
            .env("QUERY_PORT", address.port().to_string())
            .env("STORAGE_TYPE", "mem")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot run java -jar {}: {error}", jar.display()));
        let server = Self { url, process };
        let is_up = || get(&format!("{}/health", server.url)).is_some();
        wait_longer("the Zipkin server is up", 5, is_up);
        Some(server)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}
