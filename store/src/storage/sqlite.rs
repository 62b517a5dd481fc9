//! SQLite: how its files are opened, and how statements run on its connections.
//!
//! SQLite works in the thread that calls it, and waits there for locks and for the disk. So whatever
//! is done with a connection is done as a whole on a thread that may wait: one way there and one way
//! back for a transaction, however many statements it has. See [`Place::run`].

use std::{
    path::Path,
    pin::pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use futures_executor::block_on;
use futures_util::future::{Either, select};
use rusqlite::OpenFlags;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, TryAcquireError, oneshot},
    task::spawn_blocking,
    time::timeout,
};

use super::{
    error::{DatabaseError, explained, is_locked},
    metrics::InUse,
    patience::{ACQUIRE_TIMEOUT, OPEN_TIMEOUT, PAUSE},
    sql::{FromRow, Parameters, Row},
};

/// How long a transaction may take, or a statement alone: twice as long as it waits for a lock.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// How long work that was given up may take to end.
const END_TIMEOUT: Duration = Duration::from_secs(1);

/// After how many steps of SQLite's virtual machine a statement looks whether it was given up: far less
/// than a millisecond, and more than most statements take.
const STEPS: i32 = 10_000;

/// How many statements are kept ready on a connection: more than the store has.
const STATEMENTS: usize = 64;

/// With write-ahead logging, readers and the writer do not wait for each other. With FULL, every
/// commit survives a power failure. A log that one large transaction has made long is cut to 16 MiB
/// when it begins anew: <https://www.sqlite.org/pragma.html>.
const SETTINGS: &str = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; \
     PRAGMA foreign_keys = ON; PRAGMA busy_timeout = 5000; PRAGMA journal_size_limit = 16777216";

/// Lets a file give room back. It must come before anything else is written to the file. The file is
/// not new any more if another store is making it at the same time, and then it has no effect.
const NEW_SETTINGS: &str = "PRAGMA auto_vacuum = INCREMENTAL";

/// What to do if the database file does not exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum IfMissing {
    /// Create it, and its folder.
    Create,
    /// Fail.
    Fail,
}

/// Where a database is, and how it is opened.
#[derive(Clone, Debug)]
pub(super) struct Source {
    name: String,
    flags: OpenFlags,
}

impl Source {
    /// A database in memory, shared by all connections to this source. SQLite frees it when the last
    /// of them closes: <https://www.sqlite.org/inmemorydb.html>.
    pub(super) fn memory() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        Self { name: format!("file:/grocery-{number}?vfs=memdb"), flags: OpenFlags::default() }
    }

    /// A file.
    ///
    /// # Errors
    /// The reason why there can be none.
    pub(super) fn file(path: &Path, if_missing: IfMissing) -> Result<Self, String> {
        let path = std::path::absolute(path).map_err(|error| error.to_string())?;
        let mut flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        if if_missing == IfMissing::Create {
            flags |= OpenFlags::SQLITE_OPEN_CREATE;
            if let Some(folder) = path.parent() {
                std::fs::create_dir_all(folder).map_err(|error| {
                    format!("cannot make the folder {}: {error}", folder.display())
                })?;
            }
        }
        let name = path.to_str().ok_or("its path is not valid UTF-8")?.to_owned();
        Ok(Self { name, flags })
    }

    /// Opens it for the first time, and waits for other stores that are making it.
    ///
    /// # Errors
    /// The reason why it cannot be opened.
    pub(super) fn open_first(&self) -> Result<rusqlite::Connection, String> {
        let began = Instant::now();
        loop {
            match self.open_new() {
                Ok(connection) => return Ok(connection),
                // Another store is creating the file, or is writing back its log as it closes.
                Err(error) if is_locked(&error) && began.elapsed() < OPEN_TIMEOUT => {
                    thread::sleep(PAUSE);
                }
                Err(error) => return Err(explained(&error)),
            }
        }
    }

    fn open_new(&self) -> Result<rusqlite::Connection, DatabaseError> {
        let connection = self.connect()?;
        let pages: i64 = connection.pragma_query_value(None, "page_count", |row| row.get(0))?;
        if pages == 0 {
            connection.execute_batch(NEW_SETTINGS)?;
        }
        connection.execute_batch(SETTINGS)?;
        Ok(connection)
    }

    fn open(&self) -> Result<rusqlite::Connection, DatabaseError> {
        let connection = self.connect()?;
        connection.execute_batch(SETTINGS)?;
        Ok(connection)
    }

    fn connect(&self) -> Result<rusqlite::Connection, DatabaseError> {
        let connection = rusqlite::Connection::open_with_flags(&self.name, self.flags)?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS);
        Ok(connection)
    }
}

