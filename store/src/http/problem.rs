//! Every error as a problem document, with the trace in which it happened.
//!
//! See <https://www.rfc-editor.org/rfc/rfc9457>.

use std::fmt;

use actix_web::{
    HttpRequest, HttpResponse, Responder, ResponseError,
    body::BoxBody,
    http::{
        Method, StatusCode,
        header::{CONTENT_TYPE, RETRY_AFTER},
    },
};
use opentelemetry::{Context, trace::TraceContextExt as _};
use shared::wire::{PROBLEM_JSON, Problem, Shortage};

use crate::{
    ACTIVITY,
    actors::ActorError,
    domain::{BasketError, OrderId},
};

/// After how many seconds a client may try again: about as long as an actor needs to be started
/// again, or a batch to be written.
const RETRY_AFTER_SECONDS: &str = "1";

/// A request that was refused or failed, on its way to becoming a [`Problem`].
#[derive(Debug)]
pub(super) struct ApiError {
    status: StatusCode,
    /// The end of the problem's `type`; `None` if there is nothing to add to the status.
    kind: Option<&'static str>,
    title: &'static str,
    detail: String,
    short: Box<[Shortage]>,
    /// Why the store could not do what it should, of an answer 5xx.
    cause: Option<Box<ActorError>>,
    /// A header that says what is possible instead: its name and value.
    instead: Option<(&'static str, &'static str)>,
}

/// The error answers that every route may give.
#[cfg(test)]
#[derive(utoipa::IntoResponses)]
#[expect(dead_code, reason = "it only describes, for the OpenAPI document")]
pub(super) enum Unavailable {
    /// The host is not this store, or a page of another site sent the request.
    #[response(status = 403, content_type = "application/problem+json")]
    Refused(Problem),
    /// The store failed.
    #[response(status = 500, content_type = "application/problem+json")]
    Failed(Problem),
    /// The store cannot do it now: try again after the seconds in `Retry-After`.
    #[response(status = 503, content_type = "application/problem+json")]
    NotNow(Problem),
    /// The time that a request may take was over first.
    #[response(status = 504, content_type = "application/problem+json")]
    TooLate(Problem),
}

impl ApiError {
    fn new(
        status: StatusCode,
        kind: &'static str,
        title: &'static str,
        detail: impl ToString,
    ) -> Self {
        let detail = detail.to_string();
        let (short, cause, instead) = (Box::default(), None, None);
        Self { status, kind: Some(kind), title, detail, short, cause, instead }
    }

    /// An error that needs no `type` of its own, since its status says what it is.
    fn plain(status: StatusCode, detail: impl ToString) -> Self {
        let title = status.canonical_reason().unwrap_or_default();
        Self { kind: None, ..Self::new(status, "", title, detail) }
    }

    pub(super) fn not_found(detail: impl ToString) -> Self {
        Self::plain(StatusCode::NOT_FOUND, detail)
    }

    /// The order is of a time of which the orders have been folded.
    pub(super) fn folded(order: OrderId) -> Self {
        let detail = format!(
            "there is no receipt for order {order} any more: orders of its time are known in sum only"
        );
        Self::new(StatusCode::GONE, "order-folded", "Order folded", detail)
    }

    pub(super) fn method_not_allowed(method: &Method, allowed: &'static str) -> Self {
        let detail = format!("{method} is not possible here: expected {allowed}");
        let plain = Self::plain(StatusCode::METHOD_NOT_ALLOWED, detail);
        Self { instead: Some(("allow", allowed)), ..plain }
    }

    pub(super) fn unsupported_media_type() -> Self {
        let detail = "the body is not of the type application/json";
        Self::plain(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail)
    }

    /// The body is packed in a way that the store does not unpack.
    pub(super) fn unsupported_encoding(encoding: &str, supported: &'static str) -> Self {
        let detail = format!("the body has the encoding {encoding:?}: expected {supported}");
        let plain = Self::plain(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail);
        Self { instead: Some(("accept-encoding", supported)), ..plain }
    }

    pub(super) fn host_not_allowed(host: &str) -> Self {
        let detail = format!(
            "the host {host:?} is not this store: use localhost or 127.0.0.1, or start the store \
             with --allowed-hosts and the names by which it is reached"
        );
        Self::new(StatusCode::FORBIDDEN, "host-not-allowed", "Host not allowed", detail)
    }

    pub(super) fn cross_site() -> Self {
        let detail = "a browser sent this for a page of another site: a page can buy only in the \
                      store that it comes from; a program sends no Origin and no Sec-Fetch-Site";
        Self::new(StatusCode::FORBIDDEN, "cross-site", "Cross-site request", detail)
    }

    pub(super) fn body_too_large(limit: usize) -> Self {
        let detail = format!("the body is too large: expected at most {limit} bytes");
        Self::plain(StatusCode::PAYLOAD_TOO_LARGE, detail)
    }

    pub(super) fn body_too_slow() -> Self {
        let detail = "the body did not arrive within the time that a request may take";
        Self::plain(StatusCode::REQUEST_TIMEOUT, detail)
    }

