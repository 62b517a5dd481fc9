use actix_web::http::{
    header::{HeaderName, HeaderValue},
    Method, Version,
};
#[cfg(feature = "metrics")]
use actix_web::dev::ServiceRequest;
use opentelemetry::{KeyValue, Value};
use opentelemetry_semantic_conventions::trace::{HTTP_REQUEST_METHOD, HTTP_REQUEST_METHOD_ORIGINAL};
#[cfg(feature = "metrics")]
use opentelemetry_semantic_conventions::trace::{HTTP_ROUTE, NETWORK_PROTOCOL_VERSION, URL_SCHEME};
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

/// The headers of trace context and baggage, whose names need not be parsed for each request.
static PROPAGATION_HEADERS: [HeaderName; 3] = [
    HeaderName::from_static("traceparent"),
    HeaderName::from_static("tracestate"),
    HeaderName::from_static("baggage"),
];

/// The name of a header that a propagator reads or writes, if it is one of W3C's.
pub(super) fn propagation_header(key: &str) -> Option<&'static HeaderName> {
    PROPAGATION_HEADERS.iter().find(|name| name.as_str() == key)
}

/// The text of a header, if it is ASCII: what [`HeaderValue::to_str`] says, which looks at each byte by itself. A header has
/// no control characters.
pub(super) fn text(header: &HeaderValue) -> Option<&str> {
    std::str::from_utf8(header.as_bytes()).ok().filter(|text| text.is_ascii())
}

/// The query keys whose values are secrets, as the semantic conventions list them.
/// See <https://opentelemetry.io/docs/specs/semconv/registry/attributes/url/>.
const SECRET_QUERY_KEYS: [&str; 5] = [
    "X-Amz-Signature",
    "X-Amz-Credential",
    "X-Amz-Security-Token",
    "sig",
    "X-Goog-Signature",
];

/// The query with the values of [`SECRET_QUERY_KEYS`] replaced by `REDACTED`; keys stay as they are.
pub(super) fn redacted(query: &str) -> Cow<'_, str> {
    let is_secret = |pair: &str| {
        pair.split_once('=')
            .is_some_and(|(key, _)| SECRET_QUERY_KEYS.contains(&key))
    };
    if !query.split('&').any(is_secret) {
        return Cow::Borrowed(query);
    }
    let pairs: Vec<_> = query
        .split('&')
        .map(|pair| match pair.split_once('=') {
            Some((key, _)) if is_secret(pair) => Cow::Owned(format!("{key}=REDACTED")),
            _ => Cow::Borrowed(pair),
        })
        .collect();
    Cow::Owned(pairs.join("&"))
}

/// The port that a URL of this scheme has when it names none.
#[cfg(feature = "awc")]
pub(super) fn default_port(scheme: &str) -> Option<u16> {
    match scheme {
        "http" | "ws" => Some(80),
        "https" | "wss" => Some(443),
        _ => None,
    }
}

/// The whole URL, without credentials and secrets.
#[cfg(feature = "awc")]
pub(super) fn http_url(uri: &actix_web::http::Uri) -> String {
    let scheme = uri.scheme_str().unwrap_or_default();
    let host = uri.host().unwrap_or_default();
    let has_credentials = uri.authority().is_some_and(|authority| authority.as_str().contains('@'));
    let credentials = if has_credentials { "REDACTED:REDACTED@" } else { "" };
    let mut url = format!("{scheme}://{credentials}{host}");
    if let Some(port) = uri.port_u16().filter(|&p| Some(p) != default_port(scheme)) {
        url.push_str(&format!(":{port}"));
    }
    url.push_str(uri.path());
    if let Some(query) = uri.query() {
        url.push('?');
        url.push_str(&redacted(query));
    }
    url
}

