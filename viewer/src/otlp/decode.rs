//! From a request's body to its spans or log records, within a bound on memory: decompressed bytes
//! and what is read are charged to one sum before they are allocated.

use std::collections::HashSet;
use std::io::Read;
use std::mem::size_of;
use std::sync::Arc;

use flate2::read::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};
use ruzstd::decoding::{FrameDecoder, StreamingDecoder};

use super::buffer::Buffer;
use super::failure::Failure;
use super::items::{Counts, Item, Items};
use super::log::Records;
use super::message::{Message, Reader, Stopped};
use super::metric::Metrics;
use super::span::Spans;
use super::{Compression, Encoding, Request, Signal, Taken, file, json, protobuf};
use crate::store::metrics::Metric;
use crate::store::model::{LogRecord, Span, TraceId};
use crate::store::names::Names;

/// How far back a body compressed with zstd may refer, in bytes: the least that its specification
/// recommends to take, and what its usual levels need.
const ZSTD_WINDOW_BYTES: u64 = 8 << 20;

/// Bytes that listing the traces of a file takes for each of its spans.
const TRACE_BYTES: usize = 4 * size_of::<TraceId>();

/// Decodes one request at a time.
#[derive(Debug)]
pub(crate) struct Decoder {
    /// The names that spans share, both stored spans and those that are being read.
    pub(crate) names: Names,
    /// The same of log records. They are apart, so that the names of records cannot push out
    /// spans.
    pub(crate) log_names: Names,
    /// The same of metrics: they go when what is in them has been taken.
    metric_names: Names,
    /// The bytes that one request may have when decompressed. A saved file may be larger: half of
    /// what one request may take in memory.
    request_bytes: usize,
    /// The bytes that one request may take in memory, decompressed and decoded.
    decoded_bytes: usize,
    /// The memory for small decompressed bodies, kept from one request to the next.
    decompressed: Vec<u8>,
}

/// The result of decoding a request.
#[derive(Debug, Default)]
pub(crate) struct Decoded {
    pub(crate) spans: Vec<(TraceId, Arc<Span>)>,
    pub(crate) records: Vec<Arc<LogRecord>>,
    pub(crate) metrics: Vec<Metric>,
    pub(crate) taken: Taken,
}

impl Decoder {
    pub(crate) fn new(request_bytes: usize, decoded_bytes: usize) -> Self {
        Self {
            names: Names::default(),
            log_names: Names::default(),
            metric_names: Names::default(),
            request_bytes,
            decoded_bytes,
            decompressed: Vec::new(),
        }
    }

    /// The spans, log records or metrics of a request.
    ///
    /// # Errors
    ///
    /// [`Failure::Malformed`] when it is no OTLP, or nothing in it can be read;
    /// [`Failure::TooLarge`] and [`Failure::TooExpensive`] when it takes too much memory.
    pub(crate) fn decode(&mut self, request: Request) -> Result<Decoded, Failure> {
        let Request { signal, encoding, compression, body, reservation } = request;
        let limit = match encoding {
            Encoding::Protobuf | Encoding::Json => self.request_bytes,
            Encoding::File => self.decoded_bytes / 2,
        };
        let kept = std::mem::take(&mut self.decompressed);
        let mut decompressed = Buffer::for_more_than(limit, kept);
        let decoded = match compression {
            Compression::None => self.read(signal, encoding, body.bytes(), 0),
            _ => decompress(compression, body.bytes(), limit, &mut decompressed).and_then(|()| {
                self.read(signal, encoding, decompressed.bytes(), decompressed.capacity())
            }),
        };
        let decoded = match encoding {
            Encoding::File => decoded.map(Decoded::with_traces),
            _ => decoded,
        };
        drop((body, reservation));
        self.decompressed = decompressed.into_small();
        decoded
    }

    fn read(
        &mut self,
        signal: Signal,
        encoding: Encoding,
        body: &[u8],
        decompressed_bytes: usize,
    ) -> Result<Decoded, Failure> {
        let names = match signal {
            Signal::Traces => &mut self.names,
            Signal::Metrics => &mut self.metric_names,
            Signal::Logs => &mut self.log_names,
        };
        let mut reader = Reader::new(names, self.decoded_bytes);
        let read = reader.charge(decompressed_bytes).and_then(|()| match signal {
            Signal::Traces => {
                let mut spans = Spans::default();
                let read = match encoding {
                    Encoding::File => file::read(body, &mut spans, &mut reader)
                        .and_then(|()| reader.charge(spans.accepted.len() * TRACE_BYTES)),
                    _ => read_message(encoding, body, &mut spans, &mut reader),
                };
                let (spans, taken) = finish(spans, read, &mut reader)?;
                Ok(Decoded { spans, taken, ..Decoded::default() })
            }
            Signal::Metrics => {
                let mut metrics = Metrics::default();
                let read = read_message(encoding, body, &mut metrics, &mut reader);
                let (metrics, taken) = finish(metrics, read, &mut reader)?;
                Ok(Decoded { metrics, taken, ..Decoded::default() })
            }
            Signal::Logs => {
                let mut records = Records::default();
                let read = read_message(encoding, body, &mut records, &mut reader);
                let (records, taken) = finish(records, read, &mut reader)?;
                Ok(Decoded { records, taken, ..Decoded::default() })
            }
        });
        read.map_err(|Stopped| {
            reader.release_lists();
            reader.failure()
        })
    }
}

