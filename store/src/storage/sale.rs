//! What becomes of a batch of orders, decided from what the database says, without asking it.
//!
//! Orders are served in the order they came in. One that is short of stock takes nothing, so
//! those after it find what it left.

use std::collections::{BTreeMap, HashMap};

use shared::{
    money::Money,
    wire::{Receipt, ReceiptLine},
};

use super::StorageError;
use crate::domain::{Fingerprint, NewOrder, OrderId, ProductId, Shortage};

/// What is on the shelves, by product.
pub(super) type Shelves = BTreeMap<ProductId, Shelf>;

/// What the keys of the batch were used for before, without those that have expired.
pub(super) type UsedKeys = HashMap<String, KeyUse>;

/// One product, as it is while its row is locked.
#[derive(Clone, Debug)]
pub(super) struct Shelf {
    pub(super) name: String,
    pub(super) price: Money,
    pub(super) on_hand: u64,
    /// Pieces that this batch has sold.
    pub(super) sold: u64,
}

/// The order that a key was used for.
#[derive(Clone, Debug)]
pub(super) struct KeyUse {
    pub(super) fingerprint: String,
    pub(super) order: OrderId,
}

/// What becomes of one order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Decision {
    /// It is to be recorded with this receipt.
    Record(Receipt),
    /// It repeats this order.
    Repeat(OrderId),
    /// There is too little of these products.
    Short(Vec<Shortage>),
    /// Its key belongs to another basket.
    KeyReused,
}

/// Decides on each order, and takes what is sold off the shelves.
///
/// # Errors
/// [`StorageError::Corrupt`] when a price in the database is beyond all measure.
pub(super) fn decide(
    orders: &[NewOrder],
    shelves: &mut Shelves,
    mut keys: UsedKeys,
) -> Result<Vec<Decision>, StorageError> {
    orders.iter().map(|order| decide_one(order, shelves, &mut keys)).collect()
}

fn decide_one(
    order: &NewOrder,
    shelves: &mut Shelves,
    keys: &mut UsedKeys,
) -> Result<Decision, StorageError> {
    let fingerprint = order.fingerprint();
    if let Some(before) = order.key.as_ref().and_then(|key| keys.get(key.as_str())) {
        return Ok(repeat(before, &fingerprint));
    }
    let short = shortages(order, shelves);
    if !short.is_empty() {
        return Ok(Decision::Short(short));
    }
    let receipt = sell(order, shelves)?;
    if let Some(key) = &order.key {
        let fingerprint = fingerprint.as_str().to_owned();
        keys.insert(key.as_str().to_owned(), KeyUse { fingerprint, order: order.id });
    }
    Ok(Decision::Record(receipt))
}

fn repeat(before: &KeyUse, fingerprint: &Fingerprint) -> Decision {
    if before.fingerprint == fingerprint.as_str() {
        Decision::Repeat(before.order)
    } else {
        Decision::KeyReused
    }
}

/// The lines of an order for which there is too little; a product that is not sold at all has
/// nothing available.
fn shortages(order: &NewOrder, shelves: &Shelves) -> Vec<Shortage> {
    let lines = order.basket.lines().iter();
    let short = lines.map(|line| Shortage {
        product: line.product,
        requested: line.quantity,
        available: shelves.get(&line.product).map_or(0, |shelf| shelf.on_hand),
    });
    short.filter(|short| short.available < u64::from(short.requested.get())).collect()
}

fn sell(order: &NewOrder, shelves: &mut Shelves) -> Result<Receipt, StorageError> {
    let mut lines = Vec::with_capacity(order.basket.lines().len());
    for line in order.basket.lines() {
        // Every product is on a shelf, with enough of it, or else the order would be short.
        let Some(shelf) = shelves.get_mut(&line.product) else { continue };
        let quantity = line.quantity.get();
        shelf.on_hand = shelf.on_hand.saturating_sub(u64::from(quantity));
        shelf.sold += u64::from(quantity);
        lines.push(receipt_line(line.product, shelf.name.clone(), quantity, shelf.price)?);
    }
    receipt(order.id, lines, super::clock::milliseconds(order.placed_at))
}

/// A line of a receipt.
pub(super) fn receipt_line(
    product: ProductId,
    name: String,
    quantity: u32,
    unit_price: Money,
) -> Result<ReceiptLine, StorageError> {
    let price = unit_price.checked_mul(quantity).ok_or_else(|| {
        StorageError::Corrupt(format!("the price {unit_price} of product {product}"))
    })?;
    Ok(ReceiptLine { id: product.to_string(), name, quantity, unit_price, price })
}

/// A receipt with the sum of its lines.
pub(super) fn receipt(
    order: OrderId,
    lines: Vec<ReceiptLine>,
    placed_at_ms: i64,
) -> Result<Receipt, StorageError> {
    let total = Money::checked_sum(lines.iter().map(|line| line.price)).ok_or_else(|| {
        StorageError::Corrupt(format!("more than money can buy in order {order}"))
    })?;
    let placed_at = super::clock::rfc3339(placed_at_ms);
    Ok(Receipt { order_id: order.uuid(), lines, total, placed_at })
}
