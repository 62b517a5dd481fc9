//! Requests in protobuf: <https://protobuf.dev/programming-guides/encoding/>.

use prost::DecodeError;
use prost::bytes::Buf;
use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field};

use super::message::{Id, Message, Packed, Place, Reader, Source, Step, Stopped};
use crate::store::model::Value as AttributeValue;

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
    let (number, wire_type) = decode_key(message)?;
    let content = match wire_type {
        WireType::Varint => Content::Varint(decode_varint(message)?),
        WireType::LengthDelimited => {
            let length = usize::try_from(decode_varint(message)?).unwrap_or(usize::MAX);
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

    fn skip(self, _: &mut Reader<'a>) -> Result<(), Stopped> {
        Ok(())
    }

    fn step(&self) -> Step<'a> {
        self.step
    }
}
