//! The handlers, one for each route. They ask actors, and never touch the database.

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{CONTENT_TYPE, ContentType, HeaderName, HeaderValue, LOCATION},
    web,
};
use shared::{
    fault::FaultSupport,
    wire::{CheckoutRequest, IDEMPOTENCY_KEY, Product, Receipt, WELCOME},
};
use tokio::time::timeout_at;

// The descriptions of the routes name these, and only `openapi.rs`'s test reads them.
#[cfg(test)]
use super::problem::Unavailable;
use super::{
    body::read_json,
    problem::ApiError,
    state::{Actors, AppState},
};
use crate::{
    ACTIVITY,
    actors::{self, ActorError, FindOrder, FindProduct, FoundOrder, Ping, PlaceOrder},
    domain::{Basket, IdempotencyKey, NewOrder, OrderId, ProductId},
    lessons::LessonList,
};
#[cfg(test)]
use shared::wire::{Problem, WhatsInStore};

/// Welcomes the shopper, in a span made by hand, as in the tutorial.
#[cfg_attr(test, utoipa::path(
    get,
    path = "/",
    responses((status = 200, description = "The welcome message", body = String, content_type = "text/plain"))
))]
pub(super) async fn welcome(state: web::Data<AppState>) -> HttpResponse {
    state.in_span("welcome message", || HttpResponse::Ok().insert_header(PLAIN_TEXT).body(WELCOME))
}

/// The type of a text. As a responder, a `&str` would make this header anew for each answer.
const PLAIN_TEXT: (HeaderName, HeaderValue) =
    (CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));

/// Lists all products of all aisles, in stock or not.
#[cfg_attr(test, utoipa::path(
    get,
    path = "/whats-in-store",
    responses(
        (status = 200, description = "Everything the store sells", body = WhatsInStore),
        Unavailable,
    )
))]
pub(super) async fn whats_in_store(
    state: web::Data<AppState>,
    store: Actors,
) -> Result<HttpResponse, ApiError> {
    let question = actors::WhatsInStore;
    let listing = store.inventory.ask_until(state.deadline(), question).await?;
    Ok(HttpResponse::Ok().content_type(ContentType::json()).body(listing))
}

/// Shows one product as it stands in its aisle.
#[cfg_attr(test, utoipa::path(
    get,
    path = "/products/{id}",
    params(("id" = String, Path, description = "Which product", example = "1",
        min_length = 1, max_length = 10, pattern = "^([1-9][0-9]{0,8}|[1-3][0-9]{9}|4[01][0-9]{8}|42[0-8][0-9]{7}|429[0-3][0-9]{6}|4294[0-8][0-9]{5}|42949[0-5][0-9]{4}|429496[0-6][0-9]{3}|4294967[01][0-9]{2}|42949672[0-8][0-9]|429496729[0-5])$")),
    responses(
        (status = 200, description = "The product", body = Product),
        (status = 404, description = "The store has no such product", body = Problem,
            content_type = "application/problem+json"),
        Unavailable,
    )
))]
pub(super) async fn product(
    state: web::Data<AppState>,
    store: Actors,
    id: web::Path<String>,
) -> Result<web::Json<Product>, ApiError> {
    let id: ProductId = id.parse().map_err(ApiError::not_found)?;
    let found = store.inventory.ask_until(state.deadline(), FindProduct(id)).await;
    match found {
        Err(error @ ActorError::NoSuchProduct(_)) => Err(ApiError::not_found(error)),
        found => Ok(web::Json(found?)),
    }
}

