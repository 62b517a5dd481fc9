//! Opens the store (the database, then the actors, then HTTP) and closes it again (HTTP, then the
//! actors, then the database).

use std::{future, io, net::SocketAddr, time::Duration};

use actix_rt::Arbiter;
use actix_web::{App, HttpServer, dev::Service as _, middleware::Condition, web};
use actix_web_opentelemetry::{RequestMetrics, RequestTracing};
use opentelemetry::{Context, trace::FutureExt as _};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};

use crate::{
    actors::{ActorParts, ActorPools, RetentionPolicy, ShopMetrics},
    config::Config,
    http::{self, AppState, InTrace},
    storage::{SpaceReturn, Storage, StorageError},
};

/// How long a store that was told to stop may take to finish the requests under way, and then again
/// to close its actors and database.
pub const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(5);

/// How often the store does what no request triggers, see [`keep_house`].
const HOUSEKEEPING_INTERVAL: Duration = Duration::from_secs(1);

/// How long no actor must have stopped before the log says that they run again.
const CALM: Duration = Duration::from_secs(5);

/// Why a store does not run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It cannot listen on the address.
    #[error("cannot listen on {listen}: {source}")]
    Listen {
        /// The address.
        listen: SocketAddr,
        /// What the operating system says.
        source: io::Error,
    },
    /// Its database cannot be opened.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// It stopped serving without being told to.
    #[error("the store stopped serving: {0}")]
    Serve(#[source] io::Error),
}

/// A running store.
#[derive(Debug)]
pub struct Running {
    addr: SocketAddr,
    done: actix_rt::task::JoinHandle<Result<(), Error>>,
}

impl Running {
    /// The address it listens on.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Waits until the store has stopped and has finished what was under way.
    ///
    /// # Errors
    /// [`Error::Serve`] if it stopped without being told to.
    pub async fn stopped(self) -> Result<(), Error> {
        self.done.await.unwrap_or_else(|error| Err(Error::Serve(io::Error::other(error))))
    }
}

/// Opens a store in the running actix system. It serves until `shutdown` resolves, and then for as long
/// as `config.drain` says, in which it is not ready.
///
/// # Errors
/// [`Error::Storage`] if its database cannot be opened, [`Error::Listen`] if it cannot listen.
pub async fn serve(
    config: Config,
    shutdown: impl Future<Output = ()> + 'static,
) -> Result<Running, Error> {
    let storage =
        Storage::open_within(&config.database, config.postgres, config.meters.as_ref()).await?;
    // Opening the store belongs to no request. With spans it would be many small traces.
    let untraced = Context::new().with_telemetry_suppressed();
    let catalogue = storage.catalogue().with_context(untraced.clone()).await?;
    let arbiters: Vec<_> = (0..config.actor_threads.max(1)).map(|_| Arbiter::new()).collect();
    telemetry::observe_runtime("main");
    for arbiter in &arbiters {
        arbiter.spawn_fn(|| telemetry::observe_runtime("actors"));
    }
    let handles = arbiters.iter().map(Arbiter::handle).collect();
    let retention = retention(&config, &storage).with_context(untraced.clone()).await;
    let metrics = ShopMetrics::new(config.meters.as_ref());
    let parts = ActorParts::new(storage.clone(), catalogue, handles, config.actors, metrics);
    let pools = ActorPools::start(parts, retention);
    if let Err(error) = pools.regular().ready().with_context(untraced).await {
        tracing::warn!(%error, "the store opens although not every actor is ready");
    }
    let state = web::Data::new(AppState::new(pools, &config));
    let (server, addr) = listen(&config, state.clone())?;
    let (closing, drain) = (state.clone(), config.drain);
    let done = actix_rt::spawn(async move {
        let handle = server.handle();
        let stop = async move {
            shutdown.await;
            closing.close();
            sleep(drain).await;
            // No more connections are taken. Those that are idle are closed, and the answers to
            // requests under way say `Connection: close`.
            handle.stop(true).await;
            future::pending::<()>().await;
        };
        let served = tokio::select! {
            served = server => served,
            () = stop => Ok(()),
            () = keep_house(&state) => Ok(()),
        };
        close(&state, &storage, arbiters).await;
        served.map_err(Error::Serve)
    });
    Ok(Running { addr, done })
}

