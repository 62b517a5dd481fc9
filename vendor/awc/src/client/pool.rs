//! Client connection pooling keyed on the authority part of the connection URI.

use std::{
    cell::{OnceCell, RefCell},
    collections::VecDeque,
    future::{ready, Future, Ready},
    io, mem,
    ops::Deref,
    pin::Pin,
    rc::Rc,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use actix_codec::{AsyncRead, AsyncWrite, ReadBuf};
use actix_http::{Protocol, ServiceConfig};
use actix_rt::time::{sleep, Sleep};
use actix_service::Service;
use bytes::BytesMut;
use futures_core::future::LocalBoxFuture;
use futures_util::{future::Either, FutureExt as _};
use http::uri::Authority;
use pin_project_lite::pin_project;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{
    config::ConnectorConfig,
    connection::{ConnectionIo, H1Connection},
    error::ConnectError,
    Connect,
};

/// The idle connections to one authority.
type Idle<Io> = Rc<RefCell<VecDeque<PooledConnection<Io>>>>;

/// How many buffers are kept for later requests.
const SPARE_BUFFERS: usize = 64;

/// How much room a buffer has for the next request or answer, as that of a new `Framed`.
const BUFFER_BYTES: usize = 8 * 1024;

/// Connections pool to reuse I/O per [`Authority`].
#[doc(hidden)]
pub struct ConnectionPool<S, Io>
where
    Io: AsyncWrite + Unpin + 'static,
{
    connector: S,
    inner: ConnectionPoolInner<Io>,
}

/// Wrapper type for check the ref count of Rc.
pub struct ConnectionPoolInner<Io>(Rc<ConnectionPoolInnerPriv<Io>>)
where
    Io: AsyncWrite + Unpin + 'static;

impl<Io> ConnectionPoolInner<Io>
where
    Io: AsyncWrite + Unpin + 'static,
{
    fn new(config: ConnectorConfig) -> Self {
        let permits = Arc::new(Semaphore::new(config.limit));

        Self(Rc::new(ConnectionPoolInnerPriv {
            config,
            h1_config: OnceCell::new(),
            available: RefCell::default(),
            spare_buffers: RefCell::default(),
            permits,
        }))
    }

    /// The idle connections to `authority`. A program asks few authorities, so comparing takes less time than hashing
    /// without regard to case.
    fn idle(&self, authority: &Authority) -> Idle<Io> {
        let mut available = self.available.borrow_mut();
        if let Some((_, idle)) = available.iter().find(|(other, _)| other == authority) {
            return Rc::clone(idle);
        }
        let idle = Idle::default();
        available.push((authority.clone(), Rc::clone(&idle)));
        idle
    }

    /// Spawns a graceful shutdown task for the underlying I/O with a timeout.
    fn close(&self, io: Io) {
        if let Some(timeout) = self.config.disconnect_timeout {
            if tokio::runtime::Handle::try_current().is_ok() {
                actix_rt::spawn(CloseConnection::new(io, timeout));
            }
        }
    }
}

impl<Io> Clone for ConnectionPoolInner<Io>
where
    Io: AsyncWrite + Unpin + 'static,
{
    fn clone(&self) -> Self {
        Self(Rc::clone(&self.0))
    }
}

impl<Io> Deref for ConnectionPoolInner<Io>
where
    Io: AsyncWrite + Unpin + 'static,
{
    type Target = ConnectionPoolInnerPriv<Io>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl<Io> Drop for ConnectionPoolInner<Io>
where
    Io: AsyncWrite + Unpin + 'static,
{
    fn drop(&mut self) {
        // When strong count is one it means the pool is dropped
        // remove and drop all Io types.
        if Rc::strong_count(&self.0) == 1 {
            self.permits.close();
            mem::take(&mut *self.available.borrow_mut())
                .into_iter()
                .for_each(|(_, idle)| {
                    let conns = mem::take(&mut *idle.borrow_mut());
                    conns.into_iter().for_each(|pooled| self.close(pooled.io))
                });
        }
    }
}

pub struct ConnectionPoolInnerPriv<Io>
where
    Io: AsyncWrite + Unpin + 'static,
{
    config: ConnectorConfig,
    /// The settings of HTTP/1. They are made when they are first needed, since that starts a task.
    h1_config: OnceCell<ServiceConfig>,
    available: RefCell<Vec<(Authority, Idle<Io>)>>,
    /// Buffers of requests that are over, which those of later requests are made of.
    spare_buffers: RefCell<Vec<BytesMut>>,
    permits: Arc<Semaphore>,
}

impl<S, Io> ConnectionPool<S, Io>
where
    Io: AsyncWrite + Unpin + 'static,
{
    /// Construct a new connection pool.
    ///
    /// [`super::config::ConnectorConfig`]'s `limit` is used as the max permits allowed for
    /// in-flight connections.
    ///
    /// The pool can only have equal to `limit` amount of requests spawning/using Io type
    /// concurrently.
    ///
    /// Any requests beyond limit would be wait in fifo order and get notified in async manner
    /// by [`tokio::sync::Semaphore`]
    pub(crate) fn new(connector: S, config: ConnectorConfig) -> Self {
        let inner = ConnectionPoolInner::new(config);

        Self { connector, inner }
    }
}

impl<S, Io> Service<Connect> for ConnectionPool<S, Io>
where
    S: Service<Connect, Response = (Io, Protocol), Error = ConnectError> + Clone + 'static,
    Io: ConnectionIo,
{
    type Response = H1Connection<Io>;
    type Error = ConnectError;
    type Future = Either<
        Ready<Result<Self::Response, Self::Error>>,
        LocalBoxFuture<'static, Result<Self::Response, Self::Error>>,
    >;

    actix_service::forward_ready!(connector);

    fn call(&self, req: Connect) -> Self::Future {
        let inner = self.inner.clone();
        let Some(authority) = req.uri.authority() else {
            return Either::Left(ready(Err(ConnectError::Unresolved)));
        };
        let idle = inner.idle(authority);

        // Most requests find an idle connection, which needs no future of its own.
        let permit = match Arc::clone(&inner.permits).try_acquire_owned() {
            Ok(permit) => match inner.take_usable(&idle) {
                Some(conn) => {
                    let acquired = Acquired { idle, inner, permit };
                    let conn = H1Connection::new(conn.io, conn.created, acquired);
                    return Either::Left(ready(Ok(conn)));
                }
                None => Some(permit),
            },
            Err(_) => None,
        };

        let connector = self.connector.clone();
        Either::Right(Box::pin(async move {
            // acquire an owned permit and carry it with connection
            let permit = match permit {
                Some(permit) => permit,
                None => Arc::clone(&inner.permits)
                    .acquire_owned()
                    .await
                    .map_err(|_| {
                        ConnectError::Io(io::Error::other(
                            "Failed to acquire semaphore on client connection pool",
                        ))
                    })?,
            };

            // check if there is idle connection for given authority.
            let conn = inner.take_usable(&idle);

            // construct acquired. It's used to put Io type back to pool/ close the Io type.
            // permit is carried with the whole lifecycle of Acquired.
            let acquired = Acquired { idle, inner, permit };

            // match the connection and spawn new one if did not get anything.
            match conn {
                Some(conn) => Ok(H1Connection::new(conn.io, conn.created, acquired)),
                None => {
                    let (io, proto) = connector.call(req).await?;

                    if proto == Protocol::Http1 {
                        Ok(H1Connection::new(io, Instant::now(), acquired))
                    } else {
                        let reason = "the server chose HTTP/2, which this client does not speak";
                        Err(io::Error::new(io::ErrorKind::Unsupported, reason).into())
                    }
                }
            }
        }))
    }
}

impl<Io: ConnectionIo> ConnectionPoolInner<Io> {
    /// Takes a connection that can still be used, and closes those before it that cannot.
    fn take_usable(&self, idle: &Idle<Io>) -> Option<PooledConnection<Io>> {
        let mut conns = idle.borrow_mut();
        let now = Instant::now();

        while let Some(mut c) = conns.pop_front() {
            let config = &self.config;
            let idle_dur = now - c.used;
            let age = now - c.created;
            let conn_ineligible =
                idle_dur > config.conn_keep_alive || age > config.conn_lifetime;

            if conn_ineligible {
                // drop connections that are too old
                self.close(c.io);
                continue;
            }

            // check if the connection is still usable
            let check = ConnectionCheckFuture { io: &mut c.io };
            match check
                .now_or_never()
                .expect("ConnectionCheckFuture must never yield with Poll::Pending.")
            {
                ConnectionState::Tainted => self.close(c.io),
                ConnectionState::Skip => {}
                ConnectionState::Live => return Some(c),
            }
        }

        None
    }
}

/// Type for check the connection and determine if it's usable.
struct ConnectionCheckFuture<'a, Io> {
    io: &'a mut Io,
}

enum ConnectionState {
    /// IO is pending and a new request would wake it.
    Live,

    /// IO unexpectedly has unread data and should be dropped.
    Tainted,

    /// IO should be skipped but not dropped.
    Skip,
}

impl<Io> Future for ConnectionCheckFuture<'_, Io>
where
    Io: AsyncRead + Unpin,
{
    type Output = ConnectionState;

    // this future is only used to get access to Context.
    // It should never return Poll::Pending.
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let mut buf = [0; 2];
        let mut read_buf = ReadBuf::new(&mut buf);

        let state = match Pin::new(&mut this.io).poll_read(cx, &mut read_buf) {
            Poll::Ready(Ok(())) if !read_buf.filled().is_empty() => ConnectionState::Tainted,

            Poll::Pending => ConnectionState::Live,
            _ => ConnectionState::Skip,
        };

        Poll::Ready(state)
    }
}

