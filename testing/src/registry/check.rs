//! Checks telemetry against the registry.
//!
//! What is checked, of everything that was seen:
//!
//! - its name is in the registry: of a span by its scope and the pattern of its name;
//! - who emits it: the scope and the service; each scope has a version and a schema URL;
//! - a span's kind, a metric's unit, instrument and type of value;
//! - each attribute is one of its group's, has the type that it is defined with, and a value that is listed
//!   if the values are;
//! - no attribute that is required is missing, or there although its condition does not hold, and what
//!   has failed has an `error.type`;
//! - a name has the attribute that it may have, such as the route;
//! - events are those that the span lists, and only spans that are said to have links have them;
//! - each log record of the services' own crates is an event.

use std::collections::{BTreeMap, BTreeSet};

use super::condition::{Facts, Verdict, verdict};
use super::model::{AttributeType, GroupType, Level, PlainLevel, Signal};
use super::seen::{Attributes, Log, Metric, Origin, Seen, Span, SpanId, Value};
use super::{Registry, Resolved, Use};

const ERROR_TYPE: &str = "error.type";

/// What a check found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// What is wrong, each once, however often it was seen.
    pub violations: BTreeSet<String>,
    /// The names of the registry that were seen, as [`names`] has them.
    pub seen: BTreeSet<String>,
}

/// All names of a registry that telemetry can have: `span ID`, `event NAME`, `metric NAME`, `entity NAME`,
/// and `attribute NAME` of those that are the services' own. A signal of certain services is there once
/// for each: `metric NAME of SERVICE`.
#[must_use]
pub fn names(registry: &Registry) -> BTreeSet<String> {
    let signals = registry.groups.iter().flat_map(|it| {
        let services = &it.group.annotations.services;
        let of_each = services.iter().filter_map(|service| name(it, service));
        let of_all = services.is_empty().then(|| name(it, ""));
        of_each.chain(of_all.flatten()).collect::<Vec<_>>()
    });
    let attributes = registry.own.iter().map(|name| format!("attribute {name}"));
    signals.chain(attributes).collect()
}

/// The name of a signal of this service.
fn name(found: &Resolved, service: &str) -> Option<String> {
    let name = format!("{} {}", word(found.group.kind)?, found.group.signal_name());
    let is_of_certain = !found.group.annotations.services.is_empty();
    Some(if is_of_certain { format!("{name} of {service}") } else { name })
}

fn word(kind: GroupType) -> Option<&'static str> {
    Some(match kind {
        GroupType::Span => "span",
        GroupType::Event => "event",
        GroupType::Metric => "metric",
        GroupType::Entity => "entity",
        GroupType::AttributeGroup => return None,
    })
}

/// Checks everything that was seen.
#[must_use]
pub fn check(registry: &Registry, seen: &Seen) -> Report {
    let clients = (seen.spans.iter())
        .filter(|span| span.kind == "client")
        .map(|span| (&span.id, span))
        .collect();
    let mut check = Check { registry, clients, report: Report::default() };
    for (resource, schema_url) in &seen.resources {
        check.resource(resource, schema_url);
    }
    seen.spans.iter().for_each(|span| check.span(span));
    seen.metrics.iter().for_each(|metric| check.metric(metric));
    seen.logs.iter().for_each(|log| check.log(log));
    check.report
}

struct Check<'r> {
    registry: &'r Registry,
    /// The CLIENT spans.
    clients: BTreeMap<&'r SpanId, &'r Span>,
    report: Report,
}

impl<'r> Check<'r> {
    fn wrong(&mut self, what: String) {
        self.report.violations.insert(what);
    }

    fn saw(&mut self, found: &Resolved, service: &str) {
        self.report.seen.extend(name(found, service));
    }

    fn resource(&mut self, attributes: &Attributes, schema_url: &str) {
        let service = attributes.get("service.name").map(Value::text).unwrap_or_default();
        let place = format!("the resource of {service:?}");
        self.schema(&place, schema_url);
        let entities: Vec<_> = self.registry.of(GroupType::Entity).collect();
        let mut known = BTreeMap::new();
        for entity in entities {
            let is_there = entity.attributes.keys().any(|key| attributes.contains_key(key));
            if is_there {
                self.saw(entity, &service);
                let here = format!("{place}, entity {}", entity.group.signal_name());
                self.required(&here, &entity.attributes, &facts(entity, attributes));
            }
            known.extend(entity.attributes.iter());
        }
        for (key, value) in attributes {
            match known.get(key) {
                Some(used) => self.value(&place, used, key, value),
                None => self.wrong(format!("{place}: the attribute {key} is of no entity")),
            }
        }
    }

