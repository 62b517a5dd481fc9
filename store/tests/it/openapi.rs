//! The OpenAPI document refuses exactly what the store refuses, so that a client generated from it
//! sends no request that is refused.

use std::cell::Cell;

use jsonschema::Validator;
use proptest::{prelude::*, test_runner::TestRunner};
use serde_json::{Value, json};
use shared::wire::CheckoutRequest;
use store::domain::{Basket, BasketError, IdempotencyKey, OrderId, ProductId};

use crate::support::TestStore;

/// The document, as the store gives it.
struct Document(Value);

impl Document {
    async fn fetch() -> Self {
        Self(TestStore::open().await.get("/openapi.json").send().await.json())
    }

    /// A validator of this schema, which may refer to others in the document.
    fn validator(&self, schema: &Value) -> Validator {
        let mut schema = schema.clone();
        schema["components"] = self.0["components"].clone();
        jsonschema::validator_for(&schema).unwrap()
    }

    /// A validator of the only parameter of this operation.
    fn parameter(&self, path: &str, method: &str) -> Validator {
        let parameters = &self.0["paths"][path][method]["parameters"];
        assert_eq!(parameters.as_array().unwrap().len(), 1);
        self.validator(&parameters[0]["schema"])
    }

    fn checkout_body(&self) -> Validator {
        let body = &self.0["paths"]["/checkout"]["post"]["requestBody"];
        self.validator(&body["content"]["application/json"]["schema"])
    }
}

fn assert_agree(document: &Validator, text: &str, is_read: bool) {
    assert_eq!(document.is_valid(&json!(text)), is_read, "{text:?}");
}

/// Texts that are ids or keys, or almost.
fn texts() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<u32>().prop_map(|id| id.to_string()),
        any::<u64>().prop_map(|id| id.to_string()),
        (0_u64..20, 0_u64..20).prop_map(|(up, down)| (4_294_967_295 + up - down).to_string()),
        "[+-]?0?[0-9]{0,11}",
        "[ -~]{0,300}",
        "[!-~]{250,260}",
        "[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}",
        "\\{?[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}\\}?",
        ".{0,3}[1-9].{0,3}",
    ]
}

#[actix_web::test]
async fn ids_and_keys_are_described_as_they_are_read() {
    let document = Document::fetch().await;
    let product = document.parameter("/products/{id}", "get");
    let order = document.parameter("/orders/{id}", "get");
    let key = document.parameter("/checkout", "post");
    let assert_all_agree = |text: &str| {
        assert_agree(&product, text, text.parse::<ProductId>().is_ok());
        assert_agree(&order, text, text.parse::<OrderId>().is_ok());
        assert_agree(&key, text, text.parse::<IdempotencyKey>().is_ok());
    };
    for text in
        ["", "0", "1", "01", "4294967295", "4294967296", "1\n", "\n1", "k\u{7f}", "schlüssel"]
    {
        assert_all_agree(text);
    }
    let mut runner = TestRunner::deterministic();
    runner
        .run(&texts(), |text| {
            assert_all_agree(&text);
            Ok(())
        })
        .unwrap();
}

/// Bodies that are checkout requests, or almost.
fn bodies() -> impl Strategy<Value = Value> {
    let id = prop_oneof![
        5 => (1_u32..200).prop_map(|id| json!(id.to_string())),
        1 => texts().prop_map(Value::from),
        1 => prop_oneof![Just(json!(1)), Just(json!(null)), Just(json!(["1"]))],
    ];
    let quantity = prop_oneof![
        5 => (1_u32..).prop_map(Value::from),
        1 => (0_u64..3).prop_map(|n| json!(n)),
        1 => (4_294_967_294_u64..4_294_967_298).prop_map(|n| json!(n)),
        1 => prop_oneof![Just(json!(-1)), Just(json!(1.5)), Just(json!("1")), Just(json!(null))],
    ];
    let item = (id, quantity, 0_u8..20).prop_map(|(id, quantity, oddity)| match oddity {
        0 => json!({ "id": id }),
        1 => json!({ "id": id, "quantity": quantity, "price": 1 }),
        2 => json!([id, quantity]),
        _ => json!({ "id": id, "quantity": quantity }),
    });
    let items = prop_oneof![
        8 => prop::collection::vec(item.clone(), 0..4),
        1 => prop::collection::vec(item, 99..103),
    ];
    (items, 0_u8..20).prop_map(|(items, oddity)| match oddity {
        0 => json!({ "items": items, "coupon": "free" }),
        1 => json!({ "item": items }),
        2 => json!(items),
        3 => json!({ "items": { "0": items } }),
        _ => json!({ "items": items }),
    })
}

#[actix_web::test]
async fn a_checkout_is_described_as_it_is_read() {
    let document = Document::fetch().await.checkout_body();
    let read = |body: &Value| -> Result<(), Option<BasketError>> {
        let request: CheckoutRequest = serde_json::from_value(body.clone()).map_err(|_| None)?;
        Basket::try_from(&request).map(drop).map_err(Some)
    };
    let (described, refused) = (Cell::new(0), Cell::new(0));
    let mut runner = TestRunner::deterministic();
    runner
        .run(&bodies(), |body| {
            let is_described = document.is_valid(&body);
            match read(&body) {
                Ok(()) => {
                    described.update(|n| n + 1);
                    assert!(is_described, "{body}");
                }
                // A schema cannot express this; the description says it.
                Err(Some(BasketError::Twice(_))) => {}
                Err(_) => {
                    refused.update(|n| n + 1);
                    assert!(!is_described, "{body}");
                }
            }
            Ok(())
        })
        .unwrap();
    assert!(described.get() > 20 && refused.get() > 20, "{described:?} {refused:?}");
}
