//! `GET /whats-in-store`: everything the store sells.

use actix_web::web;
use shared::wire::{Inventory, WhatsInStore};

use super::{
    Shop,
    problem::{Refusal, Unavailable},
};
use crate::actors;

/// Lists all products of all aisles, in stock or not.
#[utoipa::path(
    get,
    path = "/whats-in-store",
    responses(
        (status = 200, description = "Everything the store sells", body = WhatsInStore),
        Unavailable,
    )
)]
pub(super) async fn whats_in_store(
    shop: web::Data<Shop>,
) -> Result<web::Json<WhatsInStore>, Refusal> {
    let question = actors::WhatsInStore;
    let products = shop.crew().inventory.ask_until(shop.deadline(), question).await?;
    Ok(web::Json(WhatsInStore { inventory: Inventory { products } }))
}
