//! The OTLP decoder and the tags of a search by themselves, for the fuzz targets in `fuzz/`.

use crate::budget::Budget;
use crate::otlp::decode::{Decoded, Decoder};
use crate::otlp::{Compression, Encoding, Request, Signal};
use crate::query::tags;
use crate::store::instruments::Instruments;
use crate::store::monitor::SeriesBounds;

/// The memory that a request may take here.
const DECODED_BYTES: usize = 4 << 20;

/// How a request is written.
#[derive(Clone, Copy, Debug)]
pub enum Form {
    /// `application/x-protobuf`
    Protobuf,
    /// `application/json`
    Json,
    /// A saved file, in OTLP's JSON or Jaeger's
    File,
}

/// What a request comes to.
#[derive(Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The spans, log records or metrics, in words.
    pub items: Vec<String>,
    /// How many were sent.
    pub received: u64,
    /// How many of those were rejected.
    pub rejected: u64,
}

/// Decodes a request for traces; none when it is refused as a whole.
///
/// # Panics
///
/// When a name is still held after all spans have been let go.
#[must_use]
pub fn decode(form: Form, body: &[u8]) -> Option<Outcome> {
    decode_signal(Signal::Traces, form, body)
}

/// Decodes a request for logs; none when it is refused as a whole.
///
/// # Panics
///
/// When a name is still held after all records have been let go.
#[must_use]
pub fn decode_logs(form: Form, body: &[u8]) -> Option<Outcome> {
    decode_signal(Signal::Logs, form, body)
}

/// Decodes a request for metrics, and keeps what is in it; none when it is refused as a whole.
///
/// # Panics
///
/// When a name is still held after all metrics have been let go, or more memory is taken than may
/// be.
#[must_use]
pub fn decode_metrics(form: Form, body: &[u8]) -> Option<Outcome> {
    decode_signal(Signal::Metrics, form, body)
}

fn decode_signal(signal: Signal, form: Form, body: &[u8]) -> Option<Outcome> {
    let encoding = match form {
        Form::Protobuf => Encoding::Protobuf,
        Form::Json => Encoding::Json,
        Form::File => Encoding::File,
    };
    let mut decoder = Decoder::new(body.len(), DECODED_BYTES);
    let request = Request {
        signal,
        encoding,
        compression: Compression::None,
        body: body.to_vec().into(),
        reservation: Budget::new(0).reservation(),
    };
    let Decoded { spans, records, metrics, taken } = decoder.decode(request).ok()?;
    let spans_in_words = spans.iter().map(|span| format!("{span:?}"));
    let records_in_words = records.iter().map(|record| format!("{record:?}"));
    let metrics_in_words = metrics.iter().map(|metric| format!("{metric:?}"));
    // Whatever was taken of them can be kept.
    let bounds = SeriesBounds { series: 100, bytes: 1 << 20 };
    let mut instruments = Instruments::new(bounds, 0);
    for round in 1..=3 {
        instruments.add(&metrics, round * 1_000_000_000_000_000_000);
        assert!(instruments.bytes() <= bounds.bytes, "{} bytes", instruments.bytes());
    }
    let outcome = Outcome {
        items: spans_in_words.chain(records_in_words).chain(metrics_in_words).collect(),
        received: taken.received,
        rejected: taken.rejected,
    };
    for (_, span) in spans {
        decoder.names.release_span(span);
    }
    for record in records {
        decoder.log_names.release_record(record);
    }
    decoder.release(metrics);
    for names in decoder.all_names() {
        names.sweep();
        assert_eq!(names.bytes(), 0, "what the names take is not what is held");
    }
    Some(outcome)
}

/// The tags that a text in the search form says; none when it is refused.
#[must_use]
pub fn read_tags(text: &str) -> Option<Vec<(String, String)>> {
    let tags = tags::parse(text).ok()?;
    Some(tags.into_iter().map(|tag| (tag.key, tag.value)).collect())
}

/// Tags as the page writes them into the search form.
#[must_use]
pub fn write_tags(tags: &[(String, String)]) -> String {
    let written: Vec<_> = tags.iter().map(|(key, value)| tags::write(key, value)).collect();
    written.join(" ")
}
