//! Attributes and their values, of any of OTLP's types, cut to what the [limits] allow.
//!
//! A list is read to the end of the reader's own list, and moved from there when it is complete. So
//! it is allocated once, in its final size.

use std::mem::size_of;

use super::limits;
use super::message::{Field, Message, Reader, Source, Stopped, Usual, list, one};
use crate::store::footprint::heap;
use crate::store::model::{Attribute, Double, Name, Value};

/// Reads an attribute of the list that begins at `first` of the reader's attributes, unless the
/// list is full.
pub(super) fn attribute_from<'a, S: Source<'a>>(
    first: usize,
    value: S,
    reader: &mut Reader<'a>,
) -> Result<(), Stopped> {
    if reader.attributes.len() - first >= limits::ATTRIBUTES {
        return reader.cut(value);
    }
    read_attribute(value, reader)
}

/// Reads an attribute to the end of the reader's attributes.
pub(super) fn read_attribute<'a, S: Source<'a>>(
    value: S,
    reader: &mut Reader<'a>,
) -> Result<(), Stopped> {
    // Nearly all are of this form, and read faster so.
    if let Some((key, usual)) = value.usual_attribute()
        && read_usual(key, usual, reader)?
    {
        return Ok(());
    }
    read_entry(value, &mut Nesting::whole(), reader)
}

/// Reads an attribute of the usual form. Whether it is one: nothing is read of texts that are not
/// UTF-8.
fn read_usual(key: &[u8], usual: Usual<'_>, reader: &mut Reader<'_>) -> Result<bool, Stopped> {
    let value = match usual {
        Usual::Text(text) => reader.value_of_bytes(text)?,
        Usual::Bool(truth) => Some(Value::Bool(truth)),
        Usual::Int(number) => Some(Value::Int(number)),
        Usual::Double(number) => Some(Value::Double(Double(number))),
    };
    let Some(value) = value else { return Ok(false) };
    let Some(key) = reader.name_of_bytes(key)? else {
        reader.names.release_values([value]);
        return Ok(false);
    };
    reader.attributes.push(Attribute { key, value });
    Ok(true)
}

/// Reads a value that stands by itself, such as a log record's body, within the limits that an
/// attribute's value has.
pub(super) fn any_value<'a, S: Source<'a>>(
    value: S,
    reader: &mut Reader<'a>,
) -> Result<Value, Stopped> {
    let mut read = Value::Empty;
    value.message(&mut AnyValue { value: &mut read, nesting: &mut Nesting::whole() }, reader)?;
    Ok(read)
}

/// How many more levels and values one attribute's value may have.
struct Nesting {
    depth: usize,
    values: usize,
}

fn read_entry<'a, S: Source<'a>>(
    value: S,
    nesting: &mut Nesting,
    reader: &mut Reader<'a>,
) -> Result<(), Stopped> {
    let mut entry = KeyValue { key: None, value: Value::Empty, nesting };
    value.message(&mut entry, reader)?;
    let KeyValue { key, value, .. } = entry;
    let key = match key {
        Some(key) => key,
        None => reader.name("")?,
    };
    reader.attributes.push(Attribute { key, value });
    Ok(())
}

struct KeyValue<'n> {
    key: Option<Name>,
    value: Value,
    nesting: &'n mut Nesting,
}

impl Message for KeyValue<'_> {
    fn fields(&self) -> &'static [Field] {
        const { &[one(1, "key"), one(2, "value")] }
    }

    fn field<'a, S: Source<'a>>(
        &mut self,
        number: u32,
        value: S,
        reader: &mut Reader<'a>,
    ) -> Result<(), Stopped> {
        match number {
            1 => self.key = name_or_empty(value, reader)?,
            2 => {
                return value.message(
                    &mut AnyValue { value: &mut self.value, nesting: self.nesting },
                    reader,
                );
            }
            _ => return value.skip(reader),
        }
        Ok(())
    }
}

struct AnyValue<'v> {
    value: &'v mut Value,
    nesting: &'v mut Nesting,
}

impl Message for AnyValue<'_> {
    fn fields(&self) -> &'static [Field] {
        const {
            &[
                one(1, "stringValue"),
                one(2, "boolValue"),
                one(3, "intValue"),
                one(4, "doubleValue"),
                one(5, "arrayValue"),
                one(6, "kvlistValue"),
                one(7, "bytesValue"),
            ]
        }
    }

    fn field<'a, S: Source<'a>>(
        &mut self,
        number: u32,
        value: S,
        reader: &mut Reader<'a>,
    ) -> Result<(), Stopped> {
        *self.value = match number {
            1 => value_text(value, reader)?,
            2 => Value::Bool(value.boolean(reader)?),
            3 => Value::Int(value.int64(reader)?),
            4 => Value::Double(Double(value.double(reader)?)),
            5 | 6 if self.nesting.depth == 0 => {
                reader.cut(value)?;
                Value::Empty
            }
            5 => {
                let first = reader.values.len();
                self.nesting.depth -= 1;
                value.message(&mut ArrayValue { first, nesting: self.nesting }, reader)?;
                self.nesting.depth += 1;
                reader.charge(heap((reader.values.len() - first) * size_of::<Value>()))?;
                Value::Array(reader.values.drain(first..).collect())
            }
            6 => {
                let first = reader.attributes.len();
                self.nesting.depth -= 1;
                value.message(&mut KeyValueList { first, nesting: self.nesting }, reader)?;
                self.nesting.depth += 1;
                reader.charge(heap((reader.attributes.len() - first) * size_of::<Attribute>()))?;
                Value::Map(reader.attributes.drain(first..).collect())
            }
            7 => Value::Bytes(bytes(value, reader)?),
            _ => return value.skip(reader),
        };
        Ok(())
    }
}

