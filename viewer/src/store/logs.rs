//! The log records that are held, in memory, bounded by their number and by bytes; the oldest go
//! first. They have bounds of their own: no flood of records pushes out a trace, and no flood of
//! spans a record.
//!
//! A record has a number, counted from 1 in the order of coming. That order is the order of going,
//! so the held ones are those from [`oldest`](Logs::oldest) on. The records of a trace are a chain:
//! the trace leads to its last one, and each to the one before. A chain ends where a number is no
//! longer held, so nothing has to be mended when records go.

use std::collections::btree_map::{BTreeMap, Entry};
use std::collections::{HashMap, HashSet, VecDeque};
use std::mem::size_of;
use std::sync::Arc;

use foldhash::fast::RandomState;

use super::footprint::Footprint;
use super::model::{LogRecord, Name, TraceId};
use super::names::Names;

/// How many records may be held, and how much they may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LogBounds {
    pub(crate) records: usize,
    pub(crate) bytes: usize,
}

/// What a table that doubles when it is full takes at most for each entry.
const ROOM: usize = 2;
/// What a record takes beside itself: its place in the queue.
const PLACE_BYTES: usize = ROOM * size_of::<Held>();
/// What the records of a trace take beside themselves: an entry in a table that is a third full, as
/// it is while it grows.
const CHAIN_BYTES: usize = 3 * (size_of::<(TraceId, Chain)>() + 1);
/// Services listed; records of further ones are held and found, but not listed.
const SERVICES: usize = 1_000;

/// A record that is held.
#[derive(Debug)]
struct Held {
    record: Arc<LogRecord>,
    /// The number of the one before it in its trace; 0 when there is none.
    before: u64,
}

/// The records of one trace.
#[derive(Clone, Copy, Debug, Default)]
struct Chain {
    last: u64,
    count: LogCount,
}

/// How many records a trace has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct LogCount {
    pub(crate) records: usize,
    /// Those that tell of an error.
    pub(crate) errors: usize,
}

/// The log records held, and what finds them.
#[derive(Debug)]
pub(crate) struct Logs {
    bounds: LogBounds,
    records: VecDeque<Held>,
    /// The number of the oldest that is held, or of the next one to come.
    oldest: u64,
    chains: HashMap<TraceId, Chain, RandomState>,
    /// How many records each service has.
    services: BTreeMap<Name, usize>,
    pub(crate) evicted: u64,
    /// Parts of records cut by the viewer's limits.
    pub(crate) cut: u64,
    /// Evicted records that a reader still has: they still take memory.
    leaving: Vec<Arc<LogRecord>>,
    /// What those held and those leaving take.
    record_bytes: usize,
    /// What the names take that records share.
    name_bytes: usize,
}

impl Logs {
    pub(crate) fn new(bounds: LogBounds) -> Self {
        Self {
            bounds,
            records: VecDeque::new(),
            oldest: 1,
            chains: HashMap::default(),
            services: BTreeMap::new(),
            evicted: 0,
            cut: 0,
            leaving: Vec::new(),
            record_bytes: 0,
            name_bytes: 0,
        }
    }

    /// Adds records and evicts what no longer fits, all at once. Their names, and those of what is
    /// evicted, are among `names`.
    pub(crate) fn add(
        &mut self,
        records: impl IntoIterator<Item = Arc<LogRecord>>,
        names: &mut Names,
    ) {
        self.let_go(names);
        for record in records {
            self.add_record(record);
        }
        self.name_bytes = names.bytes();
        self.evict(names);
    }

    /// The record of that number.
    pub(crate) fn record(&self, number: u64) -> Option<&Arc<LogRecord>> {
        self.held(number).map(|held| &held.record)
    }

    /// The number of the oldest record that is held, or of the next one to come.
    pub(crate) fn oldest(&self) -> u64 {
        self.oldest
    }

    /// The number of the next record to come.
    pub(crate) fn next(&self) -> u64 {
        self.oldest + self.records.len() as u64
    }

