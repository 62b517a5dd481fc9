//! Which service called which, how often: `GET /api/dependencies`.

use std::collections::BTreeMap;
use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};

use super::model::Dependency;
use super::reply::{Structured, answer, failure, to_json};
use crate::api::{State, computed};
use crate::query::filter;
use crate::query::params::{ParamError, Params, now};
use crate::store::model::Name;
use crate::store::trace::Trace;

/// A millisecond, in which this route counts, in nanoseconds.
const MILLISECOND: u64 = 1_000_000;
/// How far back it looks unless told: a day, in milliseconds.
const DEFAULT_LOOKBACK: i64 = 24 * 3_600_000;

/// `GET /api/dependencies`.
pub(super) async fn dependencies(request: HttpRequest, state: Data<State>) -> HttpResponse {
    let params = Params::parse(request.query_string());
    let (start, end) = match window(&params) {
        Ok(window) => window,
        Err(error) => return failure(StatusCode::BAD_REQUEST, error),
    };
    if end < start {
        let message = "end time must be greater than start time";
        return failure(StatusCode::INTERNAL_SERVER_ERROR, message);
    }
    computed(move || {
        let service = params.get("service");
        let mut calls = calls(&filter::all(&state.store.read()), start, end);
        calls.retain(|call| service.is_none_or(|name| call.parent == name || call.child == name));
        to_json(&Structured::new(calls, 0), &params)
    })
    .await
    .map_or_else(|error| failure(StatusCode::INTERNAL_SERVER_ERROR, error), answer)
}

/// From when to when, in nanoseconds since the epoch.
fn window(params: &Params) -> Result<(u64, u64), ParamError> {
    let end = params.moment("endTs", MILLISECOND)?.unwrap_or_else(now);
    let lookback = params.integer("lookback")?.unwrap_or(DEFAULT_LOOKBACK);
    let lookback_ns = lookback.unsigned_abs().saturating_mul(MILLISECOND);
    let start = if lookback < 0 {
        end.saturating_add(lookback_ns)
    } else {
        end.saturating_sub(lookback_ns)
    };
    Ok((start, end))
}

/// The calls in the traces that lie between `start` and `end`: every span with a parent in its
/// trace is one, also within a service.
fn calls(traces: &[Arc<Trace>], start: u64, end: u64) -> Vec<Dependency> {
    let mut counts: BTreeMap<(Name, Name), u64> = BTreeMap::new();
    for trace in traces.iter().filter(|trace| trace.start > start && trace.end < end) {
        for span in &trace.spans {
            let Some(parent) = span.parent.and_then(|parent| trace.span(parent)) else { continue };
            let call = (Arc::clone(parent.service()), Arc::clone(span.service()));
            *counts.entry(call).or_default() += 1;
        }
    }
    counts
        .into_iter()
        .map(|((parent, child), call_count)| Dependency {
            parent: parent.to_string(),
            child: child.to_string(),
            call_count,
        })
        .collect()
}