    fn span(&mut self, span: &Span) {
        let Origin { service, scope, .. } = &span.origin;
        let place = format!("span {:?} of {service}", span.name);
        self.origin(&place, &span.origin);
        let spans: Vec<_> = self.registry.of(GroupType::Span).collect();
        let named: Vec<_> = (spans.into_iter())
            .filter(|it| it.group.annotations.scope.as_deref() == Some(scope))
            .filter(|it| {
                let names = &it.group.annotations.names;
                names.iter().any(|pattern| self.is_named(&span.name, pattern, &span.attributes))
            })
            .collect();
        let is_of_kind = |it: &&&Resolved| it.group.span_kind.as_deref() == Some(span.kind);
        let Some(found) = named.iter().find(is_of_kind) else {
            match named.first() {
                Some(other) => self.wrong(format!(
                    "{place}: its kind is {}, and not that of {}",
                    span.kind, other.group.id
                )),
                None => {
                    self.wrong(format!("{place}: no span of the scope {scope:?} has this name"))
                }
            }
            return;
        };
        self.saw(found, service);
        self.service(&place, found, service);
        let place = format!("{} of {service}", found.group.id);
        let on_every = self.on_every(Signal::Span, service);
        let mut uses: BTreeMap<_, _> =
            on_every.iter().map(|(key, used)| (key.as_str(), *used)).collect();
        uses.extend(found.attributes.iter().map(|(key, used)| (key.as_str(), used)));
        self.attributes(&place, &uses, &span.attributes);
        let caller = self.clients.get(&span.parent_id).copied();
        let failed = Some(span.failed);
        let facts = Facts { failed, caller, ..facts(found, &span.attributes) };
        self.required(&place, &found.attributes, &facts);
        self.name_of_attributes(&place, found, span);
        let excused = found.group.annotations.fails_without_type.is_some();
        match (span.failed, span.attributes.get(ERROR_TYPE)) {
            (true, None) if !excused => {
                self.wrong(format!("{place}: its status is an error, and it has no {ERROR_TYPE}"));
            }
            (false, Some(value)) => self.wrong(format!(
                "{place}: it has the {ERROR_TYPE} {}, and its status is no error",
                value.text()
            )),
            _ => {}
        }
        for (name, attributes) in &span.events {
            self.span_event(&place, found, name, attributes);
        }
        if !span.links.is_empty() && found.group.annotations.links.is_none() {
            self.wrong(format!("{place}: it has a link, and the registry says of none"));
        }
        for key in span.links.iter().flat_map(BTreeMap::keys) {
            self.wrong(format!("{place}: a link has the attribute {key}"));
        }
    }

    fn span_event(&mut self, place: &str, span: &Resolved, name: &str, attributes: &Attributes) {
        let found = (self.registry.of(GroupType::Event)).find(|event| {
            event.group.signal_name() == name && span.group.events.contains(&event.group.id)
        });
        let Some(found) = found else {
            return self.wrong(format!("{place}: it has no event {name:?}"));
        };
        self.saw(found, "");
        self.all_of_group(&format!("{place}, event {name}"), found, attributes);
    }

    fn metric(&mut self, metric: &Metric) {
        let Metric { origin, name, unit, instrument, value_type, points } = metric;
        let place = format!("metric {name} of {}", origin.service);
        self.origin(&place, origin);
        let found = self.registry.of(GroupType::Metric).find(|it| it.group.signal_name() == name);
        let Some(found) = found else {
            return self.wrong(format!("{place}: there is no metric of this name"));
        };
        self.saw(found, &origin.service);
        self.service(&place, found, &origin.service);
        let group = &found.group;
        if let Some(scope) = &group.annotations.scope
            && *scope != origin.scope
        {
            self.wrong(format!("{place}: its scope is {:?}, and not {scope:?}", origin.scope));
        }
        for (what, is, ought) in
            [("unit", unit.as_str(), &group.unit), ("instrument", instrument, &group.instrument)]
        {
            if ought.as_deref() != Some(is) {
                let ought = ought.as_deref().unwrap_or("any");
                self.wrong(format!("{place}: its {what} is {is:?}, and not {ought:?}"));
            }
        }
        if let Some(code) = &group.annotations.code_generation
            && !value_type.is_empty()
            && code.metric_value_type != *value_type
        {
            let ought = &code.metric_value_type;
            self.wrong(format!(
                "{place}: its values are of the type {value_type}, and not {ought}"
            ));
        }
        for attributes in points {
            self.all_of_group(&place, found, attributes);
        }
    }

