//! actix-web without anything of the store: what `GET /` takes at least.

use actix_web::{App, HttpServer, web};
use shared::wire::WELCOME;

/// Serves `GET /` on one thread until the process is killed.
pub(crate) fn serve() {
    actix_rt::System::new().block_on(async {
        let server = HttpServer::new(|| App::new().route("/", web::get().to(async || WELCOME)));
        let server = server.workers(1).bind(("127.0.0.1", 0)).unwrap();
        eprintln!("http://{}", server.addrs()[0]);
        server.run().await.unwrap();
    });
}
