//! Whether a span has a tag, by the rules of Jaeger's in-memory storage.

use crate::render;
use crate::store::model::{Attribute, Kind, Span, Status, find};

/// A tag that a span must have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tag {
    pub(crate) key: String,
    pub(crate) value: String,
}

impl Tag {
    /// Whether `span` has it: as an intrinsic field for the keys that name one, otherwise as an
    /// attribute of the span, its scope, its resource, an event or a link.
    pub(crate) fn matches(&self, span: &Span) -> bool {
        match self.key.as_str() {
            "error" => truth(&self.value).is_some_and(|error| error == span.is_error()),
            "span.kind" => Kind::from_name(&self.value) == span.kind,
            "span.status" => status(&self.value) == span.status,
            "otel.status_code" => {
                span.status != Status::Unset && status(&self.value) == span.status
            }
            "scope.name" | "otel.scope.name" => *self.value == *span.scope.name,
            "scope.version" | "otel.scope.version" => *self.value == *span.scope.version,
            key => match key.strip_prefix("resource.") {
                Some(key) => self.is_among(key, &span.resource.attributes),
                None => self.is_an_attribute(key, span),
            },
        }
    }

    fn is_an_attribute(&self, key: &str, span: &Span) -> bool {
        self.is_among(key, &span.attributes)
            || self.is_among(key, &span.scope.attributes)
            || self.is_among(key, &span.resource.attributes)
            || span.events().iter().any(|event| self.is_among(key, &event.attributes))
            || span.links().iter().any(|link| self.is_among(key, &link.attributes))
    }

    fn is_among(&self, key: &str, attributes: &[Attribute]) -> bool {
        find(attributes, key).is_some_and(|value| render::text(value) == self.value)
    }
}

fn status(name: &str) -> Status {
    match name.to_ascii_uppercase().as_str() {
        "OK" => Status::Ok,
        "ERROR" => Status::Error,
        _ => Status::Unset,
    }
}

/// A truth value, in the spellings that Go's `strconv.ParseBool` knows.
pub(crate) fn truth(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Some(true),
        "0" | "f" | "F" | "FALSE" | "false" | "False" => Some(false),
        _ => None,
    }
}
