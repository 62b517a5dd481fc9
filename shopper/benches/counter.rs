//! A store with nothing behind its counter, so that the load generator is what is measured.

use std::{
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use actix_web::{
    App, HttpResponse, HttpServer, Responder,
    web::{self, Data, ServiceConfig},
};
use serde_json::json;

/// When the counter stands still, whom it tells of trips that come in, and what it answers.
#[derive(Debug)]
pub(crate) struct Counter {
    opened: Instant,
    stall: Option<(Duration, Duration)>,
    arrivals: Option<mpsc::Sender<Duration>>,
    inventory: String,
    receipt: String,
}

impl Counter {
    /// A counter that stands still from one time after its opening to another, and tells when
    /// each trip's first request came in.
    pub(crate) fn new(
        stall: Option<(Duration, Duration)>,
        arrivals: Option<mpsc::Sender<Duration>>,
    ) -> Data<Self> {
        let product = |id: u32| {
            json!({
                "id": id.to_string(), "name": format!("product {id}"), "price": 0.99,
                "aisle": "produce", "in_stock": 1000,
            })
        };
        let products: Vec<_> = (1..=30).map(product).collect();
        Data::new(Self {
            opened: Instant::now(),
            stall,
            arrivals,
            inventory: json!({"inventory": {"products": products}}).to_string(),
            receipt: json!({
                "order_id": "018f4d1e-0000-7000-8000-000000000000", "lines": [], "total": 0.00,
                "placed_at": "2026-01-31T09:30:00.000Z",
            })
            .to_string(),
        })
    }

    /// Waits for the end of the stall, during it.
    async fn stand_still(&self) {
        if let Some((from, to)) = self.stall {
            let now = self.opened.elapsed();
            if (from..to).contains(&now) {
                tokio::time::sleep(to - now).await;
            }
        }
    }
}

async fn welcome(counter: Data<Counter>) -> impl Responder {
    if let Some(arrivals) = &counter.arrivals {
        // Nobody counts any more when the run is over.
        arrivals.send(counter.opened.elapsed()).ok();
    }
    counter.stand_still().await;
    shared::wire::WELCOME
}

async fn whats_in_store(counter: Data<Counter>) -> impl Responder {
    counter.stand_still().await;
    HttpResponse::Ok().content_type("application/json").body(counter.inventory.clone())
}

async fn checkout(counter: Data<Counter>, _basket: web::Bytes) -> impl Responder {
    counter.stand_still().await;
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
