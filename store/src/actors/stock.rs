//! An aisle's view of its stock: how many pieces of each product it believes there are.
//!
//! The view changes by readings of the database and by sales, and the two reach the aisle in any
//! order. A sale must not be lost by that, nor counted twice. So every batch of the ledger has a
//! number: a reading says after which batch it was made, and a sale in which batch it was recorded.
//! A sale is subtracted only from readings that were made before its batch:
//!
//! | news, in the order in which it reaches the aisle | on hand |
//! |---|---|
//! | at the beginning | 10 |
//! | 3 pieces sold in batch 1 | 10 − 3 = 7 |
//! | after batch 2 the database held 5 | 5 |
//! | 2 pieces sold in batch 2 (the reading has seen that) | 5 |
//! | 1 piece sold in batch 3 | 5 − 1 = 4 |

use std::collections::VecDeque;

use shared::wire::{Product, Shortage};

use super::{
    error::ActorError,
    ledger::{BatchNumber, StockReading},
    listing::{ListedProduct, Products, push_separated},
};
use crate::domain::{BasketLine, CatalogueProduct, ProductId};

/// All products of one aisle.
#[derive(Debug)]
pub(super) struct AisleStock {
    shelves: Vec<ProductStock>,
    /// The products as they were last listed.
    listed: Option<Products>,
}

impl AisleStock {
    /// These products with their pieces, each low below `low_mark`.
    pub(super) fn new(products: &[(CatalogueProduct, u64)], low_mark: u64) -> Self {
        let shelf = |(product, on_hand): &(CatalogueProduct, u64)| {
            ProductStock::new(product.clone(), *on_hand, low_mark)
        };
        Self { shelves: products.iter().map(shelf).collect(), listed: None }
    }

    /// The ids of all products.
    pub(super) fn products(&self) -> Vec<ProductId> {
        self.shelves.iter().map(|stock| stock.product().id).collect()
    }

    /// All products as JSON. Only what has changed since the last call is written anew.
    pub(super) fn list(&mut self) -> Products {
        let mut has_changed = self.listed.is_none();
        for shelf in &mut self.shelves {
            has_changed |= shelf.list();
        }
        match &self.listed {
            Some(listed) if !has_changed => Products::clone(listed),
            _ => {
                let mut list = String::new();
                push_separated(&mut list, self.shelves.iter().map(|shelf| shelf.listed.json()));
                let list = Products::from(list);
                self.listed = Some(Products::clone(&list));
                list
            }
        }
    }

    /// The pieces of all products, those that are set aside too.
    pub(super) fn on_hand(&self) -> u64 {
        self.shelves.iter().map(|shelf| shelf.on_hand).sum()
    }

    /// One product, as it goes over the wire.
    pub(super) fn show(&mut self, product: ProductId) -> Result<Product, ActorError> {
        self.shelf(product).map(|shelf| shelf.to_wire()).ok_or(ActorError::NoSuchProduct(product))
    }

    /// Sets aside all lines, or nothing.
    pub(super) fn reserve(&mut self, lines: &[BasketLine]) -> Result<(), ActorError> {
        let mut short = Vec::new();
        for line in lines {
            let shelf = self.shelf(line.product).ok_or(ActorError::NoSuchProduct(line.product))?;
            if shelf.available() < u64::from(line.quantity.get()) {
                short.push(Shortage {
                    id: line.product.to_string(),
                    name: shelf.product().name.to_string(),
                    requested: line.quantity.get(),
                    available: shelf.available(),
                });
            }
        }
        if !short.is_empty() {
            return Err(ActorError::OutOfStock(short));
        }
        self.each_shelf(lines, ProductStock::reserve);
        Ok(())
    }

    /// Puts back what was set aside.
    pub(super) fn release(&mut self, lines: &[BasketLine]) {
        self.each_shelf(lines, ProductStock::release);
    }

    /// Subtracts what was set aside and then sold in `batch`.
    pub(super) fn mark_sold(&mut self, lines: &[BasketLine], batch: BatchNumber) {
        self.each_shelf(lines, |shelf, pieces| shelf.mark_sold(pieces, batch));
    }

    /// Takes over a reading of the database.
    pub(super) fn read(&mut self, reading: &StockReading) {
        for level in &reading.levels {
            if let Some(shelf) = self.shelf(level.product) {
                shelf.read(level.on_hand, reading.as_of);
            }
        }
    }

    /// The products that have become low since the last call.
    pub(super) fn has_become_low(&mut self) -> Vec<ProductId> {
        let low = self.shelves.iter_mut().filter_map(|shelf| {
            let product = shelf.product().id;
            shelf.has_become_low().then_some(product)
        });
        low.collect()
    }

    /// Makes a product count as low below `low_mark` pieces from now on.
    pub(super) fn set_low_mark(&mut self, product: ProductId, low_mark: u64) {
        if let Some(shelf) = self.shelf(product) {
            shelf.set_low_mark(low_mark);
        }
    }

    fn shelf(&mut self, product: ProductId) -> Option<&mut ProductStock> {
        self.shelves.iter_mut().find(|stock| stock.product().id == product)
    }

    fn each_shelf(&mut self, lines: &[BasketLine], change: impl Fn(&mut ProductStock, u64)) {
        for line in lines {
            if let Some(shelf) = self.shelf(line.product) {
                change(shelf, u64::from(line.quantity.get()));
            }
        }
    }
}