/// Runs a statement once for each of its input rows, or once if there are none, and returns the rows
/// of all results.
///
/// Several rows that are not in a transaction get one. So all are of one moment, as those of a
/// statement of PostgreSQL, and the locks of the file are taken once and not for each row.
pub(super) fn fetch<R: FromRow, I: Parameters>(
    connection: &rusqlite::Connection,
    text: &str,
    rows: &[I],
) -> Result<Vec<R>, DatabaseError> {
    if rows.len() < 2 || !connection.is_autocommit() {
        return fetch_here(connection, text, rows);
    }
    // Dropped without a commit it is rolled back.
    let transaction = connection.unchecked_transaction()?;
    let results = fetch_here(&transaction, text, rows)?;
    transaction.commit()?;
    Ok(results)
}

/// The same in the transaction that is open, if one is.
fn fetch_here<R: FromRow, I: Parameters>(
    connection: &rusqlite::Connection,
    text: &str,
    rows: &[I],
) -> Result<Vec<R>, DatabaseError> {
    let mut statement = connection.prepare_cached(text)?;
    let mut results = Vec::new();
    let mut read = |mut result: rusqlite::Rows<'_>| {
        while let Some(row) = result.next()? {
            results.push(R::from_row(&Row::Sqlite(row))?);
        }
        Ok::<_, DatabaseError>(())
    };
    if rows.is_empty() {
        read(statement.query(())?)?;
    }
    for row in rows {
        read(statement.query(row.parameters())?)?;
    }
    Ok(results)
}

/// Does something that may wait, on a thread that may.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, DatabaseError> {
    spawn_blocking(work).await.map_err(|_| DatabaseError::Panicked)
}

/// Connections to one database; clones share them.
#[derive(Clone, Debug)]
pub(super) struct Pool(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    source: Source,
    most: u32,
    /// Each stands for a connection that may be used.
    permits: Arc<Semaphore>,
    idle: Mutex<Vec<rusqlite::Connection>>,
    is_closed: AtomicBool,
}

impl Pool {
    /// A pool of so many connections at most. None of them is open yet.
    pub(super) fn new(source: Source, most: u16) -> Self {
        Self(Arc::new(Inner {
            source,
            most: most.into(),
            permits: Arc::new(Semaphore::new(most.into())),
            idle: Mutex::default(),
            is_closed: AtomicBool::new(false),
        }))
    }

    /// Waits until a connection may be used.
    pub(super) async fn acquire(&self) -> Result<Place, DatabaseError> {
        let pool = &self.0;
        if pool.is_closed.load(Ordering::Acquire) {
            return Err(DatabaseError::PoolClosed);
        }
        let permit = match Arc::clone(&pool.permits).try_acquire_owned() {
            Ok(permit) => permit,
            Err(TryAcquireError::NoPermits) => {
                let permit = Arc::clone(&pool.permits).acquire_owned();
                let permit = timeout(ACQUIRE_TIMEOUT, permit).await;
                let permit = permit.map_err(|_| DatabaseError::PoolTimedOut)?;
                permit.map_err(|_| DatabaseError::PoolClosed)?
            }
            Err(TryAcquireError::Closed) => return Err(DatabaseError::PoolClosed),
        };
        Ok(Place { pool: self.clone(), _permit: permit, _in_use: None })
    }

    /// Connections in use, those that are open beside them, and how many there may be.
    pub(super) fn size(&self) -> (u32, u32, u32) {
        let free = u32::try_from(self.0.permits.available_permits()).unwrap_or(self.0.most);
        let idle = u32::try_from(self.0.idle().len()).unwrap_or(self.0.most);
        (self.0.most.saturating_sub(free), idle, self.0.most)
    }

    /// Waits for what is under way, and closes all connections.
    pub(super) async fn close(&self) {
        let pool = Arc::clone(&self.0);
        pool.is_closed.store(true, Ordering::Release);
        if let Ok(_all) = pool.permits.acquire_many(pool.most).await {
            let idle = std::mem::take(&mut *pool.idle());
            // The last connection to a file writes its log back.
            blocking(move || drop(idle)).await.ok();
        }
    }
}

impl Inner {
    fn idle(&self) -> MutexGuard<'_, Vec<rusqlite::Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The right to use a connection of a pool.
pub(super) struct Place {
    pool: Pool,
    _permit: OwnedSemaphorePermit,
    _in_use: Option<InUse>,
}

impl Place {
    /// Measures how long the connection is used.
    pub(super) fn measured(self, in_use: Option<InUse>) -> Self {
        Self { _in_use: in_use, ..self }
    }

