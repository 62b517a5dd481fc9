//! The files of a registry, in the syntax of weaver:
//! <https://github.com/open-telemetry/weaver/blob/main/schemas/semconv-syntax.md>.
//!
//! Beside what weaver knows, a group says in its `annotations`, which may hold anything, what the check
//! needs: [`Annotations`].

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::Malformed;

/// Reads a text as YAML.
pub(super) fn read<T: DeserializeOwned>(text: &str) -> Result<T, Malformed> {
    serde_saphyr::from_str(text).map_err(|error| Malformed(error.to_string()))
}

/// What a registry says about itself.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Its address and version.
    pub schema_url: String,
    /// The registries that it takes names from.
    pub dependencies: Vec<Dependency>,
}

/// A registry that names are taken from.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dependency {
    /// Its address and version.
    pub schema_url: String,
    /// Where it can be fetched.
    pub registry_path: String,
}

/// One file.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    #[serde(default)]
    pub(super) imports: Imports,
    #[serde(default)]
    pub(super) groups: Vec<Group>,
}

/// The published signals that are emitted as they are, by their names.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Imports {
    pub(super) metrics: Vec<String>,
    pub(super) events: Vec<String>,
    pub(super) entities: Vec<String>,
}

/// What a group describes.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "they are the words of the format")]
pub enum GroupType {
    AttributeGroup,
    Span,
    Event,
    Metric,
    Entity,
}

/// A group: a span, an event, a metric, an entity, or only attributes.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Group {
    /// Its id.
    pub id: String,
    /// What it describes.
    #[serde(rename = "type")]
    pub kind: GroupType,
    /// What it is, in a sentence.
    pub brief: String,
    /// More about it.
    #[serde(default)]
    pub note: String,
    /// How far it may change.
    #[serde(default)]
    pub stability: Option<String>,
    /// The group whose attributes it has too.
    #[serde(default)]
    pub extends: Option<String>,
    /// Its attributes.
    #[serde(default)]
    pub attributes: Vec<Entry>,
    /// Of a span: `internal`, `server`, `client`, `producer` or `consumer`.
    #[serde(default)]
    pub span_kind: Option<String>,
    /// Of a span: the ids of its events.
    #[serde(default)]
    pub events: Vec<String>,
    /// Of an event and an entity: its name.
    #[serde(default)]
    pub name: Option<String>,
    /// Of a metric: its name.
    #[serde(default)]
    pub metric_name: Option<String>,
    /// Of a metric: `counter`, `updowncounter`, `gauge` or `histogram`.
    #[serde(default)]
    pub instrument: Option<String>,
    /// Of a metric: its unit, in UCUM.
    #[serde(default)]
    pub unit: Option<String>,
    /// What the format has no field for.
    #[serde(default)]
    pub annotations: Annotations,
}

impl Group {
    /// The name by which the signal appears in telemetry; of a span, which has a pattern, its id.
    #[must_use]
    pub fn signal_name(&self) -> &str {
        self.metric_name.as_deref().or(self.name.as_deref()).unwrap_or(&self.id)
    }
}

/// What the format has no field for.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Annotations {
    /// The type of a metric's values.
    pub code_generation: Option<CodeGeneration>,
    /// The instrumentation scope that emits it.
    pub scope: Option<String>,
    /// The services that emit it.
    pub services: Vec<String>,
    /// Of a span: its names. `{x}` stands for the value of the attribute `x`, if there is one of that
    /// name, and otherwise for any text without a space.
    pub names: Vec<String>,
    /// Of a span: what its links point to. Without this it has none.
    pub links: Option<String>,
    /// Of a span: why one that has failed may have no `error.type`.
    pub fails_without_type: Option<String>,
    /// Of an attribute group on every log record: the crates whose records it is about. Records of other
    /// crates, which are libraries, have attributes of the libraries' own.
    pub crates: Vec<String>,
    /// Of the registry: scopes without a version or a schema URL, each with the reason.
    pub plain_scopes: BTreeMap<String, String>,
    /// Of an attribute group: where its attributes may be, beside the groups that name them: on every
    /// `span`, or on every `log` record.
    pub on_every: Option<Signal>,
}

/// The kind of telemetry that a group of attributes may be on.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "they are the words of the format")]
pub enum Signal {
    Span,
    Log,
}

/// What weaver's own templates read.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CodeGeneration {
    /// `int` or `double`.
    pub metric_value_type: String,
}

/// An attribute of a group: defined there, or defined elsewhere.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
#[expect(missing_docs, reason = "the types say it")]
pub enum Entry {
    Reference(Reference),
    Definition(Attribute),
}

