//! `GET /products/{id}`: one product.

use actix_web::web;
use shared::wire::{Problem, Product};

use super::{
    Shop,
    problem::{Refusal, Unavailable},
};
use crate::{
    actors::{Failure, FindProduct},
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
    shop: web::Data<Shop>,
    id: web::Path<String>,
) -> Result<web::Json<Product>, Refusal> {
    let id: ProductId = id.parse().map_err(Refusal::not_found)?;
    let found = shop.crew().inventory.ask_until(shop.deadline(), FindProduct(id)).await;
    match found {
        Err(failure @ Failure::NoSuchProduct(_)) => Err(Refusal::not_found(failure)),
        found => Ok(web::Json(found?)),
    }
}
