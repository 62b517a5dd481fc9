//! Where the database is, as a value that can be logged.

use std::{
    fmt,
    path::{Path, PathBuf},
    str::FromStr,
};

use url::Url;

/// The address of a database: `sqlite:PATH`, `sqlite::memory:` or `postgres://...`.
///
/// Its `Display` and `Debug` leave out the password.
#[derive(Clone, PartialEq, Eq)]
pub struct DatabaseUrl(Place);

/// Where a database is.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// SQLite in the memory of this process, gone with it.
    Memory,
    /// SQLite in a file, which may not be there yet.
    File(PathBuf),
    /// PostgreSQL.
    Server(Url),
}

/// Why a text is not the address of a database.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{shown:?} is not the address of a database: {problem}; expected sqlite:PATH, \
     sqlite::memory: or postgres://USER:PASSWORD@HOST:PORT/DATABASE"
)]
pub struct DatabaseUrlError {
    /// The address up to where a password could begin.
    shown: String,
    problem: &'static str,
}

impl DatabaseUrl {
    pub(super) const fn place(&self) -> &Place {
        &self.0
    }
}

impl FromStr for DatabaseUrl {
    type Err = DatabaseUrlError;

    fn from_str(text: &str) -> Result<Self, DatabaseUrlError> {
        parse(text).map(Self).map_err(|problem| DatabaseUrlError { shown: shown(text), problem })
    }
}

fn parse(text: &str) -> Result<Place, &'static str> {
    let (scheme, rest) = text.split_once(':').ok_or("it has no scheme")?;
    match scheme {
        "sqlite" => parse_sqlite(rest.strip_prefix("//").unwrap_or(rest)),
        "postgres" | "postgresql" if rest.starts_with("//") => {
            Url::parse(text).map(Place::Server).map_err(|_| "it is not a well-formed URL")
        }
        "postgres" | "postgresql" => Err("'//' is missing after the scheme"),
        _ => Err("its scheme is unknown"),
    }
}

fn parse_sqlite(path: &str) -> Result<Place, &'static str> {
    match path {
        ":memory:" => Ok(Place::Memory),
        "" => Err("the path is empty"),
        path if path.contains(['?', '#']) => Err("the path has a '?' or '#' in it"),
        path => Ok(Place::File(Path::new(path).into())),
    }
}

/// As much of a wrong address as surely holds no password.
fn shown(text: &str) -> String {
    if !text.contains('@') && !text.contains("password") {
        return text.into();
    }
    let scheme = text.split_once("://").map_or("", |(scheme, _)| scheme);
    format!("{scheme}://...")
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let url = match &self.0 {
            Place::Memory => return f.write_str("sqlite::memory:"),
            Place::File(path) => return write!(f, "sqlite:{}", path.display()),
            Place::Server(url) => url,
        };
        write!(f, "{}://", url.scheme())?;
        if !url.username().is_empty() {
            write!(f, "{}@", url.username())?;
        }
        f.write_str(url.host_str().unwrap_or_default())?;
        if let Some(port) = url.port() {
            write!(f, ":{port}")?;
        }
        // The query is left out: it may have a password, too.
        f.write_str(url.path())
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DatabaseUrl({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_displayed_without_its_password() {
        for (text, displayed) in [
            ("sqlite::memory:", "sqlite::memory:"),
            ("sqlite:data/grocery.db", "sqlite:data/grocery.db"),
            ("sqlite:///var/lib/grocery.db", "sqlite:/var/lib/grocery.db"),
            ("postgres://ann:secret@db:5433/grocery", "postgres://ann@db:5433/grocery"),
            ("postgres://db/grocery?user=ann&password=secret", "postgres://db/grocery"),
            ("postgresql://ann@%2Frun%2Fpostgresql/x", "postgresql://ann@%2Frun%2Fpostgresql/x"),
        ] {
            let url: DatabaseUrl = text.parse().unwrap();
            assert_eq!(url.to_string(), displayed);
            assert_eq!(format!("{url:?}"), format!("DatabaseUrl({displayed})"));
        }
    }

    #[test]
    fn what_is_no_address_is_refused_by_what_is_wrong_with_it() {
        for (text, problem) in [
            ("", "\"\" is not the address of a database: it has no scheme"),
            ("grocery.db", "\"grocery.db\" is not the address of a database: it has no scheme"),
            ("sqlite:", "\"sqlite:\" is not the address of a database: the path is empty"),
            ("sqlite:a?mode=ro", "the path has a '?' or '#' in it"),
            ("mysql://localhost/grocery", "its scheme is unknown"),
            ("postgres:localhost", "'//' is missing after the scheme"),
            ("postgres://ann:secret@db:port/x", "\"postgres://...\" is not"),
        ] {
            let error = text.parse::<DatabaseUrl>().unwrap_err().to_string();
            assert!(error.contains(problem), "{error}");
            assert!(error.ends_with(
                "expected sqlite:PATH, sqlite::memory: or \
                 postgres://USER:PASSWORD@HOST:PORT/DATABASE"
            ));
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
