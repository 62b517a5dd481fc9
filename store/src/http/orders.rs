//! `GET /orders/{id}`: the receipt again.

use actix_web::web;
use shared::wire::{Problem, Receipt};

use super::{
    AppState,
    problem::{ApiError, Unavailable},
};
use crate::{actors::FindOrder, domain::OrderId};

/// Shows the receipt of an order again.
#[utoipa::path(
    get,
    path = "/orders/{id}",
    params(("id" = uuid::Uuid, Path, description = "Which order")),
    responses(
        (status = 200, description = "The receipt", body = Receipt),
        (status = 404, description = "There is no such order", body = Problem,
            content_type = "application/problem+json"),
        Unavailable,
    )
)]
pub(super) async fn order(
    state: web::Data<AppState>,
    id: web::Path<String>,
) -> Result<web::Json<Receipt>, ApiError> {
    let id: OrderId = id.parse().map_err(ApiError::not_found)?;
    let found = state.actors().ledger.ask_until(state.deadline(), FindOrder(id)).await?;
    found.map(web::Json).ok_or_else(|| ApiError::not_found(format!("there is no order {id}")))
}
