//! `OTEL_EXPORTER_OTLP_*`: the general variables, and the ones of a signal that go before them.
//!
//! <https://opentelemetry.io/docs/specs/otel/protocol/exporter/>

use super::variables::{Variables, http_url, proxy};
use crate::TelemetryError;
use crate::tls::{self, Credentials};
use http::Uri;
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
    /// `..._TIMEOUT`: how long one attempt to send a batch may take; for ever when `None`.
    pub timeout: Option<Duration>,
    /// `..._COMPRESSION`: whether bodies are compressed with gzip.
    pub gzip: bool,
    /// What is in the file that `..._CERTIFICATE` names: authorities to trust in place
    /// of the system's, as PEM.
    pub authorities: Option<Vec<u8>>,
    /// What is in the files that `..._CLIENT_CERTIFICATE` and `..._CLIENT_KEY` name: who this
    /// client is, as PEM.
    pub identity: Option<Identity>,
    /// The variable that names a proxy for the endpoint, if there is one; gRPC uses none.
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

/// A signal's own variable, and the general one that holds when it is not set.
type Names = [&'static str; 2];

/// The variables of one signal.
struct Signal {
    path: &'static str,
    certificate: Names,
    client_certificate: Names,
    client_key: Names,
    compression: Names,
    endpoint: Names,
    headers: Names,
    insecure: Names,
    protocol: Names,
    timeout: Names,
}

macro_rules! names {
    ($signal:literal, $what:literal) => {
        [concat!("OTEL_EXPORTER_OTLP_", $signal, "_", $what), concat!("OTEL_EXPORTER_OTLP_", $what)]
    };
}

macro_rules! signal {
    ($signal:literal, $path:literal) => {
        Signal {
            path: $path,
            certificate: names!($signal, "CERTIFICATE"),
            client_certificate: names!($signal, "CLIENT_CERTIFICATE"),
            client_key: names!($signal, "CLIENT_KEY"),
            compression: names!($signal, "COMPRESSION"),
            endpoint: names!($signal, "ENDPOINT"),
            headers: names!($signal, "HEADERS"),
            insecure: names!($signal, "INSECURE"),
            protocol: names!($signal, "PROTOCOL"),
            timeout: names!($signal, "TIMEOUT"),
        }
    };
}

impl OtlpConfig {
    /// Where and how spans are sent.
    pub(super) fn traces(vars: &Variables<'_>) -> Result<Self, TelemetryError> {
        Self::read(vars, &signal!("TRACES", "/v1/traces"))
    }

    /// Where and how metrics are sent.
    pub(super) fn metrics(vars: &Variables<'_>) -> Result<Self, TelemetryError> {
        Self::read(vars, &signal!("METRICS", "/v1/metrics"))
    }

    /// Whom the exporter trusts, and who it is.
    pub(crate) fn credentials(&self) -> Credentials<'_> {
        Credentials {
            authorities: self.authorities.as_deref(),
            identity: self.identity.as_ref().map(|own| (&own.certificate[..], &own.key[..])),
        }
    }

    fn read(vars: &Variables<'_>, signal: &Signal) -> Result<Self, TelemetryError> {
        let protocol = protocol(vars, signal.protocol)?;
        let [of_signal, general] = signal.timeout;
        let timeout = if vars.text(of_signal).is_some() { of_signal } else { general };
        let endpoint = endpoint(vars, signal, protocol)?;
        Ok(OtlpConfig {
            protocol,
            proxy: proxy(vars, &endpoint).filter(|_| protocol != Protocol::Grpc),
            endpoint,
            headers: headers(vars, signal.headers)?,
            timeout: vars.timeout(timeout, 10_000)?,
            gzip: gzip(vars, signal.compression)?,
            authorities: authorities(vars, signal.certificate)?,
            identity: identity(vars, signal)?,
        })
    }
}

/// The first of `names` that is set, with its value.
fn first_set(vars: &Variables<'_>, names: Names) -> Option<(&'static str, String)> {
    names.into_iter().find_map(|name| Some((name, vars.text(name)?)))
}

