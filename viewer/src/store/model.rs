//! What the store keeps of a span and of a log record: every field OTLP carries, in less memory than
//! the decoded protobuf takes, with ids as integers and every name that repeats kept once.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::num::NonZeroU64;
use std::ops::Deref;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// Nanoseconds since the epoch, by this machine's clock.
pub(crate) fn now() -> u64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since_epoch.as_nanos()).unwrap_or(u64::MAX)
}

/// A string that many spans share: an attribute key, a span name, a service.
pub(crate) type Name = Arc<str>;

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

/// A string that is a value. One that repeats is shared, as [names](super::names) are; to readers both
/// are the same.
#[derive(Clone)]
pub(crate) enum Text {
    Own(Box<str>),
    Shared(Name),
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

impl Deref for Text {
    type Target = str;

    fn deref(&self) -> &str {
        match self {
            Self::Own(text) => text,
            Self::Shared(text) => text,
        }
    }
}

impl PartialEq for Text {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for Text {}

impl Hash for Text {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (**self).hash(state);
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self::Own(text.into())
    }
}

impl From<Box<str>> for Text {
    fn from(text: Box<str>) -> Self {
        Self::Own(text)
    }
}

impl From<Text> for Box<str> {
    fn from(text: Text) -> Self {
        match text {
            Text::Own(text) => text,
            Text::Shared(text) => (&*text).into(),
        }
    }
}

/// An attribute's value, of any of OTLP's types.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Value {
    Empty,
    String(Text),
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

/// A trace id, never zero; shown as 32 lower-case hex digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct TraceId(pub(crate) u128);

impl TraceId {
    /// The id in `bytes`, if they are sixteen and not all zero.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let id = u128::from_be_bytes(bytes.try_into().ok()?);
        (id != 0).then_some(Self(id))
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// A span id, never zero; shown as 16 lower-case hex digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct SpanId(pub(crate) NonZeroU64);

impl SpanId {
    /// The id in `bytes`, if they are eight and not all zero.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        NonZeroU64::new(u64::from_be_bytes(bytes.try_into().ok()?)).map(Self)
    }
}

impl fmt::Display for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// A span's role towards its parent and children, as OTLP numbers them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Kind {
    #[default]
    Unspecified,
    Internal,
    Server,
    Client,
    Producer,
    Consumer,
}

impl Kind {
    pub(crate) const ALL: [Self; 6] = [
        Self::Unspecified,
        Self::Internal,
        Self::Server,
        Self::Client,
        Self::Producer,
        Self::Consumer,
    ];

    /// The kind OTLP numbers so; a number it does not know is "unspecified".
    pub(crate) fn from_number(number: i32) -> Self {
        match number {
            1 => Self::Internal,
            2 => Self::Server,
            3 => Self::Client,
            4 => Self::Producer,
            5 => Self::Consumer,
            _ => Self::Unspecified,
        }
    }

    /// The kind of that name, in any case.
    pub(crate) fn from_name(name: &str) -> Self {
        (1..=5)
            .map(Self::from_number)
            .find(|kind| kind.name().eq_ignore_ascii_case(name))
            .unwrap_or_default()
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Unspecified => "unspecified",
            Self::Internal => "internal",
            Self::Server => "server",
            Self::Client => "client",
            Self::Producer => "producer",
            Self::Consumer => "consumer",
        }
    }
}

/// Whether the work succeeded, as far as its author said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Status {
    #[default]
    Unset,
    Ok,
    Error,
}

impl Status {
    /// The status OTLP numbers so; a number it does not know is "unset".
    pub(crate) fn from_number(number: i32) -> Self {
        match number {
            1 => Self::Ok,
            2 => Self::Error,
            _ => Self::Unset,
        }
    }
}

/// Who sent a span: one service instance.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Resource {
    pub(crate) service: Name,
    pub(crate) attributes: Box<[Attribute]>,
    pub(crate) dropped_attributes: u32,
    pub(crate) schema_url: Box<str>,
}

