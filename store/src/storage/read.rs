//! Reads the catalogue, the stock and the orders, and turns rows into what the domain knows.

use std::{collections::HashMap, sync::Arc};

use serde::Serialize;
use shared::{money::Money, wire::Receipt};
use sqlx::FromRow;

use super::{
    StorageError,
    database::Database,
    sale,
    session::{NO_ROWS, Session},
    statement::{Statement, reading_rows},
};
use crate::domain::{CatalogueProduct, OrderId, ProductId, StockLevel};

const CATALOGUE: Statement = Statement::same(
    "SELECT products",
    "SELECT id, name, price_cents, aisle, on_hand FROM products ORDER BY id",
);

const STOCK: Statement = reading_rows!(
    "SELECT products",
    "SELECT id, on_hand FROM products \
     WHERE id IN (SELECT CAST(input.value->>'id' AS BIGINT) FROM ",
    input,
    ") ORDER BY id",
);

const RECEIPTS: Statement = reading_rows!(
    "SELECT orders order_lines",
    "SELECT orders.id, orders.placed_at_ms, order_lines.product_id, order_lines.name, \
     order_lines.quantity, order_lines.unit_price_cents \
     FROM orders JOIN order_lines ON order_lines.order_id = orders.id \
     WHERE orders.id IN (SELECT input.value->>'id' FROM ",
    input,
    ") ORDER BY orders.id, order_lines.line",
);

/// An id as an input row.
#[derive(Serialize)]
pub(super) struct IdRow {
    id: String,
}

#[derive(FromRow)]
struct ProductRow {
    id: i64,
    name: String,
    price_cents: i64,
    aisle: String,
    on_hand: i64,
}

#[derive(FromRow)]
struct StockRow {
    id: i64,
    on_hand: i64,
}

#[derive(FromRow)]
struct LineRow {
    id: String,
    placed_at_ms: i64,
    product_id: i64,
    name: String,
    quantity: i64,
    unit_price_cents: i64,
}

pub(super) async fn catalogue(
    database: &Database,
) -> Result<Vec<(CatalogueProduct, u64)>, StorageError> {
    let mut session = database.reader().await?;
    let rows: Vec<ProductRow> = session.fetch(&CATALOGUE, NO_ROWS).await?;
    // The products of an aisle share its name.
    let mut aisles: HashMap<String, Arc<str>> = HashMap::new();
    rows.into_iter()
        .map(|row| {
            let aisle = aisles.entry(row.aisle).or_insert_with_key(|aisle| aisle.as_str().into());
            let product = CatalogueProduct {
                id: product_id(row.id)?,
                name: row.name.into(),
                price: money(row.price_cents)?,
                aisle: aisle.clone(),
            };
            Ok((product, count(row.on_hand)?))
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
    let mut session = database.reader().await?;
    stock_in(&mut session, products).await
}

/// The pieces on hand, as the transaction sees them.
pub(super) async fn stock_in(
    session: &mut Session<'_>,
    products: &[ProductId],
) -> Result<Vec<StockLevel>, StorageError> {
    let ids: Vec<_> = products.iter().copied().map(IdRow::from).collect();
    let rows: Vec<StockRow> = session.fetch(&STOCK, &ids).await?;
    rows.into_iter()
        .map(|row| Ok(StockLevel { product: product_id(row.id)?, on_hand: count(row.on_hand)? }))
        .collect()
}

pub(super) async fn order(
    database: &Database,
    id: OrderId,
) -> Result<Option<Receipt>, StorageError> {
    let mut session = database.reader().await?;
    Ok(receipts(&mut session, &[id]).await?.remove(&id))
}

/// The receipts of those orders that there are.
pub(super) async fn receipts(
    session: &mut Session<'_>,
    orders: &[OrderId],
) -> Result<HashMap<OrderId, Receipt>, StorageError> {
    if orders.is_empty() {
        return Ok(HashMap::new());
    }
    let ids: Vec<_> = orders.iter().copied().map(IdRow::from).collect();
    let rows: Vec<LineRow> = session.fetch(&RECEIPTS, &ids).await?;
    let orders = rows.chunk_by(|one, next| one.id == next.id);
    orders.filter_map(|lines| Some(receipt(lines.first()?, lines))).collect()
}

fn receipt(first: &LineRow, lines: &[LineRow]) -> Result<(OrderId, Receipt), StorageError> {
    let id = order_id(&first.id)?;
    let lines = lines.iter().map(|line| {
        let quantity = line.quantity;
        let quantity = u32::try_from(quantity).map_err(|_| corrupt("the quantity", quantity))?;
        let unit_price = money(line.unit_price_cents)?;
        sale::receipt_line(product_id(line.product_id)?, line.name.clone(), quantity, unit_price)
    });
    let lines = lines.collect::<Result<Vec<_>, _>>()?;
    Ok((id, sale::receipt(id, lines, first.placed_at_ms)?))
}

impl From<ProductId> for IdRow {
    fn from(id: ProductId) -> Self {
        Self { id: id.to_string() }
    }
}

impl From<OrderId> for IdRow {
    fn from(id: OrderId) -> Self {
        Self { id: id.to_string() }
    }
}

pub(super) fn order_id(text: &str) -> Result<OrderId, StorageError> {
    text.parse().map_err(|_| corrupt("the order id", text))
}

pub(super) fn product_id(number: i64) -> Result<ProductId, StorageError> {
    let id = u32::try_from(number).ok().and_then(ProductId::new);
    id.ok_or_else(|| corrupt("the product id", number))
}

pub(super) fn money(cents: i64) -> Result<Money, StorageError> {
    let money = u64::try_from(cents).ok().and_then(Money::from_cents);
    money.ok_or_else(|| corrupt("the price in cents", cents))
}

pub(super) fn count(pieces: i64) -> Result<u64, StorageError> {
    u64::try_from(pieces).map_err(|_| corrupt("the number of pieces", pieces))
}

fn corrupt(what: &str, value: impl std::fmt::Display) -> StorageError {
    StorageError::Corrupt(format!("{what} {value}"))
}
