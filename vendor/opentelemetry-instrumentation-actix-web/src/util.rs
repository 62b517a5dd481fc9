use actix_http::header::{self, CONTENT_LENGTH};
use actix_web::{
    dev::ServiceRequest,
    http::{Method, Version},
};
use actix_web::http::uri::Authority;
use opentelemetry::{KeyValue, Value};
use opentelemetry_semantic_conventions::{
    attribute::HTTP_REQUEST_BODY_SIZE,
    trace::{
        CLIENT_ADDRESS, HTTP_REQUEST_METHOD, HTTP_REQUEST_METHOD_ORIGINAL, HTTP_ROUTE, NETWORK_PEER_ADDRESS,
        NETWORK_PROTOCOL_VERSION, SERVER_ADDRESS, SERVER_PORT, URL_PATH, URL_QUERY, URL_SCHEME,
        USER_AGENT_ORIGINAL,
    },
};
use std::borrow::Cow;

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

/// Where the client says that the server is: the parts of a `Host`, with `[` and `]` around IPv6.
fn server_attributes(host: &str) -> impl Iterator<Item = KeyValue> {
    let authority = host.parse::<Authority>().ok();
    let address = authority.as_ref().map_or(host, |authority| authority.host());
    let port = authority.as_ref().and_then(Authority::port_u16);
    [KeyValue::new(SERVER_ADDRESS, address.to_owned())]
        .into_iter()
        .chain(port.map(|port| KeyValue::new(SERVER_PORT, i64::from(port))))
}

pub(super) fn trace_attributes_from_request(
    req: &ServiceRequest,
    http_route: Option<&str>,
) -> Vec<KeyValue> {
    let conn_info = req.connection_info();
    let remote_addr = conn_info.realip_remote_addr();

    let mut attributes = Vec::with_capacity(14);

    // Server attrs
    // https://opentelemetry.io/docs/specs/semconv/http/http-spans/#http-server
    if let Some(http_route) = http_route {
        attributes.push(KeyValue::new(HTTP_ROUTE, http_route.to_owned()));
    }
    if let Some(remote) = remote_addr {
        attributes.push(KeyValue::new(CLIENT_ADDRESS, remote.to_string()));
    }
    if let Some(peer_addr) = req.peer_addr().map(|socket| socket.ip().to_string()) {
        if Some(peer_addr.as_str()) != remote_addr {
            // Client is going through a proxy
            attributes.push(KeyValue::new(NETWORK_PEER_ADDRESS, peer_addr));
        }
    }
    attributes.extend(server_attributes(conn_info.host()));
    attributes.push(KeyValue::new(URL_PATH, req.uri().path().to_owned()));
    if let Some(query) = req.uri().query() {
        attributes.push(KeyValue::new(URL_QUERY, redacted(query).into_owned()));
    }
    attributes.push(KeyValue::new(URL_SCHEME, url_scheme(conn_info.scheme())));

    // Common attrs
    // https://opentelemetry.io/docs/specs/semconv/http/http-spans/#common-attributes
    attributes.extend(method_attributes(req.method()));
    // TODO: Add NETWORK_PROTOCOL_NAME attribute (e.g., "http").
    // Per semconv, this is recommended when the protocol name is not "http" or "https".
    // See: https://opentelemetry.io/docs/specs/semconv/http/http-spans/#common-attributes
    attributes.push(KeyValue::new(
        NETWORK_PROTOCOL_VERSION,
        protocol_version(req.version()),
    ));

    if let Some(content_length) = req
        .headers()
        .get(CONTENT_LENGTH)
        .and_then(|len| len.to_str().ok().and_then(|s| s.parse::<i64>().ok()))
        .filter(|&len| len > 0)
    {
        attributes.push(KeyValue::new(HTTP_REQUEST_BODY_SIZE, content_length));
    }

    if let Some(user_agent) = req
        .headers()
        .get(header::USER_AGENT)
        .and_then(|s| s.to_str().ok())
    {
        attributes.push(KeyValue::new(USER_AGENT_ORIGINAL, user_agent.to_string()));
    }

    attributes
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
