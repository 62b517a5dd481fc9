//! Requests in JSON: protobuf's mapping, <https://protobuf.dev/programming-guides/json/>, with the
//! exceptions that OTLP makes, <https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding>.
//!
//! Every choice that the mapping gives a sender is read: numbers as numbers or as strings, names of
//! fields as in the `.proto` file or in camel case, enumerations by name or number, `null` for a
//! field that is not there, bytes in either alphabet of base64.

use std::borrow::Cow;
use std::fmt;

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::failure::Failure;
use super::message::{Field, Id, Message, Packed, Place, Reader, Source, Step, Stopped};
use crate::store::footprint::heap;
use crate::store::model::{Double, Value as AttributeValue};

/// Reads a whole request.
pub(super) fn read<'a, M: Message>(
    body: &'a [u8],
    message: &mut M,
    reader: &mut Reader<'a>,
) -> Result<(), Stopped> {
    let mut json = serde_json::Deserializer::from_slice(body);
    let read = json.deserialize_any(Any(Object { message, reader, is_request: true }));
    let ended = read.and_then(|()| json.end());
    ended.map_err(|error| stopped(&error, reader))
}

/// Ends the reading for an error of JSON itself, unless it was ended already.
fn stopped(error: &dyn fmt::Display, reader: &mut Reader<'_>) -> Stopped {
    reader.stop(Failure::Malformed(error.to_string()))
}

/// The error that ends serde's own reading. The reader knows the reason.
pub(super) fn unwinding<E: Error>(_: Stopped) -> E {
    E::custom("the reading has ended")
}

/// Bytes may be written in either alphabet, with or without padding.
pub(super) fn decode_base64(text: &str) -> Option<Vec<u8>> {
    const LENIENT: GeneralPurposeConfig =
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);
    const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT);
    STANDARD.decode(text).or_else(|_| URL_SAFE.decode(text)).ok()
}

fn decode_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    if text.len() != 2 * N {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        let digit = |digit: u8| char::from(digit).to_digit(16);
        *byte = (digit(pair[0])? << 4 | digit(pair[1])?) as u8;
    }
    Some(bytes)
}

/// A field's value, yet to be read.
struct Value<'a, D> {
    json: D,
    step: Step<'a>,
}

/// What a value turned out to be.
#[derive(Clone, Copy, Debug)]
enum Found<'v> {
    Null,
    Boolean(bool),
    Integer(i128),
    Float(f64),
    Text(&'v str),
    List,
    Object,
}

impl fmt::Display for Found<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Boolean(truth) => write!(f, "{truth}"),
            Self::Integer(number) => write!(f, "{number}"),
            Self::Float(number) => write!(f, "{number}"),
            Self::Text(text) => write!(f, "{:?}", beginning(text)),
            Self::List => f.write_str("a list"),
            Self::Object => f.write_str("an object"),
        }
    }
}

/// The beginning of a text, as much as fits an error message.
pub(super) fn beginning(text: &str) -> &str {
    &text[..text.floor_char_boundary(40)]
}

impl Found<'_> {
    /// The whole number that this is, however it is written.
    fn integer<T: TryFrom<i128>>(self) -> Option<T> {
        let number = match self {
            Self::Integer(number) => number,
            Self::Float(number) => whole(number)?,
            Self::Text(text) => match text.parse() {
                Ok(number) => number,
                Err(_) => whole(text.parse().ok()?)?,
            },
            _ => return None,
        };
        T::try_from(number).ok()
    }
}

fn whole(number: f64) -> Option<i128> {
    // The conversion saturates at a number that no field can hold.
    (number.is_finite() && number.fract() == 0.0).then_some(number as i128)
}

impl<'a, D: Deserializer<'a>> Value<'a, D> {
    /// Reads a value that is no message.
    fn scalar<T: Default>(
        self,
        expected: &str,
        reader: &mut Reader<'a>,
        take: impl FnOnce(Found<'_>, &mut Reader<'a>) -> Result<Option<T>, Stopped>,
    ) -> Result<T, Stopped> {
        let step = self.step;
        let scalar = Scalar(|found: Found<'_>| {
            Ok(take(found, &mut *reader)?.unwrap_or_else(|| {
                reader.note_fault(Some(step), format_args!("expected {expected}, found {found}"));
                T::default()
            }))
        });
        self.json.deserialize_any(Any(scalar)).map_err(|error| stopped(&error, reader))
    }

    fn number<T: Default + TryFrom<i128>>(
        self,
        expected: &str,
        reader: &mut Reader<'a>,
    ) -> Result<T, Stopped> {
        self.scalar(expected, reader, |found, _| Ok(found.integer()))
    }
}

