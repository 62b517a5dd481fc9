//! Values as text and JSON, written as they are held: nothing is copied first.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Display;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Serialize, Serializer};

use crate::store::model::Value;

/// The integers that every JSON reader keeps whole lie below this, 2^53, and above its negative.
pub(crate) const SAFE_INTEGER: i64 = 1 << 53;

/// A JSON string: what `T` is shown as.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Text<T>(pub(crate) T);

impl<T: Display> Serialize for Text<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// A JSON list whose elements are made one by one, while it is written.
#[derive(Debug)]
pub(crate) struct List<F>(pub(crate) F);

impl<F, I> Serialize for List<F>
where
    F: Fn() -> I,
    I: IntoIterator,
    I::Item: Serialize,
{
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq((self.0)())
    }
}

/// A JSON object whose members are made one by one, while it is written.
#[derive(Debug)]
pub(crate) struct Members<F>(pub(crate) F);

impl<F, I, K, V> Serialize for Members<F>
where
    F: Fn() -> I,
    I: IntoIterator<Item = (K, V)>,
    K: Serialize,
    V: Serialize,
{
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map((self.0)())
    }
}

/// Whether a field is left out, as protobuf's JSON leaves out what is its type's default.
pub(crate) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// Bytes in base64, with padding.
pub(crate) fn base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// An attribute's value as plain JSON: bytes in base64, a double as [`PlainDouble`].
struct Plain<'a>(&'a Value);

impl Serialize for Plain<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Empty => serializer.serialize_unit(),
            Value::String(text) => serializer.serialize_str(text),
            Value::Bool(truth) => serializer.serialize_bool(*truth),
            Value::Int(number) => serializer.serialize_i64(*number),
            Value::Double(number) => PlainDouble(number.0).serialize(serializer),
            Value::Bytes(bytes) => serializer.serialize_str(&base64(bytes)),
            Value::Array(values) => serializer.collect_seq(values.iter().map(Plain)),
            Value::Map(entries) => {
                // Sorted, and of one key the last, as Go writes a map.
                let entries = entries.iter().map(|entry| (&*entry.key, Plain(&entry.value)));
                serializer.collect_map(entries.collect::<BTreeMap<_, _>>())
            }
        }
    }
}

/// A double as plain JSON: a whole one without a fraction; NaN and the infinities by the names that
/// protobuf's JSON has for them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PlainDouble(pub(crate) f64);

impl Serialize for PlainDouble {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let number = self.0;
        if number.fract() == 0.0 && number.abs() < SAFE_INTEGER as f64 {
            return serializer.serialize_i64(number as i64);
        }
        match not_finite(number) {
            Some(name) => serializer.serialize_str(name),
            None => serializer.serialize_f64(number),
        }
    }
}

/// The name of a double that is no number in JSON: what protobuf's JSON calls it.
pub(crate) fn not_finite(number: f64) -> Option<&'static str> {
    match number {
        n if n.is_nan() => Some("NaN"),
        n if n == f64::INFINITY => Some("Infinity"),
        n if n == f64::NEG_INFINITY => Some("-Infinity"),
        _ => None,
    }
}

/// `value` as the text that tags are compared with: as Jaeger writes it.
pub(crate) fn text(value: &Value) -> Cow<'_, str> {
    match value {
        Value::Empty => Cow::Borrowed(""),
        Value::String(text) => Cow::Borrowed(text),
        Value::Bool(truth) => Cow::Borrowed(if *truth { "true" } else { "false" }),
        Value::Int(number) => Cow::Owned(number.to_string()),
        Value::Double(number) => double_text(number.0),
        Value::Bytes(bytes) => Cow::Owned(base64(bytes)),
        Value::Array(_) | Value::Map(_) => {
            // It cannot fail: these values are all in JSON.
            let json = serde_json::to_string(&Plain(value)).unwrap_or_default();
            Cow::Owned(escape_separators(&json))
        }
    }
}

/// A double as the collector's `Value.AsString` writes it.
fn double_text(number: f64) -> Cow<'static, str> {
    if let Some(name) = not_finite(number) {
        return Cow::Borrowed(name);
    }
    let size = number.abs();
    if size == 0.0 || (1e-6..1e21).contains(&size) {
        return Cow::Owned(number.to_string());
    }
    let text = format!("{number:e}");
    Cow::Owned(if size >= 1.0 { text.replace('e', "e+") } else { text })
}

/// JSON with the two separators escaped that Go's encoding/json always escapes.
fn escape_separators(json: &str) -> String {
    json.replace('\u{2028}', "\\u2028").replace('\u{2029}', "\\u2029")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::model::{Attribute, Double};

    #[test]
    fn doubles_are_written_as_in_jaeger() {
        let numbers = [0.5, 5.0, -1.25, 1e21, 1e-7, f64::NEG_INFINITY, f64::NAN];

        assert_eq!(
            numbers.map(double_text),
            ["0.5", "5", "-1.25", "1e+21", "1e-7", "-Infinity", "NaN"]
        );
    }

    #[test]
    fn nested_values_are_json_text() {
        let value = Value::Array(Box::new([
            Value::String("<a>".into()),
            Value::Int(SAFE_INTEGER),
            Value::Double(Double(0.5)),
            Value::Double(Double(5.0)),
            Value::Double(Double(f64::NAN)),
        ]));

        assert_eq!(text(&value), r#"["<a>",9007199254740992,0.5,5,"NaN"]"#);
    }

    #[test]
    fn a_map_is_sorted_and_of_one_key_the_last_holds() {
        let entry = |key: &str, number| Attribute { key: key.into(), value: Value::Int(number) };
        let value = Value::Map(Box::new([entry("b", 1), entry("a", 2), entry("b", 3)]));

        assert_eq!(text(&value), r#"{"a":2,"b":3}"#);
    }
}
