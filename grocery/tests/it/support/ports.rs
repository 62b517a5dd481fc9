//! Ports for processes that cannot choose their own, because others must know them beforehand.

use std::net::{SocketAddr, TcpListener};

/// So many addresses on which nothing listens. The system hands out free ports at random, so
/// nothing else is likely to get one of them in the moment until it is used.
pub(crate) fn free<const N: usize>() -> [SocketAddr; N] {
    let listeners: [_; N] = std::array::from_fn(|_| TcpListener::bind("127.0.0.1:0").unwrap());
    listeners.map(|listener| listener.local_addr().unwrap())
}