impl<'a, D: Deserializer<'a>> Source<'a> for Value<'a, D> {
    fn message<M: Message>(self, message: &mut M, reader: &mut Reader<'a>) -> Result<(), Stopped> {
        let json = self.json;
        reader.inside(Some(self.step), |reader| {
            let object = Object { message, reader: &mut *reader, is_request: false };
            json.deserialize_any(Any(object)).map_err(|error| stopped(&error, reader))
        })
    }

    fn text<T: Default>(
        self,
        reader: &mut Reader<'a>,
        take: impl FnOnce(&str, &mut Reader<'a>) -> Result<T, Stopped>,
    ) -> Result<T, Stopped> {
        self.scalar("a string", reader, |found, reader| match found {
            Found::Text(text) => take(text, reader).map(Some),
            _ => Ok(None),
        })
    }

    fn bytes<T: Default>(
        self,
        reader: &mut Reader<'a>,
        take: impl FnOnce(&[u8], &mut Reader<'a>) -> Result<T, Stopped>,
    ) -> Result<T, Stopped> {
        self.scalar("base64", reader, |found, reader| {
            let Found::Text(text) = found else { return Ok(None) };
            let before = reader.taken();
            reader.charge(text.len())?;
            let bytes = decode_base64(text).map(|bytes| {
                reader.give_back_to(before);
                take(&bytes, reader)
            });
            bytes.transpose()
        })
    }

    fn id<const N: usize>(self, reader: &mut Reader<'a>) -> Result<Id<N>, Stopped> {
        self.scalar("a string of hex digits", reader, |found, _| {
            let Found::Text(text) = found else { return Ok(None) };
            Ok(Some(match decode_hex::<N>(text) {
                Some(id) => Id::of(&id),
                None if text.bytes().all(|digit| digit == b'0') => Id::Absent,
                None => Id::Wrong(format!("{:?} is not {} hex digits", beginning(text), 2 * N)),
            }))
        })
    }

    fn boolean(self, reader: &mut Reader<'a>) -> Result<bool, Stopped> {
        self.scalar("true or false", reader, |found, _| match found {
            Found::Boolean(truth) => Ok(Some(truth)),
            _ => Ok(None),
        })
    }

    fn int64(self, reader: &mut Reader<'a>) -> Result<i64, Stopped> {
        self.number("a whole number of 64 bits", reader)
    }

    fn uint32(self, reader: &mut Reader<'a>) -> Result<u32, Stopped> {
        self.number("a whole number of 32 bits, not negative", reader)
    }

    fn fixed32(self, reader: &mut Reader<'a>) -> Result<u32, Stopped> {
        self.uint32(reader)
    }

    fn fixed64(self, reader: &mut Reader<'a>) -> Result<u64, Stopped> {
        self.number("a whole number of 64 bits, not negative", reader)
    }

    fn double(self, reader: &mut Reader<'a>) -> Result<f64, Stopped> {
        // It is parsed from its text, because serde_json reads some numbers wrong in the last
        // digit.
        let raw: &'a RawValue = match serde::Deserialize::deserialize(self.json) {
            Ok(raw) => raw,
            Err(error) => return Err(stopped(&error, reader)),
        };
        let number = match serde_json::from_str::<&str>(raw.get()) {
            Ok(text) => double(text),
            Err(_) => finite(raw.get()),
        };
        if number.is_none() {
            let what = format_args!("expected a number, found {}", beginning(raw.get()));
            reader.note_fault(Some(self.step), what);
        }
        Ok(number.unwrap_or_default())
    }

    fn sfixed64(self, reader: &mut Reader<'a>) -> Result<i64, Stopped> {
        self.int64(reader)
    }

    fn sint32(self, reader: &mut Reader<'a>) -> Result<i32, Stopped> {
        self.number("a whole number of 32 bits", reader)
    }

    fn packed(
        self,
        of: Packed,
        reader: &mut Reader<'a>,
        take: &mut dyn FnMut(u64, &mut Reader<'a>) -> Result<bool, Stopped>,
    ) -> Result<(), Stopped> {
        let number = match of {
            Packed::Fixed64 | Packed::Uint64 => self.fixed64(reader)?,
            Packed::Double => self.double(reader)?.to_bits(),
        };
        take(number, reader).map(drop)
    }

    fn enumeration(self, names: &[(&str, i32)], reader: &mut Reader<'a>) -> Result<i32, Stopped> {
        self.scalar("one of the enumeration's names or numbers", reader, |found, _| {
            let named = match found {
                Found::Text(text) => names.iter().find(|(name, _)| *name == text),
                _ => None,
            };
            Ok(named.map(|&(_, number)| number).or_else(|| found.integer()))
        })
    }

    fn any(self, most: usize, reader: &mut Reader<'a>) -> Result<AttributeValue, Stopped> {
        let raw: &'a RawValue = match serde::Deserialize::deserialize(self.json) {
            Ok(raw) => raw,
            Err(error) => return Err(stopped(&error, reader)),
        };
        let text = raw.get();
        let scalar = match text.as_bytes().first() {
            Some(b'"') => {
                let text: Cow<'_, str> = serde_json::from_str::<Text<'_>>(text)
                    .map_err(|error| stopped(&error, reader))?
                    .0;
                let text = reader.shorten(&text, most);
                reader.charge(heap(text.len()))?;
                // Not shared: most become fields of a span.
                Some(AttributeValue::String(text.into()))
            }
            Some(b't') => Some(AttributeValue::Bool(true)),
            Some(b'f') => Some(AttributeValue::Bool(false)),
            Some(b'n') => Some(AttributeValue::Empty),
            _ => match text.parse() {
                Ok(number) => Some(AttributeValue::Int(number)),
                Err(_) => finite(text).map(|number| AttributeValue::Double(Double(number))),
            },
        };
        if scalar.is_none() {
            let what = format_args!(
                "expected a string, a number, true or false, found {}",
                beginning(text)
            );
            reader.note_fault(Some(self.step), what);
        }
        Ok(scalar.unwrap_or(AttributeValue::Empty))
    }

    fn skip(self, reader: &mut Reader<'a>) -> Result<(), Stopped> {
        let skipped = self.json.deserialize_ignored_any(IgnoredAny);
        skipped.map(drop).map_err(|error| stopped(&error, reader))
    }

    fn step(&self) -> Step<'a> {
        self.step
    }
}