impl Decoder {
    /// The names of all signals.
    #[cfg(any(test, feature = "fuzzing"))]
    pub(crate) fn all_names(&mut self) -> [&mut Names; 3] {
        [&mut self.names, &mut self.log_names, &mut self.metric_names]
    }

    /// Lets go of metrics whose points have been taken.
    pub(crate) fn release(&mut self, metrics: Vec<Metric>) {
        metrics.into_iter().for_each(|metric| metric.release(&mut self.metric_names));
    }
}

impl Decoded {
    /// Lists the traces of the spans, in the order in which they first occur.
    fn with_traces(mut self) -> Self {
        let mut seen = HashSet::new();
        let traces = self.spans.iter().map(|(trace, _)| *trace);
        self.taken.traces = traces.filter(|&trace| seen.insert(trace)).collect();
        self
    }
}

fn read_message<'a, M: Message>(
    encoding: Encoding,
    body: &'a [u8],
    message: &mut M,
    reader: &mut Reader<'a>,
) -> Result<(), Stopped> {
    match encoding {
        Encoding::Protobuf => protobuf::read(body, message, reader),
        Encoding::Json | Encoding::File => json::read(body, message, reader),
    }?;
    reader.refuse_fault()
}

/// What is kept of a request that has been read, and what the sender is told of it.
fn finish<T: Item>(
    items: Items<T>,
    read: Result<(), Stopped>,
    reader: &mut Reader<'_>,
) -> Result<(Vec<T>, Taken), Stopped> {
    let nothing_to_keep = items.accepted.is_empty() && items.unreadable;
    match (read, items.reason.clone()) {
        (Err(Stopped), _) => {
            items.release(reader);
            Err(Stopped)
        }
        (Ok(()), Some(reason)) if nothing_to_keep => Err(reader.stop(Failure::Malformed(reason))),
        (Ok(()), reason) => {
            // A fault after the first is told without words.
            let told = |reason: Option<String>| reason.filter(|reason| !reason.is_empty());
            let reason = told(reason);
            let mut taken = Taken { rejected: items.rejected, reason, ..Taken::default() };
            for item in &items.accepted {
                let Counts { accepted, rejected, reason } = item.counts();
                taken.received += accepted;
                taken.rejected += rejected;
                taken.reason = taken.reason.or_else(|| told(reason));
            }
            taken.received += taken.rejected;
            Ok((items.accepted, taken))
        }
    }
}

/// Decompresses `compressed` to the end of `decompressed`, at most `limit` bytes.
fn decompress(
    compression: Compression,
    compressed: &[u8],
    limit: usize,
    decompressed: &mut Buffer,
) -> Result<(), Failure> {
    match compression {
        Compression::None => take_all("", compressed, limit, decompressed)?,
        Compression::Gzip => {
            take_all("gzip", MultiGzDecoder::new(compressed), limit, decompressed)?
        }
        // HTTP's deflate is zlib's format. Some clients send a bare deflate stream instead.
        Compression::Deflate if is_zlib(compressed) => {
            take_all("deflate", ZlibDecoder::new(compressed), limit, decompressed)?;
        }
        Compression::Deflate => {
            take_all("deflate", DeflateDecoder::new(compressed), limit, decompressed)?
        }
        Compression::Zstd => {
            let mut frames = compressed;
            while !frames.is_empty() {
                let mut decoder = FrameDecoder::new();
                decoder.set_max_window_size(ZSTD_WINDOW_BYTES);
                let frame = StreamingDecoder::new_with_decoder(&mut frames, decoder)
                    .map_err(|error| Failure::Malformed(format!("bad zstd: {error}")))?;
                take_all("zstd", frame, limit, decompressed)?;
            }
        }
    }
    Ok(())
}

/// Whether this begins as <https://www.rfc-editor.org/rfc/rfc1950#section-2.2> has it.
fn is_zlib(compressed: &[u8]) -> bool {
    matches!(compressed, [method, flags, ..]
        if method & 0x0f == 8 && u16::from_be_bytes([*method, *flags]).is_multiple_of(31))
}

fn take_all(
    compression: &str,
    mut content: impl Read,
    limit: usize,
    decompressed: &mut Buffer,
) -> Result<(), Failure> {
    loop {
        decompressed.make_room().map_err(|_| Failure::Overloaded)?;
        match decompressed
            .read(&mut content)
            .map_err(|error| Failure::Malformed(format!("bad {compression}: {error}")))?
        {
            0 => return Ok(()),
            _ if decompressed.len() > limit => return Err(Failure::TooLarge { limit }),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests;
