//! A viewer to test, a client to test it with, and spans and log records to send.

pub(crate) mod logs;
pub(crate) mod spans;

use std::sync::Once;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message;
use reqwest::StatusCode;
use reqwest::blocking::{Client, RequestBuilder, Response};
use serde_json::Value as Json;
use testing::browser::PATIENCE;
pub(crate) use testing::browser::eventually;
use viewer::{Config, Handle};

/// A trace backend: the viewer, started here, or one that runs already.
pub(crate) struct Backend {
    client: Client,
    otlp: String,
    query: String,
    handle: Option<Handle>,
}

impl Backend {
    /// A viewer of its own, on free ports.
    pub(crate) fn viewer() -> Self {
        Self::with(Config::on_free_ports())
    }

    /// A viewer of its own with these limits.
    pub(crate) fn with(config: Config) -> Self {
        let handle = viewer::serve(config).expect("free ports to listen on");
        Self {
            client: client(),
            otlp: format!("http://{}", handle.otlp()),
            query: format!("http://{}", handle.listen()),
            handle: Some(handle),
        }
    }

    /// The Jaeger at `JAEGER_QUERY_URL` (with `JAEGER_OTLP_URL` to send to), or else a viewer.
    #[expect(clippy::disallowed_methods, reason = "which backend is tested is a setting")]
    pub(crate) fn jaeger_or_viewer() -> Self {
        match (std::env::var("JAEGER_QUERY_URL"), std::env::var("JAEGER_OTLP_URL")) {
            (Ok(query), Ok(otlp)) => Self::at(query, otlp),
            _ => Self::viewer(),
        }
    }

    /// One that runs already: its query port's address and its OTLP port's, as URLs.
    pub(crate) fn at(query: String, otlp: String) -> Self {
        Self { client: client(), otlp, query, handle: None }
    }

    pub(crate) fn handle(&self) -> &Handle {
        self.handle.as_ref().expect("a viewer started by the test")
    }

    /// Sends spans as protobuf; they must be taken whole.
    pub(crate) fn send(&self, request: &ExportTraceServiceRequest) {
        let sent = self.post("/v1/traces", "application/x-protobuf", request.encode_to_vec());
        assert_eq!(sent.status(), StatusCode::OK);
    }

    /// Posts to the OTLP port.
    pub(crate) fn post(
        &self,
        path: &str,
        content_type: &str,
        body: impl Into<Vec<u8>>,
    ) -> Response {
        let request = self.otlp(path).header("content-type", content_type).body(body.into());
        request.send().expect("an answer from the OTLP port")
    }

    /// A POST to the OTLP port, to be completed.
    pub(crate) fn otlp(&self, path: &str) -> RequestBuilder {
        self.client.post(format!("{}{path}", self.otlp))
    }

    /// A GET from the query port, to be completed.
    pub(crate) fn query(&self, path: &str) -> RequestBuilder {
        self.client.get(format!("{}{path}", self.query))
    }

    /// A POST to the query port, to be completed.
    pub(crate) fn query_post(&self, path: &str) -> RequestBuilder {
        self.client.post(format!("{}{path}", self.query))
    }

    /// The status and JSON at `path` of the query port.
    pub(crate) fn get(&self, path: &str) -> (u16, Json) {
        let answer = self.query(path).send().expect("an answer from the query port");
        let status = answer.status().as_u16();
        let text = answer.text().expect("a text");
        (status, serde_json::from_str(&text).unwrap_or(Json::String(text)))
    }

    /// The JSON at `path`, once `ready` says that it is what was waited for.
    pub(crate) fn get_when(&self, path: &str, ready: impl Fn(&Json) -> bool) -> Json {
        eventually(path, || {
            let (_, json) = self.get(path);
            if ready(&json) { Ok(json) } else { Err(json) }
        })
    }

    /// The viewer's statistics, once it holds or has evicted `spans` spans in all.
    pub(crate) fn stats_when_stored(&self, spans: u64) -> Json {
        self.get_when("/viewer/api/stats", |stats| {
            let stored = ["/spans", "/evicted/spans", "/duplicates", "/overflow"];
            stored.iter().filter_map(|path| stats.pointer(path)?.as_u64()).sum::<u64>() >= spans
        })
    }
}

/// A client that waits for an answer as long as a test does.
///
/// Each request has a connection of its own. The viewer closes one that has been idle for five seconds,
/// which on a busy machine may be between two requests of a test, and a request that is sent at that
/// moment gets no answer.
pub(crate) fn client() -> Client {
    static PROVIDER: Once = Once::new();
    // The client wants a TLS stack, though nothing here speaks TLS.
    PROVIDER.call_once(|| drop(rustls::crypto::ring::default_provider().install_default()));
    let builder = Client::builder().timeout(PATIENCE).no_proxy().pool_max_idle_per_host(0);
    builder.build().expect("an HTTP client")
}

/// Microseconds since the epoch.
pub(crate) fn now_us() -> u64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).expect("a time after 1970");
    u64::try_from(since_epoch.as_micros()).expect("a time before the year 500000")
}

/// A number that no other test of this or an earlier run has: a Jaeger keeps what it was sent.
pub(crate) fn unique() -> u64 {
    static COUNT: AtomicU64 = AtomicU64::new(1);
    now_us() * 1_000 + COUNT.fetch_add(1, Ordering::Relaxed) % 1_000
}
