//! A run that tests know every figure of: 20 s at 10 trips/s, with a stall of one second in the
//! middle and a few failures.

use super::Run;
use super::document::{Document, Telemetry};
use crate::outcome::{Failure, Outcome};
use crate::plan::{Step, TripKind};
use crate::statistics::{Snapshot, Statistics, StepEnd, StepRecord, Traffic, TripRecord};
use opentelemetry::trace::TraceId;
use std::time::{Duration, SystemTime};
use telemetry::{self, ExporterTotals};

/// What the run was asked to do.
pub(crate) fn run() -> Run {
    Run {
        started_at: SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000),
        store_url: "http://127.0.0.1:5000/".to_owned(),
        ui_url: "http://127.0.0.1:16686/".to_owned(),
        model: "open: 10 trips/s, even".to_owned(),
        mix: "browse-only 1, quick-buy 2".to_owned(),
        seed: 42,
        threads: 2,
        faults: vec!["stall=Aisle:1s@5%".to_owned()],
    }
}

/// What was measured in it.
pub(crate) fn snapshot() -> Snapshot {
    let statistics = Statistics::new(1);
    let recorder = &statistics.recorders()[0];
    for second in 0..20 {
        for n in second * 10..second * 10 + 10 {
            recorder.started();
            recorder.finished(&trip(n));
        }
        recorder.missed();
        if second == 19 {
            // One that has not come back.
            recorder.started();
        }
        statistics.tick(Duration::from_secs(second + 1), Some(10.0));
    }
    statistics.snapshot()
}

/// What became of its spans.
pub(crate) fn spans() -> telemetry::Snapshot {
    let exporter =
        |name, exported, dropped| ExporterTotals { name, exported, failed: 0, dropped, queued: 0 };
    telemetry::Snapshot {
        started: 1204,
        ended: 1204,
        exporters: vec![exporter("otlp", 1204, 0), exporter("zipkin", 1192, 12)],
    }
}

/// Its report.
pub(crate) fn document() -> Document {
    Document { telemetry: Telemetry::from(&spans()), ..Document::new(&run(), &snapshot()) }
}

/// The `n`th trip: due every tenth of a second; from 10 s to 11 s nobody can start.
fn trip(n: u64) -> TripRecord {
    let intended = Duration::from_millis(n * 100);
    let stall = Duration::from_secs(10)..Duration::from_secs(11);
    let started = if stall.contains(&intended) { stall.end } else { intended };
    let steps = [Step::Welcome, Step::Browse, Step::Checkout].map(|step| step_record(n, step));
    TripRecord {
        intended,
        started,
        ended: started + steps.iter().map(|step| step.service).sum::<Duration>(),
        kind: TripKind::ALL[(n % 5) as usize],
        outcome: match n % 67 {
            13 => Outcome::Failed(Failure::Status(503)),
            31 => Outcome::Failed(Failure::Timeout),
            47 => Outcome::GaveUp,
            _ if n.is_multiple_of(5) => Outcome::Browsed,
            _ => Outcome::Bought,
        },
        trace_id: (!n.is_multiple_of(7)).then(|| TraceId::from(u128::from(n) << 64 | 0xfeed)),
        steps: steps.into(),
    }
}

fn step_record(n: u64, step: Step) -> StepRecord {
    let failed = step == Step::Checkout && matches!(n % 67, 13 | 31);
    let base = match step {
        Step::Welcome => 400,
        Step::Browse => 900,
        Step::Look | Step::Checkout => 2_500,
    };
    StepRecord {
        step,
        service: Duration::from_micros(base + n * 7_919 % 97 * 20),
        end: if failed { StepEnd::Failed } else { StepEnd::Answered },
        traffic: Traffic {
            requests: 1 + u64::from(failed),
            retries: u64::from(failed),
            sent_bytes: if step == Step::Checkout { 64 } else { 0 },
            received_bytes: 700,
        },
    }
}
