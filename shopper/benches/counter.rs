//! A store that answers from memory, so that a benchmark measures the load generator.

use std::{sync::mpsc, thread};

use actix_web::{
    App, HttpResponse, HttpServer, Responder,
    web::{self, Data, ServiceConfig},
};
use serde_json::json;

/// The answers of the counter.
#[derive(Debug)]
pub(crate) struct Counter {
    inventory: String,
    receipt: String,
}

impl Counter {
    /// A counter with thirty products.
    pub(crate) fn new() -> Data<Self> {
        let product = |id: u32| {
            json!({
                "id": id.to_string(), "name": format!("product {id}"), "price": 0.99,
                "aisle": "produce", "in_stock": 1000,
            })
        };
        let products: Vec<_> = (1..=30).map(product).collect();
        Data::new(Self {
            inventory: json!({"inventory": {"products": products}}).to_string(),
            receipt: json!({
                "order_id": "018f4d1e-0000-7000-8000-000000000000", "lines": [], "total": 0.00,
                "placed_at": "2026-01-31T09:30:00.000Z",
            })
            .to_string(),
        })
    }
}

async fn welcome() -> impl Responder {
    shared::wire::WELCOME
}

async fn whats_in_store(counter: Data<Counter>) -> impl Responder {
    HttpResponse::Ok().content_type("application/json").body(counter.inventory.clone())
}

async fn checkout(counter: Data<Counter>, _basket: web::Bytes) -> impl Responder {
    HttpResponse::Created().content_type("application/json").body(counter.receipt.clone())
}

/// Takes spans and forgets them.
async fn traces(_spans: web::Bytes) -> impl Responder {
    HttpResponse::Ok()
}

fn routes(config: &mut ServiceConfig) {
    config
        .route("/", web::get().to(welcome))
        .route("/whats-in-store", web::get().to(whats_in_store))
        .route("/checkout", web::post().to(checkout))
        .route("/v1/traces", web::post().to(traces));
}

/// Serves on a thread of its own for as long as the process lives, and returns the address.
pub(crate) fn serve(counter: Data<Counter>) -> String {
    let (opened_tx, opened) = mpsc::channel();
    thread::spawn(move || {
        actix_web::rt::System::new().block_on(async move {
            let payload = web::PayloadConfig::new(64 * 1024 * 1024);
            let app = move || {
                App::new().app_data(counter.clone()).app_data(payload.clone()).configure(routes)
            };
            let server = HttpServer::new(app).workers(1).disable_signals();
            let server = server.bind(("127.0.0.1", 0)).expect("a port is free");
            let url = format!("http://{}", server.addrs()[0]);
            opened_tx.send(url).expect("the caller waits for it");
            server.run().await
        })
    });
    opened.recv().expect("the server starts")
}
