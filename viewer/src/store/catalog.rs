//! Which services have sent which operations, of the spans that are held: what the lists in a
//! search form show. It forgets a name when its last span is evicted.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::model::{Kind, Name, Span};

/// Services listed; spans of further ones are held and found, but not listed.
const SERVICES: usize = 1_000;
/// Operations listed for one service.
const OPERATIONS: usize = 10_000;

/// Services by name.
#[derive(Debug, Default)]
pub(crate) struct Catalog {
    services: BTreeMap<Name, Service>,
    unlisted: u64,
}

/// One service's spans and operations.
#[derive(Clone, Debug, Default)]
pub(crate) struct Service {
    pub(crate) spans: usize,
    /// How many spans there are of each operation, by name and kind.
    pub(crate) operations: BTreeMap<(Name, Kind), usize>,
}

impl Catalog {
    pub(crate) fn add(&mut self, span: &Span) {
        if self.services.len() >= SERVICES && !self.services.contains_key(span.service()) {
            self.unlisted += 1;
            return;
        }
        let service = self.services.entry(Arc::clone(span.service())).or_default();
        service.spans += 1;
        let operation = (Arc::clone(&span.name), span.kind);
        if service.operations.len() >= OPERATIONS && !service.operations.contains_key(&operation) {
            self.unlisted += 1;
            return;
        }
        *service.operations.entry(operation).or_default() += 1;
    }

    pub(crate) fn remove(&mut self, span: &Span) {
        let Some(service) = self.services.get_mut(span.service()) else { return };
        service.spans = service.spans.saturating_sub(1);
        if service.spans == 0 {
            self.services.remove(span.service());
            return;
        }
        let operation = (Arc::clone(&span.name), span.kind);
        if let Some(spans) = service.operations.get_mut(&operation) {
            *spans = spans.saturating_sub(1);
            if *spans == 0 {
                service.operations.remove(&operation);
            }
        }
    }

    /// The services with their operations, sorted by name.
    pub(crate) fn services(&self) -> impl ExactSizeIterator<Item = (&Name, &Service)> {
        self.services.iter()
    }

    /// The service of that name.
    pub(crate) fn service(&self, name: &str) -> Option<&Service> {
        self.services.get(name)
    }
}
