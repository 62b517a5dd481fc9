//! Prints spans as text, or as JSON objects.

use super::json;
use super::text::{Plain, failure, time, write_attributes, write_resource};
use crate::config::ConsoleFormat;
use crate::exporter::{BatchOf, Deliver, Spans};
use crate::outcome::Outcome;
use crate::streams::Console;
use opentelemetry::SpanId;
use opentelemetry::trace::{Link, Status};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SpanData;
use std::fmt::{self, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};

/// Writes spans to a stream, each in one piece.
#[derive(Debug)]
pub(crate) struct SpanPrinter {
    console: Console,
    format: ConsoleFormat,
    resource: Resource,
    has_written_resource: AtomicBool,
}

impl SpanPrinter {
    /// A printer to this stream.
    pub(crate) fn new(console: Console, format: ConsoleFormat) -> Self {
        let resource = Resource::builder_empty().build();
        SpanPrinter { console, format, resource, has_written_resource: AtomicBool::new(false) }
    }

    fn heading(&self) -> Result<String, fmt::Error> {
        let mut text = "Spans\n".to_owned();
        if !self.has_written_resource.swap(true, Ordering::Relaxed) {
            write_resource(&mut text, &self.resource)?;
        }
        Ok(text)
    }
}

impl Deliver<Spans> for SpanPrinter {
    async fn deliver(&self, batch: BatchOf<'_, Spans>) -> Outcome {
        let mut text = match self.format {
            // Writing to a `String` cannot fail.
            ConsoleFormat::Text => self.heading().unwrap_or_default(),
            ConsoleFormat::Json => String::new(),
        };
        for (index, span) in batch.iter().enumerate() {
            match self.format {
                ConsoleFormat::Text => write_span(&mut text, index, span).unwrap_or_default(),
                ConsoleFormat::Json => text.push_str(&json::span(&self.resource, span)),
            }
            if let Err(error) = self.console.write(&text) {
                return Outcome::told(Err(failure(&error)), (batch.len() - index) as u64);
            }
            text.clear();
        }
        Outcome::default()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.resource = resource.clone();
    }
}

