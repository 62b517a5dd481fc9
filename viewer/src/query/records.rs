//! A search for log records, and the records that answer it.

use std::sync::Arc;

use super::ParamError;
use super::params::Params;
use super::tags::Tag;
use crate::ingest::SharedStore;
use crate::render;
use crate::store::model::{LogRecord, Severity, SpanId, TraceId, now};

/// How many records a search takes out of the store under one lock. While it has them, they cannot
/// be let go.
const AT_ONCE: u64 = 512;

/// Where a record comes in a list: the latest first, of those of one moment the one that came last.
pub(crate) type Place = (std::cmp::Reverse<u64>, std::cmp::Reverse<u64>);

/// Where `record`, of that number, comes.
pub(crate) fn place(record: &LogRecord, number: u64) -> Place {
    (std::cmp::Reverse(record.at()), std::cmp::Reverse(number))
}

/// What a record must be to be found. Times are nanoseconds since the epoch; everything left out
/// does not matter.
#[derive(Clone, Debug, Default)]
pub(crate) struct LogFilter {
    service: Option<String>,
    /// The least severity; records that say none are below all.
    severity: Severity,
    /// In lower case.
    text: Option<String>,
    tags: Vec<Tag>,
    earliest: Option<u64>,
    latest: Option<u64>,
    traces: Vec<TraceId>,
    span: Option<SpanId>,
}

impl LogFilter {
    /// What the parameters of a search say.
    ///
    /// # Errors
    ///
    /// A sentence about the first that cannot be understood.
    pub(crate) fn of(params: &Params) -> Result<Self, ParamError> {
        let severity = params.read(
            "severity",
            "trace, debug, info, warn, error or fatal",
            Severity::from_name,
        )?;
        let span = params.read("spanID", "16 hexadecimal digits", |text| {
            let is_hex = text.len() == 16 && text.bytes().all(|digit| digit.is_ascii_hexdigit());
            let id = is_hex.then(|| u64::from_str_radix(text, 16).ok())??;
            SpanId::from_bytes(&id.to_be_bytes())
        })?;
        let earliest = match params.moment("start", 1_000)? {
            Some(start) => Some(start),
            None => params.lookback()?.map(|lookback| now().saturating_sub(lookback)),
        };
        Ok(Self {
            service: params.get("service").map(str::to_owned),
            severity: severity.unwrap_or_default(),
            text: params.get("text").map(str::to_lowercase),
            tags: params.tags()?,
            earliest,
            latest: params.moment("end", 1_000)?,
            traces: params.trace_ids("traceID")?,
            span,
        })
    }

    /// Whether `record` is what is searched for.
    pub(crate) fn matches(&self, record: &LogRecord) -> bool {
        record.severity >= self.severity
            && self.service.as_deref().is_none_or(|service| service == &**record.service())
            && self.earliest.is_none_or(|earliest| record.at() >= earliest)
            && self.latest.is_none_or(|latest| record.at() <= latest)
            && (self.traces.is_empty()
                || record.trace.is_some_and(|trace| self.traces.contains(&trace)))
            && self.span.is_none_or(|span| record.span == Some(span))
            && self.tags.iter().all(|tag| tag.matches_record(record))
            && self.text.as_deref().is_none_or(|text| has_text(record, text))
    }
}

/// Whether a record says `text`, which is in lower case: in its body, in the name of its event, or in
/// an attribute as `key=value`.
fn has_text(record: &LogRecord, text: &str) -> bool {
    let has = |said: &str| said.to_lowercase().contains(text);
    has(&render::text(&record.body))
        || record.event_name.as_deref().is_some_and(has)
        || record
            .attributes
            .iter()
            .any(|attribute| has(&format!("{}={}", attribute.key, render::text(&attribute.value))))
}

/// All records held with their numbers, those that came last first. They are taken out of the store
/// a few at a time, so that a search holds no lock while it looks at them.
pub(crate) fn newest_first(store: &SharedStore) -> impl Iterator<Item = (u64, Arc<LogRecord>)> {
    let mut next = store.logs().next();
    std::iter::from_fn(move || {
        let logs = store.logs();
        let from = next.saturating_sub(AT_ONCE).max(logs.oldest()).min(next);
        let some: Vec<_> = (from..next)
            .rev()
            .filter_map(|number| Some((number, Arc::clone(logs.record(number)?))))
            .collect();
        next = from;
        (!some.is_empty()).then_some(some)
    })
    .flatten()
}