/// A JSON string, borrowed where it has no escapes.
#[derive(serde::Deserialize)]
struct Text<'t>(#[serde(borrow)] Cow<'t, str>);

/// The number that `text` is, by protobuf's names if it is not finite.
pub(super) fn double(text: &str) -> Option<f64> {
    match text {
        "NaN" => Some(f64::NAN),
        "Infinity" => Some(f64::INFINITY),
        "-Infinity" => Some(f64::NEG_INFINITY),
        _ => finite(text),
    }
}

/// The number in `text`. Rust's words for NaN and the infinities are not numbers in JSON.
fn finite(text: &str) -> Option<f64> {
    text.parse().ok().filter(|number: &f64| number.is_finite())
}

/// Takes a value by its type in JSON.
trait Taking<'a>: Sized {
    type Value;

    /// Takes a value that is neither a list nor an object, unless those have been skipped.
    fn take(self, found: Found<'_>) -> Result<Self::Value, Stopped>;

    fn list<A: SeqAccess<'a>>(self, mut elements: A) -> Result<Self::Value, A::Error> {
        while elements.next_element::<IgnoredAny>()?.is_some() {}
        self.take(Found::List).map_err(unwinding)
    }

    fn object<A: MapAccess<'a>>(self, mut fields: A) -> Result<Self::Value, A::Error> {
        while fields.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        self.take(Found::Object).map_err(unwinding)
    }
}

/// A serde visitor that hands what it finds to a [`Taking`].
struct Any<T>(T);

impl<'a, T: Taking<'a>> Visitor<'a> for Any<T> {
    type Value = T::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E: Error>(self) -> Result<T::Value, E> {
        self.0.take(Found::Null).map_err(unwinding)
    }

    fn visit_bool<E: Error>(self, truth: bool) -> Result<T::Value, E> {
        self.0.take(Found::Boolean(truth)).map_err(unwinding)
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<T::Value, E> {
        self.0.take(Found::Integer(number.into())).map_err(unwinding)
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<T::Value, E> {
        self.0.take(Found::Integer(number.into())).map_err(unwinding)
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<T::Value, E> {
        self.0.take(Found::Float(number)).map_err(unwinding)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T::Value, E> {
        self.0.take(Found::Text(text)).map_err(unwinding)
    }

    fn visit_seq<A: SeqAccess<'a>>(self, elements: A) -> Result<T::Value, A::Error> {
        self.0.list(elements)
    }

    fn visit_map<A: MapAccess<'a>>(self, fields: A) -> Result<T::Value, A::Error> {
        self.0.object(fields)
    }
}

/// Takes a value that is no message.
struct Scalar<F>(F);

impl<'a, T, F: FnOnce(Found<'_>) -> Result<T, Stopped>> Taking<'a> for Scalar<F> {
    type Value = T;

    fn take(self, found: Found<'_>) -> Result<T, Stopped> {
        (self.0)(found)
    }
}

