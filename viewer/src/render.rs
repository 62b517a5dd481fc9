//! Attribute values as text and JSON.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Number, Value as Json};

use crate::store::model::Value;

/// The integers that every JSON reader keeps whole lie below this, 2^53, and above its negative.
pub(crate) const SAFE_INTEGER: i64 = 1 << 53;

/// How integers that a JavaScript number cannot hold are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Integers {
    /// As they are.
    Exact,
    /// As strings.
    Safe,
}

/// `value` as plain JSON; bytes in base64, a double that JSON cannot write as a string.
pub(crate) fn json(value: &Value, integers: Integers) -> Json {
    match value {
        Value::Empty => Json::Null,
        Value::String(text) => Json::from(&**text),
        Value::Bool(truth) => Json::from(*truth),
        Value::Int(number) => integer(*number, integers),
        Value::Double(number) => double(number.0),
        Value::Bytes(bytes) => Json::from(base64(bytes)),
        Value::Array(values) => values.iter().map(|value| json(value, integers)).collect(),
        Value::Map(entries) => {
            let entries = entries.iter();
            let plain = entries.map(|entry| (entry.key.to_string(), json(&entry.value, integers)));
            Json::Object(plain.collect::<Map<_, _>>())
        }
    }
}

/// `value` as the text that tags are compared with: as Jaeger writes it.
pub(crate) fn text(value: &Value) -> Cow<'_, str> {
    match value {
        Value::Empty => Cow::Borrowed(""),
        Value::String(text) => Cow::Borrowed(text),
        Value::Bool(truth) => Cow::Borrowed(if *truth { "true" } else { "false" }),
        Value::Int(number) => Cow::Owned(number.to_string()),
        Value::Double(number) => Cow::Owned(go_float(number.0)),
        Value::Bytes(bytes) => Cow::Owned(base64(bytes)),
        Value::Array(_) | Value::Map(_) => {
            Cow::Owned(escape_separators(&json(value, Integers::Exact).to_string()))
        }
    }
}

/// Bytes in base64, with padding.
pub(crate) fn base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

fn integer(number: i64, integers: Integers) -> Json {
    if integers == Integers::Safe && !(-SAFE_INTEGER < number && number < SAFE_INTEGER) {
        Json::from(number.to_string())
    } else {
        Json::from(number)
    }
}

/// A double, a whole one without a fraction; NaN and the infinities by the names that OTLP/JSON has
/// for them.
pub(crate) fn double(number: f64) -> Json {
    if number.fract() == 0.0 && number.abs() < SAFE_INTEGER as f64 {
        return Json::from(number as i64);
    }
    Number::from_f64(number).map_or_else(
        || {
            Json::from(match number {
                n if n.is_nan() => "NaN",
                n if n > 0.0 => "Infinity",
                _ => "-Infinity",
            })
        },
        Json::Number,
    )
}

/// A double as the collector's `Value.AsString` writes it.
fn go_float(number: f64) -> String {
    let size = number.abs();
    if number.is_finite() && size != 0.0 && !(1e-6..1e21).contains(&size) {
        let text = format!("{number:e}");
        return if size >= 1.0 { text.replace('e', "e+") } else { text };
    }
    match number {
        n if n.is_nan() => String::from("NaN"),
        n if n.is_infinite() => String::from(if n > 0.0 { "Infinity" } else { "-Infinity" }),
        n => n.to_string(),
    }
}

/// JSON as Go's encoding/json writes it unless it is to be safe within HTML.
fn escape_separators(json: &str) -> String {
    json.replace('\u{2028}', "\\u2028").replace('\u{2029}', "\\u2029")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::model::Double;

    #[test]
    fn doubles_are_written_as_go_writes_them() {
        let written = [0.5, 5.0, -1.25, 1e21, 1e-7, f64::NEG_INFINITY].map(go_float);

        assert_eq!(written, ["0.5", "5", "-1.25", "1e+21", "1e-7", "-Infinity"]);
    }

    #[test]
    fn nested_values_are_json_text() {
        let value = Value::Array(Box::new([
            Value::String("<a>".into()),
            Value::Int(SAFE_INTEGER),
            Value::Double(Double(0.5)),
            Value::Double(Double(5.0)),
        ]));

        assert_eq!(text(&value), r#"["<a>",9007199254740992,0.5,5]"#);
        assert_eq!(json(&value, Integers::Safe).to_string(), r#"["<a>","9007199254740992",0.5,5]"#);
    }
}
