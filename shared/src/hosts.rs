//! Which `Host` header a server answers to, as a protection against DNS rebinding.
//!
//! Other machines cannot reach a server on the loopback interface, but a web page that a browser on
//! this machine shows can. Its domain name, say `evil.example`, can be made to point to 127.0.0.1,
//! and then the browser lets the page send requests as if to its own server. Such a request can be
//! told by its `Host` header, which is `evil.example`.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    str::FromStr,
};

/// Which `Host` a server answers to.
///
/// ```
/// use shared::hosts::AllowedHosts;
///
/// let on_loopback = AllowedHosts::of("127.0.0.1:5000".parse().unwrap(), &[]);
/// assert!(on_loopback.allow("localhost:5000"));
/// assert!(!on_loopback.allow("evil.example"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllowedHosts {
    /// The names that are allowed beside those of the loopback interface. `None` allows every name.
    names: Option<Vec<HostName>>,
}

/// A name or an address, without port: `store.example` or `10.1.2.3`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostName(String);

/// Why a text is not a host name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not a host: expected a name or an address without scheme, port and path, such as \
     store.example"
)]
pub struct HostNameError(String);

impl AllowedHosts {
    /// The hosts that a server on `address` answers to: the names of the loopback interface and
    /// those that are listed. A server that listens beyond loopback and has no list answers to
    /// every name: it serves other machines, under names that it cannot know.
    pub fn of(address: SocketAddr, listed: &[HostName]) -> Self {
        let is_closed = address.ip().is_loopback() || !listed.is_empty();
        Self { names: is_closed.then(|| listed.to_vec()) }
    }

    /// Whether a request with this `Host` is meant for this server. The host may have a port.
    pub fn allow(&self, host: &str) -> bool {
        let Some(names) = &self.names else { return true };
        let name = without_port(host);
        is_loopback(name) || names.iter().any(|listed| listed.0.eq_ignore_ascii_case(name))
    }
}

impl FromStr for HostName {
    type Err = HostNameError;

    fn from_str(text: &str) -> Result<Self, HostNameError> {
        let address = text.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
        let is_name = || {
            let may_be_in_name = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
            !text.is_empty() && text.chars().all(may_be_in_name)
        };
        match address {
            Ok(address) => Ok(Self(address.to_string())),
            Err(_) if is_name() => Ok(Self(without_port(text).to_owned())),
            Err(_) => Err(HostNameError(text.into())),
        }
    }
}

impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The name in a `Host` header, without its port, as it can be listed; `None` if that is no name.
pub fn host_name(host: &str) -> Option<HostName> {
    without_port(host).parse().ok()
}

/// The host of `host:port`, without the brackets around an IPv6 address and without a dot at the
/// end.
fn without_port(host: &str) -> &str {
    let name = match host.strip_prefix('[') {
        Some(bracketed) => bracketed.split(']').next(),
        None => host.split(':').next(),
    };
    name.unwrap_or_default().trim_end_matches('.')
}

fn is_loopback(name: &str) -> bool {
    const LOCALHOST: &str = "localhost";
    let is_below_localhost = |name: &str| {
        name.len()
            .checked_sub(LOCALHOST.len())
            .and_then(|at| name.split_at_checked(at))
            .is_some_and(|(sub, end)| {
                end.eq_ignore_ascii_case(LOCALHOST) && (sub.is_empty() || sub.ends_with('.'))
            })
    };
    is_below_localhost(name) || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(listen: &str, listed: &[&str]) -> AllowedHosts {
        let listed: Vec<_> = listed.iter().map(|name| name.parse().unwrap()).collect();
        AllowedHosts::of(listen.parse().unwrap(), &listed)
    }

    #[test]
    fn on_loopback_only_names_of_this_machine_and_listed_ones_are_allowed() {
        for listen in ["127.0.0.1:5000", "[::1]:5000"] {
            let closed = hosts(listen, &["Store.Example", "10.1.2.3", "2001:db8::1"]);
            for host in [
                "localhost",
                "LOCALHOST:5000",
                "127.0.0.1:1",
                "127.8.9.10",
                "[::1]:80",
                "a.localhost.",
                "store.example",
                "STORE.example.:5000",
                "10.1.2.3:5000",
                "[2001:db8::1]:5000",
            ] {
                assert!(closed.allow(host), "{host}");
            }
            for host in [
                "",
                "example",
                "store.example.com",
                "sub.store.example",
                "127.0.0.1.example",
                "localhost.example",
                "10.1.2.4",
                "[2001:db8::2]",
            ] {
                assert!(!closed.allow(host), "{host}");
            }
        }
    }

    #[test]
    fn elsewhere_every_name_is_allowed_unless_some_are_listed() {
        let open = hosts("0.0.0.0:5000", &[]);
        assert!(open.allow("store:5000") && open.allow("") && open.allow("localhost"));
        let closed = hosts("0.0.0.0:5000", &["store"]);
        assert!(closed.allow("store:5000") && closed.allow("127.0.0.1:5000"));
        assert!(!closed.allow("evil.example"));
    }

    #[test]
    fn the_name_in_a_header_can_be_listed() {
        let name = |host| host_name(host).map(|name| name.to_string());
        for (host, listed) in [
            ("host.docker.internal:4318", "host.docker.internal"),
            ("[2001:db8::1]:80", "2001:db8::1"),
            ("10.1.2.3", "10.1.2.3"),
        ] {
            assert_eq!(name(host).as_deref(), Some(listed));
            assert!(hosts("127.0.0.1:80", &[listed]).allow(host), "{host}");
        }
        assert_eq!((name(""), name("a b"), name("\"x")), (None, None, None));
    }

    #[test]
    fn a_text_that_is_not_a_host_is_refused_by_name() {
        for text in ["", "http://store", "store:5000", "store/", "*", "a b", "[::1]:5000"] {
            assert_eq!(text.parse::<HostName>(), Err(HostNameError(text.into())), "{text}");
        }
    }
}