struct PooledConnection<Io> {
    io: Io,
    used: Instant,
    created: Instant,
}

pin_project! {
    #[project = CloseConnectionProj]
    struct CloseConnection<Io> {
        io: Io,
        #[pin]
        timeout: Sleep,
    }
}

impl<Io> CloseConnection<Io>
where
    Io: AsyncWrite + Unpin,
{
    fn new(io: Io, timeout: Duration) -> Self {
        CloseConnection {
            io,
            timeout: sleep(timeout),
        }
    }
}

impl<Io> Future for CloseConnection<Io>
where
    Io: AsyncWrite + Unpin,
{
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.project();

        match this.timeout.poll(cx) {
            Poll::Ready(_) => Poll::Ready(()),
            Poll::Pending => Pin::new(this.io).poll_shutdown(cx).map(|_| ()),
        }
    }
}

pub struct Acquired<Io>
where
    Io: AsyncWrite + Unpin + 'static,
{
    /// where the connection goes when it is idle again.
    idle: Idle<Io>,
    /// handle to connection pool.
    inner: ConnectionPoolInner<Io>,
    /// permit for limit concurrent in-flight connection for a Client object.
    permit: OwnedSemaphorePermit,
}

impl<Io: ConnectionIo> Acquired<Io> {
    /// The settings of HTTP/1, for all connections of the pool.
    pub(super) fn h1_config(&self) -> ServiceConfig {
        self.inner.h1_config.get_or_init(ServiceConfig::default).clone()
    }

