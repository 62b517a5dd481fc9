//! Step 6: a store whose handler asks an actor, in the trace of the shopper of step 4.

use actix::{Actor, Addr, Handler, Message};
use actix_opentelemetry::{TracedActor, TracedContext, TracedStart};
use actix_web::{App, HttpServer, error::ErrorServiceUnavailable, get, rt::System, web};
use actix_web_opentelemetry::RequestTracing;
use opentelemetry::{global, trace::Tracer};
use std::error::Error;
use telemetry::{Service, Telemetry};

struct Greeter;

impl Actor for Greeter {
    type Context = TracedContext<Self>; // without tracing: Context<Self>
}

impl TracedActor for Greeter {
    const NAME: &'static str = "Greeter";
}

#[derive(Message)]
#[rtype(result = "String")]
struct Greet;

impl Handler<Greet> for Greeter {
    type Result = String;

    fn handle(&mut self, _: Greet, _: &mut Self::Context) -> String {
        let tracer = global::tracer("grocery-store");
        tracer.in_span("welcome message", |_| "Welcome to the grocery store!".to_owned())
    }
}

#[get("/")]
async fn welcome(greeter: web::Data<Addr<Greeter>>) -> actix_web::Result<String> {
    greeter.send(Greet).await.map_err(ErrorServiceUnavailable)
}

async fn store(address: &str) -> Result<(), Box<dyn Error>> {
    let greeter = web::Data::new(Greeter.start_traced()); // without tracing: start()
    let app =
        move || App::new().app_data(greeter.clone()).wrap(RequestTracing::new()).service(welcome);
    HttpServer::new(app).bind(address)?.run().await?;
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let telemetry = Telemetry::init(Service { name: "grocery-store", ..Service::default() })?;
    let address = std::env::args().nth(1).unwrap_or("127.0.0.1:5000".to_owned());
    let outcome = System::new().block_on(store(&address));
    telemetry.shutdown();
    outcome
}
