//! The database, which decides what is in stock and what was sold. All SQL is here.
//!
//! It is SQLite or PostgreSQL, with one schema and almost the same statements. Actors use only
//! [`Storage`]. Every statement is a span: a child of the context that is current when the future
//! of the call is first polled.
//!
//! In reading order:
//!
//! - `database_url`: the address of the database, as a value that can be logged;
//! - `sql`: statements in both dialects, and values as the database stores them;
//! - `span`: the span of a statement;
//! - `metrics`, `patience`: what is measured, and how long the store waits;
//! - `sqlite`, `postgres`: how connections to each of them are made, lent and closed, and how
//!   statements are run on them;
//! - `pooler`: finds out whether a pooler stands before PostgreSQL;
//! - `pool`: a pool of connections to either, of which the use is measured;
//! - `connection`: how a connection to either is used, and whether it is kept;
//! - `migration`: brings the schema up to date;
//! - `database`: opening, and transactions with their retry;
//! - `sale`: decides on a batch of orders, without the database;
//! - `orders`, `products`, `deliveries`, `folding`, `space`, `readiness`, `audit`: the queries, by
//!   subject;
//! - `error`: how errors are classified.

mod audit;
mod connection;
mod database;
mod database_url;
mod deliveries;
mod error;
mod folding;
mod metrics;
mod migration;
mod orders;
mod patience;
mod pool;
mod pooler;
mod postgres;
mod products;
mod readiness;
mod sale;
mod space;
mod span;
mod sql;
mod sqlite;

pub use audit::{Audit, ProductCount};
pub use database_url::{DatabaseUrl, DatabaseUrlError};
pub use error::{DatabaseError, StorageError};
pub use folding::{Folded, MAX_FOLDED};
pub use postgres::{POSTGRES_CONNECTIONS, PostgresLimits, STATEMENT_TIMEOUT};
pub(crate) use space::SpaceReturn;

use std::{sync::Arc, time::SystemTime};

use shared::wire::Receipt;
use telemetry::ServiceMeters;

use crate::domain::{
    CATALOGUE, CatalogueEntry, CatalogueProduct, Delivery, NewOrder, OrderId, ProductId, Shortfall,
    SpanReference, StockLevel,
};
use database::Database;
use orders::SweepSchedule;
use sql::Dialect;

/// The database of the store; clones share its connections.
#[derive(Clone, Debug)]
pub struct Storage {
    database: Arc<Database>,
    sweep: Arc<SweepSchedule>,
}

/// The outcome of an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecordOutcome {
    /// It is recorded.
    Recorded(Receipt),
    /// Its key was used before, for the same basket.
    Replayed {
        /// The receipt of the first order.
        receipt: Receipt,
        /// The span in which that was placed, if it is known.
        placed_in: Option<SpanReference>,
    },
    /// There is too little of these products; nothing was sold.
    Short(Vec<Shortfall>),
    /// Its key was used before, for another basket; nothing was sold.
    KeyReused,
}

/// Audits a database, and changes nothing in it.
///
/// # Errors
/// [`StorageError::Open`] when there is no database to be had at `url`, otherwise those of
/// [`Storage::audit`].
pub async fn audit(url: &DatabaseUrl) -> Result<Audit, StorageError> {
    let database = Database::open_as_it_is(url).await?;
    let audit = audit::audit(&database).await;
    database.close().await;
    audit
}

/// Brings the schema of the database at `url` up to date and adds the products that it lacks, and does
/// nothing else. Returns the versions of the migrations that it has applied.
///
/// # Errors
/// Those of [`Storage::open`].
pub async fn migrate(url: &DatabaseUrl) -> Result<Vec<i64>, StorageError> {
    database::migrate(url, &CATALOGUE).await
}

impl Storage {
    /// Opens the database, brings its schema up to date and adds the products that it lacks.
    ///
    /// # Errors
    /// [`StorageError::Open`] when there is no database to be had at `url`,
    /// [`StorageError::Migrate`] when its schema cannot be brought up to date.
    pub async fn open(url: &DatabaseUrl) -> Result<Self, StorageError> {
        Self::open_with(url, &CATALOGUE).await
    }

    /// Opens the database like [`Storage::open`]. PostgreSQL is used within these limits. The use of the
    /// database is measured if there are meters.
    ///
    /// # Errors
    /// Those of [`Storage::open`].
    pub async fn open_within(
        url: &DatabaseUrl,
        limits: PostgresLimits,
        meters: Option<&ServiceMeters>,
    ) -> Result<Self, StorageError> {
        let database = Database::open(url, limits, &CATALOGUE, meters).await?;
        Ok(Self { database: Arc::new(database), sweep: Arc::default() })
    }

    /// Opens the database like [`Storage::open`], with another catalogue. Products that the
    /// database has already stay as they are.
    ///
    /// # Errors
    /// Those of [`Storage::open`].
    pub async fn open_with(
        url: &DatabaseUrl,
        catalogue: &[CatalogueEntry],
    ) -> Result<Self, StorageError> {
        let database = Database::open(url, PostgresLimits::default(), catalogue, None).await?;
        let database = Arc::new(database);
        Ok(Self { database, sweep: Arc::default() })
    }

