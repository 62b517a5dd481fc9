//! The bytes of one request, as they come or as they are decompressed.
//!
//! A small request is in the allocator's memory. A large one has pages of its own: the system gives
//! each when it is first written, and has them back as soon as the buffer is dropped. An allocator
//! keeps what is freed, some of it for as long as nothing else is freed, and a list that grows is
//! copied from one block to the next. Requests of 16 MiB left more memory behind than the viewer
//! promises to take.

use std::io::{self, Read};

use memmap2::MmapMut;

/// Up to here a request is small, in bytes: batches of thousands of spans are.
const SMALL_BYTES: usize = 1 << 20;
/// The smallest memory that is taken, in bytes.
pub(super) const FIRST_BYTES: usize = 4 * 1024;
/// How much a large request grows at a time, and how much is decompressed at a time, in bytes.
const STEP_BYTES: usize = 64 * 1024;

/// The bytes of one request.
#[derive(Debug)]
pub(crate) struct Buffer {
    /// The bytes that there may be.
    most: usize,
    small: Vec<u8>,
    /// In place of the small one.
    large: Option<Large>,
    /// The bytes at its beginning that are no longer wanted.
    skipped: usize,
}

#[derive(Debug)]
struct Large {
    pages: MmapMut,
    len: usize,
    /// The bytes of its pages that may be written. The others take no memory.
    capacity: usize,
}

impl Buffer {
    /// A buffer for `most` bytes, which takes none yet.
    pub(super) fn new(most: usize) -> Self {
        Self::reusing(Vec::new(), most)
    }

    /// The same, which begins in the memory of `small`.
    pub(super) fn reusing(mut small: Vec<u8>, most: usize) -> Self {
        small.clear();
        Self { most, small, large: None, skipped: 0 }
    }

    /// A buffer for what is decompressed: for one step more than `most`, so that it shows when there
    /// is more.
    pub(super) fn for_more_than(most: usize, reused: Vec<u8>) -> Self {
        Self::reusing(reused, most.saturating_add(STEP_BYTES))
    }

    /// The memory of a small request, for [`reusing`](Self::reusing).
    pub(super) fn into_small(self) -> Vec<u8> {
        self.small
    }

    /// What it holds.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.all()[self.skipped..]
    }

    /// Leaves out the first `bytes` of what it holds.
    pub(super) fn skip(&mut self, bytes: usize) {
        self.skipped = (self.skipped + bytes).min(self.len());
    }

    /// How many bytes it was given.
    pub(super) fn len(&self) -> usize {
        self.all().len()
    }

    /// The memory that it takes, in bytes.
    pub(super) fn capacity(&self) -> usize {
        self.large.as_ref().map_or(self.small.capacity(), |large| large.capacity)
    }

    /// The capacity to grow to for `len` bytes, so that it does not have to grow for each chunk.
    pub(super) fn ample(&self, len: usize) -> usize {
        let ample = if self.large.is_some() || len > SMALL_BYTES {
            len.next_multiple_of(STEP_BYTES)
        } else {
            len.max(2 * self.capacity()).clamp(FIRST_BYTES, SMALL_BYTES)
        };
        ample.min(self.most)
    }

    /// Takes memory for `capacity` bytes in all.
    ///
    /// # Errors
    ///
    /// When the system gives no pages.
    pub(super) fn grow_to(&mut self, capacity: usize) -> io::Result<()> {
        if let Some(large) = &mut self.large {
            large.capacity = capacity.min(large.pages.len());
        } else if capacity <= SMALL_BYTES {
            self.small.reserve_exact(capacity.saturating_sub(self.small.len()));
        } else if let Ok(mut pages) = MmapMut::map_anon(self.most) {
            one_by_one(&pages);
            let len = self.small.len();
            pages[..len].copy_from_slice(&self.small);
            self.small = Vec::new();
            self.large = Some(Large { pages, len, capacity: capacity.min(self.most) });
        } else {
            // A process may have a limit of addresses, of which an allocator has reserved most.
            self.small.try_reserve_exact(self.most - self.small.len())?;
        }
        Ok(())
    }

    /// Appends `chunk`, for which there has to be [memory](Self::grow_to).
    pub(super) fn append(&mut self, chunk: &[u8]) {
        match &mut self.large {
            Some(large) => {
                large.pages[large.len..][..chunk.len()].copy_from_slice(chunk);
                large.len += chunk.len();
            }
            None => self.small.extend_from_slice(chunk),
        }
    }

    /// Takes memory for the next step of reading.
    ///
    /// # Errors
    ///
    /// When the system gives no pages.
    pub(super) fn make_room(&mut self) -> io::Result<()> {
        let len = self.len() + STEP_BYTES;
        if len > self.capacity() { self.grow_to(self.ample(len)) } else { Ok(()) }
    }

    /// Appends what `content` has next, as far as there is [room](Self::make_room); how many bytes
    /// that were, none at its end.
    ///
    /// # Errors
    ///
    /// Those of `content`.
    pub(super) fn read(&mut self, content: &mut impl Read) -> io::Result<usize> {
        let room = self.capacity() - self.len();
        match &mut self.large {
            Some(large) => {
                let read = content.read(&mut large.pages[large.len..][..room])?;
                large.len += read;
                Ok(read)
            }
            None => content.take(room as u64).read_to_end(&mut self.small),
        }
    }

    fn all(&self) -> &[u8] {
        self.large.as_ref().map_or(&self.small, |large| &large.pages[..large.len])
    }
}

