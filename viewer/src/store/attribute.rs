//! Attributes: what a span, its resource or its scope says of itself, in OTLP's types.

use std::hash::{Hash, Hasher};

use super::model::Name;

/// A double that can be a key: two are equal when their bits are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Double(pub(crate) f64);

impl PartialEq for Double {
    fn eq(&self, other: &Self) -> bool {
        self.0.to_bits() == other.0.to_bits()
    }
}

impl Eq for Double {}

impl Hash for Double {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.to_bits().hash(state);
    }
}

/// An attribute's value, of any of OTLP's types.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Value {
    Empty,
    String(Box<str>),
    Bool(bool),
    Int(i64),
    Double(Double),
    Bytes(Box<[u8]>),
    Array(Box<[Value]>),
    Map(Box<[Attribute]>),
}

/// A key with its value.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Attribute {
    pub(crate) key: Name,
    pub(crate) value: Value,
}

/// The value of `key` among `attributes`.
pub(crate) fn find<'a>(attributes: &'a [Attribute], key: &str) -> Option<&'a Value> {
    attributes.iter().find(|attribute| &*attribute.key == key).map(|attribute| &attribute.value)
}
