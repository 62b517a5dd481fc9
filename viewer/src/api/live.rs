//! The live tail: a summary of each trace whenever it has changed, and each log record that came, as
//! server-sent events.
//!
//! Changes are gathered and told four times a second, so a busy trace is one line a tick however
//! many spans it gets. A client that does not read has a few events waiting and is then let go: its
//! browser connects again by itself. What waits counts against what all [readers](Readers) may hold
//! together; a client whose next event does not fit is let go as well.

use std::cell::OnceCell;
use std::cmp::Reverse;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::CACHE_CONTROL;
use actix_web::web::{Bytes, Data};
use actix_web::{HttpRequest, HttpResponse};
use futures_util::StreamExt;
use serde::Serialize;
use tokio::sync::mpsc::{Sender, channel};
use tokio_stream::wrappers::ReceiverStream;

use super::logs::Row;
use super::summary::Summary;
use super::totals::totals;
use super::{State, error};
use crate::answer::{Failure, Readers};
use crate::budget::Reservation;
use crate::query::filter::Filter;
use crate::query::params::Params;
use crate::query::records::LogFilter;
use crate::store::model::LogRecord;
use crate::store::trace::Trace;

/// How often changes are told.
pub(crate) const TICK: Duration = Duration::from_millis(250);
/// Ticks between two statistics.
const TICKS_A_STATS: u64 = 4;
/// Clients at one time.
const CLIENTS: usize = 64;
/// Events that may wait for one client.
const WAITING: usize = 16;
/// Summaries in one event, and their bytes, about.
const SUMMARIES: usize = 100;
const SUMMARIES_BYTES: usize = 256 * 1024;
/// Log records in one event, and their bytes, about.
const RECORDS: usize = 1_000;
const RECORDS_BYTES: usize = 512 * 1024;
/// Events with log records in one tick: two thousand records a second are told whole also when a tick
/// comes two seconds late.
const RECORD_EVENTS: usize = 4;
/// How long a browser waits before it connects again, in milliseconds.
const RETRY_MS: u64 = 2_000;

/// All clients that watch.
#[derive(Debug, Default)]
pub(crate) struct Live {
    clients: Mutex<Vec<Client>>,
    /// The number of the next log record to tell.
    next_record: AtomicU64,
}

/// What a client wants to be told.
#[derive(Debug)]
enum Watched {
    Traces(Filter),
    Logs(LogFilter),
}

#[derive(Debug)]
struct Client {
    watched: Watched,
    events: Sender<Event>,
    readers: Readers,
}

/// An event on its way, and the memory that it takes until then.
#[derive(Debug)]
struct Event {
    bytes: Bytes,
    _held: Reservation,
}

impl Live {
    /// How many watch.
    pub(super) fn clients(&self) -> usize {
        self.lock().len()
    }

    /// Tells all clients what has changed. `tick` counts the calls.
    pub(crate) fn tell(&self, state: &State, tick: u64) {
        let records = Records::since(&self.next_record, state);
        if self.clients() == 0 {
            return;
        }
        let changes = state.store.write().take_changes();
        let mut traces: Vec<Arc<Trace>> = {
            let store = state.store.read();
            changes.traces.iter().filter_map(|&id| store.trace(id).cloned()).collect()
        };
        traces.sort_by_key(|trace| Reverse(trace.start));
        // Made when the first client wants it, for all of them.
        let summaries: Vec<_> = traces.iter().map(|_| OnceCell::new()).collect();
        let summary = |at: usize| {
            &**summaries[at].get_or_init(|| {
                let logs = state.store.logs().count_of(traces[at].id);
                json(&Summary::of(&traces[at], &state.chips, logs))
            })
        };
        let stats =
            tick.is_multiple_of(TICKS_A_STATS).then(|| event("stats", &json(&totals(state))));
        self.lock().retain(|client| {
            !client.events.is_closed()
                && match &client.watched {
                    Watched::Traces(filter) => {
                        client.tell_traces(filter, &traces, summary, changes.skipped)
                    }
                    Watched::Logs(filter) => client.tell_logs(filter, &records, state),
                }
                && stats.as_ref().is_none_or(|stats| client.tell(stats.clone()))
        });
        if self.clients() == 0 {
            state.store.write().forget_changes();
        }
    }

