//! `OTEL_EXPORTER_OTLP_*`: the general variables, and the ones of a signal that go before them.
//!
//! <https://opentelemetry.io/docs/specs/otel/protocol/exporter/>

use super::variables::Variables;
use crate::telemetry::TelemetryError;
use http::Uri;
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
    /// `..._TIMEOUT`: how long sending a batch may take, retries included.
    pub timeout: Duration,
    /// `..._COMPRESSION`: whether bodies are compressed with gzip.
    pub gzip: bool,
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

/// The names of one signal's variables, each beside the general one.
struct Names {
    protocol: [&'static str; 2],
    endpoint: [&'static str; 2],
    headers: [&'static str; 2],
    timeout: [&'static str; 2],
    compression: [&'static str; 2],
    path: &'static str,
}

macro_rules! names {
    ($signal:literal, $path:literal) => {
        Names {
            protocol: names!(@ $signal, "PROTOCOL"),
            endpoint: names!(@ $signal, "ENDPOINT"),
            headers: names!(@ $signal, "HEADERS"),
            timeout: names!(@ $signal, "TIMEOUT"),
            compression: names!(@ $signal, "COMPRESSION"),
            path: $path,
        }
    };
    (@ $signal:literal, $what:literal) => {
        [concat!("OTEL_EXPORTER_OTLP_", $signal, "_", $what), concat!("OTEL_EXPORTER_OTLP_", $what)]
    };
}

impl OtlpConfig {
    /// Where and how spans are sent.
    pub(super) fn traces(vars: &Variables<'_>) -> Result<Self, TelemetryError> {
        Self::read(vars, &names!("TRACES", "/v1/traces"))
    }

    /// Where and how metrics are sent.
    pub(super) fn metrics(vars: &Variables<'_>) -> Result<Self, TelemetryError> {
        Self::read(vars, &names!("METRICS", "/v1/metrics"))
    }

    fn read(vars: &Variables<'_>, names: &Names) -> Result<Self, TelemetryError> {
        let protocol = protocol(vars, names.protocol)?;
        let timeout = match vars.optional_millis(names.timeout[0])? {
            Some(timeout) => timeout,
            None => vars.millis(names.timeout[1], 10_000)?,
        };
        Ok(OtlpConfig {
            protocol,
            endpoint: endpoint(vars, names, protocol)?,
            headers: headers(vars, names.headers)?,
            timeout,
            gzip: gzip(vars, names.compression)?,
        })
    }
}

/// The first of `names` that is set, with its value.
fn first_set(vars: &Variables<'_>, names: [&'static str; 2]) -> Option<(&'static str, String)> {
    names.into_iter().find_map(|name| Some((name, vars.text(name)?)))
}

fn protocol(vars: &Variables<'_>, names: [&'static str; 2]) -> Result<Protocol, TelemetryError> {
    let Some((name, value)) = first_set(vars, names) else { return Ok(Protocol::HttpProtobuf) };
    match value.as_str() {
        "http/protobuf" => Ok(Protocol::HttpProtobuf),
        "http/json" => Ok(Protocol::HttpJson),
        "grpc" => Ok(Protocol::Grpc),
        _ => Err(vars.invalid(name, "grpc, http/protobuf or http/json")),
    }
}

fn gzip(vars: &Variables<'_>, names: [&'static str; 2]) -> Result<bool, TelemetryError> {
    let Some((name, value)) = first_set(vars, names) else { return Ok(false) };
    match value.as_str() {
        "gzip" => Ok(true),
        "none" => Ok(false),
        _ => Err(vars.invalid(name, "gzip or none")),
    }
}

fn endpoint(
    vars: &Variables<'_>,
    names: &Names,
    protocol: Protocol,
) -> Result<Uri, TelemetryError> {
    let [of_signal, general] = names.endpoint;
    let (name, mut text) = first_set(vars, names.endpoint).unwrap_or_else(|| {
        let default = match protocol {
            Protocol::Grpc => "http://localhost:4317",
            Protocol::HttpProtobuf | Protocol::HttpJson => "http://localhost:4318",
        };
        (general, default.to_owned())
    });
    // The general endpoint is a base for every signal; a signal's own is used as it is.
    if protocol != Protocol::Grpc && name != of_signal {
        text = format!("{}{}", text.trim_end_matches('/'), names.path);
    }
    super::variables::http_url(&text)
        .ok_or_else(|| vars.invalid(name, "a URL that starts with http:// or https://"))
}

fn headers(
    vars: &Variables<'_>,
    names: [&'static str; 2],
) -> Result<Vec<(String, String)>, TelemetryError> {
    let Some((name, _)) = first_set(vars, names) else { return Ok(Vec::new()) };
    let headers = vars.pairs(name)?;
    let valid = headers.iter().all(|(key, value)| {
        http::HeaderName::try_from(key).is_ok() && http::HeaderValue::try_from(value).is_ok()
    });
    if valid { Ok(headers) } else { Err(vars.invalid(name, "valid HTTP header names and values")) }
}
