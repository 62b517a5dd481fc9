//! Opens the store (the database, then the actors, then HTTP) and closes it again (HTTP, then the
//! actors, then the database).

use std::{future, io, net::SocketAddr, time::Duration};

use actix_http::HttpService;
use actix_rt::{Arbiter, ArbiterHandle};
use actix_service::{IntoServiceFactory as _, Service as _, ServiceFactoryExt as _, map_config};
use actix_web::{
    App,
    dev::{AppConfig, Server},
    web,
};
use actix_web_opentelemetry::{RequestMetrics, RequestTracing};
use opentelemetry::{Context, trace::FutureExt as _};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::{
    actors::{ActorParts, ActorPools, RetentionPolicy, ShopMetrics},
    config::Config,
    http::{self, AppState, InTrace, connections},
    storage::{SpaceReturn, Storage, StorageError},
};

/// How long a store that was told to stop may take to finish the requests under way, and then again
/// to close its actors and database.
pub const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a connection that the store closes may take to take what was sent, as
/// `actix_web::HttpServer` has it.
const DISCONNECT_TIMEOUT: Duration = Duration::from_secs(1);

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
    let untraced = telemetry::without_spans(&Context::new());
    let catalogue = storage.catalogue().with_context(untraced.clone()).await?;
    telemetry::observe_runtime("main");
    let threads = Threads::start(&config);
    let retention = retention(&config, &storage).with_context(untraced.clone()).await;
    let metrics = ShopMetrics::new(config.meters.as_ref());
    let of_actors = threads.of_actors();
    let parts = ActorParts::new(storage.clone(), catalogue, of_actors, config.actors, metrics);
    let pools = ActorPools::start(parts, retention);
    if let Err(error) = pools.regular().ready().with_context(untraced).await {
        tracing::warn!(name: "grocery.store.not_ready", %error, "the store opens although not every actor is ready");
    }
    let state = web::Data::new(AppState::new(pools, &config));
    let (server, addr) = listen(&config, &threads, state.clone()).await?;
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
        close(&state, &storage, threads).await;
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
            name: "grocery.db.file.not_shrinkable",
            "the database file is of an older version: the room of folded orders is used again, but \
             the file does not become smaller; to change that, stop the store and run sqlite3 on the \
             file with 'PRAGMA auto_vacuum = INCREMENTAL; VACUUM;'"
        ),
        // The next start tries again. Room is used again in any case.
        Err(error) => {
            tracing::warn!(name: "grocery.db.file.not_rewritten", %error, "the database file could not be rewritten")
        }
    }
    Some(RetentionPolicy { keep, clock: config.clock.clone() })
}

/// Starts to serve HTTP. The connections wait until the server is polled.
async fn listen(
    config: &Config,
    threads: &Threads,
    state: web::Data<AppState>,
) -> Result<(Server, SocketAddr), Error> {
    let listen = config.listen;
    let failed = |source| Error::Listen { listen, source };
    let is_traced = config.is_traced;
    let metrics = match config.meters.clone() {
        Some(meters) => RequestMetrics::builder().with_meter_provider(meters).build(),
        None => RequestMetrics::disabled(),
    };
    let app = move || {
        let tracing =
            if is_traced { RequestTracing::new() } else { RequestTracing::without_spans() };
        App::new()
            .app_data(state.clone())
            .configure(http::routes)
            .wrap(InTrace::new(state.clone()))
            .wrap(tracing.begin_empty().without_attributes_if(telemetry::is_dropped))
            .wrap(metrics.clone())
            .wrap_fn(|mut request, service| {
                http::tidy(request.headers_mut());
                // The instrumentation adds to the current context what it reads from the headers.
                let _guard = http::context_of(&request).map(Context::attach);
                service.call(request)
            })
    };
    let listener = connections::bind(listen).map_err(failed)?;
    let addr = listener.local_addr().map_err(failed)?;
    let of_http = threads.of_http();
    let server = connections::serve(listener, &of_http, SHUTDOWN_TIMEOUT, move |stopping| {
        // Actix-web gives `HttpServer` alone another way to say this, and its `actix-test` has this one.
        let of_connection = AppConfig::__priv_test_new(false, addr.to_string(), addr);
        let app = app().into_factory().map_err(|error| error.error_response());
        HttpService::build()
            .graceful_shutdown_signal(move || {
                let stopping = stopping.clone();
                async move { stopping.notified().await }
            })
            .client_disconnect_timeout(DISCONNECT_TIMEOUT)
            // A caller that closes its connection has gone: nobody reads an answer. Its span says so.
            .h1_allow_half_closed(false)
            .local_addr(addr)
            .finish(map_config(app, move |()| of_connection.clone()))
            .tcp()
    });
    Ok((server.await.map_err(failed)?, addr))
}

/// The threads of a store, apart from the main one: those that serve HTTP, and those that only actors run on.
struct Threads {
    http: Vec<Arbiter>,
    actors: Vec<Arbiter>,
}

impl Threads {
    fn start(config: &Config) -> Self {
        let start = |count, name| {
            let threads = (0..count).map(|_| {
                let thread = Arbiter::new();
                thread.spawn_fn(move || telemetry::observe_runtime(name));
                thread
            });
            threads.collect()
        };
        Self {
            http: start(config.http_threads.max(1), "http"),
            actors: start(config.actor_threads, "actors"),
        }
    }

    fn of_http(&self) -> Vec<ArbiterHandle> {
        self.http.iter().map(Arbiter::handle).collect()
    }

    /// The threads that actors run on: at least one.
    fn of_actors(&self) -> Vec<ArbiterHandle> {
        match &self.actors[..] {
            // All on one: actors ask each other more often than HTTP asks them.
            [] => self.http[..1].iter().map(Arbiter::handle).collect(),
            threads => threads.iter().map(Arbiter::handle).collect(),
        }
    }

    /// Ends them, and with them what runs on them.
    fn end(self) {
        for thread in self.http.into_iter().chain(self.actors) {
            thread.stop();
            thread.join().ok();
        }
    }
}

/// Again and again: ends the actors of experiments that are over, has old orders folded, and logs when
/// actors that had stopped run again.
async fn keep_house(state: &AppState) {
    loop {
        let now = Instant::now();
        state.pools().end_idle_experiments(now);
        state.pools().fold_old_orders();
        state.pools().log_restarts_after(CALM);
        sleep_until(state.pools().next_look(now)).await;
    }
}

/// Waits for the orders that are being placed, and for the delivery and the folding that are under
/// way, then ends the actors and closes the database.
async fn close(state: &AppState, storage: &Storage, threads: Threads) {
    let closing = async {
        // A transaction that is cut off with its thread could not give its connection back.
        let nothing_is_written = state.pools().idle().await;
        actix_rt::task::spawn_blocking(move || threads.end()).await.ok();
        drop(nothing_is_written);
        storage.close().await;
    };
    state.pools().log_restarts_after(Duration::ZERO);
    if timeout(SHUTDOWN_TIMEOUT, closing).await.is_err() {
        tracing::warn!(name: "grocery.store.cut_short", "the store stopped before everything was done that it had begun");
    }
}
