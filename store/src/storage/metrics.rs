//! What is measured of the database: statements, and the pools of connections, by the conventions
//! for database clients: <https://opentelemetry.io/docs/specs/semconv/db/database-metrics/>.

use std::{
    borrow::Cow,
    time::{Duration, Instant},
};

use opentelemetry::{
    KeyValue,
    metrics::{Counter, Histogram, Meter, UpDownCounter},
};
use opentelemetry_semantic_conventions::{attribute as semconv, metric};

/// The bounds of the histograms, in seconds: from a statement that is answered from memory to one
/// after which its connection counts as lost.
const BOUNDS: [f64; 14] = [
    0.000_01, 0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.05, 0.1, 0.5,
    1.0, 10.0,
];

/// The `error.type` of what was given up before it was over.
const ABANDONED: &str = "abandoned";

/// Makes the histogram of the durations of statements.
pub(super) fn operation_duration(meter: &Meter) -> Histogram<f64> {
    seconds(
        meter,
        metric::DB_CLIENT_OPERATION_DURATION,
        "From the sending of a statement until its whole answer.",
    )
}

fn seconds(meter: &Meter, name: &'static str, description: &'static str) -> Histogram<f64> {
    meter
        .f64_histogram(name)
        .with_unit("s")
        .with_description(description)
        .with_boundaries(BOUNDS.to_vec())
        .build()
}

/// Measures a statement that is under way. If it is dropped before it is over, it was given up.
pub(super) struct Operation {
    duration: Histogram<f64>,
    attributes: Vec<KeyValue>,
    started: Instant,
    is_over: bool,
}

impl Operation {
    /// Starts to measure the statement with this summary. Its first word is the operation.
    pub(super) fn start(
        duration: &Histogram<f64>,
        of_database: &[KeyValue],
        summary: &'static str,
    ) -> Self {
        let operation = summary.split_once(' ').map_or(summary, |(operation, _)| operation);
        let mut attributes = Vec::with_capacity(of_database.len() + 4);
        attributes.extend_from_slice(of_database);
        attributes.push(KeyValue::new(semconv::DB_OPERATION_NAME, operation));
        attributes.push(KeyValue::new(semconv::DB_QUERY_SUMMARY, summary));
        Self { duration: duration.clone(), attributes, started: Instant::now(), is_over: false }
    }

    /// The statement has failed, with this kind of error, and with this code of the database if it
    /// gave one.
    pub(super) fn failed(&mut self, error_type: impl Into<Cow<'static, str>>, code: Option<&str>) {
        self.attributes.push(KeyValue::new(semconv::ERROR_TYPE, error_type.into()));
        if let Some(code) = code {
            let code = KeyValue::new(semconv::DB_RESPONSE_STATUS_CODE, code.to_owned());
            self.attributes.push(code);
        }
    }

    /// The statement is over.
    pub(super) fn end(mut self) {
        self.record();
    }

    fn record(&mut self) {
        self.is_over = true;
        self.duration.record(self.started.elapsed().as_secs_f64(), &self.attributes);
    }
}

impl Drop for Operation {
    fn drop(&mut self) {
        if !self.is_over {
            self.failed(ABANDONED, None);
            self.record();
        }
    }
}

/// Measures how the connections of one pool are used.
#[derive(Clone, Debug)]
pub(super) struct PoolMetrics {
    /// The name of the pool.
    attributes: [KeyValue; 1],
    wait: Histogram<f64>,
    usage: Histogram<f64>,
    pending: UpDownCounter<i64>,
    timeouts: Counter<u64>,
}

/// How many connections a pool has.
#[derive(Clone, Copy, Debug)]
pub(super) struct PoolSize {
    pub(super) name: &'static str,
    pub(super) used: i64,
    pub(super) idle: i64,
    pub(super) most: i64,
}

impl PoolMetrics {
    pub(super) fn new(meter: &Meter, pool: &'static str) -> Self {
        let metrics = Self {
            attributes: [KeyValue::new(semconv::DB_CLIENT_CONNECTION_POOL_NAME, pool)],
            wait: seconds(
                meter,
                metric::DB_CLIENT_CONNECTION_WAIT_TIME,
                "How long it took to get a connection from the pool.",
            ),
            usage: seconds(
                meter,
                metric::DB_CLIENT_CONNECTION_USE_TIME,
                "From the borrowing of a connection until it is returned or closed.",
            ),
            pending: meter
                .i64_up_down_counter(metric::DB_CLIENT_CONNECTION_PENDING_REQUESTS)
                .with_unit("{request}")
                .with_description("Requests that wait for a connection.")
                .build(),
            timeouts: meter
                .u64_counter(metric::DB_CLIENT_CONNECTION_TIMEOUTS)
                .with_unit("{timeout}")
                .with_description("Requests that got no connection in time.")
                .build(),
        };
        // It is exported before it counts, so that a backend sees its first increase.
        metrics.timeouts.add(0, &metrics.attributes);
        metrics
    }

    /// A request waits for a connection, until the result is dropped.
    pub(super) fn wait(&self) -> Waiting<'_> {
        self.pending.add(1, &self.attributes);
        Waiting { metrics: self, since: Instant::now() }
    }
}

/// A request that waits for a connection.
pub(super) struct Waiting<'p> {
    metrics: &'p PoolMetrics,
    since: Instant,
}

impl Waiting<'_> {
    /// It has got one, and uses it until the result is dropped.
    pub(super) fn served(self) -> InUse {
        let waited = self.since.elapsed().as_secs_f64();
        self.metrics.wait.record(waited, &self.metrics.attributes);
        let PoolMetrics { usage, attributes, .. } = self.metrics.clone();
        InUse { usage, attributes, since: Instant::now() }
    }

    /// It has waited too long.
    pub(super) fn timed_out(self) {
        self.metrics.timeouts.add(1, &self.metrics.attributes);
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.metrics.pending.add(-1, &self.metrics.attributes);
    }
}

/// Measures how long a connection is used.
pub(super) struct InUse {
    usage: Histogram<f64>,
    attributes: [KeyValue; 1],
    since: Instant,
}

impl Drop for InUse {
    fn drop(&mut self) {
        let used: Duration = self.since.elapsed();
        self.usage.record(used.as_secs_f64(), &self.attributes);
    }
}

/// Has the sizes of the pools read whenever metrics are exported.
pub(super) fn observe_pools(
    meter: &Meter,
    sizes: impl Fn() -> Vec<PoolSize> + Clone + Send + Sync + 'static,
) {
    let name = |size: &PoolSize| KeyValue::new(semconv::DB_CLIENT_CONNECTION_POOL_NAME, size.name);
    let state = |state: &'static str| KeyValue::new(semconv::DB_CLIENT_CONNECTION_STATE, state);
    let by_state = sizes.clone();
    meter
        .i64_observable_up_down_counter(metric::DB_CLIENT_CONNECTION_COUNT)
        .with_unit("{connection}")
        .with_description("Open connections.")
        .with_callback(move |count| {
            for size in by_state() {
                count.observe(size.used, &[name(&size), state("used")]);
                count.observe(size.idle, &[name(&size), state("idle")]);
            }
        })
        .build();
    meter
        .i64_observable_up_down_counter(metric::DB_CLIENT_CONNECTION_MAX)
        .with_unit("{connection}")
        .with_description("The most connections that may be open.")
        .with_callback(move |most| {
            for size in sizes() {
                most.observe(size.most, &[name(&size)]);
            }
        })
        .build();
}
