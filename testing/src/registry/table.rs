//! The registry as a document in Markdown, for those who read and not look up.

use std::fmt::Write as _;

use super::model::{Annotations, AttributeType, Example, Examples, GroupType};
use super::{Registry, Resolved, Use};

/// The document.
#[must_use]
pub fn render(registry: &Registry) -> String {
    let mut text = String::from(
        "# Names in the telemetry\n\n\
         Written by `UPDATE_DOCS=1 cargo test -p grocery --test it registry::the_table` from the files beside it, which are a\n\
         registry in the format of OpenTelemetry's [weaver]. A test captures what all services emit and compares it with these\n\
         files: `grocery/tests/it/registry.rs`.\n\n\
         [weaver]: https://github.com/open-telemetry/weaver/blob/main/schemas/semconv-syntax.md\n\n",
    );
    let published = &registry.manifest.dependencies[0].schema_url;
    writeln!(text, "What is published is as in <{published}>, of which\n[semantic-conventions.yaml](../semantic-conventions.yaml) is an extract.").unwrap();
    signals(&mut text, registry, GroupType::Span, "Spans", "name | kind | what | follows");
    signals(
        &mut text,
        registry,
        GroupType::Event,
        "Events of spans, and of log records",
        "name | what | follows",
    );
    signals(
        &mut text,
        registry,
        GroupType::Metric,
        "Metrics",
        "name | instrument, unit | what | follows",
    );
    signals(&mut text, registry, GroupType::Entity, "Resources", "entity | what | follows");
    attributes(&mut text, registry);
    text
}

fn signals(text: &mut String, registry: &Registry, kind: GroupType, title: &str, columns: &str) {
    let rule = "---|".repeat(columns.matches('|').count() + 2);
    write!(text, "\n## {title}\n\n| {columns} | attributes |\n|{rule}\n").unwrap();
    for found in registry.of(kind) {
        let group = &found.group;
        let follows = match (&group.extends, found.published) {
            (_, true) => "published".to_owned(),
            (Some(base), _) if base.starts_with("span.") => format!("`{base}`"),
            _ => String::new(),
        };
        let brief = cell(&group.brief);
        let first = match kind {
            GroupType::Span => {
                let names: Vec<_> =
                    group.annotations.names.iter().map(|name| format!("`{name}`")).collect();
                let kind = group.span_kind.as_deref().unwrap_or_default().to_uppercase();
                format!("{} | {kind} | {brief}{}", names.join(", "), by(&group.annotations))
            }
            GroupType::Metric => {
                let (instrument, unit) = (group.instrument.as_deref(), group.unit.as_deref());
                let (instrument, unit) = (instrument.unwrap_or_default(), unit.unwrap_or_default());
                format!("`{}` | {instrument}, `{unit}` | {brief}", group.signal_name())
            }
            _ => format!("`{}` | {brief}", group.signal_name()),
        };
        writeln!(text, "| {first} | {follows} | {} |", used(found)).unwrap();
    }
}

fn by(annotations: &Annotations) -> String {
    match &annotations.services[..] {
        [] => String::new(),
        services => format!(" By {}.", services.join(", ")),
    }
}

/// The attributes of a group: its own ones and those that are required.
fn used(found: &Resolved) -> String {
    let is_told = |used: &&Use| !found.published || used.level.to_string() == "required";
    let told = found.attributes.values().filter(is_told).filter(|used| {
        // Of what a published span may have, the registry tells what it changes.
        let is_changed = found.group.attributes.iter().any(|entry| entry.id() == used.attribute.id);
        found.group.extends.is_none() || is_changed || used.level.to_string() == "required"
    });
    let one = |used: &Use| {
        let values = match &used.values[..] {
            [] => String::new(),
            values => format!(" ({})", values.join(", ")),
        };
        format!("`{}` {}{values}", used.attribute.id, cell(&used.level.to_string()))
    };
    told.map(one).collect::<Vec<_>>().join("<br>")
}

fn attributes(text: &mut String, registry: &Registry) {
    text.push_str("\n## Attributes of its own\n\n| name | type | stability | what | values |\n|---|---|---|---|---|\n");
    for name in &registry.own {
        let attribute = &registry.attributes[name];
        let (kind, values) = match &attribute.kind {
            AttributeType::Plain(kind) => (kind.clone(), examples(attribute.examples.as_ref())),
            AttributeType::Enumeration { members } => {
                let one = members
                    .iter()
                    .map(|member| format!("`{}`: {}", member.value, cell(&member.brief)));
                ("enumeration".to_owned(), one.collect::<Vec<_>>().join("<br>"))
            }
        };
        let (brief, stability) = (cell(&attribute.brief), &attribute.stability);
        writeln!(text, "| `{name}` | {kind} | {stability} | {brief} | {values} |").unwrap();
    }
}

fn examples(examples: Option<&Examples>) -> String {
    let quoted = |example: &Example| format!("`{example}`");
    match examples {
        None => String::new(),
        Some(Examples::One(example)) => format!("such as {}", quoted(example)),
        Some(Examples::Several(several)) => {
            format!("such as {}", several.iter().map(quoted).collect::<Vec<_>>().join(", "))
        }
    }
}

fn cell(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|")
}
