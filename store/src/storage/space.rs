//! The room that folded orders leave in a SQLite file.
//!
//! New orders use it first, so in a steady state nothing has to be given back. If far more is free
//! than that, after a busy day or when orders are kept for a shorter time from now on, the end of
//! the file is cut off in small steps ("incremental vacuum"), between sales.
//!
//! SQLite can do that in files that were made for it (`auto_vacuum = INCREMENTAL`), as those of this
//! version are. A file of an older version is rewritten once, if it is small; a large one keeps its
//! size. See <https://www.sqlite.org/pragma.html#pragma_auto_vacuum>.
//!
//! PostgreSQL's autovacuum sees to its tables.

use super::{
    StorageError,
    connection::Session,
    database::Database,
    sql::{Dialect, NO_ROWS, Statement, read_by_name},
};

/// The largest file, in bytes, that is rewritten when a store opens. That takes about a second.
const MAX_REWRITTEN: i64 = 64 * 1024 * 1024;

/// Less room than this, in pages of 4 KiB, is not worth a step: a quarter of a MiB.
const MIN_FREE_PAGES: i64 = 64;

const SPACE: Statement = Statement::same(
    "SELECT pragma_page_count",
    "SELECT CAST(page_count AS BIGINT) AS pages, CAST(freelist_count AS BIGINT) AS free, \
     CAST(page_size AS BIGINT) AS page_size, CAST(auto_vacuum AS BIGINT) AS auto_vacuum \
     FROM pragma_page_count, pragma_freelist_count, pragma_page_size, pragma_auto_vacuum",
);

/// Cuts off as many pages at most.
const STEP: Statement =
    Statement::same("PRAGMA incremental_vacuum", "PRAGMA incremental_vacuum(256)");

const MAKE_INCREMENTAL: Statement =
    Statement::same("PRAGMA auto_vacuum", "PRAGMA auto_vacuum = INCREMENTAL");
const REWRITE: Statement = Statement::same("VACUUM", "VACUUM");

/// Whether a file can give room back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SpaceReturn {
    /// It can, or the database sees to it by itself.
    Possible,
    /// It was made by an older version, and is too large to be rewritten while a store opens.
    TooLarge,
}

#[derive(Clone, Copy, Debug)]
struct SpaceRow {
    pages: i64,
    free: i64,
    page_size: i64,
    auto_vacuum: i64,
}

read_by_name! {
    SpaceRow { pages, free, page_size, auto_vacuum }
}

impl SpaceRow {
    const INCREMENTAL: i64 = 2;

    /// Whether more is free than new orders will soon use: more than a quarter of the file.
    const fn has_much_room(&self) -> bool {
        self.free >= MIN_FREE_PAGES && self.free > self.pages / 4
    }
}

/// Sees to it that the file can give room back, if it is small or can already.
pub(super) async fn make_returnable(database: &Database) -> Result<SpaceReturn, StorageError> {
    if database.dialect() == Dialect::Postgres {
        return Ok(SpaceReturn::Possible);
    }
    database.alone((), |writer, ()| Box::pin(make_incremental(writer))).await
}

/// The settings of a connection count for VACUUM, so both have to run on the same one.
async fn make_incremental(writer: &mut Session) -> Result<SpaceReturn, StorageError> {
    let space: Vec<SpaceRow> = writer.fetch(&SPACE, NO_ROWS).await?;
    let Some(space) = space.first() else { return Ok(SpaceReturn::Possible) };
    if space.auto_vacuum == SpaceRow::INCREMENTAL {
        return Ok(SpaceReturn::Possible);
    }
    if space.pages.saturating_mul(space.page_size) > MAX_REWRITTEN {
        return Ok(SpaceReturn::TooLarge);
    }
    writer.run(&MAKE_INCREMENTAL, NO_ROWS).await?;
    writer.run(&REWRITE, NO_ROWS).await?;
    Ok(SpaceReturn::Possible)
}

/// Gives some room back if much is free. Returns whether there is more to give back.
pub(super) async fn give_back(database: &Database) -> Result<bool, StorageError> {
    if database.dialect() == Dialect::Postgres {
        return Ok(false);
    }
    let space: Vec<SpaceRow> =
        database.read((), |session, ()| Box::pin(session.fetch(&SPACE, NO_ROWS))).await?;
    let can = |space: &&SpaceRow| space.auto_vacuum == SpaceRow::INCREMENTAL;
    if !space.first().filter(can).is_some_and(SpaceRow::has_much_room) {
        return Ok(false);
    }
    database.maintain((), |transaction, ()| Box::pin(transaction.run(&STEP, NO_ROWS))).await?;
    Ok(true)
}
