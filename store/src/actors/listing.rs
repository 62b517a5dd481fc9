//! Products as the JSON of `GET /whats-in-store`, which is kept until the stock changes.
//!
//! A listing is asked for by every shopper, and has all products in it. What one order changes in it is
//! the stock of a few. So each product keeps its own JSON, an aisle keeps that of all its products, and
//! what is asked for is put together from these texts:
//!
//! ```text
//! {"inventory":{"products":[ product, product, ...  of one aisle , ...  of the next aisle ]}}
//! ```

use std::sync::Arc;

use shared::wire::Product;

/// The products of an aisle as JSON, separated by commas: the elements of an array without its brackets.
pub(crate) type Products = Arc<str>;

/// What stands before all products in the answer, and after them: the names of
/// [`WhatsInStore`](shared::wire::WhatsInStore).
const AROUND: (&str, &str) = (r#"{"inventory":{"products":["#, "]}}");

/// The JSON of one product, and how many pieces are in stock there.
#[derive(Clone, Debug, Default)]
pub(super) struct ListedProduct(Option<(u64, String)>);

impl ListedProduct {
    /// Whether the JSON has so many pieces in stock.
    pub(super) fn shows(&self, in_stock: u64) -> bool {
        self.0.as_ref().is_some_and(|(listed, _)| *listed == in_stock)
    }

    /// Takes over the product as it is now.
    pub(super) fn set(&mut self, product: &Product) {
        let json =
            serde_json::to_string(product).expect("texts and numbers can be written as JSON");
        self.0 = Some((product.in_stock, json));
    }

    /// The JSON, which is empty until the product was [`set`](Self::set).
    pub(super) fn json(&self) -> &str {
        self.0.as_ref().map_or("", |(_, json)| json)
    }
}

/// The answer with the products of these aisles.
pub(super) fn whats_in_store(aisles: &[Products]) -> String {
    let (before, after) = AROUND;
    let mut answer = String::with_capacity(
        before.len()
            + after.len()
            + aisles.iter().map(|products| products.len() + 1).sum::<usize>(),
    );
    answer.push_str(before);
    push_separated(&mut answer, aisles.iter().map(|products| &**products));
    answer.push_str(after);
    answer
}

/// Adds these texts with commas between them.
pub(super) fn push_separated<'t>(list: &mut String, texts: impl Iterator<Item = &'t str>) {
    for (index, text) in texts.enumerate() {
        if index > 0 {
            list.push(',');
        }
        list.push_str(text);
    }
}

#[cfg(test)]
mod tests {
    use shared::wire::{Inventory, WhatsInStore};

    use super::*;

    #[test]
    fn the_answer_is_what_serde_makes_of_all_products() {
        let product = |id: u32, in_stock| Product {
            id: id.to_string(),
            name: format!("\"{id}\""),
            price: "0.99".parse().unwrap(),
            aisle: "produce".into(),
            in_stock,
        };
        let aisles = [vec![product(1, 5), product(2, 0)], vec![product(3, 7)]];
        let listed = aisles.clone().map(|products| {
            let mut list = String::new();
            let listed = products.iter().map(|product| {
                let mut listed = ListedProduct::default();
                assert!(!listed.shows(product.in_stock));
                listed.set(product);
                assert!(listed.shows(product.in_stock) && !listed.shows(product.in_stock + 1));
                listed
            });
            let listed: Vec<_> = listed.collect();
            push_separated(&mut list, listed.iter().map(ListedProduct::json));
            Products::from(list)
        });
        let expected = WhatsInStore { inventory: Inventory { products: aisles.concat() } };
        assert_eq!(whats_in_store(&listed), serde_json::to_string(&expected).unwrap());
        let nothing = WhatsInStore { inventory: Inventory { products: Vec::new() } };
        assert_eq!(whats_in_store(&[]), serde_json::to_string(&nothing).unwrap());
    }
}