/// Takes an object as a message.
struct Object<'m, 'a, M> {
    message: &'m mut M,
    reader: &'m mut Reader<'a>,
    /// Whether it is the request itself.
    is_request: bool,
}

impl<'a, M: Message> Taking<'a> for Object<'_, 'a, M> {
    type Value = ();

    fn take(self, found: Found<'_>) -> Result<(), Stopped> {
        // An element of a list may be null, which is a message without fields.
        if self.is_request || !matches!(found, Found::Null) {
            self.reader.note_fault(None, format_args!("expected an object, found {found}"));
        }
        Ok(())
    }

    fn object<A: MapAccess<'a>>(self, mut fields: A) -> Result<(), A::Error> {
        while let Some(field) = fields.next_key_seed(Known(&mut *self.message))? {
            let Some(field) = field else {
                fields.next_value::<IgnoredAny>()?;
                continue;
            };
            let (message, reader) = (&mut *self.message, &mut *self.reader);
            fields.next_value_seed(FieldValue { message, reader, field })?;
        }
        Ok(())
    }
}

/// Takes the name of a field; it is none when it is not of interest.
struct Known<'m, M>(&'m mut M);

impl<'a, M: Message> DeserializeSeed<'a> for Known<'_, M> {
    type Value = Option<&'static Field>;

    fn deserialize<D: Deserializer<'a>>(self, key: D) -> Result<Self::Value, D::Error> {
        key.deserialize_str(self)
    }
}

impl<M: Message> Visitor<'_> for Known<'_, M> {
    type Value = Option<&'static Field>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a field")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Self::Value, E> {
        Ok(self.0.named(name))
    }
}

/// Hands a field's value to its message. A list is handed over element by element.
struct FieldValue<'m, 'a, M> {
    message: &'m mut M,
    reader: &'m mut Reader<'a>,
    field: &'static Field,
}

impl<'a, M: Message> FieldValue<'_, 'a, M> {
    fn step(&self, place: Place<'a>) -> Step<'a> {
        Step { fields: self.message.fields(), number: self.field.number, place }
    }

    fn hand_over<D: Deserializer<'a>>(self, json: D, place: Place<'a>) -> Result<(), D::Error> {
        let value = Value { json, step: self.step(place) };
        let read = if M::ALL_OR_NOTHING && self.reader.has_fault() {
            value.skip(self.reader)
        } else {
            self.message.field(self.field.number, value, self.reader)
        };
        read.map_err(unwinding)
    }
}

impl<'a, M: Message> DeserializeSeed<'a> for FieldValue<'_, 'a, M> {
    type Value = ();

    fn deserialize<D: Deserializer<'a>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_option(self)
    }
}

impl<'a, M: Message> Visitor<'a> for FieldValue<'_, 'a, M> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    /// A field that is `null` is not there.
    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_none<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_some<D: Deserializer<'a>>(self, json: D) -> Result<(), D::Error> {
        if self.field.is_list {
            json.deserialize_any(Any(Elements(self)))
        } else {
            self.hand_over(json, Place::Only)
        }
    }
}

/// Hands the elements of a list to the message whose field it is.
struct Elements<'m, 'a, M>(FieldValue<'m, 'a, M>);

impl<'a, M: Message> Taking<'a> for Elements<'_, 'a, M> {
    type Value = ();

    fn take(self, found: Found<'_>) -> Result<(), Stopped> {
        let step = self.0.step(Place::Only);
        self.0.reader.note_fault(Some(step), format_args!("expected a list, found {found}"));
        Ok(())
    }

    fn list<A: SeqAccess<'a>>(self, mut elements: A) -> Result<(), A::Error> {
        let FieldValue { message, reader, field } = self.0;
        for index in 0.. {
            let (message, reader) = (&mut *message, &mut *reader);
            let element = Element { value: FieldValue { message, reader, field }, index };
            if elements.next_element_seed(element)?.is_none() {
                break;
            }
        }
        Ok(())
    }
}

/// Hands one element over.
struct Element<'m, 'a, M> {
    value: FieldValue<'m, 'a, M>,
    index: usize,
}

impl<'a, M: Message> DeserializeSeed<'a> for Element<'_, 'a, M> {
    type Value = ();

    fn deserialize<D: Deserializer<'a>>(self, json: D) -> Result<(), D::Error> {
        self.value.hand_over(json, Place::At(self.index))
    }
}
