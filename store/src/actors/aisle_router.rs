//! All aisles: which product stands in which aisle.

use std::{collections::HashMap, sync::Arc};

use futures_util::future::join_all;

use super::{
    ActorError,
    aisle::{Aisle, Reread, Reserve},
    reservation::Reservation,
    supervised::Supervised,
};
use crate::domain::{Basket, BasketLine, CatalogueProduct, ProductId};

/// All aisles, and the way to each product.
pub(crate) struct AisleRouter {
    aisles: Vec<Supervised<Aisle>>,
    places: HashMap<ProductId, Place>,
}

struct Place {
    aisle: usize,
    name: Arc<str>,
}

impl AisleRouter {
    /// A router with one aisle for each name in the catalogue, each opened by `open` with its
    /// number and its products.
    pub(super) fn new(
        catalogue: &[(CatalogueProduct, u64)],
        mut open: impl FnMut(usize, Vec<(CatalogueProduct, u64)>) -> Supervised<Aisle>,
    ) -> Self {
        let mut stock: Vec<Vec<(CatalogueProduct, u64)>> = Vec::new();
        let mut places = HashMap::new();
        for (product, on_hand) in catalogue {
            let is_here = |aisle: &Vec<(CatalogueProduct, u64)>| aisle[0].0.aisle == product.aisle;
            let aisle = stock.iter().position(is_here).unwrap_or(stock.len());
            if aisle == stock.len() {
                stock.push(Vec::new());
            }
            stock[aisle].push((product.clone(), *on_hand));
            places.insert(product.id, Place { aisle, name: Arc::clone(&product.name) });
        }
        let aisles = stock.into_iter().enumerate().map(|(n, products)| open(n, products)).collect();
        Self { aisles, places }
    }

    /// All aisles.
    pub(super) fn aisles(&self) -> impl Iterator<Item = &Supervised<Aisle>> {
        self.aisles.iter()
    }

    /// The aisle in which a product stands.
    pub(super) fn aisle_of(&self, product: ProductId) -> Result<&Supervised<Aisle>, ActorError> {
        self.places
            .get(&product)
            .map(|place| &self.aisles[place.aisle])
            .ok_or(ActorError::NoSuchProduct(product))
    }

    /// What a product is called; nothing if the store does not sell it.
    pub(super) fn name_of(&self, product: ProductId) -> &str {
        self.places.get(&product).map_or("", |place| &place.name)
    }

    /// Reserves a basket in all aisles concerned at once. A shortage names the products of all.
    pub(super) async fn reserve(&self, basket: &Basket) -> Result<Vec<Reservation>, ActorError> {
        let lines = self.lines_by_aisle(basket)?;
        let asks = lines.into_iter().map(|(aisle, lines)| self.aisles[aisle].ask(Reserve(lines)));
        let mut reservations = Vec::new();
        let mut short = Vec::new();
        let mut other = None;
        for reply in join_all(asks).await {
            match reply {
                Ok(reservation) => reservations.push(reservation),
                Err(ActorError::OutOfStock(shortages)) => short.extend(shortages),
                Err(error) => other = Some(error),
            }
        }
        match other {
            Some(error) => Err(error),
            None if !short.is_empty() => Err(ActorError::OutOfStock(short)),
            None => Ok(reservations),
        }
    }

    /// Has the aisles concerned look again, because the database had less than they thought.
    pub(super) fn reread(&self, basket: &Basket) {
        for (aisle, _) in self.lines_by_aisle(basket).into_iter().flatten() {
            self.aisles[aisle].tell(Reread);
        }
    }

    fn lines_by_aisle(&self, basket: &Basket) -> Result<Vec<(usize, Vec<BasketLine>)>, ActorError> {
        let mut by_aisle: Vec<(usize, Vec<BasketLine>)> = Vec::new();
        for line in basket.lines() {
            let place =
                self.places.get(&line.product).ok_or(ActorError::NoSuchProduct(line.product))?;
            match by_aisle.iter_mut().find(|(aisle, _)| *aisle == place.aisle) {
                Some((_, lines)) => lines.push(*line),
                None => by_aisle.push((place.aisle, vec![*line])),
            }
        }
        Ok(by_aisle)
    }
}