    fn log(&mut self, log: &Log) {
        let Log { origin, event_name, attributes } = log;
        let place =
            format!("log record {event_name:?} of {} by {:?}", origin.service, origin.scope);
        let on_every = self.on_every(Signal::Log, &origin.service);
        let mut uses: BTreeMap<_, _> =
            on_every.iter().map(|(key, used)| (key.as_str(), *used)).collect();
        if !event_name.is_empty() {
            let found =
                self.registry.of(GroupType::Event).find(|it| it.group.signal_name() == event_name);
            let Some(found) = found else {
                return self.wrong(format!("{place}: there is no event of this name"));
            };
            self.saw(found, &origin.service);
            self.service(&place, found, &origin.service);
            self.required(&place, &found.attributes, &facts(found, attributes));
            uses.extend(found.attributes.iter().map(|(key, used)| (key.as_str(), used)));
        }
        if self.is_of_own_crate(&origin.scope) {
            self.origin(&place, origin);
            self.attributes(&place, &uses, attributes);
            if event_name.is_empty() {
                self.wrong(format!("{place}: it is no event"));
            }
        }
    }

    /// Whether a scope, which is the target of a log line, is in one of the crates whose lines the
    /// registry is about.
    fn is_of_own_crate(&self, scope: &str) -> bool {
        let name = scope.split("::").next().unwrap_or_default();
        let mut groups = self.registry.of(GroupType::AttributeGroup);
        groups.any(|it| it.group.annotations.crates.iter().any(|one| one == name))
    }

    /// The attributes that may be on all telemetry of this kind.
    fn on_every(&self, signal: Signal, service: &str) -> Vec<(&'r String, &'r Use)> {
        let is_here = |it: &&Resolved| {
            let services = &it.group.annotations.services;
            it.group.annotations.on_every == Some(signal)
                && (services.is_empty() || services.iter().any(|one| one == service))
        };
        let groups = self.registry.of(GroupType::AttributeGroup).filter(is_here);
        groups.flat_map(|it| it.attributes.iter()).collect()
    }

    fn origin(&mut self, place: &str, origin: &Origin) {
        let Origin { scope, version, schema_url, .. } = origin;
        let mut plain = self.registry.groups.iter().map(|it| &it.group.annotations.plain_scopes);
        if plain.any(|scopes| scopes.contains_key(scope)) {
            return;
        }
        if version.is_empty() {
            self.wrong(format!("{place}: the scope {scope:?} has no version"));
        }
        self.schema(&format!("{place}, scope {scope:?}"), schema_url);
    }

    /// The names follow the conventions of the version that the extract is of.
    fn schema(&mut self, place: &str, schema_url: &str) {
        let published = &self.registry.manifest.dependencies;
        if !published.iter().any(|dependency| dependency.schema_url == schema_url) {
            self.wrong(format!("{place}: the schema URL is {schema_url:?}"));
        }
    }

    fn service(&mut self, place: &str, found: &Resolved, service: &str) {
        let services = &found.group.annotations.services;
        if !services.is_empty() && !services.iter().any(|one| one == service) {
            self.wrong(format!("{place}: it is one of {} only", services.join(", ")));
        }
    }

    fn all_of_group(&mut self, place: &str, found: &Resolved, attributes: &Attributes) {
        let uses = found.attributes.iter().map(|(key, used)| (key.as_str(), used)).collect();
        self.attributes(place, &uses, attributes);
        self.required(place, &found.attributes, &facts(found, attributes));
    }

    fn required(&mut self, place: &str, uses: &BTreeMap<String, Use>, facts: &Facts<'_>) {
        for (key, used) in uses {
            let has = facts.attributes.contains_key(key);
            let verdict = match &used.level {
                Level::Plain(PlainLevel::Required) if !has => {
                    self.wrong(format!("{place}: the required attribute {key} is missing"));
                    continue;
                }
                Level::Plain(_) => continue,
                Level::Conditional(levels) => {
                    let Some(condition) = levels.get(&PlainLevel::ConditionallyRequired) else {
                        continue;
                    };
                    let Some(verdict) = verdict(key, condition, facts) else {
                        self.wrong(format!(
                            "{place}: nothing checks when {key} is required: {condition}"
                        ));
                        continue;
                    };
                    (verdict, condition)
                }
            };
            match verdict {
                (Verdict::Required, condition) if !has => {
                    self.wrong(format!("{place}: the attribute {key} is missing: {condition}"));
                }
                (Verdict::Absent, condition) if has => {
                    self.wrong(format!("{place}: it has the attribute {key}: {condition}"));
                }
                _ => {}
            }
        }
    }

