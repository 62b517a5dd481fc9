//! The body of a request in several pieces. The HTTP client hands them to the kernel as they are, so
//! that nothing is copied to make one of them.

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::vec::IntoIter;

/// A body in pieces, of which none is empty. A clone shares their memory.
#[derive(Clone, Debug, Default)]
pub(crate) struct Chunks(Vec<Bytes>);

impl Chunks {
    /// Appends a piece, which may be empty.
    pub(crate) fn push(&mut self, piece: Bytes) {
        if !piece.is_empty() {
            self.0.push(piece);
        }
    }

    /// How many bytes there are in all pieces.
    pub(crate) fn len(&self) -> usize {
        length(&self.0)
    }

    /// The pieces.
    pub(crate) fn pieces(&self) -> &[Bytes] {
        &self.0
    }
}

impl From<Bytes> for Chunks {
    fn from(whole: Bytes) -> Self {
        let mut chunks = Chunks::default();
        chunks.push(whole);
        chunks
    }
}

impl From<Chunks> for reqwest::Body {
    fn from(Chunks(pieces): Chunks) -> Self {
        reqwest::Body::wrap(Unsent(pieces.into_iter()))
    }
}

/// The pieces that are still to be sent. Their size is exact, so that a request says how long it is.
struct Unsent(IntoIter<Bytes>);

impl Body for Unsent {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.next().map(|piece| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.as_slice().is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(length(self.0.as_slice()) as u64)
    }
}

fn length(pieces: &[Bytes]) -> usize {
    pieces.iter().map(Bytes::len).sum()
}
