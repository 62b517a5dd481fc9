//! What keeps other sites out. Every answer carries the [`headers`], so that a span cannot bring a
//! script into the page. Every request is [checked](check_request), so that a page of another site
//! can neither read the traces nor send any.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::http::header::{ACCESS_CONTROL_REQUEST_METHOD, HOST, ORIGIN};
use actix_web::middleware::{DefaultHeaders, Next};
use actix_web::web::Data;
use actix_web::{Error, HttpResponse};
use shared::hosts::{AllowedHosts, HostName, host_name};
use shared::site::{self, CONTENT_SECURITY_POLICY, Forms, SEC_FETCH_SITE};

use crate::cors::Origins;
use crate::otlp::Signal;
use crate::refusals::Reason;
use crate::stats::Stats;

/// The headers of every answer.
pub(crate) fn headers() -> DefaultHeaders {
    site::HEADERS
        .into_iter()
        .chain([(CONTENT_SECURITY_POLICY, site::policy(Forms::Nowhere))])
        .fold(DefaultHeaders::new(), DefaultHeaders::add)
}

/// Which requests a server answers.
#[derive(Debug)]
pub(crate) struct RequestCheck {
    address: SocketAddr,
    /// The flag that sets the address.
    flag: &'static str,
    hosts: AllowedHosts,
    /// Whether a request that changes something must be of the server's own page, or of no page.
    is_page: bool,
    /// Origins whose pages may send: browsers ask about them.
    origins: Origins,
    stats: Arc<Stats>,
}

impl RequestCheck {
    /// The check of a server that is bound to `address`, as `flag` said, and reached by the names
    /// that are `listed`.
    ///
    /// A server on the loopback interface is this machine's, as seen from itself; one that was told
    /// to listen to others cannot know its names. Without this check a page on the internet could
    /// let its own name point to 127.0.0.1 and read the traces (DNS rebinding).
    pub(crate) fn new(
        address: SocketAddr,
        flag: &'static str,
        listed: &[HostName],
        stats: Arc<Stats>,
    ) -> Self {
        let (hosts, origins) = (AllowedHosts::of(address, listed), Origins::default());
        Self { address, flag, hosts, is_page: false, origins, stats }
    }

    /// The same for the server of the page, which changes things for its own page only.
    pub(crate) fn of_page(self) -> Self {
        Self { is_page: true, ..self }
    }

    /// The same for a server to which pages of these origins may send.
    pub(crate) fn with_origins(self, origins: Origins) -> Self {
        Self { origins, ..self }
    }

    /// The origins whose pages may send.
    pub(crate) fn origins(&self) -> &Origins {
        &self.origins
    }

    /// The refusal of a request that is not answered, counted.
    fn refuse(&self, request: &ServiceRequest) -> Option<HttpResponse> {
        let host = host(request);
        if !self.hosts.allow(&host) {
            return Some(self.refuse_host(&host, request.path()));
        }
        if self.is_page {
            let is_foreign = changes_something(request) && !is_of_own_site(request, &host);
            return is_foreign.then(|| self.refuse_site());
        }
        let origin = asks_for(request)?;
        (!self.origins.allow(origin)).then(|| self.refuse_origin(origin))
    }

    /// The answer to a request that a browser sends for a page of another site.
    fn refuse_site(&self) -> HttpResponse {
        let text = "only the viewer's own page may send this; a program sends no Origin and no \
                    Sec-Fetch-Site";
        self.stats.refusals.refused(Reason::Site, &text);
        HttpResponse::Forbidden().json(serde_json::json!({ "error": text }))
    }

    /// The answer to a browser that asks whether a page of this origin may send.
    fn refuse_origin(&self, origin: &[u8]) -> HttpResponse {
        let origin = String::from_utf8_lossy(origin);
        let text = format!(
            "pages of {origin:?} may not send from a browser: start the viewer with --cors-origins \
             and the origins that may"
        );
        self.stats.refusals.refused(Reason::Site, &text);
        HttpResponse::Forbidden().json(serde_json::json!({ "error": text }))
    }

    /// The answer to a request to another host.
    fn refuse_host(&self, host: &str, path: &str) -> HttpResponse {
        let name = host_name(host);
        let name = name.as_ref().map_or("NAME".into(), HostName::to_string);
        let text = if self.address.ip().is_loopback() {
            let elsewhere = SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), self.address.port());
            format!(
                "host {host:?} is not this machine: use localhost or 127.0.0.1, or start the viewer \
                 with --allowed-hosts {name}, or, to be reached from containers and other \
                 machines, with {} {elsewhere}",
                self.flag
            )
        } else {
            format!("host {host:?} is not listed: start the viewer with --allowed-hosts {name} too")
        };
        if let Some(signal) = Signal::ALL.into_iter().find(|signal| signal.http_path() == path) {
            self.stats.of(signal).count_request();
            self.stats.of(signal).count_refused();
        }
        self.stats.refusals.refused(Reason::Host, &text);
        HttpResponse::Forbidden().json(serde_json::json!({ "error": text }))
    }
}

/// Refuses requests that the server's [`RequestCheck`] does not let through.
pub(crate) async fn check_request<B: MessageBody>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, Error> {
    let refused = match request.app_data::<Data<RequestCheck>>() {
        Some(check) => check.refuse(&request),
        None => Some(HttpResponse::InternalServerError().finish()),
    };
    match refused {
        None => Ok(next.call(request).await?.map_into_left_body()),
        Some(refused) => Ok(request.into_response(refused).map_into_right_body()),
    }
}

/// Where the request was sent to. An absolute request line, or HTTP/2's authority, goes before the
/// header.
fn host(request: &ServiceRequest) -> String {
    let named = request.uri().authority().map(|authority| authority.as_str().to_owned());
    let header = || request.headers().get(HOST).and_then(|host| host.to_str().ok());
    named.or_else(|| header().map(str::to_owned)).unwrap_or_default()
}

/// The origin of the page for which a browser asks whether it may send; `None` for other requests.
fn asks_for(request: &ServiceRequest) -> Option<&[u8]> {
    let is_asked = request.method() == Method::OPTIONS
        && request.headers().contains_key(ACCESS_CONTROL_REQUEST_METHOD);
    let origin = request.headers().get(ORIGIN).filter(|_| is_asked)?;
    Some(origin.as_bytes())
}

fn changes_something(request: &ServiceRequest) -> bool {
    !matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS)
}

/// Whether a request comes from a page of this server, or from no page at all.
fn is_of_own_site(request: &ServiceRequest, host: &str) -> bool {
    let header = |name: &str| request.headers().get(name).map(|value| value.as_bytes());
    site::is_own(header(SEC_FETCH_SITE), header(ORIGIN.as_str()), host)
}
