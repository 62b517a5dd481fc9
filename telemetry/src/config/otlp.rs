//! How an OTLP receiver is reached: the variables `OTEL_EXPORTER_OTLP_*`.
//!
//! Most of them come in two forms, and a signal's own goes before the general one: for traces,
//! `OTEL_EXPORTER_OTLP_TRACES_TIMEOUT` before `OTEL_EXPORTER_OTLP_TIMEOUT`.
//!
//! <https://opentelemetry.io/docs/specs/otel/protocol/exporter/>

use super::variables::{Variables, timeout};
use crate::tls::{self, Credentials};
use http::{HeaderMap, HeaderName, Uri};
use std::fmt;
use std::time::Duration;

/// How to reach an OTLP receiver.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct OtlpConfig {
    /// `..._PROTOCOL`.
    pub protocol: Protocol,
    /// `..._ENDPOINT`: with the signal's path for HTTP, without one for gRPC.
    pub endpoint: Uri,
    /// `..._HEADERS`.
    pub headers: Vec<(String, String)>,
    /// `..._TIMEOUT`: how long one attempt to send a batch may take. `None` means without limit.
    pub timeout: Option<Duration>,
    /// `..._COMPRESSION`: whether bodies are compressed with gzip.
    pub gzip: bool,
    /// The content of the file that `..._CERTIFICATE` names: the authorities to trust in place of
    /// the system's, as PEM.
    pub authorities: Option<Vec<u8>>,
    /// The content of the files that `..._CLIENT_CERTIFICATE` and `..._CLIENT_KEY` name, with which
    /// this client proves who it is.
    pub identity: Option<Identity>,
    /// The variable that names a proxy for the endpoint, if there is one. gRPC uses no proxy.
    pub proxy: Option<&'static str>,
}

/// A certificate and its private key, as PEM.
#[derive(Clone, Eq, PartialEq)]
pub struct Identity {
    /// The certificate, and those that lead from it to an authority.
    pub certificate: Vec<u8>,
    /// The private key.
    pub key: Vec<u8>,
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A private key must not get into a log.
        f.debug_struct("Identity").finish_non_exhaustive()
    }
}

/// The encodings and transports of OTLP.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Protocol {
    /// `http/protobuf`, the default.
    HttpProtobuf,
    /// `http/json`.
    HttpJson,
    /// `grpc`.
    Grpc,
}

/// What differs between the signals.
struct Signal {
    /// As it stands in the names of variables.
    name: &'static str,
    /// The path of the receiver over HTTP.
    path: &'static str,
    /// The endpoint over HTTP when no variable sets it.
    http_endpoint: &'static str,
}

const TRACES: Signal =
    Signal { name: "TRACES", path: "/v1/traces", http_endpoint: "http://localhost:4318/v1/traces" };

const METRICS: Signal = Signal {
    name: "METRICS",
    path: "/v1/metrics",
    http_endpoint: "http://localhost:4318/v1/metrics",
};

const LOGS: Signal =
    Signal { name: "LOGS", path: "/v1/logs", http_endpoint: "http://localhost:4318/v1/logs" };

/// The endpoint over gRPC when no variable sets it.
const GRPC_ENDPOINT: &str = "http://localhost:4317";

impl Signal {
    /// The variable of this signal alone, such as `OTEL_EXPORTER_OTLP_TRACES_TIMEOUT`.
    fn own(&self, what: &str) -> String {
        format!("OTEL_EXPORTER_OTLP_{}_{what}", self.name)
    }

    /// What `read` makes of this signal's own variable, or else of the general one.
    fn first<T>(&self, what: &str, read: impl Fn(&str) -> Option<T>) -> Option<T> {
        read(&self.own(what)).or_else(|| read(&general(what)))
    }
}

/// The variable of all signals, such as `OTEL_EXPORTER_OTLP_TIMEOUT`.
fn general(what: &str) -> String {
    format!("OTEL_EXPORTER_OTLP_{what}")
}

impl OtlpConfig {
    /// Reads how spans are sent.
    pub(super) fn traces(vars: &Variables<'_>) -> Self {
        Self::read(vars, &TRACES)
    }

    /// Reads how metrics are sent.
    pub(super) fn metrics(vars: &Variables<'_>) -> Self {
        Self::read(vars, &METRICS)
    }

    /// Reads how log records are sent.
    pub(super) fn logs(vars: &Variables<'_>) -> Self {
        Self::read(vars, &LOGS)
    }

