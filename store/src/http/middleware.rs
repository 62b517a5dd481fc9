//! What happens around every handler, inside its SERVER span.

use std::fmt;

use actix_web::{
    Error,
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
    http::header::{HeaderName, HeaderValue},
    middleware::Next,
    web,
};
use opentelemetry::{
    Context, KeyValue,
    baggage::BaggageExt as _,
    trace::{FutureExt as _, TraceContextExt as _},
};
use shared::{
    fault::{self, Fault},
    wire::TRACERESPONSE,
};

use super::AppState;
use crate::actors::Faults;

/// Hands the faults that the request asks for to the actors, and tells the client the trace.
///
/// # Errors
/// Those of the handler.
pub(crate) async fn in_trace<B: MessageBody>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, Error> {
    let cx = Context::current();
    let allows_faults =
        request.app_data::<web::Data<AppState>>().is_some_and(|s| s.allows_faults());
    let mut response = match faults(&cx, allows_faults) {
        Some(faults) => next.call(request).with_context(cx.with_value(faults)).await?,
        None => next.call(request).await?,
    };
    if let Some(traceresponse) = traceresponse(&cx) {
        response.headers_mut().insert(HeaderName::from_static(TRACERESPONSE), traceresponse);
    }
    Ok(response)
}

/// The faults that the request asks for; those that are not honoured are an event on its span.
fn faults(cx: &Context, are_allowed: bool) -> Option<Faults> {
    let asked_for = cx.baggage().get(fault::BAGGAGE_KEY)?.as_str();
    if !are_allowed {
        ignore(cx, asked_for, "this store does not allow faults");
        return None;
    }
    match Fault::read_all(asked_for).collect::<Result<Vec<_>, _>>() {
        Ok(faults) => (!faults.is_empty()).then(|| Faults(faults.into())),
        Err(error) => {
            ignore(cx, asked_for, error);
            None
        }
    }
}

fn ignore(cx: &Context, asked_for: &str, reason: impl fmt::Display) {
    let attributes = vec![
        KeyValue::new(fault::BAGGAGE_KEY, asked_for.to_owned()),
        KeyValue::new("reason", reason.to_string()),
    ];
    cx.span().add_event("grocery.fault.ignored", attributes);
}

/// The header by which the client finds the trace: <https://www.w3.org/TR/trace-context-2/>.
fn traceresponse(cx: &Context) -> Option<HeaderValue> {
    let span = cx.span();
    let span = span.span_context();
    if !span.is_valid() {
        return None;
    }
    let (trace_id, span_id) = (span.trace_id(), span.span_id());
    let value = format!("00-{trace_id}-{span_id}-{:02x}", span.trace_flags().to_u8());
    HeaderValue::from_maybe_shared(web::Bytes::from(value)).ok()
}
