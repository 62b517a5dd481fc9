//! Errors of the database: what they mean for the client, and whether a retry can help.
//!
//! # How an error is classified
//!
//! The database's own code decides: SQLSTATE's five characters in PostgreSQL, the lowest byte of
//! the extended result code in SQLite. An error without a code comes from the connection itself.
//!
//! | what happened | PostgreSQL | SQLite | without a code |
//! |---|---|---|---|
//! | conflict: the transaction was aborted in favour of another | 40001, 40P01 | BUSY, LOCKED, PROTOCOL | |
//! | disconnect: the server ended the connection, or only reads | 08..., 57P01 to 57P03, 57P05, 25P03, 25P04, 25006 | | I/O |
//! | short of resources: connections, disk, memory, time, rights to write | 53..., 58030, 57014, 55P03 | NOMEM, READONLY, IOERR, CORRUPT, FULL, CANTOPEN | timeout, full pool |
//! | anything else: the statement itself is wrong | the rest | the rest | the rest |
//!
//! The class of an error decides four things:
//!
//! - **The answer.** The first three are [`StorageError::Unavailable`], HTTP status 503: the same
//!   order may succeed later. The last is [`StorageError::Refused`], status 500.
//! - **A retry right now**, once, in a whole new transaction: after a conflict and a disconnect,
//!   but not while resources are short, where it would only add to the load.
//! - **An error during COMMIT** is [`StorageError::CommitUnknown`] unless the database says that
//!   nothing is recorded. If the connection to the server is lost, nothing is said. If the disk
//!   fails under SQLite, not even SQLite knows: the commit may be complete in the log, and be found
//!   there when the log is read after a crash.
//! - **The connection** is kept only after a COMMIT or ROLLBACK that succeeded, for any class of
//!   error, see the module `connection`.

use std::borrow::Cow;

use rusqlite::{ErrorCode, ffi};
use telemetry::tls::{self, Distrust};

use super::DatabaseUrl;

/// Why the database failed.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// The database at this address cannot be opened.
    #[error("cannot open the database {url}: {reason}")]
    Open {
        /// The address, without its password.
        url: Box<DatabaseUrl>,
        /// What the database or the operating system says.
        reason: String,
    },
    /// The schema cannot be brought up to date.
    #[error("cannot migrate the database {url}: {problem}")]
    Migrate {
        /// The address, without its password.
        url: Box<DatabaseUrl>,
        /// What is wrong with the schema, or what the database says.
        problem: String,
    },
    /// The database does not answer, or has no connection to spare: HTTP status 503.
    #[error("the database is unavailable: {}", explained(.0))]
    Unavailable(#[source] DatabaseError),
    /// The connection was lost or the disk failed during a commit, so the transaction may be
    /// recorded or not: HTTP status 503. A client that repeats its order with the same key finds
    /// out.
    #[error("the database failed during a commit: {}", explained(.0))]
    CommitUnknown(#[source] DatabaseError),
    /// The database refused a statement: HTTP status 500.
    #[error("the database refused a statement: {}", explained(.0))]
    Refused(#[source] DatabaseError),
    /// The database holds a value that the store never writes: HTTP status 500.
    #[error("the database holds {0}")]
    Corrupt(String),
}

/// What a database says, or why it could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    /// PostgreSQL, or the connection to it.
    #[error(transparent)]
    Postgres(sqlx::Error),
    /// SQLite.
    #[error(transparent)]
    Sqlite(rusqlite::Error),
    /// All connections of the pool were in use for too long.
    #[error("pool timed out while waiting for an open connection")]
    PoolTimedOut,
    /// The pool is closed.
    #[error("attempted to acquire a connection on a closed pool")]
    PoolClosed,
    /// There was no answer in time.
    #[error("no answer in time")]
    TimedOut,
    /// The thread that worked for it has panicked.
    #[error("what was under way has panicked")]
    Panicked,
}

impl StorageError {
    pub(super) fn open(url: &DatabaseUrl, reason: String) -> Self {
        Self::Open { url: Box::new(url.clone()), reason }
    }

    /// The kind of error, for `error.type`.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Open { .. } => "open",
            Self::Migrate { .. } => "migrate",
            Self::Unavailable(_) => "unavailable",
            Self::CommitUnknown(_) => "commit_unknown",
            Self::Refused(_) => "refused",
            Self::Corrupt(_) => "corrupt",
        }
    }

    /// Whether the same may succeed later: HTTP status 503.
    pub const fn is_temporary(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::CommitUnknown(_))
    }

    /// Whether the database ended a statement because it took too long.
    pub fn is_timeout(&self) -> bool {
        // PostgreSQL's code is the same when somebody cancels the statement.
        matches!(self, Self::Unavailable(error) if code(error).is_some_and(|code| code == "57014"))
    }

    /// Whether a new transaction may succeed right now: this one was aborted in favour of another,
    /// or lost its connection before its commit.
    pub(super) fn retry_helps(&self) -> bool {
        match self {
            Self::Unavailable(error) => match code(error) {
                Some(code) => is_conflict(&code) || is_disconnect(&code),
                None => matches!(
                    error,
                    DatabaseError::Postgres(sqlx::Error::Io(error)) if !is_timeout(error)
                ),
            },
            _ => false,
        }
    }

    /// Whether the connection is closed, or does not answer any more.
    pub(super) fn lost_connection(&self) -> bool {
        let (Self::Unavailable(error) | Self::CommitUnknown(error)) = self else { return false };
        code(error).is_none_or(|code| is_disconnect(&code))
    }

    /// The same error as the answer to a COMMIT.
    pub(super) fn during_commit(self) -> Self {
        match self {
            Self::Unavailable(error) if leaves_commit_unknown(&error) => Self::CommitUnknown(error),
            error => error,
        }
    }
}

