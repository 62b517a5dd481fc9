//! The two HTTP servers: OTLP, and the page with both query APIs.

use std::any::Any;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use actix_web::dev::{Server, ServerHandle};
use actix_web::middleware::{Condition, from_fn};
use actix_web::web::{Data, ServiceConfig};
use actix_web::{App, HttpServer, rt};
#[cfg(target_os = "linux")]
use socket2::SockRef;
use tokio::time::{MissedTickBehavior, interval};

use super::Connections;
use crate::answer::ANSWERS;
use crate::api::live::TICK;
use crate::api::{self, State};
use crate::base_path::{BasePath, without_base_path};
use crate::config::Config;
use crate::cors::Origins;
use crate::error::Error;
use crate::jaeger;
use crate::otlp::http;
use crate::otlp::receiver::Receiver;
use crate::page::{self, Page};
use crate::security::{RequestCheck, check_request, headers};

/// Workers of each server.
const WORKERS: usize = 2;
/// The time in which a request's head has to come.
const HEAD_TIME: Duration = Duration::from_secs(5);
/// Ticks of the live tail in a second.
const TICKS_A_SECOND: u64 = 4;

type Listener = (TcpListener, SocketAddr);
/// A listener, how many connections it may have, and which requests it answers.
type Port = (TcpListener, usize, RequestCheck);
/// What a server answers. It is no type parameter: the compiler would make all of actix-web's server, which is large, once for each.
type Routes = Arc<dyn Fn(&mut ServiceConfig) + Send + Sync>;

/// Starts both servers on a thread of their own.
pub(super) fn start(
    page: Listener,
    otlp: Listener,
    connections: Connections,
    receiver: Receiver,
    state: State,
    config: &Config,
) -> Result<(JoinHandle<()>, Vec<ServerHandle>), Error> {
    let failed = |source| Error::Start { what: "the HTTP servers", source };
    let (started, handles) = channel();
    let check = |address, flag| {
        RequestCheck::new(address, flag, &config.allowed_hosts, Arc::clone(&state.stats))
    };
    let origins = Origins::new(&config.cors_origins);
    let page = (page.0, connections.page, check(page.1, "--listen").of_page());
    let otlp = (otlp.0, connections.otlp, check(otlp.1, "--otlp").with_origins(origins));
    let (base, patience) = (config.base_path.clone(), config.read_patience);
    let thread = std::thread::Builder::new()
        .name(String::from("viewer-http"))
        .spawn(move || {
            let run = run(page, otlp, receiver, state, base, patience, &started);
            rt::System::new().block_on(run);
        })
        .map_err(failed)?;
    match handles.recv() {
        Ok(Ok(handles)) => Ok((thread, handles)),
        Ok(Err(source)) => Err(failed(source)),
        Err(_) => Err(failed(std::io::Error::other("the thread ended at its start"))),
    }
}

async fn run(
    page: Port,
    otlp: Port,
    receiver: Receiver,
    state: State,
    base: BasePath,
    patience: Duration,
    started: &Sender<std::io::Result<Vec<ServerHandle>>>,
) {
    let ticking = rt::spawn(tick(state.clone()));
    let (state, receiver) = (Data::new(state), Data::new(receiver));
    let uploads = Data::clone(&receiver);
    let html = Data::new(Page::under(&base));
    let page_routes = move |config: &mut ServiceConfig| {
        config
            .app_data(Data::clone(&html))
            .app_data(Data::clone(&state))
            .app_data(Data::clone(&uploads))
            .configure(api::routes)
            .configure(jaeger::routes)
            .configure(page::routes);
    };
    let otlp_routes = move |config: &mut ServiceConfig| {
        config.app_data(Data::clone(&receiver)).configure(http::routes);
    };
    let page = server(page, base, patience, Arc::new(page_routes));
    let otlp = server(otlp, BasePath::default(), patience, Arc::new(otlp_routes));
    let servers = page.and_then(|page| Ok((page, otlp?)));
    match servers {
        Ok((page, otlp)) => {
            let handles = vec![page.handle(), otlp.handle()];
            if started.send(Ok(handles)).is_ok() {
                for ended in <[_; 2]>::from(futures_util::future::join(page, otlp).await) {
                    if let Err(error) = ended {
                        tracing::error!("an HTTP server has ended: {error}");
                    }
                }
            }
        }
        // The thread that waits for this has gone only if it panicked.
        Err(error) => drop(started.send(Err(error))),
    }
    ticking.abort();
}

/// A server that answers what `routes` say, under the path `base` and without it. A connection ends when its peer leaves an answer unread
/// for longer than `patience`.
fn server(
    (listener, connections, check): Port,
    base: BasePath,
    patience: Duration,
    routes: Routes,
) -> std::io::Result<Server> {
    let (check, base) = (Data::new(check), Data::new(base));
    let app = move || {
        App::new()
            .app_data(Data::clone(&check))
            .app_data(Data::clone(&base))
            .wrap(from_fn(without_base_path))
            .wrap(Condition::new(!check.origins().is_empty(), check.origins().middleware()))
            .wrap(from_fn(check_request))
            .wrap(headers())
            .configure(|config| routes(config))
    };
    let server = HttpServer::new(app)
        .workers(WORKERS)
        // As many answers as there may be: most of their threads wait for readers.
        .worker_max_blocking_threads(ANSWERS)
        .max_connections(connections.div_ceil(WORKERS))
        .client_request_timeout(HEAD_TIME)
        .on_connect(move |connection, _| limit_unread(connection, patience))
        .disable_signals()
        .listen(listener)?;
    Ok(server.run())
}

/// Lets the system end a connection whose peer takes nothing for longer than `patience`, also one
/// whose window is closed: HTTP servers have no timeout for writing. Only Linux can; elsewhere such
/// a connection holds its buffers until its peer leaves, and nothing else.
fn limit_unread(connection: &dyn Any, patience: Duration) {
    #[cfg(target_os = "linux")]
    if let Some(stream) = connection.downcast_ref::<rt::net::TcpStream>()
        && let Err(error) = SockRef::from(stream).set_tcp_user_timeout(Some(patience))
    {
        tracing::debug!("a connection has no limit for writing: {error}");
    }
    #[cfg(not(target_os = "linux"))]
    drop((connection, patience));
}

/// Tells the live tail what changed, and gathers the rates, until aborted.
async fn tick(state: State) {
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for tick in 0.. {
        ticks.tick().await;
        state.live.tell(&state, tick);
        if u64::is_multiple_of(tick, TICKS_A_SECOND) {
            state.stats.sample();
            state.readers.settle();
        }
    }
}
