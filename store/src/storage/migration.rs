//! Brings the schema up to date, and adds the products that the database lacks.
//!
//! What is there is compared first, and nothing is locked or written when nothing is missing. So a
//! role that may not create tables, as applications usually have, can start a store whose schema its
//! owner has brought up to date.
//!
//! All that is missing is written in one transaction. In PostgreSQL that transaction holds an
//! advisory lock, which ends with it, and in SQLite the write lock. So of several stores that start
//! together one writes, and the others wait and then find everything in place. Nothing here outlives
//! the transaction, so it works through a pooler that lends each transaction another connection.
//!
//! The table of applied migrations has the form that sqlx's own migrator gives it.

use std::{collections::HashSet, fmt::Write as _};

use serde::Serialize;
use sha2::{Digest as _, Sha384};

use super::{
    DatabaseUrl, StorageError,
    connection::Connection,
    error::{DatabaseError, explained, is_permission_denied},
    sql::{Dialect, NO_ROWS, Parameters, Statement, bind_in_order, read_by_name},
};
use crate::domain::CatalogueEntry;

/// All migrations of the schema, up to what this version of the store needs.
static MIGRATIONS: [Migration; 5] = [
    Migration::same(
        1,
        "stock and orders",
        include_str!("../../migrations/0001_stock_and_orders.sql"),
    ),
    Migration::same(2, "write checks", include_str!("../../migrations/0002_write_checks.sql")),
    Migration::same(3, "first sale", include_str!("../../migrations/0003_first_sale.sql")),
    Migration::same(4, "folded orders", include_str!("../../migrations/0004_folded_orders.sql")),
    Migration {
        version: 5,
        description: "lines checked together",
        sqlite: include_str!("../../migrations/0005_lines_checked_together.sqlite.sql"),
        postgres: include_str!("../../migrations/0005_lines_checked_together.postgres.sql"),
    },
];

/// A change of the schema, in each dialect.
#[derive(Debug)]
struct Migration {
    version: i64,
    description: &'static str,
    sqlite: &'static str,
    postgres: &'static str,
}

impl Migration {
    /// One that is written alike in all dialects.
    const fn same(version: i64, description: &'static str, sql: &'static str) -> Self {
        Self { version, description, sqlite: sql, postgres: sql }
    }

    /// Its text in one dialect.
    const fn sql(&self, dialect: Dialect) -> &'static str {
        match dialect {
            Dialect::Sqlite => self.sqlite,
            Dialect::Postgres => self.postgres,
        }
    }

    /// The SHA-384 of its text, as sqlx's migrator has it, in hexadecimal digits.
    fn checksum(&self, dialect: Dialect) -> String {
        Sha384::digest(self.sql(dialect)).iter().fold(String::new(), |mut text, byte| {
            write!(text, "{byte:02x}").ok();
            text
        })
    }
}

/// Takes SQLite's write lock at once. In PostgreSQL the transaction gets limits of its own: a change
/// of a large table may take long, but must not wait for a lock for long, since all others wait
/// behind it.
const BEGIN: Statement = Statement::each(
    "BEGIN",
    "BEGIN IMMEDIATE",
    "BEGIN; SET LOCAL statement_timeout = '1h'; SET LOCAL lock_timeout = '1min'; \
     SET LOCAL idle_in_transaction_session_timeout = '1min'",
);

/// The number stands for this program: it is "grocery" in ASCII.
const LOCK: Statement =
    Statement::each("LOCK", "SELECT 1", "SELECT pg_advisory_xact_lock(29117745335726713)::text");

/// PostgreSQL's `to_regclass` would not do: after the wait for the lock it may still say what it said
/// before.
const TABLE_EXISTS: Statement = Statement::each(
    "SELECT",
    "SELECT COUNT(*) AS tables FROM sqlite_master WHERE name = '_sqlx_migrations'",
    "SELECT COUNT(*) AS tables FROM pg_catalog.pg_tables \
     WHERE tablename = '_sqlx_migrations' AND schemaname = ANY (current_schemas(false))",
);

const APPLIED: Statement = Statement::each(
    "SELECT _sqlx_migrations",
    "SELECT version, description, lower(hex(checksum)) AS checksum FROM _sqlx_migrations \
     ORDER BY version",
    "SELECT version, description, encode(checksum, 'hex') AS checksum FROM _sqlx_migrations \
     ORDER BY version",
);

const CREATE_TABLE: Statement = Statement::each(
    "CREATE TABLE _sqlx_migrations",
    "CREATE TABLE IF NOT EXISTS _sqlx_migrations (\
     version BIGINT PRIMARY KEY, description TEXT NOT NULL, \
     installed_on TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP, success BOOLEAN NOT NULL, \
     checksum BLOB NOT NULL, execution_time BIGINT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS _sqlx_migrations (\
     version BIGINT PRIMARY KEY, description TEXT NOT NULL, \
     installed_on TIMESTAMPTZ NOT NULL DEFAULT now(), success BOOLEAN NOT NULL, \
     checksum BYTEA NOT NULL, execution_time BIGINT NOT NULL)",
);

