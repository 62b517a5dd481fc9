//! The fields that a shopper needs of the store's answers.
//!
//! They are fewer than in `shared::wire`. So the shopper also works with a simpler store, such as
//! one that is built in a tutorial, whose products have no aisle and no number in stock.
//!
//! Texts are not copied out of an answer: they are read where they stand in it.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer, de};
use serde_json::value::RawValue;
use shared::money::Money;
use uuid::Uuid;

/// The answer to `GET /whats-in-store`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct WhatsInStore<'a> {
    /// What the store has.
    #[serde(borrow)]
    pub inventory: Inventory<'a>,
}

impl<'a> WhatsInStore<'a> {
    /// Reads the list if it is written as the store of this workspace writes it: its fields in their order,
    /// with nothing between them, and no escapes in texts.
    ///
    /// So most lists are read, in a tenth of the time that a parser of all JSON takes. `None` says only that
    /// the list is written in another way, or wrong: a parser has to find out.
    #[must_use]
    pub fn read_compact(text: &'a str) -> Option<Self> {
        // Once for all texts of the list. The compiler makes this a loop over 16 bytes at once, which it cannot do with
        // one that ends at the first byte found.
        let is_special = |found, &byte: &u8| found | (byte == b'\\') | (byte < b' ');
        if text.as_bytes().iter().fold(false, is_special) {
            return None;
        }
        let mut json = Compact { rest: text };
        json.skip(r#"{"inventory":{"products":["#)?;
        // With room for as many as there can be in a text of this length.
        let mut products = Vec::with_capacity(text.len() / SHORTEST_PRODUCT);
        loop {
            products.push(json.product()?);
            if json.skip(",").is_none() {
                break;
            }
        }
        json.skip("]}}")?;
        json.rest.is_empty().then_some(Self { inventory: Inventory { products } })
    }
}

/// How many bytes a product takes at least.
const SHORTEST_PRODUCT: usize = r#"{"id":"","name":"","price":0,"aisle":"","in_stock":0},"#.len();

/// What has not been read yet of JSON in its shortest form, without escapes and control characters.
struct Compact<'a> {
    rest: &'a str,
}

impl<'a> Compact<'a> {
    #[inline(always)]
    fn product(&mut self) -> Option<Product<'a>> {
        self.skip(r#"{"id":""#)?;
        let id = self.rest_of_text()?.into();
        self.skip(r#","name":""#)?;
        let name = self.rest_of_text()?.into();
        self.skip(r#","price":"#)?;
        let price = self.price()?;
        self.skip(r#","aisle":""#)?;
        self.rest_of_text()?;
        self.skip(r#","in_stock":"#)?;
        let in_stock = Some(self.whole_number()?);
        self.skip("}")?;
        Some(Product { id, name, price, in_stock })
    }

    /// Skips what is expected. It is inlined, so that the compiler knows the length and compares in few steps.
    #[inline(always)]
    fn skip(&mut self, expected: &str) -> Option<()> {
        self.rest = self.rest.strip_prefix(expected)?;
        Some(())
    }

    /// Takes the bytes up to the first one of this kind.
    #[inline(always)]
    fn until(&mut self, ends: impl Fn(u8) -> bool) -> Option<&'a str> {
        let end = self.rest.bytes().position(ends)?;
        let (taken, rest) = self.rest.split_at(end);
        self.rest = rest;
        Some(taken)
    }

    /// The rest of a text whose opening quote has been read, up to its closing one.
    #[inline(always)]
    fn rest_of_text(&mut self) -> Option<&'a str> {
        let text = self.until(|byte| byte == b'"')?;
        self.skip("\"")?;
        Some(text)
    }

    /// An amount of money, without exponent.
    #[inline(always)]
    fn price(&mut self) -> Option<Money> {
        let number = self.until(|byte| !byte.is_ascii_digit() && byte != b'.')?;
        // JSON has no number such as 07.
        let is_padded = matches!(number.as_bytes(), [b'0', b'0'..=b'9', ..]);
        if is_padded { None } else { number.parse().ok() }
    }

    /// A whole number, without sign and exponent. The standard library's parser takes several times as long.
    #[inline(always)]
    fn whole_number(&mut self) -> Option<u64> {
        let bytes = self.rest.as_bytes();
        let digit = |at: usize| bytes.get(at).filter(|byte| byte.is_ascii_digit());
        let (mut number, mut length) = (0_u64, 0);
        while let Some(digit) = digit(length) {
            number = number.checked_mul(10)?.checked_add(u64::from(digit - b'0'))?;
            length += 1;
        }
        // JSON has no number such as 07.
        let is_padded = length > 1 && bytes[0] == b'0';
        self.rest = self.rest.get(length..)?;
        (length > 0 && !is_padded).then_some(number)
    }
}

/// Everything the store sells.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Inventory<'a> {
    /// All products, in stock or not.
    #[serde(borrow)]
    pub products: Vec<Product<'a>>,
}

/// One product.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Product<'a> {
    /// Identifies the product. It never changes.
    #[serde(borrow)]
    pub id: Cow<'a, str>,
    /// What it is called.
    #[serde(borrow)]
    pub name: Cow<'a, str>,
    /// Price of one piece.
    #[serde(deserialize_with = "money")]
    pub price: Money,
    /// How many pieces can be bought now, if the store says it.
    pub in_stock: Option<u64>,
}