    pub(crate) fn len(&self) -> usize {
        self.records.len()
    }

    /// How many records a trace has.
    pub(crate) fn count_of(&self, trace: TraceId) -> LogCount {
        self.chains.get(&trace).map(|chain| chain.count).unwrap_or_default()
    }

    /// The numbers of a trace's records, those that came last first.
    pub(crate) fn of_trace(&self, trace: TraceId) -> impl Iterator<Item = u64> {
        let last = self.chains.get(&trace).map(|chain| chain.last);
        std::iter::successors(last, |number| self.held(*number).map(|held| held.before))
            .take_while(|&number| number >= self.oldest)
    }

    /// The services with the number of their records, sorted by name.
    pub(crate) fn services(&self) -> impl ExactSizeIterator<Item = (&Name, usize)> {
        self.services.iter().map(|(name, &records)| (name, records))
    }

    /// An estimate of the memory that everything held takes.
    pub(crate) fn bytes(&self) -> usize {
        self.record_bytes + self.name_bytes
    }

    pub(crate) fn bounds(&self) -> LogBounds {
        self.bounds
    }

    fn held(&self, number: u64) -> Option<&Held> {
        let place = number.checked_sub(self.oldest)?;
        self.records.get(usize::try_from(place).ok()?)
    }

    fn add_record(&mut self, record: Arc<LogRecord>) {
        let number = self.next();
        self.record_bytes += bytes_of(&record);
        self.cut += u64::from(record.cut);
        let room = self.services.len() < SERVICES;
        match self.services.entry(Arc::clone(record.service())) {
            Entry::Occupied(mut records) => *records.get_mut() += 1,
            Entry::Vacant(free) if room => drop(free.insert(1)),
            Entry::Vacant(_) => {}
        }
        let before = record.trace.map_or(0, |trace| {
            let chain = self.chains.entry(trace).or_default();
            self.record_bytes += if chain.count.records == 0 { CHAIN_BYTES } else { 0 };
            chain.count.records += 1;
            chain.count.errors += usize::from(record.is_error());
            std::mem::replace(&mut chain.last, number)
        });
        self.records.push_back(Held { record, before });
    }

    fn evict(&mut self, names: &mut Names) {
        while self.records.len() > self.bounds.records || self.bytes() > self.bounds.bytes {
            if self.records.len() <= self.bounds.records && names.may_be_swept() {
                names.sweep();
                self.name_bytes = names.bytes();
                continue;
            }
            let Some(Held { record, .. }) = self.records.pop_front() else { return };
            self.oldest += 1;
            self.evicted += 1;
            self.forget(&record);
            self.leaving.push(record);
            self.let_go(names);
            self.name_bytes = names.bytes();
        }
    }

    /// Takes a record that goes out of what finds it.
    fn forget(&mut self, record: &LogRecord) {
        if let Some(records) = self.services.get_mut(record.service()) {
            *records = records.saturating_sub(1);
            if *records == 0 {
                self.services.remove(record.service());
            }
        }
        let Some(trace) = record.trace else { return };
        if let Some(chain) = self.chains.get_mut(&trace) {
            chain.count.records -= 1;
            chain.count.errors -= usize::from(record.is_error());
            if chain.count.records == 0 {
                self.chains.remove(&trace);
                self.record_bytes -= CHAIN_BYTES;
            }
        }
    }

    /// Lets go of the evicted records that have no reader any more.
    fn let_go(&mut self, names: &mut Names) {
        for record in self.leaving.extract_if(.., |record| Arc::strong_count(record) == 1) {
            self.record_bytes -= bytes_of(&record);
            names.release_record(record);
        }
    }
}

fn bytes_of(record: &LogRecord) -> usize {
    record.footprint() + PLACE_BYTES
}

/// The traces that records belong to, each once.
pub(crate) fn traces_of(records: &[Arc<LogRecord>]) -> HashSet<TraceId> {
    records.iter().filter_map(|record| record.trace).collect()
}

