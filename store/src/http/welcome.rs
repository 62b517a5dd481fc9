//! `GET /`: the welcome message.

use actix_web::web;
use opentelemetry::trace::Tracer as _;
use shared::wire::WELCOME;

use super::AppState;

/// Welcomes the shopper, in a span made by hand, as in the tutorial.
#[utoipa::path(
    get,
    path = "/",
    responses((status = 200, description = "The welcome message", body = String, content_type = "text/plain"))
)]
pub(super) async fn welcome(state: web::Data<AppState>) -> &'static str {
    state.tracer.in_span("welcome message", |_| WELCOME)
}
