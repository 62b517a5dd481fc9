//! From decoded OTLP to what the store keeps: names shared, oversized parts cut.

use std::sync::Arc;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::resource::v1::Resource as OtlpResource;
use opentelemetry_proto::tonic::trace::v1::span::{Event as OtlpEvent, Link as OtlpLink};
use opentelemetry_proto::tonic::trace::v1::{ScopeSpans, Span as OtlpSpan};

use super::intern::Interner;
use super::limits::{self, shorten};
use super::model::{
    Event, Extra, Kind, Link, Name, Resource, Scope, Span, SpanId, Status, TraceId,
};
use super::values::{Cutter, attributes, copied};

/// What a span is called that came without a name, as Jaeger calls it.
const EMPTY_SPAN_NAME: &str = "empty-span-name";

/// Turns requests into spans. It keeps the shared names, so there is one for each store.
#[derive(Debug, Default)]
pub(crate) struct Converter {
    names: Interner<str>,
    resources: Interner<Resource>,
    scopes: Interner<Scope>,
}

impl Converter {
    /// The spans of `request` whose ids are valid, each with the trace it belongs to.
    pub(crate) fn convert(&mut self, request: ExportTraceServiceRequest) -> Vec<(TraceId, Span)> {
        let mut spans = Vec::new();
        for group in request.resource_spans {
            let mut cut = Cutter::default();
            let resource =
                self.resource(group.resource.unwrap_or_default(), group.schema_url, &mut cut);
            for group in group.scope_spans {
                self.scope_spans(group, &resource, cut.count(), &mut spans);
            }
        }
        spans
    }

    /// Forgets the names that no held span uses any more.
    pub(crate) fn sweep(&mut self) {
        // Resources and scopes first: they hold names.
        self.resources.sweep();
        self.scopes.sweep();
        self.names.sweep();
    }