impl From<DatabaseError> for StorageError {
    fn from(error: DatabaseError) -> Self {
        use DatabaseError::{Panicked, PoolClosed, PoolTimedOut, Postgres, Sqlite, TimedOut};
        let temporary = match (code(&error), &error) {
            (Some(code), _) => {
                is_conflict(&code) || is_disconnect(&code) || is_short_of_resources(&code)
            }
            (None, Postgres(error)) => matches!(
                error,
                sqlx::Error::Io(_)
                    | sqlx::Error::Tls(_)
                    | sqlx::Error::WorkerCrashed
                    | sqlx::Error::BeginFailed
            ),
            (None, Sqlite(_)) => false,
            (None, PoolTimedOut | PoolClosed | TimedOut | Panicked) => true,
        };
        if temporary { Self::Unavailable(error) } else { Self::Refused(error) }
    }
}

impl From<sqlx::Error> for DatabaseError {
    fn from(error: sqlx::Error) -> Self {
        match error {
            sqlx::Error::PoolTimedOut => Self::PoolTimedOut,
            sqlx::Error::PoolClosed => Self::PoolClosed,
            error => Self::Postgres(error),
        }
    }
}

impl From<rusqlite::Error> for DatabaseError {
    fn from(error: rusqlite::Error) -> Self {
        match sqlite_error(&error).map(|error| error.code) {
            // Statements are interrupted when nobody waits for them any more: they took too long.
            Some(ErrorCode::OperationInterrupted) => Self::TimedOut,
            _ => Self::Sqlite(error),
        }
    }
}

/// The database's own message if it has one. A driver's text also has a line of PostgreSQL's source
/// code, or all of the statement.
pub(super) fn reason(error: &DatabaseError) -> String {
    match error {
        DatabaseError::Postgres(error) => error
            .as_database_error()
            .map_or_else(|| error.to_string(), |error| error.message().to_owned()),
        DatabaseError::Sqlite(rusqlite::Error::SqlInputError { msg, .. }) => msg.clone(),
        error => error.to_string(),
    }
}

/// The reason, with what to do about it if that does not follow from the database's own message.
pub(super) fn explained(error: &DatabaseError) -> String {
    if let DatabaseError::Postgres(sqlx::Error::Io(io)) = error
        && let Some(Distrust { why, of_authority }) = tls::distrusted(io)
    {
        let advice =
            if of_authority { " (the parameter sslrootcert names its authority)" } else { "" };
        return format!("the server's certificate is not trusted: {why}{advice}");
    }
    let reason = reason(error);
    match code(error).as_deref().and_then(|code| advice(code, &reason)) {
        Some(advice) => format!("{reason} ({advice})"),
        None => reason,
    }
}

/// What to do about an error of PostgreSQL or of a pooler in front of it.
fn advice(code: &str, reason: &str) -> Option<&'static str> {
    match code {
        "53300" => Some(
            "its max_connections, or the role's limit, has to be at least the number of stores times \
             --database-connections",
        ),
        "25006" => Some("it is a standby or read-only: the store needs the primary server"),
        "57014" if reason.contains("statement timeout") => {
            Some("--statement-timeout: the server is too busy, or the statement waited for a lock")
        }
        // What one transaction has prepared is missing, or in the way, in another.
        "42P05" | "26000" => {
            Some("behind a pooler of connections add the parameter pgbouncer=true to the address")
        }
        "08P01" if reason.contains("unsupported startup parameter") => Some(
            "PgBouncer needs the setting ignore_startup_parameters = extra_float_digits, and no \
             parameter `options` in the address",
        ),
        _ => None,
    }
}

/// Whether the role lacks a right.
pub(super) fn is_permission_denied(error: &DatabaseError) -> bool {
    code(error).is_some_and(|code| code == "42501")
}

/// Whether the server admits no connection just now: it has too many, or is starting up or shutting
/// down.
pub(super) fn is_not_admitted(error: &DatabaseError) -> bool {
    code(error).is_some_and(|code| matches!(&*code, "53300" | "57P03"))
}

fn is_timeout(error: &std::io::Error) -> bool {
    error.kind() == std::io::ErrorKind::TimedOut
}

