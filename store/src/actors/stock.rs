//! An aisle's view of its stock: all its shelves, and what a basket does to them.

use shared::wire::{Product, Shortage};

use super::{ActorError, batch::BatchNumber, ledger::StockReading, shelf::ProductStock};
use crate::domain::{BasketLine, CatalogueProduct, ProductId};

/// The shelves of one aisle.
#[derive(Debug)]
pub(super) struct AisleStock(Vec<ProductStock>);

impl AisleStock {
    /// These products with their pieces, each low below `low_mark`.
    pub(super) fn new(products: &[(CatalogueProduct, u64)], low_mark: u64) -> Self {
        let shelf = |(product, on_hand): &(CatalogueProduct, u64)| {
            ProductStock::new(product.clone(), *on_hand, low_mark)
        };
        Self(products.iter().map(shelf).collect())
    }

    /// The ids of all products.
    pub(super) fn products(&self) -> Vec<ProductId> {
        self.0.iter().map(|shelf| shelf.product().id).collect()
    }

    /// All products as a shopper sees them.
    pub(super) fn list(&self) -> Vec<Product> {
        self.0.iter().map(ProductStock::to_wire).collect()
    }

    /// One product as a shopper sees it.
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

    /// Takes away what was set aside and then sold in `batch`.
    pub(super) fn mark_sold(&mut self, lines: &[BasketLine], batch: BatchNumber) {
        self.each_shelf(lines, |shelf, pieces| shelf.mark_sold(pieces, batch));
    }

    /// Takes over what the database held.
    pub(super) fn read(&mut self, reading: &StockReading) {
        for level in &reading.levels {
            if let Some(shelf) = self.shelf(level.product) {
                shelf.read(level.on_hand, reading.as_of);
            }
        }
    }

    /// The products that are low and were not when last looked at.
    pub(super) fn has_become_low(&mut self) -> Vec<ProductId> {
        let low = self.0.iter_mut().filter_map(|shelf| {
            let product = shelf.product().id;
            shelf.has_become_low().then_some(product)
        });
        low.collect()
    }

    /// Has a product low below so many pieces from now on.
    pub(super) fn set_low_mark(&mut self, product: ProductId, low_mark: u64) {
        if let Some(shelf) = self.shelf(product) {
            shelf.set_low_mark(low_mark);
        }
    }

    fn shelf(&mut self, product: ProductId) -> Option<&mut ProductStock> {
        self.0.iter_mut().find(|shelf| shelf.product().id == product)
    }

    fn each_shelf(&mut self, lines: &[BasketLine], change: impl Fn(&mut ProductStock, u64)) {
        for line in lines {
            if let Some(shelf) = self.shelf(line.product) {
                change(shelf, u64::from(line.quantity.get()));
            }
        }
    }
}
