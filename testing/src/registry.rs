//! The registry of names: what the services may emit, read from `docs/telemetry/`, and the check of
//! what they did emit.
//!
//! `docs/telemetry/registry/` is a registry in the format of OpenTelemetry's [weaver]: each name of the
//! services' own, and by `imports` and `extends` the published ones that they use. What is published is
//! read from an extract, `docs/telemetry/semantic-conventions.yaml`, so that nothing is fetched.
//!
//! | module | what is in it |
//! |---|---|
//! | [`model`] | the files as they are written |
//! | [`Registry`] | all groups, with `extends`, `imports` and `ref` resolved |
//! | [`seen`] | telemetry as it was received, with the types of its values |
//! | [`check`] | what is wrong with it, and which names it had |
//! | `condition` | when an attribute is required that is not always |
//! | [`table`] | the registry as a document |
//!
//! [weaver]: https://github.com/open-telemetry/weaver/blob/main/schemas/semconv-syntax.md

pub mod check;
mod condition;
pub mod model;
pub mod seen;
pub mod table;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use model::{Attribute, Entry, File, Group, GroupType, Level, Manifest};

/// Where the registry is, in the repository.
pub const FOLDER: &str = "docs/telemetry/registry";

/// Where the extract of the published conventions is.
pub const PUBLISHED: &str = "docs/telemetry/semantic-conventions.yaml";

/// What a registry says that makes no sense.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Malformed(pub String);

impl std::fmt::Display for Malformed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// An attribute of a group, with how much it is required there.
#[derive(Clone, Debug)]
pub struct Use {
    /// The attribute's definition.
    pub attribute: Attribute,
    /// How much it is required.
    pub level: Level,
    /// The values that it may have here, if they are fewer than its type allows.
    pub values: Vec<String>,
}

/// A group with all its attributes.
#[derive(Clone, Debug)]
pub struct Resolved {
    /// The group as it is written.
    pub group: Group,
    /// Its attributes, by name, those of the group that it extends among them.
    pub attributes: BTreeMap<String, Use>,
    /// Whether it is published, and not the services' own.
    pub published: bool,
}

/// All groups, resolved.
#[derive(Clone, Debug)]
pub struct Registry {
    /// What the registry says about itself.
    pub manifest: Manifest,
    /// The groups that count: the services' own, and those that they import.
    pub groups: Vec<Resolved>,
    /// All attributes that are defined, by name.
    pub attributes: BTreeMap<String, Attribute>,
    /// The names of attributes that are the services' own.
    pub own: BTreeSet<String>,
    /// Values that published enumerations have here beside those that are listed, as their
    /// conventions allow.
    pub more_values: BTreeMap<String, Vec<String>>,
}

