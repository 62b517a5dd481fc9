//! Takes spans by OTLP over HTTP and counts their bytes, in a thread of its own.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use actix_web::{App, HttpResponse, HttpServer, dev::ServerHandle, web};

/// A receiver that runs until it is dropped.
pub(crate) struct Receiver {
    url: String,
    bytes: Arc<AtomicU64>,
    _server: ServerHandle,
}

impl Receiver {
    pub(crate) fn start() -> Self {
        let bytes = Arc::<AtomicU64>::default();
        let counter = web::Data::from(bytes.clone());
        let server = HttpServer::new(move || {
            let take = async |body: web::Bytes, counter: web::Data<AtomicU64>| {
                counter.fetch_add(body.len() as u64, Ordering::Relaxed);
                HttpResponse::Ok().content_type("application/x-protobuf").finish()
            };
            App::new()
                .app_data(web::PayloadConfig::new(64 * 1024 * 1024))
                .app_data(counter.clone())
                .route("/v1/traces", web::post().to(take))
        });
        let server = server.workers(1).disable_signals().bind(("127.0.0.1", 0)).unwrap();
        let url = format!("http://{}", server.addrs()[0]);
        let server = server.run();
        let handle = server.handle();
        actix_web::rt::spawn(server);
        Self { url, bytes, _server: handle }
    }

    pub(crate) fn url(&self) -> String {
        self.url.clone()
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }
}
