//! The database, which is the authority on stock and orders, and the only place with SQL.

mod audit;
mod database_url;
mod error;

pub use audit::Audit;
pub use database_url::{DatabaseUrl, DatabaseUrlError};
pub use error::StorageError;

use shared::wire::Receipt;

use crate::domain::{
    CatalogueProduct, Delivery, NewOrder, OrderId, ProductId, Shortage, StockLevel,
};

/// The database of the store; clones share its connections.
#[derive(Clone, Debug)]
pub struct Storage {}

/// What became of an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecordOutcome {
    /// It is recorded, for ever.
    Recorded(Receipt),
    /// Its key was used before, for the same basket: this is the receipt of then.
    Replayed(Receipt),
    /// There is too little of these products; nothing was sold.
    Short(Vec<Shortage>),
    /// Its key was used before, for another basket; nothing was sold.
    KeyReused,
}

impl Storage {
    /// Opens the database, brings its schema up to date and, the first time, fills the shelves.
    ///
    /// # Errors
    /// [`StorageError::Open`] when there is no database to be had at `url`,
    /// [`StorageError::Migrate`] when its schema cannot be brought up to date.
    pub async fn open(url: &DatabaseUrl) -> Result<Self, StorageError> {
        todo!("{url}")
    }

    /// Everything the store sells, with the pieces on hand, in the order of ids.
    ///
    /// # Errors
    /// [`StorageError`] when the database does not answer.
    pub async fn catalogue(&self) -> Result<Vec<(CatalogueProduct, u64)>, StorageError> {
        todo!()
    }

    /// The pieces on hand of `products`, in the order of ids; unknown ones are left out.
    ///
    /// # Errors
    /// [`StorageError`] when the database does not answer.
    pub async fn stock(&self, products: &[ProductId]) -> Result<Vec<StockLevel>, StorageError> {
        todo!("{products:?}")
    }

    /// Records `orders` in one transaction and says of each, in the same order, what became of it.
    ///
    /// An order short of stock fails alone. After an error nothing is recorded, or, when the
    /// connection was lost during the commit, all of it: to find out, use the orders' keys again.
    ///
    /// # Errors
    /// [`StorageError`] when the transaction failed, and failed again where a retry can help.
    pub async fn record(&self, orders: &[NewOrder]) -> Result<Vec<RecordOutcome>, StorageError> {
        todo!("{orders:?}")
    }

    /// Puts `deliveries` on the shelves, each once, and says what is on hand of their products.
    ///
    /// # Errors
    /// [`StorageError`] when the transaction failed, and failed again where a retry can help.
    pub async fn deliver(&self, deliveries: &[Delivery]) -> Result<Vec<StockLevel>, StorageError> {
        todo!("{deliveries:?}")
    }

    /// The receipt of an order, or `None` if there is no such order.
    ///
    /// # Errors
    /// [`StorageError`] when the database does not answer.
    pub async fn order(&self, id: OrderId) -> Result<Option<Receipt>, StorageError> {
        todo!("{id}")
    }

    /// Asks the database for a sign of life.
    ///
    /// # Errors
    /// [`StorageError`] when the database does not answer.
    pub async fn ping(&self) -> Result<(), StorageError> {
        todo!()
    }

    /// Counts everything again from the beginning.
    ///
    /// # Errors
    /// [`StorageError`] when the database does not answer.
    pub async fn audit(&self) -> Result<Audit, StorageError> {
        todo!()
    }

    /// Closes all connections, after what is under way on them.
    pub async fn close(&self) {
        todo!()
    }
}
