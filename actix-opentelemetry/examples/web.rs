//! A web application in one trace: a middleware makes the span of a request, the spans of actors
//! are below it, and below these is the request that an actor sends to another service.
//!
//! ```text
//! cargo run -p actix-opentelemetry --features testing --example web
//! ```
//!
//! It needs no backend: the spans are kept in the process and printed at the end.

use actix::prelude::*;
use actix_opentelemetry::testing::TestTrace;
use actix_opentelemetry::{TracedActor, TracedContext, TracedStart, ask};
use actix_web::{App, HttpServer, error, web};
use opentelemetry_instrumentation_actix_web::{ClientExt, RequestTracing};

/// Asks the supplier, over HTTP, for what is ordered.
struct Checkout {
    supplier: String,
}

/// The reply is what the supplier says, if it can be reached.
#[derive(Message)]
#[rtype(result = "Option<String>")]
struct PlaceOrder;

impl Actor for Checkout {
    type Context = TracedContext<Self>;
}

impl TracedActor for Checkout {
    const NAME: &'static str = "Checkout";
}

impl Handler<PlaceOrder> for Checkout {
    type Result = ResponseFuture<Option<String>>;

    fn handle(&mut self, _: PlaceOrder, _: &mut Self::Context) -> Self::Result {
        let request = awc::Client::new().get(&self.supplier).trace_request();
        Box::pin(async {
            let body = request.send().await.ok()?.body().await.ok()?;
            Some(String::from_utf8_lossy(&body).into_owned())
        })
    }
}

async fn order(checkout: web::Data<Addr<Checkout>>) -> actix_web::Result<String> {
    let reply =
        ask(checkout.get_ref(), PlaceOrder).await.map_err(error::ErrorServiceUnavailable)?;
    reply.ok_or_else(|| error::ErrorBadGateway("the supplier cannot be reached"))
}

/// Runs the application, sends it one request, and returns the reply and the tree of its trace.
pub(crate) async fn run() -> (String, String) {
    // Sets the provider, before the actors start. With a backend this is the SDK's provider with an
    // exporter.
    let trace = TestTrace::start("a customer");
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    let address = listener.local_addr().expect("the port that was bound");

    let supplier = format!("http://{address}/supplier");
    let checkout = web::Data::new(Checkout { supplier }.start_traced());
    let server = HttpServer::new(move || {
        App::new()
            .wrap(RequestTracing::new())
            .app_data(checkout.clone())
            .route("/order", web::get().to(order))
            .route("/supplier", web::get().to(async || "two of them"))
    })
    .workers(1)
    .listen(listener)
    .expect("a listener that listens")
    .run();
    let handle = server.handle();
    let server = actix_rt::spawn(server);

    let request = awc::Client::new().get(format!("http://{address}/order"));
    let reply = trace.run(async {
        let mut reply = request.trace_request().send().await.expect("a reply");
        reply.body().await.expect("a whole reply")
    });
    let reply = String::from_utf8_lossy(&reply.await).into_owned();
    let tree = trace.tree(6).await;
    handle.stop(true).await;
    server.await.expect("the server is not aborted").expect("the server ends well");
    (reply, tree)
}

#[expect(clippy::print_stdout, reason = "an example shows its result")]
fn main() {
    let (reply, tree) = actix_rt::System::new().block_on(run());
    println!("reply: {reply}\n\n{tree}");
}
