//! Attributes with their types, for the page.

use serde::Serialize;
use serde_json::Value as Json;

use crate::render::{Integers, json};
use crate::store::model::{Attribute, Value};

/// An attribute: its key, its type's name, its value.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Attr {
    key: String,
    #[serde(rename = "type")]
    type_name: &'static str,
    value: Json,
}

/// `attributes`, in their order.
pub(super) fn attrs(attributes: &[Attribute]) -> Vec<Attr> {
    attributes
        .iter()
        .map(|attribute| Attr {
            key: attribute.key.to_string(),
            type_name: type_name(&attribute.value),
            value: value(&attribute.value),
        })
        .collect()
}

fn value(value: &Value) -> Json {
    match value {
        // Typed, so that the page can show what is what.
        Value::Map(entries) => serde_json::to_value(attrs(entries)).unwrap_or_default(),
        plain => json(plain, Integers::Safe),
    }
}

fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Empty => "empty",
        Value::String(_) => "string",
        Value::Bool(_) => "bool",
        Value::Int(_) => "int",
        Value::Double(_) => "double",
        Value::Bytes(_) => "bytes",
        Value::Array(_) => "array",
        Value::Map(_) => "kvlist",
    }
}
