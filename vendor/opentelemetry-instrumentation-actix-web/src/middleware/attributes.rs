//! The attributes of a request's span.
//!
//! Most requests say the same as those before them: they come for one of a few routes, from the same
//! address, to the same host, by the same client. So a worker keeps these values, and a span shares
//! them instead of having copies. The attributes of such a request are kept as a whole.

use std::{borrow::Cow, cell::RefCell, collections::BTreeMap, net::IpAddr, rc::Rc, sync::Arc};

use actix_http::header::{self, HeaderMap, HeaderName, HeaderValue, CONTENT_LENGTH};
use actix_web::{dev::ServiceRequest, http::uri::Authority, http::Version};
use opentelemetry::{KeyValue, StringValue};
use opentelemetry_semantic_conventions::{
    attribute::HTTP_REQUEST_BODY_SIZE,
    trace::{
        CLIENT_ADDRESS, HTTP_ROUTE, NETWORK_PEER_ADDRESS, NETWORK_PROTOCOL_VERSION, SERVER_ADDRESS, SERVER_PORT,
        URL_PATH, URL_QUERY, URL_SCHEME, USER_AGENT_ORIGINAL,
    },
};

use super::{recent::Recent, route_formatter::RouteFormatter};
use crate::util::{kept, known_method, method_attributes, method_in_name, protocol_version, redacted, url_scheme};

/// The headers by which a proxy says from where and for which host a request came.
const FORWARDED: [HeaderName; 4] = [
    header::FORWARDED,
    header::X_FORWARDED_FOR,
    header::X_FORWARDED_HOST,
    header::X_FORWARDED_PROTO,
];

/// How long the `Host` and the `User-Agent` of a usual request are together at most, in bytes: what strangers
/// send is kept for each route.
const LONGEST_SENDER: usize = 512;

/// What spans say of requests, with the values that a worker has met.
#[derive(Debug, Default)]
pub(super) struct RequestAttributes {
    /// The routes without parameters, by method and path. There are as many as the application has.
    routes: RefCell<Vec<(&'static str, BTreeMap<Box<str>, Rc<Route>>)>>,
    client: Recent<IpAddr, Arc<str>>,
    host: Recent<Box<str>, Host>,
    user_agent: Recent<Box<str>, Arc<str>>,
}

/// What the route of a request says of it.
#[derive(Debug)]
pub(super) struct Route {
    /// The name of the span: the method, and the route if there is one.
    pub(super) span_name: Cow<'static, str>,
    http_route: Option<StringValue>,
    /// The path, where all requests of the route have the same.
    path: Option<StringValue>,
    /// The attributes of its last usual requests, by what they depend on beside the route.
    usual: Recent<Sender, Rc<[KeyValue]>>,
}

/// What the attributes of a [usual](Headers::are_usual) request depend on beside its route.
#[derive(Debug)]
struct Sender {
    peer: Option<IpAddr>,
    host: Box<[u8]>,
    user_agent: Option<Box<[u8]>>,
    version: Version,
}

/// The headers that attributes are made of, read in one pass.
#[derive(Default)]
struct Headers<'a> {
    host: Option<&'a HeaderValue>,
    user_agent: Option<&'a HeaderValue>,
    content_length: Option<&'a HeaderValue>,
    is_forwarded: bool,
}

/// The parts of a `Host`, with `[` and `]` around IPv6.
#[derive(Clone, Debug)]
struct Host {
    address: Arc<str>,
    port: Option<u16>,
}

