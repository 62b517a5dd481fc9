//! Every figure of a run, calculated again from the log of the store.

use std::{
    num::{NonZeroU32, NonZeroU64, NonZeroUsize},
    time::Duration,
};

use proptest::{
    prelude::*,
    test_runner::{Config as Cases, RngSeed, TestRunner},
};
use shopper::{
    arrival::{Arrivals, RateProfile, Schedule},
    config::{Config, Load, Think},
    result::RunResult,
};

use crate::{
    stub::{Reply, Stub},
    support::{one_trip, run},
};

fn open(rate: Option<&str>, stages: Option<&str>, arrivals: Arrivals) -> Load {
    Load::Open {
        rate: rate.map(|rate| rate.parse().unwrap()),
        stages: stages.map(|stages| stages.parse().unwrap()),
        arrivals,
        max_shoppers: NonZeroU32::new(1000).unwrap(),
    }
}

/// A store whose welcome is slow, so that answers come long after the last trip has started.
fn slow() -> Stub {
    Stub::start(|asked| match asked.line.as_str() {
        "GET /" => Reply::After(Duration::from_millis(300)),
        _ => Reply::Proper,
    })
}

fn to_three_places(value: f64) -> f64 {
    (value * 1e3).round() / 1e3
}

/// The counts of the run are those of the store's log.
fn assert_as_the_store_saw_it(result: &RunResult, stub: &Stub) {
    let asked = stub.asked();
    let of = |line: &str| asked.iter().filter(|asked| asked.line == line).count() as u64;
    assert_eq!(result.trips.started, of("GET /"));
    assert_eq!(result.requests.requests, asked.len() as u64);
    let sent: usize = asked.iter().map(|asked| asked.body.len()).sum();
    assert_eq!(result.requests.sent_bytes, sent as u64);
    for step in &result.steps {
        let line = step.name.replace("{id}", "1");
        assert_eq!(step.requests, of(&line), "{line}");
    }
}

#[test]
fn rates_are_of_the_schedule_and_not_of_the_last_answers() {
    let cases = Cases {
        cases: 6,
        rng_seed: RngSeed::Fixed(5),
        failure_persistence: None,
        ..Cases::default()
    };
    let arrivals = prop::sample::select(vec![Arrivals::Even, Arrivals::Poisson]);
    let run_of = (10_u32..150, 200_u64..600, arrivals, 1_usize..4, any::<u64>());
    TestRunner::new(cases)
        .run(&run_of, |(rate, ms, arrivals, threads, seed)| {
            actix_web::rt::System::new().block_on(async {
                let (stub, duration) = (slow(), Duration::from_millis(ms));
                let rate = rate.to_string();
                let result = run(&Config {
                    load: open(Some(&rate), None, arrivals),
                    threads: NonZeroUsize::new(threads).unwrap(),
                    trips: None,
                    duration: Some(duration),
                    seed,
                    ..one_trip(&stub.url)
                })
                .await;
                let profile = RateProfile::constant(rate.parse().unwrap());
                let schedule = Schedule::new(profile, arrivals, seed);
                let scheduled = schedule.take_while(|due| *due < duration).count();
                assert_eq!(result.trips.scheduled, scheduled as u64);
                assert_as_the_store_saw_it(&result, &stub);
                let per_second =
                    |count: u64| to_three_places(count as f64 / duration.as_secs_f64());
                let shown = &result.rate;
                assert_eq!(shown.target_per_s, Some(rate.parse().unwrap()));
                assert_eq!(shown.started_per_s, per_second(result.trips.started));
                assert_eq!(shown.completed_per_s, per_second(result.trips.completed));
                assert_eq!(shown.requests_per_s, per_second(stub.asked().len() as u64));
                assert_eq!(result.run.scheduled, duration);
                assert!(result.run.elapsed >= duration, "{:?}", result.run.elapsed);
            });
            Ok(())
        })
        .unwrap();
}

/// A ramp from 0 to 80 trips a second in half a second makes 20 trips, 40 a second. The answers
/// take longer than that.
#[actix_web::test]
async fn a_ramp_is_held_against_what_it_asked_for() {
    let stub = slow();
    let load = open(None, Some("500ms@80"), Arrivals::Even);
    let result = run(&Config { load, trips: None, ..one_trip(&stub.url) }).await;
    assert_eq!((result.trips.started, result.trips.missed), (20, 0));
    assert_eq!((result.rate.target_per_s, result.rate.started_per_s), (Some(40.0), 40.0));
    let asked: f64 = result
        .timeline
        .iter()
        .filter_map(|point| Some(point.target_per_s? * point.length.as_secs_f64()))
        .sum();
    assert!((asked - 20.0).abs() < 0.01, "{asked} in {:?}", result.timeline);
    let last = result.timeline.last().unwrap();
    assert_eq!(last.target_per_s, None, "the target ends with the schedule");
}

#[actix_web::test]
async fn a_number_of_trips_is_a_schedule_until_the_next_one_would_be_due() {
    for threads in [1, 3] {
        let stub = slow();
        let result = run(&Config {
            load: open(Some("50"), None, Arrivals::Even),
            trips: NonZeroU64::new(20),
            threads: NonZeroUsize::new(threads).unwrap(),
            ..one_trip(&stub.url)
        })
        .await;
        assert_eq!(result.run.scheduled, Duration::from_millis(400));
        assert_eq!((result.rate.target_per_s, result.rate.started_per_s), (Some(50.0), 50.0));
        assert_as_the_store_saw_it(&result, &stub);
    }
}

