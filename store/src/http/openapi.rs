//! `GET /openapi.json`: this interface as OpenAPI 3.1.
//!
//! The document is `store/openapi.json`. The test here makes it anew from the handlers and the types that
//! they use, and compares the two, so that a store need not be built with all that describes them. With
//! `UPDATE_DOCS=1` the test writes the file instead:
//!
//! ```sh
//! UPDATE_DOCS=1 cargo test -p store --lib openapi && git diff store/openapi.json
//! ```

use actix_web::{HttpResponse, http::header::ContentType};

const DOCUMENT: &str = include_str!("../../openapi.json");

/// Describes this interface as OpenAPI 3.1.
#[cfg_attr(test, utoipa::path(
    get,
    path = "/openapi.json",
    responses((status = 200, description = "This document", content_type = "application/json"))
))]
pub(super) async fn openapi() -> HttpResponse {
    HttpResponse::Ok().content_type(ContentType::json()).body(DOCUMENT)
}

#[cfg(test)]
mod tests {
    use std::{env, fs, path::Path};

    use utoipa::OpenApi;

    use super::{super::handlers, *};

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

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a test asks whether it is to write the file")]
    fn the_document_is_what_the_handlers_say() {
        let document = Description::openapi().to_pretty_json().unwrap() + "\n";
        if env::var_os("UPDATE_DOCS").is_some() {
            let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi.json");
            return fs::write(file, document).unwrap();
        }
        assert!(document == DOCUMENT, "store/openapi.json is old: UPDATE_DOCS=1 writes it");
    }
}
