//! Traces as files: downloaded in OTLP's JSON, uploaded in OTLP's JSON or Jaeger's. (A download in
//! Jaeger's JSON is what `/api/traces` answers.)

use actix_web::http::header::{CONTENT_DISPOSITION, HeaderValue, RETRY_AFTER};
use actix_web::web::{Data, Path, Payload};
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;

use super::{State, answer_or, error};
use crate::adjusted::{AdjustedTrace, AdjustedTraces};
use crate::answer::{Answer, Failure};
use crate::ingest::SharedStore;
use crate::otlp::failure::{Failure as UploadFailure, RETRY_AFTER_SECONDS};
use crate::otlp::http::read_request;
use crate::otlp::receiver::Receiver;
use crate::otlp::{Encoding, Signal, Taken};
use crate::otlp_json::TracesData;
use crate::query::params::Params;
use crate::query::trace_id;
use crate::render::Text;
use crate::store::model::TraceId;

/// Ids of uploaded traces that an answer lists; more are only counted.
const LISTED: usize = 100;

/// `GET /viewer/api/traces/{id}/otlp`: the trace as it came, as a file that any reader of OTLP's
/// JSON takes.
pub(super) async fn download(
    request: HttpRequest,
    id: Path<String>,
    state: Data<State>,
) -> HttpResponse {
    match trace_id::hexadecimal(&id) {
        Ok(id) => file(&request, &state, vec![id], &format!("trace-{id}")).await,
        Err(wrong) => error(&wrong.into()),
    }
}

/// `GET /viewer/api/otlp?traceID=…&traceID=…`: several traces as one such file. Those that are not
/// held any more are left out.
pub(super) async fn download_all(request: HttpRequest, state: Data<State>) -> HttpResponse {
    match Params::parse(request.query_string()).trace_ids("traceID") {
        Ok(ids) => file(&request, &state, ids, "traces").await,
        Err(wrong) => error(&wrong.into()),
    }
}

/// The answer that a browser saves as a file of that name.
async fn file(
    request: &HttpRequest,
    state: &Data<State>,
    ids: Vec<TraceId>,
    name: &str,
) -> HttpResponse {
    let traces = move |answer: &mut Answer, _: &Params, store: &SharedStore| {
        let traces = AdjustedTraces::new(store, &ids, AdjustedTrace::unchanged);
        if !traces.hold(answer)? {
            return Err(Failure::not_found("no trace of these ids is held"));
        }
        answer.json(&TracesData(traces))
    };
    as_file(answer_or(error, request, state, traces).await, name)
}

/// The answer, if it is none of an error, as one that a browser saves as a file of that name.
pub(super) fn as_file(mut response: HttpResponse, name: &str) -> HttpResponse {
    let disposition = format!("attachment; filename=\"{name}.otlp.json\"");
    if let (true, Ok(value)) = (response.status().is_success(), HeaderValue::try_from(disposition))
    {
        response.headers_mut().insert(CONTENT_DISPOSITION, value);
    }
    response
}

/// `POST /viewer/api/upload`: the traces in a file, into the store. The body is the file, compressed
/// or not as `Content-Encoding` says; it is read within the limits that a request over OTLP has.
pub(super) async fn upload(
    request: HttpRequest,
    payload: Payload,
    receiver: Data<Receiver>,
) -> HttpResponse {
    receiver.count(Signal::Traces);
    let read = read_request(Signal::Traces, Encoding::File, &request, payload, &receiver).await;
    let taken = match read {
        Ok(file) => receiver.receive(file).await,
        Err(failure) => Err(failure),
    };
    match taken {
        Ok(taken) => HttpResponse::Ok().json(Uploaded::of(&taken)),
        Err(failure) => {
            receiver.count_refused(Signal::Traces, request.path(), &failure);
            refused(&failure)
        }
    }
}

/// What became of a file.
#[derive(Debug, Serialize)]
struct Uploaded<'a> {
    trace_count: usize,
    span_count: u64,
    /// The first of them.
    trace_ids: Vec<Text<TraceId>>,
    rejected: u64,
    /// Why the first of the rejected spans was, with its path in the file.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
}

impl<'a> Uploaded<'a> {
    fn of(taken: &'a Taken) -> Self {
        Self {
            trace_count: taken.traces.len(),
            span_count: taken.received - taken.rejected,
            trace_ids: taken.traces.iter().take(LISTED).copied().map(Text).collect(),
            rejected: taken.rejected,
            reason: taken.reason.as_deref(),
        }
    }
}

/// The refusal, in words about a file.
fn refused(failure: &UploadFailure) -> HttpResponse {
    let message = match failure {
        UploadFailure::Malformed(what) => format!("cannot read the file: {what}"),
        UploadFailure::TooLarge { limit } => {
            format!("the file has more than {limit} bytes: split it, or send it compressed")
        }
        UploadFailure::TooExpensive { limit } => {
            format!("the file's spans would take more than {limit} bytes of memory: split it")
        }
        other => other.to_string(),
    };
    let mut response = HttpResponse::build(failure.http_status());
    if matches!(failure, UploadFailure::Overloaded) {
        response.insert_header((RETRY_AFTER, RETRY_AFTER_SECONDS));
    }
    response.json(serde_json::json!({ "error": message }))
}