/// One shopper that thinks 50 ms after each of its trips.
#[actix_web::test]
async fn the_closed_model_has_a_schedule_until_the_next_shopper_would_go() {
    let stub = Stub::proper();
    let run_of = async |trips: u32, every| {
        let load = Load::Closed { shoppers: NonZeroU32::MIN, every, think: Think::Fixed };
        let trips = NonZeroU64::new(trips.into());
        run(&Config { load, trips, ..one_trip(&stub.url) }).await
    };
    // The run is over when its only trip is, long before the next would go.
    let an_hour = Duration::from_secs(3600);
    for (trips, every, longest_run) in
        [(5, Duration::from_millis(50), Duration::MAX), (1, an_hour, an_hour)]
    {
        let result = run_of(trips, every).await;
        let (scheduled, elapsed) = (result.run.scheduled, result.run.elapsed);
        assert!(scheduled >= trips * every && elapsed < longest_run, "{scheduled:?} {elapsed:?}");
        assert_eq!(result.rate.target_per_s, None);
        let started_per_s = to_three_places(f64::from(trips) / scheduled.as_secs_f64());
        assert_eq!(result.rate.started_per_s, started_per_s);
    }
}

/// Every place that shows a maximum shows the latency of the slowest trip.
#[actix_web::test]
async fn the_maximum_is_that_of_the_slowest_trip() {
    let stub = Stub::start(|asked| match (asked.line.as_str(), asked.before) {
        ("GET /", 3) => Reply::After(Duration::from_millis(412)),
        _ => Reply::Proper,
    });
    let result = run(&Config { trips: NonZeroU64::new(10), ..one_trip(&stub.url) }).await;
    let slowest = Some(result.slowest[0].latency_us);
    assert!(slowest >= Some(412_000), "{slowest:?}");
    assert_eq!(result.latency.corrected.max_us, slowest);
    assert_eq!(result.timeline.iter().filter_map(|point| point.max_us).max(), slowest);
    assert_eq!(result.distribution.corrected.last().map(|at| at.us), slowest);
}

/// How one trip ends.
#[derive(Clone, Copy, Debug)]
enum Fate {
    Bought,
    OutOfStock,
    /// The request of this step is answered with this status.
    Fails(usize, u16),
}

const LINES: [&str; 3] = ["GET /", "GET /whats-in-store", "POST /checkout"];

/// Every count of a run, whose trips end in random ways, compared with the log of the store.
#[test]
fn every_count_is_that_of_the_store() {
    let cases = Cases {
        cases: 12,
        rng_seed: RngSeed::Fixed(7),
        failure_persistence: None,
        ..Cases::default()
    };
    let fate = prop_oneof![
        4 => Just(Fate::Bought),
        1 => Just(Fate::OutOfStock),
        2 => (0_usize..3, prop::sample::select(vec![400, 404, 500, 503]))
            .prop_map(|(step, status)| Fate::Fails(step, status)),
    ];
    TestRunner::new(cases)
        .run(&(prop::collection::vec(fate, 1..40), 1_usize..4), |(fates, threads)| {
            actix_web::rt::System::new().block_on(assert_counts(fates, threads));
            Ok(())
        })
        .unwrap();
}

async fn assert_counts(fates: Vec<Fate>, threads: usize) {
    let table = fates.clone();
    // In the open model each trip has a shopper of its own, whose number travels with it.
    let stub = Stub::start(move |asked| {
        let shopper: usize = asked.baggage("shopper.id").unwrap().parse().unwrap();
        match table[shopper - 1] {
            Fate::Fails(step, status) if asked.line == LINES[step] => Reply::Status(status),
            Fate::OutOfStock if asked.line == LINES[2] => Reply::Status(409),
            _ => Reply::Proper,
        }
    });
    let trips = fates.len() as u64;
    let result = run(&Config {
        load: open(Some("1000"), None, Arrivals::Even),
        trips: NonZeroU64::new(trips),
        threads: NonZeroUsize::new(threads).unwrap(),
        ..one_trip(&stub.url)
    })
    .await;
    let count = |is: &dyn Fn(&Fate) -> bool| fates.iter().filter(|fate| is(fate)).count() as u64;
    let bought = count(&|fate| matches!(fate, Fate::Bought));
    let out_of_stock = count(&|fate| matches!(fate, Fate::OutOfStock));
    assert_eq!(result.trips.failed, trips - bought - out_of_stock);
    assert_eq!(result.outcomes.get("bought").copied().unwrap_or(0), bought);
    assert_eq!(result.outcomes.get("out-of-stock").copied().unwrap_or(0), out_of_stock);
    for (name, failed) in &result.failures {
        let status: u16 = name.parse().unwrap();
        assert_eq!(*failed, count(&|fate| matches!(fate, Fate::Fails(_, of) if *of == status)));
    }
    for step in &result.steps {
        let fails = |fate: &Fate| matches!(fate, Fate::Fails(at, _) if LINES[*at] == step.name);
        assert_eq!(step.failures, count(&fails), "{}", step.name);
    }
    assert_eq!(result.kinds.iter().map(|kind| kind.failures).sum::<u64>(), result.trips.failed);
    assert_as_the_store_saw_it(&result, &stub);
}
