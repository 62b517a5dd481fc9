//! `POST /api/transform`: OTLP's JSON in, Jaeger's JSON out, and nothing kept. Jaeger's page sends
//! the files to it that it is given.
//!
//! The traces are made and answered by the thread of the answer and never reach the store. What
//! they take counts against what all readers may hold together, and is reserved before it is taken.

use std::collections::HashMap;
use std::mem::size_of;
use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};

use super::legacy::{Envelope, EnvelopeError, answer, error};
use super::legacy_json::LegacyTrace;
use crate::adjusted::AdjustedTrace;
use crate::answer::{Answer, Failure};
use crate::api::State;
use crate::ingest::SharedStore;
use crate::otlp::decode::{Decoded, Decoder};
use crate::otlp::failure::Failure as OtlpFailure;
use crate::otlp::http::read_request;
use crate::otlp::receiver::Receiver;
use crate::otlp::{Compression, Encoding, Request, Signal};
use crate::query::params::Params;
use crate::render::List;
use crate::store::model::{Span, TraceId};
use crate::store::trace::Trace;

/// The memory that the spans of one request may take: so many times its body, within these bounds.
/// Spans in memory are smaller than in JSON, but a hostile body can be made of many empty values.
const SPANS_PER_BODY: usize = 12;
const LEAST_BYTES: usize = 1 << 20;
const MOST_BYTES: usize = 24 << 20;

/// What a span takes in its trace and in the adjusted trace that is written, in bytes.
const SPAN_BYTES: usize = 2 * size_of::<Arc<Span>>() + AdjustedTrace::SPAN_BYTES;
/// What a trace takes before its first span, twice as much while the lists of traces grow; in
/// bytes.
const TRACE_BYTES: usize = 2 * (size_of::<Trace>() + 4 * size_of::<(TraceId, usize)>());

/// Answers a request.
pub(super) async fn transform(
    request: HttpRequest,
    payload: Payload,
    state: Data<State>,
    receiver: Data<Receiver>,
) -> HttpResponse {
    let read = read_request(Signal::Traces, Encoding::Json, &request, payload, &receiver).await;
    let otlp = match read {
        Ok(otlp) => otlp,
        Err(failure) => return error(&failed(&failure)),
    };
    let transform =
        |answer: &mut Answer, _: &Params, _: &SharedStore| write_transformed(answer, otlp);
    answer(&request, &state, transform).await
}

fn failed(failure: &OtlpFailure) -> Failure {
    Failure::new(failure.http_status(), failure)
}

fn write_transformed(answer: &mut Answer, otlp: Request) -> Result<(), Failure> {
    let decoded_bytes = match otlp.compression {
        Compression::None => {
            (otlp.body.bytes().len() * SPANS_PER_BODY).clamp(LEAST_BYTES, MOST_BYTES)
        }
        _ => MOST_BYTES,
    };
    answer.hold(decoded_bytes)?;
    let mut decoder = Decoder::new(decoded_bytes, decoded_bytes);
    let Decoded { spans, taken, .. } = decoder.decode(otlp).map_err(|failure| failed(&failure))?;
    let traces = gather(spans, decoded_bytes, answer)?;
    let errors = taken.reason.map(|reason| {
        EnvelopeError::new(format!(
            "spans left out: {}, the first because {reason}",
            taken.rejected
        ))
    });
    let data = List(|| {
        let traces = traces.iter().map(Arc::clone);
        traces.map(|trace| LegacyTrace(AdjustedTrace::unchanged(trace)))
    });
    answer.json(&Envelope::new(data, 0).with_errors(errors.into_iter().collect()))
}

/// The traces of the spans, in the order of their coming. Unlike in the store, a span that came
/// twice is there twice: the file says so. `held` is what the spans themselves take.
fn gather(
    spans: Vec<(TraceId, Arc<Span>)>,
    held: usize,
    answer: &mut Answer,
) -> Result<Vec<Arc<Trace>>, Failure> {
    let held = held + spans.len() * SPAN_BYTES;
    let mut traces: Vec<(TraceId, Vec<Arc<Span>>)> = Vec::new();
    let mut places = HashMap::new();
    for (id, span) in spans {
        let place = *places.entry(id).or_insert(traces.len());
        if place == traces.len() {
            let bytes = held + (traces.len() + 1) * TRACE_BYTES;
            if bytes > 2 * MOST_BYTES {
                let message = "the spans are of too many traces: split the file";
                return Err(Failure::new(StatusCode::PAYLOAD_TOO_LARGE, message));
            }
            answer.hold(bytes)?;
            traces.push((id, Vec::new()));
        }
        traces[place].1.push(span);
    }
    let traces = traces.into_iter();
    Ok(traces.map(|(id, spans)| Arc::new(Trace::of_file(id, spans))).collect())
}
