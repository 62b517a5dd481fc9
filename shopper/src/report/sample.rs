//! A run for tests, with known figures: 20 s at 10 trips/s, with a stall of one second in the
//! middle and a few failures.

use std::time::Duration;

use opentelemetry::trace::TraceId;
use shared::fault::{FaultOutcome, Ignored};
use telemetry::ExporterTotals;

use crate::{
    outcome::{Failure, Outcome},
    plan::{Step, TripKind},
    result::{RunResult, Settings, Traffic},
    statistics::{FaultAnswer, Schedule, Statistics, StepEnd, StepRecord, TripRecord},
};

/// The settings of the run.
pub(crate) fn settings() -> Settings {
    Settings {
        started_at: "2027-01-15T08:00:00Z".to_owned(),
        store_url: "http://127.0.0.1:5000/".to_owned(),
        ui_url: "http://127.0.0.1:16686/".to_owned(),
        model: "open: 10 trips/s, even".to_owned(),
        mix: "browse-only 1, quick-buy 2".to_owned(),
        seed: 42,
        threads: 2,
        faults: vec!["stall=Aisle:1s@5%".to_owned()],
        ..Settings::default()
    }
}

/// What was measured in the run.
pub(crate) fn statistics() -> Statistics {
    let statistics = Statistics::new(settings());
    let recorder = statistics.recorder();
    for second in 0..20 {
        for n in second * 10..second * 10 + 10 {
            recorder.started();
            recorder.finished(&trip(n));
        }
        recorder.missed();
        if second == 19 {
            // A trip that has not ended.
            recorder.started();
        }
        let time = Duration::from_secs(second + 1);
        statistics.tick(time, Schedule { time, trips: Some(10.0 * time.as_secs_f64()) });
    }
    statistics
}

/// The counts of its spans.
pub(crate) fn spans() -> telemetry::Snapshot {
    let exporter = |name, exported, dropped| ExporterTotals {
        name,
        exported,
        dropped,
        ..ExporterTotals::default()
    };
    telemetry::Snapshot {
        started: 1204,
        ended: 1204,
        exporters: vec![exporter("otlp", 1204, 0), exporter("zipkin", 1192, 12)],
        ..telemetry::Snapshot::default()
    }
}

/// The result of the run.
pub(crate) fn result() -> RunResult {
    let mut result = statistics().result();
    result.account(&spans());
    result
}

/// The `n`th trip. One is due every tenth of a second; from 10 s to 11 s none can start.
fn trip(n: u64) -> TripRecord {
    let intended = Duration::from_millis(n * 100);
    let stall = Duration::from_secs(10)..Duration::from_secs(11);
    let started = if stall.contains(&intended) { stall.end } else { intended };
    let mut steps = [Step::Welcome, Step::Browse, Step::Checkout].map(|step| step_record(n, step));
    let faults = (n % 20 == 4).then(|| "stall=Aisle:1s".to_owned());
    if faults.is_some() {
        let answers = [
            FaultAnswer::Outcomes(vec![FaultOutcome::Honoured { struck: 0 }]),
            FaultAnswer::Outcomes(vec![FaultOutcome::Honoured { struck: 3 }]),
            match n {
                4 => FaultAnswer::NoAnswer,
                24 => FaultAnswer::Silent,
                _ => {
                    FaultAnswer::Outcomes(vec![FaultOutcome::Ignored(Ignored::TooManyExperiments)])
                }
            },
        ];
        for (step, answer) in steps.iter_mut().zip(answers) {
            step.fault_answers.push(answer);
        }
    }
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
        reason: (n % 67 == 31).then(|| "operation timed out".to_owned()),
        faults,
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
        fault_answers: Vec::new(),
    }
}