    /// Does this work with a connection, on a thread that may wait. There its future is polled to its
    /// end at once, since nothing in it waits by any other means than SQLite's.
    ///
    /// When it takes longer than `limit`, or when the caller drops the future of this function, it is
    /// given up: the statement under way fails, and each that follows.
    ///
    /// # Errors
    /// [`DatabaseError`] when it is unknown what became of the work.
    pub(super) async fn run<T: Send + 'static, F: Future<Output = T>>(
        self,
        limit: Duration,
        work: impl FnOnce(Result<Lease, DatabaseError>) -> F + Send + 'static,
    ) -> Result<T, DatabaseError> {
        let (mut reply, mut answer) = oneshot::channel();
        let caller = Caller::default();
        let is_given_up = Arc::clone(&caller.is_gone);
        let task = move || {
            let lease = self.open(is_given_up);
            let done = {
                // Work that waits for something else, which only a test does, waits for as long as
                // its caller.
                let (work, gone) = (pin!(work(lease)), pin!(reply.closed()));
                match block_on(select(work, gone)) {
                    Either::Left((done, _)) => done,
                    Either::Right(_) => return,
                }
            };
            reply.send(done).ok();
        };
        drop(spawn_blocking(task));
        let done = match timeout(limit, &mut answer).await {
            Ok(done) => done,
            Err(_) => {
                drop(caller);
                let done = timeout(END_TIMEOUT, answer).await;
                done.map_err(|_| DatabaseError::TimedOut)?
            }
        };
        done.map_err(|_| DatabaseError::Panicked)
    }

    /// Takes a connection that is open, or opens one.
    fn open(self, is_given_up: Arc<AtomicBool>) -> Result<Lease, DatabaseError> {
        let idle = self.pool.0.idle().pop();
        let mut connection = match idle {
            Some(connection) => connection,
            None => self.pool.0.source.open()?,
        };
        let of_statements = Arc::clone(&is_given_up);
        let is_to_end = move || of_statements.load(Ordering::Relaxed);
        connection.progress_handler(STEPS, Some(is_to_end))?;
        Ok(Lease { connection: Some(connection), place: self, is_given_up })
    }
}

/// Who waits for work. When it is dropped, the work is given up.
#[derive(Default)]
struct Caller {
    is_gone: Arc<AtomicBool>,
}

impl Drop for Caller {
    fn drop(&mut self) {
        self.is_gone.store(true, Ordering::Relaxed);
    }
}

/// A connection in use. When it is dropped it goes back to its pool.
pub(super) struct Lease {
    /// `None` once it is closed.
    connection: Option<rusqlite::Connection>,
    place: Place,
    is_given_up: Arc<AtomicBool>,
}

impl Lease {
    /// The connection, for one more statement.
    ///
    /// # Errors
    /// [`DatabaseError::TimedOut`] when nobody waits for it any more.
    pub(super) fn connection(&mut self) -> Result<&mut rusqlite::Connection, DatabaseError> {
        if self.is_given_up.load(Ordering::Relaxed) {
            return Err(DatabaseError::TimedOut);
        }
        self.connection.as_mut().ok_or(DatabaseError::PoolClosed)
    }

    /// Closes the connection, which rolls back what is open on it.
    pub(super) fn close(&mut self) {
        drop(self.connection.take());
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        // Before the permit is given back, which is a field.
        self.place.pool.0.idle().extend(self.connection.take());
    }
}

#[cfg(test)]
mod tests {
    use rusqlite::types::Value;
    use serde::Serialize;

    use super::*;
    use crate::storage::sql::bind_in_order;

    #[derive(Serialize)]
    struct NumberRow {
        number: i64,
    }

    bind_in_order! { NumberRow { number } }

    #[test]
    fn a_statement_with_several_rows_is_done_as_a_whole_or_not_at_all() {
        let connection = Source::memory().open_first().unwrap();
        connection.execute_batch("CREATE TABLE numbers (number BIGINT PRIMARY KEY)").unwrap();
        let insert = |numbers: &[i64]| {
            let rows: Vec<_> = numbers.iter().map(|number| NumberRow { number: *number }).collect();
            fetch::<(), _>(&connection, "INSERT INTO numbers VALUES (?1)", &rows).map(drop)
        };
        let count = || {
            assert!(connection.is_autocommit(), "no transaction is left open");
            let count = connection.query_row("SELECT COUNT(*) FROM numbers", [], |row| row.get(0));
            let count: i64 = count.unwrap();
            count
        };
        insert(&[1]).unwrap();
        assert!(insert(&[2, 3, 1]).is_err());
        assert_eq!(count(), 1);
        insert(&[2, 3]).unwrap();
        assert_eq!(count(), 3);
        // In a transaction that is open they are a part of it.
        connection.execute_batch("BEGIN").unwrap();
        insert(&[4, 5]).unwrap();
        connection.execute_batch("ROLLBACK").unwrap();
        assert_eq!(count(), 3);
    }

    #[test]
    fn every_connection_to_a_file_is_durable_and_checks_what_it_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let source = Source::file(&folder.path().join("grocery.db"), IfMissing::Create).unwrap();
        for connection in [source.open_first().unwrap(), source.open().unwrap()] {
            let setting = |name| {
                let value = connection.pragma_query_value(None, name, |row| row.get::<_, Value>(0));
                value.unwrap()
            };
            let names = ["journal_mode", "synchronous", "foreign_keys", "busy_timeout"];
            // 2 is FULL.
            let expected = ["wal".to_owned().into(), 2.into(), 1.into(), 5_000.into()];
            assert_eq!(names.map(setting), expected);
        }
    }
}
