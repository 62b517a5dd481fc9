//! One product's place in its aisle: a view of the stock that the database keeps.
//!
//! The view must lose no sale and count none twice, although the database is read while orders are
//! being recorded. So every reading says after which batch of the ledger it was made, every sale in
//! which batch it was recorded, and a sale counts only against the readings that came before it.

use std::collections::VecDeque;

use shared::wire::Product;

use super::batch::BatchNumber;
use crate::domain::CatalogueProduct;

/// A product and the view of its stock.
#[derive(Clone, Debug)]
pub(crate) struct ProductStock {
    product: CatalogueProduct,
    on_hand: u64,
    reserved: u64,
    as_of: BatchNumber,
    sold_since: VecDeque<(BatchNumber, u64)>,
    low_mark: u64,
    is_reported_low: bool,
}

impl ProductStock {
    /// A shelf with `on_hand` pieces, which is low below `low_mark`.
    pub(crate) fn new(product: CatalogueProduct, on_hand: u64, low_mark: u64) -> Self {
        Self {
            product,
            on_hand,
            reserved: 0,
            as_of: BatchNumber::default(),
            sold_since: VecDeque::new(),
            low_mark,
            is_reported_low: false,
        }
    }

    /// The product.
    pub(crate) fn product(&self) -> &CatalogueProduct {
        &self.product
    }

    /// Pieces that nobody has reserved.
    pub(crate) fn available(&self) -> u64 {
        self.on_hand.saturating_sub(self.reserved)
    }

    /// Whether it is time for a delivery; true only once until the stock is [`read`](Self::read).
    pub(crate) fn has_become_low(&mut self) -> bool {
        let is_low = self.on_hand < self.low_mark;
        is_low && !std::mem::replace(&mut self.is_reported_low, true)
    }

    /// Sets aside pieces for an order: they are there, [`available`](Self::available) says so.
    pub(crate) fn reserve(&mut self, pieces: u64) {
        self.reserved += pieces;
    }

    /// Puts back pieces that were set aside.
    pub(crate) fn release(&mut self, pieces: u64) {
        self.reserved = self.reserved.saturating_sub(pieces);
    }

    /// Takes away pieces that were set aside and then sold in `batch`.
    pub(crate) fn mark_sold(&mut self, pieces: u64, batch: BatchNumber) {
        self.release(pieces);
        if batch <= self.as_of {
            return;
        }
        self.on_hand = self.on_hand.saturating_sub(pieces);
        match self.sold_since.back_mut() {
            Some((last, sold)) if *last == batch => *sold += pieces,
            _ => self.sold_since.push_back((batch, pieces)),
        }
    }

    /// Takes over what the database held after `as_of`, less what was sold here since.
    pub(crate) fn read(&mut self, on_hand: u64, as_of: BatchNumber) {
        if as_of < self.as_of {
            return;
        }
        self.as_of = as_of;
        self.is_reported_low = false;
        self.sold_since.retain(|(batch, _)| *batch > as_of);
        let sold_since = self.sold_since.iter().map(|(_, sold)| sold).sum();
        self.on_hand = on_hand.saturating_sub(sold_since);
    }

    /// Is low earlier from now on.
    pub(crate) fn set_low_mark(&mut self, low_mark: u64) {
        self.low_mark = low_mark;
    }

    /// The product as a shopper sees it.
    pub(crate) fn to_wire(&self) -> Product {
        Product {
            id: self.product.id.to_string(),
            name: self.product.name.to_string(),
            price: self.product.price,
            aisle: self.product.aisle.to_string(),
            in_stock: self.available(),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use shared::money::Money;

    use super::*;
    use crate::domain::ProductId;

    fn shelf(on_hand: u64) -> ProductStock {
        let product = CatalogueProduct {
            id: ProductId::new(1).unwrap(),
            name: "potato".into(),
            price: Money::ZERO,
            aisle: "produce".into(),
        };
        ProductStock::new(product, on_hand, 5)
    }

    #[test]
    fn what_is_reserved_is_not_available_until_it_is_released() {
        let mut shelf = shelf(10);
        shelf.reserve(4);
        assert_eq!(shelf.available(), 6);
        shelf.release(4);
        assert_eq!(shelf.available(), 10);
    }

    #[test]
    fn a_shelf_is_low_when_pieces_were_sold_and_not_when_they_are_reserved() {
        let mut shelf = shelf(10);
        shelf.reserve(6);
        assert!(!shelf.has_become_low());
        shelf.mark_sold(6, BatchNumber(1));
        assert!(shelf.has_become_low());
        assert!(!shelf.has_become_low(), "it was said already");
        shelf.read(4, BatchNumber(1));
        assert!(shelf.has_become_low(), "it is still low");
    }

    #[test]
    fn a_reading_older_than_the_last_changes_nothing() {
        let mut shelf = shelf(10);
        shelf.read(20, BatchNumber(2));
        shelf.read(30, BatchNumber(1));
        assert_eq!(shelf.available(), 20);
    }

    proptest! {
        /// Sales are recorded batch by batch, are heard of later and in any order, and the database
        /// is read in between: when all is heard of, the view is what the database holds.
        #[test]
        fn the_view_meets_the_database_in_whatever_order_news_arrives(
            sales in prop::collection::vec(1_u64..5, 1..30),
            reads in prop::collection::vec(0_usize..30, 0..10),
            order in any::<u64>(),
        ) {
            let mut shelf = shelf(1_000);
            enum News { Sold(u64, BatchNumber), Read(u64, BatchNumber) }
            let mut stock = 1_000;
            let mut news = Vec::new();
            for (index, sold) in sales.iter().enumerate() {
                let batch = BatchNumber(index as u64 + 1);
                shelf.reserve(*sold);
                stock -= sold;
                news.push(News::Sold(*sold, batch));
                if reads.contains(&index) {
                    news.push(News::Read(stock, batch));
                }
            }
            let mut state = order;
            while !news.is_empty() {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                match news.swap_remove(usize::try_from(state >> 40).unwrap() % news.len()) {
                    News::Sold(pieces, batch) => shelf.mark_sold(pieces, batch),
                    News::Read(on_hand, as_of) => shelf.read(on_hand, as_of),
                }
            }
            prop_assert_eq!(shelf.available(), stock);
        }
    }
}
