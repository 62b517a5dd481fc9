//! How an answer gets to its reader: made on a thread of its own, in pieces, within a bound.
//!
//! A trace as JSON can be larger than the process should ever get, so no answer exists as a whole.
//! A handler hands [`Readers::answer`] a closure. The closure runs on a blocking thread and writes
//! JSON to an [`Answer`], straight from the held spans. Whenever [`PIECE_BYTES`] have gathered they
//! go to the connection, and the closure waits until the connection has taken them:
//!
//! ```text
//! blocking thread:  look up ─ write ─ [piece] ─ write ─ [piece] ─ …
//! HTTP worker:                          └─▶ socket        └─▶ socket
//! ```
//!
//! Four things are bounded: how many answers there are at one time, the memory that they hold
//! together, how many of them work at one time (so that the store's writer gets a processor), and
//! how long a reader may leave a piece unread.

use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::{ContentType, RETRY_AFTER};
use actix_web::web::{Bytes, block};
use actix_web::{HttpResponse, HttpResponseBuilder};
use futures_util::stream::{self, Stream, StreamExt};
use serde::Serialize;
use serde_json::ser::{CompactFormatter, Formatter, PrettyFormatter, Serializer};
use shared::notice::Notice;
use tokio::runtime::Handle;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::budget::{Budget, Reservation};

/// Answers that are made at one time. Each has a thread, most of them waiting for their readers.
pub(crate) const ANSWERS: usize = 64;
/// Answers that are worked on at one time: the store's writer needs a processor too.
const AT_WORK: usize = 2;
/// Bytes of a piece. HTTP workers keep at most one more in a connection's own buffer.
const PIECE_BYTES: usize = 32 * 1024;
/// The memory that every answer takes: the piece that is being written and the one that waits.
const BASE_BYTES: usize = 3 * PIECE_BYTES;
/// When no reader has been refused or let go for this long, the log says that it is over.
const CALM: Duration = Duration::from_secs(5);
/// Seconds after which a refused reader may come again.
const RETRY_AFTER_S: u64 = 1;

/// All readers, and what they may hold together.
#[derive(Clone, Debug)]
pub(crate) struct Readers {
    budget: Budget,
    places: Arc<Semaphore>,
    at_work: Arc<Semaphore>,
    patience: Duration,
    notices: Arc<Notices>,
}

/// What the log says once when it begins and once when it is over.
#[derive(Debug, Default)]
struct Notices {
    refused: Notice,
    unread: Notice,
}

/// Why a request gets no answer: a status, and a sentence for people.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) status: StatusCode,
    pub(crate) message: String,
}

/// An answer that is being made. What is written to it goes to the reader.
#[derive(Debug)]
pub(crate) struct Answer {
    piece: Vec<u8>,
    pieces: Sender<Piece>,
    held: Reservation,
    at_work: Arc<Semaphore>,
    turn: Option<OwnedSemaphorePermit>,
    runtime: Handle,
    patience: Duration,
    notices: Arc<Notices>,
    layout: Layout,
    /// The last field, so that it is given back last.
    _place: OwnedSemaphorePermit,
}

#[derive(Debug)]
struct Piece {
    bytes: Bytes,
    is_last: bool,
}

/// What writes an answer. It is no type parameter of [`Readers::answer`], so that the compiler makes
/// that once and not for each answer.
type Make = Box<dyn FnOnce(&mut Answer) -> Result<(), Failure> + Send>;

/// How JSON is laid out. It is one type for both ways, so that the compiler makes the code that
/// writes a value once and not twice.
#[derive(Clone, Debug)]
enum Layout {
    Compact(CompactFormatter),
    /// For people: indented, as Jaeger does it.
    Indented(PrettyFormatter<'static>),
}

/// Methods of a [`Formatter`] that do what the layout's formatter does.
macro_rules! as_laid_out {
    ($($method:ident($($argument:ident: $type:ty)?);)*) => {$(
        fn $method<W: ?Sized + Write>(&mut self, writer: &mut W $(, $argument: $type)?) -> io::Result<()> {
            match self {
                Layout::Compact(formatter) => formatter.$method(writer $(, $argument)?),
                Layout::Indented(formatter) => formatter.$method(writer $(, $argument)?),
            }
        }
    )*};
}

/// These are the methods that a [`PrettyFormatter`] has of its own.
impl Formatter for Layout {
    as_laid_out! {
        begin_array();
        end_array();
        begin_array_value(is_first: bool);
        end_array_value();
        begin_object();
        end_object();
        begin_object_key(is_first: bool);
        begin_object_value();
        end_object_value();
    }
}

impl Readers {
    /// Readers that hold at most `bytes` together. One that leaves a piece unread for longer than
    /// `patience` is let go.
    pub(crate) fn new(bytes: usize, patience: Duration) -> Self {
        Self {
            budget: Budget::new(bytes),
            places: Arc::new(Semaphore::new(ANSWERS)),
            at_work: Arc::new(Semaphore::new(AT_WORK)),
            patience,
            notices: Arc::default(),
        }
    }

    /// The memory of one reader, none yet.
    pub(crate) fn reservation(&self) -> Reservation {
        self.budget.reservation()
    }