/// The database's code for an error: five characters in PostgreSQL, a decimal number in SQLite.
pub(super) fn code(error: &DatabaseError) -> Option<Cow<'_, str>> {
    match error {
        DatabaseError::Postgres(error) => error.as_database_error()?.code(),
        DatabaseError::Sqlite(error) => Some(sqlite_error(error)?.extended_code.to_string().into()),
        _ => None,
    }
}

/// What SQLite itself says, of a statement that it runs or that it cannot read.
const fn sqlite_error(error: &rusqlite::Error) -> Option<&ffi::Error> {
    match error {
        rusqlite::Error::SqliteFailure(error, _) | rusqlite::Error::SqlInputError { error, .. } => {
            Some(error)
        }
        _ => None,
    }
}

/// The kind of a SQLite error, which is the lowest byte of its code:
/// <https://www.sqlite.org/rescode.html>. None of them has five digits, as PostgreSQL's do.
fn sqlite_kind(code: &str) -> Option<u8> {
    let code = code.parse::<u32>().ok().filter(|_| code.len() < 5)?;
    Some(code.to_le_bytes()[0])
}

/// Whether SQLite says that another connection has the lock.
pub(super) fn is_locked(error: &DatabaseError) -> bool {
    code(error).is_some_and(|code| is_conflict(&code) && sqlite_kind(&code).is_some())
}

/// Whether it is unknown after this error of a COMMIT if the transaction is recorded.
fn leaves_commit_unknown(error: &DatabaseError) -> bool {
    match code(error) {
        Some(code) => is_disconnect(&code) || matches!(sqlite_kind(&code), Some(10 | 11 | 13)),
        None => true,
    }
}

/// The transaction was aborted in favour of another one. PostgreSQL: serialization failure,
/// deadlock; SQLite: BUSY, LOCKED, PROTOCOL. See
/// <https://www.postgresql.org/docs/current/errcodes-appendix.html>.
fn is_conflict(code: &str) -> bool {
    matches!(code, "40001" | "40P01") || matches!(sqlite_kind(code), Some(5 | 6 | 15))
}

/// PostgreSQL ended the connection: class 08 but for a protocol violation, shutdown, crash,
/// start-up, and a session or transaction that was idle or open for too long. Or it refuses to write,
/// as a standby does: after a failover the same name may lead to the primary server.
fn is_disconnect(code: &str) -> bool {
    let broken = code.len() == 5 && code.starts_with("08") && code != "08P01";
    broken || matches!(code, "57P01" | "57P02" | "57P03" | "57P05" | "25P03" | "25P04" | "25006")
}

/// PostgreSQL: out of disk, memory or connections, I/O error, statement or lock timeout. SQLite: out of memory, read-only, I/O error, corrupt, disk full, cannot open. Corrupt
/// is also what SQLite says when the operating system fails a read with EIO.
fn is_short_of_resources(code: &str) -> bool {
    match sqlite_kind(code) {
        Some(kind) => matches!(kind, 7 | 8 | 10 | 11 | 13 | 14),
        None => code.starts_with("53") || matches!(code, "58030" | "57014" | "55P03"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_say_whether_a_retry_helps() {
        for (code, conflict, disconnect, resources) in [
            ("40001", true, false, false),
            ("40P01", true, false, false),
            ("5", true, false, false),
            ("517", true, false, false),
            ("262", true, false, false),
            ("57P01", false, true, false),
            ("08006", false, true, false),
            ("08P01", false, false, false),
            ("25P03", false, true, false),
            ("25006", false, true, false),
            ("53100", false, false, true),
            ("53300", false, false, true),
            ("58030", false, false, true),
            ("55P03", false, false, true),
            ("15", true, false, false),
            ("7", false, false, true),
            ("11", false, false, true),
            ("13", false, false, true),
            ("778", false, false, true),
            ("2570", false, false, true),
            ("23505", false, false, false),
            ("275", false, false, false),
        ] {
            assert_eq!(is_conflict(code), conflict, "{code}");
            assert_eq!(is_disconnect(code), disconnect, "{code}");
            assert_eq!(is_short_of_resources(code), resources, "{code}");
        }
    }

    #[test]
    fn a_full_pool_is_temporary_and_no_reason_to_try_again_at_once() {
        let error = StorageError::from(DatabaseError::PoolTimedOut);
        assert!(error.is_temporary() && !error.retry_helps());
        let reset = || sqlx::Error::Io(std::io::ErrorKind::ConnectionReset.into());
        let lost = || DatabaseError::from(reset());
        let error = StorageError::from(lost());
        assert!(error.retry_helps() && error.lost_connection());
        let error = StorageError::from(lost()).during_commit();
        assert_eq!(error.kind(), "commit_unknown");
        assert!(error.is_temporary() && !error.retry_helps());
        let error = StorageError::from(DatabaseError::from(sqlx::Error::RowNotFound));
        assert!(!error.is_temporary() && !error.retry_helps());
    }
}
