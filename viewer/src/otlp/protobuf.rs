//! Requests in protobuf: <https://protobuf.dev/programming-guides/encoding/>.

use prost::DecodeError;
use prost::bytes::Buf;
use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field};

use super::message::{Id, Message, Packed, Place, Reader, Source, Step, Stopped, Usual};
use crate::store::model::Value as AttributeValue;

/// The wire type of bytes and texts; see <https://protobuf.dev/programming-guides/encoding/#structure>.
const LENGTH_DELIMITED: u8 = 2;
/// The tags of an `AnyValue`'s first four fields: their numbers and wire types.
const TEXT: u8 = 1 << 3 | LENGTH_DELIMITED;
const BOOL: u8 = 2 << 3;
const INT: u8 = 3 << 3;
const DOUBLE: u8 = 4 << 3 | 1;

/// Reads a whole request.
pub(super) fn read<'a, M: Message>(
    body: &'a [u8],
    message: &mut M,
    reader: &mut Reader<'a>,
) -> Result<(), Stopped> {
    fields(body, message, reader)
}

/// How often field `number` occurs in `message`, as far as it is well-formed.
fn count(mut message: &[u8], number: u32) -> usize {
    let mut count = 0;
    while let Ok(Some((found, _))) = next(&mut message) {
        count += usize::from(found == number);
    }
    count
}

fn fields<'a, M: Message>(
    content: &'a [u8],
    message: &mut M,
    reader: &mut Reader<'a>,
) -> Result<(), Stopped> {
    let mut rest = content;
    loop {
        let before = &content[..content.len() - rest.len()];
        match next(&mut rest) {
            Ok(None) => return Ok(()),
            Ok(Some((number, content))) => {
                let step = Step {
                    fields: message.fields(),
                    number,
                    place: Place::After { before, count },
                };
                if !(M::ALL_OR_NOTHING && reader.has_fault()) {
                    message.field(number, Value { content, step }, reader)?;
                }
            }
            // After such an error it is not known where the next field begins.
            Err(error) => {
                reader.note_fault(None, format_args!("{error}"));
                return Ok(());
            }
        }
    }
}

/// The next field with its content, if there is one.
fn next<'a>(message: &mut &'a [u8]) -> Result<Option<(u32, Content<'a>)>, DecodeError> {
    if message.is_empty() {
        return Ok(None);
    }
    let (number, wire_type) = key(message)?;
    let content = match wire_type {
        WireType::Varint => Content::Varint(varint(message)?),
        WireType::LengthDelimited => {
            let length = usize::try_from(varint(message)?).unwrap_or(usize::MAX);
            let (bytes, rest) = message.split_at_checked(length).ok_or_else(truncated)?;
            *message = rest;
            Content::Bytes(bytes)
        }
        WireType::SixtyFourBit => {
            Content::Fixed64(message.try_get_u64_le().map_err(|_| truncated())?)
        }
        WireType::ThirtyTwoBit => {
            Content::Fixed32(message.try_get_u32_le().map_err(|_| truncated())?)
        }
        WireType::StartGroup | WireType::EndGroup => {
            skip_field(wire_type, number, message, DecodeContext::default())?;
            Content::Group
        }
    };
    Ok(Some((number, content)))
}

/// A field's number and wire type: of one byte, if the number is below 16.
#[inline]
fn key(message: &mut &[u8]) -> Result<(u32, WireType), DecodeError> {
    if let Some((&key @ 0x08..0x80, rest)) = message.split_first()
        && let Ok(wire_type) = WireType::try_from(u64::from(key & 7))
    {
        *message = rest;
        return Ok((u32::from(key >> 3), wire_type));
    }
    decode_key(message)
}

/// A number, most often of one byte.
#[inline]
fn varint(message: &mut &[u8]) -> Result<u64, DecodeError> {
    match message.split_first() {
        Some((&number @ ..0x80, rest)) => {
            *message = rest;
            Ok(number.into())
        }
        _ => decode_varint(message),
    }
}

/// The error that prost has for a message that ends too early; it offers no way to make one.
fn truncated() -> DecodeError {
    match decode_varint(&mut &[][..]) {
        Err(error) => error,
        Ok(_) => unreachable!("an empty buffer holds no number"),
    }
}

/// What a field holds, as the wire tells it.
#[derive(Clone, Copy, Debug)]
enum Content<'a> {
    Varint(u64),
    Fixed64(u64),
    Fixed32(u32),
    Bytes(&'a [u8]),
    /// OTLP has none.
    Group,
}

/// A field's value.
struct Value<'a> {
    content: Content<'a>,
    step: Step<'a>,
}

impl<'a> Value<'a> {
    fn varint(&self, reader: &mut Reader<'a>) -> u64 {
        let Content::Varint(number) = self.content else { return self.fault("a varint", reader) };
        number
    }

    fn slice(&self, reader: &mut Reader<'a>) -> &'a [u8] {
        let Content::Bytes(bytes) = self.content else {
            return self.fault("a length and as many bytes", reader);
        };
        bytes
    }

    fn fault<T: Default>(&self, expected: &str, reader: &mut Reader<'a>) -> T {
        let found = match self.content {
            Content::Varint(_) => "a varint",
            Content::Fixed64(_) => "64 bits",
            Content::Fixed32(_) => "32 bits",
            Content::Bytes(_) => "a length and as many bytes",
            Content::Group => "a group",
        };
        reader.note_fault(Some(self.step), format_args!("expected {expected}, found {found}"));
        T::default()
    }
}

impl<'a> Source<'a> for Value<'a> {
    fn message<M: Message>(self, message: &mut M, reader: &mut Reader<'a>) -> Result<(), Stopped> {
        let content = self.slice(reader);
        reader.inside(Some(self.step), |reader| fields(content, message, reader))
    }

