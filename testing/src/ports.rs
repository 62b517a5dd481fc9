//! Ports on which nothing listens, for programs that have to be told theirs before they start.
//!
//! The system gives out the ports from 32768 on (Linux) or 49152 on (macOS): to whoever asks for any
//! port, and to each connection to another program. A port of those may be somebody else's by the time
//! a slow program comes to use it. So these are below them, and none is given out twice in a process.

use std::{
    net::{SocketAddr, TcpListener},
    process,
    sync::atomic::{AtomicUsize, Ordering},
};

/// The ports from here on are below those that the system gives out.
const FIRST: u16 = 16_384;
/// How many there are.
const COUNT: u16 = 16_384;
/// Each process begins so many ports after that with the process id before it.
const STEP: usize = 331;

/// Addresses on which nothing listens.
///
/// # Panics
/// When nearly all ports are taken.
pub fn free<const N: usize>() -> [SocketAddr; N] {
    std::array::from_fn(|_| in_a_row::<1>()[0])
}

/// Addresses on which nothing listens, with ports one after the other.
///
/// # Panics
/// When nearly all ports are taken.
pub fn in_a_row<const N: usize>() -> [SocketAddr; N] {
    static GIVEN_OUT: AtomicUsize = AtomicUsize::new(0);
    let begin = process::id() as usize * STEP;
    for _ in 0..COUNT {
        let first = (begin + GIVEN_OUT.fetch_add(N, Ordering::Relaxed)) % usize::from(COUNT);
        let addresses = std::array::from_fn(|at| {
            let offset = (first + at) % usize::from(COUNT);
            let offset = u16::try_from(offset).expect("it is less than a u16");
            SocketAddr::from(([127, 0, 0, 1], FIRST + offset))
        });
        let is_row = addresses.is_sorted();
        let is_free = |address: &SocketAddr| TcpListener::bind(address).is_ok();
        if is_row && addresses.iter().all(is_free) {
            return addresses;
        }
    }
    panic!("no port from {FIRST} to {} is free", FIRST + (COUNT - 1));
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{COUNT, FIRST, free, in_a_row};

    #[test]
    fn no_port_is_given_out_twice_and_none_that_the_system_gives_out() {
        let singles: [_; 40] = free();
        let rows = [(); 10].map(|()| in_a_row::<3>());
        for row in &rows {
            assert!(row.is_sorted() && row[2].port() == row[0].port() + 2, "{row:?}");
        }
        let all: BTreeSet<_> = singles.iter().chain(rows.as_flattened()).collect();
        assert_eq!(all.len(), 70);
        let range = FIRST..FIRST + COUNT;
        assert!(all.iter().all(|address| range.contains(&address.port())), "{all:?}");
    }
}
