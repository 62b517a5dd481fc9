//! The address of the database, as a value that can be logged: without its password.

use std::{
    fmt,
    path::{Path, PathBuf},
    str::FromStr,
};

use url::Url;

/// The address of a database: `sqlite:PATH`, `sqlite::memory:` or `postgres://...`.
///
/// Its `Display` and `Debug` leave out the password and all parameters. That is safe only if the
/// parser finds the password where its author put it. In `postgres://ann:5/b@db/x` the password has
/// a `/` that is not percent-encoded, so the parser takes `ann` for the host, `5` for its port and
/// `b@db/x` for the database, which would be logged. Such an address has an `@` where none belongs.
/// By that it is recognised, and refused.
#[derive(Clone, PartialEq, Eq)]
pub struct DatabaseUrl(Location);

/// Where a database is.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Location {
    /// SQLite in the memory of this process. It is lost when the process ends.
    Memory,
    /// SQLite in a file, which may not exist yet.
    File(PathBuf),
    /// PostgreSQL.
    Server(Server),
}

/// The address of a PostgreSQL server.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Server {
    /// The address, with only those parameters that sqlx knows.
    pub(super) url: Url,
    /// Whether a pooler lends each transaction another connection; `None` if the address does not
    /// say.
    pub(super) is_pooled: Option<bool>,
    /// The names of the other parameters, without those that may be part of a password.
    pub(super) ignored: Vec<String>,
}

/// The parameters that sqlx reads, as [`sqlx::postgres::PgConnectOptions`] lists them. sqlx logs
/// all others with their values, which may be secrets, so it must not see them.
const PARAMETERS: [&str; 19] = [
    "sslmode",
    "ssl-mode",
    "sslrootcert",
    "ssl-root-cert",
    "ssl-ca",
    "sslcert",
    "ssl-cert",
    "sslkey",
    "ssl-key",
    "statement-cache-capacity",
    "host",
    "hostaddr",
    "port",
    "dbname",
    "user",
    "password",
    "application_name",
    "options",
    // And `options[NAME]`.
    "options[",
];

/// Whether a pooler lends each transaction another connection, as PgBouncer does with
/// `pool_mode = transaction`. Only the store reads it.
const POOLER: &str = "pgbouncer";

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
    pub(super) const fn location(&self) -> &Location {
        &self.0
    }
}

impl FromStr for DatabaseUrl {
    type Err = DatabaseUrlError;

    fn from_str(text: &str) -> Result<Self, DatabaseUrlError> {
        parse(text).map(Self).map_err(|problem| DatabaseUrlError { shown: shown(text), problem })
    }
}

const UNCLEAR: &str = "it is not a well-formed URL (in a user name, password or database, the \
                       characters / ? # @ : % & are written %2F %3F %23 %40 %3A %25 %26)";

fn parse(text: &str) -> Result<Location, &'static str> {
    let (scheme, rest) = text.split_once(':').ok_or("it has no scheme")?;
    match scheme {
        "sqlite" => parse_sqlite(rest.strip_prefix("//").unwrap_or(rest)),
        "postgres" | "postgresql" if rest.starts_with("//") => {
            let url = Url::parse(text).map_err(|_| UNCLEAR)?;
            parse_server(url).map(Location::Server)
        }
        "postgres" | "postgresql" => Err("'//' is missing after the scheme"),
        _ => Err("its scheme is unknown"),
    }
}

fn parse_server(mut url: Url) -> Result<Server, &'static str> {
    let after_host = [Some(url.path()), url.query()];
    if url.fragment().is_some() || after_host.iter().flatten().any(|part| part.contains('@')) {
        return Err(UNCLEAR);
    }
    let is_known = |name: &str| {
        PARAMETERS.contains(&name) || (name.starts_with("options[") && name.ends_with(']'))
    };
    let parameters: Vec<(String, String)> = url.query_pairs().into_owned().collect();
    let (own, parameters): (Vec<_>, Vec<_>) =
        parameters.into_iter().partition(|(name, _)| name == POOLER);
    let is_pooled = match own.last().map(|(_, value)| value.as_str()) {
        None => None,
        Some("true") => Some(true),
        Some("false") => Some(false),
        Some(_) => return Err("its parameter pgbouncer is neither true nor false"),
    };
    check_certificates(&parameters)?;
    let (known, unknown): (Vec<_>, Vec<_>) =
        parameters.into_iter().partition(|(name, _)| is_known(name));
    if unknown.is_empty() && own.is_empty() {
        return Ok(Server { url, is_pooled, ignored: Vec::new() });
    }
    // A password with a '&' that is not percent-encoded ends there, and the rest of it looks like
    // the name of a parameter.
    let may_be_secret = known.iter().any(|(name, _)| name == "password");
    let name = |(name, _)| if may_be_secret { "(not shown)".to_owned() } else { name };
    let ignored = unknown.into_iter().map(name).collect();
    match known.is_empty() {
        true => url.set_query(None),
        false => drop(url.query_pairs_mut().clear().extend_pairs(known)),
    }
    Ok(Server { url, is_pooled, ignored })
}

/// Refuses a certificate authority that nothing would be checked against.
fn check_certificates(parameters: &[(String, String)]) -> Result<(), &'static str> {
    let last = |names: &[&str]| {
        let mut named = parameters.iter().filter(|(name, _)| names.contains(&name.as_str()));
        named.next_back().map(|(_, value)| value.to_ascii_lowercase())
    };
    let authority = last(&["sslrootcert", "ssl-root-cert", "ssl-ca"]);
    let mode = last(&["sslmode", "ssl-mode"]);
    match (authority, mode.as_deref()) {
        (Some(_), Some("verify-ca" | "verify-full")) | (None, _) => Ok(()),
        (Some(_), _) => {
            Err("it has sslrootcert, which is only used with sslmode=verify-full or verify-ca")
        }
    }
}

