//! Reads OTLP's messages, from protobuf and from JSON by the same code. A [`Message`] says which
//! fields it has and takes their values one after another, in the order in which they were sent;
//! protobuf and JSON are each a [`Source`] of values. So a request means the same in both forms,
//! and no tree of it is built first.
//!
//! ```text
//! body ─▶ protobuf or JSON ─ field 5, a Source ─▶ SpanFields::field ─ name() ─▶ SpanFields.name
//! ```
//!
//! A value of the wrong type does not end the reading. It is noted as a
//! [fault](Reader::note_fault), with its path, and the span that has it is rejected.

use std::fmt;

use super::failure::Failure;
use super::limits::{NAME_BYTES, VALUE_BYTES, shortened};
use crate::store::footprint::heap;
use crate::store::model::{Attribute, Event, Link, Name, Text, Value};
use crate::store::names::{Keep, Names, name_bytes};

/// A field of a message.
#[derive(Debug)]
pub(super) struct Field {
    /// Its number in protobuf.
    pub(super) number: u32,
    /// Its name in JSON.
    pub(super) name: &'static str,
    pub(super) is_list: bool,
}

/// A field that occurs once.
pub(super) const fn one(number: u32, name: &'static str) -> Field {
    Field { number, name, is_list: false }
}

/// A field that occurs any number of times.
pub(super) const fn list(number: u32, name: &'static str) -> Field {
    Field { number, name, is_list: true }
}

impl Field {
    /// Whether JSON may call the field `name`: as in camel case, `traceState`, or as in the
    /// `.proto` file, `trace_state`.
    pub(super) fn has_name(&self, name: &str) -> bool {
        self.name == name || is_snake_case_of(name, self.name)
    }
}

fn is_snake_case_of(snake: &str, camel: &str) -> bool {
    let mut snake = snake.bytes();
    camel.bytes().all(|byte| {
        (!byte.is_ascii_uppercase() || snake.next() == Some(b'_'))
            && snake.next() == Some(byte.to_ascii_lowercase())
    }) && snake.next().is_none()
}

/// A message that is being read.
pub(super) trait Message {
    /// Whether one fault makes the whole message useless, as in a span: then the rest of it is
    /// skipped. It is false for messages that hold several spans, of which the others are kept.
    const ALL_OR_NOTHING: bool = true;

    /// The fields that are of interest; all others are skipped.
    fn fields(&self) -> &'static [Field];

    /// The field that JSON calls `name`. A message whose fields are named by the sender, as a map's
    /// are, has one field for all of them and keeps the name.
    fn named(&mut self, name: &str) -> Option<&'static Field> {
        self.fields().iter().find(|field| field.has_name(name))
    }

    /// Takes the value of a field, or of one element when the field is a list. The value has to be
    /// read, if only by [`Source::skip`].
    fn field<'a, S: Source<'a>>(
        &mut self,
        number: u32,
        value: S,
        reader: &mut Reader<'a>,
    ) -> Result<(), Stopped>;
}

