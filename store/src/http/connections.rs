//! Takes connections, and has each served by one of the store's threads.
//!
//! `actix_web::HttpServer` starts a thread for each of its workers, and the thread ends with the worker. Actors
//! that run on it would end too, before they have done what the last requests asked for. So here the threads are
//! the store's: HTTP may end on them, and they go on. A request that asks an actor on its own thread wakes no
//! other.
//!
//! An [`actix_server::Server`] takes the connections. It bounds how many there are, waits when there are no
//! descriptors left, and stops gracefully. Its one worker hands each connection over, to one thread after the
//! other, and counts it until it has been served.

use std::{cell::Cell, fmt, io, net, time::Duration};

use actix_rt::ArbiterHandle;
use actix_server::{GracefulShutdownSignal, Server};
use actix_service::{Service, ServiceFactory, fn_service};
use tokio::{
    net::{TcpSocket, TcpStream},
    sync::{mpsc, oneshot},
    task::JoinSet,
};

/// How many connections wait to be taken, as `actix_web::HttpServer` has it.
const BACKLOG: u32 = 1024;

/// How many connections there are at most for each thread, as `actix_web::HttpServer` has it.
const MAX_CONNECTIONS: usize = 25_600;

/// A connection that is handed over.
struct Connection {
    stream: net::TcpStream,
    /// Is dropped when the connection has been served.
    served: oneshot::Sender<()>,
}

/// Where connections to one thread wait. There are never more than [`MAX_CONNECTIONS`] for each thread, since one
/// that waits is counted.
type Thread = mpsc::UnboundedSender<Connection>;

/// Listens on this address.
///
/// # Errors
/// What the operating system says.
pub(crate) fn bind(address: net::SocketAddr) -> io::Result<net::TcpListener> {
    let socket = match address {
        net::SocketAddr::V4(_) => TcpSocket::new_v4(),
        net::SocketAddr::V6(_) => TcpSocket::new_v6(),
    }?;
    // A store that is started again need not wait for the connections of the last one to be forgotten.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)?.into_std()
}

/// A server that has the connections to `listener` served on these threads, of which there must be at least one.
/// Each thread makes a service of its own by `make`, which gets the signal that the server stops gracefully. Like those
/// of HTTP, the service must always be ready.
///
/// Once the server has ended, connections that are left are cut off.
///
/// # Errors
/// When a thread has ended or its service cannot be made.
pub(crate) async fn serve<F, S>(
    listener: net::TcpListener,
    threads: &[ArbiterHandle],
    shutdown_timeout: Duration,
    make: F,
) -> io::Result<Server>
where
    F: Fn(GracefulShutdownSignal) -> S + Clone + Send + 'static,
    S: ServiceFactory<TcpStream, Config = ()> + 'static,
    S::InitError: fmt::Debug,
    <S::Service as Service<TcpStream>>::Future: 'static,
{
    let builder = Server::build()
        .workers(1)
        .max_concurrent_connections(MAX_CONNECTIONS.saturating_mul(threads.len()))
        .shutdown_timeout(shutdown_timeout.as_secs())
        .disable_signals();
    let mut queues = Vec::new();
    for thread in threads {
        let stopping = builder.graceful_shutdown_signal();
        queues.push(start(thread, make.clone(), stopping).await?);
    }
    let service = move || {
        let (queues, next) = (queues.clone(), Cell::new(0));
        fn_service(move |stream: TcpStream| {
            let queue = queues[next.get()].clone();
            next.set((next.get() + 1) % queues.len());
            hand_over(stream, queue)
        })
    };
    Ok(builder.listen("http", listener, service)?.run())
}

/// Hands a connection over, and waits until it has been served.
async fn hand_over(stream: TcpStream, thread: Thread) -> io::Result<()> {
    let (served, is_served) = oneshot::channel();
    // If the thread has ended, this drops the connection.
    thread.send(Connection { stream: stream.into_std()?, served }).ok();
    is_served.await.unwrap_or_default();
    Ok(())
}

