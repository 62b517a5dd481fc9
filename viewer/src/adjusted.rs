//! A trace as it is shown: with unique span ids, and with Jaeger's remarks on ids and times that do
//! not fit together.

use std::borrow::Cow;
use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::num::NonZeroU64;
use std::sync::Arc;

use crate::answer::{Answer, Failure};
use crate::ingest::SharedStore;
use crate::query::duration;
use crate::render;
use crate::store::model::{Kind, Resource, Span, SpanId, TraceId, Value, find};
use crate::store::trace::Trace;

/// A trace's spans, adjusted.
#[derive(Debug)]
pub(crate) struct AdjustedTrace {
    /// In the order of their coming. The field stands before `trace`, so the spans are dropped
    /// first: once the store has the only reference to a trace, it has the only ones to its spans.
    pub(crate) spans: Vec<AdjustedSpan>,
    pub(crate) trace: Arc<Trace>,
    ids: HashSet<SpanId>,
}

/// A span as it is shown.
#[derive(Clone, Debug)]
pub(crate) struct AdjustedSpan {
    pub(crate) span: Arc<Span>,
    pub(crate) id: SpanId,
    pub(crate) parent: Option<SpanId>,
    /// Nanoseconds since the epoch.
    pub(crate) end: u64,
    /// Nanoseconds by which the span's clock seems to be behind its parent's.
    skew: i64,
    /// The same, but only where it shows: at a span of another resource than its parent's that does
    /// not lie within it. Jaeger's skew goes on to the spans below, and takes two spans without an
    /// address for two hosts.
    pub(crate) clock_delta: i64,
    pub(crate) has_duplicate_id: bool,
    has_lost_parent: bool,
    /// Whether Jaeger's remarks are wanted.
    is_remarked: bool,
}

impl AdjustedTrace {
    /// Bytes that an adjusted trace takes for each span, at most. They include what making it
    /// takes, and the trace's own list of spans, which only the reader keeps once the trace has
    /// grown.
    pub(crate) const SPAN_BYTES: usize = 192;

    /// The spans as they came.
    pub(crate) fn unchanged(trace: Arc<Trace>) -> Self {
        Self::new(trace)
    }

    /// The spans for the viewer's own page: as they came, but with unique ids, and with what does
    /// not add up found.
    pub(crate) fn for_page(trace: Arc<Trace>) -> Self {
        let mut adjusted = Self::new(trace);
        adjusted.separate_shared_ids();
        adjusted.find_skew();
        adjusted
    }

    /// The spans as they came, but for the end of those that end before they start.
    pub(crate) fn raw(trace: Arc<Trace>) -> Self {
        let mut adjusted = Self::new(trace);
        adjusted.mend_ends();
        adjusted
    }

    /// The spans with all that Jaeger's query service changes and remarks by default.
    pub(crate) fn as_in_jaeger(trace: Arc<Trace>) -> Self {
        let mut adjusted = Self::raw(trace);
        adjusted.separate_shared_ids();
        adjusted.find_skew();
        adjusted.spans.iter_mut().for_each(|span| span.is_remarked = true);
        adjusted
    }

    /// Whether a span of that id is there.
    pub(crate) fn holds(&self, id: SpanId) -> bool {
        self.ids.contains(&id)
    }

    fn new(trace: Arc<Trace>) -> Self {
        let spans: Vec<AdjustedSpan> = trace.spans.iter().map(AdjustedSpan::new).collect();
        let ids = spans.iter().map(|span| span.id).collect();
        Self { trace, spans, ids }
    }

    fn mend_ends(&mut self) {
        for span in &mut self.spans {
            if span.ends_too_early() {
                span.end = span.span.start.saturating_add(1);
            }
        }
    }