/// The method, if it is one that the semantic conventions know; names are case-sensitive.
/// See <https://opentelemetry.io/docs/specs/semconv/http/http-spans/#common-attributes>.
pub(super) fn known_method(method: &Method) -> Option<&'static str> {
    Some(match *method {
        Method::OPTIONS => "OPTIONS",
        Method::GET => "GET",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        Method::HEAD => "HEAD",
        Method::TRACE => "TRACE",
        Method::CONNECT => "CONNECT",
        Method::PATCH => "PATCH",
        _ if method.as_str() == "QUERY" => "QUERY",
        _ => return None,
    })
}

/// The value of `http.request.method`: a client that makes up methods makes up no values.
#[inline]
pub(super) fn http_method_str(method: &Method) -> Value {
    known_method(method).unwrap_or("_OTHER").into()
}

/// The method of a request as span names have it.
pub(super) fn method_in_name(method: &Method) -> &'static str {
    known_method(method).unwrap_or("HTTP")
}

/// The texts that are kept at most. An application has some for each of its routes, and a client one
/// for each template.
const MOST_KEPT: usize = 1024;

/// A text that many spans will have, such as their name. It is kept for good, so that spans need no
/// copies of it, unless there are [very many](MOST_KEPT).
pub(super) fn kept(text: String) -> Cow<'static, str> {
    static KEPT: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());
    let mut all = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    match all.get(&*text) {
        Some(kept) => Cow::Borrowed(*kept),
        None if all.len() >= MOST_KEPT => Cow::Owned(text),
        None => {
            let kept: &'static str = text.leak();
            all.insert(kept);
            Cow::Borrowed(kept)
        }
    }
}

/// `http.request.method`, and the method as it came where that says less.
pub(super) fn method_attributes(method: &Method) -> impl Iterator<Item = KeyValue> {
    let original = known_method(method)
        .is_none()
        .then(|| KeyValue::new(HTTP_REQUEST_METHOD_ORIGINAL, method.to_string()));
    [KeyValue::new(HTTP_REQUEST_METHOD, http_method_str(method))]
        .into_iter()
        .chain(original)
}

#[inline]
pub(super) fn protocol_version(version: Version) -> Value {
    match version {
        Version::HTTP_09 => "0.9".into(),
        Version::HTTP_10 => "1.0".into(),
        Version::HTTP_11 => "1.1".into(),
        Version::HTTP_2 => "2".into(),
        Version::HTTP_3 => "3".into(),
        other => format!("{other:?}").into(),
    }
}

#[inline]
pub(super) fn url_scheme(scheme: &str) -> Value {
    match scheme {
        "http" => "http".into(),
        "https" => "https".into(),
        other => other.to_string().into(),
    }
}

/// The attributes of a request's metrics: its route, method, protocol version and scheme.
///
/// Each has one of a few values, whatever the client sends, because every combination of values is
/// a time series of its own. So the method is `_OTHER` if it is not known, the scheme is that of the
/// connection and not what a header says, and the address in `Host` is left out.
#[cfg(feature = "metrics")]
pub fn metrics_attributes_from_request(
    req: &ServiceRequest,
    http_route: Cow<'static, str>,
) -> Vec<KeyValue> {
    let mut attributes = Vec::with_capacity(6);
    // The route is empty where there is none.
    if !http_route.is_empty() {
        attributes.push(KeyValue::new(HTTP_ROUTE, http_route));
    }
    attributes.extend(active_request_attributes(req));
    attributes.push(KeyValue::new(
        NETWORK_PROTOCOL_VERSION,
        protocol_version(req.version()),
    ));
    attributes
}

/// The attributes that the conventions have for a request that is not answered yet.
/// See <https://opentelemetry.io/docs/specs/semconv/http/http-metrics/#metric-httpserveractive_requests>.
#[cfg(feature = "metrics")]
pub(super) fn active_request_attributes(req: &ServiceRequest) -> [KeyValue; 2] {
    let scheme = if req.app_config().secure() { "https" } else { "http" };
    [
        KeyValue::new(HTTP_REQUEST_METHOD, http_method_str(req.method())),
        KeyValue::new(URL_SCHEME, scheme),
    ]
}