/// The answer to `POST /checkout`, as far as it tells a receipt from anything else.
#[derive(Clone, Debug, Deserialize)]
pub struct Receipt {
    /// The id of the order.
    pub order_id: Uuid,
    /// What was paid.
    #[serde(deserialize_with = "money")]
    pub total: Money,
}

/// Reads an amount of money where it stands. [`Money`] itself can be read from anything, and so
/// copies its digits first.
fn money<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Money, D::Error> {
    let number = <&RawValue>::deserialize(deserializer)?;
    number.get().parse().map_err(de::Error::custom)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use shared::wire;

    use super::*;

    fn product() -> impl Strategy<Value = wire::Product> {
        let cents = 0..=Money::MAX.cents();
        ("[0-9a-z]{0,4}", any::<String>(), cents, "[a-z ]{0,9}", any::<u64>()).prop_map(
            |(id, name, cents, aisle, in_stock)| wire::Product {
                id,
                name,
                price: Money::from_cents(cents).unwrap(),
                aisle,
                in_stock,
            },
        )
    }

    fn written(products: Vec<wire::Product>) -> String {
        let inventory = wire::Inventory { products };
        serde_json::to_string(&wire::WhatsInStore { inventory }).unwrap()
    }

    proptest! {
        #[test]
        fn what_is_read_is_what_a_parser_reads(
            products in prop::collection::vec(product(), 0..9),
            at: prop::sample::Index,
            byte in prop::sample::select(br#"0a."\-,}{ e"#.to_vec()),
        ) {
            let text = written(products);
            // One byte of it is another, which often makes it wrong.
            let mut changed = text.clone().into_bytes();
            let at = at.index(changed.len());
            changed[at] = byte;
            let cut = text.as_bytes()[..at].to_vec();
            for text in [text.into_bytes(), changed, cut] {
                let Ok(text) = std::str::from_utf8(&text) else { continue };
                if let Some(read) = WhatsInStore::read_compact(text) {
                    prop_assert_eq!(read, serde_json::from_str(text).unwrap(), "{}", text);
                }
            }
        }
    }

    #[test]
    fn the_stores_own_list_is_read_and_what_is_written_otherwise_is_left_to_a_parser() {
        let potato = wire::Product {
            id: "1".into(),
            name: "potato".into(),
            price: "0.99".parse().unwrap(),
            aisle: "produce".into(),
            in_stock: 192,
        };
        let apple = wire::Product { id: "2".into(), name: "äpple".into(), ..potato.clone() };
        let text = written(vec![potato, apple]);
        let read = WhatsInStore::read_compact(&text).unwrap();
        assert_eq!(read, serde_json::from_str(&text).unwrap());
        assert_eq!(read.inventory.products.len(), 2);
        for (from, to) in [
            ("potato", r"pot\u0061to"),
            ("192", "0192"),
            ("192", "1.5"),
            ("192", ""),
            ("0.99", "00.99"),
            ("0.99", ".99"),
            ("0.99", "0.999"),
            ("0.99", "1e3"),
            (r#","in_stock":192"#, ""),
            (":", ": "),
            ("}}", "}} "),
        ] {
            assert_eq!(WhatsInStore::read_compact(&text.replace(from, to)), None, "{from} {to}");
        }
        assert_eq!(WhatsInStore::read_compact(&written(vec![])), None, "an empty list");
        for end in 0..text.len() {
            assert_eq!(text.get(..end).and_then(WhatsInStore::read_compact), None, "{end}");
        }
    }
}
