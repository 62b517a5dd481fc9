//! `POST /checkout`: sells a basket.

use std::time::SystemTime;

use actix_web::{HttpRequest, HttpResponse, http::header::LOCATION, web};
use shared::wire::{CheckoutRequest, IDEMPOTENCY_KEY, Problem, Receipt};
use tokio::time::timeout_at;

use super::{
    AppState,
    body::read_json,
    problem::{ApiError, Unavailable},
};
use crate::{
    actors::PlaceOrder,
    domain::{Basket, IdempotencyKey, NewOrder},
};

/// Sells a basket, whole or not at all.
///
/// With an `Idempotency-Key` the request can be repeated safely for 24 hours: the same basket gets
/// the same receipt, and nothing is sold twice.
#[utoipa::path(
    post,
    path = "/checkout",
    request_body = CheckoutRequest,
    params(("Idempotency-Key" = Option<String>, Header,
        description = "A name for this checkout: 1 to 255 visible ASCII characters")),
    responses(
        (status = 201, description = "Sold: this is the receipt", body = Receipt,
            headers(("location" = String, description = "Where the receipt can be had again"))),
        (status = 400, description = "The body is not JSON, or the idempotency key cannot be used",
            body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "There is too little in stock; nothing was sold",
            body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "The body is larger than 256 KiB", body = Problem,
            content_type = "application/problem+json"),
        (status = 415, description = "The body is not of the type application/json",
            body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "The basket cannot be sold, whatever the stock is",
            body = Problem, content_type = "application/problem+json"),
        Unavailable,
    )
)]
pub(super) async fn checkout(
    state: web::Data<AppState>,
    request: HttpRequest,
    payload: web::Payload,
) -> Result<HttpResponse, ApiError> {
    let deadline = state.deadline();
    let key = idempotency_key(&request)?;
    let body: CheckoutRequest =
        timeout_at(deadline, read_json(&request, &mut payload.into_inner()))
            .await
            .map_err(|_| ApiError::body_too_slow())??;
    let basket = Basket::try_from(&body)?;
    let order = NewOrder::new(basket, key, SystemTime::now());
    let receipt =
        state.actors().checkout.ask_until(deadline, PlaceOrder { order, deadline }).await?;
    let location = format!("/orders/{}", receipt.order_id);
    Ok(HttpResponse::Created().insert_header((LOCATION, location)).json(receipt))
}

fn idempotency_key(request: &HttpRequest) -> Result<Option<IdempotencyKey>, ApiError> {
    let mut keys = request.headers().get_all(IDEMPOTENCY_KEY);
    let Some(key) = keys.next() else { return Ok(None) };
    if keys.next().is_some() {
        return Err(ApiError::bad_idempotency_key(
            "there are several idempotency keys: expected one",
        ));
    }
    // What is not visible ASCII is refused as such, whatever it stands for.
    String::from_utf8_lossy(key.as_bytes()).parse().map(Some).map_err(ApiError::bad_idempotency_key)
}
