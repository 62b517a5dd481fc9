//! PostgreSQL: how connections are made and lent, and how statements are sent over them.
//!
//! When one connection is lost, or refuses to write, the others that are as old are not lent any more.
//! So after a failover the store does not fail once for each of them: the next connection is made by
//! the server's name, which may lead to another server by now.
//!
//! # Behind a pooler
//!
//! A pooler such as PgBouncer, with `pool_mode = transaction`, lends each transaction another
//! connection of the server. Settings and prepared statements of one transaction would be missing in
//! the next, or be met by somebody else's. So then every statement is in a transaction, the settings
//! are those of the transaction (`SET LOCAL`), and statements have no name. The module `pooler` finds
//! out whether there is one.

use std::{
    num::NonZeroU16,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use sqlx::{
    ConnectOptions as _, Connection as _, Executor as _, PgConnection, PgPool, Postgres,
    pool::PoolConnection,
    postgres::{PgArguments, PgConnectOptions, PgPoolOptions},
    query::Query,
    raw_sql,
};

use super::{
    DatabaseUrl, StorageError,
    database_url::Server,
    error::{DatabaseError, explained, is_not_admitted},
    metrics::InUse,
    patience::{ACQUIRE_TIMEOUT, OPEN_TIMEOUT, PAUSE},
    pooler,
    sql::{Begin, Dialect, FromRow, Parameters, Row, Statement},
};

/// How long the server may take to show that an idle connection is still good. Less than
/// [`ACQUIRE_TIMEOUT`], so that there is time to make another.
const PING_TIMEOUT: Duration = Duration::from_secs(1);

/// How long to look for the reason why there was no connection.
const DIAGNOSIS_TIMEOUT: Duration = Duration::from_secs(1);

/// Connections of one store to PostgreSQL, unless it is told otherwise. The ledger writes by one of
/// them, the others read.
pub const POSTGRES_CONNECTIONS: NonZeroU16 = NonZeroU16::new(8).expect("it is not zero");

/// The limits of one store's use of PostgreSQL. They mean nothing for SQLite.
#[derive(Clone, Copy, Debug)]
pub struct PostgresLimits {
    /// Connections at most.
    pub connections: NonZeroU16,
    /// How long the server lets a statement run: whole milliseconds.
    pub statement_timeout: Duration,
}

impl Default for PostgresLimits {
    fn default() -> Self {
        Self { connections: POSTGRES_CONNECTIONS, statement_timeout: STATEMENT_TIMEOUT }
    }
}

/// How long PostgreSQL lets a statement of a store run, unless the store is told otherwise. A
/// statement of a sale takes milliseconds: one that takes so long waits for a lock, or for a server
/// that is too busy to be of use.
pub const STATEMENT_TIMEOUT: Duration = Duration::from_secs(5);

/// The statements that set the limits of statements in PostgreSQL, and those that begin a transaction
/// with them behind a pooler.
#[derive(Debug)]
struct LimitStatements {
    session: &'static str,
    writing: Statement,
    snapshot: Statement,
    reading: Statement,
}

impl LimitStatements {
    /// The second limit frees the locks of a store that died in the middle of a transaction.
    ///
    /// The texts are made once for an open database and never freed, since sqlx keeps statements by
    /// texts that live for ever.
    fn new(statement_timeout: Duration) -> Self {
        let limit = statement_timeout.as_millis();
        let settings = |set: &str| {
            format!(
                "{set} statement_timeout = '{limit}ms'; \
                 {set} idle_in_transaction_session_timeout = '10s'"
            )
        };
        let begin = |begin: Begin| {
            let usual = begin.statement().text(Dialect::Postgres);
            let text: &'static str = format!("{usual}; {}", settings("SET LOCAL")).leak();
            Statement::same("BEGIN", text)
        };
        Self {
            session: settings("SET").leak(),
            writing: begin(Begin::Writing),
            snapshot: begin(Begin::Snapshot),
            reading: begin(Begin::Reading),
        }
    }
}

/// How statements are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    /// Each is prepared once on each connection, and has a name there.
    Named,
    /// None has a name. Such a statement works wherever each transaction may get another connection
    /// of the server, but it has to be in a transaction if it has input rows: it is sent in two
    /// parts.
    Unnamed,
}

