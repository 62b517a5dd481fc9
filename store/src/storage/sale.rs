//! Decides which orders of a batch are sold: a pure function of rows that were read and locked
//! before.
//!
//! Orders are served in the order in which they came. An order that is short of stock takes
//! nothing, so the next one finds the same stock.

use std::collections::{BTreeMap, HashMap};

use shared::{
    money::Money,
    wire::{Receipt, ReceiptLine},
};

use super::StorageError;
use crate::domain::{Fingerprint, NewOrder, OrderId, ProductId, Shortfall, SpanReference};

/// The products that the batch may sell, by id.
pub(super) type LockedProducts = BTreeMap<ProductId, LockedProduct>;

/// The orders that the batch's keys were used for before. Keys that have expired are left out.
pub(super) type UsedKeys = HashMap<String, KeyUse>;

/// One product, as it is while its row is locked.
#[derive(Clone, Debug)]
pub(super) struct LockedProduct {
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
    pub(super) placed_in: Option<SpanReference>,
}

/// The decision on one order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Decision {
    /// It is to be recorded with this receipt.
    Record(Receipt),
    /// It repeats this earlier order, which was placed in this span.
    Repeat(OrderId, Option<SpanReference>),
    /// There is too little of these products.
    Short(Vec<Shortfall>),
    /// Its key belongs to another basket.
    KeyReused,
}

/// Decides on each order, and subtracts what is sold from the stock.
///
/// # Errors
/// [`StorageError::Corrupt`] when a price or a total is too large to be an amount of money.
pub(super) fn decide(
    orders: &[NewOrder],
    products: &mut LockedProducts,
    mut keys: UsedKeys,
) -> Result<Vec<Decision>, StorageError> {
    orders.iter().map(|order| decide_one(order, products, &mut keys)).collect()
}

fn decide_one(
    order: &NewOrder,
    products: &mut LockedProducts,
    keys: &mut UsedKeys,
) -> Result<Decision, StorageError> {
    let fingerprint = order.fingerprint();
    if let Some(before) = order.key.as_ref().and_then(|key| keys.get(key.as_str())) {
        return Ok(repeat(before, &fingerprint));
    }
    let short = shortages(order, products);
    if !short.is_empty() {
        return Ok(Decision::Short(short));
    }
    let receipt = sell(order, products)?;
    if let Some(key) = &order.key {
        let fingerprint = fingerprint.as_str().to_owned();
        let placed_in = order.placed_in;
        let used = KeyUse { fingerprint, order: order.id, placed_in };
        keys.insert(key.as_str().to_owned(), used);
    }
    Ok(Decision::Record(receipt))
}

fn repeat(before: &KeyUse, fingerprint: &Fingerprint) -> Decision {
    if before.fingerprint == fingerprint.as_str() {
        Decision::Repeat(before.order, before.placed_in)
    } else {
        Decision::KeyReused
    }
}

/// The lines of an order for which there is too little stock. A product that the store does not
/// sell has none.
fn shortages(order: &NewOrder, products: &LockedProducts) -> Vec<Shortfall> {
    let lines = order.basket.lines().iter();
    let short = lines.map(|line| Shortfall {
        product: line.product,
        requested: line.quantity,
        available: products.get(&line.product).map_or(0, |product| product.on_hand),
    });
    short.filter(|short| short.available < u64::from(short.requested.get())).collect()
}

