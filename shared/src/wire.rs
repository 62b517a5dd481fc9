//! The types that go over HTTP between the shopper and the store.
//!
//! The store serialises these types, the shopper reads them, and the OpenAPI document is derived
//! from them, so the three cannot disagree.

use std::fmt;

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{MapAccess, Visitor, value::MapAccessDeserializer},
};
use uuid::Uuid;

use crate::money::Money;

/// What `GET /` answers.
pub const WELCOME: &str = "Welcome to the grocery store!";

/// The header by which a client may repeat a checkout safely.
/// See <https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/>.
pub const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// The header in which the store answers with its span: `00-TRACE-SPAN-FLAGS`, as in `traceparent`.
///
/// It was in the drafts of Trace Context until October 2025, see
/// <https://www.w3.org/TR/2024/CRD-trace-context-2-20240328/>. Since then they have [`SERVER_TIMING`].
pub const TRACERESPONSE: &str = "traceresponse";

/// The header in which the store answers with its span in the two ways that browsers' agents read. A
/// page finds them by `performance.getEntries()`, also for its own document, whose headers it cannot
/// read otherwise:
///
/// ```text
/// server-timing: traceparent;desc="00-TRACE-SPAN-FLAGS", trace;desc=00-TRACE-SPAN-FLAGS
/// ```
///
/// The metric `traceparent` is what the agents of today read, and `trace` is that of the W3C's draft:
/// <https://w3c.github.io/trace-context/#trace-context-server-timing-metric-format>.
pub const SERVER_TIMING: &str = "server-timing";

/// The media type of a [`Problem`], from RFC 9457.
pub const PROBLEM_JSON: &str = "application/problem+json";

/// The most lines that one basket may have.
pub const MAX_BASKET_LINES: usize = 100;

/// The answer to `GET /whats-in-store`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct WhatsInStore {
    /// What the store has.
    pub inventory: Inventory,
}

/// Everything the store sells, by product id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Inventory {
    /// All products of all aisles, in stock or not.
    pub products: Vec<Product>,
}

/// One product as it stands in its aisle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Product {
    /// The id of the product, which never changes.
    #[cfg_attr(feature = "openapi", schema(example = "1"))]
    pub id: String,
    /// What it is called.
    #[cfg_attr(feature = "openapi", schema(example = "potato"))]
    pub name: String,
    /// Price of one piece.
    pub price: Money,
    /// The aisle it stands in.
    #[cfg_attr(feature = "openapi", schema(example = "produce"))]
    pub aisle: String,
    /// How many pieces can be bought now.
    #[cfg_attr(feature = "openapi", schema(example = 120))]
    pub in_stock: u64,
}

/// The body of `POST /checkout`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields, remote = "Self")]
pub struct CheckoutRequest {
    /// What is in the basket: 1 to 100 lines, each product at most once.
    #[cfg_attr(feature = "openapi", schema(min_items = 1, max_items = 100))]
    pub items: Vec<BasketItem>,
}

/// One line of a basket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields, remote = "Self")]
pub struct BasketItem {
    /// Which product: a whole number from 1 to 4294967295, as text. No other line has the same.
    #[cfg_attr(feature = "openapi", schema(
        example = "1",
        min_length = 1,
        max_length = 10,
        // Numbers up to 4294967295.
        pattern = "^([1-9][0-9]{0,8}|[1-3][0-9]{9}|4[01][0-9]{8}|42[0-8][0-9]{7}|429[0-3][0-9]{6}|4294[0-8][0-9]{5}|42949[0-5][0-9]{4}|429496[0-6][0-9]{3}|4294967[01][0-9]{2}|42949672[0-8][0-9]|429496729[0-5])$"
    ))]
    pub id: String,
    /// How many pieces, at least one.
    #[cfg_attr(feature = "openapi", schema(example = 10, minimum = 1, maximum = 4294967295.0))]
    pub quantity: u32,
}

/// Makes a type readable only from a JSON object. serde's derived code would also read an array of
/// the fields' values, which the OpenAPI document does not describe.
///
/// The type has `#[serde(remote = "Self")]`. By that, serde derives inherent functions of the type
/// instead of the traits; the traits are implemented here and call these functions.
macro_rules! read_from_objects_only {
    ($type:ident) => {
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                Self::serialize(self, serializer)
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct ObjectVisitor;

                impl<'de> Visitor<'de> for ObjectVisitor {
                    type Value = $type;

                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str(concat!("struct ", stringify!($type)))
                    }

                    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<$type, A::Error> {
                        $type::deserialize(MapAccessDeserializer::new(map))
                    }
                }

                deserializer.deserialize_map(ObjectVisitor)
            }
        }
    };
}

read_from_objects_only!(CheckoutRequest);
read_from_objects_only!(BasketItem);

/// The answer to a checkout, and later to `GET /orders/{id}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Receipt {
    /// The id of the order, which never changes.
    pub order_id: Uuid,
    /// What was bought, in the order of the basket.
    pub lines: Vec<ReceiptLine>,
    /// The sum of the lines.
    pub total: Money,
    /// When the order was recorded (RFC 3339, UTC).
    #[cfg_attr(feature = "openapi", schema(example = "2026-01-31T09:30:00.000Z"))]
    pub placed_at: String,
}

/// One line of a receipt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ReceiptLine {
    /// Which product.
    #[cfg_attr(feature = "openapi", schema(example = "1"))]
    pub id: String,
    /// What it is called.
    #[cfg_attr(feature = "openapi", schema(example = "potato"))]
    pub name: String,
    /// How many pieces.
    #[cfg_attr(feature = "openapi", schema(example = 10))]
    pub quantity: u32,
    /// Price of one piece when it was bought.
    pub unit_price: Money,
    /// Price of the line: unit price times quantity.
    pub price: Money,
}

/// A problem document, as RFC 9457 has it: <https://www.rfc-editor.org/rfc/rfc9457>.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Problem {
    /// The kind of problem as a URI; `about:blank` if the status code says everything.
    #[serde(rename = "type")]
    #[cfg_attr(feature = "openapi", schema(example = "/problems/out-of-stock"))]
    pub kind: String,
    /// The kind of problem in a few words, always the same for one `type`.
    #[cfg_attr(feature = "openapi", schema(example = "Out of stock"))]
    pub title: String,
    /// The HTTP status code, repeated.
    #[cfg_attr(feature = "openapi", schema(example = 409))]
    pub status: u16,
    /// What went wrong this time: the input and what was expected.
    pub detail: String,
    /// The trace in which it went wrong, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<String>,
    /// The products that are short, where stock is the problem.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub short: Vec<Shortage>,
}

/// A product of which fewer pieces are left than were asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Shortage {
    /// Which product.
    #[cfg_attr(feature = "openapi", schema(example = "1"))]
    pub id: String,
    /// What it is called.
    #[cfg_attr(feature = "openapi", schema(example = "potato"))]
    pub name: String,
    /// How many pieces were asked for.
    #[cfg_attr(feature = "openapi", schema(example = 10))]
    pub requested: u32,
    /// How many pieces there are.
    #[cfg_attr(feature = "openapi", schema(example = 3))]
    pub available: u64,
}
