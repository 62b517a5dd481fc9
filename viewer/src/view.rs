//! A trace as it is shown: with unique span ids, and with the remarks that Jaeger makes on what
//! does not add up.

mod skew;

use std::collections::{HashMap, HashSet};
use std::num::NonZeroU64;
use std::sync::Arc;

use crate::store::model::{Kind, Span, SpanId};
use crate::store::trace::Trace;

/// A trace's spans, adjusted.
#[derive(Debug)]
pub(crate) struct View {
    pub(crate) trace: Arc<Trace>,
    /// In the order of their coming.
    pub(crate) spans: Vec<Seen>,
    ids: HashSet<SpanId>,
}

/// A span as it is shown.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) span: Arc<Span>,
    pub(crate) id: SpanId,
    pub(crate) parent: Option<SpanId>,
    /// Nanoseconds since the epoch; after the start, always.
    pub(crate) end: u64,
    pub(crate) warnings: Vec<String>,
}

impl View {
    /// The spans as they came, but for the end of those that end before they start.
    pub(crate) fn raw(trace: Arc<Trace>) -> Self {
        let spans: Vec<Seen> = trace.spans.iter().map(Seen::new).collect();
        let ids = spans.iter().map(|seen| seen.id).collect();
        Self { trace, spans, ids }
    }

    /// The spans with unique ids: where a call's two sides share one, as Zipkin's libraries have
    /// it, the serving side gets another and becomes the calling side's child.
    pub(crate) fn with_unique_ids(trace: Arc<Trace>) -> Self {
        let mut view = Self::raw(trace);
        view.separate_shared_ids();
        view
    }

    /// The spans with all that Jaeger's query service changes and remarks by default.
    pub(crate) fn adjusted(trace: Arc<Trace>) -> Self {
        let mut view = Self::with_unique_ids(trace);
        skew::remark(&mut view.spans);
        for seen in &mut view.spans {
            let invalid = seen.span.extra.as_ref().map_or(0, |extra| extra.invalid_links);
            let remarks = (0..invalid).map(|_| String::from("Invalid span link removed"));
            seen.warnings.extend(remarks);
        }
        view
    }

    /// Whether a span of that id is there.
    pub(crate) fn holds(&self, id: SpanId) -> bool {
        self.ids.contains(&id)
    }

    fn separate_shared_ids(&mut self) {
        let client = |seen: &&Seen| seen.span.kind == Kind::Client;
        let clients: HashSet<SpanId> = self.spans.iter().filter(client).map(|s| s.id).collect();
        let mut renamed = HashMap::new();
        let mut next = NonZeroU64::MIN;
        for seen in &mut self.spans {
            if seen.span.kind == Kind::Server && clients.contains(&seen.id) {
                while self.ids.contains(&SpanId(next)) {
                    next = next.saturating_add(1);
                }
                self.ids.insert(SpanId(next));
                renamed.insert(seen.id, SpanId(next));
                seen.parent = Some(seen.id);
                seen.id = SpanId(next);
            }
        }
        for seen in &mut self.spans {
            let Some(&server) = seen.parent.and_then(|parent| renamed.get(&parent)) else {
                continue;
            };
            if server != seen.id {
                seen.parent = Some(server);
            }
        }
    }
}

impl Seen {
    fn new(span: &Arc<Span>) -> Self {
        let mut seen = Self {
            span: Arc::clone(span),
            id: span.id,
            parent: span.parent,
            end: span.end,
            warnings: Vec::new(),
        };
        if span.end <= span.start {
            seen.end = span.start.saturating_add(1);
            seen.warnings.push(format!(
                "Negative duration detected, sanitizing end timestamp. \
                 Original end timestamp: {}, adjusted to: {}",
                go_time(span.end),
                go_time(seen.end),
            ));
        }
        seen
    }

    /// Nanoseconds.
    pub(crate) fn duration(&self) -> u64 {
        self.end.saturating_sub(self.span.start)
    }
}

/// A moment as Go's `Time.String` writes it.
fn go_time(nanoseconds: u64) -> String {
    use time::format_description::BorrowedFormatItem;
    use time::macros::format_description;

    const WHOLE: &[BorrowedFormatItem<'_>] =
        format_description!("[year]-[month]-[day] [hour]:[minute]:[second]");
    let moment = time::OffsetDateTime::from_unix_timestamp_nanos(nanoseconds.into());
    let whole = moment.ok().and_then(|moment| moment.format(WHOLE).ok()).unwrap_or_default();
    let fraction = format!("{:09}", nanoseconds % 1_000_000_000);
    match fraction.trim_end_matches('0') {
        "" => format!("{whole} +0000 UTC"),
        fraction => format!("{whole}.{fraction} +0000 UTC"),
    }
}

#[cfg(test)]
mod tests {
    use super::go_time;

    #[test]
    fn moments_are_written_as_go_writes_them() {
        assert_eq!(go_time(0), "1970-01-01 00:00:00 +0000 UTC");
        assert_eq!(go_time(1_500_000_000), "1970-01-01 00:00:01.5 +0000 UTC");
    }
}
