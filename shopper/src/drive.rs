//! One run, from the start of the first trip to the end of the last.

use std::{
    convert::Infallible,
    io,
    sync::{Arc, atomic::AtomicU32},
    time::Duration,
};

use actix::{Arbiter, spawn};
use actix_web_opentelemetry::ClientMetrics;
use telemetry::TelemetryError;
use tokio::{
    sync::mpsc,
    time::{Instant, MissedTickBehavior, interval_at, sleep},
};
use tokio_util::sync::CancellationToken;

use crate::{
    actors::ShopperPool,
    arrival::RateProfile,
    client::{Availability, StoreClient, make_room},
    config::{Config, Load, RunShare},
    metrics::TripMetrics,
    order_keys::OrderKeys,
    pace::{Allowance, Pace, ScheduleEnd, Shard},
    plan::Planner,
    receipts::ReceiptsError,
    report::ReportError,
    shard::{Lead, Pacer},
    statistics::{Recorder, Schedule, Statistics},
    tls::Tls,
    trip::{Itinerary, Orders, StoreUrlError, TripContext},
    under_way::{Clock, Run, TripCounters},
};

/// How long trips that are under way may go on after the run has been told to stop.
pub const STOP_GRACE: Duration = Duration::from_secs(2);

/// How often recorders are emptied into the statistics.
const TICK: Duration = Duration::from_secs(1);

