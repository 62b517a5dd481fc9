//! What the store sells, and how much of it there is.

use std::{fmt, str::FromStr, sync::Arc};

use serde::Serialize;
use shared::money::Money;

/// A product's id: a positive whole number, on the wire as text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct ProductId(u32);

/// Why a text is not a product id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{input:?} is not a product id: expected a whole number from 1 to {}, such as \"1\"",
    u32::MAX
)]
pub struct ProductIdError {
    input: String,
}

/// A product as the catalogue has it, without its stock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CatalogueProduct {
    /// The product's id.
    pub id: ProductId,
    /// What it is called.
    pub name: Arc<str>,
    /// Price of one piece.
    pub price: Money,
    /// The aisle it stands in, in lower case.
    pub aisle: Arc<str>,
}

/// How many pieces of a product there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct StockLevel {
    /// Which product.
    pub product: ProductId,
    /// Pieces on hand.
    pub on_hand: u64,
}

impl ProductId {
    /// The id with this number, or `None` for 0.
    pub const fn new(number: u32) -> Option<Self> {
        if number == 0 { None } else { Some(Self(number)) }
    }

    /// The id as a number.
    pub const fn get(self) -> u32 {
        self.0
    }
}

impl fmt::Display for ProductId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for ProductId {
    type Err = ProductIdError;

    /// Reads an id exactly as [`ProductId`] is displayed, so that a product has one name: `01` is
    /// refused.
    fn from_str(text: &str) -> Result<Self, ProductIdError> {
        let canonical = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
        text.parse()
            .ok()
            .filter(|_| canonical)
            .and_then(Self::new)
            .ok_or_else(|| ProductIdError { input: text.into() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_product_id_reads_back_as_it_was_written() {
        for text in ["1", "35", "4294967295"] {
            assert_eq!(text.parse::<ProductId>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_no_product_id_is_refused_by_name() {
        for text in ["", "0", "01", "+1", "-1", "1.0", " 1", "4294967296", "potato"] {
            let error = text.parse::<ProductId>().unwrap_err().to_string();
            assert!(error.starts_with(&format!("{text:?} is not a product id")), "{error}");
        }
    }
}
