//! An address to listen on, as flags have it.

use std::net::{IpAddr, SocketAddr};

/// Reads an address with its port, such as `127.0.0.1:5000` or `[::1]:5000`: the value parser of
/// every flag that says where to listen.
///
/// # Errors
/// What was expected, with the right spelling where it can be guessed.
pub fn address(text: &str) -> Result<SocketAddr, String> {
    let text = text.trim();
    text.parse().map_err(|_| {
        let bare = text.strip_prefix(':').unwrap_or(text);
        let example = match (bare.parse::<u16>(), text.parse::<IpAddr>()) {
            (Ok(port), _) => format!("127.0.0.1:{port}, or 0.0.0.0:{port} for other machines too"),
            (_, Ok(IpAddr::V4(ip))) => format!("{ip}:5000"),
            (_, Ok(IpAddr::V6(ip))) => format!("[{ip}]:5000"),
            _ => match text.strip_prefix("localhost:").map(str::parse::<u16>) {
                Some(Ok(port)) => format!("127.0.0.1:{port}"),
                _ => "127.0.0.1:5000".to_owned(),
            },
        };
        format!("expected an IP address and a port, such as {example}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_a_port() {
        assert_eq!(address(" 127.0.0.1:5000 "), Ok(SocketAddr::from(([127, 0, 0, 1], 5000))));
        assert!(address("[::1]:0").is_ok());
    }

    #[test]
    fn what_was_expected_is_said_in_terms_of_what_was_given() {
        let expected =
            |example: &str| Err(format!("expected an IP address and a port, such as {example}"));
        let with_port = expected("127.0.0.1:8080, or 0.0.0.0:8080 for other machines too");
        assert_eq!(address("8080"), with_port);
        assert_eq!(address(":8080"), with_port);
        assert_eq!(address("10.0.0.1"), expected("10.0.0.1:5000"));
        assert_eq!(address("::1"), expected("[::1]:5000"));
        assert_eq!(address("localhost:8080"), expected("127.0.0.1:8080"));
        for odd in ["", "here", "70000", "1.2.3.4:70000", "http://127.0.0.1:5000"] {
            assert_eq!(address(odd), expected("127.0.0.1:5000"), "{odd}");
        }
    }
}