#[cfg(test)]
mod tests {
    use super::super::model::{Resource, Scope, Severity, Value};
    use super::*;

    fn record(names: &mut Names, trace: u128, severity: u8, text: &str) -> Arc<LogRecord> {
        let service = names.get(b"store").unwrap_or_else(|| names.add("store"));
        let resource = Resource {
            service,
            attributes: Box::default(),
            dropped_attributes: 0,
            schema_url: Box::default(),
        };
        Arc::new(LogRecord {
            time: 1,
            observed: 1,
            severity: Severity(severity),
            severity_text: None,
            event_name: Some(names.get(text.as_bytes()).unwrap_or_else(|| names.add(text))),
            body: Value::String(text.into()),
            trace: (trace > 0).then_some(TraceId(trace)),
            span: None,
            has_invalid_ids: false,
            flags: 0,
            resource: names.resource(resource),
            scope: names.scope(Scope::default()),
            attributes: Box::default(),
            dropped_attributes: 0,
            cut: 0,
        })
    }

    #[test]
    fn a_trace_leads_to_its_records_as_far_as_they_are_held() {
        let mut names = Names::default();
        let mut logs = Logs::new(LogBounds { records: 4, bytes: usize::MAX });
        let sent = [(1, 9), (2, 17), (1, 17), (0, 9), (1, 9)];
        let count = |logs: &Logs, trace| {
            let LogCount { records, errors } = logs.count_of(TraceId(trace));
            (records, errors, logs.of_trace(TraceId(trace)).collect::<Vec<_>>())
        };

        for (trace, severity) in sent {
            let record = record(&mut names, trace, severity, "text");
            logs.add([record], &mut names);
        }

        assert_eq!((logs.oldest(), logs.next(), logs.evicted), (2, 6, 1));
        assert_eq!(count(&logs, 1), (2, 1, vec![5, 3]));
        assert_eq!(count(&logs, 2), (1, 1, vec![2]));
        assert_eq!(count(&logs, 3), (0, 0, vec![]));

        let record = record(&mut names, 0, 1, "text");
        logs.add([record], &mut names);

        assert_eq!(count(&logs, 2), (0, 0, vec![]), "its only record has gone");
        assert_eq!(logs.services().collect::<Vec<_>>(), [(&Name::from("store"), 4)]);
    }

    #[test]
    fn everything_is_given_back() {
        let mut names = Names::default();
        let mut logs = Logs::new(LogBounds { records: 1, bytes: usize::MAX });
        let first = record(&mut names, 1, 9, "first");
        logs.add([first], &mut names);
        let alone = logs.bytes();
        let reader = logs.record(1).cloned();

        let second = record(&mut names, 2, 9, "other");
        logs.add([second], &mut names);

        assert!(logs.record(1).is_none() && names.get(b"first").is_some());
        assert!(logs.bytes() > alone, "what a reader has still takes memory");

        drop(reader);
        let third = record(&mut names, 0, 9, "third");
        logs.add([third], &mut names);

        assert!(names.get(b"first").is_none(), "its name has gone with it");
        assert_eq!(logs.bytes(), alone - CHAIN_BYTES, "and what it took");
    }

    #[test]
    fn bytes_are_bounded_as_well() {
        let mut names = Names::default();
        let bytes = 20_000;
        let mut logs = Logs::new(LogBounds { records: usize::MAX, bytes });

        for number in 0..100 {
            let text = format!("{number}{}", "x".repeat(500));
            let record = record(&mut names, number, 9, &text);
            logs.add([record], &mut names);
            assert!(logs.bytes() <= bytes, "{}", logs.bytes());
        }

        assert!(logs.bytes() > bytes / 2 && logs.len() > 5, "{} {}", logs.bytes(), logs.len());
        assert_eq!(logs.evicted + logs.len() as u64, 100);
    }
}
