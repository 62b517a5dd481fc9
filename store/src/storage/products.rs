//! Reads the catalogue and the stock, and locks products before their stock is changed.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use super::{
    StorageError,
    connection::{Session, Transaction},
    database::Database,
    sale::{LockedProduct, LockedProducts},
    sql::{self, IdRow, NO_ROWS, Statement, read_by_name},
};
use crate::domain::{CatalogueProduct, ProductId, StockLevel};

const CATALOGUE: Statement = Statement::same(
    "SELECT products",
    "SELECT id, name, price_cents, aisle, on_hand FROM products ORDER BY id",
);

const STOCK: Statement = Statement::each(
    "SELECT products",
    "SELECT id, on_hand FROM products WHERE id = ?1",
    "SELECT id, on_hand FROM products WHERE id IN (SELECT CAST(input.value->>'id' AS BIGINT) \
     FROM json_array_elements($1::json) AS input) ORDER BY id",
);

/// SQLite has one writer at a time and needs no lock of rows.
const LOCK_PRODUCTS: Statement = Statement::each(
    "SELECT products",
    "SELECT id, name, price_cents, on_hand FROM products WHERE id = ?1",
    "SELECT id, name, price_cents, on_hand FROM products \
     WHERE id IN (SELECT CAST(input.value->>'id' AS BIGINT) \
     FROM json_array_elements($1::json) AS input) ORDER BY id FOR UPDATE",
);

struct ProductRow {
    id: i64,
    name: String,
    price_cents: i64,
    aisle: String,
    on_hand: i64,
}

struct StockRow {
    id: i64,
    on_hand: i64,
}

pub(super) async fn catalogue(
    database: &Database,
) -> Result<Vec<(CatalogueProduct, u64)>, StorageError> {
    let rows: Vec<ProductRow> =
        database.read((), |session, ()| Box::pin(session.fetch(&CATALOGUE, NO_ROWS))).await?;
    // All products of an aisle share one copy of the aisle's name.
    let mut aisles: HashMap<String, Arc<str>> = HashMap::new();
    rows.into_iter()
        .map(|row| {
            let aisle = aisles.entry(row.aisle).or_insert_with_key(|aisle| aisle.as_str().into());
            let product = CatalogueProduct {
                id: sql::product_id(row.id)?,
                name: row.name.into(),
                price: sql::money(row.price_cents)?,
                aisle: aisle.clone(),
            };
            Ok((product, sql::count(row.on_hand)?))
        })
        .collect()
}

pub(super) async fn stock(
    database: &Database,
    products: &[ProductId],
) -> Result<Vec<StockLevel>, StorageError> {
    if products.is_empty() {
        return Ok(Vec::new());
    }
    let products: BTreeSet<ProductId> = products.iter().copied().collect();
    database.read(products, |session, products| Box::pin(stock_in(session, products))).await
}

/// The pieces on hand in the order of ids, as this connection sees them, in a transaction or not.
pub(super) async fn stock_in(
    session: &mut Session,
    products: &BTreeSet<ProductId>,
) -> Result<Vec<StockLevel>, StorageError> {
    let ids: Vec<_> = products.iter().copied().map(IdRow::from).collect();
    let rows: Vec<StockRow> = session.fetch(&STOCK, &ids).await?;
    rows.into_iter()
        .map(|row| {
            Ok(StockLevel { product: sql::product_id(row.id)?, on_hand: sql::count(row.on_hand)? })
        })
        .collect()
}

struct LockedRow {
    id: i64,
    name: String,
    price_cents: i64,
    on_hand: i64,
}

read_by_name! {
    ProductRow { id, name, price_cents, aisle, on_hand }
    StockRow { id, on_hand }
    LockedRow { id, name, price_cents, on_hand }
}

/// Locks products, in the order of their ids, and reads their stock.
pub(super) async fn lock_products(
    transaction: &mut Transaction,
    products: BTreeSet<ProductId>,
) -> Result<LockedProducts, StorageError> {
    if products.is_empty() {
        return Ok(LockedProducts::new());
    }
    let ids: Vec<_> = products.into_iter().map(IdRow::from).collect();
    let rows: Vec<LockedRow> = transaction.fetch(&LOCK_PRODUCTS, &ids).await?;
    rows.into_iter()
        .map(|row| {
            let price = sql::money(row.price_cents)?;
            let on_hand = sql::count(row.on_hand)?;
            let product = LockedProduct { name: row.name, price, on_hand, sold: 0 };
            Ok((sql::product_id(row.id)?, product))
        })
        .collect()
}