    /// A span that has an attribute which its name may be made of has it in its name.
    fn name_of_attributes(&mut self, place: &str, found: &Resolved, span: &Span) {
        let patterns = &found.group.annotations.names;
        for key in ["http.route", "url.template"] {
            let Some(value) = span.attributes.get(key) else { continue };
            let is_in_some = patterns.iter().any(|name| name.contains(&format!("{{{key}}}")));
            if is_in_some && !span.name.ends_with(&value.text()) {
                self.wrong(format!("{place}: its name is {:?}, without its {key}", span.name));
            }
        }
    }

    fn attributes(&mut self, place: &str, uses: &BTreeMap<&str, &Use>, attributes: &Attributes) {
        for (key, value) in attributes {
            let found = uses.get(key.as_str()).or_else(|| {
                // `http.request.header.traceparent` is one of the template `http.request.header`.
                let is_template = |used: &Use| {
                    matches!(&used.attribute.kind, AttributeType::Plain(kind) if kind.starts_with("template["))
                };
                let (start, _) = key.rsplit_once('.')?;
                uses.get(start).filter(|used| is_template(used))
            });
            match found {
                Some(used) => self.value(place, used, key, value),
                None => self.wrong(format!("{place}: the attribute {key} is not one of its own")),
            }
        }
    }

    fn value(&mut self, place: &str, used: &Use, key: &str, value: &Value) {
        if self.registry.own.contains(&used.attribute.id) {
            self.report.seen.insert(format!("attribute {}", used.attribute.id));
        }
        let kind = value.kind();
        let text = value.text();
        match &used.attribute.kind {
            AttributeType::Plain(ought) => {
                let ought =
                    ought.strip_prefix("template[").map_or(&ought[..], |it| &it[..it.len() - 1]);
                if kind != ought {
                    self.wrong(format!("{place}: {key} is of the type {kind}, and not {ought}"));
                }
            }
            AttributeType::Enumeration { members } => {
                let is_listed = members.iter().any(|member| member.value.to_string() == text);
                let more = self.registry.more_values.get(key);
                let is_more = more.is_some_and(|values| values.contains(&text));
                let is_open = key == ERROR_TYPE || !used.values.is_empty();
                if !is_listed && !is_more && !is_open {
                    self.wrong(format!(
                        "{place}: {key} has the value {text:?}, which is not listed"
                    ));
                }
            }
        }
        let is_one = |pattern: &String| is_like(&text, pattern);
        if !used.values.is_empty() && !used.values.iter().any(is_one) {
            self.wrong(format!("{place}: {key} has the value {text:?}, which is not listed"));
        }
        if key == ERROR_TYPE && !is_error_type(&text) {
            self.wrong(format!(
                "{place}: {key} has the value {text:?}, which is not in snake case"
            ));
        }
    }

    /// Whether a span's name follows a pattern: see [`super::model::Annotations::names`].
    fn is_named(&self, name: &str, pattern: &str, attributes: &Attributes) -> bool {
        let Some((literal, rest)) = pattern.split_once('{') else { return name == pattern };
        let Some((key, after)) = rest.split_once('}') else { return name == pattern };
        let Some(name) = name.strip_prefix(literal) else { return false };
        if self.registry.attributes.contains_key(key) {
            let Some(value) = attributes.get(key) else { return false };
            let name = name.strip_prefix(value.text().as_str());
            return name.is_some_and(|name| self.is_named(name, after, attributes));
        }
        let end = name.find(' ').unwrap_or(name.len());
        let ends = name.char_indices().map(|(at, c)| at + c.len_utf8()).take_while(|at| *at <= end);
        ends.into_iter().any(|at| self.is_named(&name[at..], after, attributes))
    }
}

/// What is known of telemetry of this group that has these attributes.
fn facts<'a>(found: &'a Resolved, attributes: &'a Attributes) -> Facts<'a> {
    Facts { signal: found.group.signal_name(), attributes, failed: None, caller: None }
}

/// Whether a value is this one, or a status code of this class, such as `5xx`.
fn is_like(text: &str, pattern: &str) -> bool {
    match pattern.strip_suffix("xx") {
        Some(class) if class.len() == 1 && class.as_bytes()[0].is_ascii_digit() => {
            text.len() == 3
                && text.starts_with(class)
                && text.bytes().all(|byte| byte.is_ascii_digit())
        }
        _ => text == pattern,
    }
}

/// Words in snake case, numbers, the five characters of an SQLSTATE, and the conventions' `_OTHER`.
fn is_error_type(text: &str) -> bool {
    let all = |is: fn(u8) -> bool| !text.is_empty() && text.bytes().all(is);
    text == "_OTHER"
        || all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_'))
        || text.len() == 5 && all(|byte| matches!(byte, b'A'..=b'Z' | b'0'..=b'9'))
}
