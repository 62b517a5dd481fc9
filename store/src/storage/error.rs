//! Why the database could not do what was asked.

use super::DatabaseUrl;

/// Why the database could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// There is no database to be had at this address.
    #[error("cannot open the database {url}: {reason}")]
    Open {
        /// The address, without its password.
        url: DatabaseUrl,
        /// What the database or the operating system says.
        reason: String,
    },
    /// The schema cannot be brought up to date.
    #[error("cannot migrate the database {url}: {source}")]
    Migrate {
        /// The address, without its password.
        url: DatabaseUrl,
        /// What went wrong.
        source: sqlx::migrate::MigrateError,
    },
    /// The database does not answer, or has no connection to spare: HTTP status 503.
    #[error("the database is unavailable: {0}")]
    Unavailable(#[source] sqlx::Error),
    /// The database refused a statement: HTTP status 500.
    #[error("the database refused a statement: {0}")]
    Refused(#[source] sqlx::Error),
    /// The database holds something that the store has never written: HTTP status 500.
    #[error("the database holds {0}")]
    Corrupt(String),
}

impl StorageError {
    /// The kind of error, for `error.type`.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Open { .. } => "open",
            Self::Migrate { .. } => "migrate",
            Self::Unavailable(_) => "unavailable",
            Self::Refused(_) => "refused",
            Self::Corrupt(_) => "corrupt",
        }
    }
}