/// A statement with its input rows as JSON.
enum Ready {
    Prepared(Query<'static, Postgres, PgArguments>),
    Plain(&'static str),
}

impl Ready {
    fn new<I: Parameters>(
        text: &'static str,
        rows: &[I],
        protocol: Protocol,
    ) -> sqlx::Result<Self> {
        let is_named = protocol == Protocol::Named;
        if rows.is_empty() {
            return Ok(if is_named {
                Self::Prepared(sqlx::query(text))
            } else {
                Self::Plain(text)
            });
        }
        let json =
            serde_json::to_string(rows).map_err(|error| sqlx::Error::Encode(error.into()))?;
        Ok(Self::Prepared(sqlx::query(text).bind(json).persistent(is_named)))
    }
}

/// Sends a statement with all its input rows, and returns the rows of its result.
pub(super) async fn fetch<R: FromRow, I: Parameters>(
    connection: &mut PgConnection,
    text: &'static str,
    rows: &[I],
    protocol: Protocol,
) -> Result<Vec<R>, DatabaseError> {
    let rows = match Ready::new(text, rows, protocol)? {
        Ready::Prepared(query) => query.fetch_all(connection).await?,
        Ready::Plain(text) => raw_sql(text).fetch_all(connection).await?,
    };
    rows.iter().map(|row| R::from_row(&Row::Postgres(row))).collect()
}

/// Makes connections to one database.
#[derive(Debug)]
pub(super) struct Connector {
    url: DatabaseUrl,
    options: PgConnectOptions,
    connections: NonZeroU16,
    /// How long a statement may take, with the way of its answer, before its connection counts as lost.
    patience: Duration,
    limits: LimitStatements,
    protocol: Protocol,
    losses: Arc<Losses>,
    /// Held while the reason is looked for why there was no connection.
    diagnosis: tokio::sync::Mutex<()>,
}

impl Connector {
    /// Reads the address. The server is used within these limits.
    ///
    /// # Errors
    /// [`StorageError::Open`] with the reason.
    pub(super) fn of(
        url: &DatabaseUrl,
        server: &Server,
        limits: PostgresLimits,
    ) -> Result<Self, StorageError> {
        let options = server_options(server);
        Ok(Self {
            url: url.clone(),
            options: options.map_err(|error| StorageError::open(url, error.to_string()))?,
            connections: limits.connections,
            // Twice as long as the server, so that the store is told the reason.
            patience: limits.statement_timeout.saturating_mul(2),
            limits: LimitStatements::new(limits.statement_timeout),
            protocol: Protocol::Named,
            losses: Arc::default(),
            diagnosis: tokio::sync::Mutex::default(),
        })
    }

    /// Finds out whether a pooler stands before the server, unless the address says it. `connection`
    /// is one that this connector has made.
    ///
    /// # Errors
    /// [`StorageError::Open`] with the reason.
    pub(super) async fn look_for_pooler(
        &mut self,
        server: &Server,
        connection: &mut PgConnection,
    ) -> Result<(), StorageError> {
        let is_pooled = match server.is_pooled {
            Some(is_pooled) => is_pooled,
            None => {
                let mut other = self.connect().await?;
                let found = within(OPEN_TIMEOUT, pooler::is_there(connection, &mut other)).await;
                other.close().await.ok();
                found.map_err(|error| StorageError::open(&self.url, explained(&error)))?
            }
        };
        self.protocol = if is_pooled { Protocol::Unnamed } else { Protocol::Named };
        Ok(())
    }

    /// Makes one connection, outside of any pool: a pool hides the reason of a failure behind a
    /// timeout. No settings are made on it.
    ///
    /// # Errors
    /// [`StorageError::Open`] with the reason.
    pub(super) async fn connect(&self) -> Result<PgConnection, StorageError> {
        let mut refusal = None;
        let connect = async {
            loop {
                match self.options.connect().await.map_err(DatabaseError::from) {
                    Err(error) if is_not_admitted(&error) => refusal = Some(error),
                    result => return result,
                }
                tokio::time::sleep(PAUSE).await;
            }
        };
        let connected = tokio::time::timeout(OPEN_TIMEOUT, connect).await;
        let reason = match connected {
            Ok(Ok(connection)) => return Ok(connection),
            Ok(Err(error)) => explained(&error),
            Err(_) => match refusal {
                Some(error) => explained(&error),
                None => format!("no answer within {OPEN_TIMEOUT:?}"),
            },
        };
        Err(StorageError::open(&self.url, reason))
    }

    /// The address of the server and its port, for spans.
    pub(super) fn address(&self) -> (String, u16) {
        let address = match self.options.get_socket() {
            Some(socket) => socket.display().to_string(),
            None => self.options.get_host().to_owned(),
        };
        (address, self.options.get_port())
    }

    /// How long a statement may take.
    pub(super) const fn patience(&self) -> Duration {
        self.patience
    }

    /// The statement that begins a transaction.
    const fn begin(&self, begin: Begin) -> Statement {
        match (self.protocol, begin) {
            (Protocol::Named, begin) => begin.statement(),
            (Protocol::Unnamed, Begin::Writing) => self.limits.writing,
            (Protocol::Unnamed, Begin::Snapshot) => self.limits.snapshot,
            (Protocol::Unnamed, Begin::Reading) => self.limits.reading,
        }
    }
}

/// Connections to one database; clones share them.
#[derive(Clone, Debug)]
pub(super) struct Pool {
    connections: PgPool,
    connector: Arc<Connector>,
}

impl Pool {
    /// A pool of the connections that this connector makes. None of them is open yet.
    pub(super) fn new(connector: Connector) -> Self {
        let settings = (connector.protocol == Protocol::Named).then_some(connector.limits.session);
        let losses = Arc::clone(&connector.losses);
        let connections = PgPoolOptions::new()
            .max_connections(connector.connections.get().into())
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .after_connect(move |connection, _| {
                Box::pin(async move {
                    match settings {
                        Some(settings) => connection.execute(settings).await.map(drop),
                        None => Ok(()),
                    }
                })
            })
            // The same is done below, with a time limit.
            .test_before_acquire(false)
            .before_acquire(move |connection, met| {
                let losses = Arc::clone(&losses);
                Box::pin(async move { Ok(losses.is_good(connection, met.age).await) })
            })
            .connect_lazy_with(connector.options.clone());
        Self { connections, connector: Arc::new(connector) }
    }

    /// Waits for a connection.
    pub(super) async fn acquire(&self) -> Result<Lease, DatabaseError> {
        // Futures of sqlx are kilobytes. In a box they do not make those large that hold this one, of which
        // some are moved for each sale, also with SQLite.
        let connection = Box::pin(self.connections.acquire()).await?;
        let connector = Arc::clone(&self.connector);
        let patience = connector.patience;
        Ok(Lease { connection, connector, patience, _in_use: None })
    }

    /// The error of a pool that gave no connection. A pool tries for as long as it may and then says
    /// only that it took too long, so one more attempt is made for the reason.
    pub(super) async fn why(&self, error: DatabaseError) -> DatabaseError {
        let (open, most) =
            (self.connections.size(), self.connections.options().get_max_connections());
        if !matches!(error, DatabaseError::PoolTimedOut) || open >= most {
            return error;
        }
        // Of many that wait, one looks.
        let Ok(_one) = self.connector.diagnosis.try_lock() else { return error };
        let connecting = Box::pin(self.connector.options.connect());
        match tokio::time::timeout(DIAGNOSIS_TIMEOUT, connecting).await {
            Ok(Err(reason)) => reason.into(),
            Ok(Ok(connection)) => {
                connection.close().await.ok();
                error
            }
            Err(_) => error,
        }
    }

    /// Connections in use, those that are open beside them, and how many there may be.
    pub(super) fn size(&self) -> (u32, u32, u32) {
        let open = self.connections.size();
        let idle = u32::try_from(self.connections.num_idle()).unwrap_or(open).min(open);
        (open - idle, idle, self.connections.options().get_max_connections())
    }

    /// Closes each connection as soon as the statement under way on it is done.
    pub(super) async fn close(&self) {
        self.connections.close().await;
    }
}

/// A connection in use. When it is dropped it goes back to its pool.
pub(super) struct Lease {
    connection: PoolConnection<Postgres>,
    connector: Arc<Connector>,
    /// How long a statement may take before the connection counts as lost.
    patience: Duration,
    /// Measures how long the connection is used.
    _in_use: Option<InUse>,
}

impl Lease {
    /// Measures how long the connection is used.
    pub(super) fn measured(self, in_use: Option<InUse>) -> Self {
        Self { _in_use: in_use, ..self }
    }

    /// Gives each statement so much time.
    pub(super) fn patient(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// Sends a statement with its input rows, and returns the rows of its result.
    pub(super) async fn fetch<R: FromRow, I: Parameters>(
        &mut self,
        statement: &Statement,
        rows: &[I],
    ) -> Result<Vec<R>, DatabaseError> {
        let text = statement.text(Dialect::Postgres);
        let fetching = fetch(&mut self.connection, text, rows, self.connector.protocol);
        within(self.patience, Box::pin(fetching)).await
    }

    /// The statement that begins a transaction.
    pub(super) fn begin(&self, begin: Begin) -> Statement {
        self.connector.begin(begin)
    }

    /// How statements are sent.
    pub(super) fn protocol(&self) -> Protocol {
        self.connector.protocol
    }

    /// Notes that the connection is lost, or refuses to write.
    pub(super) fn lost(&self) {
        self.connector.losses.note();
    }

    /// Closes the connection when it is dropped, which rolls back what is open on it.
    pub(super) fn close(&mut self) {
        self.connection.close_on_drop();
    }
}

/// When connections to the server were last lost, or refused to write.
#[derive(Debug, Default)]
struct Losses(Mutex<Option<Instant>>);

impl Losses {
    fn note(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    /// Whether a connection of this age was there at the last loss.
    fn covers(&self, age: Duration) -> bool {
        let last = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        last.is_some_and(|last| age >= last.elapsed())
    }

    /// Whether an idle connection of this age can still be used.
    async fn is_good(&self, connection: &mut PgConnection, age: Duration) -> bool {
        if self.covers(age) {
            return false;
        }
        let is_alive = within(PING_TIMEOUT, async { Ok(connection.ping().await?) }).await.is_ok();
        if !is_alive {
            self.note();
        }
        is_alive
    }
}

fn server_options(server: &Server) -> sqlx::Result<PgConnectOptions> {
    if !server.ignored.is_empty() {
        let names = server.ignored.join(", ");
        tracing::warn!(name: "grocery.db.parameters.ignored", names, "the database's address has parameters that mean nothing here");
    }
    let mut url = server.url.clone();
    if !url.query_pairs().any(|(key, _)| key == "application_name") {
        url.query_pairs_mut().append_pair("application_name", "grocery-store");
    }
    PgConnectOptions::from_url(&url)
}

/// Waits no longer than `timeout`, since a server whose network is cut off never answers.
async fn within<T>(
    timeout: Duration,
    work: impl Future<Output = Result<T, DatabaseError>>,
) -> Result<T, DatabaseError> {
    tokio::time::timeout(timeout, work).await.unwrap_or(Err(DatabaseError::TimedOut))
}
