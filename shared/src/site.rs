//! Which requests a browser sends for a page of the server's own, and the headers that keep a page to
//! itself.

/// The header in which a browser says whether a request comes from a page of the same site.
/// See <https://www.w3.org/TR/fetch-metadata/#sec-fetch-site-header>.
pub const SEC_FETCH_SITE: &str = "sec-fetch-site";

/// The header with [`policy`].
pub const CONTENT_SECURITY_POLICY: &str = "content-security-policy";

/// The other headers of every answer of a server with a page.
pub const HEADERS: [(&str, &str); 4] = [
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-resource-policy", "same-origin"),
    ("cross-origin-opener-policy", "same-origin"),
];

/// Where the forms of a page may be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forms {
    /// Nowhere: it has none, or its script handles them.
    Nowhere,
    /// To its own server.
    OwnServer,
}

macro_rules! policy {
    ($form_action:literal) => {
        concat!(
            "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; ",
            "img-src 'self' data:; base-uri 'none'; frame-ancestors 'none'; form-action ",
            $form_action
        )
    };
}

/// The Content-Security-Policy of a page: scripts, styles and connections of its own server only;
/// nothing inline, nothing framed.
pub const fn policy(forms: Forms) -> &'static str {
    match forms {
        Forms::Nowhere => policy!("'none'"),
        Forms::OwnServer => policy!("'self'"),
    }
}

/// Whether a request comes from a page of this server, or from no page at all. `site` and `origin` are
/// its headers [`SEC_FETCH_SITE`] and `Origin`, and `host` is where it was sent to.
pub fn is_own(site: Option<&[u8]>, origin: Option<&[u8]>, host: &str) -> bool {
    match (site, origin) {
        // `none`: the user typed the address or followed a bookmark.
        (Some(site), _) => matches!(site, b"same-origin" | b"none"),
        // Older browsers send only Origin. A request without either header comes from no browser.
        (None, Some(origin)) => std::str::from_utf8(origin)
            .ok()
            .and_then(|origin| origin.split_once("://"))
            .is_some_and(|(_, authority)| without_port_80(authority) == without_port_80(host)),
        (None, None) => true,
    }
}

/// The authority in lower case; without the port where it is the usual one, which browsers leave out.
fn without_port_80(authority: &str) -> String {
    authority.strip_suffix(":80").unwrap_or(authority).to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_browser_says_for_which_page_it_sends_a_request() {
        let own = |site: Option<&str>, origin: Option<&str>| {
            is_own(site.map(str::as_bytes), origin.map(str::as_bytes), "localhost:5000")
        };
        assert!(own(None, None));
        for site in ["same-origin", "none"] {
            assert!(own(Some(site), None), "{site}");
            assert!(own(Some(site), Some("null")), "{site}");
        }
        for site in ["same-site", "cross-site", ""] {
            assert!(!own(Some(site), Some("http://localhost:5000")), "{site}");
        }
        assert!(own(None, Some("http://LOCALHOST:5000")));
        for origin in ["http://localhost", "http://evil.example:5000", "null", "", "localhost:5000"]
        {
            assert!(!own(None, Some(origin)), "{origin}");
        }
        assert!(is_own(None, Some(b"http://store.example"), "store.example:80"));
        assert!(is_own(None, Some(b"http://[::1]:80"), "[::1]"));
        assert!(!is_own(None, Some(b"http://\xff"), "\u{ff}"));
    }

    #[test]
    fn forms_are_sent_to_the_own_server_or_nowhere() {
        assert!(policy(Forms::Nowhere).ends_with("form-action 'none'"));
        assert!(policy(Forms::OwnServer).ends_with("form-action 'self'"));
    }
}
