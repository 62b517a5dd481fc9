//! The statistics of a run at one moment, as plain data for whoever shows them.

use std::{collections::BTreeMap, time::Duration};

use super::{Latency, Second, SlowTrip, Traffic, interval::Interval, latency::percentile};
use crate::{outcome::Outcome, plan};

/// The statistics of a run at one moment.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// Time since the start of the run.
    pub elapsed: Duration,
    /// Trips per second that the schedule asks for now; `None` in the closed model, where the
    /// store's answers decide it.
    pub target_rate: Option<f64>,
    /// How many trips there are.
    pub trips: Trips,
    /// How the trips that did not fail ended (`bought`, `browsed`, `left`, `out-of-stock`,
    /// `gave-up`): the counts add up to `completed + gave_up`.
    pub outcomes: BTreeMap<String, u64>,
    /// How the others failed (`connect`, `timeout`, `disconnect`, `503`, `body`, `abandoned`): the
    /// counts add up to `failed`.
    pub failures: BTreeMap<String, u64>,
    /// Requests sent, retries included.
    pub requests: u64,
    /// Requests that repeated another.
    pub retries: u64,
    /// Bytes of request bodies.
    pub sent_bytes: u64,
    /// Bytes of response bodies.
    pub received_bytes: u64,
    /// How long the trips took.
    pub latency: Latency,
    /// The steps, in the order of a trip: always all of them.
    pub steps: Vec<Step>,
    /// The kinds of trip: always all of them.
    pub kinds: Vec<Kind>,
    /// The last whole second.
    pub last_second: Second,
    /// The run so far, oldest first.
    pub timeline: Vec<Second>,
    /// The slowest trips, slowest first.
    pub slowest: Vec<SlowTrip>,
}

/// How many trips there are: `scheduled = started + missed`,
/// `started = completed + gave_up + failed + in_flight`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Trips {
    /// Trips that the schedule has asked for.
    pub scheduled: u64,
    /// Trips started.
    pub started: u64,
    /// Trips that ended well.
    pub completed: u64,
    /// Trips that an impatient shopper broke off, as planned.
    pub gave_up: u64,
    /// Trips that failed.
    pub failed: u64,
    /// Trips that could not start, because as many shoppers as allowed were under way.
    pub missed: u64,
    /// Trips under way.
    pub in_flight: u64,
}

/// What happened in one step of the trips.
#[derive(Clone, Debug)]
pub struct Step {
    /// Its request, such as `GET /`.
    pub name: &'static str,
    /// How often it failed, after its retries.
    pub failures: u64,
    /// Requests sent, retries included.
    pub requests: u64,
    /// Bytes of request bodies.
    pub sent_bytes: u64,
    /// Bytes of response bodies.
    pub received_bytes: u64,
    /// How long it took, with its retries; `corrected` also has the delay of its trip's start.
    pub latency: Latency,
}

/// What happened to the trips of one kind.
#[derive(Clone, Debug)]
pub struct Kind {
    /// Its name, such as `quick-buy`.
    pub name: &'static str,
    /// Trips that ended.
    pub trips: u64,
    /// Trips that failed.
    pub failures: u64,
    /// Their median latency from the intended start.
    pub p50: Duration,
    /// The 99th percentile of the same.
    pub p99: Duration,
}

impl Snapshot {
    /// A snapshot of everything counted in `total`; the caller fills in what is about time.
    pub(super) fn of(total: &Interval) -> Self {
        let (mut outcomes, mut failures) = (BTreeMap::new(), BTreeMap::new());
        for (outcome, &count) in &total.outcomes {
            let of_its_sort =
                if outcome.failure().is_some() { &mut failures } else { &mut outcomes };
            of_its_sort.insert(outcome.name().into_owned(), count);
        }
        let mut traffic = Traffic::default();
        total.steps.iter().for_each(|step| traffic += step.traffic);
        Self {
            elapsed: Duration::ZERO,
            target_rate: None,
            trips: Trips::of(total),
            outcomes,
            failures,
            requests: traffic.requests,
            retries: traffic.retries,
            sent_bytes: traffic.sent_bytes,
            received_bytes: traffic.received_bytes,
            latency: total.latency.clone(),
            steps: steps(total),
            kinds: kinds(total),
            last_second: Second::default(),
            timeline: Vec::new(),
            slowest: total.slowest.trips().to_vec(),
        }
    }
}

impl Trips {
    fn of(total: &Interval) -> Self {
        let Interval { started, missed, .. } = *total;
        let (finished, failed) = (total.finished(), total.failed());
        let gave_up = total.outcomes.get(&Outcome::GaveUp).copied().unwrap_or(0);
        Self {
            scheduled: started + missed,
            started,
            completed: finished - failed - gave_up,
            gave_up,
            failed,
            missed,
            in_flight: started.saturating_sub(finished),
        }
    }
}

fn steps(total: &Interval) -> Vec<Step> {
    let all = plan::Step::ALL.iter().zip(&total.steps);
    all.map(|(step, counts)| Step {
        name: step.name(),
        failures: counts.failures,
        requests: counts.traffic.requests,
        sent_bytes: counts.traffic.sent_bytes,
        received_bytes: counts.traffic.received_bytes,
        latency: counts.latency.clone(),
    })
    .collect()
}

fn kinds(total: &Interval) -> Vec<Kind> {
    let all = plan::TripKind::ALL.iter().zip(&total.kinds);
    all.map(|(kind, counts)| Kind {
        name: kind.name(),
        trips: counts.latency.len(),
        failures: counts.failures,
        p50: percentile(&counts.latency, 50.0),
        p99: percentile(&counts.latency, 99.0),
    })
    .collect()
}
