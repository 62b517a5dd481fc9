//! Traces in a saved file: JSON documents, one or several, each in OTLP's form or in Jaeger's.
//!
//! | document | who writes it |
//! |---|---|
//! | `{"resourceSpans":[…]}`, one or one a line | this viewer, a Collector's file exporter |
//! | `{"result":{"resourceSpans":[…]}}` | Jaeger's `/api/v3` |
//! | `{"data":[{"traceID":…,"spans":[…],"processes":{…}}]}` | this viewer, Jaeger's page and its `/api` |
//! | `{"traceID":…,"spans":[…],"processes":{…}}` | what people cut out of the one above |
//! | a list of such documents | Jaeger's page takes it, too |

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::failure::Failure;
use super::jaeger::{JaegerDocument, JaegerTrace};
use super::json;
use super::message::{Field, Message, Place, Reader, Source, Step, Stopped, list, one};
use super::span::Spans;

/// How a place among several documents is told: `document[1].data[0]…`.
const DOCUMENTS: &[Field] = &[list(1, "document")];

/// Reads all documents of a file.
pub(super) fn read<'a>(
    body: &'a [u8],
    spans: &mut Spans,
    reader: &mut Reader<'a>,
) -> Result<(), Stopped> {
    // Some editors of Windows begin a text with this.
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    let mut documents = serde_json::Deserializer::from_slice(body).into_iter::<&'a RawValue>();
    let mut index = 0;
    while let Some(document) = documents.next() {
        let document = document
            .map_err(|error| malformed(&format_args!("it is not JSON: {error}"), reader))?;
        let is_alone = index == 0 && body[documents.byte_offset()..].trim_ascii().is_empty();
        let step = Step { fields: DOCUMENTS, number: 1, place: Place::At(index) };
        let step = (!is_alone).then_some(step);
        reader.inside(step, |reader| read_document(document, spans, reader))?;
        index += 1;
    }
    if index == 0 {
        return Err(malformed(&"the file is empty", reader));
    }
    Ok(())
}

fn malformed(error: &dyn fmt::Display, reader: &mut Reader<'_>) -> Stopped {
    reader.stop(Failure::Malformed(error.to_string()))
}

/// Reads one document, or a list of them.
fn read_document<'a>(
    document: &'a RawValue,
    spans: &mut Spans,
    reader: &mut Reader<'a>,
) -> Result<(), Stopped> {
    let text = document.get();
    if !text.starts_with('[') {
        return read_object(text, spans, reader);
    }
    let elements = Elements { spans, reader: &mut *reader };
    let read = serde_json::Deserializer::from_str(text).deserialize_seq(elements);
    read.map_err(|error| malformed(&error, reader))
}

fn read_object<'a>(
    text: &'a str,
    spans: &mut Spans,
    reader: &mut Reader<'a>,
) -> Result<(), Stopped> {
    let body = text.as_bytes();
    match shape(text) {
        Shape::Otlp => json::read(body, spans, reader)?,
        Shape::Result => json::read(body, &mut ResultDocument(spans), reader)?,
        Shape::Jaeger => json::read(body, &mut JaegerDocument(spans), reader)?,
        Shape::JaegerTrace => {
            let mut trace = JaegerTrace::new(spans);
            json::read(body, &mut trace, reader)?;
            trace.finish(None, reader)?;
        }
        Shape::Unknown => {
            let expected = "expected an object with resourceSpans (OTLP) or data (Jaeger)";
            let what = match reader.path() {
                Some(path) => format!("{path}: {expected}"),
                None => String::from(expected),
            };
            return Err(malformed(&what, reader));
        }
    }
    reader.refuse_fault()
}

/// Reads the elements of a list as documents, one after the other.
struct Elements<'s, 'r, 'a> {
    spans: &'s mut Spans,
    reader: &'r mut Reader<'a>,
}

impl<'a> Visitor<'a> for Elements<'_, '_, 'a> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'a>>(self, mut elements: A) -> Result<(), A::Error> {
        let mut index = 0;
        while let Some(element) = elements.next_element::<&'a RawValue>()? {
            let step = Step { fields: DOCUMENTS, number: 1, place: Place::At(index) };
            let spans = &mut *self.spans;
            let read = |reader: &mut Reader<'a>| read_object(element.get(), spans, reader);
            self.reader.inside(Some(step), read).map_err(json::unwinding)?;
            index += 1;
        }
        Ok(())
    }
}

/// What a document is, by the first of its fields that tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    Otlp,
    Result,
    Jaeger,
    JaegerTrace,
    Unknown,
}

fn shape(document: &str) -> Shape {
    let mut json = serde_json::Deserializer::from_str(document);
    json.deserialize_map(ShapeSeed).unwrap_or(Shape::Unknown)
}

struct ShapeSeed;

impl<'a> Visitor<'a> for ShapeSeed {
    type Value = Shape;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'a>>(self, mut fields: A) -> Result<Shape, A::Error> {
        let mut found = Shape::Unknown;
        while let Some(shape) = fields.next_key_seed(Self)? {
            fields.next_value::<IgnoredAny>()?;
            if found == Shape::Unknown {
                found = shape;
            }
        }
        Ok(found)
    }

    fn visit_str<E>(self, name: &str) -> Result<Shape, E> {
        Ok(match name {
            "resourceSpans" | "resource_spans" => Shape::Otlp,
            "result" => Shape::Result,
            "data" => Shape::Jaeger,
            "spans" | "processes" => Shape::JaegerTrace,
            _ => Shape::Unknown,
        })
    }
}

impl<'a> DeserializeSeed<'a> for ShapeSeed {
    type Value = Shape;

    fn deserialize<D: Deserializer<'a>>(self, key: D) -> Result<Shape, D::Error> {
        key.deserialize_str(self)
    }
}

/// An answer of Jaeger's stable API: OTLP within `result`.
struct ResultDocument<'s>(&'s mut Spans);

impl Message for ResultDocument<'_> {
    const ALL_OR_NOTHING: bool = false;

    fn fields(&self) -> &'static [Field] {
        const { &[one(1, "result")] }
    }

    fn field<'a, S: Source<'a>>(
        &mut self,
        number: u32,
        value: S,
        reader: &mut Reader<'a>,
    ) -> Result<(), Stopped> {
        match number {
            1 => value.message(self.0, reader),
            _ => value.skip(reader),
        }
    }
}
