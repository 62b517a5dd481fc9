//! Money as whole cents: a decimal number with two places on the wire, never a binary float.
//!
//! A float cannot hold 0.29, and `(0.29 * 100.0) as u64` is 28. Here a price is read from the
//! digits of the JSON number themselves and written back as digits, so that what goes in comes out.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser};
use serde_json::value::RawValue;

/// An amount of money in cents. It is never negative.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(value_type = f64, example = 0.99, minimum = 0))]
pub struct Money(u64);

/// Why a text is not an amount of money.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{input:?} is not an amount of money: expected a number such as 0.99, with at most two decimal places and not negative"
)]
pub struct MoneyError {
    input: String,
}

impl Money {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// The largest amount: as many cents as a signed 64-bit column of a database holds.
    pub const MAX: Self = Self(i64::MAX as u64);

    /// An amount of so many cents, or `None` if it is more than [`Money::MAX`].
    pub const fn from_cents(cents: u64) -> Option<Self> {
        if cents <= Self::MAX.0 { Some(Self(cents)) } else { None }
    }

    /// The amount in cents.
    pub const fn cents(self) -> u64 {
        self.0
    }

    /// The sum, or `None` if it is more than [`Money::MAX`].
    pub fn checked_add(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).and_then(Self::from_cents)
    }

    /// The price of `quantity` pieces, or `None` if it is more than [`Money::MAX`].
    pub fn checked_mul(self, quantity: u32) -> Option<Self> {
        self.0.checked_mul(u64::from(quantity)).and_then(Self::from_cents)
    }

    /// The sum of all, or `None` if it is more than [`Money::MAX`].
    pub fn checked_sum(amounts: impl IntoIterator<Item = Self>) -> Option<Self> {
        amounts.into_iter().try_fold(Self::ZERO, Self::checked_add)
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:02}", self.0 / 100, self.0 % 100)
    }
}

impl FromStr for Money {
    type Err = MoneyError;

    fn from_str(text: &str) -> Result<Self, MoneyError> {
        parse_cents(text)
            .and_then(Self::from_cents)
            .ok_or_else(|| MoneyError { input: text.into() })
    }
}

/// Reads `12`, `12.5` and `12.50`. A text with anything else, such as a sign or an exponent, is
/// `None`.
fn parse_cents(text: &str) -> Option<u64> {
    // By bytes: a search for a character, and a parser of numbers with signs, take several times as long.
    let (whole, cents) = match text.as_bytes() {
        [whole @ .., b'.', tens, ones] => (whole, 10 * digit(*tens)? + digit(*ones)?),
        [whole @ .., b'.', tens] => (whole, 10 * digit(*tens)?),
        whole => (whole, 0),
    };
    let add = |sum: u64, &byte: &u8| sum.checked_mul(10)?.checked_add(digit(byte)?);
    let whole = whole.first().and_then(|_| whole.iter().try_fold(0, add))?;
    whole.checked_mul(100)?.checked_add(cents)
}

fn digit(byte: u8) -> Option<u64> {
    byte.is_ascii_digit().then(|| u64::from(byte - b'0'))
}

impl Serialize for Money {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        RawValue::from_string(self.to_string()).map_err(ser::Error::custom)?.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Money {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = Box::<RawValue>::deserialize(deserializer)?;
        number.get().parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn money(text: &str) -> Money {
        text.parse().unwrap()
    }

    #[test]
    fn every_cent_survives_the_wire() {
        for cents in (0..10_000).chain([u64::MAX / 4, Money::MAX.cents()]) {
            let money = Money::from_cents(cents).unwrap();
            let json = serde_json::to_string(&money).unwrap();
            assert_eq!(serde_json::from_str::<Money>(&json).unwrap(), money, "{json}");
        }
    }

    #[test]
    fn an_amount_is_a_json_number_with_two_places() {
        assert_eq!(serde_json::to_string(&money("0.5")).unwrap(), "0.50");
        assert_eq!(serde_json::to_string(&money("12")).unwrap(), "12.00");
    }

    #[test]
    fn an_amount_can_be_read_from_a_json_value_too() {
        let value: serde_json::Value = serde_json::from_str("{\"price\":0.29}").unwrap();
        let price: Money = serde_json::from_value(value["price"].clone()).unwrap();
        assert_eq!(price.cents(), 29);
    }

    #[test]
    fn a_text_that_is_not_an_amount_is_refused_by_name() {
        for input in [
            "",
            ".",
            "1.",
            ".5",
            "-1",
            "+1",
            "1e3",
            "0.999",
            "NaN",
            "1,50",
            "\"1.00\"",
            "99999999999999999999",
        ] {
            let error = input.parse::<Money>().unwrap_err().to_string();
            assert!(error.starts_with(&format!("{input:?} is not an amount of money")), "{error}");
        }
    }

    #[test]
    fn arithmetic_never_wraps() {
        assert_eq!(Money::MAX.checked_add(money("0.01")), None);
        assert_eq!(Money::MAX.checked_mul(2), None);
        assert_eq!(Money::from_cents(u64::MAX), None);
        assert_eq!(Money::checked_sum([money("0.10"), money("0.20")]), Some(money("0.30")));
    }
}