    /// Where a call's two sides share an id, as Zipkin's libraries have it, the serving side gets
    /// another and becomes the calling side's child.
    fn separate_shared_ids(&mut self) {
        let clients = self.spans.iter().filter(|span| span.span.kind == Kind::Client);
        let clients: HashSet<SpanId> = clients.map(|span| span.id).collect();
        let mut renamed = HashMap::new();
        let mut next = NonZeroU64::MIN;
        for span in &mut self.spans {
            if span.span.kind == Kind::Server && clients.contains(&span.id) {
                while self.ids.contains(&SpanId(next)) {
                    next = next.saturating_add(1);
                }
                self.ids.insert(SpanId(next));
                renamed.insert(span.id, SpanId(next));
                span.parent = Some(span.id);
                span.id = SpanId(next);
            }
        }
        for span in &mut self.spans {
            let Some(&server) = span.parent.and_then(|parent| renamed.get(&parent)) else {
                continue;
            };
            if server != span.id {
                span.parent = Some(server);
            }
        }
    }

    /// Finds ids that occur twice, parents that are missing, and clocks that differ. A child on
    /// another host that does not lie within its parent has another clock. Like Jaeger by default,
    /// this does not correct the times but says by how much they would move.
    fn find_skew(&mut self) {
        let mut seen = HashMap::with_capacity(self.spans.len());
        for (place, span) in (0_u32..).zip(&mut self.spans) {
            match seen.entry(span.id) {
                Entry::Occupied(_) => span.has_duplicate_id = true,
                Entry::Vacant(free) => drop(free.insert(place)),
            }
        }
        let mut waiting: Vec<(usize, i64, i64)> = Vec::new();
        let mut children: Vec<(u32, u32)> = Vec::new();
        for (place, span) in (0_u32..).zip(&mut self.spans) {
            if span.has_duplicate_id {
                continue;
            }
            match span.parent.map(|parent| seen.get(&parent)) {
                Some(Some(&parent)) => children.push((parent, place)),
                Some(None) => {
                    span.has_lost_parent = true;
                    waiting.push((place as usize, 0, 0));
                }
                None => waiting.push((place as usize, 0, 0)),
            }
        }
        children.sort_unstable();
        let mut is_done = vec![false; self.spans.len()];
        while let Some((place, skew, clock_delta)) = waiting.pop() {
            if std::mem::replace(&mut is_done[place], true) {
                continue;
            }
            self.spans[place].skew = skew;
            self.spans[place].clock_delta = clock_delta;
            let parent = &self.spans[place];
            let first = children.partition_point(|&(of, _)| (of as usize) < place);
            let of_parent = children[first..].iter().take_while(|&&(of, _)| of as usize == place);
            for &(_, child) in of_parent {
                let child_span = &self.spans[child as usize];
                let has_same_clock = child_span.is_on_host_of(parent);
                let skew = if has_same_clock { skew } else { delta(child_span, parent) };
                let is_of_one_process =
                    Arc::ptr_eq(&child_span.span.resource, &parent.span.resource);
                let shows = !has_same_clock && !is_of_one_process;
                waiting.push((child as usize, skew, if shows { skew } else { 0 }));
            }
        }
    }
}

/// Traces that are adjusted one after the other, each when it is written.
#[derive(Debug)]
pub(crate) struct AdjustedTraces<'a> {
    store: &'a SharedStore,
    ids: &'a [TraceId],
    adjust: fn(Arc<Trace>) -> AdjustedTrace,
}

impl<'a> AdjustedTraces<'a> {
    /// Those of the traces with these ids that are held.
    pub(crate) fn new(
        store: &'a SharedStore,
        ids: &'a [TraceId],
        adjust: fn(Arc<Trace>) -> AdjustedTrace,
    ) -> Self {
        Self { store, ids, adjust }
    }

    /// Reserves the memory that writing the largest of them needs. Returns whether any is held.
    ///
    /// # Errors
    ///
    /// 503, when all readers together would hold more than they may.
    pub(crate) fn hold(&self, answer: &mut Answer) -> Result<bool, Failure> {
        let spans = {
            let store = self.store.read();
            self.ids.iter().filter_map(|id| Some(store.trace(*id)?.spans.len())).max()
        };
        answer.hold(size_of_val(self.ids) + spans.unwrap_or(0) * AdjustedTrace::SPAN_BYTES)?;
        Ok(spans.is_some())
    }

    /// The traces, as far as they are still held.
    pub(crate) fn iter(&self) -> impl Iterator<Item = AdjustedTrace> {
        self.ids.iter().filter_map(|&id| {
            let trace = self.store.read().trace(id).cloned()?;
            Some((self.adjust)(trace))
        })
    }
}