    /// Close the IO.
    pub(super) fn close(&self, io: Io) {
        self.inner.close(io);
    }

    /// Release IO back into pool.
    pub(super) fn release(&self, io: Io, created: Instant) {
        self.idle.borrow_mut().push_back(PooledConnection {
            io,
            created,
            used: Instant::now(),
        });

        let _ = &self.permit;
    }

    /// An empty buffer with room for a request or an answer.
    pub(super) fn buffer(&self) -> BytesMut {
        let spare = self.inner.spare_buffers.borrow_mut().pop();
        let mut buffer = spare.unwrap_or_else(|| BytesMut::with_capacity(BUFFER_BYTES));
        // This takes the room from the start of the buffer again, unless a part of an answer is still held.
        buffer.reserve(BUFFER_BYTES);
        buffer
    }

    /// Keeps a buffer for a later request, unless it holds something.
    pub(super) fn keep_buffer(&self, buffer: BytesMut) {
        let mut spare = self.inner.spare_buffers.borrow_mut();
        if buffer.is_empty() && spare.len() < SPARE_BUFFERS {
            spare.push(buffer);
        }
    }
}

#[cfg(test)]
mod test {
    use std::cell::Cell;

    use http::Uri;

    use super::*;

    /// A stream type that always returns pending on async read.
    ///
    /// Mocks an idle TCP stream that is ready to be used for client connections.
    struct TestStream(Rc<Cell<usize>>);

