//! `GET /openapi.json`: this interface, described from the types that the handlers use.

use std::sync::LazyLock;

use actix_web::{HttpResponse, http::header::ContentType, web::Bytes};
use utoipa::OpenApi;

use super::handlers;

/// The description of the store's interface.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "The grocery store",
        description = "A request can ask for faults in its baggage, such as \
            `baggage: grocery.fault=slow-aisle=produce:200ms`. Its answer has a header \
            `grocery-faults` then, which says of each fault, in the same order, `honoured;struck=N` \
            (it struck N messages) or `ignored;reason=WHY`. `GET /faults` says beforehand what this \
            store honours.\n\nA request can ask for a lesson in its query, \
            `?lesson=spawn&as=mistake&run=7`, or in its baggage, \
            `grocery.lesson=spawn,grocery.lesson.as=mistake,grocery.lesson.run=7`. Its answer has a \
            header `grocery-lesson` then: `honoured;run=RUN`, `cut-short;run=RUN` or \
            `ignored;reason=WHY`. `GET /lessons` lists them.\n\nEvery answer, except \
            those of `/healthz` and `/readyz`, which make no trace, says which span it comes from, for \
            programs in the header `traceresponse: 00-TRACE-SPAN-FLAGS`, and for pages of this origin in \
            `server-timing`, where the metrics `traceparent` and `trace` have the same as their \
            description."
    ),
    paths(
        handlers::welcome,
        handlers::whats_in_store,
        handlers::product,
        handlers::checkout,
        handlers::order,
        handlers::faults,
        handlers::lessons,
        handlers::healthz,
        handlers::readyz,
        openapi
    )
)]
struct Description;

static DESCRIPTION: LazyLock<Bytes> = LazyLock::new(|| {
    // Serialising plain data into memory cannot fail. If it did, the document would be empty.
    Description::openapi().to_json().unwrap_or_default().into()
});

/// Describes this interface as OpenAPI 3.1.
#[utoipa::path(
    get,
    path = "/openapi.json",
    responses((status = 200, description = "This document", content_type = "application/json"))
)]
pub(super) async fn openapi() -> HttpResponse {
    HttpResponse::Ok().content_type(ContentType::json()).body(DESCRIPTION.clone())
}