    /// The answer that `make` writes: status 200, JSON.
    ///
    /// # Errors
    ///
    /// The failure of `make`, if it failed before it had written a piece; what fails later cuts the
    /// answer short, which the reader sees. 503 when too many answers are being made already, 500
    /// when `make` panicked.
    pub(crate) async fn answer(&self, make: Make) -> Result<HttpResponse, Failure> {
        let place = Arc::clone(&self.places).try_acquire_owned();
        let place = place.map_err(|_| self.notices.busy())?;
        let (pieces, mut waiting) = channel(1);
        let mut answer = Answer {
            piece: Vec::new(),
            pieces,
            held: self.reservation(),
            at_work: Arc::clone(&self.at_work),
            turn: None,
            runtime: Handle::current(),
            patience: self.patience,
            notices: Arc::clone(&self.notices),
            layout: Layout::Compact(CompactFormatter),
            _place: place,
        };
        // The thread finishes its work even if the client goes away meanwhile.
        let made = block(move || {
            answer.hold(0)?;
            answer.wait_for_turn();
            make(&mut answer)?;
            answer.send(true).map_err(Failure::cut_short)
        });
        let response = || {
            let mut response = HttpResponse::Ok();
            response.content_type(ContentType::json());
            response
        };
        match waiting.recv().await {
            Some(whole) if whole.is_last => Ok(response().body(whole.bytes)),
            Some(first) => Ok(response().streaming(body(first, waiting))),
            None => match made.await {
                Ok(Err(failure)) => Err(failure),
                Ok(Ok(())) => Err(Failure::internal("the answer was lost")),
                Err(error) => Err(Failure::internal(error)),
            },
        }
    }
}

impl Readers {
    /// Logs what is over. It is called every second.
    pub(crate) fn settle(&self) {
        if let Some(over) = self.notices.refused.over_after(CALM) {
            tracing::info!(readers = over.count, "no reader is told to come again any more");
        }
        if let Some(over) = self.notices.unread.over_after(CALM) {
            tracing::info!(readers = over.count, "no reader leaves its answer unread any more");
        }
    }
}

impl Notices {
    /// Notes that a reader was refused; the failure that says so.
    fn busy(&self) -> Failure {
        if self.refused.occurred() {
            tracing::warn!("too many answers are being made: telling readers to come again");
        }
        Failure::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "the viewer is answering as many readers as it can: try again in a second",
        )
    }
}

fn body(first: Piece, waiting: Receiver<Piece>) -> impl Stream<Item = io::Result<Bytes>> {
    let rest = stream::unfold((waiting, false), |(mut waiting, is_over)| async move {
        if is_over {
            return None;
        }
        match waiting.recv().await {
            Some(piece) => Some((Ok(piece.bytes), (waiting, piece.is_last))),
            None => Some((Err(io::Error::other("the answer was cut short")), (waiting, true))),
        }
    });
    stream::once(std::future::ready(Ok(first.bytes))).chain(rest)
}

impl Answer {
    /// Reserves `bytes` of memory in place of what was reserved before. It is called before the
    /// memory is taken.
    ///
    /// # Errors
    ///
    /// 503, when all readers together would hold more than they may.
    pub(crate) fn hold(&mut self, bytes: usize) -> Result<(), Failure> {
        let wanted = bytes + BASE_BYTES;
        self.held.shrink_to(wanted);
        let more = wanted - self.held.bytes();
        if self.held.grow(more) { Ok(()) } else { Err(self.notices.busy()) }
    }

    /// Writes JSON for people: indented, as Jaeger does it.
    pub(crate) fn indent(&mut self) {
        self.layout = Layout::Indented(PrettyFormatter::with_indent(b"    "));
    }

    /// Writes `value`.
    ///
    /// # Errors
    ///
    /// When the reader has gone, or does not read.
    pub(crate) fn json(&mut self, value: &impl Serialize) -> Result<(), Failure> {
        let layout = self.layout.clone();
        let written = value.serialize(&mut Serializer::with_formatter(&mut *self, layout));
        written.map_err(Failure::cut_short)
    }

    /// Waits until few enough others are at work.
    fn wait_for_turn(&mut self) {
        let turn = self.runtime.block_on(Arc::clone(&self.at_work).acquire_owned());
        // The semaphore is never closed.
        self.turn = turn.ok();
    }

    /// Sends what has been written to the connection, and waits until the piece before it has been
    /// taken.
    fn send(&mut self, is_last: bool) -> io::Result<()> {
        let bytes = Bytes::from(std::mem::take(&mut self.piece));
        // Another answer may work while this one waits.
        self.turn = None;
        let sending = self.pieces.send(Piece { bytes, is_last });
        match self.runtime.block_on(async { timeout(self.patience, sending).await }) {
            Ok(Ok(())) => {
                if !is_last {
                    self.wait_for_turn();
                }
                Ok(())
            }
            Ok(Err(_)) => Err(io::Error::new(io::ErrorKind::BrokenPipe, "the reader has gone")),
            Err(_) => {
                if self.notices.unread.occurred() {
                    tracing::warn!("a reader leaves its answer unread: it is let go");
                }
                Err(io::Error::new(io::ErrorKind::TimedOut, "the reader does not read"))
            }
        }
    }
}

impl Write for Answer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.piece.is_empty() {
            self.piece.reserve_exact(PIECE_BYTES);
        }
        let taken = bytes.len().min(PIECE_BYTES - self.piece.len());
        self.piece.extend_from_slice(&bytes[..taken]);
        if self.piece.len() == PIECE_BYTES {
            self.send(false)?;
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Failure {
    pub(crate) fn new(status: StatusCode, message: impl ToString) -> Self {
        Self { status, message: message.to_string() }
    }

    pub(crate) fn not_found(message: impl ToString) -> Self {
        Self::new(StatusCode::NOT_FOUND, message)
    }

    fn internal(error: impl ToString) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, error)
    }

    fn cut_short(error: impl Into<io::Error>) -> Self {
        Self::internal(error.into())
    }

    /// The response to begin with: its status, and `Retry-After` if the reader is to come again.
    pub(crate) fn response(&self) -> HttpResponseBuilder {
        let mut response = HttpResponse::build(self.status);
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            response.insert_header((RETRY_AFTER, RETRY_AFTER_S));
        }
        response
    }
}
