//! `GET /whats-in-store`: everything the store sells.

use actix_web::web;
use shared::wire::{Inventory, WhatsInStore};

use super::{
    AppState,
    problem::{ApiError, Unavailable},
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
    state: web::Data<AppState>,
) -> Result<web::Json<WhatsInStore>, ApiError> {
    let question = actors::WhatsInStore;
    let products = state.actors().inventory.ask_until(state.deadline(), question).await?;
    Ok(web::Json(WhatsInStore { inventory: Inventory { products } }))
}
