//! Shared by the tests: pipelines, and the spans that are sent through them.

pub(crate) mod held;
pub(crate) mod log;
pub(crate) mod process;
pub(crate) mod story;

use shared::backoff::Backoff;
use std::time::Duration;
use telemetry::config::Config;
use telemetry::{Accounting, Pipeline, Service, Snapshot, TelemetryError};
use testing::{PATIENCE, wait_until};

/// The service that the tests' pipelines belong to.
pub(crate) const SERVICE: Service = Service {
    name: "grocery-store",
    namespace: "grocery",
    version: "1.2.3",
    baggage_attributes: &["shopper.kind"],
    quiet_targets: &["it::quiet"],
    crates: &["grocer"],
};

/// Reads a configuration from variables given as pairs.
pub(crate) fn config(variables: &[(&str, &str)]) -> Result<Config, TelemetryError> {
    Config::from_variables(variables)
}

/// Builds a pipeline from variables given as pairs.
pub(crate) fn pipeline(variables: &[(&str, &str)]) -> Pipeline {
    let config = config(variables).expect("the variables are valid");
    Pipeline::new(&SERVICE, &config).expect("the exporters can be built")
}

/// Builds a pipeline whose batches are sent again after a millisecond.
pub(crate) fn impatient(variables: &[(&str, &str)]) -> Pipeline {
    let mut config = config(variables).expect("the variables are valid");
    let millisecond = Duration::from_millis(1);
    config.back_off = Backoff { first: millisecond, longest: millisecond };
    Pipeline::new(&SERVICE, &config).expect("the exporters can be built")
}

/// Shuts `pipeline` down on another thread and fails if that does not end.
pub(crate) fn shutdown(pipeline: Pipeline) -> Snapshot {
    let accounting = pipeline.accounting();
    let (done, ended) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        pipeline.shutdown();
        pipeline.shutdown();
        done.send(()).ok();
    });
    ended.recv_timeout(PATIENCE).expect("shutting down is bounded");
    accounting.snapshot()
}

/// Waits until every span that has ended, and every log record, is accounted for.
pub(crate) fn settle(accounting: &Accounting) -> Snapshot {
    wait_until("no span is queued", || {
        let Snapshot { exporters, logs, .. } = accounting.snapshot();
        let logs = logs.unwrap_or_default().exporters;
        exporters.iter().chain(&logs).all(|exporter| exporter.queued == 0)
    });
    accounting.snapshot()
}

/// Asserts that the totals of every exporter add up.
pub(crate) fn assert_balanced(snapshot: &Snapshot) {
    for exporter in &snapshot.exporters {
        let sum = exporter.exported + exporter.failed + exporter.dropped + exporter.queued;
        assert_eq!(snapshot.ended, sum, "{snapshot}");
    }
    let logs = snapshot.logs.clone().unwrap_or_default();
    for exporter in &logs.exporters {
        let sum = exporter.exported + exporter.failed + exporter.dropped + exporter.queued;
        assert_eq!(logs.emitted, sum, "{snapshot}");
    }
}

/// How often a batch must be sent.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Attempts {
    Exactly(usize),
    /// So often, and once more for each attempt that a busy machine does not answer in time.
    AtLeast(usize),
    /// Again and again while there is time.
    Again,
}

impl Attempts {
    /// Asserts that so many requests are right.
    pub(crate) fn assert(self, requests: usize, context: &str) {
        match self {
            Attempts::Exactly(count) => assert_eq!(requests, count, "{context}"),
            Attempts::AtLeast(count) => assert!(requests >= count, "{context}: {requests}"),
            Attempts::Again => assert!(requests > 1, "{context}: {requests}"),
        }
    }

    /// Whether the batch is lost in the end.
    pub(crate) fn are_in_vain(self) -> bool {
        matches!(self, Attempts::Again)
    }
}