    /// An estimate of what the shared values take, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.names.bytes() + self.resources.bytes() + self.scopes.bytes()
    }

    fn scope_spans(
        &mut self,
        group: ScopeSpans,
        resource: &Arc<Resource>,
        cut_before: u32,
        spans: &mut Vec<(TraceId, Span)>,
    ) {
        let mut cut = Cutter::default();
        let scope = self.scope(group.scope.unwrap_or_default(), group.schema_url, &mut cut);
        let cut_before = cut_before.saturating_add(cut.count());
        spans.reserve(group.spans.len());
        spans.extend(
            group
                .spans
                .into_iter()
                .filter_map(|span| self.span(span, resource, &scope, cut_before)),
        );
    }

    fn resource(
        &mut self,
        resource: OtlpResource,
        schema_url: String,
        cut: &mut Cutter,
    ) -> Arc<Resource> {
        let (service, attributes) = service_of(resource.attributes);
        let service = self.name(service, cut);
        let resource = Resource {
            service,
            attributes: self.attributes(attributes, cut),
            dropped_attributes: resource.dropped_attributes_count,
            schema_url: cut.text(schema_url, limits::NAME_BYTES),
        };
        self.resources.intern(resource)
    }

    fn scope(
        &mut self,
        scope: InstrumentationScope,
        schema_url: String,
        cut: &mut Cutter,
    ) -> Arc<Scope> {
        let scope = Scope {
            name: cut.text(scope.name, limits::NAME_BYTES),
            version: cut.text(scope.version, limits::NAME_BYTES),
            attributes: self.attributes(scope.attributes, cut),
            dropped_attributes: scope.dropped_attributes_count,
            schema_url: cut.text(schema_url, limits::NAME_BYTES),
        };
        self.scopes.intern(scope)
    }

    fn span(
        &mut self,
        mut span: OtlpSpan,
        resource: &Arc<Resource>,
        scope: &Arc<Scope>,
        cut_before: u32,
    ) -> Option<(TraceId, Span)> {
        let trace = TraceId::from_bytes(&span.trace_id)?;
        let id = SpanId::from_bytes(&span.span_id)?;
        let mut cut = Cutter::starting_at(cut_before);
        let name = if span.name.is_empty() {
            String::from(EMPTY_SPAN_NAME)
        } else {
            std::mem::take(&mut span.name)
        };
        let converted = Span {
            id,
            parent: SpanId::from_bytes(&span.parent_span_id),
            name: self.name(name, &mut cut),
            kind: Kind::from_number(span.kind),
            status: Status::from_number(span.status.as_ref().map_or(0, |status| status.code)),
            flags: span.flags,
            start: span.start_time_unix_nano,
            end: span.end_time_unix_nano,
            resource: Arc::clone(resource),
            scope: Arc::clone(scope),
            attributes: self.attributes(std::mem::take(&mut span.attributes), &mut cut),
            extra: self.extra(span, cut),
        };
        Some((trace, converted))
    }

    fn extra(&mut self, span: OtlpSpan, mut cut: Cutter) -> Option<Box<Extra>> {
        let links = cut.list(span.links, limits::LINKS);
        let kept_links = links.len();
        let links = copied(links.into_iter().filter_map(|link| self.link(link, &mut cut)));
        let events = cut.list(span.events, limits::EVENTS);
        let events = copied(events.into_iter().map(|event| self.event(event, &mut cut)));
        let message = span.status.map(|status| status.message).unwrap_or_default();
        let extra = Extra {
            status_message: cut.text(message, limits::VALUE_BYTES),
            trace_state: cut.text(span.trace_state, limits::VALUE_BYTES),
            dropped_attributes: span.dropped_attributes_count,
            dropped_events: span.dropped_events_count,
            dropped_links: span.dropped_links_count,
            invalid_links: u32::try_from(kept_links - links.len()).unwrap_or(u32::MAX),
            events,
            links,
            cut: cut.count(),
        };
        (extra != Extra::default()).then(|| Box::new(extra))
    }

    fn event(&mut self, event: OtlpEvent, cut: &mut Cutter) -> Event {
        Event {
            time: event.time_unix_nano,
            name: self.name(event.name, cut),
            attributes: self.attributes(event.attributes, cut),
            dropped_attributes: event.dropped_attributes_count,
        }
    }

    fn link(&mut self, link: OtlpLink, cut: &mut Cutter) -> Option<Link> {
        Some(Link {
            trace: TraceId::from_bytes(&link.trace_id)?,
            span: SpanId::from_bytes(&link.span_id)?,
            trace_state: cut.text(link.trace_state, limits::VALUE_BYTES),
            flags: link.flags,
            attributes: self.attributes(link.attributes, cut),
            dropped_attributes: link.dropped_attributes_count,
        })
    }

    fn name(&mut self, mut name: String, cut: &mut Cutter) -> Name {
        cut.note(shorten(&mut name, limits::NAME_BYTES));
        self.names.intern(name)
    }

    fn attributes(
        &mut self,
        sent: Vec<KeyValue>,
        cut: &mut Cutter,
    ) -> Box<[super::model::Attribute]> {
        attributes(sent, &mut self.names, cut)
    }
}

/// The service that a resource names, and its attributes with `service.name` saying the same; the
/// stand-ins for one that is missing, empty or no text are Jaeger's.
fn service_of(mut attributes: Vec<KeyValue>) -> (String, Vec<KeyValue>) {
    use opentelemetry_proto::tonic::common::v1::AnyValue;
    use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;

    let named = attributes.iter_mut().find(|attribute| attribute.key == "service.name");
    let value = named.as_ref().and_then(|attribute| attribute.value.as_ref()?.value.as_ref());
    let service = match (&named, value) {
        (None, _) => "missing-service-name",
        (Some(_), Some(Any::StringValue(name))) if name.is_empty() => "empty-service-name",
        (Some(_), Some(Any::StringValue(name))) => return (name.clone(), attributes),
        (Some(_), _) => "service-name-wrong-type",
    };
    let value = Some(AnyValue { value: Some(Any::StringValue(service.to_owned())) });
    match named {
        Some(attribute) => attribute.value = value,
        None => attributes.push(KeyValue {
            key: String::from("service.name"),
            value,
            ..KeyValue::default()
        }),
    }
    (service.to_owned(), attributes)
}

impl AsRef<Resource> for Resource {
    fn as_ref(&self) -> &Resource {
        self
    }
}

impl AsRef<Scope> for Scope {
    fn as_ref(&self) -> &Scope {
        self
    }
}