/// The instrumentation that made a span.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Scope {
    pub(crate) name: Box<str>,
    pub(crate) version: Box<str>,
    pub(crate) attributes: Box<[Attribute]>,
    pub(crate) dropped_attributes: u32,
    pub(crate) schema_url: Box<str>,
}

/// Something that happened at one moment of a span.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Event {
    /// Nanoseconds since the epoch.
    pub(crate) time: u64,
    pub(crate) name: Name,
    pub(crate) attributes: Box<[Attribute]>,
    pub(crate) dropped_attributes: u32,
}

/// A pointer to another span, usually of another trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Link {
    pub(crate) trace: TraceId,
    pub(crate) span: SpanId,
    pub(crate) trace_state: Box<str>,
    pub(crate) flags: u32,
    pub(crate) attributes: Box<[Attribute]>,
    pub(crate) dropped_attributes: u32,
}

/// What most spans do not have. It is kept apart, so that a span without it takes one pointer for
/// it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Extra {
    pub(crate) status_message: Box<str>,
    pub(crate) trace_state: Box<str>,
    pub(crate) events: Box<[Event]>,
    pub(crate) links: Box<[Link]>,
    pub(crate) dropped_attributes: u32,
    pub(crate) dropped_events: u32,
    pub(crate) dropped_links: u32,
    /// Links without a valid trace or span id, left out.
    pub(crate) invalid_links: u32,
    /// Attributes, values, events and links that the viewer's own limits shortened or left out.
    pub(crate) cut: u32,
}

/// One span.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) id: SpanId,
    pub(crate) parent: Option<SpanId>,
    pub(crate) name: Name,
    pub(crate) kind: Kind,
    pub(crate) status: Status,
    pub(crate) flags: u32,
    /// Nanoseconds since the epoch.
    pub(crate) start: u64,
    /// Nanoseconds since the epoch; before `start` when the sender's clock went back.
    pub(crate) end: u64,
    pub(crate) resource: Arc<Resource>,
    pub(crate) scope: Arc<Scope>,
    pub(crate) attributes: Box<[Attribute]>,
    pub(crate) extra: Option<Box<Extra>>,
}

#[cfg(test)]
impl Span {
    /// A span for tests, of which nothing else is said: it is its trace's root and takes a nanosecond.
    pub(crate) fn named(service: &str, name: &str) -> Self {
        let resource = Resource {
            service: service.into(),
            attributes: Box::default(),
            dropped_attributes: 0,
            schema_url: Box::default(),
        };
        Self {
            id: SpanId(NonZeroU64::MIN),
            parent: None,
            name: name.into(),
            kind: Kind::Internal,
            status: Status::Unset,
            flags: 0,
            start: 0,
            end: 1,
            resource: Arc::new(resource),
            scope: Arc::new(Scope::default()),
            attributes: Box::default(),
            extra: None,
        }
    }
}

impl Span {
    pub(crate) fn service(&self) -> &Name {
        &self.resource.service
    }

    /// Nanoseconds, zero when the end is before the start.
    pub(crate) fn duration(&self) -> u64 {
        self.end.saturating_sub(self.start)
    }

    pub(crate) fn is_error(&self) -> bool {
        self.status == Status::Error
    }

    pub(crate) fn attribute(&self, key: &str) -> Option<&Value> {
        find(&self.attributes, key)
    }

    pub(crate) fn events(&self) -> &[Event] {
        self.extra.as_ref().map_or(&[], |extra| &extra.events)
    }

    pub(crate) fn links(&self) -> &[Link] {
        self.extra.as_ref().map_or(&[], |extra| &extra.links)
    }

    pub(crate) fn status_message(&self) -> &str {
        self.extra.as_ref().map_or("", |extra| &extra.status_message)
    }