/// Sells a basket, whole or not at all.
///
/// With an `Idempotency-Key` the request can be repeated safely for 24 hours, or for as long as the
/// store keeps orders if that is shorter: the same basket gets the same receipt, and nothing is sold
/// twice. After that it is another order.
#[cfg_attr(test, utoipa::path(
    post,
    path = "/checkout",
    request_body = CheckoutRequest,
    params(("Idempotency-Key" = Option<String>, Header,
        description = "A name for this checkout: 1 to 255 visible ASCII characters",
        min_length = 1, max_length = 255, pattern = "^[!-~]+$")),
    responses(
        (status = 201, description = "Sold: this is the receipt", body = Receipt,
            headers(("location" = String, description = "Where the receipt can be had again"))),
        (status = 400, description = "The body is not JSON, or the idempotency key cannot be used",
            body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "There is too little in stock; nothing was sold",
            body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "The body is larger than 256 KiB", body = Problem,
            content_type = "application/problem+json"),
        (status = 415, description = "The body is not of the type application/json, or packed otherwise than by gzip",
            body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "The basket cannot be sold, whatever the stock is",
            body = Problem, content_type = "application/problem+json"),
        Unavailable,
    )
))]
pub(super) async fn checkout(
    state: web::Data<AppState>,
    store: Actors,
    request: HttpRequest,
    payload: web::Payload,
) -> Result<HttpResponse, ApiError> {
    let deadline = state.deadline();
    let key = idempotency_key(&request)?;
    let body: CheckoutRequest = timeout_at(deadline, read_json(&request, payload))
        .await
        .map_err(|_| ApiError::body_too_slow())??;
    let basket = Basket::try_from(&body)?;
    let order = NewOrder::new(basket, key, state.now());
    let placed = store.checkout.ask_until(deadline, PlaceOrder { order, deadline }).await;
    let receipt = placed.inspect_err(|error| state.pools().metrics().refused(error))?;
    tracing::info!(name: "grocery.order.recorded", target: ACTIVITY, { "grocery.order.id" = %receipt.order_id }, "an order is recorded");
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
    // Bytes that are not ASCII become U+FFFD here, which the parser refuses.
    String::from_utf8_lossy(key.as_bytes()).parse().map(Some).map_err(ApiError::bad_idempotency_key)
}

/// Shows the receipt of an order again.
#[cfg_attr(test, utoipa::path(
    get,
    path = "/orders/{id}",
    params(("id" = uuid::Uuid, Path, description = "Which order",
        pattern = "^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$")),
    responses(
        (status = 200, description = "The receipt", body = Receipt),
        (status = 404, description = "There is no such order", body = Problem,
            content_type = "application/problem+json"),
        (status = 410, description = "The id is of a time of which no orders are kept singly any more",
            body = Problem, content_type = "application/problem+json"),
        Unavailable,
    )
))]
pub(super) async fn order(
    state: web::Data<AppState>,
    store: Actors,
    id: web::Path<String>,
) -> Result<web::Json<Receipt>, ApiError> {
    let id: OrderId = id.parse().map_err(ApiError::not_found)?;
    match store.ledger.ask_until(state.deadline(), FindOrder(id)).await? {
        FoundOrder::Receipt(receipt) => Ok(web::Json(receipt)),
        FoundOrder::Folded => Err(ApiError::folded(id)),
        FoundOrder::Unknown => Err(ApiError::not_found(format!("there is no order {id}"))),
    }
}

/// Says which faults the store honours, and for which actors and aisles.
#[cfg_attr(test, utoipa::path(
    get,
    path = "/faults",
    responses((status = 200, description = "What a request can ask for in its baggage", body = FaultSupport))
))]
pub(super) async fn faults(state: web::Data<AppState>) -> web::Json<FaultSupport> {
    web::Json(state.faults().clone())
}

/// Lists the lessons that a request can ask for, and says whether the store makes them.
#[cfg_attr(test, utoipa::path(
    get,
    path = "/lessons",
    responses((status = 200, description = "What a request can ask for in its query or its baggage", body = LessonList))
))]
pub(super) async fn lessons(state: web::Data<AppState>) -> web::Json<LessonList> {
    web::Json(state.lessons().list())
}

/// Says that the process is alive, whatever its database does: a restart would not mend that.
#[cfg_attr(test, utoipa::path(
    get,
    path = "/healthz",
    responses((status = 200, description = "The store is alive", body = String, content_type = "text/plain"))
))]
pub(super) async fn healthz() -> &'static str {
    "alive"
}

/// Says whether the database answers, and so whether the store can sell, and whether it will go on: a
/// store that was told to stop is not ready, although it still serves for a while.
#[cfg_attr(test, utoipa::path(
    get,
    path = "/readyz",
    responses(
        (status = 200, description = "The store is open", body = String, content_type = "text/plain"),
        Unavailable,
    )
))]
pub(super) async fn readyz(state: web::Data<AppState>) -> Result<&'static str, ApiError> {
    if state.is_closing() {
        return Err(ApiError::closing());
    }
    state.pools().regular().ledger.ask_until(state.deadline(), Ping).await?;
    Ok("ready")
}
