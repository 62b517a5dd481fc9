//! `GET /products/{id}`: one product.

use actix_web::web;
use shared::wire::{Problem, Product};

use super::{
    AppState,
    problem::{ApiError, Unavailable},
};
use crate::{
    actors::{ActorError, FindProduct},
    domain::ProductId,
};

/// Shows one product as it stands in its aisle.
#[utoipa::path(
    get,
    path = "/products/{id}",
    params(("id" = String, Path, description = "Which product", example = "1")),
    responses(
        (status = 200, description = "The product", body = Product),
        (status = 404, description = "The store has no such product", body = Problem,
            content_type = "application/problem+json"),
        Unavailable,
    )
)]
pub(super) async fn product(
    state: web::Data<AppState>,
    id: web::Path<String>,
) -> Result<web::Json<Product>, ApiError> {
    let id: ProductId = id.parse().map_err(ApiError::not_found)?;
    let found = state.actors().inventory.ask_until(state.deadline(), FindProduct(id)).await;
    match found {
        Err(error @ ActorError::NoSuchProduct(_)) => Err(ApiError::not_found(error)),
        found => Ok(web::Json(found?)),
    }
}