    fn add(&self, client: Client) -> bool {
        let mut clients = self.lock();
        let room = clients.len() < CLIENTS;
        if room {
            clients.push(client);
        }
        room
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Client>> {
        self.clients.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Client {
    /// False when the client has gone, does not read, or the event does not fit into what all
    /// readers may hold.
    fn tell(&self, bytes: Bytes) -> bool {
        let mut held = self.readers.reservation();
        held.grow(bytes.len()) && self.events.try_send(Event { bytes, _held: held }).is_ok()
    }

    fn tell_traces<'a>(
        &self,
        filter: &Filter,
        traces: &[Arc<Trace>],
        summary: impl Fn(usize) -> &'a [u8],
        skipped: usize,
    ) -> bool {
        let matches = |at: &usize| filter.matches(&traces[*at]);
        let mut matching = (0..traces.len()).filter(matches).peekable();
        if matching.peek().is_none() && skipped == 0 {
            return true;
        }
        let mut data = Vec::from(*b"{\"traces\":[");
        for (told, at) in matching.by_ref().take(SUMMARIES).enumerate() {
            if told > 0 {
                data.push(b',');
            }
            data.extend_from_slice(summary(at));
            if data.len() > SUMMARIES_BYTES {
                break;
            }
        }
        let skipped = skipped + matching.count();
        data.extend_from_slice(format!("],\"skipped\":{skipped}}}").as_bytes());
        self.tell(event("traces", &data))
    }

    fn tell_logs(&self, filter: &LogFilter, records: &Records, state: &State) -> bool {
        let matches = |at: &usize| filter.matches(&records.new[*at].1);
        let mut matching = (0..records.new.len()).filter(matches).peekable();
        let Records { held, oldest, .. } = records;
        let mut skipped = records.skipped;
        for events in (0..RECORD_EVENTS).rev() {
            if matching.peek().is_none() && skipped == 0 {
                break;
            }
            let mut data = Vec::from(*b"{\"records\":[");
            for (told, at) in matching.by_ref().take(RECORDS).enumerate() {
                if told > 0 {
                    data.push(b',');
                }
                data.extend_from_slice(records.row(at, state));
                if data.len() > RECORDS_BYTES {
                    break;
                }
            }
            if events == 0 {
                skipped += matching.by_ref().count() as u64;
            }
            let rest = format!("],\"skipped\":{skipped},\"held\":{held},\"oldest\":{oldest}}}");
            data.extend_from_slice(rest.as_bytes());
            skipped = 0;
            if !self.tell(event("logs", &data)) {
                return false;
            }
        }
        true
    }
}

/// The log records that came since the last tick.
struct Records {
    new: Vec<(u64, Arc<LogRecord>)>,
    /// Their rows, made when the first client wants one, for all of them.
    rows: Vec<OnceCell<Vec<u8>>>,
    /// How many more came, of which the first clients could be told none.
    skipped: u64,
    held: usize,
    oldest: u64,
}

impl Records {
    /// Those from the number `next` on, which becomes that of the next to come. If there are too many
    /// to tell, the newest.
    fn since(next: &AtomicU64, state: &State) -> Self {
        let logs = state.store.logs();
        let came = next.swap(logs.next(), Ordering::Relaxed)..logs.next();
        let from = came.start.max(came.end.saturating_sub((RECORD_EVENTS * RECORDS) as u64));
        let is_watched = state.live.clients() > 0;
        let new = (from..came.end).take_while(|_| is_watched);
        let new: Vec<_> =
            new.filter_map(|number| Some((number, Arc::clone(logs.record(number)?)))).collect();
        Self {
            rows: new.iter().map(|_| OnceCell::new()).collect(),
            new,
            skipped: from - came.start,
            held: logs.len(),
            oldest: logs.oldest(),
        }
    }

    fn row(&self, at: usize, state: &State) -> &[u8] {
        let (number, record) = &self.new[at];
        self.rows[at].get_or_init(|| json(&Row::of(*number, record, &state.store)))
    }
}

/// `GET /viewer/api/live`: a connection that is told from now on.
pub(super) async fn subscribe(request: HttpRequest, state: Data<State>) -> HttpResponse {
    let params = Params::parse(request.query_string());
    let filter = params.trace_ids("traceID").and_then(|ids| Ok(Filter { ids, ..params.filter()? }));
    match filter {
        Ok(filter) => watch(Watched::Traces(filter), &state),
        Err(wrong) => error(&wrong.into()),
    }
}

/// `GET /viewer/api/logs/live`: the same for log records.
pub(super) async fn subscribe_to_logs(request: HttpRequest, state: Data<State>) -> HttpResponse {
    match LogFilter::of(&Params::parse(request.query_string())) {
        Ok(filter) => watch(Watched::Logs(filter), &state),
        Err(wrong) => error(&wrong.into()),
    }
}

fn watch(watched: Watched, state: &State) -> HttpResponse {
    let (events, waiting) = channel(WAITING);
    let client = Client { watched, events, readers: state.readers.clone() };
    let hello = json(&serde_json::json!({ "version": env!("CARGO_PKG_VERSION") }));
    let mut first = format!("retry: {RETRY_MS}\n").into_bytes();
    first.extend_from_slice(&event("hello", &hello));
    if !client.tell(first.into()) || !state.live.add(client) {
        let message = format!("{CLIENTS} pages watch already, which is as many as can");
        return error(&Failure::new(StatusCode::SERVICE_UNAVAILABLE, message));
    }
    // From now on changes are remembered, before the first tick as well.
    state.store.write().watch_changes();
    HttpResponse::Ok()
        .content_type("text/event-stream")
        .insert_header((CACHE_CONTROL, "no-store"))
        // nginx would gather events until it has some kilobytes of them.
        .insert_header(("x-accel-buffering", "no"))
        .streaming(ReceiverStream::new(waiting).map(|event| Ok::<_, actix_web::Error>(event.bytes)))
}

fn json(value: &impl Serialize) -> Vec<u8> {
    // Strings, numbers and lists: nothing that JSON could not hold.
    serde_json::to_vec(value).unwrap_or_default()
}

/// An event whose data is `json`, which has no line breaks outside its strings, and none unescaped
/// inside them.
fn event(name: &str, json: &[u8]) -> Bytes {
    let mut event = format!("event: {name}\ndata: ").into_bytes();
    event.extend_from_slice(json);
    event.extend_from_slice(b"\n\n");
    event.into()
}
