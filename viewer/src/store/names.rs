//! One copy of everything that repeats. Most spans have the same few keys, names, resources and
//! scopes, and many have the same texts as values. Each of these is kept once, and so a span takes a
//! fraction of its size on the wire.
//!
//! A value goes with the last span that has it. A span that is let go is given back with
//! [`release_span`](Names::release_span), which forgets the values that only this span had. So
//! names take memory for held spans only, and a sender of ever new names cannot fill it with old
//! ones. If a reader still has the span, its names stay until the next [`sweep`](Names::sweep).

use std::borrow::Borrow;
use std::collections::HashSet;
use std::hash::{BuildHasher, Hash, Hasher};
use std::mem::size_of;
use std::sync::Arc;

use foldhash::fast::RandomState;

use super::footprint::{ARC_COUNTS, Footprint, heap};
use super::model::{Attribute, Event, Link, LogRecord, Name, Resource, Scope, Span, Text, Value};
use super::trace::Trace;

/// The names may double and take this much more before unused ones are looked for.
const SWEEP_BYTES: usize = 1 << 20;

/// What a set takes for an entry, half full.
const fn entry_bytes(key: usize) -> usize {
    2 * (key + 1)
}

/// What a name takes for which there is none yet.
pub(crate) fn name_bytes(text: &str) -> usize {
    heap(ARC_COUNTS + text.len()) + entry_bytes(size_of::<Name>())
}

/// The longest text that is shared as a value, in bytes. Longer ones seldom repeat.
const SHARED_TEXT_BYTES: usize = 1024;

/// How many texts are remembered that came as a value and are not shared yet.
const SEEN: usize = 4_096;

/// A text of which there is one copy, found by its bytes: what equals it need not be checked to be
/// UTF-8.
#[derive(Debug)]
struct Known(Name);

impl Borrow<[u8]> for Known {
    fn borrow(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl Hash for Known {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.as_bytes().hash(state);
    }
}

impl PartialEq for Known {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_bytes() == other.0.as_bytes()
    }
}

impl Eq for Known {}

/// How a text that is a value is to be kept.
#[derive(Debug)]
pub(crate) enum Keep {
    /// By itself: it has not come lately.
    Own,
    /// Shared from now on: it has come before.
    Shared,
}

/// The values that spans share.
#[derive(Debug, Default)]
pub(crate) struct Names {
    texts: HashSet<Known, RandomState>,
    /// Parts of the hashes of texts that came as a value, each at the place that its hash tells; so
    /// a text that comes once more is known. Empty until the first.
    seen: Vec<u32>,
    resources: HashSet<Arc<Resource>, RandomState>,
    scopes: HashSet<Arc<Scope>, RandomState>,
    bytes: usize,
    /// What was left at the last sweep.
    swept_bytes: usize,
}

impl Names {
    /// The shared copy of `text`, if there is one.
    pub(crate) fn get(&self, text: &[u8]) -> Option<Name> {
        self.texts.get(text).map(|Known(name)| Arc::clone(name))
    }

    /// A shared copy of `text`, of which there is none yet.
    pub(crate) fn add(&mut self, text: &str) -> Name {
        let name: Name = text.into();
        self.bytes += name_bytes(text);
        self.texts.insert(Known(Arc::clone(&name)));
        name
    }

    /// How a text is to be kept that is a value, of which there is no shared copy.
    pub(crate) fn keep_value(&mut self, text: &str) -> Keep {
        if text.is_empty() || text.len() > SHARED_TEXT_BYTES {
            return Keep::Own;
        }
        if self.seen.is_empty() {
            self.seen.resize(SEEN, 0);
        }
        let hash = self.texts.hasher().hash_one(text.as_bytes());
        let (place, part) = (hash as usize % SEEN, (hash >> 32) as u32);
        let before = std::mem::replace(&mut self.seen[place], part);
        if before == part { Keep::Shared } else { Keep::Own }
    }

    /// The shared copy of `resource`.
    pub(crate) fn resource(&mut self, resource: Resource) -> Arc<Resource> {
        share(&mut self.resources, resource, &mut self.bytes)
    }

