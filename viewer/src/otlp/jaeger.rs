//! Traces in Jaeger's JSON, as its `/api` answers and its page saves them, read into the spans that
//! the store keeps. It is the way back from [`legacy_json`](crate::jaeger), with the rules of the
//! Collector's translator:
//! <https://github.com/open-telemetry/opentelemetry-collector-contrib/tree/main/pkg/translator/jaeger>.
//!
//! A process becomes a resource, with its service as the attribute `service.name`. What becomes of a
//! span is in [`jaeger_span`](super::jaeger_span).

use std::collections::HashMap;
use std::mem::{replace, size_of};
use std::sync::Arc;

use super::attributes::text;
use super::items::{Group, SERVICE_NAME, with_service};
use super::jaeger_span::{JaegerSpan, tag};
use super::limits::{self, shortened};
use super::message::{Field, Message, Reader, Source, Step, Stopped, list, one};
use super::span::Spans;
use crate::store::footprint::{Footprint, heap};
use crate::store::model::{Attribute, Extra, Name, Resource, Scope, Span, TraceId, Value};

/// What a process takes while its trace is read, beside its name and resource.
const PROCESS_BYTES: usize = 2 * size_of::<(Name, Process)>();

/// What a span takes while its trace is read, beside itself: the name of its process, and a second
/// place when the processes are given to the spans.
const PLACE_BYTES: usize = 2 * size_of::<Name>() + size_of::<(TraceId, Arc<Span>)>();

/// What Jaeger's API answers and its page saves: traces in `data`.
pub(super) struct JaegerDocument<'s>(pub(super) &'s mut Spans);

impl Message for JaegerDocument<'_> {
    const ALL_OR_NOTHING: bool = false;

    fn fields(&self) -> &'static [Field] {
        const { &[list(1, "data")] }
    }

    fn field<'a, S: Source<'a>>(
        &mut self,
        number: u32,
        value: S,
        reader: &mut Reader<'a>,
    ) -> Result<(), Stopped> {
        match number {
            1 => {
                let step = value.step();
                let mut trace = JaegerTrace::new(self.0);
                value.message(&mut trace, reader)?;
                trace.finish(Some(step), reader)
            }
            _ => value.skip(reader),
        }
    }
}

/// The spans of one trace. Its processes usually come after them, so a span is made with a stand-in
/// for its resource and gets the right one in [`finish`](Self::finish).
pub(super) struct JaegerTrace<'s> {
    group: Group<'s, (TraceId, Arc<Span>)>,
    /// The name of its process, for each of the accepted spans.
    process_of_span: Vec<Name>,
    processes: HashMap<Name, Process>,
    stand_in: Option<Arc<Resource>>,
    /// The scope of the last span: the next one probably has the same.
    scope: Option<Arc<Scope>>,
}

/// A process, and how many parts of it the limits cut.
struct Process {
    resource: Arc<Resource>,
    cuts: u32,
}

impl<'s> JaegerTrace<'s> {
    pub(super) fn new(spans: &'s mut Spans) -> Self {
        Self {
            group: Group::new(spans, 0),
            process_of_span: Vec::new(),
            processes: HashMap::new(),
            stand_in: None,
            scope: None,
        }
    }

    /// Reads a span, and keeps or rejects it.
    fn span<'a, S: Source<'a>>(
        &mut self,
        value: S,
        reader: &mut Reader<'a>,
    ) -> Result<(), Stopped> {
        let (step, taken_before) = (value.step(), reader.taken());
        reader.cuts = 0;
        let mut span = JaegerSpan::new(reader);
        value.message(&mut span, reader)?;
        match self.group.check(step, || span.ids(), reader) {
            Ok((ids, process)) => {
                reader.charge(PLACE_BYTES)?;
                let stand_in = self.stand_in(reader)?;
                let (trace, span) = span.build(ids, stand_in, &mut self.scope, reader)?;
                self.group.items.accepted.push((trace, Arc::new(span)));
                self.process_of_span.push(process);
                Ok(())
            }
            Err(fault) => {
                span.release(reader);
                reader.give_back_to(taken_before);
                self.group.items.reject(fault, reader)
            }
        }
    }

    fn stand_in(&mut self, reader: &mut Reader<'_>) -> Result<Arc<Resource>, Stopped> {
        if let Some(stand_in) = &self.stand_in {
            return Ok(Arc::clone(stand_in));
        }
        let stand_in = resource(Vec::new(), reader)?;
        self.stand_in = Some(Arc::clone(&stand_in));
        Ok(stand_in)
    }