impl RequestAttributes {
    /// The route of a request.
    pub(super) fn route(&self, req: &ServiceRequest, formatter: Option<&dyn RouteFormatter>) -> Rc<Route> {
        let method = method_in_name(req.method());
        let path = req.path();
        {
            let routes = self.routes.borrow();
            let of_method = routes.iter().find(|(of, _)| *of == method);
            if let Some(route) = of_method.and_then(|(_, routes)| routes.get(path)) {
                return Rc::clone(route);
            }
        }
        let pattern = req.match_pattern();
        // A route without parameters is its own path. Of the others, a client chooses the paths.
        let is_fixed = pattern.as_deref() == Some(path);
        let http_route = pattern.map(|pattern| match formatter {
            Some(formatter) => formatter.format(&pattern),
            None => pattern,
        });
        let route = Rc::new(Route {
            // Span name follows semconv: "{method} {target}" where target is http.route, and "{method}"
            // alone where no route matched: the path is the client's to choose.
            span_name: match &http_route {
                Some(route) => kept(format!("{method} {route}")),
                None => Cow::Borrowed(method),
            },
            http_route: http_route.map(|route| kept(route).into()),
            path: is_fixed.then(|| kept(path.to_owned()).into()),
            usual: Recent::default(),
        });
        if is_fixed {
            let mut routes = self.routes.borrow_mut();
            let index = routes.iter().position(|(of, _)| *of == method).unwrap_or(routes.len());
            if index == routes.len() {
                routes.push((method, BTreeMap::new()));
            }
            routes[index].1.insert(path.into(), Rc::clone(&route));
        }
        route
    }

    /// All attributes of a request of this route.
    pub(super) fn of(&self, req: &ServiceRequest, route: &Route) -> Vec<KeyValue> {
        // Room for those that are added when the request is answered.
        let mut attributes = Vec::with_capacity(14);
        let headers = Headers::of(req.headers());
        match headers.host.filter(|_| headers.are_usual(req, route)) {
            Some(host) => {
                let peer = req.peer_addr().map(|peer| peer.ip());
                let user_agent = headers.user_agent.map(HeaderValue::as_bytes);
                let usual = route.usual.find(
                    |sender| sender.is(peer, host, user_agent, req.version()),
                    || {
                        let mut attributes = Vec::new();
                        self.push_all(req, route, &headers, &mut attributes);
                        let sender = Sender {
                            peer,
                            host: host.as_bytes().into(),
                            user_agent: user_agent.map(Into::into),
                            version: req.version(),
                        };
                        (sender, attributes.into())
                    },
                );
                attributes.extend_from_slice(&usual);
            }
            None => self.push_all(req, route, &headers, &mut attributes),
        }
        attributes
    }

    fn push_all(
        &self,
        req: &ServiceRequest,
        route: &Route,
        headers: &Headers<'_>,
        attributes: &mut Vec<KeyValue>,
    ) {
        // Server attrs
        // https://opentelemetry.io/docs/specs/semconv/http/http-spans/#http-server
        let of_route = |key, value: &StringValue| KeyValue::new(key, value.clone());
        attributes.extend(route.http_route.as_ref().map(|route| of_route(HTTP_ROUTE, route)));
        self.push_ends(req, headers, attributes);
        attributes.push(match route.fixed_path(req) {
            Some(path) => of_route(URL_PATH, path),
            None => KeyValue::new(URL_PATH, req.uri().path().to_owned()),
        });
        if let Some(query) = req.uri().query() {
            attributes.push(KeyValue::new(URL_QUERY, redacted(query).into_owned()));
        }
        attributes.push(scheme(req, headers.is_forwarded));

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

        if let Some(content_length) = (headers.content_length)
            .and_then(|len| len.to_str().ok().and_then(|s| s.parse::<i64>().ok()))
            .filter(|&len| len > 0)
        {
            attributes.push(KeyValue::new(HTTP_REQUEST_BODY_SIZE, content_length));
        }

        if let Some(user_agent) = headers.user_agent.and_then(|s| s.to_str().ok()) {
            let user_agent = self.user_agent.get(user_agent, || (user_agent.into(), user_agent.into()));
            attributes.push(shared(USER_AGENT_ORIGINAL, &user_agent));
        }
    }