/// One product, and how many pieces of it the aisle believes there are.
#[derive(Clone, Debug)]
pub(crate) struct ProductStock {
    product: CatalogueProduct,
    on_hand: u64,
    /// Pieces that are set aside for orders. They are part of `on_hand`.
    reserved: u64,
    /// The batch after which the database was read last.
    as_of: BatchNumber,
    /// How many pieces were sold in each later batch.
    sold_since: VecDeque<(BatchNumber, u64)>,
    /// The product is low when fewer pieces than this are on hand.
    low_mark: u64,
    is_reported_low: bool,
    /// The product as it was last listed.
    listed: ListedProduct,
}

impl ProductStock {
    /// A product with `on_hand` pieces, which is low below `low_mark`.
    pub(crate) fn new(product: CatalogueProduct, on_hand: u64, low_mark: u64) -> Self {
        Self {
            product,
            on_hand,
            reserved: 0,
            as_of: BatchNumber::default(),
            sold_since: VecDeque::new(),
            low_mark,
            is_reported_low: false,
            listed: ListedProduct::default(),
        }
    }

    /// The product.
    pub(crate) fn product(&self) -> &CatalogueProduct {
        &self.product
    }

    /// Pieces that are not set aside for an order.
    pub(crate) fn available(&self) -> u64 {
        self.on_hand.saturating_sub(self.reserved)
    }

    /// Whether it is time for a delivery. It is true only once, until the stock is
    /// [`read`](Self::read) again.
    pub(crate) fn has_become_low(&mut self) -> bool {
        let is_low = self.on_hand < self.low_mark;
        is_low && !std::mem::replace(&mut self.is_reported_low, true)
    }

    /// Sets aside pieces for an order. The caller has checked that they are
    /// [`available`](Self::available).
    pub(crate) fn reserve(&mut self, pieces: u64) {
        self.reserved += pieces;
    }

    /// Puts back pieces that were set aside.
    pub(crate) fn release(&mut self, pieces: u64) {
        self.reserved = self.reserved.saturating_sub(pieces);
    }

    /// Subtracts pieces that were set aside and then sold in `batch`.
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

    /// Takes over what the database held after the batch `as_of`, less what was sold in later ones.
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

    /// Makes the product count as low below `low_mark` pieces from now on.
    pub(crate) fn set_low_mark(&mut self, low_mark: u64) {
        self.low_mark = low_mark;
    }

    /// Sees to it that the product is listed as it is. Returns whether it was not.
    fn list(&mut self) -> bool {
        let has_changed = !self.listed.shows(self.available());
        if has_changed {
            let product = self.to_wire();
            self.listed.set(&product);
        }
        has_changed
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
    use crate::domain::{ProductId, StockLevel};

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
    fn an_aisle_lists_what_can_be_bought_now_and_writes_only_what_has_changed() {
        let product = |id, name: &str| CatalogueProduct {
            id: ProductId::new(id).unwrap(),
            name: name.into(),
            price: "0.99".parse().unwrap(),
            aisle: "produce".into(),
        };
        let products = [(product(1, "potato"), 10), (product(2, "apple"), 20)];
        let mut stock = AisleStock::new(&products, 5);
        let listed = |potatoes: u64| {
            format!(
                "{{\"id\":\"1\",\"name\":\"potato\",\"price\":0.99,\"aisle\":\"produce\",\
                 \"in_stock\":{potatoes}}},{{\"id\":\"2\",\"name\":\"apple\",\"price\":0.99,\
                 \"aisle\":\"produce\",\"in_stock\":20}}"
            )
        };
        let first = stock.list();
        assert_eq!(*first, *listed(10));
        assert!(Products::ptr_eq(&first, &stock.list()), "it is kept");
        let one = |quantity: u32| {
            let (product, quantity) = (ProductId::new(1).unwrap(), quantity.try_into().unwrap());
            [BasketLine { product, quantity }]
        };
        stock.reserve(&one(3)).unwrap();
        assert_eq!(*stock.list(), *listed(7));
        let sold = stock.list();
        stock.mark_sold(&one(3), BatchNumber(1));
        assert!(Products::ptr_eq(&sold, &stock.list()), "as many can be bought as before");
        stock.reserve(&one(1)).unwrap();
        stock.release(&one(1));
        assert!(Products::ptr_eq(&sold, &stock.list()), "as many can be bought as before");
        let levels = vec![StockLevel { product: ProductId::new(1).unwrap(), on_hand: 507 }];
        stock.read(&StockReading { levels, as_of: BatchNumber(1) });
        assert_eq!(*stock.list(), *listed(507));
    }

    #[test]
    fn news_is_counted_once_as_the_table_above_has_it() {
        let mut shelf = shelf(10);
        shelf.mark_sold(3, BatchNumber(1));
        assert_eq!(shelf.available(), 7);
        shelf.read(5, BatchNumber(2));
        assert_eq!(shelf.available(), 5);
        shelf.mark_sold(2, BatchNumber(2));
        assert_eq!(shelf.available(), 5);
        shelf.mark_sold(1, BatchNumber(3));
        assert_eq!(shelf.available(), 4);
    }

    #[test]
    fn a_reading_older_than_the_last_changes_nothing() {
        let mut shelf = shelf(10);
        shelf.read(20, BatchNumber(2));
        shelf.read(30, BatchNumber(1));
        assert_eq!(shelf.available(), 20);
    }

    proptest! {
        /// Sales are recorded batch by batch, and the database is read in between. The aisle hears
        /// of both later and in any order. When it has heard of all, its view is what the database
        /// holds.
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