/// Why a run could not be made.
#[derive(Debug, thiserror::Error)]
pub enum ShopperError {
    /// The store's address cannot be used.
    #[error(transparent)]
    StoreUrl(#[from] StoreUrlError),
    /// There are no certificates to check those of the store with.
    #[error("cannot make connections with TLS: {0}")]
    Tls(String),
    /// Telemetry cannot be set up.
    #[error(transparent)]
    Telemetry(#[from] TelemetryError),
    /// A thread could not be started.
    #[error("cannot start a thread: {0}")]
    Thread(#[source] io::Error),
    /// The signals that end a run cannot be received.
    #[error("cannot listen for signals: {0}")]
    Signals(#[source] io::Error),
    /// The receipts could not be written.
    #[error(transparent)]
    Receipts(#[from] ReceiptsError),
    /// The report could not be written.
    #[error(transparent)]
    Report(#[from] ReportError),
}

/// Makes the trips that `config` asks for and counts them in `statistics`, until the last trip has
/// ended or `stop` resolves.
///
/// It must be called in an actix system. When it returns, every trip that was started has been
/// counted as ended, and its span has ended too.
///
/// # Errors
/// [`ShopperError`] when the store's address cannot be used or a thread cannot be started.
pub async fn drive(
    config: &Config,
    statistics: &Statistics,
    stop: impl Future<Output = ()>,
) -> Result<(), ShopperError> {
    let itinerary = Itinerary::new(&config.store_url)?;
    let tls = Tls::for_url(&config.store_url, config.http.authorities.as_deref());
    let tls = tls.map_err(ShopperError::Tls)?;
    make_room(config.most_in_flight());
    let arbiters: Vec<_> = (0..config.threads.get())
        .map(|_| Arbiter::try_new())
        .collect::<Result<_, _>>()
        .map_err(ShopperError::Thread)?;
    telemetry::observe_runtime("main");
    for arbiter in &arbiters {
        arbiter.spawn_fn(|| telemetry::observe_runtime("trips"));
    }
    let (open, mut all_back) = mpsc::channel(1);
    let stopping = CancellationToken::new();
    // The threads also stop if this future is dropped.
    let _stop_at_the_end = stopping.clone().drop_guard();
    let clock = Clock::start();
    let timing = Timing::new(config, clock);
    let run = Run {
        clock,
        metrics: TripMetrics::new(config.meters.as_ref()),
        most_in_flight: config.most_in_flight().get(),
        in_flight: AtomicU32::new(0),
        schedule_end: timing.end.clone(),
        stopping: stopping.clone(),
        _open: open,
    };
    let threads = Threads {
        config: Arc::new(config.clone()),
        itinerary,
        tls,
        requests: config.meters.as_ref().map(ClientMetrics::new),
        availability: Arc::new(Availability::new(config.store_url.clone())),
        allowance: Allowance::of_share(&config.load, config.trips, config.share, stopping.clone()),
        run: Arc::new(run),
    };
    for (shard, arbiter) in Shard::of_share(config.share, config.threads).zip(&arbiters) {
        threads.start(arbiter, shard, statistics.recorder());
    }
    drop(threads);
    timing.keep(statistics, stopping, stop, &mut all_back).await;
    close(arbiters).await;
    statistics.tick(clock.now(), timing.whole_schedule());
    Ok(())
}

/// How long a run has gone on, and how many trips its schedule asks this process for.
struct Timing {
    clock: Clock,
    profile: Option<RateProfile>,
    share: RunShare,
    end: ScheduleEnd,
}

impl Timing {
    fn new(config: &Config, clock: Clock) -> Self {
        let profile = config.load.profile();
        let end = [config.duration, profile.as_ref().and_then(RateProfile::end)];
        let share = config.share;
        Self { clock, profile, share, end: ScheduleEnd::new(end.into_iter().flatten().min()) }
    }

    /// Empties the recorders each second until all trips have ended, or until [`STOP_GRACE`] after
    /// `stop` has resolved.
    async fn keep(
        &self,
        statistics: &Statistics,
        stopping: CancellationToken,
        stop: impl Future<Output = ()>,
        all_back: &mut mpsc::Receiver<Infallible>,
    ) {
        let mut stop = std::pin::pin!(stop);
        let mut grace = std::pin::pin!(sleep(Duration::MAX));
        // At the end of the schedule a new point of the time line begins, so that no point is
        // partly within the schedule.
        let known_end = self.end.get().unwrap_or(Duration::MAX);
        let mut schedule_over = std::pin::pin!(sleep(known_end.saturating_sub(self.clock.now())));
        let (mut is_stopping, mut is_over) = (false, false);
        let mut ticks = interval_at(Instant::now() + TICK, TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            tokio::select! {
                _ = all_back.recv() => return,
                () = &mut grace, if is_stopping => return,
                () = &mut stop, if !is_stopping => {
                    is_stopping = true;
                    self.end.not_after(self.clock.now());
                    stopping.cancel();
                    grace.as_mut().reset(Instant::now() + STOP_GRACE);
                }
                () = &mut schedule_over, if !is_over => {
                    is_over = true;
                    ticks.reset();
                    statistics.tick(self.clock.now(), self.schedule());
                }
                _ = ticks.tick() => statistics.tick(self.clock.now(), self.schedule()),
            }
        }
    }

    /// How many trips the schedule has asked for until now.
    fn schedule(&self) -> Schedule {
        let now = self.clock.now();
        self.schedule_until(self.end.get().map_or(now, |end| end.min(now)))
    }

    /// How many trips the whole schedule has asked for. Its end may be later than now: it ends when
    /// the trip after the last would have been due, and the last trip may be over before that.
    fn whole_schedule(&self) -> Schedule {
        self.schedule_until(self.end.get().unwrap_or_else(|| self.clock.now()))
    }

    fn schedule_until(&self, time: Duration) -> Schedule {
        let shares = f64::from(self.share.count().get());
        let trips = self.profile.as_ref().map(|all| all.expected_until(time) / shares);
        Schedule { time, trips }
    }
}

/// What each thread of a run makes its own parts of.
#[derive(Clone)]
struct Threads {
    config: Arc<Config>,
    itinerary: Itinerary,
    tls: Option<Tls>,
    requests: Option<ClientMetrics>,
    availability: Arc<Availability>,
    allowance: Allowance,
    run: Arc<Run>,
}

impl Threads {
    /// Starts a shard of the trips on a thread.
    fn start(&self, arbiter: &Arbiter, shard: Shard, recorder: Recorder) {
        let thread = self.clone();
        // If the thread has ended already, all of this is dropped here, and with it the run.
        arbiter.spawn_fn(move || drop(spawn(thread.pacer(shard, recorder).run())));
    }

    /// What starts the trips of a shard on the current thread.
    fn pacer(self, shard: Shard, recorder: Recorder) -> Pacer {
        let pool = self.pool();
        let Self { config, allowance, run, .. } = self;
        let (tell, returns) = mpsc::unbounded_channel();
        let returns_of_closed = matches!(config.load, Load::Closed { .. }).then_some(tell);
        let counters = TripCounters { run: Arc::clone(&run), recorder, returns: returns_of_closed };
        Pacer {
            run,
            pace: Pace::new(&config.load, config.seed, shard, allowance),
            planner: Planner::new(config.seed, config.mix.clone(), config.faults.clone()),
            end: config.duration,
            pool,
            counters: Arc::new(counters),
            returns,
            lead: Lead::new(),
        }
    }

    /// The shoppers of the current thread, with a client of their own, since that cannot be sent to
    /// another thread.
    fn pool(&self) -> ShopperPool {
        let config = &self.config;
        let client = StoreClient::new(
            &config.http,
            config.most_in_flight(),
            Arc::clone(&self.availability),
            self.requests.clone(),
            self.tls.clone(),
        );
        let (clock, patience) = (self.run.clock, config.patience);
        let orders = Orders {
            keys: OrderKeys::new(config.run_name.as_ref(), config.seed),
            receipts: config.receipts.clone(),
        };
        ShopperPool::new(TripContext::new(client, &self.itinerary, clock, patience, orders))
    }
}

/// Ends the threads, and with them the trips that are still under way.
async fn close(arbiters: Vec<Arbiter>) {
    for arbiter in &arbiters {
        arbiter.stop();
    }
    let join = move || arbiters.into_iter().for_each(|arbiter| drop(arbiter.join()));
    // Joining fails only if the thread panicked, and then it has ended too.
    tokio::task::spawn_blocking(join).await.ok();
}
