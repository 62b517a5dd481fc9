//! What the store sells when it opens for the first time.

use serde::Serialize;

use super::ProductId;

/// A product of the catalogue, and how many pieces of it the store opens with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct CatalogueEntry {
    /// The product's id.
    pub id: ProductId,
    /// What it is called.
    pub name: &'static str,
    /// Price of one piece, in cents.
    pub price_cents: u32,
    /// The aisle it stands in, in lower case.
    pub aisle: &'static str,
    /// Pieces on hand when the store opens.
    pub initial_stock: u32,
}

/// Everything the store sells, in the order of ids.
///
/// Potato, apple and mango keep the ids and prices of the tutorial that this store grew out of.
pub const CATALOGUE: [CatalogueEntry; 36] = [
    entry(1, "potato", 99, "produce", 500),
    entry(2, "apple", 50, "produce", 500),
    entry(3, "mango", 150, "produce", 300),
    entry(4, "banana", 25, "produce", 500),
    entry(5, "carrot", 35, "produce", 500),
    entry(6, "tomato", 60, "produce", 400),
    entry(7, "sourdough loaf", 420, "bakery", 200),
    entry(8, "baguette", 180, "bakery", 300),
    entry(9, "croissant", 140, "bakery", 300),
    entry(10, "bagel", 95, "bakery", 300),
    entry(11, "cinnamon roll", 225, "bakery", 200),
    entry(12, "milk", 119, "dairy", 500),
    entry(13, "butter", 249, "dairy", 300),
    entry(14, "yoghurt", 89, "dairy", 400),
    entry(15, "cheddar", 379, "dairy", 200),
    entry(16, "eggs", 299, "dairy", 400),
    entry(17, "spaghetti", 129, "pantry", 400),
    entry(18, "rice", 199, "pantry", 400),
    entry(19, "olive oil", 899, "pantry", 150),
    entry(20, "flour", 109, "pantry", 300),
    entry(21, "sugar", 139, "pantry", 300),
    entry(22, "oats", 159, "pantry", 300),
    entry(23, "coffee", 749, "drinks", 250),
    entry(24, "tea", 329, "drinks", 300),
    entry(25, "orange juice", 279, "drinks", 300),
    entry(26, "sparkling water", 79, "drinks", 500),
    entry(27, "lemonade", 169, "drinks", 300),
    entry(28, "peas", 149, "frozen", 300),
    entry(29, "ice cream", 459, "frozen", 200),
    entry(30, "fish fingers", 389, "frozen", 200),
    entry(31, "pizza", 349, "frozen", 250),
    entry(32, "berries", 429, "frozen", 200),
    entry(33, "dish soap", 189, "household", 250),
    entry(34, "sponges", 129, "household", 300),
    entry(35, "paper towels", 259, "household", 250),
    entry(36, "candles", 319, "household", 200),
];

const fn entry(
    id: u32,
    name: &'static str,
    price_cents: u32,
    aisle: &'static str,
    initial_stock: u32,
) -> CatalogueEntry {
    let id = ProductId::new(id).expect("the ids above start at 1");
    CatalogueEntry { id, name, price_cents, aisle, initial_stock }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_product_has_an_id_and_a_name_of_its_own() {
        assert!(CATALOGUE.is_sorted_by(|one, next| one.id < next.id));
        assert_eq!(CATALOGUE.iter().map(|e| e.name).collect::<HashSet<_>>().len(), CATALOGUE.len());
    }

    #[test]
    fn every_aisle_stands_in_one_piece() {
        let aisles = CATALOGUE.chunk_by(|one, next| one.aisle == next.aisle);
        let aisles: Vec<_> = aisles.map(|aisle| aisle[0].aisle).collect();
        assert_eq!(
            aisles,
            ["produce", "bakery", "dairy", "pantry", "drinks", "frozen", "household"]
        );
    }

    #[test]
    fn the_first_three_are_those_of_the_tutorial() {
        let first: Vec<_> =
            CATALOGUE[..3].iter().map(|e| (e.id.get(), e.name, e.price_cents)).collect();
        assert_eq!(first, [(1, "potato", 99), (2, "apple", 50), (3, "mango", 150)]);
    }
}
