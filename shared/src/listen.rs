//! Reads the address that a flag says to listen on.

use std::net::{IpAddr, SocketAddr};

/// Reads an address with its port, such as `127.0.0.1:5000` or `[::1]:5000`. It is the value parser
/// of all flags that say where to listen.
///
/// # Errors
/// A text that says what was expected, with an example made from the wrong value where possible.
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
    fn the_error_shows_the_right_spelling_of_the_value() {
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
