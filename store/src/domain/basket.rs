//! A basket that can be sold, parsed from a client's request.

use std::{collections::HashSet, num::NonZeroU32};

use shared::wire::{BasketItem, CheckoutRequest, MAX_BASKET_LINES};

use super::{ProductId, ProductIdError};

/// How many pieces of one product: at least one.
pub type Quantity = NonZeroU32;

/// What a client wants to buy: 1 to [`MAX_BASKET_LINES`] lines, no product twice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Basket(Vec<BasketLine>);

/// One line of a basket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BasketLine {
    /// Which product.
    pub product: ProductId,
    /// How many pieces.
    pub quantity: Quantity,
}

/// Why a basket can never be sold, regardless of the stock.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BasketError {
    /// It has no lines.
    #[error("the basket is empty: expected 1 to {MAX_BASKET_LINES} lines")]
    Empty,
    /// It has too many lines.
    #[error("the basket has {0} lines: expected 1 to {MAX_BASKET_LINES}")]
    TooManyLines(usize),
    /// A line's product id is malformed.
    #[error(transparent)]
    Product(#[from] ProductIdError),
    /// A line asks for no pieces.
    #[error("the quantity of product {0} is 0: expected at least 1")]
    NoQuantity(ProductId),
    /// Two lines ask for the same product.
    #[error("product {0} is in the basket twice: expected one line a product")]
    Twice(ProductId),
}

impl Basket {
    /// The lines, in the order they were given.
    pub fn lines(&self) -> &[BasketLine] {
        &self.0
    }
}

impl TryFrom<&CheckoutRequest> for Basket {
    type Error = BasketError;

    fn try_from(request: &CheckoutRequest) -> Result<Self, BasketError> {
        match request.items.len() {
            0 => return Err(BasketError::Empty),
            count @ 1..=MAX_BASKET_LINES => count,
            count => return Err(BasketError::TooManyLines(count)),
        };
        let lines =
            request.items.iter().map(BasketLine::try_from).collect::<Result<Vec<_>, _>>()?;
        let mut seen = HashSet::with_capacity(lines.len());
        match lines.iter().find(|line| !seen.insert(line.product)) {
            Some(line) => Err(BasketError::Twice(line.product)),
            None => Ok(Self(lines)),
        }
    }
}

impl TryFrom<&BasketItem> for BasketLine {
    type Error = BasketError;

    fn try_from(item: &BasketItem) -> Result<Self, BasketError> {
        let product = item.id.parse()?;
        let quantity = Quantity::new(item.quantity).ok_or(BasketError::NoQuantity(product))?;
        Ok(Self { product, quantity })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn basket(items: &[(&str, u32)]) -> Result<Basket, BasketError> {
        let items = items.iter().map(|&(id, quantity)| BasketItem { id: id.into(), quantity });
        Basket::try_from(&CheckoutRequest { items: items.collect() })
    }

    #[test]
    fn a_basket_keeps_its_lines_in_order() {
        let basket = basket(&[("3", 1), ("1", u32::MAX)]).unwrap();
        let lines: Vec<_> =
            basket.lines().iter().map(|line| (line.product.get(), line.quantity.get())).collect();
        assert_eq!(lines, [(3, 1), (1, u32::MAX)]);
    }

    #[test]
    fn an_impossible_basket_is_refused_by_what_is_wrong_with_it() {
        let many: Vec<_> = (1..=101).map(|id| id.to_string()).collect();
        let too_many: Vec<_> = many.iter().map(|id| (id.as_str(), 1)).collect();
        for (items, expected) in [
            (&[] as &[_], "the basket is empty: expected 1 to 100 lines"),
            (&too_many, "the basket has 101 lines: expected 1 to 100"),
            (&[("1", 1), ("2", 0)], "the quantity of product 2 is 0: expected at least 1"),
            (
                &[("1", 1), ("2", 1), ("1", 2)],
                "product 1 is in the basket twice: expected one line a product",
            ),
            (
                &[("potato", 1)],
                "\"potato\" is not a product id: expected a whole number from 1 to 4294967295, \
                 such as \"1\"",
            ),
        ] {
            assert_eq!(basket(items).unwrap_err().to_string(), expected);
        }
        assert!(basket(&too_many[..100]).is_ok());
    }
}