    /// The shared copy of `scope`.
    pub(crate) fn scope(&mut self, scope: Scope) -> Arc<Scope> {
        share(&mut self.scopes, scope, &mut self.bytes)
    }

    /// An estimate of what all of them take, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Lets go of a name.
    pub(crate) fn release(&mut self, name: Name) {
        if Arc::strong_count(&name) == 2 && self.texts.remove(name.as_bytes()) {
            self.bytes -= name_bytes(&name);
        }
    }

    /// Lets go of a resource.
    pub(crate) fn release_resource(&mut self, resource: Arc<Resource>) {
        if forget(&mut self.resources, &resource) {
            self.bytes -= shared_bytes(&*resource);
            if let Some(resource) = Arc::into_inner(resource) {
                self.release(resource.service);
                self.release_attributes(resource.attributes);
            }
        }
    }

    /// Lets go of a scope.
    pub(crate) fn release_scope(&mut self, scope: Arc<Scope>) {
        if forget(&mut self.scopes, &scope) {
            self.bytes -= shared_bytes(&*scope);
            if let Some(scope) = Arc::into_inner(scope) {
                self.release_attributes(scope.attributes);
            }
        }
    }

    /// Lets go of a span.
    pub(crate) fn release_span(&mut self, span: Arc<Span>) {
        // If a reader has it too, its names go at the next sweep.
        let Some(span) = Arc::into_inner(span) else { return };
        self.release(span.name);
        self.release_attributes(span.attributes);
        if let Some(extra) = span.extra {
            self.release_events(extra.events);
            self.release_links(extra.links);
        }
        self.release_resource(span.resource);
        self.release_scope(span.scope);
    }

    /// Lets go of a log record.
    pub(crate) fn release_record(&mut self, record: Arc<LogRecord>) {
        let Some(record) = Arc::into_inner(record) else { return };
        for name in [record.severity_text, record.event_name].into_iter().flatten() {
            self.release(name);
        }
        self.release_value(record.body);
        self.release_attributes(record.attributes);
        self.release_resource(record.resource);
        self.release_scope(record.scope);
    }

    /// Lets go of a trace.
    pub(crate) fn release_trace(&mut self, trace: Arc<Trace>) {
        let Some(Trace { spans, services, .. }) = Arc::into_inner(trace) else { return };
        drop(services);
        for span in spans {
            self.release_span(span);
        }
    }

    pub(crate) fn release_attributes(&mut self, attributes: impl IntoIterator<Item = Attribute>) {
        for attribute in attributes {
            self.release(attribute.key);
            self.release_value(attribute.value);
        }
    }

    pub(crate) fn release_values(&mut self, values: impl IntoIterator<Item = Value>) {
        values.into_iter().for_each(|value| self.release_value(value));
    }

    pub(crate) fn release_events(&mut self, events: impl IntoIterator<Item = Event>) {
        for event in events {
            self.release(event.name);
            self.release_attributes(event.attributes);
        }
    }

    pub(crate) fn release_links(&mut self, links: impl IntoIterator<Item = Link>) {
        links.into_iter().for_each(|link| self.release_attributes(link.attributes));
    }

    fn release_value(&mut self, value: Value) {
        match value {
            Value::String(Text::Shared(text)) => self.release(text),
            Value::Array(values) => self.release_values(values),
            Value::Map(entries) => self.release_attributes(entries),
            _ => {}
        }
    }

    /// Whether the names have grown so much since the last sweep that another one may pay.
    pub(crate) fn may_be_swept(&self) -> bool {
        self.bytes > 2 * self.swept_bytes + SWEEP_BYTES
    }

    /// Forgets the values that no span has.
    pub(crate) fn sweep(&mut self) {
        // Resources and scopes first: they hold names.
        let bytes = &mut self.bytes;
        retain_used(&mut self.resources, |it| it, shared_bytes, bytes);
        retain_used(&mut self.scopes, |it| it, shared_bytes, bytes);
        retain_used(&mut self.texts, |Known(name)| name, name_bytes, bytes);
        self.swept_bytes = self.bytes;
    }
}