impl Registry {
    /// Reads the registry of this repository.
    ///
    /// # Panics
    /// When it cannot be read.
    #[must_use]
    pub fn load() -> Self {
        let root = root();
        let read = |path: &Path| {
            std::fs::read_to_string(path)
                .unwrap_or_else(|error| panic!("{}: {error}", path.display()))
        };
        let folder = root.join(FOLDER);
        let manifest = read(&folder.join("registry_manifest.yaml"));
        let mut files: Vec<_> = std::fs::read_dir(&folder)
            .expect("the registry's folder")
            .map(|entry| entry.expect("an entry").path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
            .filter(|path| !path.ends_with("registry_manifest.yaml"))
            .collect();
        files.sort();
        let own: Vec<_> = files.iter().map(|path| read(path)).collect();
        Self::parse(&manifest, &own, &read(&root.join(PUBLISHED)))
            .unwrap_or_else(|error| panic!("{FOLDER}: {error}"))
    }

    /// A registry of these texts: its manifest, its files, and what is published.
    ///
    /// # Errors
    /// [`Malformed`] when a text cannot be read, or refers to what is not defined.
    pub fn parse(
        manifest: &str,
        own: &[impl AsRef<str>],
        published: &str,
    ) -> Result<Self, Malformed> {
        let manifest: Manifest = model::read(manifest)?;
        let own: Vec<File> =
            own.iter().map(|text| model::read(text.as_ref())).collect::<Result<_, _>>()?;
        let published: File = model::read(published)?;
        let mut registry = Self {
            manifest,
            groups: vec![],
            attributes: BTreeMap::new(),
            own: BTreeSet::new(),
            more_values: BTreeMap::new(),
        };
        for group in &published.groups {
            registry.define(group, false)?;
        }
        for group in own.iter().flat_map(|file| &file.groups) {
            registry.define(group, true)?;
        }
        let all: Vec<_> = (published.groups.iter().map(|group| (group, true)))
            .chain(own.iter().flat_map(|file| &file.groups).map(|group| (group, false)))
            .collect();
        for (group, is_published) in &all {
            let imported = |names: &[String]| names.iter().any(|name| name == group.signal_name());
            let counts = !is_published
                || own.iter().map(|file| &file.imports).any(|imports| match group.kind {
                    GroupType::Metric => imported(&imports.metrics),
                    GroupType::Event => imported(&imports.events),
                    GroupType::Entity => imported(&imports.entities),
                    _ => false,
                });
            if counts {
                let attributes = registry.uses(group, &all)?;
                let group = (*group).clone();
                registry.groups.push(Resolved { group, attributes, published: *is_published });
            }
        }
        let is_list = |group: &&Group| group.kind == GroupType::AttributeGroup;
        for entry in
            own.iter().flat_map(|file| &file.groups).filter(is_list).flat_map(|it| &it.attributes)
        {
            if matches!(entry, Entry::Reference(_)) && !entry.values().is_empty() {
                registry.more_values.insert(entry.id().to_owned(), entry.values().to_vec());
            }
        }
        registry.check_references(&own)?;
        Ok(registry)
    }

    /// Adds the attributes that a group defines.
    fn define(&mut self, group: &Group, own: bool) -> Result<(), Malformed> {
        for entry in &group.attributes {
            let Entry::Definition(attribute) = entry else { continue };
            let id = attribute.id.clone();
            if own {
                self.own.insert(id.clone());
            }
            if self.attributes.insert(id.clone(), attribute.clone()).is_some() {
                return Err(Malformed(format!("{}: {id} is defined twice", group.id)));
            }
        }
        Ok(())
    }

    fn uses(
        &self,
        group: &Group,
        all: &[(&Group, bool)],
    ) -> Result<BTreeMap<String, Use>, Malformed> {
        let missing =
            |what: &str, id: &str| Malformed(format!("{}: there is no {what} {id}", group.id));
        let mut uses = match &group.extends {
            None => BTreeMap::new(),
            Some(id) => {
                let base = all.iter().find(|(other, _)| other.id == *id);
                let (base, _) = base.ok_or_else(|| missing("group", id))?;
                self.uses(base, all)?
            }
        };
        for entry in &group.attributes {
            let id = entry.id();
            let attribute =
                self.attributes.get(id).ok_or_else(|| missing("attribute", id))?.clone();
            let level = entry.level().or_else(|| uses.get(id).map(|before| before.level.clone()));
            let values = entry.values().to_vec();
            let level = level.unwrap_or_default();
            uses.insert(id.to_owned(), Use { attribute, level, values });
        }
        Ok(uses)
    }

    /// Every name that is imported or listed as an event must be there.
    fn check_references(&self, own: &[File]) -> Result<(), Malformed> {
        let has =
            |kind: GroupType, name: &str| self.of(kind).any(|it| it.group.signal_name() == name);
        for imports in own.iter().map(|file| &file.imports) {
            for (kind, names) in [
                (GroupType::Metric, &imports.metrics),
                (GroupType::Event, &imports.events),
                (GroupType::Entity, &imports.entities),
            ] {
                if let Some(name) = names.iter().find(|name| !has(kind, name)) {
                    return Err(Malformed(format!("imports: {name} is not in {PUBLISHED}")));
                }
            }
        }
        for span in self.of(GroupType::Span) {
            for id in &span.group.events {
                if !self.of(GroupType::Event).any(|event| event.group.id == *id) {
                    return Err(Malformed(format!("{}: there is no event {id}", span.group.id)));
                }
            }
        }
        Ok(())
    }

    /// The groups of one type.
    pub fn of(&self, kind: GroupType) -> impl Iterator<Item = &Resolved> {
        self.groups.iter().filter(move |it| it.group.kind == kind)
    }

    /// The names of all metrics, for tests of what uses them, such as dashboards and alerts.
    #[must_use]
    pub fn metrics(&self) -> BTreeSet<&str> {
        self.of(GroupType::Metric).map(|metric| metric.group.signal_name()).collect()
    }
}

/// The root of the repository.
#[must_use]
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a crate of the workspace").to_owned()
}