fn protocol(vars: &Variables<'_>, names: Names) -> Result<Protocol, TelemetryError> {
    let choices = [
        ("grpc", Protocol::Grpc),
        ("http/protobuf", Protocol::HttpProtobuf),
        ("http/json", Protocol::HttpJson),
    ];
    let chosen = first_set(vars, names).map(|(name, _)| vars.choice(name, &choices)).transpose()?;
    Ok(chosen.flatten().unwrap_or(Protocol::HttpProtobuf))
}

fn gzip(vars: &Variables<'_>, names: Names) -> Result<bool, TelemetryError> {
    let choices = [("gzip", true), ("none", false)];
    let chosen = first_set(vars, names).map(|(name, _)| vars.choice(name, &choices)).transpose()?;
    Ok(chosen.flatten().unwrap_or(false))
}

fn endpoint(
    vars: &Variables<'_>,
    signal: &Signal,
    protocol: Protocol,
) -> Result<Uri, TelemetryError> {
    let [of_signal, general] = signal.endpoint;
    let (name, mut text) = first_set(vars, signal.endpoint).unwrap_or_else(|| {
        let port = if protocol == Protocol::Grpc { 4317 } else { 4318 };
        (general, format!("http://localhost:{port}"))
    });
    if protocol == Protocol::Grpc {
        // Only here may the scheme be missing: then the connection is secure unless told otherwise.
        let insecure = insecure(vars, signal.insecure)?;
        if !text.contains("://") {
            text = format!("{}://{text}", if insecure { "http" } else { "https" });
        }
    } else if name != of_signal {
        // The general endpoint is a base for every signal; a signal's own is used as it is.
        text = format!("{}{}", text.trim_end_matches('/'), signal.path);
    }
    http_url(&text).ok_or_else(|| vars.invalid(name, "a URL that starts with http:// or https://"))
}

fn insecure(vars: &Variables<'_>, names: Names) -> Result<bool, TelemetryError> {
    first_set(vars, names).map_or(Ok(false), |(name, _)| vars.boolean(name))
}

fn headers(vars: &Variables<'_>, names: Names) -> Result<Vec<(String, String)>, TelemetryError> {
    let Some((name, _)) = first_set(vars, names) else { return Ok(Vec::new()) };
    let headers = vars.pairs(name)?;
    let valid = headers.iter().all(|(key, value)| {
        http::HeaderName::try_from(key).is_ok() && http::HeaderValue::try_from(value).is_ok()
    });
    if valid { Ok(headers) } else { Err(vars.invalid(name, "valid HTTP header names and values")) }
}

fn authorities(vars: &Variables<'_>, names: Names) -> Result<Option<Vec<u8>>, TelemetryError> {
    Ok(pem(vars, names, tls::check_authorities)?.map(|(_, pem)| pem))
}

fn identity(vars: &Variables<'_>, signal: &Signal) -> Result<Option<Identity>, TelemetryError> {
    let certificate = pem(vars, signal.client_certificate, tls::check_certificate)?;
    let key = pem(vars, signal.client_key, |key| {
        tls::check_key(certificate.as_ref().map(|(_, pem)| &pem[..]), key)
    })?;
    match (certificate, key) {
        (Some((_, certificate)), Some((_, key))) => Ok(Some(Identity { certificate, key })),
        (None, None) => Ok(None),
        (None, Some((name, _))) => {
            Err(vars.unusable(name, "the client's certificate to be set, too".to_owned()))
        }
        (Some((name, _)), None) => {
            Err(vars.unusable(name, "the client's key to be set, too".to_owned()))
        }
    }
}

/// What is in the file that the first of `names` names, if `check` accepts it.
fn pem(
    vars: &Variables<'_>,
    names: Names,
    check: impl FnOnce(&[u8]) -> Result<(), String>,
) -> Result<Option<(&'static str, Vec<u8>)>, TelemetryError> {
    let Some((name, path)) = first_set(vars, names) else { return Ok(None) };
    let pem = std::fs::read(path)
        .map_err(|error| vars.unusable(name, format!("a file as PEM, but: {error}")))?;
    check(&pem).map_err(|expected| vars.unusable(name, expected))?;
    Ok(Some((name, pem)))
}
