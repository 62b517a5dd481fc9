//! Free ports, for processes whose ports must be known before they start.

use std::net::{SocketAddr, TcpListener};

/// Addresses on which nothing listens. The system gives out free ports at random, so another
/// program is unlikely to get one of them in the moment until it is used.
pub(crate) fn free<const N: usize>() -> [SocketAddr; N] {
    let listeners: [_; N] = std::array::from_fn(|_| TcpListener::bind("127.0.0.1:0").unwrap());
    listeners.map(|listener| listener.local_addr().unwrap())
}

/// The first of three ports in a row on which nothing listens.
pub(crate) fn three_in_a_row() -> u16 {
    loop {
        let [first] = free();
        let bind = |port: u16| TcpListener::bind(("127.0.0.1", port)).ok();
        let ports: [Option<u16>; 3] = std::array::from_fn(|i| first.port().checked_add(i as u16));
        let listeners = ports.map(|port| port.and_then(bind));
        if listeners.iter().all(Option::is_some) {
            return first.port();
        }
    }
}