/// The -1 says that nobody has measured how long it took.
const INSERT_APPLIED: Statement = Statement::each(
    "INSERT _sqlx_migrations",
    "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
     VALUES (?1, ?2, true, unhex(?3), -1)",
    "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
     SELECT CAST(input.value->>'version' AS BIGINT), input.value->>'description', true, \
     decode(input.value->>'checksum', 'hex'), -1 FROM json_array_elements($1::json) AS input",
);

const PRODUCTS: Statement = Statement::same("SELECT products", "SELECT id FROM products");

/// Leaves products that are in the table already as they are.
const INSERT_PRODUCTS: Statement = Statement::each(
    "INSERT products",
    "INSERT INTO products (id, name, price_cents, aisle, initial_stock, on_hand) \
     VALUES (?1, ?2, ?3, ?4, ?5, ?5) ON CONFLICT (id) DO NOTHING",
    "INSERT INTO products (id, name, price_cents, aisle, initial_stock, on_hand) \
     SELECT CAST(input.value->>'id' AS BIGINT), input.value->>'name', \
     CAST(input.value->>'price_cents' AS BIGINT), input.value->>'aisle', \
     CAST(input.value->>'initial_stock' AS BIGINT), CAST(input.value->>'initial_stock' AS BIGINT) \
     FROM json_array_elements($1::json) AS input WHERE true ON CONFLICT (id) DO NOTHING",
);

/// A migration that a database has.
struct Applied {
    version: i64,
    description: String,
    checksum: String,
}

struct ExistsRow {
    tables: i64,
}

struct ProductRow {
    id: i64,
}

read_by_name! {
    Applied { version, description, checksum }
    ExistsRow { tables }
    ProductRow { id }
}

#[derive(Serialize)]
struct AppliedRow {
    version: i64,
    description: &'static str,
    checksum: String,
}

bind_in_order! { AppliedRow { version, description, checksum } }

impl Parameters for CatalogueEntry {
    fn parameters(&self) -> impl rusqlite::Params {
        (self.id.get(), self.name, self.price_cents, self.aisle, self.initial_stock)
    }
}

/// Brings the schema up to date and adds the products that it lacks. Returns the versions of the
/// migrations that it has applied.
///
/// # Errors
/// [`StorageError::Migrate`] when the schema cannot be brought up to date, [`StorageError::Open`] when
/// the database fails before or after that.
pub(super) async fn prepare(
    url: &DatabaseUrl,
    connection: Connection<'_>,
    catalogue: &[CatalogueEntry],
) -> Result<Vec<i64>, StorageError> {
    let mut preparation = Preparation { url, connection };
    let missing = preparation.missing_migrations().await?;
    if missing.is_empty() && preparation.missing_products(catalogue).await?.is_empty() {
        return Ok(Vec::new());
    }
    preparation.run(&BEGIN).await?;
    let done = preparation.write(catalogue).await;
    let end = if done.is_ok() { "COMMIT" } else { "ROLLBACK" };
    let ended = preparation.connection.run_script(end).await;
    let done = done?;
    ended.map_err(|error| preparation.failed(&error))?;
    Ok(done)
}

struct Preparation<'c> {
    url: &'c DatabaseUrl,
    connection: Connection<'c>,
}

