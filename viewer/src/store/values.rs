//! Attribute values from OTLP, cut to what [`limits`] allow.

use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};

use super::intern::Interner;
use super::limits::{self, shorten};
use super::model::{Attribute, Double, Value};

/// Cuts what is too large and counts the cuts.
#[derive(Debug, Default)]
pub(crate) struct Cutter {
    cuts: u32,
}

impl Cutter {
    /// A cutter that carries on a count.
    pub(crate) fn starting_at(cuts: u32) -> Self {
        Self { cuts }
    }

    pub(crate) fn count(&self) -> u32 {
        self.cuts
    }

    /// Counts one cut, if there was one.
    pub(crate) fn note(&mut self, was_cut: bool) {
        self.cuts = self.cuts.saturating_add(u32::from(was_cut));
    }

    /// `text`, at most `bytes` of it, copied for the reason that [`copied`] gives.
    pub(crate) fn text(&mut self, mut text: String, bytes: usize) -> Box<str> {
        self.note(shorten(&mut text, bytes));
        text.as_str().into()
    }

    /// `list`, at most `length` of it; each element left out counts.
    pub(crate) fn list<T>(&mut self, mut list: Vec<T>, length: usize) -> Vec<T> {
        let over = list.len().saturating_sub(length);
        self.cuts = self.cuts.saturating_add(u32::try_from(over).unwrap_or(u32::MAX));
        list.truncate(length);
        list
    }
}

/// The elements in memory of their own. What the decoder allocated lies among its buffers, which
/// are gone soon: kept, or shrunk in place, it would hold on to the holes between, and the process
/// would take half as much memory again as the spans do.
pub(crate) fn copied<T>(elements: impl Iterator<Item = T>) -> Box<[T]> {
    let mut copied = Vec::with_capacity(elements.size_hint().1.unwrap_or_default());
    copied.extend(elements);
    copied.into_boxed_slice()
}

/// The attributes `sent`, sorted by key.
pub(crate) fn attributes(
    sent: Vec<KeyValue>,
    names: &mut Interner<str>,
    cut: &mut Cutter,
) -> Box<[Attribute]> {
    let sent = cut.list(sent, limits::ATTRIBUTES);
    let mut kept = copied(sent.into_iter().map(|attribute| {
        let mut nesting = Nesting { depth: limits::DEPTH, values: limits::NESTED_VALUES };
        keyed(attribute, names, cut, &mut nesting)
    }));
    kept.sort_by(|one, other| one.key.cmp(&other.key));
    kept
}

/// How much deeper and longer one attribute's value may still get.
struct Nesting {
    depth: usize,
    values: usize,
}

fn keyed(
    attribute: KeyValue,
    names: &mut Interner<str>,
    cut: &mut Cutter,
    nesting: &mut Nesting,
) -> Attribute {
    let mut key = attribute.key;
    cut.note(shorten(&mut key, limits::NAME_BYTES));
    Attribute { key: names.intern(key), value: value(attribute.value, names, cut, nesting) }
}

fn value(
    sent: Option<AnyValue>,
    names: &mut Interner<str>,
    cut: &mut Cutter,
    nesting: &mut Nesting,
) -> Value {
    match sent.and_then(|any| any.value) {
        None | Some(Any::StringValueStrindex(_)) => Value::Empty,
        Some(Any::StringValue(text)) => Value::String(cut.text(text, limits::VALUE_BYTES)),
        Some(Any::BoolValue(truth)) => Value::Bool(truth),
        Some(Any::IntValue(number)) => Value::Int(number),
        Some(Any::DoubleValue(number)) => Value::Double(Double(number)),
        Some(Any::BytesValue(bytes)) => {
            cut.note(bytes.len() > limits::VALUE_BYTES);
            Value::Bytes(bytes[..bytes.len().min(limits::VALUE_BYTES)].into())
        }
        Some(Any::ArrayValue(array)) => nested(array.values, cut, nesting, |any, cut, nesting| {
            value(Some(any), names, cut, nesting)
        })
        .map_or(Value::Empty, Value::Array),
        Some(Any::KvlistValue(map)) => nested(map.values, cut, nesting, |entry, cut, nesting| {
            keyed(entry, names, cut, nesting)
        })
        .map_or(Value::Empty, Value::Map),
    }
}

/// The elements one level down, unless that is too deep.
fn nested<T, U>(
    elements: Vec<T>,
    cut: &mut Cutter,
    nesting: &mut Nesting,
    mut convert: impl FnMut(T, &mut Cutter, &mut Nesting) -> U,
) -> Option<Box<[U]>> {
    if nesting.depth == 0 {
        cut.note(true);
        return None;
    }
    let elements = cut.list(elements, limits::ATTRIBUTES.min(nesting.values));
    nesting.values -= elements.len();
    nesting.depth -= 1;
    let converted = copied(elements.into_iter().map(|element| convert(element, cut, nesting)));
    nesting.depth += 1;
    Some(converted)
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::common::v1::ArrayValue;

    use super::*;

    fn nested_array(levels: usize) -> AnyValue {
        let inner = if levels == 0 { vec![] } else { vec![nested_array(levels - 1)] };
        AnyValue { value: Some(Any::ArrayValue(ArrayValue { values: inner })) }
    }

    fn convert(any: AnyValue) -> (Value, u32) {
        let mut cut = Cutter::default();
        let sent = vec![KeyValue { key: "k".into(), value: Some(any), ..KeyValue::default() }];
        let mut kept = attributes(sent, &mut Interner::default(), &mut cut).into_vec();
        (kept.remove(0).value, cut.count())
    }

    fn depth(value: &Value) -> usize {
        match value {
            Value::Array(values) => 1 + values.iter().map(depth).max().unwrap_or(0),
            _ => 0,
        }
    }

    #[test]
    fn a_value_nested_too_deep_is_cut_and_counted() {
        let (value, cuts) = convert(nested_array(40));

        assert_eq!(depth(&value), limits::DEPTH);
        assert_eq!(cuts, 1);
    }

    #[test]
    fn a_value_with_too_many_parts_is_cut_and_counted() {
        let row = AnyValue {
            value: Some(Any::ArrayValue(ArrayValue {
                values: vec![AnyValue { value: Some(Any::IntValue(1)) }; 200],
            })),
        };
        let table =
            AnyValue { value: Some(Any::ArrayValue(ArrayValue { values: vec![row; 200] })) };

        let (value, cuts) = convert(table);

        let Value::Array(rows) = value else { panic!("an array stays an array") };
        let kept: usize = rows
            .iter()
            .map(|row| match row {
                Value::Array(values) => values.len(),
                _ => 0,
            })
            .sum();
        assert_eq!(kept + 200, limits::NESTED_VALUES);
        assert_eq!(cuts as usize, 200 * 200 - kept);
    }

    #[test]
    fn a_long_text_is_cut_and_counted() {
        let (value, cuts) =
            convert(AnyValue { value: Some(Any::StringValue("x".repeat(100_000))) });

        assert_eq!(value, Value::String("x".repeat(limits::VALUE_BYTES).into()));
        assert_eq!(cuts, 1);
    }
}