    pub(crate) fn trace_state(&self) -> &str {
        self.extra.as_ref().map_or("", |extra| &extra.trace_state)
    }
}

/// How grave a log record is, as OTLP numbers it: 1 to 24, 0 when the sender does not say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Severity(pub(crate) u8);

impl Severity {
    /// From here on a record tells of an error.
    pub(crate) const ERROR: Self = Self(17);

    /// The names of its six ranges of four, the slightest first:
    /// <https://opentelemetry.io/docs/specs/otel/logs/data-model/#field-severitynumber>.
    const RANGES: [&str; 6] = ["trace", "debug", "info", "warn", "error", "fatal"];

    /// The severity OTLP numbers so. For a number that it does not have, such as the 0 of a sender
    /// that does not say, that of the sender's own word for it.
    pub(crate) fn of(number: i32, text: Option<&str>) -> Self {
        match u8::try_from(number) {
            Ok(number @ 1..=24) => Self(number),
            _ => text.and_then(Self::from_name).unwrap_or_default(),
        }
    }

    /// The least of the range of that name, in any case and in the words of common loggers.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        let named = |known: &str| name.eq_ignore_ascii_case(known);
        let also = [
            ("information", 9),
            ("notice", 9),
            ("warning", 13),
            ("err", 17),
            ("critical", 21),
            ("panic", 21),
        ];
        let ranges = (1..).step_by(4).zip(Self::RANGES);
        let found = ranges.map(|(least, known)| (known, least)).chain(also);
        found.into_iter().find(|(known, _)| named(known)).map(|(_, least)| Self(least))
    }

    /// The name of its range; empty when the sender does not say.
    pub(crate) fn name(self) -> &'static str {
        let range = usize::from(self.0).checked_sub(1).map(|number| number / 4);
        range.and_then(|range| Self::RANGES.get(range)).copied().unwrap_or_default()
    }
}

/// One log record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LogRecord {
    /// When it happened, in nanoseconds since the epoch; 0 when the sender does not say.
    pub(crate) time: u64,
    /// When the collecting system saw it, likewise.
    pub(crate) observed: u64,
    pub(crate) severity: Severity,
    /// The sender's own word for the severity.
    pub(crate) severity_text: Option<Name>,
    pub(crate) event_name: Option<Name>,
    pub(crate) body: Value,
    pub(crate) trace: Option<TraceId>,
    pub(crate) span: Option<SpanId>,
    /// Whether it came with an id that is none, which was left out.
    pub(crate) has_invalid_ids: bool,
    pub(crate) flags: u32,
    pub(crate) resource: Arc<Resource>,
    pub(crate) scope: Arc<Scope>,
    pub(crate) attributes: Box<[Attribute]>,
    pub(crate) dropped_attributes: u32,
    /// Attributes and values that the viewer's own limits shortened or left out.
    pub(crate) cut: u32,
}

impl LogRecord {
    pub(crate) fn service(&self) -> &Name {
        &self.resource.service
    }

    /// Where it stands in time, in nanoseconds since the epoch: when it happened or, if that is not
    /// said, when it was observed, as the data model has it.
    pub(crate) fn at(&self) -> u64 {
        if self.time == 0 { self.observed } else { self.time }
    }

    pub(crate) fn is_error(&self) -> bool {
        self.severity >= Severity::ERROR
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_severity_is_its_number_or_the_word_for_it() {
        let of = |number, text| {
            let severity = Severity::of(number, text);
            (severity.0, severity.name())
        };

        assert_eq!(of(1, None), (1, "trace"));
        assert_eq!(of(12, Some("ERROR")), (12, "info"));
        assert_eq!(of(24, None), (24, "fatal"));
        assert_eq!(of(0, Some("Warning")), (13, "warn"));
        assert_eq!(of(25, Some("error")), (17, "error"));
        assert_eq!(of(-1, Some("loud")), (0, ""));
        assert_eq!(of(i32::MAX, None), (0, ""));
    }
}