impl AdjustedSpan {
    fn new(span: &Arc<Span>) -> Self {
        Self {
            span: Arc::clone(span),
            id: span.id,
            parent: span.parent,
            end: span.end,
            skew: 0,
            clock_delta: 0,
            has_duplicate_id: false,
            has_lost_parent: false,
            is_remarked: false,
        }
    }

    /// Nanoseconds.
    pub(crate) fn duration(&self) -> u64 {
        self.end.saturating_sub(self.span.start)
    }

    /// Jaeger's remarks on the span, in its words: pages and scripts look for them.
    pub(crate) fn remarks(&self) -> Vec<String> {
        let mut remarks = Vec::new();
        if self.end != self.span.end {
            remarks.push(format!(
                "Negative duration detected, sanitizing end timestamp. \
                 Original end timestamp: {}, adjusted to: {}",
                timestamp(self.span.end),
                timestamp(self.end),
            ));
        }
        if !self.is_remarked {
            return remarks;
        }
        if self.has_duplicate_id {
            remarks.push("duplicate span IDs; skipping clock skew adjustment".into());
        }
        if let (true, Some(parent)) = (self.has_lost_parent, self.parent) {
            remarks.push(format!(
                "parent span ID={parent} is not in the trace; skipping clock skew adjustment"
            ));
        }
        if self.skew != 0 {
            remarks.push(format!(
                "clock skew adjustment disabled; not applying calculated delta of {}",
                duration::format(self.skew)
            ));
        }
        let invalid = self.span.extra.as_ref().map_or(0, |extra| extra.invalid_links);
        remarks.extend((0..invalid).map(|_| String::from("Invalid span link removed")));
        remarks
    }

    pub(crate) fn has_remarks(&self) -> bool {
        let has_invalid_links =
            || self.span.extra.as_ref().is_some_and(|extra| extra.invalid_links > 0);
        self.end != self.span.end
            || self.is_remarked
                && (self.has_duplicate_id
                    || self.has_lost_parent
                    || self.skew != 0
                    || has_invalid_links())
    }

    fn ends_too_early(&self) -> bool {
        self.span.end <= self.span.start
    }

    fn is_on_host_of(&self, other: &Self) -> bool {
        let (own, others) = (host(&self.span.resource), host(&other.span.resource));
        own == others && !own.is_empty()
    }
}

/// What tells one host from another.
fn host(resource: &Resource) -> Cow<'_, str> {
    fn text(value: &Value) -> Cow<'_, str> {
        match value {
            Value::String(text) => Cow::Borrowed(text),
            _ => Cow::Borrowed(""),
        }
    }
    let of = |key| find(&resource.attributes, key);
    if let Some(id) = of("host.id") {
        return text(id);
    }
    match of("host.ip") {
        Some(Value::Array(addresses)) if !addresses.is_empty() => render::text(&addresses[0]),
        Some(Value::String(address)) => Cow::Borrowed(address),
        _ => of("host.name").map(text).unwrap_or_default(),
    }
}

/// By how many nanoseconds the child would have to move to lie within its parent.
fn delta(child: &AdjustedSpan, parent: &AdjustedSpan) -> i64 {
    let (child_start, parent_start) = (i128::from(child.span.start), i128::from(parent.span.start));
    let end = |span: &AdjustedSpan| i128::from(span.end.max(span.span.start));
    let (child_end, parent_end) = (end(child), end(parent));
    let (child_time, parent_time) = (child_end - child_start, parent_end - parent_start);
    let delta = if child_time > parent_time {
        (parent_start - child_start).max(0)
    } else if child_start >= parent_start && child_end <= parent_end {
        0
    } else {
        parent_start + (parent_time - child_time) / 2 - child_start
    };
    i64::try_from(delta).unwrap_or(i64::MAX)
}

/// A moment as Jaeger's remarks have it.
fn timestamp(nanoseconds: u64) -> String {
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
    use super::timestamp;

    #[test]
    fn moments_are_written_as_in_jaeger() {
        assert_eq!(timestamp(0), "1970-01-01 00:00:00 +0000 UTC");
        assert_eq!(timestamp(1_500_000_000), "1970-01-01 00:00:01.5 +0000 UTC");
    }
}