/// The policy by which old orders are folded, if they are. Prepares the database for it.
async fn retention(config: &Config, storage: &Storage) -> Option<RetentionPolicy> {
    let keep = config.keep_orders.time()?;
    match storage.make_space_returnable().await {
        Ok(SpaceReturn::Possible) => {}
        Ok(SpaceReturn::TooLarge) => tracing::warn!(
            "the database file is of an older version: the room of folded orders is used again, but \
             the file does not become smaller; to change that, stop the store and run sqlite3 on the \
             file with 'PRAGMA auto_vacuum = INCREMENTAL; VACUUM;'"
        ),
        // The next start tries again. Room is used again in any case.
        Err(error) => tracing::warn!(%error, "the database file could not be rewritten"),
    }
    Some(RetentionPolicy { keep, clock: config.clock.clone() })
}

fn listen(
    config: &Config,
    state: web::Data<AppState>,
) -> Result<(actix_web::dev::Server, SocketAddr), Error> {
    let listen = config.listen;
    let failed = |source| Error::Listen { listen, source };
    let is_traced = config.is_traced;
    let is_measured = config.meters.is_some();
    let metrics = match config.meters.clone() {
        Some(meters) => RequestMetrics::builder().with_meter_provider(meters).build(),
        None => RequestMetrics::default(),
    };
    let server = HttpServer::new(move || {
        telemetry::observe_runtime("http");
        let tracing =
            if is_traced { RequestTracing::new() } else { RequestTracing::without_spans() };
        App::new()
            .app_data(state.clone())
            .configure(http::routes)
            .wrap(InTrace::new(state.clone()))
            .wrap(tracing.begin_empty())
            .wrap(Condition::new(is_measured, metrics.clone()))
            .wrap_fn(|mut request, service| {
                http::tidy(request.headers_mut());
                // The instrumentation adds to the current context what it reads from the headers.
                let _guard = http::context_of(&request).map(Context::attach);
                service.call(request)
            })
    })
    .workers(config.http_threads)
    // A caller that closes its connection has gone: nobody reads an answer. Its span says so.
    .h1_allow_half_closed(false)
    .disable_signals()
    .shutdown_timeout(SHUTDOWN_TIMEOUT.as_secs())
    .bind(listen)
    .map_err(failed)?;
    let addr = server.addrs().first().copied().unwrap_or(listen);
    Ok((server.run(), addr))
}

/// Once a second: ends the actors of experiments that are over, has old orders folded, and logs when
/// actors that had stopped run again.
async fn keep_house(state: &AppState) {
    let mut ticks = interval(HOUSEKEEPING_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        state.pools().end_idle_experiments(Instant::now());
        state.pools().fold_old_orders();
        state.pools().log_restarts_after(CALM);
    }
}

/// Waits for the orders that are being placed, and for the delivery and the folding that are under
/// way, then ends the actors and closes the database.
async fn close(state: &AppState, storage: &Storage, arbiters: Vec<Arbiter>) {
    let closing = async {
        // A transaction that is cut off with its thread could not give its connection back.
        let nothing_is_written = state.pools().idle().await;
        let ended = actix_rt::task::spawn_blocking(move || {
            for arbiter in arbiters {
                arbiter.stop();
                arbiter.join().ok();
            }
        });
        ended.await.ok();
        drop(nothing_is_written);
        storage.close().await;
    };
    state.pools().log_restarts_after(Duration::ZERO);
    if timeout(SHUTDOWN_TIMEOUT, closing).await.is_err() {
        tracing::warn!("the store stopped before everything was done that it had begun");
    }
}