    /// Where the request comes from, and where its client says that the server is.
    fn push_ends(&self, req: &ServiceRequest, headers: &Headers<'_>, attributes: &mut Vec<KeyValue>) {
        let peer = req.peer_addr().map(|peer| peer.ip());
        let peer = peer.map(|ip| self.client.get(&ip, || (ip, ip.to_string().into())));
        if headers.is_forwarded {
            let info = req.connection_info();
            let client = info.realip_remote_addr();
            attributes.extend(client.map(|client| KeyValue::new(CLIENT_ADDRESS, client.to_owned())));
            if let Some(peer) = peer.filter(|peer| Some(&**peer) != client) {
                attributes.push(shared(NETWORK_PEER_ADDRESS, &peer));
            }
            self.push_server(info.host(), attributes);
            return;
        }
        if let Some(peer) = peer {
            attributes.push(shared(CLIENT_ADDRESS, &peer));
        }
        // What `connection_info` finds where no proxy says anything, without its copies of it.
        let host = headers.host.and_then(|host| host.to_str().ok());
        let host = host.or_else(|| req.uri().authority().map(Authority::as_str));
        self.push_server(host.unwrap_or_else(|| req.app_config().host()), attributes);
    }

    fn push_server(&self, host: &str, attributes: &mut Vec<KeyValue>) {
        let Host { address, port } = self.host.get(host, || (host.into(), Host::of(host)));
        attributes.push(shared(SERVER_ADDRESS, &address));
        attributes.extend(port.map(|port| KeyValue::new(SERVER_PORT, i64::from(port))));
    }
}

impl Route {
    /// The path of this request, if it is the one that all requests of the route have.
    fn fixed_path(&self, req: &ServiceRequest) -> Option<&StringValue> {
        self.path.as_ref().filter(|path| path.as_str() == req.uri().path())
    }
}

impl Sender {
    fn is(
        &self,
        peer: Option<IpAddr>,
        host: &HeaderValue,
        user_agent: Option<&[u8]>,
        version: Version,
    ) -> bool {
        self.peer == peer
            && *self.host == *host.as_bytes()
            && self.user_agent.as_deref() == user_agent
            && self.version == version
    }
}

impl<'a> Headers<'a> {
    fn of(headers: &'a HeaderMap) -> Self {
        let mut found = Self::default();
        for (name, value) in headers {
            if *name == header::HOST {
                // Of several headers the first counts.
                found.host.get_or_insert(value);
            } else if *name == header::USER_AGENT {
                found.user_agent.get_or_insert(value);
            } else if *name == CONTENT_LENGTH {
                found.content_length.get_or_insert(value);
            } else if FORWARDED.contains(name) {
                found.is_forwarded = true;
            }
        }
        found
    }

    /// Whether the attributes depend on nothing but the route and the [`Sender`].
    fn are_usual(&self, req: &ServiceRequest, route: &Route) -> bool {
        let uri = req.uri();
        let sender = [self.host, self.user_agent].into_iter().flatten();
        !self.is_forwarded
            && sender.map(HeaderValue::len).sum::<usize>() <= LONGEST_SENDER
            && self.content_length.is_none_or(|length| length == "0")
            && uri.query().is_none()
            && uri.scheme().is_none()
            && route.fixed_path(req).is_some()
            && known_method(req.method()).is_some()
    }
}

fn scheme(req: &ServiceRequest, is_forwarded: bool) -> KeyValue {
    if is_forwarded {
        return KeyValue::new(URL_SCHEME, url_scheme(req.connection_info().scheme()));
    }
    match req.uri().scheme_str() {
        Some(scheme) => KeyValue::new(URL_SCHEME, url_scheme(scheme)),
        None if req.app_config().secure() => KeyValue::new(URL_SCHEME, "https"),
        None => KeyValue::new(URL_SCHEME, "http"),
    }
}

impl Host {
    fn of(host: &str) -> Self {
        let authority = host.parse::<Authority>().ok();
        let address = authority.as_ref().map_or(host, |authority| authority.host());
        Self {
            address: address.into(),
            port: authority.as_ref().and_then(Authority::port_u16),
        }
    }
}

/// An attribute whose value is shared instead of copied.
fn shared(key: &'static str, value: &Arc<str>) -> KeyValue {
    KeyValue::new(key, StringValue::from(Arc::clone(value)))
}
