//! What every answer carries and every request must, so that neither a page of somebody else's nor
//! a span of somebody else's can do anything in the viewer's name.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::HOST;
use actix_web::middleware::{DefaultHeaders, Next};
use actix_web::web::Data;
use actix_web::{Error, HttpResponse};

use crate::otlp::Signal;
use crate::refusals::Reason;
use crate::stats::Stats;

/// Scripts, styles and connections of the viewer's own only; nothing inline, nothing framed.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
    connect-src 'self'; img-src 'self' data:; base-uri 'none'; frame-ancestors 'none'; \
    form-action 'none'";

/// The headers of every answer.
pub(crate) fn headers() -> DefaultHeaders {
    DefaultHeaders::new()
        .add(("Content-Security-Policy", CONTENT_SECURITY_POLICY))
        .add(("X-Content-Type-Options", "nosniff"))
        .add(("Referrer-Policy", "no-referrer"))
        .add(("Cross-Origin-Resource-Policy", "same-origin"))
        .add(("Cross-Origin-Opener-Policy", "same-origin"))
}

/// Which `Host` a request may name, and what is done about others.
#[derive(Debug)]
pub(crate) struct HostCheck {
    address: SocketAddr,
    /// The flag that sets the address.
    flag: &'static str,
    stats: Arc<Stats>,
}

impl HostCheck {
    /// The check of a server that is bound to `address`, as `flag` said.
    pub(crate) fn new(address: SocketAddr, flag: &'static str, stats: Arc<Stats>) -> Self {
        Self { address, flag, stats }
    }

    /// Whether a request to `host` is answered. A server on the loopback interface is this
    /// machine's, as seen from itself; one that was told to listen to others cannot know its names.
    fn allows(&self, host: &str) -> bool {
        !self.address.ip().is_loopback() || is_loopback(host)
    }

    /// The answer to a request to another host, counted.
    fn refuse(&self, host: &str, path: &str) -> HttpResponse {
        let elsewhere = SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), self.address.port());
        let text = format!(
            "host {host:?} is not this machine: use localhost or 127.0.0.1, or, to be reached from \
             containers and other machines, start the viewer with {} {elsewhere}",
            self.flag
        );
        if let Some(signal) = Signal::ALL.into_iter().find(|signal| signal.http_path() == path) {
            self.stats.of(signal).count_request();
            self.stats.of(signal).count_refused();
        }
        self.stats.refusals.refused(Reason::Host, &text);
        HttpResponse::Forbidden().json(serde_json::json!({ "error": text }))
    }
}

/// Refuses a request whose `Host` is not this machine. Without that, a page on the internet could
/// let its own name point to 127.0.0.1 and read the traces (DNS rebinding).
pub(crate) async fn check_host<B: MessageBody>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, Error> {
    // An absolute request line, or HTTP/2's authority, goes before the header.
    let named = request.uri().authority().map(|authority| authority.as_str().to_owned());
    let header = request.headers().get(HOST).and_then(|host| host.to_str().ok());
    let host = named.or_else(|| header.map(str::to_owned)).unwrap_or_default();
    let refused = match request.app_data::<Data<HostCheck>>() {
        Some(check) if check.allows(&host) => None,
        Some(check) => Some(check.refuse(&host, request.path())),
        None => Some(HttpResponse::InternalServerError().finish()),
    };
    match refused {
        None => Ok(next.call(request).await?.map_into_left_body()),
        Some(refused) => Ok(request.into_response(refused).map_into_right_body()),
    }
}

fn is_loopback(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(bracketed) => bracketed.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    name == "localhost"
        || name.ends_with(".localhost")
        || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::is_loopback;

    #[test]
    fn only_names_of_this_machine_are_loopback() {
        for host in ["localhost", "localhost:16686", "127.0.0.1:1", "[::1]:80", "a.localhost"] {
            assert!(is_loopback(host), "{host}");
        }
        for host in
            ["", "example.com", "127.0.0.1.example.com", "localhost.example.com", "10.0.0.1"]
        {
            assert!(!is_loopback(host), "{host}");
        }
    }
}
