//! One run, from the first trip to the last one's end.

use std::{
    convert::Infallible,
    sync::{Arc, atomic::AtomicU32},
    time::Duration,
};

use actix::{Arbiter, spawn};
use actix_opentelemetry::TracedStart;
use tokio::{
    sync::mpsc,
    time::{Instant, MissedTickBehavior, interval_at, sleep},
};
use tokio_util::sync::CancellationToken;

use crate::{
    actors::Crew,
    client::{Availability, StoreClient, make_room},
    clock::Clock,
    config::{Config, Load},
    error::ShopperError,
    pace::{Allowance, Lane, Pace},
    pacer::Pacer,
    plan::Planner,
    statistics::{Recorder, Statistics},
    ticket::Door,
    trip::{Itinerary, Shop},
};

/// How long trips that are under way may go on after the run has been told to stop.
pub const STOP_GRACE: Duration = Duration::from_secs(2);

/// How often recorders are emptied into the statistics.
const TICK: Duration = Duration::from_secs(1);

/// Makes the trips that `config` asks for, until the last one has ended or `stop` resolves, and
/// counts them in `statistics`, which must have as many recorders as there are threads.
///
/// It must be called in an actix system. When it returns, every trip that was started has been
/// counted as ended and its span has ended too.
///
/// # Errors
/// [`ShopperError`] when the store's address cannot be used or a thread cannot be started.
pub async fn drive(
    config: &Config,
    statistics: &Statistics,
    stop: impl Future<Output = ()>,
) -> Result<(), ShopperError> {
    let itinerary = Itinerary::new(&config.store_url)?;
    make_room(config.load.most_in_flight());
    let arbiters: Vec<_> = (0..config.threads.get())
        .map(|_| Arbiter::try_new())
        .collect::<Result<_, _>>()
        .map_err(ShopperError::Thread)?;
    let (open, mut all_back) = mpsc::channel(1);
    let stopping = CancellationToken::new();
    // Also when the run is dropped.
    let _stop_at_the_end = stopping.clone().drop_guard();
    let clock = Clock::start();
    let lanes = Lanes {
        config,
        itinerary,
        clock,
        availability: Arc::new(Availability::new(config.store_url.clone())),
        in_flight: Arc::default(),
        allowance: Allowance::new(config.trips, stopping.clone()),
        stopping: stopping.clone(),
        open,
    };
    for (index, (arbiter, recorder)) in arbiters.iter().zip(statistics.recorders()).enumerate() {
        lanes.start(arbiter, Lane { index, count: config.threads }, recorder);
    }
    drop(lanes);
    keep_time(config, statistics, clock, stopping, stop, &mut all_back).await;
    close(arbiters).await;
    statistics.tick(clock.now(), target_rate(config, clock.now()));
    Ok(())
}

/// Empties the recorders each second until all trips have ended, or the time to end them is up.
async fn keep_time(
    config: &Config,
    statistics: &Statistics,
    clock: Clock,
    stopping: CancellationToken,
    stop: impl Future<Output = ()>,
    all_back: &mut mpsc::Receiver<Infallible>,
) {
    let mut stop = std::pin::pin!(stop);
    let mut grace = std::pin::pin!(sleep(Duration::MAX));
    let mut is_stopping = false;
    let mut ticks = interval_at(Instant::now() + TICK, TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        tokio::select! {
            _ = all_back.recv() => return,
            () = &mut grace, if is_stopping => return,
            () = &mut stop, if !is_stopping => {
                is_stopping = true;
                stopping.cancel();
                grace.as_mut().reset(Instant::now() + STOP_GRACE);
            }
            _ = ticks.tick() => {
                let now = clock.now();
                statistics.tick(now, target_rate(config, now));
            }
        }
    }
}

fn target_rate(config: &Config, now: Duration) -> Option<f64> {
    config.load.profile().map(|profile| profile.rate_at(now))
}

/// Starts the lanes of a run: on each thread a crew of shoppers, and a pacer that sends them.
struct Lanes<'a> {
    config: &'a Config,
    itinerary: Itinerary,
    clock: Clock,
    availability: Arc<Availability>,
    in_flight: Arc<AtomicU32>,
    allowance: Allowance,
    stopping: CancellationToken,
    open: mpsc::Sender<Infallible>,
}

impl Lanes<'_> {
    fn start(&self, arbiter: &Arbiter, lane: Lane, recorder: Recorder) {
        let config = self.config;
        let (seed, allowance) = (config.seed, self.allowance.clone());
        let (tell, returns) = mpsc::unbounded_channel();
        let door = Door {
            clock: self.clock,
            recorder,
            in_flight: Arc::clone(&self.in_flight),
            returns: matches!(config.load, Load::Closed { .. }).then_some(tell),
            _open: self.open.clone(),
        };
        let pacer = Pacer {
            clock: self.clock,
            pace: Pace::new(&config.load, seed, lane, allowance),
            planner: Planner::new(seed, config.mix.clone(), config.faults.clone()),
            most_in_flight: config.load.most_in_flight().get(),
            end: config.duration,
            crew: self.start_crew(arbiter),
            door: Arc::new(door),
            returns,
            stopping: self.stopping.clone(),
        };
        // If the thread has ended, so has the lane: its door is dropped with it.
        arbiter.spawn_fn(move || drop(spawn(pacer.run())));
    }

    fn start_crew(&self, arbiter: &Arbiter) -> actix::Addr<Crew> {
        let (itinerary, clock) = (self.itinerary.clone(), self.clock);
        let (http, patience) = (self.config.http.clone(), self.config.patience);
        let connections = self.config.load.most_in_flight();
        let availability = Arc::clone(&self.availability);
        // The client is made where it is used: it belongs to its thread.
        Crew::start_traced_in(&arbiter.handle(), move |_| {
            let client = StoreClient::new(&http, connections, availability);
            Crew::new(Shop { client, itinerary, clock, patience })
        })
    }
}

/// Ends the threads, and with them the trips that are still under way.
async fn close(arbiters: Vec<Arbiter>) {
    for arbiter in &arbiters {
        arbiter.stop();
    }
    let join = move || arbiters.into_iter().for_each(|arbiter| drop(arbiter.join()));
    // A thread that panicked has ended too.
    tokio::task::spawn_blocking(join).await.ok();
}
