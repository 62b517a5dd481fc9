//! A store as a process, with all that it and the processes of its lessons have sent to a backend.

use std::ops::Deref;

use actix_opentelemetry::testing::{SpanRecord, SpanStatus};
use tempfile::TempDir;
use testing::{http::HttpReceiver, otlp, span::Span};

use crate::{
    process::{StoreProcess, store_program},
    support::StoreClient,
};

/// A store that makes lessons, and the backend that it sends its spans to.
pub(super) struct TracedStore {
    store: StoreProcess,
    backend: HttpReceiver,
    _folder: TempDir,
}

impl TracedStore {
    pub(super) fn start() -> Self {
        let backend = HttpReceiver::answering(200);
        let folder = tempfile::tempdir().unwrap();
        // One thread for all requests: what a lesson does to its thread, all others would meet.
        let program = store_program(["--allow-faults", "--workers", "1"]).envs([
            ("OTEL_TRACES_EXPORTER", "otlp"),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", backend.url().as_str()),
            ("OTEL_BSP_MAX_QUEUE_SIZE", "65536"),
        ]);
        let store = StoreProcess::start_with_spans(program, &folder.path().join("store.db"));
        Self { store, backend, _folder: folder }
    }

    /// Ends the store, and returns all spans that have been sent, also by other processes.
    pub(super) fn end(self) -> Vec<SpanRecord> {
        let said = self.store.terminate();
        assert!(said.ends_with("failed=0 dropped=0"), "{said}");
        otlp::from_protobuf(&self.backend.received()).iter().map(record).collect()
    }

    /// The processes that the store has started and that have not ended.
    #[cfg(target_os = "linux")]
    pub(super) fn children(&self) -> Vec<String> {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.store.id())).unwrap();
        let children = |task: std::io::Result<std::fs::DirEntry>| {
            std::fs::read_to_string(task.unwrap().path().join("children")).unwrap_or_default()
        };
        let all: String = tasks.map(children).collect();
        all.split_whitespace().map(str::to_owned).collect()
    }
}

impl Deref for TracedStore {
    type Target = StoreClient;

    fn deref(&self) -> &StoreClient {
        &self.store
    }
}

fn record(span: &Span) -> SpanRecord {
    let mut record = SpanRecord::default();
    record.trace_id.clone_from(&span.trace_id);
    record.span_id.clone_from(&span.span_id);
    record.parent = Some(span.parent_id.clone()).filter(|parent| !parent.is_empty());
    record.service.clone_from(&span.resource["service.name"]);
    record.name.clone_from(&span.name);
    record.kind = span.kind.to_uppercase();
    record.status = match span.status.strip_prefix("error: ") {
        Some(description) => SpanStatus::Error(description.to_owned()),
        None if span.status == "ok" => SpanStatus::Ok,
        None => SpanStatus::Unset,
    };
    record.links =
        (span.links.iter()).map(|link| (link.trace_id.clone(), link.span_id.clone())).collect();
    record.attributes.clone_from(&span.attributes);
    record.start_unix_nano = span.start_us * 1_000;
    record.end_unix_nano = (span.start_us + span.duration_us) * 1_000;
    record
}