/// A buffer that holds `bytes`.
impl From<Vec<u8>> for Buffer {
    fn from(bytes: Vec<u8>) -> Self {
        Self { most: bytes.len(), small: bytes, large: None, skipped: 0 }
    }
}

/// Has the system give single pages, also where it would give huge ones, of 2 MiB, unasked.
fn one_by_one(pages: &MmapMut) {
    #[cfg(target_os = "linux")]
    if let Err(error) = pages.advise(memmap2::Advice::NoHugePage) {
        // A kernel without huge pages knows no such advice, and needs none.
        tracing::debug!("a large request may take huge pages: {error}");
    }
    #[cfg(not(target_os = "linux"))]
    let _ = pages;
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Appends in chunks of `size`, as a body comes.
    fn filled(content: &[u8], size: usize) -> Buffer {
        let mut buffer = Buffer::new(content.len());
        for chunk in content.chunks(size) {
            let len = buffer.len() + chunk.len();
            if len > buffer.capacity() {
                buffer.grow_to(buffer.ample(len)).expect("memory");
            }
            buffer.append(chunk);
        }
        buffer
    }

    fn numbered(len: usize) -> Vec<u8> {
        (0..len).map(|at| (at % 251) as u8).collect()
    }

    #[test]
    fn it_holds_what_it_was_given_small_or_large() {
        for len in [0, 1, SMALL_BYTES - 1, SMALL_BYTES, SMALL_BYTES + 1, 3 * SMALL_BYTES + 7] {
            let content = numbered(len);

            let given = filled(&content, 10_000);
            let mut read = Buffer::for_more_than(len, Vec::new());
            let mut source = &content[..];
            loop {
                read.make_room().expect("memory");
                if read.read(&mut source).expect("bytes") == 0 {
                    break;
                }
            }

            for buffer in [given, read] {
                assert!(buffer.bytes() == content, "{len}");
                assert_eq!(buffer.large.is_some(), buffer.capacity() > SMALL_BYTES, "{len}");
                assert!(buffer.capacity() < len.max(SMALL_BYTES) + 2 * STEP_BYTES, "{len}");
            }
        }
    }

    #[test]
    fn what_is_skipped_is_left_out() {
        for len in [100, 2 * SMALL_BYTES] {
            let content = numbered(len);
            let mut buffer = filled(&content, 1_000);

            buffer.skip(5);

            assert!(buffer.bytes() == &content[5..], "{len}");
            buffer.skip(len);
            assert_eq!(buffer.bytes(), b"", "{len}");
        }
    }

    #[test]
    fn memory_is_taken_as_bytes_come() {
        let mut buffer = Buffer::new(64 << 20);

        assert_eq!((buffer.capacity(), buffer.ample(1)), (0, FIRST_BYTES));
        buffer.grow_to(FIRST_BYTES).expect("memory");
        assert_eq!(
            (buffer.capacity(), buffer.ample(FIRST_BYTES + 1)),
            (FIRST_BYTES, 2 * FIRST_BYTES)
        );
        let more = SMALL_BYTES + 1;
        assert_eq!(buffer.ample(more), SMALL_BYTES + STEP_BYTES);
        buffer.grow_to(more).expect("memory");
        assert_eq!(buffer.capacity(), more);
        assert_eq!(buffer.ample(usize::MAX / 2), 64 << 20);
    }
}
