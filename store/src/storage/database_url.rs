//! Where the database is, as a value that can be logged.

use std::{fmt, path::PathBuf, str::FromStr};

/// The address of a database: `sqlite:PATH`, `sqlite::memory:` or `postgres://...`.
///
/// Its `Display` and `Debug` leave out the password.
#[derive(Clone, PartialEq, Eq)]
pub struct DatabaseUrl(Place);

#[derive(Clone, PartialEq, Eq)]
enum Place {
    Memory,
    File(PathBuf),
    Server(String),
}

/// Why a text is not the address of a database.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{input:?} is not the address of a database: {problem}; expected sqlite:PATH, sqlite::memory: or postgres://USER:PASSWORD@HOST:PORT/DATABASE"
)]
pub struct DatabaseUrlError {
    input: String,
    problem: String,
}

impl FromStr for DatabaseUrl {
    type Err = DatabaseUrlError;

    fn from_str(text: &str) -> Result<Self, DatabaseUrlError> {
        if text == "sqlite::memory:" {
            return Ok(Self(Place::Memory));
        }
        if let Some(path) = text.strip_prefix("sqlite:") {
            return Ok(Self(Place::File(path.into())));
        }
        Ok(Self(Place::Server(text.into())))
    }
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Place::Memory => f.write_str("sqlite::memory:"),
            Place::File(path) => write!(f, "sqlite:{}", path.display()),
            Place::Server(_) => f.write_str("postgres://"),
        }
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DatabaseUrl({self})")
    }
}
