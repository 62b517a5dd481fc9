//! How a client may repeat a checkout without buying twice.
//!
//! See <https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/>.

use std::{fmt, str::FromStr, time::Duration};

use super::{Basket, BasketLine};

/// The longest key, in bytes.
const MAX_KEY_BYTES: usize = 255;

/// A client's name for one checkout: 1 to 255 visible ASCII characters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IdempotencyKey(String);

/// A basket as a text, such as `2x1,1x12` for two pieces of product 1 and one of product 12. It
/// tells whether a key that is used again comes with the same basket.
///
/// It is not a hash: it contains every line of the basket, so two baskets never share one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Fingerprint(String);

/// Why a text is not an idempotency key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the idempotency key {input:?} ({length} bytes) cannot be used: expected 1 to {MAX_KEY_BYTES} visible ASCII characters"
)]
pub struct IdempotencyKeyError {
    input: String,
    length: usize,
}

impl IdempotencyKey {
    /// How long a key is remembered after its order was placed.
    pub const LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);

    /// The key as it was given.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for IdempotencyKey {
    type Err = IdempotencyKeyError;

    fn from_str(text: &str) -> Result<Self, IdempotencyKeyError> {
        let visible = text.bytes().all(|byte| byte.is_ascii_graphic());
        if visible && (1..=MAX_KEY_BYTES).contains(&text.len()) {
            return Ok(Self(text.into()));
        }
        // A key may be very long, and its start is enough to recognise it.
        let input = text.chars().take(32).collect();
        Err(IdempotencyKeyError { input, length: text.len() })
    }
}

impl fmt::Display for IdempotencyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Fingerprint {
    /// The fingerprint as the database keeps it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&Basket> for Fingerprint {
    fn from(basket: &Basket) -> Self {
        let line = |line: &BasketLine| format!("{}x{}", line.quantity, line.product);
        Self(basket.lines().iter().map(line).collect::<Vec<_>>().join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_visible_ascii_of_at_most_255_bytes() {
        for text in ["a", "8e03978e-40d5-43e8-bc93-6894a57f9324", &"k".repeat(255)] {
            assert_eq!(text.parse::<IdempotencyKey>().unwrap().as_str(), text);
        }
        for text in ["", " ", "a b", "a\n", "schlüssel", &"k".repeat(256)] {
            let error = text.parse::<IdempotencyKey>().unwrap_err().to_string();
            assert!(error.contains(&format!("({} bytes) cannot be used", text.len())), "{error}");
        }
    }
}