/// A value that is to be read, as the type that its field has in the `.proto` file. Values of
/// another type are noted as faults and read as that type's default.
pub(super) trait Source<'a>: Sized {
    fn message<M: Message>(self, message: &mut M, reader: &mut Reader<'a>) -> Result<(), Stopped>;
    fn text<T: Default>(
        self,
        reader: &mut Reader<'a>,
        take: impl FnOnce(&str, &mut Reader<'a>) -> Result<T, Stopped>,
    ) -> Result<T, Stopped>;
    fn bytes<T: Default>(
        self,
        reader: &mut Reader<'a>,
        take: impl FnOnce(&[u8], &mut Reader<'a>) -> Result<T, Stopped>,
    ) -> Result<T, Stopped>;
    /// A trace id or a span id: bytes, but hex in JSON.
    fn id<const N: usize>(self, reader: &mut Reader<'a>) -> Result<Id<N>, Stopped>;
    fn boolean(self, reader: &mut Reader<'a>) -> Result<bool, Stopped>;
    fn int64(self, reader: &mut Reader<'a>) -> Result<i64, Stopped>;
    fn uint32(self, reader: &mut Reader<'a>) -> Result<u32, Stopped>;
    fn fixed32(self, reader: &mut Reader<'a>) -> Result<u32, Stopped>;
    fn fixed64(self, reader: &mut Reader<'a>) -> Result<u64, Stopped>;
    fn double(self, reader: &mut Reader<'a>) -> Result<f64, Stopped>;
    fn sfixed64(self, reader: &mut Reader<'a>) -> Result<i64, Stopped>;
    fn sint32(self, reader: &mut Reader<'a>) -> Result<i32, Stopped>;
    /// The numbers of a list's element, which are several where protobuf packs them; `take` gets
    /// their bits, and says whether it wants more.
    fn packed(
        self,
        of: Packed,
        reader: &mut Reader<'a>,
        take: &mut dyn FnMut(u64, &mut Reader<'a>) -> Result<bool, Stopped>,
    ) -> Result<(), Stopped>;
    /// The number of an enumeration's value, which JSON may name.
    fn enumeration(self, names: &[(&str, i32)], reader: &mut Reader<'a>) -> Result<i32, Stopped>;
    /// A value that says by itself whether it is a string, a number or a truth value. Only JSON has
    /// such values; in protobuf the field tells the type. Of a string at most `most` bytes are
    /// taken.
    fn any(self, most: usize, reader: &mut Reader<'a>) -> Result<Value, Stopped>;
    /// The attribute that this is, if it is one of the usual form, without anything unexpected: a key
    /// and then a value that is a text, a number or a truth value. Texts may yet turn out not to be
    /// UTF-8.
    fn usual_attribute(&self) -> Option<(&'a [u8], Usual<'a>)> {
        None
    }
    fn skip(self, reader: &mut Reader<'a>) -> Result<(), Stopped>;
    /// Where the value is in its message.
    fn step(&self) -> Step<'a>;
}

/// The value of an attribute of the usual form.
#[derive(Clone, Copy, Debug)]
pub(super) enum Usual<'a> {
    Text(&'a [u8]),
    Bool(bool),
    Int(i64),
    Double(f64),
}

/// The numbers of a list that protobuf may pack.
#[derive(Clone, Copy, Debug)]
pub(super) enum Packed {
    Fixed64,
    Uint64,
    Double,
}

/// An id as it was sent.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) enum Id<const N: usize> {
    /// Not there, or all zeroes.
    #[default]
    Absent,
    Valid([u8; N]),
    /// What it is instead of `N` bytes.
    Wrong(String),
}

impl<const N: usize> Id<N> {
    /// The id, if there is one; a sentence about the field `name` when it has another length.
    pub(super) fn checked(&self, name: &str) -> Result<Option<&[u8; N]>, String> {
        match self {
            Self::Absent => Ok(None),
            Self::Valid(id) => Ok(Some(id)),
            Self::Wrong(what) => Err(format!("{name} {what}")),
        }
    }

    /// The id in `bytes`.
    pub(super) fn of(bytes: &[u8]) -> Self {
        match bytes.try_into() {
            Ok(id) if id != [0; N] => Self::Valid(id),
            _ if bytes.iter().all(|&byte| byte == 0) => Self::Absent,
            _ => Self::Wrong(format!("has {} bytes, expected {N}", bytes.len())),
        }
    }
}

/// One step on the way from a request to a value in it: a field, and the place in its list.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step<'a> {
    pub(super) fields: &'static [Field],
    pub(super) number: u32,
    pub(super) place: Place<'a>,
}

/// A place in a list.
#[derive(Clone, Copy, Debug)]
pub(super) enum Place<'a> {
    /// None: it is the field as a whole.
    Only,
    At(usize),
    /// In protobuf, where the elements of a list may stand anywhere in the message: after as many
    /// as there are in `before`. They are counted only when a path is written.
    After {
        before: &'a [u8],
        count: fn(&[u8], u32) -> usize,
    },
}

impl fmt::Display for Step<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(field) = self.fields.iter().find(|field| field.number == self.number) else {
            return write!(f, "{}", self.number);
        };
        f.write_str(field.name)?;
        match self.place {
            _ if !field.is_list => Ok(()),
            Place::Only => Ok(()),
            Place::At(index) => write!(f, "[{index}]"),
            Place::After { before, count } => write!(f, "[{}]", count(before, self.number)),
        }
    }
}

/// The reading of a request has ended before the request; [`Reader::failure`] says why.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stopped;

/// The state of reading one request: the path to the value that is being read, the first fault, the
/// memory taken so far, and the lists that are not complete yet.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    pub(super) names: &'a mut Names,
    /// Bytes that what was read may take in memory.
    limit: usize,
    taken: usize,
    path: Vec<Step<'a>>,
    fault: Option<String>,
    /// Whether a fault has been told already. The sender is told one; finding the paths of the
    /// others would take time for nothing.
    pub(super) is_told: bool,
    failure: Option<Failure>,
    /// Parts that the viewer's limits cut from what is being read.
    pub(super) cuts: u32,
    pub(super) attributes: Vec<Attribute>,
    pub(super) values: Vec<Value>,
    pub(super) events: Vec<Event>,
    pub(super) links: Vec<Link>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(names: &'a mut Names, limit: usize) -> Self {
        Self {
            names,
            limit,
            taken: 0,
            path: Vec::new(),
            fault: None,
            is_told: false,
            failure: None,
            cuts: 0,
            attributes: Vec::new(),
            values: Vec::new(),
            events: Vec::new(),
            links: Vec::new(),
        }
    }

    /// Takes `bytes` of memory, before they are allocated.
    pub(super) fn charge(&mut self, bytes: usize) -> Result<(), Stopped> {
        self.taken += bytes;
        if self.taken > self.limit {
            return Err(self.stop(Failure::TooExpensive { limit: self.limit }));
        }
        Ok(())
    }

    /// The memory taken so far.
    pub(super) fn taken(&self) -> usize {
        self.taken
    }

    /// Says that no more memory is taken than `bytes`: the rest has been let go.
    pub(super) fn give_back_to(&mut self, bytes: usize) {
        self.taken = bytes;
    }

    /// Leaves out a value that there is no room for, and counts it.
    pub(super) fn cut(&mut self, value: impl Source<'a>) -> Result<(), Stopped> {
        self.cuts = self.cuts.saturating_add(1);
        value.skip(self)
    }

    /// `text`, at most `most` bytes of it; a cut is counted.
    pub(super) fn shorten<'t>(&mut self, text: &'t str, most: usize) -> &'t str {
        self.cuts = self.cuts.saturating_add(u32::from(text.len() > most));
        shortened(text, most)
    }

    /// Lets go of what stands in the lists.
    pub(super) fn release_lists(&mut self) {
        self.names.release_attributes(self.attributes.drain(..));
        self.names.release_values(self.values.drain(..));
        self.names.release_events(self.events.drain(..));
        self.names.release_links(self.links.drain(..));
    }

    /// The shared copy of `text`.
    pub(super) fn name(&mut self, text: &str) -> Result<Name, Stopped> {
        match self.names.get(text.as_bytes()) {
            Some(name) => Ok(name),
            None => self.new_name(text),
        }
    }

    /// The shared copy of `text`, at most [`NAME_BYTES`] of it; none when it is not UTF-8.
    pub(super) fn name_of_bytes(&mut self, text: &[u8]) -> Result<Option<Name>, Stopped> {
        let is_short = text.len() <= NAME_BYTES;
        if is_short && let Some(name) = self.names.get(text) {
            return Ok(Some(name));
        }
        let Ok(text) = std::str::from_utf8(text) else { return Ok(None) };
        if is_short {
            return self.new_name(text).map(Some);
        }
        let text = self.shorten(text, NAME_BYTES);
        self.name(text).map(Some)
    }

    /// `text` as a value, at most [`VALUE_BYTES`] of it, shared if it repeats; none when it is not
    /// UTF-8.
    pub(super) fn value_of_bytes(&mut self, text: &[u8]) -> Result<Option<Value>, Stopped> {
        let is_short = text.len() <= VALUE_BYTES;
        if is_short && let Some(name) = self.names.get(text) {
            return Ok(Some(Value::String(Text::Shared(name))));
        }
        let Ok(text) = std::str::from_utf8(text) else { return Ok(None) };
        let value = if is_short { self.new_value(text) } else { self.value(text) };
        value.map(Some)
    }

    /// `text` as a value, likewise.
    pub(super) fn value(&mut self, text: &str) -> Result<Value, Stopped> {
        let text = self.shorten(text, VALUE_BYTES);
        match self.names.get(text.as_bytes()) {
            Some(name) => Ok(Value::String(Text::Shared(name))),
            None => self.new_value(text),
        }
    }

    /// A shared copy of `text`, of which there is none.
    fn new_name(&mut self, text: &str) -> Result<Name, Stopped> {
        self.charge(name_bytes(text))?;
        Ok(self.names.add(text))
    }

    /// `text` as a value, of which there is no shared copy.
    fn new_value(&mut self, text: &str) -> Result<Value, Stopped> {
        Ok(Value::String(match self.names.keep_value(text) {
            Keep::Shared => Text::Shared(self.new_name(text)?),
            Keep::Own => {
                self.charge(heap(text.len()))?;
                Text::Own(text.into())
            }
        }))
    }

    /// Ends the reading.
    pub(super) fn stop(&mut self, failure: Failure) -> Stopped {
        self.failure.get_or_insert(failure);
        Stopped
    }

    /// Why the reading has ended.
    pub(super) fn failure(&mut self) -> Failure {
        self.failure.take().unwrap_or_else(|| Failure::Malformed(String::from("unreadable")))
    }

    /// Ends the reading if there is a fault that no span, scope or resource has taken: then the
    /// request as a whole is wrong.
    pub(super) fn refuse_fault(&mut self) -> Result<(), Stopped> {
        match self.take_fault() {
            Some(fault) => Err(self.stop(Failure::Malformed(fault))),
            None => Ok(()),
        }
    }

    /// Notes a fault: that the value at `step` of the message that is being read is not what its
    /// field wants. Only the first is kept.
    pub(super) fn note_fault(&mut self, step: Option<Step<'a>>, what: fmt::Arguments<'_>) {
        if self.fault.is_none() {
            let told = || format!("{}: {what}", self.path_to(step));
            self.fault = Some(if self.is_told { String::new() } else { told() });
        }
    }

    /// Whether there is a fault that has not been taken yet.
    pub(super) fn has_fault(&self) -> bool {
        self.fault.is_some()
    }

    /// Puts back a fault that was taken: it is of what is around.
    pub(super) fn put_back(&mut self, fault: Option<String>) {
        self.fault = fault;
    }

    /// The first fault since this was last called.
    pub(super) fn take_fault(&mut self) -> Option<String> {
        self.fault.take()
    }

    /// The JSON path to the value at `step` of the message that is being read.
    pub(super) fn path_to(&self, step: Option<Step<'a>>) -> String {
        let steps = self.path.iter().chain(step.as_ref());
        let path: Vec<String> = steps.map(Step::to_string).collect();
        if path.is_empty() { String::from("the request") } else { path.join(".") }
    }

    /// The JSON path to the message that is being read, unless that is the whole request.
    pub(super) fn path(&self) -> Option<String> {
        (!self.path.is_empty()).then(|| self.path_to(None))
    }

    /// Reads what is inside the message at `step`.
    pub(super) fn inside<T>(
        &mut self,
        step: Option<Step<'a>>,
        read: impl FnOnce(&mut Self) -> Result<T, Stopped>,
    ) -> Result<T, Stopped> {
        let depth = self.path.len();
        self.path.extend(step);
        let read = read(self)?;
        self.path.truncate(depth);
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_has_a_name_in_camel_case_and_one_in_snake_case() {
        let field = one(1, "timeUnixNano");

        assert!(field.has_name("timeUnixNano") && field.has_name("time_unix_nano"));
        for name in
            ["", "time", "time_unix_nan", "time_unix_nano_", "timeUnix_nano", "timeunixnano"]
        {
            assert!(!field.has_name(name), "{name}");
        }
    }
}
