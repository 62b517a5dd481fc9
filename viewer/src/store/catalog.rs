//! Which services have sent which operations, of the spans that are held: what the lists in a
//! search form show. It forgets a name when its last span is evicted.

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::RandomState;

use super::model::{Kind, Name, Span};

/// Services listed; spans of further ones are held and found, but not listed.
const SERVICES: usize = 1_000;
/// Operations listed for one service.
const OPERATIONS: usize = 10_000;
/// A table that has more room than this many times what is in it gives some back.
const SPARSE: usize = 4;

/// Services by name.
#[derive(Debug, Default)]
pub(crate) struct Catalog {
    services: HashMap<Name, Service, RandomState>,
}

/// One service's spans and operations.
#[derive(Clone, Debug, Default)]
pub(crate) struct Service {
    pub(crate) spans: usize,
    /// How many spans there are of each name, by kind.
    names: HashMap<Name, [u32; Kind::ALL.len()], RandomState>,
    operations: usize,
}

impl Catalog {
    pub(crate) fn add(&mut self, span: &Span) {
        if let Some(service) = self.services.get_mut(span.service()) {
            service.add(span);
        } else if self.services.len() < SERVICES {
            self.services.entry(Arc::clone(span.service())).or_default().add(span);
        }
    }

    pub(crate) fn remove(&mut self, span: &Span) {
        let Some(service) = self.services.get_mut(span.service()) else { return };
        service.remove(span);
        if service.spans == 0 {
            self.services.remove(span.service());
        }
    }

    /// How many services there are.
    pub(crate) fn service_count(&self) -> usize {
        self.services.len()
    }

    /// The services with their operations, sorted by name.
    pub(crate) fn services(&self) -> impl Iterator<Item = (&Name, &Service)> {
        let mut services: Vec<_> = self.services.iter().collect();
        services.sort_unstable_by_key(|(name, _)| *name);
        services.into_iter()
    }

    /// The service of that name.
    pub(crate) fn service(&self, name: &str) -> Option<&Service> {
        self.services.get(name)
    }
}

impl Service {
    /// How many operations there are.
    pub(crate) fn operation_count(&self) -> usize {
        self.operations
    }

    /// The operations by name and kind, sorted.
    pub(crate) fn operations(&self) -> impl Iterator<Item = (&Name, Kind)> {
        let mut names: Vec<_> = self.names.iter().collect();
        names.sort_unstable_by_key(|(name, _)| *name);
        names.into_iter().flat_map(|(name, spans)| {
            let kinds = Kind::ALL.into_iter().zip(spans);
            kinds.filter(|(_, spans)| **spans > 0).map(move |(kind, _)| (name, kind))
        })
    }

    fn add(&mut self, span: &Span) {
        self.spans += 1;
        let has_room = self.operations < OPERATIONS;
        let kind = span.kind as usize;
        match self.names.get_mut(&span.name) {
            Some(spans) if spans[kind] > 0 || has_room => {
                self.operations += usize::from(spans[kind] == 0);
                spans[kind] = spans[kind].saturating_add(1);
            }
            None if has_room => {
                let mut spans = [0; _];
                spans[kind] = 1;
                self.names.insert(Arc::clone(&span.name), spans);
                self.operations += 1;
            }
            _ => {}
        }
    }

    fn remove(&mut self, span: &Span) {
        self.spans = self.spans.saturating_sub(1);
        let Some(spans) = self.names.get_mut(&span.name) else { return };
        let of_kind = &mut spans[span.kind as usize];
        match *of_kind {
            0 => return,
            1 => self.operations -= 1,
            _ => {}
        }
        *of_kind -= 1;
        if spans.iter().all(|spans| *spans == 0) {
            self.names.remove(&span.name);
            if self.names.capacity() > SPARSE * self.names.len() {
                self.names.shrink_to(2 * self.names.len());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(service: &str, name: &str, kind: Kind) -> Span {
        Span { kind, ..Span::named(service, name) }
    }

    /// A line for each service: its name, its spans and its operations.
    fn listed(catalog: &Catalog) -> Vec<String> {
        let services = catalog.services().map(|(name, service)| {
            let operations: Vec<_> = service
                .operations()
                .map(|(name, kind)| format!("{name} {}", kind.name()))
                .collect();
            assert_eq!(operations.len(), service.operation_count());
            format!("{name}, {} spans: {}", service.spans, operations.join(", "))
        });
        services.collect()
    }

    #[test]
    fn operations_are_sorted_and_forgotten_with_their_last_span() {
        let mut catalog = Catalog::default();
        let spans = [
            span("store", "b", Kind::Client),
            span("store", "a", Kind::Server),
            span("store", "a", Kind::Internal),
            span("store", "a", Kind::Server),
            span("shopper", "c", Kind::Client),
        ];
        spans.iter().for_each(|span| catalog.add(span));
        assert_eq!(
            listed(&catalog),
            ["shopper, 1 spans: c client", "store, 4 spans: a internal, a server, b client",]
        );

        spans[..3].iter().chain(&spans[4..]).for_each(|span| catalog.remove(span));
        assert_eq!(listed(&catalog), ["store, 1 spans: a server"]);
        catalog.remove(&spans[3]);
        assert!(listed(&catalog).is_empty());
    }

    #[test]
    fn there_are_so_many_operations_and_their_room_is_given_back() {
        let mut catalog = Catalog::default();
        let spans: Vec<_> = (0..=OPERATIONS)
            .map(|number| span("store", &format!("operation {number}"), Kind::Server))
            .collect();
        spans.iter().for_each(|span| catalog.add(span));
        assert_eq!(catalog.service("store").map(Service::operation_count), Some(OPERATIONS));

        spans[1..].iter().for_each(|span| catalog.remove(span));

        let service = catalog.service("store").expect("one span is left");
        assert_eq!((service.spans, service.operation_count()), (1, 1));
        assert!(service.names.capacity() < 100, "{}", service.names.capacity());
    }
}