impl Entry {
    /// The name of the attribute.
    #[must_use]
    pub fn id(&self) -> &str {
        match self {
            Self::Reference(reference) => &reference.id,
            Self::Definition(attribute) => &attribute.id,
        }
    }

    /// How much it is required, if the group says so.
    #[must_use]
    pub fn level(&self) -> Option<Level> {
        match self {
            Self::Reference(reference) => reference.requirement_level.clone(),
            Self::Definition(attribute) => attribute.requirement_level.clone(),
        }
    }

    /// The values that it may have in this group; none if all of its type.
    fn annotations(&self) -> &EntryAnnotations {
        match self {
            Self::Reference(reference) => &reference.annotations,
            Self::Definition(attribute) => &attribute.annotations,
        }
    }

    /// The values that it may have in this group; empty if its type says all.
    #[must_use]
    pub fn values(&self) -> &[String] {
        &self.annotations().values
    }
}

/// An attribute that is defined elsewhere.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reference {
    /// Its name.
    #[serde(rename = "ref")]
    pub id: String,
    /// How much it is required here.
    #[serde(default)]
    pub requirement_level: Option<Level>,
    /// What it says here.
    #[serde(default)]
    pub brief: String,
    /// Of an entity: whether it tells entities apart.
    #[serde(default)]
    pub role: Option<String>,
    /// What the format has no field for.
    #[serde(default)]
    pub annotations: EntryAnnotations,
}

/// A definition of an attribute.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attribute {
    /// Its name.
    pub id: String,
    /// The type of its values.
    #[serde(rename = "type")]
    pub kind: AttributeType,
    /// How far it may change.
    pub stability: String,
    /// What it says.
    pub brief: String,
    /// More about it.
    #[serde(default)]
    pub note: String,
    /// Values that it may have.
    #[serde(default)]
    pub examples: Option<Examples>,
    /// How much it is required.
    #[serde(default)]
    pub requirement_level: Option<Level>,
    /// What the format has no field for.
    #[serde(default)]
    pub annotations: EntryAnnotations,
}

/// What the format has no field for, of an attribute.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EntryAnnotations {
    /// The values that it may have in this group. `5xx` stands for a status code of that class.
    pub values: Vec<String>,
}

/// The type of an attribute: its name, or the values of an enumeration.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(untagged)]
#[expect(missing_docs, reason = "the types say it")]
pub enum AttributeType {
    Plain(String),
    Enumeration { members: Vec<Member> },
}

/// A value of an enumeration.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Member {
    /// Its id.
    pub id: String,
    /// The value.
    pub value: Example,
    /// How far it may change.
    pub stability: String,
    /// What it means.
    #[serde(default)]
    pub brief: String,
}

/// Examples: one, or several.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(untagged)]
#[expect(missing_docs, reason = "the types say it")]
pub enum Examples {
    Several(Vec<Example>),
    One(Example),
}

/// A value of an attribute.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(untagged)]
#[expect(missing_docs, reason = "they are the types of values")]
pub enum Example {
    Bool(bool),
    Int(i64),
    Double(f64),
    Text(String),
    List(Vec<Example>),
}

impl std::fmt::Display for Example {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Bool(value) => value.fmt(f),
            Self::Int(value) => value.fmt(f),
            Self::Double(value) => value.fmt(f),
            Self::Text(value) => value.fmt(f),
            Self::List(values) => {
                let values: Vec<_> = values.iter().map(ToString::to_string).collect();
                write!(f, "[{}]", values.join(", "))
            }
        }
    }
}

/// How much an attribute is required:
/// <https://opentelemetry.io/docs/specs/semconv/general/attribute-requirement-level/>.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(untagged)]
#[expect(missing_docs, reason = "they are the words of the format")]
pub enum Level {
    Plain(PlainLevel),
    /// With the condition.
    Conditional(BTreeMap<PlainLevel, String>),
}

/// How much an attribute is required, without a condition.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "they are the words of the format")]
pub enum PlainLevel {
    Required,
    ConditionallyRequired,
    Recommended,
    OptIn,
}

impl Default for Level {
    fn default() -> Self {
        Self::Plain(PlainLevel::Recommended)
    }
}

impl std::fmt::Display for Level {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let word = |level: &PlainLevel| match level {
            PlainLevel::Required => "required",
            PlainLevel::ConditionallyRequired => "conditionally required",
            PlainLevel::Recommended => "recommended",
            PlainLevel::OptIn => "opt-in",
        };
        match self {
            Self::Plain(level) => f.write_str(word(level)),
            Self::Conditional(levels) => {
                let one =
                    levels.iter().map(|(level, when)| format!("{}: {}", word(level), when.trim()));
                f.write_str(&one.collect::<Vec<_>>().join("; "))
            }
        }
    }
}