fn write_span(text: &mut String, index: usize, span: &SpanData) -> fmt::Result {
    let scope = &span.instrumentation_scope;
    let context = &span.span_context;
    writeln!(text, "Span #{index}\n\tInstrumentation Scope")?;
    writeln!(text, "\t\tName         : {:?}", scope.name())?;
    if let Some(version) = scope.version() {
        writeln!(text, "\t\tVersion      : {version:?}")?;
    }
    write_attributes(text, "\t\t\t", scope.attributes())?;
    writeln!(text, "\n\tName         : {}", Plain(&span.name))?;
    writeln!(text, "\tTraceId      : {}", context.trace_id())?;
    writeln!(text, "\tSpanId       : {}", context.span_id())?;
    match span.parent_span_id {
        SpanId::INVALID => writeln!(text, "\tParentSpanId : None (root span)")?,
        parent => writeln!(text, "\tParentSpanId : {parent}")?,
    }
    writeln!(text, "\tKind         : {:?}", span.span_kind)?;
    writeln!(text, "\tStart time   : {}", time(span.start_time))?;
    writeln!(text, "\tEnd time     : {}", time(span.end_time))?;
    match &span.status {
        Status::Error { description } => writeln!(text, "\tStatus       : Error {description:?}")?,
        other => writeln!(text, "\tStatus       : {other:?}")?,
    }
    if !span.attributes.is_empty() {
        writeln!(text, "\tAttributes:")?;
        write_attributes(text, "\t\t", &span.attributes)?;
    }
    for event in span.events.iter() {
        writeln!(text, "\tEvent        : {} at {}", Plain(&event.name), time(event.timestamp))?;
        write_attributes(text, "\t\t", &event.attributes)?;
    }
    for Link { span_context, attributes, .. } in span.links.iter() {
        let (trace, span) = (span_context.trace_id(), span_context.span_id());
        writeln!(text, "\tLink         : trace {trace}, span {span}")?;
        write_attributes(text, "\t\t", attributes)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use opentelemetry::trace::{Span as _, SpanContext, TraceContextExt as _, Tracer as _};
    use opentelemetry::trace::{TraceFlags, TraceId, TraceState, TracerProvider as _};
    use opentelemetry::{Context, KeyValue};
    use opentelemetry_sdk::error::OTelSdkResult;
    use opentelemetry_sdk::trace::{SdkTracerProvider, SpanExporter};
    use std::io;
    use std::sync::{Arc, Mutex};
    use std::time::{Duration, UNIX_EPOCH};

    /// A stream that takes only so many pieces.
    #[derive(Clone, Default)]
    struct Paper(Arc<Mutex<Vec<String>>>, usize);

    impl io::Write for Paper {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let mut pieces = self.0.lock().unwrap();
            if pieces.len() == self.1 {
                return Err(io::ErrorKind::BrokenPipe.into());
            }
            pieces.push(String::from_utf8(bytes.to_vec()).unwrap());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// Keeps the spans that have ended.
    #[derive(Clone, Debug, Default)]
    struct Memory(Arc<Mutex<Vec<SpanData>>>);

    impl SpanExporter for Memory {
        async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
            self.0.lock().unwrap().extend(batch);
            Ok(())
        }
    }

    fn print(spans: Vec<SpanData>, room: usize) -> (Vec<String>, Outcome) {
        print_as(ConsoleFormat::Text, spans, room)
    }

    fn print_as(
        format: ConsoleFormat,
        spans: Vec<SpanData>,
        room: usize,
    ) -> (Vec<String>, Outcome) {
        let paper = Paper(Arc::default(), room);
        let streams = crate::Streams::new(io::sink, paper.clone());
        let mut printer = SpanPrinter::new(streams.console(), format);
        let resource = Resource::builder_empty().with_service_name("store").build();
        Deliver::set_resource(&mut printer, &resource);
        let outcome = futures_util::FutureExt::now_or_never(printer.deliver(spans)).unwrap();
        let pieces = paper.0.lock().unwrap().clone();
        (pieces, outcome)
    }

    fn spans() -> Vec<SpanData> {
        let memory = Memory::default();
        let provider = SdkTracerProvider::builder().with_simple_exporter(memory.clone()).build();
        let tracer = provider.tracer("tests");
        let remote = |span| {
            let (flags, state) = (TraceFlags::SAMPLED, TraceState::default());
            SpanContext::new(TraceId::from(0xfeed), SpanId::from(span), flags, true, state)
        };
        let parent = Context::new().with_remote_span_context(remote(1));
        let at = |micros| UNIX_EPOCH + Duration::from_micros(micros);
        let mut span = tracer
            .span_builder("buy \u{1b}[31mpotatoes")
            .with_start_time(at(1))
            .start_with_context(&tracer, &parent);
        span.set_attribute(KeyValue::new("method", "GET\n"));
        span.set_attribute(KeyValue::new("pieces", 3));
        span.add_event_with_timestamp("sold", at(2), vec![KeyValue::new("last", true)]);
        span.add_link(remote(2), Vec::new());
        span.set_status(Status::error("sold out"));
        span.end_with_timestamp(at(1_000_003));
        tracer.start_with_context("a root", &Context::new()).end();
        memory.0.lock().unwrap().clone()
    }

    #[test]
    fn a_span_is_written_whole_and_without_control_characters() {
        let spans = spans();
        let id = spans[0].span_context.span_id();
        let (pieces, outcome) = print(spans, usize::MAX);
        assert!(outcome.failed == 0 && pieces.len() == 2, "{pieces:?}");
        assert_eq!(
            pieces[0],
            format!(
                "Spans
Resource
\t ->  service.name=\"store\"
Span #0
\tInstrumentation Scope
\t\tName         : \"tests\"

\tName         : buy \\u{{1b}}[31mpotatoes
\tTraceId      : 0000000000000000000000000000feed
\tSpanId       : {id}
\tParentSpanId : 0000000000000001
\tKind         : Internal
\tStart time   : 1970-01-01T00:00:00.000001Z
\tEnd time     : 1970-01-01T00:00:01.000003Z
\tStatus       : Error \"sold out\"
\tAttributes:
\t\t ->  method: \"GET\\n\"
\t\t ->  pieces: 3
\tEvent        : sold at 1970-01-01T00:00:00.000002Z
\t\t ->  last: true
\tLink         : trace 0000000000000000000000000000feed, span 0000000000000002
"
            )
        );
        assert!(pieces[1].contains("Name         : a root\n"), "{}", pieces[1]);
        assert!(pieces[1].contains("ParentSpanId : None (root span)\n"), "{}", pieces[1]);
    }

    #[test]
    fn a_span_is_an_object_as_the_tutorial_prints_it() {
        let mut spans = spans();
        let numbers = [1.5, f64::NAN].map(opentelemetry::Value::from);
        let list = opentelemetry::Array::String(vec!["a".into(), "b".into()]);
        spans[0].attributes.extend([
            KeyValue::new("method", "POST\u{9b}"),
            KeyValue::new("weight", numbers[0].clone()),
            KeyValue::new("unknown", numbers[1].clone()),
            KeyValue::new("list", opentelemetry::Value::Array(list)),
        ]);
        let ids = spans[1].span_context.clone();
        let id = spans[0].span_context.span_id();
        let (pieces, outcome) = print_as(ConsoleFormat::Json, spans, usize::MAX);
        assert!(outcome.failed == 0 && pieces.len() == 2, "{pieces:?}");
        assert_eq!(
            pieces[0],
            format!(
                r#"{{
    "name": "buy \u001b[31mpotatoes",
    "context": {{
        "trace_id": "0x0000000000000000000000000000feed",
        "span_id": "0x{id}",
        "trace_state": "[]"
    }},
    "kind": "SpanKind.INTERNAL",
    "parent_id": "0x0000000000000001",
    "start_time": "1970-01-01T00:00:00.000001Z",
    "end_time": "1970-01-01T00:00:01.000003Z",
    "status": {{
        "status_code": "ERROR",
        "description": "sold out"
    }},
    "attributes": {{
        "pieces": 3,
        "method": "POST\u009b",
        "weight": 1.5,
        "unknown": "NaN",
        "list": [
            "a",
            "b"
        ]
    }},
    "events": [
        {{
            "name": "sold",
            "timestamp": "1970-01-01T00:00:00.000002Z",
            "attributes": {{
                "last": true
            }}
        }}
    ],
    "links": [
        {{
            "context": {{
                "trace_id": "0x0000000000000000000000000000feed",
                "span_id": "0x0000000000000002",
                "trace_state": "[]"
            }},
            "attributes": {{}}
        }}
    ],
    "scope": {{
        "name": "tests"
    }},
    "resource": {{
        "service.name": "store"
    }}
}}
"#
            )
        );
        let read: serde_json::Value = serde_json::from_str(&pieces[1]).unwrap();
        assert_eq!(read["parent_id"], serde_json::Value::Null);
        assert_eq!(read["context"]["trace_id"], format!("0x{}", ids.trace_id()));
        assert_eq!(read["status"]["status_code"], "UNSET");
        assert_eq!(read["attributes"], serde_json::json!({}));
    }

    #[test]
    fn spans_that_a_reader_did_not_take_before_it_went_are_counted() {
        let (pieces, outcome) = print(spans(), 1);
        assert_eq!(pieces.len(), 1);
        // The span that was not taken is counted, but there is nothing to log.
        assert_eq!((outcome.failed, outcome.reason.as_str()), (1, ""));
    }
}