    /// All products with their pieces on hand, in the order of ids.
    ///
    /// # Errors
    /// [`StorageError`] when the database does not answer.
    pub async fn catalogue(&self) -> Result<Vec<(CatalogueProduct, u64)>, StorageError> {
        products::catalogue(&self.database).await
    }

    /// The pieces on hand of `products`, in the order of ids; unknown ones are left out.
    ///
    /// # Errors
    /// [`StorageError`] when the database does not answer.
    pub async fn stock(&self, products: &[ProductId]) -> Result<Vec<StockLevel>, StorageError> {
        products::stock(&self.database, products).await
    }

    /// Records `orders` in one transaction, and returns the outcome of each, in the same order.
    ///
    /// An order for which there is too little stock fails alone. After an error nothing is
    /// recorded, with one exception: after [`StorageError::CommitUnknown`] either all orders are
    /// recorded or none. To find out, record the orders again with the same keys.
    ///
    /// # Errors
    /// [`StorageError`] when the transaction failed, and failed again where a retry can help.
    pub async fn record(&self, orders: &[NewOrder]) -> Result<Vec<RecordOutcome>, StorageError> {
        let Some(now) = orders.iter().map(|order| order.placed_at).max() else {
            return Ok(Vec::new());
        };
        let outcomes = orders::record(&self.database, orders.into()).await?;
        if self.sweep.is_due(now) {
            // The orders are recorded already. Keys that are not deleted now are deleted next time.
            orders::sweep(&self.database, now).await.ok();
        }
        Ok(outcomes)
    }

    /// Adds `deliveries` to the stock, each once, and returns what is on hand of their products.
    ///
    /// # Errors
    /// [`StorageError`] when the transaction failed, and failed again where a retry can help.
    pub async fn deliver(&self, deliveries: &[Delivery]) -> Result<Vec<StockLevel>, StorageError> {
        deliveries::deliver(&self.database, deliveries.into()).await
    }

    /// The receipt of an order, or `None` if there is no such order.
    ///
    /// # Errors
    /// [`StorageError`] when the database does not answer.
    pub async fn order(&self, id: OrderId) -> Result<Option<Receipt>, StorageError> {
        orders::order(&self.database, id).await
    }

    /// When the newest of the folded orders was placed, or `None` if none has been folded.
    ///
    /// # Errors
    /// [`StorageError`] when the database does not answer.
    pub async fn newest_folded(&self) -> Result<Option<SystemTime>, StorageError> {
        folding::newest_folded(&self.database).await
    }

    /// Whether there are orders or deliveries of `until` or before.
    ///
    /// # Errors
    /// [`StorageError`] when the database does not answer.
    pub async fn has_old(&self, until: SystemTime) -> Result<bool, StorageError> {
        folding::has_old(&self.database, until).await
    }

    /// Folds the oldest orders and deliveries of `until` or before: deletes them, and adds what they
    /// sold and brought to the sums of their products. [`MAX_FOLDED`] of each at most, in one
    /// transaction.
    ///
    /// Their receipts and idempotency keys are gone then. The audit counts them by the sums.
    ///
    /// # Errors
    /// [`StorageError`] when the transaction failed, and failed again where a retry can help. Nothing
    /// is folded then; or, after [`StorageError::CommitUnknown`], either all of it or nothing.
    pub async fn fold(&self, until: SystemTime) -> Result<Folded, StorageError> {
        folding::fold(&self.database, until).await
    }

    /// Sees to it that the database can give back the room of what was folded, if that is quickly
    /// done.
    ///
    /// # Errors
    /// [`StorageError`] when the database does not answer, or another store is using it.
    pub(crate) async fn make_space_returnable(&self) -> Result<SpaceReturn, StorageError> {
        space::make_returnable(&self.database).await
    }

    /// Gives back a part of the room of what was folded, if much is free. Returns whether there may
    /// be more to give back.
    ///
    /// # Errors
    /// [`StorageError`] when the transaction failed.
    pub async fn give_back_space(&self) -> Result<bool, StorageError> {
        space::give_back(&self.database).await
    }

    /// Whether only one connection can write at a time, so that a sale waits for whatever is written.
    pub(crate) fn has_one_writer(&self) -> bool {
        self.database.dialect() == Dialect::Sqlite
    }

    /// Checks that the database can do what a sale needs: read every table, and write.
    ///
    /// # Errors
    /// [`StorageError`] when the database does not answer, cannot be written to, or lacks a table.
    pub async fn check(&self) -> Result<(), StorageError> {
        readiness::check(&self.database).await
    }

    /// Adds up everything that was ever delivered and sold, and compares it with the stock.
    ///
    /// # Errors
    /// [`StorageError`] when the database does not answer.
    pub async fn audit(&self) -> Result<Audit, StorageError> {
        audit::audit(&self.database).await
    }

    /// Closes each connection as soon as the statement under way on it is done.
    pub async fn close(&self) {
        self.database.close().await;
    }
}