    /// The certificates of the connection.
    pub(crate) fn credentials(&self) -> Credentials<'_> {
        Credentials {
            authorities: self.authorities.as_deref(),
            identity: self.identity.as_ref().map(|own| (&own.certificate[..], &own.key[..])),
        }
    }

    /// The headers that go with each request.
    pub(crate) fn header_map(&self) -> HeaderMap {
        // The names and values were checked when they were read.
        let valid = |(name, value): &(String, String)| {
            Some((name.parse::<HeaderName>().ok()?, value.parse().ok()?))
        };
        self.headers.iter().filter_map(valid).collect()
    }

    fn read(vars: &Variables<'_>, signal: &Signal) -> Self {
        let protocols = [
            ("grpc", Protocol::Grpc),
            ("http/protobuf", Protocol::HttpProtobuf),
            ("http/json", Protocol::HttpJson),
        ];
        let protocol = signal.first("PROTOCOL", |name| vars.choice(name, &protocols));
        let protocol = protocol.unwrap_or(Protocol::HttpProtobuf);
        let endpoint = match protocol {
            Protocol::Grpc => grpc_endpoint(vars, signal),
            Protocol::HttpProtobuf | Protocol::HttpJson => http_endpoint(vars, signal),
        };
        let compressions = [("gzip", true), ("none", false)];
        let gzip = signal.first("COMPRESSION", |name| vars.choice(name, &compressions));
        let millis = signal.first("TIMEOUT", |name| vars.millis(name));
        OtlpConfig {
            protocol,
            proxy: vars.proxy(&endpoint).filter(|_| protocol != Protocol::Grpc),
            endpoint,
            headers: signal.first("HEADERS", |name| headers(vars, name)).unwrap_or_default(),
            timeout: timeout(millis, Duration::from_secs(10)),
            gzip: gzip.unwrap_or(false),
            authorities: signal
                .first("CERTIFICATE", |name| vars.pem_file(name, tls::check_authorities)),
            identity: identity(vars, signal),
        }
    }
}

/// The endpoint over HTTP. The general variable is a base, to which each signal adds its path; a
/// signal's own is used as it is.
fn http_endpoint(vars: &Variables<'_>, signal: &Signal) -> Uri {
    let with_path = |base: &str| format!("{}{}", base.trim_end_matches('/'), signal.path);
    vars.url(&signal.own("ENDPOINT"), str::to_owned)
        .or_else(|| vars.url(&general("ENDPOINT"), with_path))
        .unwrap_or_else(|| Uri::from_static(signal.http_endpoint))
}

/// The endpoint over gRPC, which has no path. Only here may the scheme be missing; then the
/// connection is secure unless the variable `..._INSECURE` says otherwise.
fn grpc_endpoint(vars: &Variables<'_>, signal: &Signal) -> Uri {
    let is_insecure = signal.first("INSECURE", |name| vars.boolean(name)).unwrap_or(false);
    let scheme = if is_insecure { "http" } else { "https" };
    let with_scheme = |text: &str| match text.contains("://") {
        true => text.to_owned(),
        false => format!("{scheme}://{text}"),
    };
    signal
        .first("ENDPOINT", |name| vars.url(name, with_scheme))
        .unwrap_or_else(|| Uri::from_static(GRPC_ENDPOINT))
}

fn headers(vars: &Variables<'_>, name: &str) -> Option<Vec<(String, String)>> {
    let headers = vars.pairs(name)?;
    let are_valid = headers.iter().all(|(key, value)| {
        HeaderName::try_from(key).is_ok() && http::HeaderValue::try_from(value).is_ok()
    });
    if !are_valid {
        vars.refuse(name, "valid HTTP header names and values");
        return None;
    }
    Some(headers)
}

/// Reads the client's certificate and its key. Each is of use only with the other.
fn identity(vars: &Variables<'_>, signal: &Signal) -> Option<Identity> {
    let file = |what, check: &dyn Fn(&[u8]) -> Result<(), String>| {
        signal.first(what, |name| Some((vars.pem_file(name, check)?, name.to_owned())))
    };
    let certificate = file("CLIENT_CERTIFICATE", &tls::check_certificate);
    let pem = certificate.as_ref().map(|(pem, _)| &pem[..]);
    let key = file("CLIENT_KEY", &|key| tls::check_key(pem, key));
    match (certificate, key) {
        (Some((certificate, _)), Some((key, _))) => Some(Identity { certificate, key }),
        (Some((_, name)), None) => {
            vars.refuse_always(&name, "the client's key to be set, too".to_owned());
            None
        }
        (None, Some((_, name))) => {
            vars.refuse_always(&name, "the client's certificate to be set, too".to_owned());
            None
        }
        (None, None) => None,
    }
}