/// Makes the service of a thread, which serves from then on the connections that are sent.
async fn start<F, S>(
    thread: &ArbiterHandle,
    make: F,
    stopping: GracefulShutdownSignal,
) -> io::Result<Thread>
where
    F: Fn(GracefulShutdownSignal) -> S + Send + 'static,
    S: ServiceFactory<TcpStream, Config = ()> + 'static,
    S::InitError: fmt::Debug,
    <S::Service as Service<TcpStream>>::Future: 'static,
{
    let (queue, waiting) = mpsc::unbounded_channel();
    let (ready, is_ready) = oneshot::channel();
    thread.spawn_fn(move || {
        drop(actix_rt::spawn(async move {
            match make(stopping).new_service(()).await {
                Ok(service) => {
                    ready.send(Ok(())).ok();
                    serve_all(&service, waiting).await;
                }
                Err(error) => drop(ready.send(Err(io::Error::other(format!("{error:?}"))))),
            }
        }));
    });
    let ended = |_| Err(io::Error::other("a thread that serves HTTP has ended"));
    is_ready.await.unwrap_or_else(ended)?;
    Ok(queue)
}

/// Serves connections until none can come any more.
async fn serve_all<S>(service: &S, mut waiting: mpsc::UnboundedReceiver<Connection>)
where
    S: Service<TcpStream>,
    S::Future: 'static,
{
    let mut open = JoinSet::new();
    loop {
        tokio::select! {
            connection = waiting.recv() => {
                let Some(Connection { stream, served }) = connection else { return };
                match TcpStream::from_std(stream) {
                    Ok(stream) => {
                        let serving = service.call(stream);
                        open.spawn_local(async move {
                            // Its errors are of one connection, and the service has logged them.
                            serving.await.ok();
                            drop(served);
                        });
                    }
                    Err(error) => tracing::warn!(name: "grocery.connection.failed", %error, "a connection cannot be served"),
                }
            }
            Some(_) = open.join_next() => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::thread::{self, ThreadId};

    use actix_rt::Arbiter;
    use testing::PATIENCE;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    /// Says on each connection, in a byte, which of these threads serves it, and waits for its end.
    async fn serve_on(threads: &[Arbiter]) -> (Server, net::SocketAddr) {
        let mut ids = Vec::new();
        for arbiter in threads {
            let (id, is_known) = oneshot::channel::<ThreadId>();
            arbiter.spawn_fn(move || id.send(thread::current().id()).unwrap());
            ids.push(is_known.await.unwrap());
        }
        let listener = bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = listener.local_addr().unwrap();
        let handles: Vec<_> = threads.iter().map(Arbiter::handle).collect();
        let make = move |_| {
            let ids = ids.clone();
            fn_service(move |mut stream: TcpStream| {
                let this = thread::current().id();
                let number = ids.iter().position(|id| *id == this).unwrap();
                async move {
                    stream.write_u8(number.try_into().unwrap()).await?;
                    stream.read_u8().await
                }
            })
        };
        (serve(listener, &handles, PATIENCE, make).await.unwrap(), address)
    }

    #[actix_rt::test]
    async fn connections_are_divided_and_those_that_are_left_end_with_the_server_and_not_its_threads()
     {
        let threads = [Arbiter::new(), Arbiter::new()];
        let (server, address) = serve_on(&threads).await;
        let handle = server.handle();
        let running = actix_rt::spawn(server);
        let mut connections = Vec::new();
        for expected in [0, 1, 0] {
            let mut connection = TcpStream::connect(address).await.unwrap();
            assert_eq!(connection.read_u8().await.unwrap(), expected);
            connections.push(connection);
        }
        handle.stop(false).await;
        running.await.unwrap().unwrap();
        for mut connection in connections {
            let ended = tokio::time::timeout(PATIENCE, connection.read_u8()).await.unwrap();
            assert!(ended.is_err(), "{ended:?}");
        }
        for arbiter in threads {
            let (done, is_done) = oneshot::channel();
            arbiter.spawn_fn(move || done.send(()).unwrap());
            is_done.await.expect("it goes on");
            arbiter.stop();
            arbiter.join().unwrap();
        }
    }

    #[actix_rt::test]
    async fn a_thread_that_has_ended_serves_nothing() {
        let arbiter = Arbiter::new();
        let ended = arbiter.handle();
        arbiter.stop();
        arbiter.join().unwrap();
        let listener = bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let make = |_| fn_service(async |_: TcpStream| io::Result::Ok(()));
        let error = serve(listener, &[ended], PATIENCE, make).await.map(drop).unwrap_err();
        assert_eq!(error.to_string(), "a thread that serves HTTP has ended");
    }
}
