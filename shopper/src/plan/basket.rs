//! What a shopper puts into the basket.

use std::ops::RangeInclusive;

use rand::{RngExt, SeedableRng, rngs::StdRng, seq::index};
use shared::wire::BasketItem;

use super::{TripKind, TripPlan};
use crate::answers::Product;

/// Chooses a basket from what is in store, as the plan has it: the same plan and the same store
/// give the same basket. It is empty for who only browses, and when there is nothing in stock. A
/// store that does not say what it has in stock is asked for it.
#[must_use]
pub fn fill_basket(plan: &TripPlan, products: &[Product]) -> Vec<BasketItem> {
    let (lines, pieces) = appetite(plan.kind);
    let in_stock: Vec<&Product> = products.iter().filter(|p| p.in_stock != Some(0)).collect();
    let mut rng = StdRng::seed_from_u64(plan.basket_seed);
    let lines = rng.random_range(lines).min(in_stock.len());
    let chosen = index::sample(&mut rng, in_stock.len(), lines);
    let item = |product: &Product| {
        let most = product.in_stock.map_or(u32::MAX, |n| u32::try_from(n).unwrap_or(u32::MAX));
        BasketItem { id: product.id.clone(), quantity: rng.random_range(pieces.clone()).min(most) }
    };
    chosen.into_iter().map(|index| in_stock[index]).map(item).collect()
}

/// How many lines a basket has, and how many pieces a line.
fn appetite(kind: TripKind) -> (RangeInclusive<usize>, RangeInclusive<u32>) {
    match kind {
        TripKind::BrowseOnly => (0..=0, 1..=1),
        TripKind::QuickBuy | TripKind::Impatient => (1..=3, 1..=2),
        TripKind::Hesitant => (1..=3, 1..=4),
        TripKind::BigBasket => (5..=15, 1..=4),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    /// What is in stock of each product; a store that does not say has enough of it.
    fn store(stock: &[Option<u64>]) -> Vec<Product> {
        let product = |(index, &in_stock): (usize, &Option<u64>)| Product {
            id: index.to_string(),
            name: format!("product {index}"),
            price: "0.99".parse().unwrap(),
            in_stock,
        };
        stock.iter().enumerate().map(product).collect()
    }

    proptest! {
        #[test]
        fn a_basket_can_always_be_bought(
            stock in prop::collection::vec(prop::option::of(0_u64..6), 0..60),
            basket_seed: u64,
            kind in prop::sample::select(TripKind::ALL.to_vec()),
        ) {
            let plan = TripPlan { shopper: 1, nth: 0, kind, fault: None, basket_seed };
            let basket = fill_basket(&plan, &store(&stock));
            prop_assert_eq!(&basket, &fill_basket(&plan, &store(&stock)));
            let ids: HashSet<_> = basket.iter().map(|item| &item.id).collect();
            prop_assert_eq!(ids.len(), basket.len(), "no product twice");
            for item in &basket {
                let in_stock = stock[item.id.parse::<usize>().unwrap()].unwrap_or(u64::MAX);
                prop_assert!((1..=in_stock).contains(&u64::from(item.quantity)));
            }
            let anything = stock.iter().any(|&in_stock| in_stock != Some(0));
            prop_assert_eq!(basket.is_empty(), kind == TripKind::BrowseOnly || !anything);
        }
    }
}
