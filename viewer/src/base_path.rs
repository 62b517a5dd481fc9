//! The path under which a proxy shows the page, such as `/tools/traces`.
//!
//! The viewer answers under the path and without it, so that it does not matter whether the proxy
//! passes the path on or takes it away. What leads to the viewer, in its page, always has the path.

use std::str::FromStr;
use std::sync::Arc;

use actix_web::Error;
use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Uri;
use actix_web::http::uri::PathAndQuery;
use actix_web::middleware::Next;
use actix_web::web::Data;

/// First parts of the addresses that the viewer has itself. A base path that begins with one could
/// not be told from them.
const OWN: &[&str] = &[
    "api",
    "assets",
    "compare",
    "deep-dependencies",
    "dependencies",
    "favicon.ico",
    "graph",
    "logs",
    "monitor",
    "quality-metrics",
    "search",
    "trace",
    "viewer",
];

/// Nothing, or a path that begins with a slash and does not end with one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BasePath(Arc<str>);

impl BasePath {
    /// Bytes that it may have.
    const LONGEST: usize = 200;

    /// The path; "" without one.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What follows the base path in `path`; `None` where that is not below it.
    fn rest<'a>(&self, path: &'a str) -> Option<&'a str> {
        match path.strip_prefix(&*self.0)? {
            "" => Some("/"),
            rest => rest.starts_with('/').then_some(rest),
        }
    }

    /// The address that a request to `uri` means; `None` where that is `uri` itself.
    fn without(&self, uri: &Uri) -> Option<Uri> {
        if self.0.is_empty() {
            return None;
        }
        let rest = self.rest(uri.path())?;
        let shorter = match uri.query() {
            Some(query) => format!("{rest}?{query}"),
            None => rest.to_owned(),
        };
        let mut parts = uri.clone().into_parts();
        parts.path_and_query = Some(PathAndQuery::try_from(shorter).ok()?);
        Uri::from_parts(parts).ok()
    }
}

impl FromStr for BasePath {
    type Err = String;

    /// Reads a base path; a slash at its end does not matter.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let path = text.strip_suffix('/').unwrap_or(text);
        if path.is_empty() {
            return Ok(Self::default());
        }
        if path.len() > Self::LONGEST {
            return Err(format!("expected {} bytes at most, not {}", Self::LONGEST, path.len()));
        }
        let Some(below) = path.strip_prefix('/') else {
            return Err("expected a path that begins with /, such as /tools/traces".into());
        };
        let is_part = |part: &str| {
            let may_be_in_part = |c: char| c.is_ascii_alphanumeric() || "-._~".contains(c);
            !matches!(part, "" | "." | "..") && part.chars().all(may_be_in_part)
        };
        if let Some(wrong) = below.split('/').find(|part| !is_part(part)) {
            return Err(format!(
                "{wrong:?} is no part of a base path: expected letters, digits, -, ., _ and ~ \
                 between single slashes, such as /tools/traces"
            ));
        }
        let first = below.split('/').next().unwrap_or_default();
        if OWN.contains(&first) {
            return Err(format!(
                "/{first} is an address of the viewer itself: expected another, such as \
                 /tools/{first}"
            ));
        }
        Ok(Self(path.into()))
    }
}

/// Takes the base path, if a request's address begins with it, away before the routes see it.
pub(crate) async fn without_base_path<B: MessageBody>(
    mut request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, Error> {
    let base = request.app_data::<Data<BasePath>>();
    if let Some(uri) = base.and_then(|base| base.without(request.uri())) {
        request.match_info_mut().get_mut().update(&uri);
        request.head_mut().uri = uri;
    }
    next.call(request).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_path_begins_with_a_slash_and_has_plain_parts() {
        let read = |text: &str| text.parse::<BasePath>().map(|base| base.as_str().to_owned());
        for (text, path) in [
            ("", ""),
            ("/", ""),
            ("/tools/traces", "/tools/traces"),
            ("/tools/traces/", "/tools/traces"),
            ("/~me/v1.2_a-b", "/~me/v1.2_a-b"),
            ("/tracing", "/tracing"),
            ("/tools/api", "/tools/api"),
        ] {
            assert_eq!(read(text), Ok(path.into()), "{text}");
        }
        let begins = "expected a path that begins with /, such as /tools/traces";
        for text in ["tools", "http://shop.example/tools", "?a=b"] {
            assert_eq!(read(text), Err(begins.into()), "{text}");
        }
        for (text, wrong) in [
            ("//tools", ""),
            ("/tools//traces", ""),
            ("/tools//", ""),
            ("/tools/../traces", ".."),
            ("/./tools", "."),
            ("/tools?a=b", "tools?a=b"),
            ("/tools#a", "tools#a"),
            ("/to ols", "to ols"),
            ("/%2e%2e", "%2e%2e"),
            ("/\"><script>", "\"><script>"),
            ("/käse", "käse"),
        ] {
            let error = read(text).unwrap_err();
            assert!(
                error.starts_with(&format!("{wrong:?} is no part of a base path: ")),
                "{error}"
            );
        }
        let error = "/api is an address of the viewer itself: expected another, such as /tools/api";
        assert_eq!(read("/api/traces"), Err(error.into()));
        assert!(read(&format!("/{}", "a".repeat(199))).is_ok());
        let error = "expected 200 bytes at most, not 201";
        assert_eq!(read(&format!("/{}", "a".repeat(200))), Err(error.into()));
    }

    #[test]
    fn the_base_path_is_taken_from_what_is_below_it_only() {
        let base: BasePath = "/tools/traces".parse().unwrap();
        let without = |uri: &str| base.without(&uri.parse().unwrap()).map(|uri| uri.to_string());
        for (uri, rest) in [
            ("/tools/traces", "/"),
            ("/tools/traces/", "/"),
            ("/tools/traces?a=b", "/?a=b"),
            ("/tools/traces/trace/1?span=2", "/trace/1?span=2"),
            ("/tools/traces//x", "//x"),
            ("/tools/traces/tools/traces/", "/tools/traces/"),
            ("http://localhost/tools/traces/logs", "http://localhost/logs"),
        ] {
            assert_eq!(without(uri), Some(rest.into()), "{uri}");
        }
        for uri in ["/", "/tools", "/tools/tracesque", "/trace/1", "/Tools/Traces/"] {
            assert_eq!(without(uri), None, "{uri}");
        }
        assert_eq!(BasePath::default().without(&"/trace/1".parse().unwrap()), None);
    }

    #[test]
    fn no_address_of_the_viewer_is_a_base_path() {
        for path in crate::page::addresses().chain(["/api/services", "/viewer/api/stats"]) {
            let first = path.split('/').nth(1).unwrap_or_default();
            assert!(first.is_empty() || OWN.contains(&first), "{path}");
        }
    }
}