    fn text<T: Default>(
        self,
        reader: &mut Reader<'a>,
        take: impl FnOnce(&str, &mut Reader<'a>) -> Result<T, Stopped>,
    ) -> Result<T, Stopped> {
        match std::str::from_utf8(self.slice(reader)) {
            Ok(text) => take(text, reader),
            Err(error) => {
                reader.note_fault(Some(self.step), format_args!("not UTF-8: {error}"));
                Ok(T::default())
            }
        }
    }

    fn bytes<T: Default>(
        self,
        reader: &mut Reader<'a>,
        take: impl FnOnce(&[u8], &mut Reader<'a>) -> Result<T, Stopped>,
    ) -> Result<T, Stopped> {
        take(self.slice(reader), reader)
    }

    fn id<const N: usize>(self, reader: &mut Reader<'a>) -> Result<Id<N>, Stopped> {
        Ok(Id::of(self.slice(reader)))
    }

    fn boolean(self, reader: &mut Reader<'a>) -> Result<bool, Stopped> {
        Ok(self.varint(reader) != 0)
    }

    fn int64(self, reader: &mut Reader<'a>) -> Result<i64, Stopped> {
        Ok(self.varint(reader).cast_signed())
    }

    fn uint32(self, reader: &mut Reader<'a>) -> Result<u32, Stopped> {
        // Protobuf cuts off the upper bits of a longer number.
        Ok(self.varint(reader) as u32)
    }

    fn fixed32(self, reader: &mut Reader<'a>) -> Result<u32, Stopped> {
        let Content::Fixed32(number) = self.content else {
            return Ok(self.fault("32 bits", reader));
        };
        Ok(number)
    }

    fn fixed64(self, reader: &mut Reader<'a>) -> Result<u64, Stopped> {
        let Content::Fixed64(number) = self.content else {
            return Ok(self.fault("64 bits", reader));
        };
        Ok(number)
    }

    fn double(self, reader: &mut Reader<'a>) -> Result<f64, Stopped> {
        self.fixed64(reader).map(f64::from_bits)
    }

    fn sfixed64(self, reader: &mut Reader<'a>) -> Result<i64, Stopped> {
        self.fixed64(reader).map(u64::cast_signed)
    }

    fn sint32(self, reader: &mut Reader<'a>) -> Result<i32, Stopped> {
        // Of two numbers next to each other the even one is positive; longer ones are cut off.
        let number = self.varint(reader) as u32;
        Ok((number >> 1).cast_signed() ^ -((number & 1).cast_signed()))
    }

    fn packed(
        self,
        of: Packed,
        reader: &mut Reader<'a>,
        take: &mut dyn FnMut(u64, &mut Reader<'a>) -> Result<bool, Stopped>,
    ) -> Result<(), Stopped> {
        let mut rest = match (self.content, of) {
            (Content::Bytes(bytes), _) => bytes,
            (_, Packed::Uint64) => return take(self.varint(reader), reader).map(drop),
            _ => {
                let number = self.fixed64(reader)?;
                return take(number, reader).map(drop);
            }
        };
        while !rest.is_empty() {
            let number = match of {
                Packed::Uint64 => decode_varint(&mut rest),
                Packed::Fixed64 | Packed::Double => rest.try_get_u64_le().map_err(|_| truncated()),
            };
            match number {
                Ok(number) => {
                    if !take(number, reader)? {
                        break;
                    }
                }
                Err(error) => {
                    reader.note_fault(Some(self.step), format_args!("{error}"));
                    break;
                }
            }
        }
        Ok(())
    }

    fn enumeration(self, _: &[(&str, i32)], reader: &mut Reader<'a>) -> Result<i32, Stopped> {
        Ok(self.varint(reader) as i32)
    }

    fn any(self, _: usize, reader: &mut Reader<'a>) -> Result<AttributeValue, Stopped> {
        let what = "expected a field that tells its type";
        reader.note_fault(Some(self.step), format_args!("{what}"));
        Ok(AttributeValue::Empty)
    }

    fn usual_attribute(&self) -> Option<(&'a [u8], Usual<'a>)> {
        // The contents of a field of bytes, if that comes next.
        fn bytes<'a>(message: &mut &'a [u8], tag: u8) -> Option<&'a [u8]> {
            let (found, mut rest) = message.split_first()?;
            let length = usize::try_from(varint(&mut rest).ok()?).ok()?;
            let (bytes, rest) = rest.split_at_checked(length)?;
            *message = rest;
            (*found == tag).then_some(bytes)
        }
        let Content::Bytes(mut entry) = self.content else { return None };
        let key = bytes(&mut entry, LENGTH_DELIMITED | 1 << 3)?;
        let mut value = bytes(&mut entry, LENGTH_DELIMITED | 2 << 3)?;
        let (&tag, mut number) = value.split_first()?;
        let usual = match tag {
            TEXT => Usual::Text(bytes(&mut value, TEXT)?),
            BOOL => Usual::Bool(varint(&mut number).ok()? != 0),
            INT => Usual::Int(varint(&mut number).ok()?.cast_signed()),
            DOUBLE => Usual::Double(number.try_get_f64_le().ok()?),
            _ => return None,
        };
        let rest = if tag == TEXT { value } else { number };
        (entry.is_empty() && rest.is_empty()).then_some((key, usual))
    }

    fn skip(self, _: &mut Reader<'a>) -> Result<(), Stopped> {
        Ok(())
    }

    fn step(&self) -> Step<'a> {
        self.step
    }
}
