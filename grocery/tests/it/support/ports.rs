//! Free ports, for processes whose ports must be known before they start.

use std::net::{SocketAddr, TcpListener};

/// Addresses on which nothing listens. The system gives out free ports at random, so another
/// program is unlikely to get one of them in the moment until it is used.
pub(crate) fn free<const N: usize>() -> [SocketAddr; N] {
    let listeners: [_; N] = std::array::from_fn(|_| TcpListener::bind("127.0.0.1:0").unwrap());
    listeners.map(|listener| listener.local_addr().unwrap())
}
