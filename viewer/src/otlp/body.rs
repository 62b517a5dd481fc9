//! Reads a request's body, from HTTP or gRPC. Memory is charged as the bytes come, not by the
//! length that is announced, and a sender that is too slow is not waited for.

use std::fmt::Display;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use tokio::time::{Instant, timeout_at};

use super::buffer::Buffer;
use super::failure::Failure;
use crate::budget::Reservation;

/// Bytes that a request takes beside its body while it waits.
const REQUEST_BYTES: usize = 1024;

/// How fast a body has to come.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    /// The time over which the pace is measured.
    window: Duration,
    /// The bytes that have to come in that time, unless the body ends in it.
    window_bytes: usize,
    /// The time in which the whole body has to come.
    whole: Duration,
}

/// The pace for every sender: 16 KiB a second.
pub(super) const PACE: Pace = Pace {
    window: Duration::from_secs(5),
    window_bytes: 80 * 1024,
    whole: Duration::from_secs(30),
};

/// The whole body, at most `limit` bytes. Its memory is added to `reservation`.
///
/// # Errors
///
/// [`Failure::TooLarge`], [`Failure::TooSlow`], [`Failure::Overloaded`] when the budget does not
/// have so much, [`Failure::Broken`] when the sender goes away.
pub(super) async fn read<E: Display>(
    mut chunks: impl Stream<Item = Result<Bytes, E>> + Unpin,
    limit: usize,
    pace: Pace,
    reservation: &mut Reservation,
) -> Result<Buffer, Failure> {
    if !reservation.grow(REQUEST_BYTES) {
        return Err(Failure::Overloaded);
    }
    let begun = Instant::now();
    let (mut window_end, mut window_bytes) = (begun + pace.window, 0);
    let mut body = Buffer::new(limit);
    loop {
        let end = window_end.min(begun + pace.whole);
        match timeout_at(end, chunks.next()).await {
            Ok(Some(Ok(chunk))) => {
                window_bytes += chunk.len();
                append(&mut body, &chunk, limit, reservation)?;
            }
            Ok(Some(Err(error))) => return Err(Failure::Broken(error.to_string())),
            Ok(None) => return Ok(body),
            Err(_) if end < begun + pace.whole && window_bytes >= pace.window_bytes => {
                (window_end, window_bytes) = (end + pace.window, 0);
            }
            Err(_) => {
                return Err(Failure::TooSlow {
                    bytes: pace.window_bytes,
                    seconds: pace.window.as_secs(),
                    whole_seconds: pace.whole.as_secs(),
                });
            }
        }
    }
}

/// Appends a chunk; the memory is reserved before it is taken.
fn append(
    body: &mut Buffer,
    chunk: &[u8],
    limit: usize,
    reservation: &mut Reservation,
) -> Result<(), Failure> {
    let size = body.len() + chunk.len();
    if size > limit {
        return Err(Failure::TooLarge { limit });
    }
    if size > body.capacity() {
        // More if the budget has it, else just enough.
        let mut capacities = [body.ample(size), size].into_iter();
        let capacity = capacities.find(|capacity| reservation.grow(capacity - body.capacity()));
        let capacity = capacity.ok_or(Failure::Overloaded)?;
        body.grow_to(capacity).map_err(|_| Failure::Overloaded)?;
    }
    body.append(chunk);
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::net::Ipv4Addr;

    use futures_util::stream;
    use tokio::time::sleep;

    use super::super::buffer::FIRST_BYTES;
    use super::*;
    use crate::budget::Budget;

    type Chunk = Result<Bytes, Infallible>;

    const QUICK: Pace =
        Pace { window: Duration::from_secs(2), window_bytes: 1000, whole: Duration::from_secs(60) };

    fn chunk(size: usize) -> Chunk {
        Ok(Bytes::from(vec![0; size]))
    }

    async fn read_from(
        chunks: impl Stream<Item = Chunk>,
        pace: Pace,
        budget: usize,
    ) -> Result<Buffer, Failure> {
        let mut reservation = Budget::new(budget).reservation_for(Ipv4Addr::LOCALHOST.into());
        read(Box::pin(chunks), 1 << 20, pace, &mut reservation).await
    }

    #[tokio::test]
    async fn a_body_that_stalls_is_not_waited_for() {
        let begun = Instant::now();

        let stalled = stream::iter([chunk(999)]).chain(stream::pending());
        let read = read_from(stalled, QUICK, 1 << 20).await;

        assert!(matches!(read, Err(Failure::TooSlow { .. })), "{read:?}");
        assert!(begun.elapsed() < QUICK.whole);
    }

    #[tokio::test]
    async fn a_body_that_stalls_after_a_good_start_is_not_waited_for_either() {
        let begun = Instant::now();

        let stalled = stream::iter([chunk(900 << 10)]).chain(stream::pending());
        let read = read_from(stalled, QUICK, 4 << 20).await;

        assert!(matches!(read, Err(Failure::TooSlow { .. })), "{read:?}");
        assert!(begun.elapsed() < QUICK.whole);
    }

    #[tokio::test]
    async fn a_slow_body_that_comes_on_is_read() {
        let later = stream::once(async {
            sleep(QUICK.window + QUICK.window / 4).await;
            chunk(1)
        });

        let read = read_from(stream::iter([chunk(1000)]).chain(later), QUICK, 4 << 20).await;

        assert_eq!(read.map(|body| body.len()).ok(), Some(1001));
    }

    #[tokio::test]
    async fn no_body_takes_longer_than_it_may() {
        let pace = Pace { window: Duration::from_secs(60), whole: QUICK.window, ..QUICK };
        let begun = Instant::now();

        let stalled = stream::iter([chunk(5000)]).chain(stream::pending());
        let read = read_from(stalled, pace, 1 << 20).await;

        assert!(matches!(read, Err(Failure::TooSlow { .. })), "{read:?}");
        assert!(begun.elapsed() < pace.window);
    }

    #[tokio::test]
    async fn a_body_past_the_limit_is_refused_when_the_limit_is_reached() {
        let endless = stream::repeat_with(|| chunk(64 << 10));

        let read = read_from(endless, QUICK, 4 << 20).await;

        assert!(matches!(read, Err(Failure::TooLarge { .. })), "{read:?}");
    }

    #[tokio::test]
    async fn memory_is_charged_for_what_has_come() {
        // A peer gets half of the budget.
        let budget = 2 * (REQUEST_BYTES + FIRST_BYTES);

        let small = read_from(stream::iter([chunk(FIRST_BYTES)]), QUICK, budget).await;
        let large = read_from(stream::iter([chunk(FIRST_BYTES + 1)]), QUICK, budget).await;

        assert_eq!(small.map(|body| body.len()).ok(), Some(FIRST_BYTES));
        assert!(matches!(large, Err(Failure::Overloaded)), "{large:?}");
    }
}