/// What a shared resource or scope takes.
fn shared_bytes<T: Footprint>(shared: &T) -> usize {
    heap(ARC_COUNTS + size_of::<T>()) + shared.footprint() + entry_bytes(size_of::<Arc<T>>())
}

fn share<T: Hash + Eq + Footprint>(
    set: &mut HashSet<Arc<T>, RandomState>,
    value: T,
    bytes: &mut usize,
) -> Arc<T> {
    if let Some(shared) = set.get(&value) {
        return Arc::clone(shared);
    }
    *bytes += shared_bytes(&value);
    let shared = Arc::new(value);
    set.insert(Arc::clone(&shared));
    shared
}

/// Takes `value` from the set, when only the set and the caller have it.
fn forget<T: Hash + Eq>(set: &mut HashSet<Arc<T>, RandomState>, value: &Arc<T>) -> bool {
    Arc::strong_count(value) == 2 && set.remove(&**value)
}

fn retain_used<E: Hash + Eq, T: ?Sized>(
    set: &mut HashSet<E, RandomState>,
    shared: impl Fn(&E) -> &Arc<T>,
    size: impl Fn(&T) -> usize,
    bytes: &mut usize,
) {
    set.retain(|entry| {
        let shared = shared(entry);
        let used = Arc::strong_count(shared) > 1;
        if !used {
            *bytes -= size(shared);
        }
        used
    });
    set.shrink_to(set.len() * 2);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(names: &mut Names, text: &str) -> Name {
        names.get(text.as_bytes()).unwrap_or_else(|| names.add(text))
    }

    #[test]
    fn equal_values_share_one_copy() {
        let mut names = Names::default();

        let (one, two) = (name(&mut names, "GET"), name(&mut names, "GET"));

        assert!(Arc::ptr_eq(&one, &two));
    }

    #[test]
    fn a_value_is_shared_when_it_comes_again() {
        let mut names = Names::default();
        let long = "x".repeat(SHARED_TEXT_BYTES + 1);

        let kept = ["GET", "POST", "GET", "", "", &long, &long].map(|text| names.keep_value(text));

        let own = |kept: &Keep| matches!(kept, Keep::Own);
        assert_eq!(kept.each_ref().map(own), [true, true, false, true, true, true, true]);
    }

    #[test]
    fn a_shared_value_goes_with_the_last_that_has_it() {
        let mut names = Names::default();
        let values = [name(&mut names, "GET"), name(&mut names, "GET")];

        for (left, value) in [1, 0].into_iter().zip(values) {
            names.release_values([Value::String(Text::Shared(value))]);
            assert_eq!(names.bytes(), left * name_bytes("GET"));
        }
    }

    #[test]
    fn a_name_goes_with_the_last_that_has_it() {
        let mut names = Names::default();
        let (one, two) = (name(&mut names, "GET"), name(&mut names, "GET"));

        names.release(one);
        assert!(names.get(b"GET").is_some());
        names.release(two);

        assert!(names.get(b"GET").is_none());
        assert_eq!(names.bytes(), 0);
    }

    #[test]
    fn the_names_of_a_resource_go_with_it() {
        let mut names = Names::default();
        let service = name(&mut names, "store");
        let key = name(&mut names, "key");
        let attributes = Box::new([Attribute { key, value: Value::Map(Box::new([])) }]);
        let resource = names.resource(Resource {
            service,
            attributes,
            dropped_attributes: 0,
            schema_url: Box::default(),
        });

        names.release_resource(resource);

        assert_eq!(names.bytes(), 0);
    }

    #[test]
    fn a_sweep_forgets_what_is_not_used() {
        let mut names = Names::default();
        let kept = name(&mut names, "kept");
        drop(name(&mut names, "dropped"));

        names.sweep();

        assert_eq!(names.bytes(), name_bytes("kept"));
        assert!(names.get(b"kept").is_some_and(|found| Arc::ptr_eq(&found, &kept)));
    }
}
