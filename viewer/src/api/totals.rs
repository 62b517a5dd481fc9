//! What is held, what came in, what became of it.

use serde::Serialize;

use super::instruments;
use super::monitor::Held;
use super::{Receives, State};
use crate::stats::SignalStats;

/// The statistics as the page shows them.
#[derive(Debug, Serialize)]
pub(super) struct Totals {
    version: &'static str,
    uptime_s: u64,
    spans: usize,
    traces: usize,
    bytes: usize,
    max_spans: usize,
    max_bytes: usize,
    services: usize,
    oldest_us: Option<u64>,
    newest_us: Option<u64>,
    evicted: Evicted,
    duplicates: u64,
    overflow: u64,
    cut: u64,
    spans_per_second: f64,
    logs: LogTotals,
    monitor: Held,
    metrics: instruments::Held,
    signals: Signals,
    receives: Receives,
    live_clients: usize,
}

#[derive(Debug, Serialize)]
struct Evicted {
    traces: u64,
    spans: u64,
}

/// The log records: what is held and what became of others.
#[derive(Debug, Serialize)]
struct LogTotals {
    records: usize,
    bytes: usize,
    max_records: usize,
    max_bytes: usize,
    services: usize,
    evicted: u64,
    cut: u64,
}

#[derive(Debug, Serialize)]
struct Signals {
    traces: SignalStats,
    metrics: SignalStats,
    logs: SignalStats,
}

/// The statistics now.
pub(super) fn totals(state: &State) -> Totals {
    let stats = &state.stats;
    let live_clients = state.live.clients();
    let logs = {
        let logs = state.store.logs();
        LogTotals {
            records: logs.len(),
            bytes: logs.bytes(),
            max_records: logs.bounds().records,
            max_bytes: logs.bounds().bytes,
            services: logs.services().len(),
            evicted: logs.evicted,
            cut: logs.cut,
        }
    };
    let metrics = instruments::Held::of(&state.store.instruments());
    let store = state.store.read();
    Totals {
        version: env!("CARGO_PKG_VERSION"),
        uptime_s: stats.uptime().as_secs(),
        spans: store.span_count(),
        traces: store.trace_count(),
        bytes: store.bytes(),
        max_spans: store.bounds().spans,
        max_bytes: store.bounds().bytes,
        services: store.catalog.service_count(),
        oldest_us: store.oldest().map(|trace| trace.start / 1_000),
        newest_us: store.newest_first().next().map(|trace| trace.start / 1_000),
        evicted: Evicted { traces: store.totals.evicted_traces, spans: store.totals.evicted_spans },
        duplicates: store.totals.duplicates,
        overflow: store.totals.overflow,
        cut: store.totals.cut,
        spans_per_second: stats.spans_per_second(),
        logs,
        monitor: Held::of(&store.monitor),
        metrics,
        signals: Signals {
            traces: stats.traces.snapshot(),
            metrics: stats.metrics.snapshot(),
            logs: stats.logs.snapshot(),
        },
        receives: state.receives,
        live_clients,
    }
}