fn parse_sqlite(path: &str) -> Result<Location, &'static str> {
    match path {
        ":memory:" => Ok(Location::Memory),
        "" => Err("the path is empty"),
        path if path.contains(['?', '#']) => Err("the path has a '?' or '#' in it"),
        path => Ok(Location::File(Path::new(path).into())),
    }
}

/// The part of a malformed address that certainly holds no password.
fn shown(text: &str) -> String {
    match text.split_once("://") {
        Some((scheme, _)) => format!("{scheme}://..."),
        None if text.contains('@') || text.contains("password") => "...".into(),
        None => text.into(),
    }
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let url = match &self.0 {
            Location::Memory => return f.write_str("sqlite::memory:"),
            Location::File(path) => return write!(f, "sqlite:{}", path.display()),
            Location::Server(server) => &server.url,
        };
        write!(f, "{}://", url.scheme())?;
        if !url.username().is_empty() {
            write!(f, "{}@", url.username())?;
        }
        f.write_str(url.host_str().unwrap_or_default())?;
        if let Some(port) = url.port() {
            write!(f, ":{port}")?;
        }
        // The query is left out, since it may have a password in it.
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
            ("postgres:///x?host=/run/postgresql&sslmode=disable", "postgres:///x"),
            ("postgres://ann:%2F7M%2Br%3FE'%3Ad%40Hz%23@db/x", "postgres://ann@db/x"),
            ("postgres://ann:se:cr@et@db/x", "postgres://ann@db/x"),
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
            ("mysql://ann:secret@db/x", "\"mysql://...\" is not"),
            ("postgres:ann:secret@db/x", "\"...\" is not"),
            ("postgres://ann:secret@db:port/x", "\"postgres://...\" is not"),
            // Passwords with characters that must be percent-encoded: all of them, then each alone.
            ("postgres://ann:/7M+r?secret':d@Hz#@127.0.0.1:5432/x", "written %2F"),
            ("postgres://ann:/secret@db:5432/x", "written %2F"),
            ("postgres://ann:5/secret@db:5432/x", "written %2F"),
            ("postgres://ann:?secret@db:5432/x", "written %2F"),
            ("postgres://ann:5?secret@db:5432/x", "written %2F"),
            ("postgres://ann:#secret@db:5432/x", "written %2F"),
            ("postgres://ann:5#secret@db:5432/x", "written %2F"),
            ("postgres://secret/ann:pass@db:5432/x", "written %2F"),
            ("postgres://db/x?user=ann&password=5#secret", "written %2F"),
            ("postgres://ann:secret", "written %2F"),
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

    #[test]
    fn whether_there_is_a_pooler_is_a_parameter_that_only_the_store_reads() {
        for (text, passed_on, is_pooled) in [
            ("postgres://db/x?sslmode=disable", "postgres://db/x?sslmode=disable", None),
            ("postgres://db/x?pgbouncer=true", "postgres://db/x", Some(true)),
            ("postgres://db/x?pgbouncer=false&port=6432", "postgres://db/x?port=6432", Some(false)),
        ] {
            let url: DatabaseUrl = text.parse().unwrap();
            let Location::Server(server) = url.location() else { panic!("{url}") };
            assert_eq!((server.url.as_str(), server.is_pooled), (passed_on, is_pooled));
            assert!(server.ignored.is_empty());
        }
        let error = "postgres://db/x?pgbouncer=maybe".parse::<DatabaseUrl>().unwrap_err();
        let expected = "its parameter pgbouncer is neither true nor false";
        assert!(error.to_string().contains(expected), "{error}");
    }

    /// Somebody who names an authority expects the certificate to be checked.
    #[test]
    fn an_authority_that_nothing_is_checked_against_is_refused() {
        for mode in ["", "sslmode=require&", "sslmode=prefer&", "sslmode=disable&"] {
            let text = format!("postgres://db/x?{mode}sslrootcert=/ca.pem");
            let error = text.parse::<DatabaseUrl>().unwrap_err().to_string();
            let expected = "it has sslrootcert, which is only used with sslmode=verify-full";
            assert!(error.contains(expected), "{error}");
        }
        for mode in ["verify-full", "verify-ca"] {
            let text = format!("postgres://db/x?sslrootcert=/ca.pem&sslmode={mode}");
            text.parse::<DatabaseUrl>().unwrap();
        }
    }

    #[test]
    fn unknown_parameters_are_kept_from_the_driver_and_only_their_names_are_said() {
        for (text, passed_on, ignored) in [
            ("postgres://db/x", "postgres://db/x", &[][..]),
            ("postgres://db/x?sslmode=disable", "postgres://db/x?sslmode=disable", &[]),
            ("postgres://db/x?sslpassword=hunter2", "postgres://db/x", &["sslpassword"]),
            (
                "postgres://db/x?a=hunter2&port=5433&b=hunter2&options[geqo]=off",
                "postgres://db/x?port=5433&options%5Bgeqo%5D=off",
                &["a", "b"],
            ),
            // `hunter2` may be the end of the password, so it is not shown.
            (
                "postgres://db/x?password=one&hunter2=",
                "postgres://db/x?password=one",
                &["(not shown)"],
            ),
        ] {
            let url: DatabaseUrl = text.parse().unwrap();
            let Location::Server(server) = url.location() else { panic!("{url}") };
            assert_eq!(server.url.as_str(), passed_on);
            assert_eq!(server.ignored, ignored);
            assert!(!format!("{url} {url:?}").contains("hunter2"), "{url:?}");
        }
    }
}