    /// Gives the spans their processes. A span whose process is not there is rejected; `step` is
    /// where the trace is.
    pub(super) fn finish(
        mut self,
        step: Option<Step<'_>>,
        reader: &mut Reader<'_>,
    ) -> Result<(), Stopped> {
        if self.group.has_items(reader) {
            let first = self.group.first;
            let spans = self.group.items.accepted.split_off(first);
            for ((trace, mut span), process) in spans.into_iter().zip(&self.process_of_span) {
                match (self.processes.get(process), Arc::get_mut(&mut span)) {
                    (Some(process), Some(fields)) => {
                        process.give_to(fields, reader)?;
                        self.group.items.accepted.push((trace, span));
                    }
                    _ => {
                        reader.names.release_span(span);
                        let path = reader.path_to(step);
                        let fault = format!(
                            "{path}: a span's processID is {process:?}, which is none of its processes"
                        );
                        self.group.items.reject(fault, reader)?;
                    }
                }
            }
        }
        for name in self.process_of_span {
            reader.names.release(name);
        }
        for (name, process) in self.processes {
            reader.names.release_resource(process.resource);
            reader.names.release(name);
        }
        if let Some(stand_in) = self.stand_in {
            reader.names.release_resource(stand_in);
        }
        if let Some(scope) = self.scope {
            reader.names.release_scope(scope);
        }
        Ok(())
    }
}

impl Process {
    /// Makes this the process of `span`.
    fn give_to(&self, span: &mut Span, reader: &mut Reader<'_>) -> Result<(), Stopped> {
        let former = replace(&mut span.resource, Arc::clone(&self.resource));
        reader.names.release_resource(former);
        if self.cuts > 0 {
            if span.extra.is_none() {
                reader.charge(heap(size_of::<Extra>()))?;
            }
            let extra = span.extra.get_or_insert_default();
            extra.cut = extra.cut.saturating_add(self.cuts);
        }
        Ok(())
    }
}

impl Message for JaegerTrace<'_> {
    const ALL_OR_NOTHING: bool = false;

    fn fields(&self) -> &'static [Field] {
        const { &[list(1, "spans"), one(2, "processes")] }
    }

    fn field<'a, S: Source<'a>>(
        &mut self,
        number: u32,
        value: S,
        reader: &mut Reader<'a>,
    ) -> Result<(), Stopped> {
        self.group.take_fault(reader);
        match number {
            1 => self.span(value, reader),
            2 => {
                let mut processes = Processes { read: &mut self.processes, name: Box::default() };
                value.message(&mut processes, reader)
            }
            _ => value.skip(reader),
        }
    }
}

/// The processes of a trace: an object whose fields are named as the spans name them.
struct Processes<'t> {
    read: &'t mut HashMap<Name, Process>,
    /// The name of the field that is read next.
    name: Box<str>,
}

const PROCESS: Field = one(1, "process");

impl Message for Processes<'_> {
    fn fields(&self) -> &'static [Field] {
        const { &[PROCESS] }
    }

    fn named(&mut self, name: &str) -> Option<&'static Field> {
        self.name = shortened(name, limits::NAME_BYTES).into();
        Some(&PROCESS)
    }

    fn field<'a, S: Source<'a>>(
        &mut self,
        number: u32,
        value: S,
        reader: &mut Reader<'a>,
    ) -> Result<(), Stopped> {
        if number != PROCESS.number {
            return value.skip(reader);
        }
        reader.cuts = 0;
        let mut process = ProcessFields { service: None, first: reader.attributes.len() };
        value.message(&mut process, reader)?;
        let mut attributes: Vec<Attribute> = reader.attributes.drain(process.first..).collect();
        if let Some(service) = process.service {
            let key = reader.name(SERVICE_NAME)?;
            attributes.insert(0, Attribute { key, value: Value::String(service.into()) });
        }
        reader.charge(PROCESS_BYTES)?;
        let process = Process { resource: resource(attributes, reader)?, cuts: reader.cuts };
        self.read.insert(reader.name(&self.name)?, process);
        Ok(())
    }
}

/// The resource with these attributes.
fn resource(attributes: Vec<Attribute>, reader: &mut Reader<'_>) -> Result<Arc<Resource>, Stopped> {
    let (service, attributes) = with_service(attributes, reader)?;
    let schema_url = Box::default();
    let resource = Resource { service, attributes, dropped_attributes: 0, schema_url };
    reader.charge(resource.footprint())?;
    Ok(reader.names.resource(resource))
}

struct ProcessFields {
    service: Option<Box<str>>,
    /// Where its tags begin among the reader's attributes.
    first: usize,
}

impl Message for ProcessFields {
    fn fields(&self) -> &'static [Field] {
        const { &[one(1, "serviceName"), list(2, "tags")] }
    }

    fn field<'a, S: Source<'a>>(
        &mut self,
        number: u32,
        value: S,
        reader: &mut Reader<'a>,
    ) -> Result<(), Stopped> {
        match number {
            1 => self.service = Some(text(value, limits::NAME_BYTES, reader)?),
            2 => tag(self.first, limits::ATTRIBUTES, value, reader)?,
            _ => value.skip(reader)?,
        }
        Ok(())
    }
}