struct ArrayValue<'n> {
    first: usize,
    nesting: &'n mut Nesting,
}

impl Message for ArrayValue<'_> {
    fn fields(&self) -> &'static [Field] {
        const { &[list(1, "values")] }
    }

    fn field<'a, S: Source<'a>>(
        &mut self,
        number: u32,
        value: S,
        reader: &mut Reader<'a>,
    ) -> Result<(), Stopped> {
        if number != 1 {
            return value.skip(reader);
        }
        if !self.nesting.has_room(reader.values.len() - self.first) {
            return reader.cut(value);
        }
        let mut element = Value::Empty;
        value.message(&mut AnyValue { value: &mut element, nesting: self.nesting }, reader)?;
        reader.values.push(element);
        Ok(())
    }
}

struct KeyValueList<'n> {
    first: usize,
    nesting: &'n mut Nesting,
}

impl Message for KeyValueList<'_> {
    fn fields(&self) -> &'static [Field] {
        const { &[list(1, "values")] }
    }

    fn field<'a, S: Source<'a>>(
        &mut self,
        number: u32,
        value: S,
        reader: &mut Reader<'a>,
    ) -> Result<(), Stopped> {
        if number != 1 {
            return value.skip(reader);
        }
        if !self.nesting.has_room(reader.attributes.len() - self.first) {
            return reader.cut(value);
        }
        read_entry(value, self.nesting, reader)
    }
}

impl Nesting {
    /// All that one value may have.
    fn whole() -> Self {
        Self { depth: limits::DEPTH, values: limits::NESTED_VALUES }
    }

    /// Takes room for one more value in a list of `length`, if there is any.
    fn has_room(&mut self, length: usize) -> bool {
        let room = self.values > 0 && length < limits::ATTRIBUTES;
        self.values -= usize::from(room);
        room
    }
}

/// A text, at most `most` bytes of it.
pub(super) fn text<'a, S: Source<'a>>(
    value: S,
    most: usize,
    reader: &mut Reader<'a>,
) -> Result<Box<str>, Stopped> {
    value.text(reader, |text, reader| {
        let text = reader.shorten(text, most);
        reader.charge(heap(text.len()))?;
        Ok(text.into())
    })
}

/// A text that is a value.
fn value_text<'a, S: Source<'a>>(value: S, reader: &mut Reader<'a>) -> Result<Value, Stopped> {
    let read = value.text(reader, |text, reader| reader.value(text).map(Some))?;
    Ok(read.unwrap_or_else(|| Value::String("".into())))
}

/// A span's or an event's name; none when it is empty.
pub(super) fn name<'a, S: Source<'a>>(
    value: S,
    reader: &mut Reader<'a>,
) -> Result<Option<Name>, Stopped> {
    Ok(name_or_empty(value, reader)?.filter(|name| !name.is_empty()))
}

/// A name that many spans share.
fn name_or_empty<'a, S: Source<'a>>(
    value: S,
    reader: &mut Reader<'a>,
) -> Result<Option<Name>, Stopped> {
    value.text(reader, |text, reader| {
        let text = reader.shorten(text, limits::NAME_BYTES);
        reader.name(text).map(Some)
    })
}

fn bytes<'a, S: Source<'a>>(value: S, reader: &mut Reader<'a>) -> Result<Box<[u8]>, Stopped> {
    value.bytes(reader, |bytes, reader| {
        let kept = &bytes[..bytes.len().min(limits::VALUE_BYTES)];
        reader.cuts = reader.cuts.saturating_add(u32::from(kept.len() < bytes.len()));
        reader.charge(heap(kept.len()))?;
        Ok(kept.into())
    })
}

/// The reader's attributes from `first` on, sorted by key.
pub(super) fn sorted_from(first: usize, reader: &mut Reader<'_>) -> Box<[Attribute]> {
    reader.attributes[first..].sort_by(|one, other| one.key.cmp(&other.key));
    reader.attributes.drain(first..).collect()
}

pub(super) fn sorted(mut attributes: Vec<Attribute>) -> Box<[Attribute]> {
    attributes.sort_by(|one, other| one.key.cmp(&other.key));
    attributes.into_boxed_slice()
}
