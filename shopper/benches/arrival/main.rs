//! Arrival accuracy: 1,000 trips a second for 20 s, in the open model with Poisson arrivals, at a
//! store that stands still for a second in the middle.
//!
//! Started trips must be within 1% of the schedule, the times between arrivals at the store must
//! pass a Kolmogorov-Smirnov test for the exponential distribution, and the stall must show in the
//! 99th percentile. `cargo bench -p shopper --bench arrival` runs it, and fails if not. It is made
//! on two threads, which need a processor each: one thread sends a request in some 15 us, and 1.5%
//! of the gaps are shorter.
#![expect(clippy::print_stdout, reason = "its figures are what a benchmark is for")]

mod gate;

use std::{
    num::{NonZeroU32, NonZeroUsize},
    process::ExitCode,
    sync::mpsc,
    time::Duration,
};

use gate::Gate;
use shopper::{
    arrival::{Arrivals, RateProfile, Schedule},
    config::{Config, HttpConfig, Load, RunShare},
    drive,
    result::{RunResult, Settings},
    statistics::Statistics,
};

const RATE: f64 = 1000.0;
const RUN: Duration = Duration::from_secs(20);
const STALL: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(11));
const SEED: u64 = 42;
const THREADS: NonZeroUsize = NonZeroUsize::new(2).expect("it is not zero");

/// The critical value of the Kolmogorov-Smirnov statistic at a significance of 1%, times the root
/// of the sample's size.
const CRITICAL: f64 = 1.63;

fn main() -> ExitCode {
    let (arrivals_tx, arrivals) = mpsc::channel();
    let config = config(&Gate::new(STALL, arrivals_tx).open().expect("a port is free"));
    let statistics = Statistics::new(Settings::default());
    let driven = actix::System::new().block_on(drive(&config, &statistics, std::future::pending()));
    if let Err(error) = driven {
        println!("the run could not be made: {error}");
        return ExitCode::FAILURE;
    }
    if judge(&statistics.result(), &arrivals.try_iter().collect::<Vec<_>>()) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn config(store_url: &str) -> Config {
    Config {
        store_url: store_url.parse().expect("the server's address is a URL"),
        load: Load::Open {
            rate: RATE.to_string().parse().ok(),
            stages: None,
            arrivals: Arrivals::Poisson,
            max_shoppers: NonZeroU32::new(5000).expect("it is not zero"),
        },
        share: RunShare::WHOLE,
        threads: THREADS,
        trips: None,
        duration: Some(RUN),
        seed: SEED,
        mix: "browse-only=1".parse().expect("it is a mix"),
        patience: RUN,
        faults: vec![],
        http: HttpConfig {
            connect_timeout: RUN,
            request_timeout: RUN,
            retries: 0,
            retry_budget: "0%".parse().expect("it is a share"),
            authorities: None,
        },
        run_name: None,
        receipts: None,
        meters: None,
    }
}

/// Prints the figures, and says whether they are as they should be.
fn judge(result: &RunResult, arrivals: &[Duration]) -> bool {
    let profile = RateProfile::constant(RATE.to_string().parse().expect("it is a rate"));
    let schedule = Schedule::new(profile, Arrivals::Poisson, SEED);
    let scheduled = schedule.take_while(|start| *start < RUN).count();
    let trips = &result.trips;
    let deviation = trips.started as f64 / scheduled as f64 - 1.0;
    println!(
        "trips: {scheduled} scheduled, {} started ({:+.3}%), {} missed, {} failed {:?}",
        trips.started,
        deviation * 100.0,
        trips.missed,
        trips.failed,
        result.failures
    );
    let mut arrivals = arrivals.to_vec();
    // Two connections may be read in another order than their requests came in.
    arrivals.sort();
    let gaps: Vec<_> = arrivals.windows(2).map(|two| (two[1] - two[0]).as_secs_f64()).collect();
    let critical = CRITICAL / (gaps.len() as f64).sqrt();
    let (distance, at) = distance_to_exponential(gaps);
    println!("gaps: distance {distance:.4} (at {:.0} us), critical {critical:.4}", at * 1e6);
    for (name, latency) in
        [("corrected", &result.latency.corrected), ("service", &result.latency.service)]
    {
        let ms = |us: Option<u64>| us.unwrap_or(0) as f64 / 1000.0;
        println!(
            "{name}: p50 {:.2} ms, p90 {:.2} ms, p99 {:.1} ms, p99.9 {:.1} ms",
            ms(latency.p50_us),
            ms(latency.p90_us),
            ms(latency.p99_us),
            ms(latency.p99_9_us)
        );
    }
    // 1,000 of 20,000 trips wait evenly from 0 to 1 s: 1% of all wait longer than 0.8 s.
    let p99 = result.latency.corrected.p99_us.unwrap_or(0);
    deviation.abs() < 0.01 && distance < critical && (700_000..1_000_000).contains(&p99)
}

/// The Kolmogorov-Smirnov statistic of a sample of gaps, in seconds, against the distribution that
/// they have in a Poisson process of [`RATE`]; and at which gap the distance is that great.
fn distance_to_exponential(mut sample: Vec<f64>) -> (f64, f64) {
    sample.sort_by(f64::total_cmp);
    let n = sample.len() as f64;
    let distances = sample.iter().enumerate().map(|(index, &gap)| {
        let expected = 1.0 - (-RATE * gap).exp();
        let (below, above) = (index as f64 / n, (index + 1) as f64 / n);
        ((expected - below).abs().max((above - expected).abs()), gap)
    });
    distances.fold((0.0, 0.0), |most, next| if next.0 > most.0 { next } else { most })
}