impl Preparation<'_> {
    /// Writes what is missing, in the transaction that is open. Another store may have written some
    /// of it since it was compared.
    async fn write(&mut self, catalogue: &[CatalogueEntry]) -> Result<Vec<i64>, StorageError> {
        self.run(&LOCK).await?;
        let missing = self.missing_migrations().await?;
        if !missing.is_empty() {
            let applied = self.apply(&missing).await;
            applied.map_err(|error| self.not_applied(&missing, &error))?;
        }
        let products = self.missing_products(catalogue).await?;
        if !products.is_empty() {
            let inserted = self.insert(&INSERT_PRODUCTS, &products).await;
            inserted.map_err(|error| self.failed(&error))?;
        }
        Ok(missing.iter().map(|migration| migration.version).collect())
    }

    /// The migrations that are not applied yet.
    async fn missing_migrations(&mut self) -> Result<Vec<&'static Migration>, StorageError> {
        let applied = self.applied().await.map_err(|error| self.failed(&error))?;
        compare(&applied, self.connection.dialect()).map_err(|problem| self.refused(problem))?;
        let versions: HashSet<i64> = applied.iter().map(|one| one.version).collect();
        Ok(MIGRATIONS.iter().filter(|known| !versions.contains(&known.version)).collect())
    }

    async fn applied(&mut self) -> Result<Vec<Applied>, DatabaseError> {
        let exists: Vec<ExistsRow> = self.connection.fetch(&TABLE_EXISTS, NO_ROWS).await?;
        if exists.iter().all(|row| row.tables == 0) {
            return Ok(Vec::new());
        }
        self.connection.fetch(&APPLIED, NO_ROWS).await
    }

    async fn apply(&mut self, missing: &[&Migration]) -> Result<(), DatabaseError> {
        let dialect = self.connection.dialect();
        self.connection.run_script(CREATE_TABLE.text(dialect)).await?;
        for migration in missing {
            self.connection.run_script(migration.sql(dialect)).await?;
        }
        let rows: Vec<_> =
            missing.iter().map(|migration| AppliedRow::new(migration, dialect)).collect();
        self.insert(&INSERT_APPLIED, &rows).await
    }

    async fn missing_products<'e>(
        &mut self,
        catalogue: &'e [CatalogueEntry],
    ) -> Result<Vec<&'e CatalogueEntry>, StorageError> {
        if catalogue.is_empty() {
            return Ok(Vec::new());
        }
        let rows = self.connection.fetch(&PRODUCTS, NO_ROWS).await;
        let rows: Vec<ProductRow> = rows.map_err(|error| self.failed(&error))?;
        let ids: HashSet<i64> = rows.iter().map(|row| row.id).collect();
        Ok(catalogue.iter().filter(|entry| !ids.contains(&entry.id.get().into())).collect())
    }

    async fn run(&mut self, statement: &Statement) -> Result<(), StorageError> {
        let done = self.connection.run_script(statement.text(self.connection.dialect())).await;
        done.map_err(|error| self.failed(&error))
    }

    async fn insert<I: Parameters>(
        &mut self,
        statement: &Statement,
        rows: &[I],
    ) -> Result<(), DatabaseError> {
        self.connection.fetch::<(), I>(statement, rows).await.map(drop)
    }

    fn failed(&self, error: &DatabaseError) -> StorageError {
        StorageError::open(self.url, explained(error))
    }

    fn refused(&self, problem: String) -> StorageError {
        StorageError::Migrate { url: Box::new(self.url.clone()), problem }
    }

    fn not_applied(&self, missing: &[&Migration], error: &DatabaseError) -> StorageError {
        let mut problem = explained(error);
        if is_permission_denied(error) {
            let versions = missing.iter().map(|one| one.version.to_string());
            let versions = versions.collect::<Vec<_>>().join(", ");
            write!(
                problem,
                "; it lacks the migrations {versions}: apply them once with `grocery store \
                 --migrate`, as the role that owns the tables"
            )
            .ok();
        }
        self.refused(problem)
    }
}

/// Checks that all that is applied is known here.
///
/// # Errors
/// A text that says what is not.
fn compare(applied: &[Applied], dialect: Dialect) -> Result<(), String> {
    let newest = MIGRATIONS.iter().map(|known| known.version).max().unwrap_or_default();
    for Applied { version, description, checksum } in applied {
        let known = MIGRATIONS.iter().find(|known| known.version == *version);
        match known {
            Some(known) if known.checksum(dialect) == *checksum => {}
            Some(_) => {
                return Err(format!(
                    "its migration {version} ({description}) is not the one of this program"
                ));
            }
            None if *version > newest => {
                return Err(format!(
                    "it is newer than this program: it has the migration {version} \
                     ({description}), and this program knows those up to {newest}; start a newer one"
                ));
            }
            None => {
                return Err(format!(
                    "this program does not know its migration {version} ({description})"
                ));
            }
        }
    }
    Ok(())
}

impl AppliedRow {
    fn new(migration: &Migration, dialect: Dialect) -> Self {
        Self {
            version: migration.version,
            description: migration.description,
            checksum: migration.checksum(dialect),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, fs, path::Path};

    use super::{Dialect, MIGRATIONS, Migration};

    #[test]
    fn every_file_of_the_folder_is_a_migration_by_its_number_name_and_text() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations");
        let files: BTreeSet<(String, String)> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap())
            .map(|entry| {
                let name = entry.file_name().into_string().unwrap();
                (name, fs::read_to_string(entry.path()).unwrap())
            })
            .collect();
        let listed = MIGRATIONS.iter().flat_map(|known| {
            let name = format!("{:04}_{}", known.version, known.description.replace(' ', "_"));
            match known {
                Migration { sqlite, postgres, .. } if sqlite == postgres => {
                    vec![(format!("{name}.sql"), (*sqlite).to_owned())]
                }
                Migration { sqlite, postgres, .. } => vec![
                    (format!("{name}.sqlite.sql"), (*sqlite).to_owned()),
                    (format!("{name}.postgres.sql"), (*postgres).to_owned()),
                ],
            }
        });
        assert_eq!(files, listed.collect());
    }

    /// As they are in databases that exist: a migration that was published never changes.
    #[test]
    fn a_checksum_is_the_sha_384_of_the_text() {
        let sums =
            |dialect| MIGRATIONS.each_ref().map(|one| one.checksum(dialect)[..16].to_owned());
        let same = ["bac0752a5e8a76c9", "a278eb4107baf2a2", "e9ace636a097fbdd", "13bba6f486dff0c3"];
        let with = |fifth| [&same[..], &[fifth]].concat();
        assert_eq!(sums(Dialect::Sqlite), *with("8a5e6278761cfab3"));
        assert_eq!(sums(Dialect::Postgres), *with("46401cd78a796bd9"));
    }
}
