//! Step 1: a store that welcomes, and a shopper that calls.

use actix_web::{App, HttpServer, get};
use std::error::Error;

#[get("/")]
async fn welcome() -> &'static str {
    "Welcome to the grocery store!"
}

async fn store(address: &str) -> Result<(), Box<dyn Error>> {
    HttpServer::new(|| App::new().service(welcome)).bind(address)?.run().await?;
    Ok(())
}

async fn shopper(address: &str) -> Result<(), Box<dyn Error>> {
    let mut answer = awc::Client::new().get(format!("http://{address}/")).send().await?;
    println!("{}", String::from_utf8_lossy(&answer.body().await?));
    Ok(())
}

#[actix_web::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let role = arguments.next().unwrap_or_default();
    let address = arguments.next().unwrap_or("127.0.0.1:5000".to_owned());
    match role.as_str() {
        "store" => store(&address).await,
        "shopper" => shopper(&address).await,
        _ => Err("say which: store or shopper".into()),
    }
}
