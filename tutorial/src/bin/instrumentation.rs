//! Step 4: instrumentation of the server and the client, so that both are in one trace.

use actix_web::{App, HttpServer, get, rt::System};
use actix_web_opentelemetry::{ClientExt, RequestTracing};
use opentelemetry::Context;
use opentelemetry::global;
use opentelemetry::trace::{FutureExt, TraceContextExt, Tracer};
use std::error::Error;
use telemetry::{Service, Telemetry};

#[get("/")]
async fn welcome() -> &'static str {
    global::tracer("grocery-store").in_span("welcome message", |_| "Welcome to the grocery store!")
}

async fn store(address: &str) -> Result<(), Box<dyn Error>> {
    let app = || App::new().wrap(RequestTracing::new()).service(welcome);
    HttpServer::new(app).bind(address)?.run().await?;
    Ok(())
}

async fn shopper(address: &str) -> Result<(), Box<dyn Error>> {
    let span = global::tracer("shopper").start("going to the grocery store");
    let trip = async {
        let request = awc::Client::new().get(format!("http://{address}/"));
        let mut answer = request.trace_request().send().await?;
        println!("{}", String::from_utf8_lossy(&answer.body().await?));
        Ok(())
    };
    trip.with_context(Context::current_with_span(span)).await
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let role = arguments.next().unwrap_or_default();
    let name = if role == "store" { "grocery-store" } else { "shopper" };
    let telemetry = Telemetry::init(Service { name, ..Service::default() })?;
    let address = arguments.next().unwrap_or("127.0.0.1:5000".to_owned());
    let outcome = System::new().block_on(async {
        match role.as_str() {
            "store" => store(&address).await,
            "shopper" => shopper(&address).await,
            _ => Err("say which: store or shopper".into()),
        }
    });
    telemetry.shutdown();
    outcome
}