    pub(super) fn malformed_body(error: impl fmt::Display) -> Self {
        let detail = format!("the body cannot be read as JSON: {error}");
        Self::new(StatusCode::BAD_REQUEST, "malformed-body", "Malformed body", detail)
    }

    pub(super) fn bad_idempotency_key(error: impl ToString) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "idempotency-key", "Unusable idempotency key", error)
    }

    pub(super) fn impossible_basket(error: impl ToString) -> Self {
        let status = StatusCode::UNPROCESSABLE_ENTITY;
        Self::new(status, "impossible-basket", "Impossible basket", error)
    }

    /// The store was told to stop.
    pub(super) fn closing() -> Self {
        let detail = "the store is closing: send no more requests to it";
        Self::unavailable("closing", "Closing", detail)
    }

    fn unavailable(kind: &'static str, title: &'static str, detail: impl ToString) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, kind, title, detail)
    }

    /// Logs why the store could not do what it should, in the span of the request. What the client
    /// did wrong, or that something is sold out, is no failure of the store: that is exported only.
    ///
    /// There may be as many of these as there are requests, so with their `error.type` they are written
    /// to standard error once and then counted.
    pub(super) fn log(&self, route: &str) {
        let status = self.status.as_u16();
        let Some(cause) = &self.cause else {
            let detail = &self.detail;
            tracing::info!(
                name: "grocery.request.refused",
                target: ACTIVITY,
                { http.route = route, http.response.status_code = status },
                "a request was refused: {detail}"
            );
            return;
        };
        let kind = cause.kind();
        // The database's own words are in the source, and only in the log.
        let message = cause.to_string();
        if self.status == StatusCode::INTERNAL_SERVER_ERROR {
            tracing::error!(
                name: "grocery.request.failed",
                {
                    http.route = route,
                    http.response.status_code = status,
                    error.type = kind,
                    exception.message = message,
                },
                "a request failed"
            );
        } else {
            tracing::warn!(
                name: "grocery.request.failed",
                {
                    http.route = route,
                    http.response.status_code = status,
                    error.type = kind,
                    exception.message = message,
                },
                "a request could not be served now"
            );
        }
    }

    fn problem(&self) -> Problem {
        let trace_id = Context::map_current(|cx| {
            let span = cx.span();
            let span = span.span_context();
            span.is_valid().then(|| span.trace_id().to_string())
        });
        Problem {
            kind: self.kind.map_or("about:blank".into(), |kind| format!("/problems/{kind}")),
            title: self.title.into(),
            status: self.status.as_u16(),
            detail: self.detail.clone(),
            trace_id,
            short: self.short.to_vec(),
        }
    }
}

impl From<ActorError> for ApiError {
    fn from(error: ActorError) -> Self {
        let cause = error.clone();
        let answer = match error {
            ActorError::OutOfStock(ref short) => {
                let short = short.clone().into();
                Self {
                    short,
                    ..Self::new(StatusCode::CONFLICT, "out-of-stock", "Out of stock", error)
                }
            }
            ActorError::NoSuchProduct(_) => Self::impossible_basket(error),
            ActorError::KeyReused => {
                let status = StatusCode::UNPROCESSABLE_ENTITY;
                Self::new(status, "idempotency-key-reused", "Idempotency key reused", error)
            }
            ActorError::Overloaded(_) => Self::unavailable("overloaded", "Overloaded", error),
            ActorError::Stopped(_) => Self::unavailable("actor-stopped", "Actor stopped", error),
            ActorError::DeadlineMissed(_) => {
                let status = StatusCode::GATEWAY_TIMEOUT;
                Self::new(status, "deadline-missed", "Deadline missed", error)
            }
            // What the database says may be internal, so it goes to the log only.
            ActorError::Storage(error) if error.is_temporary() => {
                let detail = match error.is_timeout() {
                    true => "the database took too long and was interrupted: try again later",
                    false => "the database does not answer: try again later",
                };
                Self::unavailable("database-unavailable", "Database unavailable", detail)
            }
            ActorError::Storage(_) => {
                Self::plain(StatusCode::INTERNAL_SERVER_ERROR, "the database failed")
            }
            ActorError::Fault(..) => {
                let status = StatusCode::INTERNAL_SERVER_ERROR;
                Self::new(status, "injected-fault", "Injected fault", error)
            }
        };
        let is_failure = answer.status.is_server_error();
        Self { cause: is_failure.then(|| Box::new(cause)), ..answer }
    }
}

impl From<BasketError> for ApiError {
    fn from(error: BasketError) -> Self {
        Self::impossible_basket(error)
    }
}

impl From<actix_web::error::PathError> for ApiError {
    fn from(error: actix_web::error::PathError) -> Self {
        Self::not_found(error)
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.detail.fmt(f)
    }
}

impl ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        self.status
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status);
        response.insert_header((CONTENT_TYPE, PROBLEM_JSON));
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            response.insert_header((RETRY_AFTER, RETRY_AFTER_SECONDS));
        }
        if let Some(instead) = self.instead {
            response.insert_header(instead);
        }
        response.json(self.problem())
    }
}

impl Responder for ApiError {
    type Body = BoxBody;

    fn respond_to(self, _: &HttpRequest) -> HttpResponse {
        self.error_response()
    }
}
