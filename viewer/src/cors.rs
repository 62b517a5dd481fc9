//! Which pages of other sites may send OTLP from a browser (cross-origin resource sharing, CORS):
//! <https://fetch.spec.whatwg.org/#http-cors-protocol>.
//!
//! Without this option there are none. A browser asks first, with a request `OPTIONS`, whether a
//! page may send what a form could not send, such as JSON.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use actix_cors::Cors;
use actix_web::http::Method;
use actix_web::http::header::RETRY_AFTER;
use url::Url;

/// For how long a browser may remember that it may send, in seconds.
const REMEMBERED_S: usize = 600;

/// The origin of a page, such as `https://shop.example` or `http://localhost:3000`; or `*`, all of
/// them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin(String);

/// The origins whose pages may send.
#[derive(Clone, Debug, Default)]
pub(crate) struct Origins(Arc<[Origin]>);

impl Origin {
    const ANY: &str = "*";
}

impl FromStr for Origin {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == Self::ANY {
            return Ok(Self(text.into()));
        }
        let url = Url::parse(text).ok().filter(|url| {
            matches!(url.scheme(), "http" | "https")
                // No browser has an origin of many names.
                && !url.as_str().contains('*')
                // A slash at the end does no harm; anything else would be no origin.
                && url.as_str().strip_suffix('/') == Some(&*url.origin().ascii_serialization())
        });
        match url {
            Some(url) => Ok(Self(url.origin().ascii_serialization())),
            None => Err(format!(
                "{text:?} is no origin: expected a scheme, a host and its port, such as \
                 https://shop.example or http://localhost:3000; or * for all"
            )),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Origins {
    pub(crate) fn new(listed: &[Origin]) -> Self {
        Self(listed.into())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn are_all(&self) -> bool {
        self.0.iter().any(|listed| listed.0 == Origin::ANY)
    }

    /// Whether pages of `origin`, as a browser writes it, may send.
    pub(crate) fn allow(&self, origin: &[u8]) -> bool {
        self.are_all() || self.0.iter().any(|listed| listed.0.as_bytes() == origin)
    }

    /// What answers browsers, for a server of OTLP.
    pub(crate) fn middleware(&self) -> Cors {
        // No credentials: OTLP has none, and the viewer has no users.
        let cors = Cors::default()
            .allowed_methods([Method::POST])
            .allow_any_header()
            .expose_headers([RETRY_AFTER])
            .max_age(REMEMBERED_S);
        if self.are_all() {
            return cors.allow_any_origin().send_wildcard();
        }
        let origins = self.clone();
        cors.allowed_origin_fn(move |origin, _| origins.allow(origin.as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_read_as_browsers_write_it() {
        let read = |text: &str| text.parse::<Origin>().map(|origin| origin.to_string());
        for (text, origin) in [
            ("https://shop.example", "https://shop.example"),
            ("https://Shop.Example:443/", "https://shop.example"),
            ("http://localhost:3000", "http://localhost:3000"),
            ("http://[::1]:80", "http://[::1]"),
            ("https://käse.example", "https://xn--kse-qla.example"),
            ("*", "*"),
        ] {
            assert_eq!(read(text), Ok(origin.into()), "{text}");
        }
        for text in [
            "",
            "shop.example",
            "null",
            "https://",
            "https://shop.example/cart",
            "https://shop.example?a",
            "https://shop.example/#a",
            "https://me@shop.example",
            "https://*.shop.example",
            "ftp://shop.example",
            "file:///tmp/page.html",
        ] {
            let error = format!(
                "{text:?} is no origin: expected a scheme, a host and its port, such as \
                 https://shop.example or http://localhost:3000; or * for all"
            );
            assert_eq!(read(text), Err(error));
        }
    }

    #[test]
    fn only_listed_origins_may_send() {
        let origins = |listed: &[&str]| {
            Origins::new(&listed.iter().map(|text| text.parse().unwrap()).collect::<Vec<_>>())
        };
        let some = origins(&["https://shop.example", "http://localhost:3000"]);
        assert!(some.allow(b"https://shop.example") && some.allow(b"http://localhost:3000"));
        for origin in ["", "null", "http://shop.example", "https://shop.example.evil.example"] {
            assert!(!some.allow(origin.as_bytes()), "{origin}");
            assert!(origins(&["*"]).allow(origin.as_bytes()), "{origin}");
            assert!(!Origins::default().allow(origin.as_bytes()), "{origin}");
        }
    }
}
