//! `GET /healthz` and `GET /readyz`: is the store alive, and can it sell?

use actix_web::web;

use super::{
    AppState,
    problem::{ApiError, Unavailable},
};
use crate::actors::Ping;

/// Says that the process is alive, whatever its database does: a restart would not mend that.
#[utoipa::path(
    get,
    path = "/healthz",
    responses((status = 200, description = "The store is alive", body = String, content_type = "text/plain"))
)]
pub(super) async fn healthz() -> &'static str {
    "alive"
}

/// Says whether the database answers, and so whether the store can sell.
#[utoipa::path(
    get,
    path = "/readyz",
    responses(
        (status = 200, description = "The store is open", body = String, content_type = "text/plain"),
        Unavailable,
    )
)]
pub(super) async fn readyz(state: web::Data<AppState>) -> Result<&'static str, ApiError> {
    state.actors().ledger.ask_until(state.deadline(), Ping).await?;
    Ok("ready")
}
