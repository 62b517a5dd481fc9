//! The envelope of Jaeger's older JSON, for answers and errors.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::ContentType;
use serde::Serialize;
use serde_json::ser::{PrettyFormatter, Serializer};

use crate::query::params::Params;

/// An answer.
#[derive(Debug, Serialize)]
pub(super) struct Structured<T> {
    data: T,
    total: usize,
    limit: usize,
    offset: usize,
    errors: Option<Vec<StructuredError>>,
}

/// An error in an answer.
#[derive(Debug, Serialize)]
pub(super) struct StructuredError {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) code: Option<u16>,
    pub(super) msg: String,
    #[serde(rename = "traceID", skip_serializing_if = "Option::is_none")]
    pub(super) trace_id: Option<String>,
}

impl<T> Structured<T> {
    /// `data`, of which there are `total`: Jaeger counts lists of names, and no others.
    pub(super) fn new(data: T, total: usize) -> Self {
        Self { data, total, limit: 0, offset: 0, errors: None }
    }

    /// The same with `errors`, if there are any.
    pub(super) fn with(self, errors: Vec<StructuredError>) -> Self {
        Self { errors: (!errors.is_empty()).then_some(errors), ..self }
    }
}

/// The answer as JSON, indented when `prettyPrint` says so.
pub(super) fn to_json(answer: &impl Serialize, params: &Params) -> Vec<u8> {
    let pretty = params.get("prettyPrint").is_some_and(|pretty| pretty != "false");
    let mut json = Vec::new();
    let written = if pretty {
        let indented = PrettyFormatter::with_indent(b"    ");
        answer.serialize(&mut Serializer::with_formatter(&mut json, indented))
    } else {
        serde_json::to_writer(&mut json, answer)
    };
    if let Err(error) = written {
        tracing::error!("cannot write an answer: {error}");
    }
    json
}

/// The answer.
pub(super) fn answer(json: Vec<u8>) -> HttpResponse {
    HttpResponse::Ok().content_type(ContentType::json()).body(json)
}

/// The error, with the content type that Go's `http.Error` gives it.
pub(super) fn failure(status: StatusCode, message: impl ToString) -> HttpResponse {
    let error =
        StructuredError { code: Some(status.as_u16()), msg: message.to_string(), trace_id: None };
    plain(status, &Structured::new(None::<()>, 0).with(vec![error]))
}

/// JSON called plain text, as Go's `http.Error` does.
pub(super) fn plain(status: StatusCode, json: &impl Serialize) -> HttpResponse {
    let json = serde_json::to_string(json).unwrap_or_default();
    HttpResponse::build(status).content_type(ContentType::plaintext()).body(json + "\n")
}