    impl Drop for TestStream {
        fn drop(&mut self) {
            self.0.set(self.0.get() - 1);
        }
    }

    impl AsyncRead for TestStream {
        fn poll_read(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            _: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            Poll::Pending
        }
    }

    impl AsyncWrite for TestStream {
        fn poll_write(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            _: &[u8],
        ) -> Poll<io::Result<usize>> {
            unimplemented!()
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            unimplemented!()
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    #[derive(Clone)]
    struct TestPoolConnector {
        generated: Rc<Cell<usize>>,
    }

    impl Service<Connect> for TestPoolConnector {
        type Response = (TestStream, Protocol);
        type Error = ConnectError;
        type Future = LocalBoxFuture<'static, Result<Self::Response, Self::Error>>;

        actix_service::always_ready!();

        fn call(&self, _: Connect) -> Self::Future {
            self.generated.set(self.generated.get() + 1);
            let generated = self.generated.clone();
            Box::pin(async { Ok((TestStream(generated), Protocol::Http1)) })
        }
    }

    fn release<T>(mut conn: H1Connection<T>)
    where
        T: AsyncRead + AsyncWrite + Unpin + 'static,
    {
        conn.on_release(true);
    }

    #[actix_rt::test]
    async fn test_pool_limit() {
        let connector = TestPoolConnector {
            generated: Rc::new(Cell::new(0)),
        };

        let config = ConnectorConfig {
            limit: 1,
            ..Default::default()
        };

        let pool = super::ConnectionPool::new(connector, config);

        let req = Connect {
            uri: Uri::from_static("http://localhost"),
            addr: None,
        };

        let conn = pool.call(req.clone()).await.unwrap();

        let waiting = Rc::new(Cell::new(true));

        let waiting_clone = waiting.clone();
        actix_rt::spawn(async move {
            actix_rt::time::sleep(Duration::from_millis(100)).await;
            waiting_clone.set(false);
            drop(conn);
        });

        assert!(waiting.get());

        let now = Instant::now();
        let conn = pool.call(req).await.unwrap();

        release(conn);
        assert!(!waiting.get());
        assert!(now.elapsed() >= Duration::from_millis(100));
    }

    #[actix_rt::test]
    async fn test_pool_keep_alive() {
        let generated = Rc::new(Cell::new(0));
        let generated_clone = generated.clone();

        let connector = TestPoolConnector { generated };

        let config = ConnectorConfig {
            conn_keep_alive: Duration::from_secs(1),
            ..Default::default()
        };

        let pool = super::ConnectionPool::new(connector, config);

        let req = Connect {
            uri: Uri::from_static("http://localhost"),
            addr: None,
        };

        let conn = pool.call(req.clone()).await.unwrap();
        assert_eq!(1, generated_clone.get());
        release(conn);

        let conn = pool.call(req.clone()).await.unwrap();
        assert_eq!(1, generated_clone.get());
        release(conn);

        actix_rt::time::sleep(Duration::from_millis(1500)).await;
        actix_rt::task::yield_now().await;

        let conn = pool.call(req).await.unwrap();
        // Note: spawned recycle connection is not ran yet.
        // This is tokio current thread runtime specific behavior.
        assert_eq!(2, generated_clone.get());

        // yield task so the old connection is properly dropped.
        actix_rt::task::yield_now().await;
        assert_eq!(1, generated_clone.get());

        release(conn);
    }

    #[actix_rt::test]
    async fn test_pool_lifetime() {
        let generated = Rc::new(Cell::new(0));
        let generated_clone = generated.clone();

        let connector = TestPoolConnector { generated };

        let config = ConnectorConfig {
            conn_lifetime: Duration::from_secs(1),
            ..Default::default()
        };

        let pool = super::ConnectionPool::new(connector, config);

        let req = Connect {
            uri: Uri::from_static("http://localhost"),
            addr: None,
        };

        let conn = pool.call(req.clone()).await.unwrap();
        assert_eq!(1, generated_clone.get());
        release(conn);

        let conn = pool.call(req.clone()).await.unwrap();
        assert_eq!(1, generated_clone.get());
        release(conn);

        actix_rt::time::sleep(Duration::from_millis(1500)).await;
        actix_rt::task::yield_now().await;

        let conn = pool.call(req).await.unwrap();
        // Note: spawned recycle connection is not ran yet.
        // This is tokio current thread runtime specific behavior.
        assert_eq!(2, generated_clone.get());

        // yield task so the old connection is properly dropped.
        actix_rt::task::yield_now().await;
        assert_eq!(1, generated_clone.get());

        release(conn);
    }

    #[actix_rt::test]
    async fn test_pool_authority_key() {
        let generated = Rc::new(Cell::new(0));
        let generated_clone = generated.clone();

        let connector = TestPoolConnector { generated };

        let config = ConnectorConfig::default();

        let pool = super::ConnectionPool::new(connector, config);

        let req = Connect {
            uri: Uri::from_static("https://crates.io"),
            addr: None,
        };

        let conn = pool.call(req.clone()).await.unwrap();
        assert_eq!(1, generated_clone.get());
        release(conn);

        let conn = pool.call(req).await.unwrap();
        assert_eq!(1, generated_clone.get());
        release(conn);

        let req = Connect {
            uri: Uri::from_static("https://google.com"),
            addr: None,
        };

        let conn = pool.call(req.clone()).await.unwrap();
        assert_eq!(2, generated_clone.get());
        release(conn);
        let conn = pool.call(req).await.unwrap();
        assert_eq!(2, generated_clone.get());
        release(conn);
    }

    #[actix_rt::test]
    async fn test_pool_drop() {
        let generated = Rc::new(Cell::new(0));
        let generated_clone = generated.clone();

        let connector = TestPoolConnector { generated };

        let config = ConnectorConfig::default();

        let pool = Rc::new(super::ConnectionPool::new(connector, config));

        let req = Connect {
            uri: Uri::from_static("https://crates.io"),
            addr: None,
        };

        let conn = pool.call(req.clone()).await.unwrap();
        assert_eq!(1, generated_clone.get());
        release(conn);

        let req = Connect {
            uri: Uri::from_static("https://google.com"),
            addr: None,
        };
        let conn = pool.call(req.clone()).await.unwrap();
        assert_eq!(2, generated_clone.get());
        release(conn);

        let clone1 = pool.clone();
        let clone2 = clone1.clone();

        drop(clone2);
        for _ in 0..2 {
            actix_rt::task::yield_now().await;
        }
        assert_eq!(2, generated_clone.get());

        drop(clone1);
        for _ in 0..2 {
            actix_rt::task::yield_now().await;
        }
        assert_eq!(2, generated_clone.get());

        drop(pool);
        for _ in 0..2 {
            actix_rt::task::yield_now().await;
        }
        assert_eq!(0, generated_clone.get());
    }
}
