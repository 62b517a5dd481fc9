//! Code that several roles of the grocery (store, shopper, viewer) need in exactly the same form.
//!
//! # Map of the crate
//!
//! In the order to read it. First what the shopper and the store say to each other:
//!
//! | module | what is in it |
//! |---|---|
//! | [`wire`] | the types that go over HTTP |
//! | [`money`] | amounts in whole cents |
//! | [`fault`] | faults that a shopper asks for and the store's actors honour |
//! | [`share`] | a share of a whole, such as `5%` |
//!
//! Then how a process behaves:
//!
//! | module | what is in it |
//! |---|---|
//! | [`mod@env`] | reads the command line and the environment |
//! | [`listen`] | reads an address to listen on |
//! | [`hosts`] | which `Host` a server answers to |
//! | [`site`] | whether a browser sends a request for the server's own page, and the headers of a page |
//! | [`signal`] | when a process has to stop, and how long that may take |
//! | [`output`] | writes to standard error and standard output without making the process wait |
//! | [`notice`] | logs a thing once when it begins, and once when it is over |
//! | [`backoff`] | pauses between attempts that grow |
//!
//! # Example
//!
//! A checkout as the shopper sends it, and the fault that it asks for in its baggage:
//!
//! ```
//! use shared::fault::{BAGGAGE_KEY, Fault};
//! use shared::money::Money;
//! use shared::wire::{BasketItem, CheckoutRequest};
//!
//! let basket = CheckoutRequest { items: vec![BasketItem { id: "1".into(), quantity: 10 }] };
//! let body = serde_json::to_string(&basket)?;
//! assert_eq!(body, r#"{"items":[{"id":"1","quantity":10}]}"#);
//!
//! let price: Money = "0.99".parse()?;
//! assert_eq!(price.checked_mul(10).map(Money::cents), Some(990));
//!
//! let fault: Fault = "error=Ledger:5%".parse()?;
//! assert_eq!(format!("{BAGGAGE_KEY}={fault}"), "grocery.fault=error=Ledger:5%");
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! ```
//!
//! No two files import each other.

pub mod backoff;
pub mod env;
pub mod fault;
pub mod hosts;
pub mod listen;
pub mod money;
pub mod notice;
pub mod output;
pub mod share;
pub mod signal;
pub mod site;
pub mod wire;
