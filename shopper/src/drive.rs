//! One run, from the first trip to the last one's end.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::AtomicU32,
        mpsc::{Sender, channel},
    },
    thread,
    time::Duration,
};

use actix::Arbiter;
use actix_opentelemetry::TracedStart;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep};

use crate::{
    actors::Crew,
    client::{Availability, StoreClient},
    clock::Clock,
    config::Config,
    error::ShopperError,
    pace::Pace,
    pacer::{Lane, Note, Pacer},
    plan::Planner,
    statistics::{Recorder, Statistics},
    ticket::Door,
    trip::{Itinerary, Shop},
};

/// How long trips that are under way may go on after the run has been told to stop.
pub const STOP_GRACE: Duration = Duration::from_secs(3);

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
    let arbiters: Vec<_> = (0..config.threads.get())
        .map(|_| Arbiter::try_new())
        .collect::<Result<_, _>>()
        .map_err(ShopperError::Thread)?;
    let (notes_tx, notes) = channel();
    let pacing = Pacing(notes_tx.clone());
    let (open, mut all_back) = tokio::sync::mpsc::channel::<Infallible>(1);
    let clock = Clock::start();
    let crews = Crews::new(config, itinerary, clock);
    let doors = Doors { clock, in_flight: Arc::default(), pacer: notes_tx, open };
    let lanes = arbiters.iter().zip(statistics.recorders());
    let lanes = lanes
        .map(|(arbiter, recorder)| Lane { crew: crews.start(arbiter), door: doors.open(recorder) })
        .collect();
    drop(doors);
    start_pacer(config, clock, lanes, notes)?;
    keep_time(config, statistics, clock, pacing, stop, &mut all_back).await;
    close(arbiters).await;
    statistics.tick(clock.now(), target_rate(config, clock.now()));
    Ok(())
}

/// Empties the recorders each second until all trips have ended, or the time to end them is up.
async fn keep_time(
    config: &Config,
    statistics: &Statistics,
    clock: Clock,
    pacing: Pacing,
    stop: impl Future<Output = ()>,
    all_back: &mut tokio::sync::mpsc::Receiver<Infallible>,
) {
    let mut stop = std::pin::pin!(stop);
    let mut grace = std::pin::pin!(sleep(Duration::MAX));
    let mut stopping = false;
    let mut ticks = interval_at(Instant::now() + TICK, TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        tokio::select! {
            _ = all_back.recv() => return,
            () = &mut grace, if stopping => return,
            () = &mut stop, if !stopping => {
                stopping = true;
                pacing.stop();
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

fn start_pacer(
    config: &Config,
    clock: Clock,
    lanes: Vec<Lane>,
    notes: std::sync::mpsc::Receiver<Note>,
) -> Result<(), ShopperError> {
    let pacer = Pacer {
        clock,
        pace: Pace::new(&config.load, config.seed),
        planner: Planner::new(config.seed, config.mix.clone(), config.faults.clone()),
        most_in_flight: config.load.most_in_flight().get(),
        trips_left: config.trips,
        end: config.duration,
        lanes,
        notes,
    };
    let thread = thread::Builder::new().name("pacer".into()).spawn(|| pacer.run());
    // It ends by itself: when the run does, or when told to.
    thread.map(drop).map_err(ShopperError::Thread)
}

/// Tells the pacer to stop when told so, and when the run is dropped.
struct Pacing(Sender<Note>);

impl Pacing {
    fn stop(&self) {
        // A pacer that is gone has stopped.
        self.0.send(Note::Stop).ok();
    }
}

impl Drop for Pacing {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Starts the crew of each thread.
struct Crews<'a> {
    config: &'a Config,
    itinerary: Itinerary,
    clock: Clock,
    availability: Arc<Availability>,
}

impl<'a> Crews<'a> {
    fn new(config: &'a Config, itinerary: Itinerary, clock: Clock) -> Self {
        let availability = Arc::new(Availability::new(config.store_url.clone()));
        Self { config, itinerary, clock, availability }
    }

    fn start(&self, arbiter: &Arbiter) -> actix::Addr<Crew> {
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

/// Makes the door of each thread.
struct Doors {
    clock: Clock,
    in_flight: Arc<AtomicU32>,
    pacer: Sender<Note>,
    open: tokio::sync::mpsc::Sender<Infallible>,
}

impl Doors {
    fn open(&self, recorder: Recorder) -> Arc<Door> {
        Arc::new(Door {
            clock: self.clock,
            recorder,
            in_flight: Arc::clone(&self.in_flight),
            pacer: self.pacer.clone(),
            _open: self.open.clone(),
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