fn sell(order: &NewOrder, products: &mut LockedProducts) -> Result<Receipt, StorageError> {
    let mut lines = Vec::with_capacity(order.basket.lines().len());
    for line in order.basket.lines() {
        // All products are there: an order for a product that the store does not sell is short.
        let Some(product) = products.get_mut(&line.product) else { continue };
        let quantity = line.quantity.get();
        product.on_hand = product.on_hand.saturating_sub(u64::from(quantity));
        product.sold += u64::from(quantity);
        lines.push(receipt_line(line.product, product.name.clone(), quantity, product.price)?);
    }
    receipt(order.id, lines, super::sql::milliseconds(order.placed_at))
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
        StorageError::Corrupt(format!("a total that is too large in order {order}"))
    })?;
    let placed_at = super::sql::rfc3339(placed_at_ms);
    Ok(Receipt { order_id: order.uuid(), lines, total, placed_at })
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use proptest::prelude::*;
    use shared::wire::{BasketItem, CheckoutRequest};

    use super::*;
    use crate::domain::Basket;

    fn products(stock: &[u64]) -> LockedProducts {
        let product = |on_hand| LockedProduct {
            name: "potato".into(),
            price: Money::from_cents(99).unwrap(),
            on_hand,
            sold: 0,
        };
        let id = |index| ProductId::new(index as u32 + 1).unwrap();
        stock.iter().enumerate().map(|(index, on_hand)| (id(index), product(*on_hand))).collect()
    }

    fn order(key: Option<u8>, quantities: &[u32]) -> NewOrder {
        let lines = quantities.iter().enumerate().filter(|(_, quantity)| **quantity > 0);
        let item = |(index, quantity): (usize, &u32)| BasketItem {
            id: (index + 1).to_string(),
            quantity: *quantity,
        };
        let request = CheckoutRequest { items: lines.map(item).collect() };
        let key = key.map(|key| format!("key-{key}").parse().unwrap());
        NewOrder::new(Basket::try_from(&request).unwrap(), key, SystemTime::UNIX_EPOCH)
    }

    #[test]
    fn a_price_beyond_all_measure_is_an_error_and_no_panic() {
        let mut products = products(&[10]);
        products.values_mut().for_each(|product| product.price = Money::MAX);
        let error = decide(&[order(None, &[2])], &mut products, UsedKeys::new()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the database holds the price 92233720368547758.07 of product 1"
        );
    }

    proptest! {
        #[test]
        fn whatever_is_ordered_is_conserved_and_every_key_buys_once(
            stock in prop::collection::vec(0..20_u64, 3),
            orders in prop::collection::vec(
                (prop::option::of(0..4_u8), prop::collection::vec(0..5_u32, 3)), 0..30),
        ) {
            let orders: Vec<_> = orders.iter()
                .filter(|(_, quantities)| quantities.iter().any(|quantity| *quantity > 0))
                .map(|(key, quantities)| order(*key, quantities))
                .collect();
            let mut products = products(&stock);
            let decisions = decide(&orders, &mut products, UsedKeys::new()).unwrap();

            let mut sold: HashMap<String, u64> = HashMap::new();
            let mut bought = HashMap::new();
            for (order, decision) in orders.iter().zip(&decisions) {
                let before = order.key.as_ref().and_then(|key| bought.get(key));
                match (decision, before) {
                    (Decision::Record(receipt), None) => {
                        for line in &receipt.lines {
                            *sold.entry(line.id.clone()).or_default() += u64::from(line.quantity);
                        }
                        if let Some(key) = &order.key {
                            bought.insert(key.clone(), (order.id, order.fingerprint()));
                        }
                    }
                    (Decision::Repeat(id, _), Some((first, fingerprint))) => {
                        prop_assert_eq!((id, &order.fingerprint()), (first, fingerprint));
                    }
                    (Decision::KeyReused, Some((_, fingerprint))) => {
                        prop_assert_ne!(&order.fingerprint(), fingerprint);
                    }
                    (Decision::Short(short), None) => prop_assert!(!short.is_empty()),
                    (decision, before) => prop_assert!(false, "{decision:?} after {before:?}"),
                }
            }
            for ((id, product), initial) in products.iter().zip(&stock) {
                let sold = sold.get(&id.to_string()).copied().unwrap_or_default();
                prop_assert_eq!((product.on_hand + sold, product.sold), (*initial, sold));
            }
        }
    }
}
