//! Jaeger's stable API: the same questions, answered in OTLP's JSON. Its definition:
//! <https://github.com/jaegertracing/jaeger-idl/blob/main/swagger/api_v3/query_service.openapi.yaml>.

mod otlp;
mod params;
mod summary;

use actix_web::http::StatusCode;
use actix_web::http::header::ContentType;
use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;

use self::params::Search;
use self::summary::Summaries;
use super::legacy::{find, operations_of, view};
use super::model::Operation;
use super::reply::plain;
use super::{BAD_LIMIT, MAX_TRACES, trace_id};
use crate::api::{State, computed};
use crate::query::params::Params;
use crate::view::View;

#[derive(Serialize)]
struct Services {
    services: Vec<String>,
}

#[derive(Serialize)]
struct Operations {
    operations: Vec<Operation>,
}

#[derive(Serialize)]
struct Failure {
    error: FailureDetails,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct FailureDetails {
    http_code: u16,
    message: String,
}

/// `GET /api/v3/services`.
pub(super) async fn services(state: Data<State>) -> HttpResponse {
    let store = state.store.read();
    let services = store.catalog.services().map(|(name, _)| name.to_string()).collect();
    HttpResponse::Ok().json(Services { services })
}

/// `GET /api/v3/operations`.
pub(super) async fn operations(request: HttpRequest, state: Data<State>) -> HttpResponse {
    let params = Params::parse(request.query_string());
    let service = params.get("service").unwrap_or_default();
    let kind = params.get("spanKind").or_else(|| params.get("span_kind")).unwrap_or_default();
    let mut operations = operations_of(&state.store, service, kind);
    for operation in operations.iter_mut().filter(|operation| operation.span_kind.is_empty()) {
        operation.span_kind = "internal";
    }
    HttpResponse::Ok().json(Operations { operations })
}

/// `GET /api/v3/traces`.
pub(super) async fn search(request: HttpRequest, state: Data<State>) -> HttpResponse {
    match search_of(&request) {
        Ok(Search { filter, limit, raw }) => {
            let found = move || {
                let found = find(&state.store, &filter, limit);
                traces(found.into_iter().map(|trace| view(trace, raw)).collect())
            };
            found_or_not(computed(found).await)
        }
        Err((status, message)) => failure(status, message),
    }
}

/// `GET /api/v3/traces/{id}`.
pub(super) async fn trace(
    request: HttpRequest,
    id: Path<String>,
    state: Data<State>,
) -> HttpResponse {
    let id = match trace_id::in_path(&id) {
        Ok(id) => id,
        Err(error) => return bad_request(format!("malformed parameter trace_id: {error}")),
    };
    let raw = match params::trace_options(&Params::parse(request.query_string())) {
        Ok(raw) => raw,
        Err(error) => return bad_request(error.to_string()),
    };
    let found = move || {
        let held = state.store.read().trace(id).cloned();
        traces(held.into_iter().map(|trace| view(trace, raw)).collect())
    };
    found_or_not(computed(found).await)
}

/// `GET /api/v3/trace-summaries`.
pub(super) async fn summaries(request: HttpRequest, state: Data<State>) -> HttpResponse {
    match search_of(&request) {
        Ok(Search { filter, limit, .. }) => {
            let found = move || Summaries::of(&find(&state.store, &filter, limit));
            match computed(found).await {
                Ok(summaries) => HttpResponse::Ok().json(summaries),
                Err(error) => failure(StatusCode::INTERNAL_SERVER_ERROR, error),
            }
        }
        Err((status, message)) => failure(status, message),
    }
}

fn search_of(request: &HttpRequest) -> Result<Search, (StatusCode, String)> {
    let (filter, limit, raw) = params::search(&Params::parse(request.query_string()))
        .map_err(|error| (StatusCode::BAD_REQUEST, error.to_string()))?;
    if !(1..=MAX_TRACES).contains(&limit) {
        return Err((StatusCode::INTERNAL_SERVER_ERROR, BAD_LIMIT.into()));
    }
    Ok(Search { filter, limit: usize::try_from(limit).unwrap_or_default(), raw })
}

/// The traces in OTLP's JSON, if there are any.
fn traces(views: Vec<View>) -> Option<Vec<u8>> {
    (!views.is_empty()).then(|| otlp::to_json(&views))
}

fn found_or_not(json: Result<Option<Vec<u8>>, String>) -> HttpResponse {
    match json {
        Ok(Some(json)) => HttpResponse::Ok().content_type(ContentType::json()).body(json),
        Ok(None) => failure(StatusCode::NOT_FOUND, "No traces found".into()),
        Err(error) => failure(StatusCode::INTERNAL_SERVER_ERROR, error),
    }
}

fn bad_request(message: String) -> HttpResponse {
    failure(StatusCode::BAD_REQUEST, message)
}

fn failure(status: StatusCode, message: String) -> HttpResponse {
    plain(status, &Failure { error: FailureDetails { http_code: status.as_u16(), message } })
}
